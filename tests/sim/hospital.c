// SPDX-License-Identifier: Apache-2.0
#include "hospital.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "crosswalk/office.h"
#include "daemon/worker.h"
#include "edit/policy.h"
#include "forward/archive.h"
#include "machine.h"
#include "store/crosswalk_import.h"

enum { PACK_BYTES = 1024, TABLE_BYTES = 4096, IMPORT_MEMORY = 1 << 20 };

static const struct crosswalk_domain domains[] = {{.name = "OLD"}, {.name = "NEW"}};

void hospital_own_id(unsigned patient, char id[HOSPITAL_ID_BYTES])
{
    (void)text_format(id, HOSPITAL_ID_BYTES, "P%u", patient);
}

bool hospital_was_released(const struct hospital *hospital, unsigned archive, uint64_t until)
{
    for (size_t i = 0; i < hospital->decision_count; i++) {
        const struct decision *decision = &hospital->decisions[i];
        if (decision->is_release && decision->archive == archive && decision->at <= until)
            return true;
    }
    return false;
}

bool hospital_has_rejected(const struct hospital *hospital, unsigned archive)
{
    for (size_t i = 0; hospital != NULL && i < hospital->decision_count; i++)
        if (!hospital->decisions[i].is_release && hospital->decisions[i].archive == archive)
            return true;
    return false;
}

// ---- what the crosswalk says ----

// A row that speaks against the patient holds, whatever else is said.
static void telling_add(struct history *history, unsigned number, bool is_change)
{
    struct hospital *hospital = history->hospital;
    const struct patient *patient = &hospital->patients[number];
    if (hospital->telling_count == hospital->telling_capacity) {
        hospital->telling_capacity = 32 + 2 * hospital->telling_capacity;
        hospital->tellings =
            realloc(hospital->tellings, hospital->telling_capacity * sizeof *hospital->tellings);
        ensure(hospital->tellings != NULL);
    }
    struct telling *telling = &hospital->tellings[hospital->telling_count++];
    *telling = (struct telling){.at = history_now(history), .patient = number, .is_change = is_change};
    char letter = patient->is_moved ? 'M' : patient->is_merged ? 'G' : 'N';
    if (patient->row == ROW_WRONG)
        telling->kind = TOLD_CONTRADICTED;
    else
        telling->kind = patient->is_moved || patient->row == ROW_GOOD ? TOLD_MAPPED : TOLD_UNMATCHED;
    (void)text_format(telling->id, sizeof telling->id, "%c%u", letter, number);
}

static struct crosswalk_order order_make(struct history *history)
{
    struct hospital *hospital = history->hospital;
    uint64_t wall = ev_wall_now(history->clock);
    hospital->now = wall > hospital->now ? wall : hospital->now + 1;
    return (struct crosswalk_order){.now = hospital->now, .person = "Ada", .reason = "simulated"};
}

static void table_write(const struct hospital *hospital, char text[TABLE_BYTES])
{
    (void)text_copy(text, TABLE_BYTES,
                    slice_of_text("source_domain,source_id,target_domain,target_id,birth_date\n"));
    for (unsigned i = 0; i < HOSPITAL_PATIENTS; i++) {
        size_t at = strlen(text);
        if (hospital->patients[i].row != ROW_NONE)
            ensure(text_format(text + at, TABLE_BYTES - at, "OLD,P%u,NEW,N%u,%s\n", i, i,
                               hospital->patients[i].row == ROW_GOOD ? HOSPITAL_BIRTH_DATE : "19991231"));
    }
}

static enum result table_import(struct history *history, struct crosswalk *crosswalk, struct fs *fs)
{
    char text[TABLE_BYTES];
    struct crosswalk_import *import = NULL;
    struct crosswalk_import_options options = {.memory = IMPORT_MEMORY, .order = order_make(history)};
    table_write(history->hospital, text);
    enum result result = crosswalk_import_new(crosswalk, fs, &options, &import);
    if (result == OK)
        result = crosswalk_import_feed(import, slice_of_text(text));
    if (result == OK)
        result = crosswalk_import_end(import);
    if (result == OK)
        result = AGAIN;
    while (result == AGAIN)
        result = crosswalk_import_step(import);
    crosswalk_import_free(import);
    return result;
}

// ---- changes ----

static uint64_t generation_of(struct crosswalk *crosswalk)
{
    struct crosswalk_reader *reader;
    uint64_t generation = 0;
    if (crosswalk_reader_new(crosswalk, &reader) != OK)
        return 0;
    (void)!crosswalk_generation_get(reader, &generation);
    crosswalk_reader_free(reader);
    return generation;
}

