// SPDX-License-Identifier: Apache-2.0
//
// What rules and crosswalk make of an instance (DESIGN "Byte-preserving edits", FIELD 1, 4): each copy that
// an archive has is judged by what the hospital says, and by what was sent; never by the code that edits.
// That nothing beside the elements that may be edited differs was seen when the copy was taken.
#include "base/text.h"
#include "check.h"
#include "hospital.h"
#include "machine.h"
#include "store/crosswalk.h"

struct judged {
    struct history *history;
    const struct copy *copy;
    const struct attempt *attempt; // the first with these bytes
    const struct hospital_archive *archive;
    const struct patient *patient;
    unsigned number; // of the patient
    char own[HOSPITAL_ID_BYTES];
};

static void fail(const struct judged *judged, const char *what, const char *text)
{
    history_fail(judged->history, "archive %u, instance %u, attempt %u (%.3f s): %s \"%s\"",
                 judged->copy->archive, judged->attempt->instance, judged->attempt->number,
                 (double)judged->copy->at / 1e9, what, text);
}

static uint64_t study_begun(const struct judged *judged)
{
    const struct history *history = judged->history;
    for (size_t i = 0; i < history->attempt_count; i++)
        if (history->instances[history->attempts[i].instance].patient == judged->number)
            return history->attempts[i].begun;
    return 0;
}

// Until when this was so.
static uint64_t telling_end(const struct hospital *hospital, size_t index)
{
    for (size_t i = index + 1; i < hospital->telling_count; i++)
        if (hospital->tellings[i].patient == hospital->tellings[index].patient)
            return hospital->tellings[i].at;
    return UINT64_MAX;
}

// Whether the crosswalk said so at some time from `since` on until the copy was there. `id` NULL: any.
static bool was_told(const struct judged *judged, enum telling_kind kind, const char *id, uint64_t since)
{
    const struct hospital *hospital = judged->history->hospital;
    for (size_t i = 0; i < hospital->telling_count; i++) {
        const struct telling *telling = &hospital->tellings[i];
        if (telling->patient == judged->number && telling->kind == kind && telling->at <= judged->copy->at &&
            telling_end(hospital, i) >= since && (id == NULL || strcmp(telling->id, id) == 0))
            return true;
    }
    return false;
}

// ---- the patient ----

// Under its own ID: the crosswalk did not know it when the study was first delivered, or a person let it go.
static bool may_keep_id(const struct judged *judged)
{
    bool is_unmatched = was_told(judged, TOLD_UNMATCHED, NULL, study_begun(judged));
    bool is_contradicted = was_told(judged, TOLD_CONTRADICTED, NULL, judged->attempt->begun);
    bool is_released =
        hospital_was_released(judged->history->hospital, judged->copy->archive, judged->copy->at);
    bool lets_go = judged->archive->unmatched != CONFIGURATION_UNMATCHED_HOLD;
    return (is_unmatched && (lets_go || is_released)) || (is_contradicted && is_released);
}

static const char *former_issuer(const struct judged *judged)
{
    return judged->patient->issuer != NULL ? judged->patient->issuer : "";
}

static void kept_check(const struct judged *judged)
{
    const char *issuer = judged->copy->facts.issuer;
    const char *former = former_issuer(judged);
    bool is_set = former[0] == 0 && strcmp(issuer, HOSPITAL_OLD) == 0;
    bool may_stay = former[0] != 0 || judged->archive->unmatched == CONFIGURATION_UNMATCHED_PASS;
    bool may_be_set = judged->archive->unmatched != CONFIGURATION_UNMATCHED_PASS ||
                      was_told(judged, TOLD_CONTRADICTED, NULL, judged->attempt->begun);
    if (!may_keep_id(judged))
        fail(judged, "goes under its own ID", judged->copy->facts.patient);
    if (is_set ? !may_be_set : !may_stay || strcmp(issuer, former) != 0)
        fail(judged, "has the issuer", issuer);
}

