// SPDX-License-Identifier: Apache-2.0
#include "edit/edit.h"
#include "base/check.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/wipe.h"
#include "edit/edit_private.h"
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>

_Static_assert(EDIT_REASON_BYTES - 1 <= RECORD_REASON_MAX, "a SENT takes every reason");

// ---- verdicts ----

// What a verdict stands on is patient data, and is given back with it.
static void settle(struct edit *edit, enum edit_stage stage)
{
    struct edit_workshop *workshop = edit->workshop;
    ensure(edit->stage == EDIT_READS || edit->stage == EDIT_ASKS);
    edit->stage = stage;
    workshop_survey_give(workshop, &edit->survey);
    wipe(&edit->answer, sizeof edit->answer);
    if (workshop->verdict_of != edit)
        return;
    rules_match_clear(workshop->match);
    workshop->verdict_of = NULL;
}

// What is too long is cut between two characters: journal and JSON hold UTF-8.
static void reason_write(char to[EDIT_REASON_BYTES], const char *format, va_list arguments)
{
    (void)text_format_list(to, EDIT_REASON_BYTES, format, arguments);
    utf8_cut(to);
}

void edit_hold_back(struct edit *edit, enum edit_hold_kind kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    reason_write(edit->hold.reason, format, arguments);
    va_end(arguments);
    edit->hold.kind = kind;
    settle(edit, EDIT_HOLDS);
}

static void flag_keep(struct edit *edit, const char text[EDIT_REASON_BYTES])
{
    edit->flags++;
    for (size_t i = 0; i < edit->flag_reasons; i++)
        if (strcmp(edit->flag_reason[i], text) == 0)
            return;
    if (edit->flag_reasons < RECORD_REASONS_MAX)
        memcpy(edit->flag_reason[edit->flag_reasons++], text, EDIT_REASON_BYTES);
}

void edit_flag(struct edit *edit, const char *format, ...)
{
    char text[EDIT_REASON_BYTES] = "";
    va_list arguments;
    va_start(arguments, format);
    reason_write(text, format, arguments);
    va_end(arguments);
    flag_keep(edit, text);
    if (edit->origin.on_flag != NULL)
        edit->origin.on_flag(edit->origin.flag_arg, text);
}

bool edit_found(const struct edit *edit, enum edit_path place, struct dcm_found *found)
{
    return dcm_survey_first(edit->survey, place, found);
}

// ---- rules ----

// "10.1.2.3:104", "[::1]:104": without port and brackets.
static struct slice address_without_port(struct slice address)
{
    size_t length = address.length;
    while (length > 0 && address.data[length - 1] != ':')
        length--;
    if (length == 0)
        return address;
    address.length = length - 1;
    if (address.length > 1 && address.data[0] == '[' && address.data[address.length - 1] == ']')
        address = slice_of(address.data + 1, address.length - 2);
    return address;
}

static void rules_run(struct edit *edit)
{
    struct edit_workshop *workshop = edit->workshop;
    const struct record_open *open = edit->origin.open;
    char fingerprint[2 * RECORD_DIGEST_SIZE + 1];
    if (workshop->verdict_of == edit)
        return; // nobody has used the workspace since
    text_hex(fingerprint, sizeof fingerprint, open->certificate_fingerprint);
    struct rules_facts facts = {
        .calling = open->calling,
        .called = open->called,
        .address = address_without_port(open->peer_address),
        .certificate_subject = open->certificate_subject,
        .certificate_fingerprint = slice_of_text(fingerprint),
        .phase = slice_of_text(edit->policies->configuration->start_phase->name),
        .sop_class = open->sop_class,
        .transfer_syntax = open->transfer_syntax,
        .uid_has_other_digest = edit->origin.uid_has_other_digest,
        .study_has_other_patient = edit->study_has_other_patient,
        .may_reject = edit->origin.may_reject,
    };
    workshop->verdict_of = NULL;
    rules_match_run(workshop->match, edit->policy->program, &facts, edit->survey, &workshop->verdict);
    workshop->verdict_of = edit;
}

