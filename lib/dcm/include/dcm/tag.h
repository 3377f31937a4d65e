// SPDX-License-Identifier: Apache-2.0
//
// Data element tags (PS3.5 7.1, PS3.6) as one 32-bit number: group in the upper half, element in the lower.
// Only the tags that this program names. Thread: any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DCM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

#define DCM_TRANSFER_SYNTAX_UID           DCM_TAG(0x0002, 0x0010)
#define DCM_LENGTH_TO_END                 DCM_TAG(0x0008, 0x0001) // retired; depends on the encoding
#define DCM_SPECIFIC_CHARACTER_SET        DCM_TAG(0x0008, 0x0005)
#define DCM_SOP_CLASS_UID                 DCM_TAG(0x0008, 0x0016)
#define DCM_SOP_INSTANCE_UID              DCM_TAG(0x0008, 0x0018)
#define DCM_STUDY_DATE                    DCM_TAG(0x0008, 0x0020)
#define DCM_STUDY_TIME                    DCM_TAG(0x0008, 0x0030)
#define DCM_ACCESSION_NUMBER              DCM_TAG(0x0008, 0x0050)
#define DCM_MODALITY                      DCM_TAG(0x0008, 0x0060)
#define DCM_PATIENT_NAME                  DCM_TAG(0x0010, 0x0010)
#define DCM_PATIENT_ID                    DCM_TAG(0x0010, 0x0020)
#define DCM_ISSUER_OF_PATIENT_ID          DCM_TAG(0x0010, 0x0021)
#define DCM_ISSUER_OF_PATIENT_ID_SEQUENCE DCM_TAG(0x0010, 0x0024)
#define DCM_PATIENT_BIRTH_DATE            DCM_TAG(0x0010, 0x0030)
#define DCM_PATIENT_SEX                   DCM_TAG(0x0010, 0x0040)
#define DCM_MANUFACTURER                  DCM_TAG(0x0008, 0x0070)
#define DCM_STATION_NAME                  DCM_TAG(0x0008, 0x1010)
#define DCM_CONTRIBUTING_EQUIPMENT        DCM_TAG(0x0018, 0xA001)
#define DCM_STUDY_INSTANCE_UID            DCM_TAG(0x0020, 0x000D)
#define DCM_SERIES_INSTANCE_UID           DCM_TAG(0x0020, 0x000E)
#define DCM_FLOAT_PIXEL_DATA              DCM_TAG(0x7FE0, 0x0008)
#define DCM_DOUBLE_FLOAT_PIXEL_DATA       DCM_TAG(0x7FE0, 0x0009)
#define DCM_PIXEL_DATA                    DCM_TAG(0x7FE0, 0x0010)
#define DCM_TRAILING_PADDING              DCM_TAG(0xFFFC, 0xFFFC)
#define DCM_ITEM                          DCM_TAG(0xFFFE, 0xE000)
#define DCM_ITEM_DELIMITATION             DCM_TAG(0xFFFE, 0xE00D)
#define DCM_SEQUENCE_DELIMITATION         DCM_TAG(0xFFFE, 0xE0DD)

#define DCM_LENGTH_UNDEFINED UINT32_C(0xFFFFFFFF)

static inline uint16_t dcm_tag_group(uint32_t tag)
{
    return (uint16_t)(tag >> 16);
}

static inline uint16_t dcm_tag_element(uint32_t tag)
{
    return (uint16_t)(tag & 0xFFFF);
}

// PS3.5 7.8: odd groups are private.
static inline bool dcm_tag_is_private(uint32_t tag)
{
    return (dcm_tag_group(tag) & 1) != 0;
}

// What docs/digests.md calls Pixel Data when it stands at the top level.
static inline bool dcm_tag_is_pixel_data(uint32_t tag)
{
    return tag == DCM_PIXEL_DATA || tag == DCM_FLOAT_PIXEL_DATA || tag == DCM_DOUBLE_FLOAT_PIXEL_DATA;
}
