// SPDX-License-Identifier: Apache-2.0
//
// Element paths as text and compared: see dcm/path.h.
#include "dcm/path.h"
#include "base/check.h"
#include "base/text.h"

#define CREATOR_MOST (DCM_CREATOR_SIZE - 1)

// ---- parse ----

struct reader {
    const char *text;
    size_t length;
    size_t at;
};

static int reader_peek(const struct reader *r)
{
    return r->at < r->length ? (unsigned char)r->text[r->at] : -1;
}

static bool reader_skip(struct reader *r, char wanted)
{
    if (reader_peek(r) != (unsigned char)wanted)
        return false;
    r->at++;
    return true;
}

static bool is_word(int c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum result hex_read(struct reader *r, unsigned digits, uint32_t *number)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        int digit = hex_digit(reader_peek(r));
        if (digit < 0)
            return ERR_FORMAT;
        value = value << 4 | (uint32_t)digit;
        r->at++;
    }
    *number = value;
    return OK;
}

static bool is_creator_character(int c)
{
    return c >= 0x20 && c <= 0x7E && c != '\\';
}

// Behind the opening quote.
static enum result creator_read(struct reader *r, char creator[DCM_CREATOR_SIZE])
{
    size_t length = 0;
    for (;;) {
        int c = reader_peek(r);
        if (!is_creator_character(c))
            return ERR_FORMAT;
        r->at++;
        if (c == '"' && !reader_skip(r, '"'))
            break;
        if (length == CREATOR_MOST)
            return ERR_LIMIT;
        creator[length++] = (char)c;
    }
    bool is_padded = length > 0 && (creator[0] == ' ' || creator[length - 1] == ' ');
    return length > 0 && !is_padded ? OK : ERR_FORMAT;
}

// Behind the opening bracket: gggg,eeee) or gggg,"CREATOR",ee).
static enum result tag_read(struct reader *r, struct dcm_path_step *step)
{
    uint32_t group;
    uint32_t element;
    enum result result = hex_read(r, 4, &group);
    if (result != OK || !reader_skip(r, ','))
        return ERR_FORMAT;
    if (reader_skip(r, '"')) {
        result = creator_read(r, step->creator);
        if (result != OK)
            return result;
        if ((group & 1) == 0 || !reader_skip(r, ',') || hex_read(r, 2, &element) != OK)
            return ERR_FORMAT;
    } else if (hex_read(r, 4, &element) != OK) {
        return ERR_FORMAT;
    }
    if (!reader_skip(r, ')'))
        return ERR_FORMAT;
    step->tag = DCM_TAG(group, element);
    return OK;
}

static enum result keyword_read(struct reader *r, struct dcm_path_step *step)
{
    size_t start = r->at;
    while (is_word(reader_peek(r)))
        r->at++;
    if (r->at == start)
        return ERR_FORMAT;
    if (dcm_keyword_find(slice_of(r->text + start, r->at - start), &step->tag))
        return OK;
    r->at = start;
    return ERR_MISSING;
}

// Behind the opening bracket.
static enum result item_read(struct reader *r, uint32_t *item)
{
    if (reader_skip(r, '*')) {
        *item = DCM_ITEM_ALL;
    } else if (reader_skip(r, '+')) {
        *item = DCM_ITEM_NEW;
    } else {
        size_t start = r->at;
        while (reader_peek(r) >= '0' && reader_peek(r) <= '9')
            r->at++;
        uint64_t number;
        enum result result = text_number(slice_of(r->text + start, r->at - start), DCM_ITEM_MOST, &number);
        if (result != OK) {
            r->at = start;
            return result;
        }
        *item = (uint32_t)number;
    }
    return reader_skip(r, ']') ? OK : ERR_FORMAT;
}

