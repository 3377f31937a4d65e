// SPDX-License-Identifier: Apache-2.0
//
// A pack as it is after reading: rules of a condition and steps. Everything lives in the library's arena but
// regular expressions, which the library frees. Private to rules/engine; never changed after load.
#pragma once

#include "conf/arena.h"
#include "conf/document.h"
#include "conf/values.h"
#include "element.h"
#include "regex.h"
#include "rules/library.h"
#include "table.h"

// What is known of the association and the object beside its elements.
enum fact {
    FACT_CALLING,
    FACT_CALLED,
    FACT_ADDRESS,
    FACT_CERTIFICATE_SUBJECT,
    FACT_CERTIFICATE_FINGERPRINT,
    FACT_ARCHIVE,
    FACT_PHASE,
    FACT_SOP_CLASS,
    FACT_TRANSFER_SYNTAX,
    FACT_COUNT
};

extern const char *const fact_names[FACT_COUNT]; // as a pack writes them

enum condition_kind {
    CONDITION_ALL,
    CONDITION_ANY,
    CONDITION_NONE,
    CONDITION_FACT_IN,
    CONDITION_FACT_MATCHES,
    CONDITION_FACT_NETWORK, // the address
    CONDITION_EXISTS,
    CONDITION_EMPTY,
    CONDITION_IN,
    CONDITION_MATCHES,
    CONDITION_NUMBER,
    CONDITION_DATE
};

struct condition {
    enum condition_kind kind;
    struct condition *first; // of ALL, ANY, NONE
    struct condition *next;
    enum fact fact;
    const struct element *element;
    bool is_wanted;     // EXISTS, EMPTY: which answer makes it true
    bool is_folded;     // IN: without case and accents
    struct slice *word; // IN, FACT_IN: ascending, as compared
    size_t word_count;
    struct regex *regex;
    struct conf_networks networks;
    double least; // NUMBER, DATE (YYYYMMDD); both included
    double most;
    struct conf_mark mark;
};

enum step_kind {
    STEP_SET,
    STEP_SET_IF_EMPTY,
    STEP_REPLACE,
    STEP_MAP,
    STEP_COPY,
    STEP_CASE,
    STEP_TRIM,
    STEP_PAD,
    STEP_TRUNCATE,
    STEP_REMOVE,
    STEP_CROSSWALK,
    STEP_REQUIRE,
    STEP_DATE_FORMAT,
    STEP_BURNED_IN,
    STEP_UID,
    STEP_SAY // flag, hold, reject by itself
};

// What the `uid` check looks for (bits), and the `burned-in` check.
enum uid_check { UID_MALFORMED = 1, UID_TOO_LONG = 2, UID_OTHER_DIGEST = 4, UID_OTHER_PATIENT = 8 };
enum burned_in_check { BURNED_IN_YES = 1, BURNED_IN_MISSING = 2 };

struct step {
    enum step_kind kind;
    const struct element *element; // written or looked at; NULL: none
    const struct element *source;  // COPY
    enum dcm_vr vr;                // of the values written: the dictionary's, or as the rule says
    struct slice text;             // SET: the value; REPLACE: unused; PAD: the padding character
    const char *replacement;       // REPLACE, NUL-terminated
    struct regex *regex;           // REPLACE
    const struct table *table;     // MAP
    enum rules_outcome outcome;    // of what is found: unmapped, missing, checks, SAY; PASS: nothing
    size_t width;                  // PAD: letters
    bool is_upper;                 // CASE
    unsigned type;                 // REQUIRE: 1 or 2
    unsigned checks;               // UID, BURNED_IN
    struct conf_texts formats;     // DATE_FORMAT: that are rewritten, in order
    const char *message;           // SAY, or NULL
    struct conf_mark mark;
};

struct rule {
    const char *name;
    const struct pack *pack;
    const struct condition *when; // NULL: always
    struct step *step;
    size_t step_count;
    enum rules_outcome on_error; // FLAG, HOLD or REJECT
    struct conf_texts after;     // rules (RULE or PACK/RULE) that this one stands after on purpose
    struct conf_mark mark;
};

struct pack {
    struct rules_pack_info info;
    struct rule *rule;
    size_t rule_count;
    struct table *table;
    size_t table_count;
    enum rules_outcome on_error;
};

struct rules_library {
    uint32_t magic;
    struct conf_arena arena;
    struct pack *pack[RULES_PACKS];
    size_t pack_count;
    struct element *elements; // all that any pack names, each once
    struct regex **regex;
    size_t regex_count;
    size_t regex_capacity;
};

bool step_writes(const struct step *step);