static void finding_text(const struct rules_finding *finding, char text[EDIT_REASON_BYTES])
{
    (void)text_format(text, EDIT_REASON_BYTES, "%s%s%s%s%s%s%s",
                      finding->pack != NULL ? finding->pack->name : "", finding->pack != NULL ? "/" : "",
                      finding->rule != NULL ? finding->rule : "", finding->rule != NULL ? ": " : "",
                      finding->element != NULL ? finding->element : "", finding->element != NULL ? ": " : "",
                      finding->reason);
    utf8_cut(text); // of a long one: journal and JSON hold UTF-8
}

// What a person has seen and let go is a flag; what could not be done is not.
static enum rules_outcome outcome_of(const struct edit *edit, const struct rules_finding *finding)
{
    bool is_forgiven = edit->origin.is_released && !finding->is_failure;
    return is_forgiven && finding->outcome > RULES_FLAG ? RULES_FLAG : finding->outcome;
}

// False: held, or refused.
static bool rules_judge(struct edit *edit, const struct rules_verdict *verdict)
{
    const struct rules_finding *worst = NULL;
    char text[EDIT_REASON_BYTES];
    for (size_t i = 0; i < verdict->finding_count; i++)
        if (worst == NULL || outcome_of(edit, &verdict->finding[i]) > outcome_of(edit, worst))
            worst = &verdict->finding[i];
    // Of findings beyond what can be kept only the outcome is known.
    bool is_lost = verdict->finding_count == RULES_FINDINGS && verdict->outcome > RULES_FLAG;
    if (worst != NULL && (is_lost || outcome_of(edit, worst) > RULES_FLAG)) {
        finding_text(worst, text);
        bool refuses = outcome_of(edit, worst) == RULES_REJECT;
        edit_hold_back(edit, worst->pack != NULL ? EDIT_HOLD_RULE : EDIT_HOLD_DATA, "%s", text);
        if (refuses)
            edit->stage = EDIT_REFUSES;
        return false;
    }
    for (size_t i = 0; i < verdict->finding_count; i++) {
        finding_text(&verdict->finding[i], text);
        flag_keep(edit, text);
    }
    return true;
}

// ---- the way to the verdict ----

static void on_answer(void *arg, enum result result, const struct crosswalk_verdict *verdict);

// Of what can not be looked at nothing can be edited: only as it came can it go, if a person or the archive's
// options say so.
static void unseen(struct edit *edit, const char *why)
{
    if (!edit->policy->passes_unseen && !edit->origin.is_released) {
        edit_hold_back(edit, EDIT_HOLD_DATA, "%s", why);
        return;
    }
    edit_flag(edit, "%s", why);
    settle(edit, EDIT_GOES);
}

static bool is_cut(const struct edit *edit, enum edit_path place)
{
    struct dcm_found found;
    for (uint32_t cursor = 0; dcm_survey_next(edit->survey, place, &cursor, &found);)
        if (!found.is_whole)
            return true;
    return false;
}

// Part of a patient ID, or of its issuer, would be another one.
static bool patient_is_seen(struct edit *edit)
{
    char path[DCM_PATH_TEXT_SIZE];
    char why[EDIT_REASON_BYTES];
    for (size_t place = EDIT_PATIENT_ID; edit->policy->node->domain != NULL && place <= EDIT_STUDY; place++) {
        if (place == EDIT_QUALIFIERS || !is_cut(edit, (enum edit_path)place))
            continue;
        dcm_path_print(&edit->policies->path[place], path);
        (void)text_format(why, sizeof why, "%s is longer than can be looked at", path);
        unseen(edit, why);
        return false;
    }
    return true;
}

static void on_study(void *arg, enum result result, bool has_other);

// False: there is nothing to ask, or it is known.
static bool study_ask(struct edit *edit)
{
    struct study_question question;
    if (edit->is_study_known || !patient_study_question(edit, &question))
        return false;
    if (enquiry_ask_study(edit->workshop->worker, &question, on_study, edit, &edit->enquiry) == OK)
        edit->stage = EDIT_ASKS;
    else
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "no memory to ask about the study");
    return true;
}

static void crosswalk_ask(struct edit *edit)
{
    if (patient_ask(edit, on_answer) == OK)
        edit->stage = EDIT_ASKS;
    else
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "no memory to ask the crosswalk");
}

