// SPDX-License-Identifier: Apache-2.0
//
// From verdicts to a plan: what rules and crosswalk want, where both write one element the crosswalk, and
// what the gateway itself says of it in the instance.
#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "edit/edit_private.h"
#include "front/intake_close.h"
#include <stdlib.h>
#include <time.h>

// ---- rules and crosswalk ----

bool draft_is_overruled(const struct draft *draft, const struct dcm_path *path)
{
    for (size_t i = draft->rules; i < draft->patient; i++)
        if (path->step[0].creator[0] == 0 && path->step[0].tag == draft->edit[i].path->step[0].tag)
            return true;
    return false;
}

// The crosswalk's come behind those of rules, but have to be known first.
static void draft_fill(const struct edit *edit, const struct rules_verdict *verdict, struct draft *draft)
{
    struct dcm_edit wanted[DRAFT_PATIENT];
    draft->count = 0;
    draft->rules = 0;
    draft->note_count = 0;
    patient_draft(edit, draft);
    size_t count = draft->count;
    ensure(count <= DRAFT_PATIENT);
    draft->patient = count;
    memcpy(wanted, draft->edit, count * sizeof *wanted);
    size_t rules = 0;
    struct dcm_edit kept[RULES_CHANGES];
    for (size_t i = 0; i < verdict->edit_count; i++)
        if (!draft_is_overruled(draft, verdict->edit[i].path))
            kept[rules++] = verdict->edit[i];
    memcpy(draft->edit, kept, rules * sizeof *kept);
    memcpy(draft->edit + rules, wanted, count * sizeof *wanted);
    draft->rules = rules;
    draft->patient = rules + count;
    draft->count = rules + count;
}

static const struct rules_change *change_of(const struct rules_verdict *verdict, const struct dcm_path *path)
{
    for (size_t i = verdict->change_count; i > 0; i--)
        if (dcm_path_overlaps(verdict->change[i - 1].path, path))
            return &verdict->change[i - 1];
    return NULL;
}

// No plan can be made of the draft.
static void hold_for_problem(struct edit *edit, const struct rules_verdict *verdict,
                             const struct draft *draft, const struct dcm_problem *problem)
{
    const char *text = dcm_problem_text(problem->reason);
    const struct rules_change *change =
        problem->edit < draft->rules ? change_of(verdict, draft->edit[problem->edit].path) : NULL;
    if (change != NULL)
        edit_hold_back(edit, EDIT_HOLD_RULE, "%s/%s: %s %s", change->pack->name, change->rule, problem->path,
                       text);
    else if (problem->edit < draft->patient)
        edit_hold_back(edit, EDIT_HOLD_PATIENT, "crosswalk: %s %s", problem->path, text);
    else
        edit_hold_back(edit, EDIT_HOLD_DATA, "%s %s", problem->path, text);
}

static bool plan_make(struct edit *edit, const struct rules_verdict *verdict, struct draft *draft,
                      struct dcm_plan **plan)
{
    struct dcm_problem problem;
    enum result result = dcm_plan_make(edit->survey, edit->workshop->text, draft->edit, draft->count, plan,
                                       draft->places, &problem);
    if (result == ERR_ARGUMENT)
        hold_for_problem(edit, verdict, draft, &problem);
    else if (result != OK)
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "no memory to plan the edits");
    return result == OK;
}

// ---- what the gateway says ----

// Texts of the gateway's own edits, while the plan is made.
struct own_texts {
    char time[32];
    uint8_t *modified;
    size_t modified_length;
};

// DT, in UTC: always of the receipt, never of now.
static void time_write(uint64_t when, char *to, size_t size)
{
    time_t seconds = (time_t)(when / NSEC_PER_SEC);
    struct tm utc;
    ensure(gmtime_r(&seconds, &utc) != NULL);
    (void)text_format(to, size, "%04d%02d%02d%02d%02d%02d.%06u+0000", utc.tm_year + 1900, utc.tm_mon + 1,
                      utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                      (unsigned)(when % NSEC_PER_SEC / 1000));
}