static void patient_check(const struct judged *judged)
{
    const struct dataset_facts *facts = &judged->copy->facts;
    bool is_own = strcmp(facts->patient, judged->own) == 0;
    if (!judged->archive->is_new || judged->patient->is_theirs) {
        if (!is_own || strcmp(facts->issuer, former_issuer(judged)) != 0)
            fail(judged, "is of the archive's own domain and got the ID", facts->patient);
    } else if (is_own) {
        kept_check(judged);
    } else if (!was_told(judged, TOLD_MAPPED, facts->patient, judged->attempt->begun)) {
        fail(judged, "got an ID that the crosswalk did not say", facts->patient);
    } else if (strcmp(facts->issuer, HOSPITAL_NEW) != 0) {
        fail(judged, "was mapped and has the issuer", facts->issuer);
    }
}

// ---- rules ----

static bool were_in_force(const struct judged *judged, size_t index)
{
    const struct hospital *hospital = judged->history->hospital;
    uint64_t end = index + 1 < hospital->packs_count ? hospital->packs[index + 1].at : UINT64_MAX;
    return hospital->packs[index].at <= judged->copy->at && end >= judged->attempt->begun;
}

static void rules_check(const struct judged *judged)
{
    const struct hospital *hospital = judged->history->hospital;
    const char *house = judged->copy->facts.house;
    bool may = false;
    if (!judged->archive->has_packs) {
        if (strcmp(house, judged->attempt->facts.house) != 0)
            fail(judged, "there are no rules, and it came from", house);
        return;
    }
    bool is_released = hospital_was_released(hospital, judged->copy->archive, judged->copy->at);
    for (size_t i = 0; i < hospital->packs_count; i++) {
        char wanted[20];
        (void)text_format(wanted, sizeof wanted, "House %u", hospital->packs[i].version);
        bool holds = hospital->packs[i].holds && judged->attempt->variant == 1 && !is_released;
        may |= were_in_force(judged, i) && !holds && strcmp(house, wanted) == 0;
    }
    if (!may)
        fail(judged, "no rules in force would have let it go as from", house);
}

// ---- what an edit says of itself ----

static void traces_check(const struct judged *judged)
{
    const struct dataset_facts *facts = &judged->copy->facts;
    const struct dataset_facts *before = &judged->attempt->facts;
    bool has_new_id = strcmp(facts->patient, before->patient) != 0;
    bool is_edited =
        has_new_id || strcmp(facts->issuer, before->issuer) != 0 || strcmp(facts->house, before->house) != 0;
    if (!is_edited && judged->copy->hash != judged->attempt->hash)
        fail(judged, "nothing is edited, and the bytes are not those received", "");
    if (facts->has_equipment != is_edited)
        fail(judged, "what it says of equipment is not what was done", "");
    if (facts->has_originals != (is_edited && judged->archive->keeps_originals))
        fail(judged, "what it says of original attributes is not what was done", "");
    if (facts->has_originals && has_new_id && strcmp(facts->former, judged->own) != 0)
        fail(judged, "the original attributes have the patient ID", facts->former);
}

static void copy_check(struct history *history, const struct copy *copy)
{
    const struct hospital *hospital = history->hospital;
    struct judged judged = {.history = history,
                            .copy = copy,
                            .attempt = &history->attempts[copy->attempt],
                            .archive = &hospital->archives[copy->archive]};
    judged.number = history->instances[judged.attempt->instance].patient;
    judged.patient = &hospital->patients[judged.number];
    hospital_own_id(judged.number, judged.own);
    patient_check(&judged);
    rules_check(&judged);
    traces_check(&judged);
}

// ---- two copies ----

static bool has_changed(const struct history *history, unsigned patient, uint64_t since, uint64_t until)
{
    const struct hospital *hospital = history->hospital;
    for (size_t i = 0; i < hospital->telling_count; i++)
        if (hospital->tellings[i].patient == patient && hospital->tellings[i].is_change &&
            hospital->tellings[i].at >= since && hospital->tellings[i].at <= until)
            return true;
    return false;
}

// All of a study is at an archive under one ID, until it is merged or moved. What a person let go is no
// delivery that binds others.
static void pin_check(struct history *history, const struct copy *first, const struct copy *second)
{
    unsigned patient = history->instances[history->attempts[first->attempt].instance].patient;
    bool is_same_study = patient == history->instances[history->attempts[second->attempt].instance].patient;
    if (!is_same_study || first->at >= second->after ||
        strcmp(first->facts.patient, second->facts.patient) == 0)
        return;
    if (!has_changed(history, patient, history->attempts[first->attempt].begun, second->at) &&
        !hospital_was_released(history->hospital, first->archive, second->at))
        history_fail(history, "archive %u has study %u under %s (%.3f s) and under %s (%.3f s)",
                     first->archive, patient, first->facts.patient, (double)first->at / 1e9,
                     second->facts.patient, (double)second->at / 1e9);
}

