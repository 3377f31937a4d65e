// SPDX-License-Identifier: Apache-2.0
//
// The values of one element: from the bytes of the data set to text and back, by its character set.
#include "base/text.h"
#include "match_private.h"
#include "value.h"

// ---- reading ----

// Decimal text of one binary number.
static void number_put(struct writer *to, enum dcm_vr vr, uint64_t bits)
{
    char text[32];
    float single;
    double wide;
    uint32_t low = (uint32_t)bits;
    switch ((unsigned)vr) {
    case DCM_VR_SS:
        (void)text_format(text, sizeof text, "%d", (int16_t)bits);
        break;
    case DCM_VR_SL:
        (void)text_format(text, sizeof text, "%d", (int32_t)bits);
        break;
    case DCM_VR_SV:
        (void)text_format(text, sizeof text, "%lld", (long long)bits);
        break;
    case DCM_VR_FL:
        memcpy(&single, &low, sizeof single);
        (void)text_format(text, sizeof text, "%.9g", (double)single);
        break;
    case DCM_VR_FD:
        memcpy(&wide, &bits, sizeof wide);
        (void)text_format(text, sizeof text, "%.17g", wide);
        break;
    default:
        (void)text_format(text, sizeof text, "%llu", (unsigned long long)bits);
        break;
    }
    writer_slice_put(to, slice_of_text(text));
}

static void numbers_read(struct writer *to, enum dcm_vr vr, struct slice value, bool is_big_endian)
{
    unsigned width = dcm_vr_info(vr)->swap_width;
    struct cursor cursor = cursor_of(value);
    for (size_t i = 0; cursor_left(&cursor) >= width; i++) {
        if (i > 0)
            writer_u8(to, '\\');
        number_put(to, vr,
                   is_big_endian ? cursor_big_endian(&cursor, width) : cursor_little_endian(&cursor, width));
    }
}

static enum result text_read(struct rules_match *match, const struct live *live,
                             const struct element *element, const struct dcm_level *level, struct writer *to)
{
    // A private element of implicit VR or UN: what else a rule could mean than text.
    enum dcm_vr vr = live->vr == DCM_VR_NONE || live->vr == DCM_VR_UN ? DCM_VR_LO : live->vr;
    size_t length = 0;
    enum result result = dcm_text_decode(match->text, &level->charset, vr, live->found.value,
                                         (char *)to->start, to->capacity, &length);
    if (result != OK)
        bytes_drop(to);
    if (result == ERR_FORMAT)
        return match_refuse(match, element, "not text in the data set's character set");
    if (result != OK)
        return match_refuse(match, element, "the value is too long for a rule");
    to->length = length;
    return OK;
}

static enum result live_read(struct rules_match *match, struct live *live, const struct element *element)
{
    if (live->is.is_read)
        return OK;
    struct dcm_level level;
    if (live->found.is_sequence || live->found.length == DCM_LENGTH_UNDEFINED)
        return match_refuse(match, element, "a sequence where a value is looked for");
    if (!live->found.is_whole)
        return match_refuse(match, element, "the value is too long for a rule");
    dcm_survey_level(match->sight.survey, live->level, &level);
    struct writer to = bytes_begin(&match->bytes, DCM_TEXT_DECODED_MOST(live->found.value.length));
    enum result result = OK;
    if (value_vr_is_number(live->vr))
        numbers_read(&to, live->vr, live->found.value, level.big_endian);
    else
        result = text_read(match, live, element, &level, &to);
    if (result == OK && to.failed)
        result = match_refuse(match, element, "the value is too long for a rule");
    struct slice text = bytes_keep(&match->bytes, &to);
    if (result != OK)
        return result;
    size_t whole = text.length;
    while (text.length > 0 && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == 0))
        text.length--;
    live->is.text = text;
    live->is.padding = whole - text.length;
    live->is.is_read = true;
    live->was = live->is; // nothing has been written yet, or it would have been read
    return OK;
}

enum result live_values(struct rules_match *match, struct live *live, const struct element *element,
                        struct values *values)
{
    if (live->is_repeated)
        return match_refuse(match, element, "stands more than once in one item");
    enum result result = live_read(match, live, element);
    if (result != OK)
        return result;
    *values = (struct values){.rest = live->is.text, .is_multiple = value_vr_is_multiple(live->vr)};
    return OK;
}

