// SPDX-License-Identifier: Apache-2.0
//
// An order about the crosswalk, read from JSON and checked: the body of POST /v1/crosswalk/KIND. It holds
// patient IDs, so it is wiped at its end. What is not known is refused. Thread: any, one at a time.
//
//   import      {"file": PATH, "dry_run": bool}
//   merge       {"domain": NAME, "id": ID, "into": ID, "effective": seconds}
//   unmerge     {"domain": NAME, "id": ID, "effective": seconds}
//   move-study  {"domain": NAME, "id": ID, "study": UID, "effective": seconds}
//   export, ledger-export  {"recipient": SHA-256 of the certificate, hexadecimal; left out: in clear}
//   clear-log   {}
//
// and in each "person" and "reason"; "effective" (since 1970 UTC) may be left out: now. Exports and clear-log
// are only logged.
#pragma once

#include <jansson.h>

#include "base/slice.h"
#include "store/crosswalk_change.h"

struct crosswalk_task {
    enum crosswalk_act_kind kind;
    const char *person;
    const char *reason;
    const char *domain;
    const char *id;
    const char *into;
    const char *study;
    const char *file; // absolute
    bool is_dry;
    uint64_t effective; // ns; 0: now
    bool has_recipient;
    uint8_t recipient[32];
    json_t *body; // owner of the texts
};

// "import" and so on; NULL: no such kind.
const char *crosswalk_kind_text(enum crosswalk_act_kind kind);

// ERR_MISSING: no such kind; ERR_FORMAT: `problem` says what is wrong. On OK end with crosswalk_task_fini().
MUST_USE enum result crosswalk_task_parse(const char *kind, struct slice body, struct crosswalk_task *out,
                                          struct crosswalk_problem *problem);
void crosswalk_task_fini(struct crosswalk_task *task);

// Wipes the texts of a JSON object that holds patient data, then gives a reference back. Only for the last
// one. NULL is fine.
void crosswalk_json_free(json_t *object);