// Whatever was changed, by whomever, between the one and the other.
static bool is_news_between(const struct history *history, uint64_t since, uint64_t until)
{
    const struct hospital *hospital = history->hospital;
    bool is = false;
    for (size_t i = 0; i < hospital->telling_count; i++)
        is |= hospital->tellings[i].at >= since && hospital->tellings[i].at <= until;
    for (size_t i = 0; i < hospital->packs_count; i++)
        is |= hospital->packs[i].at >= since && hospital->packs[i].at <= until;
    for (size_t i = 0; i < hospital->decision_count; i++)
        is |= hospital->decisions[i].at >= since && hospital->decisions[i].at <= until;
    return is;
}

static void resend_check(struct history *history, const struct copy *first, const struct copy *second)
{
    const struct attempt *attempt = &history->attempts[first->attempt];
    if (first->attempt != second->attempt || first->hash == second->hash ||
        history_attempts_of(history, first->attempt) > 1 ||
        is_news_between(history, attempt->begun, second->at))
        return;
    history_fail(history, "archive %u got instance %u (%.3f s) in other bytes than before (%.3f s)",
                 first->archive, attempt->instance, (double)second->at / 1e9, (double)first->at / 1e9);
}

// FIELD 2: what an archive calls a patient is led back to the ID that came, by the study that it has there.
// One that was moved belongs to somebody else than it came for.
static void unmap_check(struct history *history, struct crosswalk *crosswalk, struct crosswalk_reader *reader,
                        const struct copy *copy)
{
    const struct instance *instance = &history->instances[history->attempts[copy->attempt].instance];
    const struct hospital *hospital = history->hospital;
    const struct telling *last = NULL;
    struct crosswalk_verdict verdict;
    char own[HOSPITAL_ID_BYTES];
    for (size_t i = 0; i < hospital->telling_count; i++)
        if (hospital->tellings[i].patient == instance->patient)
            last = &hospital->tellings[i];
    if (!hospital->archives[copy->archive].is_new || last == NULL || last->kind != TOLD_MAPPED ||
        hospital->patients[instance->patient].is_moved || strcmp(last->id, copy->facts.patient) != 0)
        return;
    hospital_own_id(instance->patient, own);
    struct crosswalk_study study = {slice_of_text(instance->study), copy->archive + 1};
    enum result result =
        crosswalk_unmap(reader, &study, crosswalk_domain_find(crosswalk, "NEW"), slice_of_text(last->id),
                        crosswalk_domain_find(crosswalk, "OLD"), slice_of(NULL, 0), &verdict);
    if (result != OK || verdict.outcome != CROSSWALK_MAPPED || strcmp(verdict.id.text, own) != 0)
        history_fail(history, "archive %u has study %u under %s, which is led back to \"%s\": %s",
                     copy->archive, instance->patient, last->id, result == OK ? verdict.id.text : "",
                     result_text(result));
}

static void unmap_check_all(struct history *history)
{
    struct crosswalk *crosswalk = machine_crosswalk(history->machine);
    struct crosswalk_reader *reader = NULL;
    if (crosswalk == NULL || crosswalk_reader_new(crosswalk, &reader) != OK) {
        history_fail(history, "the crosswalk can not be read in the end");
        return;
    }
    for (size_t i = 0; i < history->copy_count; i++)
        unmap_check(history, crosswalk, reader, &history->copies[i]);
    crosswalk_reader_free(reader);
}

void check_edits(struct history *history)
{
    if (history->hospital == NULL)
        return;
    unmap_check_all(history);
    for (size_t i = 0; i < history->copy_count; i++) {
        copy_check(history, &history->copies[i]);
        for (size_t k = i + 1; k < history->copy_count; k++) {
            if (history->copies[i].archive != history->copies[k].archive)
                continue;
            pin_check(history, &history->copies[i], &history->copies[k]);
            resend_check(history, &history->copies[i], &history->copies[k]);
        }
    }
}
