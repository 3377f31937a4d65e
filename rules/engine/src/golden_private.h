// SPDX-License-Identifier: Apache-2.0
//
// One file of golden cases while it runs. Private to rules/engine; one thread.
#pragma once

#include "conf/document.h"
#include "dcm/splice.h"
#include "rules/golden.h"
#include "rules/match.h"

#define GOLDEN_TRANSFER_SYNTAX "1.2.840.10008.1.2.1" // explicit VR little endian

struct golden {
    struct rules_golden_report *report;
    struct conf_document document;
    const struct conf_node *node; // the case that runs
    const char *name;             // of it
    bool has_differed;
    struct golden_element *element;
    uint8_t *instance;
    uint8_t *edited;
    struct dcm_text *text;
    struct dcm_survey *survey;
    struct dcm_splice *splice;
    struct rules_match *match;
};

// Tells one difference of the case that runs.
void golden_differs(struct golden *golden, const char *format, ...) __attribute__((format(printf, 2, 3)));

// golden_compare.c: the verdict and the edited instance against `expect`. ERR_NOMEM.
MUST_USE enum result golden_compare(struct golden *golden, const struct rules_verdict *verdict,
                                    struct slice edited);