// A pin is for what leaves (FIELD 1): a study of which nothing could be edited yet still follows the
// crosswalk. So it is asked for once there is a plan, and everything is looked at again with what the pin
// says.
static void pin_ask(struct edit *edit)
{
    edit->is_fit = true;
    dcm_plan_free(edit->plan);
    edit->plan = NULL;
    evidence_rows_free(edit);
    crosswalk_ask(edit);
}

static void judge(struct edit *edit)
{
    if (study_ask(edit))
        return;
    edit->flags = 0;
    edit->flag_reasons = 0;
    edit->header_length = dcm_survey_range_length(edit->survey);
    rules_run(edit);
    const struct rules_verdict *verdict = &edit->workshop->verdict;
    if (!rules_judge(edit, verdict) || !patient_is_seen(edit))
        return;
    patient_domain_find(edit);
    if (patient_is_asked_for(edit, verdict) && !edit->is_answered) {
        crosswalk_ask(edit);
        return;
    }
    if (!patient_judge(edit, verdict))
        return;
    // Before Success nothing is sent: whether it can be edited is seen later.
    if (!edit->origin.may_reject)
        draft_make(edit, verdict);
    if (edit->stage == EDIT_HOLDS)
        return;
    if (patient_is_to_be_pinned(edit))
        pin_ask(edit);
    else
        settle(edit, EDIT_GOES);
}

static void on_study(void *arg, enum result result, bool has_other)
{
    struct edit *edit = arg;
    MAGIC_CHECK(edit, EDIT_MAGIC);
    ensure(edit->stage == EDIT_ASKS);
    edit->enquiry = NULL;
    edit->is_study_known = true;
    edit->study_has_other_patient = has_other;
    if (result == OK)
        judge(edit);
    else
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "the ledger can not be read: %s", result_text(result));
    if (edit->stage != EDIT_ASKS) // else the crosswalk is asked now
        edit->on_change(edit->arg);
}

static void on_answer(void *arg, enum result result, const struct crosswalk_verdict *verdict)
{
    struct edit *edit = arg;
    MAGIC_CHECK(edit, EDIT_MAGIC);
    ensure(edit->stage == EDIT_ASKS);
    edit->enquiry = NULL;
    edit->is_answered = true;
    edit->answer_result = result;
    if (result == OK) {
        edit->answer = *verdict;
        edit->generation = verdict->generation;
        judge(edit);
    } else if (result == ERR_LIMIT) { // it will not be otherwise tomorrow
        judge(edit);
    } else {
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "the crosswalk can not be read: %s", result_text(result));
    }
    if (edit->stage != EDIT_ASKS) // else for the pin
        edit->on_change(edit->arg);
}

static void survey_fail(struct edit *edit, enum result result)
{
    const struct dcm_scan_failure *failure = dcm_survey_failure(edit->survey);
    if (result == ERR_NOMEM)
        edit_hold_back(edit, EDIT_HOLD_TROUBLE, "no memory to look at the header");
    else if (result == ERR_EXISTS)
        edit_hold_back(edit, EDIT_HOLD_RULE, "rules name one private element by its tag and by its creator");
    else if (result == ERR_LIMIT)
        unseen(edit, "the header has more elements than can be looked at");
    else if (failure != NULL && failure->reason == DCM_SCAN_TOO_DEEP)
        unseen(edit, "the header is nested too deep to be looked at");
    else
        unseen(edit, "the header can not be followed");
}

void edit_feed(struct edit *edit, struct slice piece, bool is_last)
{
    MAGIC_CHECK(edit, EDIT_MAGIC);
    ensure(edit->stage == EDIT_READS);
    enum result result = dcm_survey_feed(edit->survey, piece);
    if (result == OK && is_last && !dcm_survey_header_is_complete(edit->survey))
        result = dcm_survey_finish(edit->survey);
    if (result != OK)
        survey_fail(edit, result);
    else if (dcm_survey_header_is_complete(edit->survey))
        judge(edit);
}

// ---- life ----

static enum result survey_begin(struct edit *edit)
{
    enum result result = workshop_survey_take(edit->workshop, &edit->survey);
    if (result != OK)
        return result;
    return dcm_survey_begin(edit->survey, rules_program_interest(edit->policy->program),
                            edit->origin.open->transfer_syntax,
                            edit->policies->configuration->limits.inflated_bytes);
}

