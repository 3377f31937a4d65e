// SPDX-License-Identifier: Apache-2.0
//
// The bounds of packs, tables and matches. Beyond them a pack does not load, or an instance is held.
#pragma once

#include <stddef.h>

#define RULES_TABLE_BYTES   ((size_t)4 << 20) // of a CSV file
#define RULES_TABLE_ROWS    100000
#define RULES_TABLES        64                 // of a pack
#define RULES_PACKS         64                 // of a library
#define RULES_RULES         512                // of a pack
#define RULES_ELEMENTS      256                // that the rules of one archive look at
#define RULES_STEPS         64                 // of a rule
#define RULES_CONDITIONS    256                // of a rule
#define RULES_WORDS         4096               // in one list
#define RULES_NAME_BYTES    64                 // names of packs, rules, tables
#define RULES_PATTERN_BYTES 1024               // of a regular expression
#define RULES_MATCH_LIMIT   100000             // steps from one start of a match (pcre2: match limit)
#define RULES_MATCH_STEPS   ((size_t)10000000) // steps from all starts together
#define RULES_DEPTH_LIMIT   1000               // backtracking depth of one search
#define RULES_HEAP_LIMIT    1024               // KiB for it
#define RULES_VALUE_BYTES   ((size_t)65536)    // text of one element in a match
#define RULES_MATCH_BYTES   ((size_t)1 << 20)  // texts of one match together
#define RULES_CHANGES       256                // elements changed in one instance, counted by rule
#define RULES_LIVES         2048               // elements of one instance that rules look at
#define RULES_ITEMS         16                 // items of a [*] that can be given values of their own
#define RULES_FINDINGS      256                // of one instance
#define RULES_REASON_BYTES  96                 // of a finding, with its NUL
