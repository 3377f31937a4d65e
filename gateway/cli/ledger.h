// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger show UID|stats|flagged|export|prove [--json|--csv|--jsonl]`: reads the ledger under the
// data folder, with the daemon up or down.
//
// Thread: the command line's only one. Called by the program's verb table.
#pragma once

#include "base/result.h"
#include "seal/keyring.h"
#include <stddef.h>

// What the configuration calls an archive of this number.
struct cli_ledger_name {
    unsigned id;
    const char *name;
};

// What lies sealed: how the keys are opened, read-only, when edits are to be shown, where `why` gets a
// sentence for the operator; and how it is recorded that many are about to leave, to the recipient with this
// digest of a certificate (NULL: in clear). `note` is an exit status, and has complained unless that is 0.
struct cli_ledger_keys {
    enum result (*open)(void *argument, struct seal_keyring **keyring, char *why, size_t capacity);
    int (*note)(void *argument, const char *person, const char *reason, const char *recipient);
    void *argument;
};

// argv[0] is the word after "ledger". Writes to standard output, complaints to standard error. Exit status of
// DESIGN 5: 0 fine, 1 nothing found or damaged entries, 2 usage, 3 no ledger there, 5 no permission, 6
// internal. `names` may be NULL with a count of 0: then archives are numbers only. `keys` may be NULL: edits
// are not shown.
int cli_ledger_main(int argc, char **argv, const char *data_folder, const struct cli_ledger_name *names,
                    size_t name_count, const struct cli_ledger_keys *keys);
void cli_ledger_help(void);
