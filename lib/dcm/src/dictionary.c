// SPDX-License-Identifier: Apache-2.0
//
// The compiled-in VR dictionary: a sorted table and the few repeating groups, from dictionary.def. Called
// once for each header that the scanner reads and by whoever edits implicit VR. Static data; any thread.
#include "dcm/tag.h"
#include "dcm/vr.h"
#include <stddef.h>

struct dictionary_row {
    uint32_t tag;
    uint8_t vr; // enum dcm_vr
};

struct repeating_row {
    uint32_t tag;
    uint32_t mask;
    uint8_t vr;
};

static const struct dictionary_row rows[] = {
#define T(tag, vr) {0x##tag, DCM_VR_##vr},
#include "dictionary.def"
#undef T
};

static const struct repeating_row repeating_rows[] = {
#define W(tag, mask, vr) {0x##tag, 0x##mask, DCM_VR_##vr},
#include "dictionary.def"
#undef W
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum dcm_vr repeating_vr(uint32_t tag)
{
    for (size_t i = 0; i < COUNT(repeating_rows); i++) {
        if ((tag & repeating_rows[i].mask) == repeating_rows[i].tag)
            return (enum dcm_vr)repeating_rows[i].vr;
    }
    return DCM_VR_NONE;
}

enum dcm_vr dcm_dictionary_vr(uint32_t tag)
{
    if (dcm_tag_is_private(tag))
        return DCM_VR_NONE;
    if (dcm_tag_element(tag) == 0)
        return DCM_VR_UL; // group length, retired everywhere but in groups 0000 and 0002 (PS3.5 7.2)
    size_t low = 0;
    size_t high = COUNT(rows);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].tag == tag)
            return (enum dcm_vr)rows[middle].vr;
        if (rows[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return repeating_vr(tag);
}
