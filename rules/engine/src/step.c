// SPDX-License-Identifier: Apache-2.0
//
// The actions and checks of a rule on one instance. An action works on each value of each occurrence of its
// element; what it writes must be a value of the VR, else the rule fails as a whole.
#include "base/check.h"
#include "base/text.h"
#include "letters.h"
#include "match_private.h"
#include "value.h"

#define SECONDARY_CAPTURE "1.2.840.10008.5.1.4.1.1.7"

typedef enum result value_fn(struct rules_match *match, const struct step *step, struct live *live,
                             struct slice value, struct writer *to);

// ---- actions on single values ----

static enum result value_replace(struct rules_match *match, const struct step *step, struct live *live,
                                 struct slice value, struct writer *to)
{
    bool is_found;
    (void)live;
    enum result result = regex_replace(step->regex, match->scratch, value, step->replacement, to, &is_found);
    if (result == OK)
        return OK;
    bytes_drop(to);
    return match_refuse(match, step->element,
                        result == ERR_SPACE ? "the value is too long" : "a regular expression met its limit");
}

static enum result value_map(struct rules_match *match, const struct step *step, struct live *live,
                             struct slice value, struct writer *to)
{
    const struct table_row *row;
    (void)live;
    if (value.length == 0)
        return OK;
    if (step->table->is_folded) {
        struct writer key = bytes_begin(&match->bytes_aside, 3 * RULES_VALUE_BYTES);
        letters_fold(&key, value);
        bool is_failed = key.failed;
        row = table_find(step->table, bytes_keep(&match->bytes_aside, &key));
        bytes_clear(&match->bytes_aside);
        if (is_failed)
            return match_refuse(match, step->element, "the value is too long");
    } else {
        row = table_find(step->table, value);
    }
    writer_slice_put(to, row != NULL ? row->to : value);
    if (row == NULL && step->outcome != RULES_PASS)
        return match_find(match, step->outcome, step->element, "not in the table");
    return OK;
}

static enum result value_case(struct rules_match *match, const struct step *step, struct live *live,
                              struct slice value, struct writer *to)
{
    (void)match;
    (void)live;
    if (step->is_upper)
        letters_upper(to, value);
    else
        letters_lower(to, value);
    return OK;
}

// The values come without spaces around them.
static enum result value_trim(struct rules_match *match, const struct step *step, struct live *live,
                              struct slice value, struct writer *to)
{
    (void)match;
    (void)step;
    (void)live;
    writer_slice_put(to, value);
    return OK;
}

static enum result value_pad(struct rules_match *match, const struct step *step, struct live *live,
                             struct slice value, struct writer *to)
{
    (void)match;
    (void)live;
    for (size_t length = letters_count(value); length > 0 && length < step->width; length++)
        writer_slice_put(to, step->text);
    writer_slice_put(to, value);
    return OK;
}

static enum result value_cut(struct rules_match *match, const struct step *step, struct live *live,
                             struct slice value, struct writer *to)
{
    (void)match;
    value_truncate(to, live->vr == DCM_VR_NONE || live->vr == DCM_VR_UN ? step->vr : live->vr, value);
    return OK;
}

static enum result value_date_check(struct rules_match *match, const struct step *step, struct live *live,
                                    struct slice value, struct writer *to)
{
    char reason[64];
    (void)live;
    enum dcm_vr vr = step->vr;
    if (value_check(vr, value) == NULL) {
        writer_slice_put(to, value);
        return OK;
    }
    for (size_t i = 0; i < step->formats.count; i++)
        if (value_rewrite(vr, value, step->formats.item[i], to))
            return OK;
    writer_slice_put(to, value);
    const char *format = value_format_find(vr, value);
    (void)text_format(reason, sizeof reason, format != NULL ? "written as %s" : "not a %s",
                      format != NULL    ? format
                      : vr == DCM_VR_TM ? "time"
                                        : "date");
    return match_find(match, step->outcome, step->element, reason);
}

static value_fn *const value_functions[] = {
    [STEP_REPLACE] = value_replace,
    [STEP_MAP] = value_map,
    [STEP_CASE] = value_case,
    [STEP_TRIM] = value_trim,
    [STEP_PAD] = value_pad,
    [STEP_TRUNCATE] = value_cut,
    [STEP_DATE_FORMAT] = value_date_check,
};

