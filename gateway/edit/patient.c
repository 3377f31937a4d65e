// SPDX-License-Identifier: Apache-2.0
//
// Whose patient ID it is, and which one the archive gets (FIELD 1, 3, 4).
#include "base/check.h"
#include "base/text.h"
#include "base/wipe.h"
#include "daemon/worker.h"
#include "edit/edit_private.h"
#include "edit/study.h"

#define QUALIFIERS_MOST 16 // items of the qualifiers that are looked at

// ---- what the data set says ----

static struct slice raw_value(const struct edit *edit, enum edit_path place)
{
    struct dcm_found found;
    if (!edit_found(edit, place, &found) || !found.is_whole)
        return slice_of(NULL, 0);
    return slice_trimmed(found.value);
}

// Of one occurrence.
static bool found_text(const struct edit *edit, enum edit_path place, const struct dcm_found *found, char *to,
                       struct slice *text)
{
    struct dcm_level level;
    size_t length;
    struct slice value = slice_trimmed(found->value);
    if (!found->is_whole || value.length == 0 || value.length > PATIENT_TEXT_BYTES)
        return false;
    dcm_survey_level(edit->survey, found->level, &level);
    enum dcm_vr vr = dcm_path_vr(&edit->policies->path[place]); // also where it is written as UN
    if (dcm_text_decode(edit->workshop->text, &level.charset, vr, value, to,
                        DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES), &length) != OK)
        return false;
    *text = slice_trimmed(slice_of(to, length));
    return text->length > 0;
}

bool patient_text(const struct edit *edit, enum edit_path place, char *to, struct slice *text)
{
    struct dcm_found found;
    return edit_found(edit, place, &found) && found_text(edit, place, &found, to, text);
}

// An element that is there with a value, readable or not; of several items, in one of them.
static bool has_value(const struct edit *edit, enum edit_path place)
{
    struct dcm_found found;
    for (uint32_t cursor = 0; dcm_survey_next(edit->survey, place, &cursor, &found);)
        if (!found.is_whole || slice_trimmed(found.value).length > 0)
            return true;
    return false;
}