bool values_next(struct values *values, struct slice *value)
{
    if (values->is_finished)
        return false;
    const uint8_t *end = values->is_multiple && values->rest.length > 0
                             ? memchr(values->rest.data, '\\', values->rest.length)
                             : NULL;
    values->piece = end != NULL ? slice_first(values->rest, (size_t)(end - values->rest.data)) : values->rest;
    values->rest = end != NULL ? slice_from(values->rest, values->piece.length + 1) : slice_of(NULL, 0);
    values->is_finished = end == NULL;
    values->count++;
    *value = slice_trimmed(values->piece);
    return true;
}

// ---- writing ----

// Remembers how the element was, once for each rule.
static enum result trace_add(struct rules_match *match, struct live *live)
{
    for (size_t i = match->trace_count; i > 0 && match->trace[i - 1].rule == match->rule; i--)
        if (match->trace[i - 1].live == live)
            return OK;
    if (match->trace_count == RULES_CHANGES)
        return match_refuse(match, NULL, "too many elements would change");
    match->trace[match->trace_count++] =
        (struct trace){.live = live, .before = live->is, .vr = live->vr, .rule = match->rule};
    return OK;
}

static bool is_enclosed(const struct sight *sight, const struct live *live, const struct live *by)
{
    struct dcm_path inner;
    struct dcm_path outer;
    live_path(sight, live, &inner);
    live_path(sight, by, &outer);
    return inner.depth > outer.depth && dcm_path_overlaps(&inner, &outer);
}

// Something around it has been removed by a rule.
static bool is_swallowed(const struct sight *sight, const struct live *live)
{
    for (size_t i = 0; i < sight->live_count; i++) {
        const struct live *other = &sight->live[i];
        if (other->was.is_present && !other->is.is_present && other != live &&
            is_enclosed(sight, live, other))
            return true;
    }
    return false;
}

// Every character must be in the data set's own character set.
static enum result encoding_check(struct rules_match *match, const struct live *live, enum dcm_vr vr,
                                  struct slice text)
{
    struct dcm_level level;
    size_t length;
    if (value_vr_is_number(vr))
        return OK;
    dcm_survey_level(match->sight.survey, live->level, &level);
    enum result result = dcm_text_encode(match->text, &level.charset, vr, text, match->bytes_aside.block,
                                         match->bytes_aside.capacity, &length, NULL);
    match->bytes_aside.used = result == OK ? length : match->bytes_aside.capacity;
    bytes_clear(&match->bytes_aside);
    if (result == ERR_FORMAT)
        return match_refuse(match, sight_element(&match->sight, live),
                            "a character that the data set's character set does not have");
    if (result != OK)
        return match_refuse(match, sight_element(&match->sight, live), "the new value is too long");
    return OK;
}

enum result live_write(struct rules_match *match, struct live *live, enum dcm_vr vr, struct slice text,
                       bool is_anew)
{
    const struct element *element = sight_element(&match->sight, live);
    if (live->is.is_present && live_read(match, live, element) == OK && !is_anew &&
        slice_is_equal(live->is.text, text))
        return OK;
    if (is_swallowed(&match->sight, live))
        return match_refuse(match, element, "stands in what another rule removes");
    enum result result = encoding_check(match, live, vr, text);
    if (result == OK)
        result = trace_add(match, live);
    if (result != OK)
        return result;
    live->vr = live->vr == DCM_VR_NONE || live->vr == DCM_VR_UN ? vr : live->vr;
    live->is = (struct live_state){.is_present = true, .is_read = true, .text = text};
    return OK;
}

enum result live_remove(struct rules_match *match, struct live *live)
{
    struct sight *sight = &match->sight;
    (void)live_read(match, live, sight_element(sight, live)); // for the record; what can not be read can go
    enum result result = trace_add(match, live);
    if (result != OK)
        return result;
    live->is = (struct live_state){.is_present = false};
    for (size_t i = 0; i < sight->live_count && live->found.is_sequence; i++) {
        struct live *inner = &sight->live[i];
        if (!inner->is.is_present || !is_enclosed(sight, inner, live))
            continue;
        result = trace_add(match, inner);
        if (result != OK)
            return result;
        inner->is = (struct live_state){.is_present = false};
    }
    return OK;
}