// ---- actions on elements ----

// As written in the data set, else as the dictionary or the rule has it.
static enum dcm_vr vr_of(const struct step *step, const struct live *live)
{
    return live->vr == DCM_VR_NONE || live->vr == DCM_VR_UN ? step->vr : live->vr;
}

// Writes the values of the element anew, each by the step's function. A value that it leaves as it is is not
// held against its VR: it came so.
static enum result live_rewrite(struct rules_match *match, const struct step *step, struct live *live)
{
    struct values values;
    struct slice value;
    enum result result = live_values(match, live, step->element, &values);
    enum dcm_vr vr = vr_of(step, live);
    bool is_trimmed = step->kind == STEP_TRIM && live->is.padding > 1;
    struct writer to = bytes_begin(&match->bytes, RULES_VALUE_BYTES);
    while (result == OK && values_next(&values, &value)) {
        if (values.count > 1)
            writer_u8(&to, '\\');
        size_t begin = to.length;
        result = value_functions[step->kind](match, step, live, value, &to);
        struct slice made = slice_from(writer_slice(&to), begin);
        bool is_same = slice_is_equal(made, value);
        if (result == OK && !to.failed && !is_same && value_check(vr, made) != NULL)
            result = match_refuse(match, step->element, "the new value does not fit its VR");
        if (is_same && step->kind != STEP_TRIM) { // with the spaces that it came with
            to.length = begin;
            writer_slice_put(&to, values.piece);
        }
    }
    if (result == OK && to.failed)
        result = match_refuse(match, step->element, "the new value is too long");
    struct slice text = bytes_keep(&match->bytes, &to);
    return result == OK ? live_write(match, live, vr, text, is_trimmed) : result;
}

static enum result each_rewrite(struct rules_match *match, const struct step *step)
{
    struct lives lives = sight_lives(&match->sight, step->element);
    for (size_t i = 0; i < lives.count; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        if (!live->is.is_present || live_is_empty(live))
            continue;
        enum result result = live_rewrite(match, step, live);
        if (result != OK)
            return result;
    }
    return OK;
}

static enum result each_set(struct rules_match *match, const struct step *step, struct slice text,
                            bool if_empty)
{
    struct lives lives = sight_lives(&match->sight, step->element);
    for (size_t i = 0; i < lives.count; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        if (if_empty && live->is.is_present && !live_is_empty(live))
            continue;
        enum result result = live_write(match, live, step->vr, text, false);
        if (result != OK)
            return result;
    }
    return OK;
}

static enum result each_remove(struct rules_match *match, const struct step *step)
{
    struct lives lives = sight_lives(&match->sight, step->element);
    for (size_t i = 0; i < lives.count; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        enum result result = live->is.is_present ? live_remove(match, live) : OK;
        if (result != OK)
            return result;
    }
    return OK;
}

// The first occurrence that has a value.
static enum result copy_run(struct rules_match *match, const struct step *step)
{
    struct lives lives = sight_lives(&match->sight, step->source);
    struct live *from = NULL;
    for (size_t i = 0; i < lives.count && from == NULL; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        if (live->is.is_present && !live_is_empty(live))
            from = live;
    }
    if (from == NULL)
        return step->outcome != RULES_PASS ? match_find(match, step->outcome, step->source, "nothing to copy")
                                           : OK;
    struct values values;
    struct slice value;
    enum result result = live_values(match, from, step->source, &values);
    struct writer to = bytes_begin(&match->bytes, RULES_VALUE_BYTES);
    while (result == OK && values_next(&values, &value)) {
        if (values.count > 1)
            writer_u8(&to, '\\');
        writer_slice_put(&to, value);
        if (value_check(step->vr, value) != NULL)
            result = match_refuse(match, step->element, "the copied value does not fit its VR");
    }
    if (result == OK && (to.failed || (values.count > 1 && !value_vr_is_multiple(step->vr))))
        result = match_refuse(match, step->element, "the copied value is too long");
    struct slice text = bytes_keep(&match->bytes, &to);
    return result == OK ? each_set(match, step, text, false) : result;
}

// ---- checks ----