static const struct configuration_domain *trusted_domain(const struct edit *edit, enum edit_path place,
                                                         const struct dcm_found *found)
{
    char text[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
    struct slice issuer;
    const struct configuration_domain *domain = NULL;
    if (found_text(edit, place, found, text, &issuer))
        domain = configuration_domain_by_issuer(edit->policies->configuration, issuer);
    wipe(text, sizeof text);
    return domain;
}

// PS3.3 10.14 allows one item, senders write more. *domain is NULL where they name no domain. False: two, or
// there are too many to look at, or they are written so that nobody can look into them (UN of defined
// length); then nobody can say.
static bool qualifiers_domain(const struct edit *edit, const struct configuration_domain **domain)
{
    struct dcm_found found;
    *domain = NULL;
    for (uint32_t cursor = 0; dcm_survey_next(edit->survey, EDIT_QUALIFIERS, &cursor, &found);)
        if (found.is_sequence ? found.items > QUALIFIERS_MOST : found.length > 0)
            return false;
    for (uint32_t cursor = 0; dcm_survey_next(edit->survey, EDIT_QUALIFIER_ID, &cursor, &found);) {
        const struct configuration_domain *named = trusted_domain(edit, EDIT_QUALIFIER_ID, &found);
        if (named != NULL && *domain != NULL && named != *domain)
            return false;
        if (named != NULL)
            *domain = named;
    }
    return true;
}

// Issuer of Patient ID if it is one that is trusted, else what its qualifiers say; *domain is NULL where that
// is nothing. False: nobody can say.
static bool named_domain(const struct edit *edit, const struct configuration_domain **domain)
{
    struct dcm_found found;
    *domain = edit_found(edit, EDIT_ISSUER, &found) ? trusted_domain(edit, EDIT_ISSUER, &found) : NULL;
    return *domain != NULL || qualifiers_domain(edit, domain);
}

// What the data set names, else what the configuration says.
void patient_domain_find(struct edit *edit)
{
    const struct configuration_domain *domain;
    bool is_clear = named_domain(edit, &domain);
    if (is_clear && domain == NULL)
        domain = configuration_domain_by_name(edit->policies->configuration, edit->origin.open->domain);
    edit->patient.domain = is_clear ? domain : NULL;
    edit->patient.has_issuer = has_value(edit, EDIT_ISSUER) || has_value(edit, EDIT_QUALIFIER_ID);
}

bool patient_study_question(const struct edit *edit, struct study_question *question)
{
    const struct worker *worker = edit->workshop->worker;
    struct study_source source = {.study = raw_value(edit, EDIT_STUDY),
                                  .id = raw_value(edit, EDIT_PATIENT_ID)};
    if (!named_domain(edit, &source.domain))
        source.domain = NULL;
    if (!rules_program_asks_patient(edit->policy->program) ||
        !study_patient_hash(worker->patients, edit->policies->configuration, &source, question->patient))
        return false;
    fact_uid_hash(source.study, question->study);
    question->receipt = edit->origin.receipt;
    question->order = edit->origin.order;
    return true;
}

// ---- the crosswalk ----

static bool wants_crosswalk(const struct edit *edit, const struct rules_verdict *verdict)
{
    const struct configuration_node *node = edit->policy->node;
    return node->domain != NULL && edit->patient.domain != node->domain &&
           (node->crosswalk == CONFIGURATION_CROSSWALK_ALWAYS || verdict->crosswalk_rule != NULL);
}

static bool has_id(const struct edit *edit)
{
    char text[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
    struct slice id;
    bool has = patient_text(edit, EDIT_PATIENT_ID, text, &id) && id.length <= CROSSWALK_ID_BYTES;
    wipe(text, sizeof text);
    return has;
}

bool patient_is_asked_for(const struct edit *edit, const struct rules_verdict *verdict)
{
    return wants_crosswalk(edit, verdict) && edit->patient.domain != NULL && has_id(edit);
}

bool patient_is_to_be_pinned(const struct edit *edit)
{
    return edit->is_answered && edit->answer_result == OK && !edit->answer.is_pinned && !edit->is_fit &&
           !edit->origin.may_reject && has_value(edit, EDIT_STUDY);
}

static uint16_t domain_number(const struct edit *edit, const struct configuration_domain *domain)
{
    const struct crosswalk *crosswalk = edit->workshop->worker->gateway->platform.crosswalk;
    return crosswalk != NULL ? crosswalk_domain_find(crosswalk, domain->name) : 0;
}

static bool lets_unmatched_go(const struct edit *edit)
{
    enum configuration_unmatched unmatched = edit->policy->node->unmatched;
    return edit->origin.is_released || unmatched == CONFIGURATION_UNMATCHED_PASS ||
           unmatched == CONFIGURATION_UNMATCHED_FLAG;
}

enum result patient_ask(struct edit *edit, enquiry_answered_fn *answered)
{
    const struct configuration_node *node = edit->policy->node;
    struct {
        char id[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
        char name[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
        char birth_date[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
        char sex[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
    } text;
    struct enquiry_question question = {
        .archive = node->id,
        .from = domain_number(edit, edit->patient.domain),
        .to = domain_number(edit, node->domain),
        .study = raw_value(edit, EDIT_STUDY),
        .when = edit->origin.open->time,
        .wants_pin = edit->is_fit,
        .unmatched_goes = lets_unmatched_go(edit),
    };
    bool has = patient_text(edit, EDIT_PATIENT_ID, text.id, &question.id);
    ensure(has);
    // What can not be read is as good as not said: it is a guard, never a key.
    (void)patient_text(edit, EDIT_NAME, text.name, &question.person.name);
    (void)patient_text(edit, EDIT_BIRTH_DATE, text.birth_date, &question.person.birth_date);
    (void)patient_text(edit, EDIT_SEX, text.sex, &question.person.sex);
    enum result result = enquiry_ask(edit->workshop->worker, &question, answered, edit, &edit->enquiry);
    wipe(&text, sizeof text);
    return result;
}

// ---- the verdict ----

// A person has let it go all the same: then it is a flag.
static bool refuse(struct edit *edit, bool may_refuse, const char *why)
{
    if (edit->origin.is_released) {
        edit_flag(edit, "%s", why);
        return true;
    }
    edit_hold_back(edit, EDIT_HOLD_PATIENT, "%s", why);
    if (may_refuse && edit->origin.may_reject)
        edit->stage = EDIT_REFUSES;
    return false;
}

static bool unmatched(struct edit *edit, const char *why)
{
    edit->patient.fate = PATIENT_UNMATCHED;
    edit->patient.because = "unmatched";
    switch (edit->policy->node->unmatched) {
    case CONFIGURATION_UNMATCHED_PASS:
        edit->patient.fate = PATIENT_STAYS;
        return true;
    case CONFIGURATION_UNMATCHED_FLAG:
        edit_flag(edit, "%s", why);
        return true;
    case CONFIGURATION_UNMATCHED_HOLD:
        return refuse(edit, false, why);
    case CONFIGURATION_UNMATCHED_REJECT:
        return refuse(edit, true, why);
    }
    unreachable_state();
}

// A guard has spoken: such a patient is never given another's ID (FIELD 1).
static bool contradicted(struct edit *edit)
{
    static const struct {
        unsigned flag;
        const char *what;
    } guards[] = {
        {CROSSWALK_BY_NAME, "name"}, {CROSSWALK_BY_BIRTH_DATE, "birth date"}, {CROSSWALK_BY_SEX, "sex"}};
    char why[EDIT_REASON_BYTES] = "the crosswalk has this patient ID with another";
    const char *between = " ";
    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++) {
        size_t length = strlen(why);
        if ((edit->answer.flags & guards[i].flag) == 0)
            continue;
        (void)text_format(why + length, sizeof why - length, "%s%s", between, guards[i].what);
        between = ", ";
    }
    edit->patient.fate = PATIENT_UNMATCHED;
    edit->patient.because = "contradicted";
    return refuse(edit, false, why);
}

// So many IDs have become one that the crosswalk does not follow them (CROSSWALK.md).
static bool entangled(struct edit *edit)
{
    edit->patient.fate = PATIENT_UNMATCHED;
    edit->patient.because = "unmatched";
    return refuse(edit, false, "the crosswalk has more patient IDs merged into one than it follows");
}

static bool mapped(struct edit *edit)
{
    unsigned flags = edit->answer.flags;
    edit->patient.fate = PATIENT_MAPPED;
    edit->patient.because = flags & CROSSWALK_FROM_MOVE  ? "moved"
                            : flags & CROSSWALK_FROM_PIN ? "pinned"
                                                         : "mapped";
    if (flags & CROSSWALK_OTHER_SOURCE)
        edit_flag(edit, "the study was first delivered for another patient ID");
    return true;
}

bool patient_judge(struct edit *edit, const struct rules_verdict *verdict)
{
    edit->patient.fate = PATIENT_STAYS;
    if (!wants_crosswalk(edit, verdict))
        return true;
    if (edit->patient.domain == NULL)
        return unmatched(edit, "the domain of the patient ID is not known");
    if (!edit->is_answered)
        return unmatched(edit, "there is no patient ID that can be read");
    if (edit->answer_result != OK)
        return entangled(edit);
    switch (edit->answer.outcome) {
    case CROSSWALK_SAME:
        return true;
    case CROSSWALK_MAPPED:
        return mapped(edit);
    case CROSSWALK_UNMAPPED:
        return unmatched(edit, edit->answer.flags & CROSSWALK_AMBIGUOUS
                                   ? "the crosswalk has several patients for this patient ID"
                                   : "the crosswalk does not know this patient ID");
    case CROSSWALK_CONTRADICTED:
        return contradicted(edit);
    }
    unreachable_state();
}

// ---- what that means ----

static void put(const struct edit *edit, struct draft *draft, enum edit_path place,
                enum dcm_edit_operation operation, struct slice text)
{
    draft->edit[draft->count++] = (struct dcm_edit){
        .path = &edit->policies->path[place], .operation = operation, .kind = DCM_VALUE_TEXT, .value = text};
}

// The qualifiers have items, and each names issuers of the domain and no other.
static bool qualifiers_agree(const struct edit *edit, const struct configuration_domain *domain)
{
    struct dcm_found sequence, found;
    uint32_t cursor = 0, agreeing = 0; // items so far
    if (!dcm_survey_next(edit->survey, EDIT_QUALIFIERS, &cursor, &sequence) ||
        dcm_survey_next(edit->survey, EDIT_QUALIFIERS, &cursor, &found) || !sequence.is_sequence)
        return false;
    for (cursor = 0; dcm_survey_next(edit->survey, EDIT_QUALIFIER_ID, &cursor, &found);) {
        if (found.item[0] > agreeing || trusted_domain(edit, EDIT_QUALIFIER_ID, &found) != domain)
            return false;
        agreeing = found.item[0] + 1;
    }
    return sequence.items > 0 && agreeing == sequence.items;
}

void patient_draft(const struct edit *edit, struct draft *draft)
{
    const struct configuration_domain *own = edit->patient.domain;
    const struct configuration_domain *theirs = edit->policy->node->domain;
    if (edit->patient.fate == PATIENT_MAPPED) {
        bool is_named = theirs->issuers.count > 0;
        put(edit, draft, EDIT_PATIENT_ID, DCM_EDIT_SET,
            slice_of(edit->answer.id.text, edit->answer.id.length));
        put(edit, draft, EDIT_ISSUER, is_named ? DCM_EDIT_SET : DCM_EDIT_REMOVE,
            is_named ? slice_of_text(theirs->issuers.item[0]) : slice_of(NULL, 0));
        if (!qualifiers_agree(edit, theirs))
            put(edit, draft, EDIT_QUALIFIERS, DCM_EDIT_REMOVE, slice_of(NULL, 0));
    }
    if (edit->patient.fate == PATIENT_UNMATCHED && own != NULL && !edit->patient.has_issuer &&
        own->issuers.count > 0)
        put(edit, draft, EDIT_ISSUER, DCM_EDIT_SET, slice_of_text(own->issuers.item[0]));
}
