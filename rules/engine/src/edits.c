// SPDX-License-Identifier: Apache-2.0
//
// From what rules did to elements to the list of changes and the edits of a plan.
#include "base/check.h"
#include "match_private.h"

void changes_make(struct rules_match *match)
{
    for (size_t i = 0; i < match->trace_count; i++) {
        const struct trace *trace = &match->trace[i];
        const struct live_state *after = &trace->live->is;
        for (size_t j = i + 1; j < match->trace_count; j++) { // what the next rule found
            if (match->trace[j].live != trace->live)
                continue;
            after = &match->trace[j].before;
            break;
        }
        live_path(&match->sight, trace->live, &match->change_path[i]);
        match->change[i] = (struct rules_change){.pack = &trace->rule->pack->info,
                                                 .rule = trace->rule->name,
                                                 .path = &match->change_path[i],
                                                 .vr = trace->live->vr,
                                                 .was_present = trace->before.is_present,
                                                 .is_removed = !after->is_present,
                                                 .before = trace->before.text,
                                                 .after = after->text};
    }
    match->change_count = match->trace_count;
}

static bool is_changed(const struct live *live)
{
    const struct live_state *was = &live->was;
    const struct live_state *is = &live->is;
    if (was->is_present != is->is_present)
        return true;
    // What was written has no padding of its own: that is how a trimmed value differs.
    return is->is_present && is->is_read &&
           (!was->is_read || !slice_is_equal(was->text, is->text) || was->padding != is->padding);
}

// Inside something that is removed itself.
static bool is_inside_removed(const struct sight *sight, const struct live *live)
{
    struct dcm_path inner;
    struct dcm_path outer;
    live_path(sight, live, &inner);
    for (size_t i = 0; i < sight->live_count; i++) {
        const struct live *other = &sight->live[i];
        live_path(sight, other, &outer);
        if (other->was.is_present && !other->is.is_present && inner.depth > outer.depth &&
            dcm_path_overlaps(&inner, &outer))
            return true;
    }
    return false;
}

static const struct dcm_path *surveyed_path(const struct rules_program *program, const struct dcm_path *path)
{
    for (size_t i = 0; i < program->path_count; i++)
        if (dcm_path_compare(&program->path[i], path) == 0)
            return &program->path[i];
    return NULL;
}

// Do all items of the [*] end alike, so that one edit does for all? Not where a rule named one of them by its
// number too: that one gets an edit of its own, and no element may have two.
static bool are_alike(const struct sight *sight, const struct live *live)
{
    struct lives lives = sight_lives(sight, sight_element(sight, live));
    for (size_t i = 0; i < lives.count; i++) {
        const struct live *other = live_at(sight, lives, i);
        if (other->watch != live->watch || !is_changed(other) ||
            other->is.is_present != live->is.is_present || !slice_is_equal(other->is.text, live->is.text))
            return false;
    }
    return true;
}

static const struct rule *last_rule(const struct rules_match *match, const struct live *live)
{
    for (size_t i = match->trace_count; i > 0; i--)
        if (match->trace[i - 1].live == live)
            return match->trace[i - 1].rule;
    unreachable_state();
}

static bool is_edited(const struct rules_match *match, const struct dcm_path *path)
{
    for (size_t i = 0; i < match->edit_count; i++)
        if (match->edit[i].path == path)
            return true;
    return false;
}

static enum result edit_add(struct rules_match *match, const struct live *live)
{
    const struct element *element = sight_element(&match->sight, live);
    struct dcm_path path;
    live_path(&match->sight, live, &path);
    match->rule = last_rule(match, live);
    bool is_for_all = element_is_many(element) && are_alike(&match->sight, live);
    const struct dcm_path *surveyed = surveyed_path(match->program, is_for_all ? &element->path : &path);
    if (surveyed == NULL)
        return match_refuse(match, element, "too many items would get values of their own");
    if (is_edited(match, surveyed))
        return OK;
    struct dcm_edit edit = {.path = surveyed, .operation = DCM_EDIT_REMOVE, .vr = live->vr};
    if (live->is.is_present) {
        edit.operation = DCM_EDIT_SET;
        edit.kind = live->is.text.length > 0 ? DCM_VALUE_TEXT : DCM_VALUE_EMPTY;
        edit.value = live->is.text;
    }
    match->edit_rule[match->edit_count] = match->rule;
    match->edit[match->edit_count++] = edit;
    return OK;
}

enum result edits_make(struct rules_match *match)
{
    struct sight *sight = &match->sight;
    for (size_t i = 0; i < match->trace_count; i++) {
        const struct live *live = match->trace[i].live;
        if (!is_changed(live) || is_inside_removed(sight, live))
            continue;
        enum result result = edit_add(match, live);
        if (result != OK)
            return result;
    }
    return OK;
}