// One step with its item, if it has one, and the dot behind it, if it is not the last.
static enum result step_read(struct reader *r, struct dcm_path *path, bool *is_last)
{
    struct dcm_path_step *step = &path->step[path->depth];
    enum result result = reader_skip(r, '(') ? tag_read(r, step) : keyword_read(r, step);
    if (result != OK)
        return result;
    bool has_item = reader_skip(r, '[');
    if (has_item) {
        result = item_read(r, &step->item);
        if (result != OK)
            return result;
    }
    *is_last = r->at == r->length;
    path->is_item = *is_last && has_item;
    if (*is_last)
        return OK;
    if (!has_item || !reader_skip(r, '.'))
        return ERR_FORMAT;
    if (path->depth == DCM_PATH_DEPTH)
        return ERR_LIMIT;
    path->depth++;
    return OK;
}

enum result dcm_path_parse(struct slice text, struct dcm_path *path, size_t *at)
{
    struct reader r = {(const char *)text.data, text.length, 0};
    struct dcm_path parsed;
    memset(&parsed, 0, sizeof parsed);
    enum result result = OK;
    for (bool is_last = false; result == OK && !is_last;)
        result = step_read(&r, &parsed, &is_last);
    if (result == OK)
        *path = parsed;
    else if (at != NULL)
        *at = r.at;
    return result;
}

// ---- print ----

struct printer {
    char *text;
    size_t length;
};

static void print_text(struct printer *p, const char *text)
{
    size_t length = strlen(text);
    ensure(p->length + length < DCM_PATH_TEXT_SIZE);
    memcpy(p->text + p->length, text, length + 1);
    p->length += length;
}

static void print_creator(struct printer *p, const struct dcm_path_step *step)
{
    char part[16];
    (void)text_format(part, sizeof part, "(%04X,\"", (unsigned)dcm_tag_group(step->tag));
    print_text(p, part);
    for (const char *c = step->creator; *c != '\0'; c++) {
        char doubled[3] = {*c, *c == '"' ? '"' : '\0', '\0'};
        print_text(p, doubled);
    }
    (void)text_format(part, sizeof part, "\",%02X)", (unsigned)(step->tag & 0xFF));
    print_text(p, part);
}

static void print_step(struct printer *p, const struct dcm_path_step *step)
{
    char part[16];
    const char *keyword = dcm_keyword(step->tag);
    if (step->creator[0] != '\0') {
        print_creator(p, step);
    } else if (keyword != NULL) {
        print_text(p, keyword);
    } else {
        (void)text_format(part, sizeof part, "(%04X,%04X)", (unsigned)dcm_tag_group(step->tag),
                          (unsigned)dcm_tag_element(step->tag));
        print_text(p, part);
    }
}

static void print_item(struct printer *p, uint32_t item)
{
    char part[16];
    if (item == DCM_ITEM_ALL)
        print_text(p, "[*]");
    else if (item == DCM_ITEM_NEW)
        print_text(p, "[+]");
    else {
        (void)text_format(part, sizeof part, "[%u]", (unsigned)item);
        print_text(p, part);
    }
}

void dcm_path_print(const struct dcm_path *path, char text[DCM_PATH_TEXT_SIZE])
{
    struct printer p = {text, 0};
    text[0] = '\0';
    ensure(path->depth <= DCM_PATH_DEPTH);
    for (uint32_t i = 0; i <= path->depth; i++) {
        if (i > 0)
            print_text(&p, ".");
        print_step(&p, &path->step[i]);
        if (i < path->depth || path->is_item)
            print_item(&p, path->step[i].item);
    }
}

// ---- made, compared ----

struct dcm_path dcm_path_of_tag(uint32_t tag)
{
    struct dcm_path path;
    memset(&path, 0, sizeof path);
    path.step[0].tag = tag;
    return path;
}

static int number_compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

int dcm_path_compare(const struct dcm_path *a, const struct dcm_path *b)
{
    for (uint32_t i = 0;; i++) {
        const struct dcm_path_step *x = &a->step[i];
        const struct dcm_path_step *y = &b->step[i];
        int order = number_compare(x->tag, y->tag);
        if (order == 0)
            order = strcmp(x->creator, y->creator);
        // An element before its items.
        bool x_goes_on = i < a->depth || a->is_item;
        bool y_goes_on = i < b->depth || b->is_item;
        if (order == 0 && (!x_goes_on || !y_goes_on))
            return (int)x_goes_on - (int)y_goes_on;
        if (order == 0)
            order = number_compare(x->item, y->item);
        if (order != 0)
            return order;
        if (i == a->depth || i == b->depth)
            return (int)(i < a->depth) - (int)(i < b->depth);
    }
}

