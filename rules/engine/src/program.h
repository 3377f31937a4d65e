// SPDX-License-Identifier: Apache-2.0
//
// A compiled program: the rules of one archive in order, and the elements that they look at. Private to
// rules/engine; never changed once made.
#pragma once

#include "pack.h"
#include "rules/program.h"

#define RULES_MOST 4096 // of one program

// One element that rules look at, and where the survey tells of it.
struct watch {
    const struct element *element;
    bool has_alias;                // another watch may mean the same element
    bool is_written;               // by some rule
    size_t path;                   // in the interest
    size_t parent[DCM_PATH_DEPTH]; // of the sequences on the way to it, outermost first
};

struct rules_program {
    uint32_t magic;
    const char *archive;
    const struct rule **rule;
    size_t rule_count;
    struct watch *watch;
    size_t watch_count;
    struct dcm_path *path; // all that is surveyed
    size_t path_count;
    struct dcm_interest *interest;
    uint8_t digest[RULES_DIGEST_BYTES];
};

// Errors where two rules write the same element and nothing says which comes first. ERR_NOMEM.
MUST_USE enum result program_order_check(const struct rules_program *program, struct conf_errors *errors);
