// SPDX-License-Identifier: Apache-2.0
//
// See golden_build.h. PS3.5 7.1.2 and 7.5: elements ascend, items in their order.
#include "golden_build.h"

#include <stdlib.h>

#include "base/text.h"
#include "value.h"

struct building {
    const struct golden_element *element;
    struct dcm_text *text;
    struct dcm_charset charset;
    const struct conf_document *document;
    struct writer *to;
};

static int compare_elements(const void *a, const void *b)
{
    return dcm_path_compare(&((const struct golden_element *)a)->path,
                            &((const struct golden_element *)b)->path);
}

static void tag_put(struct writer *to, uint32_t tag)
{
    writer_u16le(to, dcm_tag_group(tag));
    writer_u16le(to, dcm_tag_element(tag));
}

static void header_put(struct writer *to, uint32_t tag, enum dcm_vr vr, uint32_t length)
{
    tag_put(to, tag);
    writer_put(to, dcm_vr_info(vr)->name, 2);
    if (dcm_vr_info(vr)->is_long) {
        writer_u16le(to, 0);
        writer_u32le(to, length);
    } else {
        writer_u16le(to, (uint16_t)length);
    }
}

static void value_put(struct writer *to, uint32_t tag, enum dcm_vr vr, struct slice value)
{
    bool is_odd = value.length % 2 != 0;
    header_put(to, tag, vr, (uint32_t)(value.length + (is_odd ? 1 : 0)));
    writer_slice_put(to, value);
    if (is_odd)
        writer_u8(to, dcm_vr_info(vr)->padding);
}

static bool hex_read(const char *text, struct writer *to)
{
    for (; *text != 0; text++) {
        uint8_t byte;
        char pair[3] = {text[0], text[1], 0};
        if (*text == ' ')
            continue;
        if (text_unhex(pair, &byte, 1) != OK)
            return false;
        writer_u8(to, byte);
        text++;
    }
    return true;
}

// Binary numbers, separated by `\`.
static bool numbers_read(const char *text, enum dcm_vr vr, struct writer *to)
{
    char *end = NULL;
    for (; *text != 0; text = *end == '\\' ? end + 1 : end) {
        float single = strtof(text, &end);
        double wide = strtod(text, &end);
        uint32_t low;
        uint64_t bits;
        if (end == text || (*end != 0 && *end != '\\'))
            return false;
        memcpy(&low, &single, sizeof low);
        memcpy(&bits, &wide, sizeof bits);
        if (vr == DCM_VR_FL)
            writer_u32le(to, low);
        else
            writer_little_endian(to, vr == DCM_VR_FD ? bits : (uint64_t)(int64_t)wide,
                                 dcm_vr_info(vr)->swap_width);
    }
    return true;
}

// The bytes of one value; false after an error.
static bool value_make(const struct building *building, const struct conf_node *node, enum dcm_vr vr,
                       struct writer *to)
{
    const struct conf_node *hex = conf_node_member(node, "hex");
    bool is_fine = false;
    if (hex != NULL && hex->kind == CONF_SCALAR)
        is_fine = hex_read(hex->text, to);
    else if (node->kind == CONF_SCALAR && value_vr_is_number(vr))
        is_fine = numbers_read(node->text, vr, to);
    else if (node->kind == CONF_SCALAR)
        is_fine = dcm_text_encode(building->text, &building->charset, vr, slice_of_text(node->text),
                                  to->start, to->capacity, &to->length, NULL) == OK;
    if (!is_fine || to->failed)
        conf_error_at(building->document, node, "text in the case's character set, or { hex: \"41 42\" }",
                      "not a value");
    return is_fine && !to->failed;
}

static void level_put(const struct building *building, size_t first, size_t end, uint32_t depth);

// A sequence with the elements first..end, which all lie in it.
static void sequence_put(const struct building *building, size_t first, size_t end, uint32_t depth)
{
    struct writer *to = building->to;
    header_put(to, building->element[first].path.step[depth].tag, DCM_VR_SQ, DCM_LENGTH_UNDEFINED);
    while (first < end) {
        uint32_t item = building->element[first].path.step[depth].item;
        size_t next = first;
        while (next < end && building->element[next].path.step[depth].item == item)
            next++;
        tag_put(to, DCM_ITEM);
        writer_u32le(to, DCM_LENGTH_UNDEFINED);
        if (building->element[first].path.depth > depth)
            level_put(building, first, next, depth + 1);
        tag_put(to, DCM_ITEM_DELIMITATION);
        writer_u32le(to, 0);
        first = next;
    }
    tag_put(to, DCM_SEQUENCE_DELIMITATION);
    writer_u32le(to, 0);
}

static void element_put(const struct building *building, const struct golden_element *element)
{
    uint8_t bytes[DCM_TEXT_ENCODED_MOST(CONF_SCALAR_BYTES)];
    struct writer value = writer_of(bytes, sizeof bytes);
    const struct dcm_path_step *step = &element->path.step[element->path.depth];
    enum dcm_vr vr = dcm_path_vr(&element->path);
    uint32_t tag = step->tag;
    if (vr == DCM_VR_SQ) { // an empty one
        header_put(building->to, tag, vr, 0);
        return;
    }
    vr = vr == DCM_VR_NONE || dcm_vr_info(vr)->name[0] >= 'a' ? DCM_VR_LO : vr;
    if (step->creator[0] != 0) { // its block, by the first number that there is (PS3.5 7.8.1)
        value_put(building->to, DCM_TAG(dcm_tag_group(tag), 0x0010), DCM_VR_LO, slice_of_text(step->creator));
        tag |= 0x1000;
    }
    if (value_make(building, element->node, vr, &value))
        value_put(building->to, tag, vr, writer_slice(&value));
}

static void level_put(const struct building *building, size_t first, size_t end, uint32_t depth)
{
    while (first < end) {
        const struct dcm_path *path = &building->element[first].path;
        if (path->depth == depth && !path->is_item) {
            element_put(building, &building->element[first++]);
            continue;
        }
        size_t next = first;
        while (next < end && building->element[next].path.step[depth].tag == path->step[depth].tag)
            next++;
        sequence_put(building, first, next, depth);
        first = next;
    }
}

void golden_build(struct golden_element *elements, size_t count, struct dcm_text *text,
                  const struct conf_document *document, struct writer *to)
{
    struct building building = {.element = elements, .text = text, .document = document, .to = to};
    struct dcm_path charset = dcm_path_of_tag(DCM_SPECIFIC_CHARACTER_SET);
    building.charset = dcm_charset_parse(slice_of(NULL, 0));
    for (size_t i = 0; i < count; i++)
        if (dcm_path_compare(&elements[i].path, &charset) == 0 && elements[i].node->kind == CONF_SCALAR)
            building.charset = dcm_charset_parse(slice_of_text(elements[i].node->text));
    qsort(elements, count, sizeof *elements, compare_elements);
    level_put(&building, 0, count, 0);
}
