// SPDX-License-Identifier: Apache-2.0
//
// The prefix of a DICOM file: preamble, meta header, beginning of the data set (PS3.10 7.1). Used by tools
// and tests; any thread.
#include "dcm/file.h"
#include "base/cursor.h"
#include "dcm/tag.h"
#include "dcm/vr.h"
#include <string.h>

#define PREAMBLE_LENGTH    128
#define META_GROUP         0x0002
#define MEDIA_SOP_CLASS    DCM_TAG(META_GROUP, 0x0002)
#define MEDIA_SOP_INSTANCE DCM_TAG(META_GROUP, 0x0003)

// One explicit VR little endian element; the meta header is never anything else.
static void meta_element_take(struct cursor *c, uint32_t *tag, struct slice *value)
{
    uint32_t group = cursor_u16le(c);
    *tag = DCM_TAG(group, cursor_u16le(c));
    uint8_t first = cursor_u8(c);
    uint8_t second = cursor_u8(c);
    uint32_t length = cursor_u16le(c);
    if (dcm_vr_info(dcm_vr_from_letters(first, second))->is_long)
        length = cursor_u32le(c);
    *value = cursor_take(c, length);
}

static bool is_meta_next(const struct cursor *c)
{
    return cursor_left(c) >= 2 && c->at[0] == (META_GROUP & 0xFF) && c->at[1] == META_GROUP >> 8;
}

// Data sets begin with a low group: its two bytes tell the byte order, and two known letters explicit VR.
static struct slice syntax_guess(struct slice data_set)
{
    const char *uid = "1.2.840.10008.1.2";
    const uint8_t *d = data_set.data;
    if (data_set.length >= 6 && dcm_vr_from_letters(d[4], d[5]) != DCM_VR_NONE)
        uid = d[0] == 0 && d[1] != 0 ? "1.2.840.10008.1.2.2" : "1.2.840.10008.1.2.1";
    return slice_of_text(uid);
}

enum result dcm_file_parse(struct slice bytes, struct dcm_file *file)
{
    struct dcm_file f = {.has_preamble = false};
    size_t begin = 0;
    if (bytes.length >= PREAMBLE_LENGTH + 4 && memcmp(bytes.data + PREAMBLE_LENGTH, "DICM", 4) == 0) {
        f.has_preamble = true;
        begin = PREAMBLE_LENGTH + 4;
    }
    struct cursor c = cursor_of(slice_from(bytes, begin));
    while (is_meta_next(&c)) {
        uint32_t tag;
        struct slice value;
        meta_element_take(&c, &tag, &value);
        if (c.failed)
            return ERR_FORMAT;
        f.has_meta = true;
        if (tag == DCM_TRANSFER_SYNTAX_UID)
            f.transfer_syntax = slice_trimmed(value);
        else if (tag == MEDIA_SOP_CLASS)
            f.sop_class = slice_trimmed(value);
        else if (tag == MEDIA_SOP_INSTANCE)
            f.sop_instance = slice_trimmed(value);
    }
    f.data_set_offset = bytes.length - cursor_left(&c);
    f.data_set = slice_from(bytes, f.data_set_offset);
    if (f.transfer_syntax.length == 0) {
        f.is_guessed = true;
        f.transfer_syntax = syntax_guess(f.data_set);
    }
    *file = f;
    return OK;
}
