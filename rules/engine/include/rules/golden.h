// SPDX-License-Identifier: Apache-2.0
//
// Golden cases: instances written down as lists of elements, with what the rules must make of them beside.
// rules/golden/README.md is the format. The instance is made, surveyed, matched and edited by the same code
// as in the gateway, and read back. Role: ctest, `dicomgate rules check`. Thread: one.
#pragma once

#include "rules/program.h"

struct rules_golden_report {
    // Called for each case that comes out otherwise, with one line for each difference.
    void (*differs)(void *arg, const char *file, size_t line, const char *name, const char *difference);
    void *arg;
    size_t cases;
    size_t failed;
    // Filled by the run: "PACK/RULE" of every rule that did something in some case; may be NULL.
    void (*used)(void *arg, const char *pack, const char *rule);
};

// Runs the cases of one file. ERR_FORMAT: the file itself is wrong, errors were added. ERR_NOMEM.
MUST_USE enum result rules_golden_run(const char *file, struct slice text,
                                      const struct rules_library *library, struct rules_golden_report *report,
                                      struct conf_errors *errors);
