// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger flagged`: what went although rules or the crosswalk say that somebody should look at it.
// Reads the whole ledger once. Thread: the command line's only one.
#pragma once

#include "cli/ledger_fact.h"
#include "store/kv.h"

struct ledger_flagged_order {
    struct kv_env *env;
    const struct cli_ledger_names *names;
    const char *archive;    // its name; NULL: all
    const char *since;      // sent then or later, as people write it (cli_time_read); NULL: ever
    const char *reason_has; // only reasons with this text; NULL: all
    bool is_json;
};

// Exit status: as `ledger conflicts`.
int ledger_flagged_run(const struct ledger_flagged_order *order);
