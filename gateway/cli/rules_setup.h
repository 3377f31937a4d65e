// SPDX-License-Identifier: Apache-2.0
//
// The configuration and its rule packs, for the verbs of `rules`. Private to gateway/cli.
#pragma once

#include "cli.h"
#include "rules/folder.h"

struct rules_setup {
    struct configuration *configuration; // NULL: folders were named on the command line
    struct rules_library *library;
    const char *packs;
    const char *golden; // NULL: none
    struct conf_errors errors;
};

// Reads the packs. CLI_CONFIGURATION after complaints; the caller calls rules_setup_fini in any case.
MUST_USE enum cli_exit rules_setup_init(struct rules_setup *setup, const struct cli *cli, const char *packs,
                                        const char *golden);
void rules_setup_fini(struct rules_setup *setup);