static bool step_may_be(const struct dcm_path_step *a, const struct dcm_path_step *b)
{
    bool both = a->creator[0] != '\0' && b->creator[0] != '\0';
    bool none = a->creator[0] == '\0' && b->creator[0] == '\0';
    if (both || none)
        return a->tag == b->tag && strcmp(a->creator, b->creator) == 0;
    uint32_t plain = a->creator[0] == '\0' ? a->tag : b->tag;
    return dcm_tag_group(a->tag) == dcm_tag_group(b->tag) && (a->tag & 0xFF) == (b->tag & 0xFF) &&
           dcm_tag_element(plain) >= 0x1000; // what stands in a block (PS3.5 7.8.1)
}

static bool item_may_be(uint32_t a, uint32_t b)
{
    if (a == DCM_ITEM_NEW || b == DCM_ITEM_NEW)
        return a == b;
    return a == b || a == DCM_ITEM_ALL || b == DCM_ITEM_ALL;
}

bool dcm_path_overlaps(const struct dcm_path *a, const struct dcm_path *b)
{
    for (uint32_t i = 0;; i++) {
        if (!step_may_be(&a->step[i], &b->step[i]))
            return false;
        if ((i == a->depth && !a->is_item) || (i == b->depth && !b->is_item))
            return true;
        if (!item_may_be(a->step[i].item, b->step[i].item))
            return false;
        if (i == a->depth || i == b->depth)
            return true;
    }
}

bool dcm_path_is_ambiguous(const struct dcm_path *a, const struct dcm_path *b)
{
    for (uint32_t i = 0; i <= a->depth && i <= b->depth; i++) {
        const struct dcm_path_step *x = &a->step[i];
        const struct dcm_path_step *y = &b->step[i];
        if (!step_may_be(x, y))
            return false;
        if (x->tag != y->tag || strcmp(x->creator, y->creator) != 0)
            return true;
    }
    return false;
}

// ---- targets ----

static const char *tag_refusal(uint32_t tag)
{
    if (tag == DCM_SOP_CLASS_UID || tag == DCM_SOP_INSTANCE_UID)
        return "identifies the instance";
    if (tag == DCM_STUDY_INSTANCE_UID || tag == DCM_SERIES_INSTANCE_UID)
        return "identifies the study or series";
    if (dcm_tag_is_pixel_data(tag))
        return "is Pixel Data";
    if (dcm_tag_group(tag) < 0x0008)
        return "belongs to no data set";
    if (dcm_tag_group(tag) >= 0xFFFA)
        return "stands behind Pixel Data or is no element";
    if (dcm_tag_element(tag) == 0 || tag == DCM_LENGTH_TO_END)
        return "is a length, which follows by itself";
    return NULL;
}

const char *dcm_path_refusal(const struct dcm_path *path)
{
    const struct dcm_path_step *last = &path->step[path->depth];
    for (uint32_t i = 0; i <= path->depth; i++) {
        bool is_creator = dcm_tag_is_private(path->step[i].tag) && path->step[i].creator[0] == '\0' &&
                          dcm_tag_element(path->step[i].tag) < 0x0100;
        if (is_creator)
            return "reserves a private block, which follows by itself";
        const char *refusal = path->step[i].creator[0] == '\0' ? tag_refusal(path->step[i].tag) : NULL;
        if (refusal != NULL)
            return refusal;
    }
    if (path->step[0].tag > DCM_FLOAT_PIXEL_DATA)
        return "stands behind Pixel Data";
    if (last->creator[0] != '\0' && dcm_tag_group(last->tag) < 0x0009)
        return "is in a group that has no private elements";
    return NULL;
}

enum dcm_vr dcm_path_vr(const struct dcm_path *path)
{
    const struct dcm_path_step *last = &path->step[path->depth];
    return last->creator[0] != '\0' ? DCM_VR_NONE : dcm_dictionary_vr(last->tag);
}