static void change_begin(struct history *history, unsigned number)
{
    struct hospital *hospital = history->hospital;
    hospital->change = (struct change){.patient = number,
                                       .before = hospital->patients[number],
                                       .generation = generation_of(machine_crosswalk(history->machine))};
}

// A machine that died in the commit leaves open whether it was: the next life tells.
static void change_end(struct history *history, enum result result, bool is_change)
{
    struct hospital *hospital = history->hospital;
    struct change *change = &hospital->change;
    change->is_open = result != OK && machine_is_cut(history->machine);
    if (result == OK || change->is_open)
        telling_add(history, change->patient, is_change);
    else
        hospital->patients[change->patient] = change->before;
}

static void change_resolve(struct history *history, struct crosswalk *crosswalk)
{
    struct hospital *hospital = history->hospital;
    struct change *change = &hospital->change;
    if (!change->is_open)
        return;
    change->is_open = false;
    if (generation_of(crosswalk) > change->generation)
        return;
    hospital->patients[change->patient] = change->before;
    hospital->telling_count--; // it was the last one
    history_say(history, "the last change of the crosswalk was not made");
}

enum result hospital_open(struct history *history, struct kv_env *env, struct fs *fs,
                          struct seal_keyring *keyring, struct crosswalk **out)
{
    struct hospital *hospital = history->hospital;
    struct crosswalk_problem problem = {0};
    enum result result = crosswalk_new(env, keyring, domains, 2, out, &problem);
    if (result == OK && !hospital->is_imported) {
        result = table_import(history, *out, fs);
        hospital->is_imported = result == OK;
    }
    if (result == OK)
        change_resolve(history, *out);
    else
        history_say(history, "the crosswalk can not be opened: %s %s", result_text(result), problem.text);
    return result;
}

// ---- rules ----

static const struct packs *packs_now(const struct hospital *hospital)
{
    return &hospital->packs[hospital->packs_count - 1];
}

static void packs_add(struct history *history, bool holds)
{
    struct hospital *hospital = history->hospital;
    ensure(hospital->packs_count < HISTORY_EVENTS_MAX);
    hospital->packs[hospital->packs_count] = (struct packs){
        .at = history_now(history), .version = (unsigned)hospital->packs_count + 1, .holds = holds};
    hospital->packs_count++;
}

enum result hospital_packs_put(struct history *history, struct gateway *gateway)
{
    const struct packs *packs = packs_now(history->hospital);
    char text[PACK_BYTES];
    struct rules_library *library;
    struct edit_policies *policies = NULL;
    struct conf_errors errors;
    ensure(text_format(text, sizeof text,
                       "pack: sim\nversion: 1.0.%u\ndescription: simulated\nrules:\n"
                       "  - rule: house\n    do: [ { set: InstitutionName, to: House %u } ]\n%s",
                       packs->version, packs->version,
                       packs->holds ? "  - rule: comments\n"
                                      "    when: { element: ImageComments, equals: variant 1 }\n"
                                      "    do: [ { hold: not yet } ]\n"
                                    : ""));
    conf_errors_init(&errors);
    ensure(rules_library_new(&library) == OK);
    enum result result = rules_library_add(library, "sim.yaml", slice_of_text(text), NULL, &errors);
    if (result == OK)
        result = edit_policies_of(history->configuration, &library, &errors, &policies);
    for (size_t i = 0; i < errors.count; i++)
        history_fail(history, "%s", errors.item[i].text);
    rules_library_free(library);
    conf_errors_fini(&errors);
    if (result == OK)
        (void)gateway_policies_set(gateway, &policies);
    return result;
}

// ---- acts ----

// One patient of those that the next table has better; HOSPITAL_PATIENTS: none.
static unsigned patient_to_mend(const struct hospital *hospital, unsigned from)
{
    for (unsigned i = 0; i < HOSPITAL_PATIENTS; i++) {
        unsigned number = (from + i) % HOSPITAL_PATIENTS;
        if (!hospital->patients[number].is_theirs && hospital->patients[number].row != ROW_GOOD)
            return number;
    }
    return HOSPITAL_PATIENTS;
}

static enum result import_act(struct history *history, unsigned from)
{
    struct hospital *hospital = history->hospital;
    struct machine *machine = history->machine;
    unsigned number = patient_to_mend(hospital, from);
    if (number == HOSPITAL_PATIENTS)
        return OK;
    change_begin(history, number);
    hospital->patients[number].row = ROW_GOOD;
    enum result result = table_import(history, machine_crosswalk(machine), machine_fs(machine));
    change_end(history, result, false);
    history_say(history, "import with patient %u: %s", number, result_text(result));
    return result;
}