enum result edit_begin(struct edit_workshop *workshop, struct edit_policies *policies,
                       const struct edit_policy *policy, const struct edit_origin *origin,
                       void (*on_change)(void *arg), void *arg, struct edit **out)
{
    struct edit *edit = calloc(1, sizeof *edit);
    if (edit == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(edit, EDIT_MAGIC);
    edit->stage = EDIT_READS;
    edit->workshop = workshop;
    edit->policies = edit_policies_ref(policies);
    edit->policy = policy;
    edit->origin = *origin;
    edit->on_change = on_change;
    edit->arg = arg;
    if (origin->flags & RECORD_CLOSE_UNSCANNED) {
        unseen(edit, "the data set could not be followed when it came");
    } else if ((origin->flags & RECORD_CLOSE_BEHIND) && (origin->is_released || !policy->passes_unseen)) {
        unseen(edit, "elements behind Pixel Data can not be edited");
    } else {
        enum result result = survey_begin(edit);
        if (result != OK) {
            edit_free(&edit);
            return result;
        }
    }
    *out = edit;
    return OK;
}

void edit_free(struct edit **owned)
{
    struct edit *edit = *owned;
    *owned = NULL;
    if (edit == NULL)
        return;
    MAGIC_CHECK(edit, EDIT_MAGIC);
    enquiry_cancel(&edit->enquiry);
    if (edit->stage == EDIT_READS || edit->stage == EDIT_ASKS)
        settle(edit, EDIT_HOLDS);
    dcm_plan_free(edit->plan);
    evidence_rows_free(edit);
    edit_policies_unref(&edit->policies);
    wipe(edit, sizeof *edit);
    free(edit);
}

enum edit_stage edit_stage(const struct edit *edit)
{
    MAGIC_CHECK(edit, EDIT_MAGIC);
    return edit->stage;
}

const struct edit_hold *edit_hold(const struct edit *edit)
{
    ensure(edit->stage == EDIT_HOLDS || edit->stage == EDIT_REFUSES);
    return &edit->hold;
}

// ---- goes ----

const struct dcm_plan *edit_plan(const struct edit *edit)
{
    ensure(edit->stage == EDIT_GOES);
    return edit->plan;
}

uint64_t edit_header_length(const struct edit *edit)
{
    ensure(edit->stage == EDIT_GOES);
    return edit->header_length;
}

size_t edit_flags(const struct edit *edit, const char **first)
{
    *first = edit->flag_reason[0];
    return edit->flags;
}

void edit_hold_for_size(struct edit_hold *hold)
{
    *hold = (struct edit_hold){.kind = EDIT_HOLD_RULE};
    (void)text_copy(hold->reason, sizeof hold->reason,
                    slice_of_text("more would be edited than can be recorded"));
}

static void flags_fill(const struct edit *edit, struct record_flags *flags)
{
    *flags = (struct record_flags){.count = edit->flags, .reason_count = edit->flag_reasons};
    for (size_t i = 0; i < edit->flag_reasons; i++)
        flags->reason[i] = slice_of_text(edit->flag_reason[i]);
}

enum result edit_sent_fill(struct edit *edit, const struct dcm_plan *undo, struct record_sent *sent)
{
    ensure(edit->stage == EDIT_GOES);
    memcpy(sent->pack, rules_program_digest(edit->policy->program), sizeof sent->pack);
    sent->crosswalk = edit->generation;
    memset(sent->edits, 0, sizeof sent->edits);
    sent->evidence = slice_of(NULL, 0);
    flags_fill(edit, &sent->flags);
    if (edit->plan == NULL)
        return OK;
    struct slice plan = dcm_plan_bytes(edit->plan);
    unsigned length = sizeof sent->edits;
    if (EVP_Digest(plan.data, plan.length, sent->edits, &length, EVP_sha256(), NULL) != 1)
        return ERR_NOMEM;
    enum result result = evidence_fill(edit, undo);
    if (result == OK)
        sent->evidence = slice_of(edit->evidence, edit->evidence_length);
    return result;
}
