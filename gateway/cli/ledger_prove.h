// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger prove UID --archive NAME --file COPY.dcm`. Thread: the command line's only one.
#pragma once

#include "cli/ledger_edits.h"
#include "cli/ledger_fact.h"

struct ledger_prove_order {
    struct kv_env *env;
    struct ledger_edits *edits;
    const struct cli_ledger_names *names;
    const char *instance; // UID, or a receipt number
    const char *archive;  // name or number
    const char *file;
    bool is_json;
};

// Exit status of DESIGN 5: 0 proven, 1 finding, 2 usage, 5 the keys can not be opened, 6 internal.
int ledger_prove_run(const struct ledger_prove_order *order);