// PS3.5 7.4: Type 1 is there with a value, Type 2 is there. With [*] that holds for each item.
static enum result require_run(struct rules_match *match, const struct step *step)
{
    struct lives lives = sight_lives(&match->sight, step->element);
    for (size_t i = 0; i < lives.count; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        enum result result = OK;
        if (!live->is.is_present)
            result = match_find(match, step->outcome, step->element,
                                step->type == 1 ? "missing (Type 1)" : "missing (Type 2)");
        else if (step->type == 1 && live_is_empty(live))
            result = match_find(match, step->outcome, step->element, "empty (Type 1)");
        if (result != OK)
            return result;
    }
    return OK;
}

static bool is_secondary_capture(struct slice sop_class)
{
    struct slice uid = slice_trimmed(sop_class);
    struct slice root = slice_of_text(SECONDARY_CAPTURE);
    return slice_is_equal(slice_first(uid, root.length), root) &&
           (uid.length == root.length || uid.data[root.length] == '.');
}

static enum result burned_in_run(struct rules_match *match, const struct step *step)
{
    struct lives lives = sight_lives(&match->sight, step->element);
    ensure(lives.count == 1);
    struct live *live = live_at(&match->sight, lives, 0);
    if (!live->is.is_present || live_is_empty(live)) {
        bool is_feared =
            (step->checks & BURNED_IN_MISSING) != 0 && is_secondary_capture(match->facts->sop_class);
        return is_feared ? match_find(match, step->outcome, step->element, "missing on a secondary capture")
                         : OK;
    }
    struct values values;
    struct slice value;
    enum result result = live_values(match, live, step->element, &values);
    if (result == OK && (step->checks & BURNED_IN_YES) != 0 && values_next(&values, &value) &&
        slice_is_text(value, "YES"))
        return match_find(match, step->outcome, step->element, "says YES");
    return result;
}

static enum result uid_value_check(struct rules_match *match, const struct step *step, struct slice uid)
{
    enum result result = OK;
    if ((step->checks & UID_TOO_LONG) != 0 && uid.length > 64)
        result = match_find(match, step->outcome, step->element, "longer than 64 characters");
    if (result == OK && (step->checks & UID_MALFORMED) != 0 && !value_is_uid(uid))
        result = match_find(match, step->outcome, step->element, "not a UID");
    return result;
}

static enum result uid_run(struct rules_match *match, const struct step *step)
{
    if (step->element == NULL) {
        enum result result = OK;
        if ((step->checks & UID_OTHER_DIGEST) != 0 && match->facts->uid_has_other_digest)
            result =
                match_find(match, step->outcome, NULL, "the same SOP Instance UID came with other content");
        if (result == OK && (step->checks & UID_OTHER_PATIENT) != 0 && match->facts->study_has_other_patient)
            result = match_find(match, step->outcome, NULL, "the study is known under another patient");
        return result;
    }
    struct lives lives = sight_lives(&match->sight, step->element);
    for (size_t i = 0; i < lives.count; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        struct values values;
        struct slice value;
        if (!live->is.is_present)
            continue;
        enum result result = live_values(match, live, step->element, &values);
        while (result == OK && values_next(&values, &value))
            if (value.length > 0)
                result = uid_value_check(match, step, value);
        if (result != OK)
            return result;
    }
    return OK;
}

static enum result say_run(struct rules_match *match, const struct step *step)
{
    return match_find(match, step->outcome, NULL, step->message);
}

enum result step_run(struct rules_match *match, const struct step *step)
{
    if (match_see(match, step->element) != OK || match_see(match, step->source) != OK)
        return ERR_REFUSED;
    switch (step->kind) {
    case STEP_SET:
        return each_set(match, step, step->text, false);
    case STEP_SET_IF_EMPTY:
        return each_set(match, step, step->text, true);
    case STEP_REPLACE:
    case STEP_MAP:
    case STEP_CASE:
    case STEP_TRIM:
    case STEP_PAD:
    case STEP_TRUNCATE:
    case STEP_DATE_FORMAT:
        return each_rewrite(match, step);
    case STEP_COPY:
        return copy_run(match, step);
    case STEP_REMOVE:
        return each_remove(match, step);
    case STEP_CROSSWALK:
        match->crosswalk = match->rule;
        return OK;
    case STEP_REQUIRE:
        return require_run(match, step);
    case STEP_BURNED_IN:
        return burned_in_run(match, step);
    case STEP_UID:
        return uid_run(match, step);
    case STEP_SAY:
        return say_run(match, step);
    }
    unreachable_state();
}
