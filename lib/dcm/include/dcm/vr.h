// SPDX-License-Identifier: Apache-2.0
//
// Value Representations (PS3.5 6.2) and their properties on the wire, and the VR of each standard element by
// a dictionary that is compiled in and versioned, independent of DCMDICTPATH. Static tables. Thread: any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Goes up whenever a row of the dictionary changes: a canonical digest depends on it (docs/digests.md).
#define DCM_DICTIONARY_VERSION 1

enum dcm_vr {
    DCM_VR_NONE, // not known: letters that the standard does not have, or a tag outside the dictionary
    DCM_VR_AE,
    DCM_VR_AS,
    DCM_VR_AT,
    DCM_VR_CS,
    DCM_VR_DA,
    DCM_VR_DS,
    DCM_VR_DT,
    DCM_VR_FD,
    DCM_VR_FL,
    DCM_VR_IS,
    DCM_VR_LO,
    DCM_VR_LT,
    DCM_VR_OB,
    DCM_VR_OD,
    DCM_VR_OF,
    DCM_VR_OL,
    DCM_VR_OV,
    DCM_VR_OW,
    DCM_VR_PN,
    DCM_VR_SH,
    DCM_VR_SL,
    DCM_VR_SQ,
    DCM_VR_SS,
    DCM_VR_ST,
    DCM_VR_SV,
    DCM_VR_TM,
    DCM_VR_UC,
    DCM_VR_UI,
    DCM_VR_UL,
    DCM_VR_UN,
    DCM_VR_UR,
    DCM_VR_US,
    DCM_VR_UT,
    DCM_VR_UV,
    // In the dictionary only: the choice depends on other elements or on the transfer syntax.
    DCM_VR_OB_OR_OW,
    DCM_VR_US_OR_SS, // "US or SS" and "US or SS or OW"
    DCM_VR_US_OR_OW,
    DCM_VR_COUNT
};

struct dcm_vr_info {
    char name[3]; // "AE"; for those of the dictionary only "ox", "xs", "lt"
    bool is_long; // explicit VR: 2 reserved bytes and a 32-bit length (PS3.5 7.1.2), else a 16-bit length
    bool is_text; // character string: padding is not significant, bytes are never swapped
    uint8_t swap_width; // bytes of the unit that big endian turns round: 1, 2, 4 or 8
    uint8_t padding;    // the byte that makes an odd value even (PS3.5 6.2)
};

// For every value below DCM_VR_COUNT.
const struct dcm_vr_info *dcm_vr_info(enum dcm_vr vr);

// The VR written by two letters; DCM_VR_NONE if the standard has none such.
enum dcm_vr dcm_vr_from_letters(uint8_t first, uint8_t second);

// The dictionary's VR of a standard element, repeating groups included (50xx, 60xx, 7Fxx); (gggg,0000) of an
// even group is UL. DCM_VR_NONE for every private tag and for what the dictionary does not have.
enum dcm_vr dcm_dictionary_vr(uint32_t tag);