static void change_act(struct history *history, unsigned number, bool is_move)
{
    struct patient *patient = &history->hospital->patients[number];
    struct crosswalk *crosswalk = machine_crosswalk(history->machine);
    struct crosswalk_order order = order_make(history);
    uint16_t domain = crosswalk_domain_find(crosswalk, "NEW");
    char from[HOSPITAL_ID_BYTES], to[HOSPITAL_ID_BYTES], study[HISTORY_UID_MAX + 1];
    if (patient->is_theirs || (is_move ? patient->is_moved : patient->is_merged))
        return;
    change_begin(history, number);
    (void)text_format(from, sizeof from, "N%u", number);
    (void)text_format(to, sizeof to, "%c%u", is_move ? 'M' : 'G', number);
    (void)text_format(study, sizeof study, HISTORY_STUDY "%u", number);
    enum result result =
        is_move
            ? crosswalk_move_study(crosswalk, slice_of_text(study), domain, slice_of_text(to), &order, NULL)
            : crosswalk_merge(crosswalk, domain, slice_of_text(from), slice_of_text(to), &order, NULL);
    history_say(history, "%s patient %u: %s", is_move ? "move-study" : "merge", number, result_text(result));
    *(is_move ? &patient->is_moved : &patient->is_merged) = true;
    change_end(history, result, true);
}

static void decide_act(struct history *history, unsigned archive, bool is_release)
{
    struct hospital *hospital = history->hospital;
    struct gateway *gateway = machine_gateway(history->machine);
    size_t count = 0;
    for (unsigned i = 0; i < gateway->platform.workers; i++) {
        backlog_all_wake(gateway->workers[i]);
        struct list *held = archive_list(&gateway->workers[i]->archives[archive], STAGE_HELD);
        for (size_t left = held->count; left > 0 && !list_is_empty(held); left--, count++) {
            struct delivery *delivery = CONTAINER_OF(list_first(held), struct delivery, node);
            if (is_release)
                delivery_release(delivery, slice_of_text("Ada"), slice_of_text("simulated"));
            else
                delivery_reject(delivery, slice_of_text("Ada"), slice_of_text("simulated"));
        }
    }
    history_say(history, "%zu held at archive %u are %s", count, archive,
                is_release ? "released" : "rejected");
    if (count > 0)
        hospital->decisions[hospital->decision_count++] =
            (struct decision){history_now(history), archive, is_release};
}

void hospital_act(struct history *history, const struct event *event)
{
    struct gateway *gateway = machine_gateway(history->machine);
    if (gateway == NULL || machine_is_cut(history->machine))
        return;
    switch (event->act) {
    case HOSPITAL_IMPORT:
        (void)import_act(history, event->archive);
        break;
    case HOSPITAL_MERGE:
    case HOSPITAL_MOVE:
        change_act(history, event->archive, event->act == HOSPITAL_MOVE);
        break;
    case HOSPITAL_PACKS:
        packs_add(history, event->number % 3 == 0);
        ensure(hospital_packs_put(history, gateway) == OK);
        break;
    case HOSPITAL_RELEASE:
    case HOSPITAL_REJECT:
        decide_act(history, event->archive, event->act == HOSPITAL_RELEASE);
        return;
    case HOSPITAL_ACTS:
        return;
    }
    crosswalk_office_look(gateway->office);
}

// A study of which a person has let something go unmatched stays so by its pin, and what comes later of it is
// held: a person must say whose it is.
static void released_move(struct history *history)
{
    bool has_released = false;
    for (unsigned i = 0; i < history->plan.archives; i++)
        has_released |= hospital_was_released(history->hospital, i, UINT64_MAX);
    for (unsigned i = 0; has_released && i < HOSPITAL_PATIENTS; i++)
        change_act(history, i, true);
}

bool hospital_heal(struct history *history)
{
    struct hospital *hospital = history->hospital;
    struct gateway *gateway = machine_gateway(history->machine);
    if (hospital == NULL)
        return true;
    if (gateway == NULL || machine_is_cut(history->machine))
        return false;
    while (patient_to_mend(hospital, 0) != HOSPITAL_PATIENTS)
        if (import_act(history, 0) != OK)
            return false;
    if (packs_now(hospital)->holds) {
        packs_add(history, false);
        ensure(hospital_packs_put(history, gateway) == OK);
    }
    released_move(history);
    crosswalk_office_look(gateway->office);
    return true;
}