static void own_put(const struct edit *edit, struct draft *draft, enum edit_path place, struct slice text)
{
    ensure(draft->count < DRAFT_EDITS);
    draft->edit[draft->count++] =
        (struct dcm_edit){.path = &edit->policies->path[place],
                          .operation = DCM_EDIT_SET,
                          .kind = text.length > 0 ? DCM_VALUE_TEXT : DCM_VALUE_EMPTY,
                          .value = text};
}

// A title that is no text of every character set is left out: the element may be empty.
static struct slice title_text(struct slice title)
{
    title = slice_trimmed(title);
    for (size_t i = 0; i < title.length; i++)
        if (title.data[i] < 0x20 || title.data[i] > 0x7E || title.data[i] == '\\')
            return slice_of(NULL, 0);
    return title;
}

// PS3.3 C.12.1.1.9
static void originals_put(const struct edit *edit, struct draft *draft, const struct own_texts *texts)
{
    const char *title = edit->policies->configuration->gateway.ae_title;
    bool is_coerced = false;
    for (size_t i = draft->rules; i < draft->patient; i++)
        is_coerced |= draft->places[i] > 0;
    own_put(edit, draft, EDIT_ORIGINALS_TIME, slice_of_text(texts->time));
    own_put(edit, draft, EDIT_ORIGINALS_SYSTEM, slice_of_text(title));
    own_put(edit, draft, EDIT_ORIGINALS_SOURCE, title_text(edit->origin.open->calling));
    own_put(edit, draft, EDIT_ORIGINALS_REASON, slice_of_text(is_coerced ? "COERCE" : "CORRECT"));
    own_put(edit, draft, EDIT_ORIGINALS_MODIFIED, slice_of(texts->modified, texts->modified_length));
    draft->edit[draft->count - 1].kind = DCM_VALUE_BYTES;
}

// PS3.3 C.12.1.1.5; by it intake notices loops.
static void equipment_put(const struct edit *edit, struct draft *draft, const struct own_texts *texts)
{
    const char *title = edit->policies->configuration->gateway.ae_title;
    own_put(edit, draft, EDIT_EQUIPMENT_PURPOSE, slice_of_text("109103"));
    own_put(edit, draft, EDIT_EQUIPMENT_PURPOSE_SCHEME, slice_of_text("DCM"));
    own_put(edit, draft, EDIT_EQUIPMENT_PURPOSE_MEANING, slice_of_text("Modifying Equipment"));
    own_put(edit, draft, EDIT_EQUIPMENT_MANUFACTURER, slice_of_text(INTAKE_MANUFACTURER));
    own_put(edit, draft, EDIT_EQUIPMENT_STATION, slice_of_text(title));
    own_put(edit, draft, EDIT_EQUIPMENT_TIME, slice_of_text(texts->time));
}

// ---- digital signatures ----

static bool draft_writes(const struct draft *draft, uint32_t tag)
{
    for (size_t i = 0; i < draft->count; i++)
        if (draft->places[i] > 0 && draft->edit[i].path->step[0].tag == tag)
            return true;
    return false;
}

static bool signs_an_edit(const struct draft *draft, struct slice tags, bool is_big_endian)
{
    for (; tags.length >= 4; tags = slice_from(tags, 4)) {
        const uint8_t *at = tags.data;
        uint32_t tag = is_big_endian
                           ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
                           : (uint32_t)at[1] << 24 | (uint32_t)at[0] << 16 | (uint32_t)at[3] << 8 | at[2];
        if (draft_writes(draft, tag))
            return true;
    }
    return false;
}

