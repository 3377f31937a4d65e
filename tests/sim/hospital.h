// SPDX-License-Identifier: Apache-2.0
//
// Whose the patients are, in the histories in which archives have rules and domains of patient IDs: what the
// crosswalk says of each from when on, which rules are in force, and what people decide about what is held.
// The checker (check_edits.c) judges by what stands here, never by the code that edits.
#pragma once

#include "history.h"

enum { HOSPITAL_PATIENTS = 8, HOSPITAL_ID_BYTES = 16 };

#define HOSPITAL_BIRTH_DATE "19500101" // of all patients, in their data sets
#define HOSPITAL_OLD        "OLDHOSP"  // issuers; the clients' domain, and the other one
#define HOSPITAL_NEW        "NEWHOSP"

struct crosswalk;
struct fs;
struct gateway;
struct seal_keyring;

enum hospital_row { ROW_NONE, ROW_WRONG, ROW_GOOD }; // wrong: of another birth date

// One for each study.
struct patient {
    bool is_theirs;     // the data sets say the issuer of the new domain
    const char *issuer; // as the data sets say it; NULL: they do not
    enum hospital_row row;
    bool is_merged;
    bool is_moved;
};

enum telling_kind { TOLD_UNMATCHED, TOLD_CONTRADICTED, TOLD_MAPPED };

// What the crosswalk says of a patient from a time on.
struct telling {
    uint64_t at;
    unsigned patient;
    enum telling_kind kind;
    char id[HOSPITAL_ID_BYTES]; // mapped
    bool is_change;             // a merge or a move: a study gets another ID from now on
};

// The one under way.
struct change {
    bool is_open; // whether it was made will be known in the next life
    unsigned patient;
    struct patient before;
    uint64_t generation; // before it
};

struct packs {
    uint64_t at;
    unsigned version;
    bool holds; // what has "variant 1" in its comments
};

// Of a person, about all that an archive holds.
struct decision {
    uint64_t at;
    unsigned archive;
    bool is_release;
};

struct hospital_archive {
    bool is_new; // its domain
    bool has_packs;
    bool keeps_originals;
    enum configuration_unmatched unmatched;
};

struct hospital {
    struct hospital_archive archives[HISTORY_ARCHIVES_MAX];
    struct patient patients[HOSPITAL_PATIENTS];
    bool is_imported;
    uint64_t now; // of orders: wall clock, never back
    struct change change;
    struct telling *tellings;
    size_t telling_count, telling_capacity;
    struct packs packs[HISTORY_EVENTS_MAX];
    size_t packs_count;
    struct decision decisions[HISTORY_EVENTS_MAX * HISTORY_ARCHIVES_MAX];
    size_t decision_count;
};

// By the plan: its archives, patients and events.
void hospital_draw(struct history *history);
void hospital_free(struct history *history);

// The ID in the data sets.
void hospital_own_id(unsigned patient, char id[HOSPITAL_ID_BYTES]);
bool hospital_was_released(const struct hospital *hospital, unsigned archive, uint64_t until);
bool hospital_has_rejected(const struct hospital *hospital, unsigned archive);

// Options for the configuration; "" where there is no hospital.
const char *hospital_head(const struct history *history);
void hospital_node(const struct history *history, unsigned archive, char *text, size_t size);

// At a start: the crosswalk over its environment, with the first table in it.
MUST_USE enum result hospital_open(struct history *history, struct kv_env *env, struct fs *fs,
                                   struct seal_keyring *keyring, struct crosswalk **out);
// The rules in force.
MUST_USE enum result hospital_packs_put(struct history *history, struct gateway *gateway);
void hospital_act(struct history *history, const struct event *event);
// All is healed: everybody becomes known, and no rule holds anything. False: not yet.
bool hospital_heal(struct history *history);