// ---- the plan ----

static void archives_draw(struct history *history)
{
    static const enum configuration_unmatched kinds[] = {
        CONFIGURATION_UNMATCHED_FLAG, CONFIGURATION_UNMATCHED_PASS, CONFIGURATION_UNMATCHED_HOLD};
    unsigned certain = (unsigned)history_below(history, history->plan.archives);
    for (unsigned i = 0; i < HISTORY_ARCHIVES_MAX; i++) {
        struct hospital_archive *archive = &history->hospital->archives[i];
        archive->is_new = i == certain || history_chance(history, 1, 2);
        archive->has_packs = history_chance(history, 1, 2);
        archive->keeps_originals = history_chance(history, 3, 4);
        archive->unmatched = kinds[history_below(history, archive->is_new ? 3 : 2)];
    }
}

static void patients_draw(struct history *history)
{
    static const char *const issuers[] = {NULL, NULL, HOSPITAL_OLD};
    for (unsigned i = 0; i < HOSPITAL_PATIENTS; i++) {
        struct patient *patient = &history->hospital->patients[i];
        patient->is_theirs = history_chance(history, 1, 8);
        patient->issuer = patient->is_theirs ? HOSPITAL_NEW : issuers[history_below(history, 3)];
        if (!patient->is_theirs)
            patient->row =
                history_chance(history, 1, 2) ? ROW_GOOD : (enum hospital_row)history_below(history, 2);
        telling_add(history, i, false);
    }
}

static void events_draw(struct history *history)
{
    static const enum hospital_act acts[] = {HOSPITAL_IMPORT, HOSPITAL_IMPORT,  HOSPITAL_MERGE, HOSPITAL_MOVE,
                                             HOSPITAL_PACKS,  HOSPITAL_RELEASE, HOSPITAL_REJECT};
    struct plan *plan = &history->plan;
    bool has_people = history_chance(history, 1, 3);
    for (uint64_t count = 3 + history_below(history, 10); count > 0; count--) {
        enum hospital_act act = acts[history_below(history, has_people ? 7 : 5)];
        bool is_about_archive = act == HOSPITAL_RELEASE || act == HOSPITAL_REJECT;
        if (plan->event_count == HISTORY_EVENTS_MAX)
            return;
        plan->events[plan->event_count++] =
            (struct event){.kind = EVENT_HOSPITAL,
                           .at = history_below(history, plan->active),
                           .act = act,
                           .archive = (unsigned)history_below(history, is_about_archive ? plan->archives
                                                                                        : HOSPITAL_PATIENTS),
                           .number = history_random(history)};
    }
}

void hospital_draw(struct history *history)
{
    history->hospital = calloc(1, sizeof *history->hospital);
    ensure(history->hospital != NULL);
    // A client that waits for an archive which holds tries again and again.
    if (history_chance(history, 2, 3))
        history->plan.acknowledge = CONFIGURATION_ACKNOWLEDGE_DURABLE;
    archives_draw(history);
    patients_draw(history);
    packs_add(history, history_chance(history, 1, 4));
    events_draw(history);
}

void hospital_free(struct history *history)
{
    if (history->hospital == NULL)
        return;
    free(history->hospital->tellings);
    free(history->hospital);
    history->hospital = NULL;
}

// ---- configuration ----

const char *hospital_head(const struct history *history)
{
    return history->hospital == NULL ? ""
                                     : "rules: { packs: packs }\n"
                                       "domains: { OLD: { issuers: [" HOSPITAL_OLD "] },\n"
                                       "    NEW: { issuers: [" HOSPITAL_NEW "] } }\n";
}

void hospital_node(const struct history *history, unsigned archive, char *text, size_t size)
{
    static const char *const unmatched[] = {[CONFIGURATION_UNMATCHED_FLAG] = "flag",
                                            [CONFIGURATION_UNMATCHED_PASS] = "pass",
                                            [CONFIGURATION_UNMATCHED_HOLD] = "hold"};
    text[0] = 0;
    if (history->hospital == NULL)
        return;
    const struct hospital_archive *from = &history->hospital->archives[archive];
    ensure(text_format(text, size, ", domain: %s, unmatched: %s, original_attributes: %s%s",
                       from->is_new ? "NEW" : "OLD", unmatched[from->unmatched],
                       from->keeps_originals ? "yes" : "no", from->has_packs ? ", packs: [sim]" : ""));
}