// PS3.3 C.12.1.1.3: Data Elements Signed of a MAC Parameters item.
static void signatures_look(struct edit *edit, const struct draft *draft)
{
    struct dcm_found found;
    uint32_t cursor = 0;
    while (dcm_survey_next(edit->survey, EDIT_SIGNED, &cursor, &found)) {
        struct dcm_level level;
        dcm_survey_level(edit->survey, found.level, &level);
        if (found.is_whole && !signs_an_edit(draft, found.value, level.big_endian))
            continue;
        edit_flag(edit, "a digital signature covers what is edited");
        return;
    }
}

// ---- leading ----

static bool is_behind(const struct edit *edit)
{
    return (edit->origin.flags & RECORD_CLOSE_BEHIND) != 0 ||
           (dcm_survey_flags(edit->survey) & DCM_FLAG_BEHIND_PIXELS) != 0;
}

static void hold_for_original(struct edit *edit, enum result result, const struct dcm_path *which)
{
    char path[DCM_PATH_TEXT_SIZE];
    if (result == ERR_NOMEM) {
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "no memory to keep what was there before");
        return;
    }
    dcm_path_print(which, path);
    edit_hold_back(edit, EDIT_HOLD_DATA, "%s can not be kept as it was before", path);
}

// Adds what the gateway says to edits that change something, and plans all of them together. `plan` becomes
// the whole one.
static bool own_add(struct edit *edit, const struct rules_verdict *verdict, struct draft *draft, bool changes,
                    struct dcm_plan **plan)
{
    const struct configuration_node *node = edit->policy->node;
    struct own_texts texts = {.modified = NULL};
    struct dcm_path which;
    enum result result = OK;
    time_write(edit->origin.open->time, texts.time, sizeof texts.time);
    if (changes && node->keeps_originals)
        result = originals_encode(edit, draft, &texts.modified, &texts.modified_length, &which);
    if (result != OK) {
        hold_for_original(edit, result, &which);
        return false;
    }
    if (changes && node->keeps_originals)
        originals_put(edit, draft, &texts);
    if (node->contribution == CONFIGURATION_CONTRIBUTION_ALWAYS ||
        (changes && node->contribution == CONFIGURATION_CONTRIBUTION_EDITED))
        equipment_put(edit, draft, &texts);
    bool is_fine = true;
    if (draft->count > draft->patient) {
        dcm_plan_free(*plan);
        *plan = NULL;
        is_fine = plan_make(edit, verdict, draft, plan);
    }
    if (texts.modified != NULL)
        wipe(texts.modified, texts.modified_length);
    free(texts.modified);
    return is_fine;
}

static bool plan_finish(struct edit *edit, const struct rules_verdict *verdict, struct draft *draft,
                        struct dcm_plan **plan)
{
    struct dcm_path which;
    bool changes = *plan != NULL && dcm_plan_count(*plan) > 0;
    enum result result = changes ? originals_note(edit, verdict, draft, *plan, &which) : OK;
    if (result != OK) {
        hold_for_original(edit, result, &which);
        return false;
    }
    if (!own_add(edit, verdict, draft, changes, plan))
        return false;
    if (*plan == NULL || dcm_plan_count(*plan) == 0)
        return true; // as it came
    if (is_behind(edit)) {
        edit_hold_back(edit, EDIT_HOLD_DATA, "elements behind Pixel Data can not be edited");
        return false;
    }
    signatures_look(edit, draft);
    result = evidence_rows_make(edit, verdict, draft);
    if (result == ERR_LIMIT) {
        struct edit_hold hold;
        edit_hold_for_size(&hold);
        edit_hold_back(edit, hold.kind, "%s", hold.reason);
    } else if (result != OK) {
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "no memory to record what is edited");
    } else {
        edit->plan = *plan;
        *plan = NULL;
    }
    return result == OK;
}

void draft_make(struct edit *edit, const struct rules_verdict *verdict)
{
    struct draft *draft = &edit->workshop->draft;
    struct dcm_plan *plan = NULL;
    draft_fill(edit, verdict, draft);
    if (draft->count == 0 || plan_make(edit, verdict, draft, &plan))
        (void)plan_finish(edit, verdict, draft, &plan);
    dcm_plan_free(plan);
}
