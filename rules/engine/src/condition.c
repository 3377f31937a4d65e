// SPDX-License-Identifier: Apache-2.0
//
// Conditions against one instance. An element with several values or occurrences passes a test if one of them
// does. Values are compared without padding.
#include "base/check.h"
#include "base/utf8.h"
#include "conf/network.h"
#include "letters.h"
#include "match_private.h"
#include "value.h"

static struct slice fact_of(const struct rules_match *match, enum fact fact)
{
    const struct rules_facts *facts = match->facts;
    switch (fact) {
    case FACT_CALLING:
        return facts->calling;
    case FACT_CALLED:
        return facts->called;
    case FACT_ADDRESS:
        return facts->address;
    case FACT_CERTIFICATE_SUBJECT:
        return facts->certificate_subject;
    case FACT_CERTIFICATE_FINGERPRINT:
        return facts->certificate_fingerprint;
    case FACT_ARCHIVE:
        return slice_of_text(match->program->archive);
    case FACT_PHASE:
        return facts->phase;
    case FACT_SOP_CLASS:
        return facts->sop_class;
    case FACT_TRANSFER_SYNTAX:
        return facts->transfer_syntax;
    case FACT_COUNT:
        break;
    }
    unreachable_state();
}

static enum result regex_holds(struct rules_match *match, const struct condition *condition,
                               struct slice text, bool *holds)
{
    enum result result = regex_find(condition->regex, match->scratch, text, holds);
    if (result != OK)
        return match_refuse(match, condition->element, "a regular expression met its limit");
    return OK;
}

static enum result fact_holds(struct rules_match *match, const struct condition *condition, bool *holds)
{
    struct slice text = slice_trimmed(fact_of(match, condition->fact));
    if (condition->kind == CONDITION_FACT_IN) {
        *holds = words_have(condition->word, condition->word_count, text);
        return OK;
    }
    if (condition->kind == CONDITION_FACT_MATCHES)
        return utf8_is_valid(text) ? regex_holds(match, condition, text, holds) : OK;
    for (size_t i = 0; i < condition->networks.count && !*holds; i++)
        *holds = conf_network_has(&condition->networks.item[i], &match->address);
    return OK;
}

// Does one value pass?
static enum result value_holds(struct rules_match *match, const struct condition *condition,
                               struct slice value, bool *holds)
{
    double number;
    uint32_t date;
    struct writer folded;
    switch (condition->kind) {
    case CONDITION_IN:
        if (!condition->is_folded) {
            *holds = words_have(condition->word, condition->word_count, value);
            return OK;
        }
        folded = bytes_begin(&match->bytes, 3 * RULES_VALUE_BYTES);
        letters_fold(&folded, value);
        if (folded.failed)
            return match_refuse(match, condition->element, "the value is too long");
        *holds = words_have(condition->word, condition->word_count, bytes_keep(&match->bytes, &folded));
        return OK;
    case CONDITION_MATCHES:
        return regex_holds(match, condition, value, holds);
    case CONDITION_NUMBER:
        *holds = value_number(value, &number) && number >= condition->least && number <= condition->most;
        return OK;
    case CONDITION_DATE:
        *holds = value_date(value, &date) && date >= condition->least && date <= condition->most;
        return OK;
    case CONDITION_ALL:
    case CONDITION_ANY:
    case CONDITION_NONE:
    case CONDITION_FACT_IN:
    case CONDITION_FACT_MATCHES:
    case CONDITION_FACT_NETWORK:
    case CONDITION_EXISTS:
    case CONDITION_EMPTY:
        break;
    }
    unreachable_state();
}

static enum result values_hold(struct rules_match *match, const struct condition *condition,
                               struct live *live, bool *holds)
{
    struct values values;
    struct slice value;
    enum result result = live_values(match, live, condition->element, &values);
    while (result == OK && !*holds && values_next(&values, &value))
        if (value.length > 0)
            result = value_holds(match, condition, value, holds);
    return result;
}

static enum result element_holds(struct rules_match *match, const struct condition *condition, bool *holds)
{
    struct lives lives = sight_lives(&match->sight, condition->element);
    if (match_see(match, condition->element) != OK)
        return ERR_REFUSED;
    if (condition->kind == CONDITION_EXISTS) {
        bool exists = false;
        for (size_t i = 0; i < lives.count; i++)
            exists = exists || live_at(&match->sight, lives, i)->is.is_present;
        *holds = exists == condition->is_wanted;
        return OK;
    }
    for (size_t i = 0; i < lives.count && !*holds; i++) {
        struct live *live = live_at(&match->sight, lives, i);
        if (!live->is.is_present)
            continue;
        if (condition->kind == CONDITION_EMPTY) {
            *holds = live_is_empty(live) == condition->is_wanted;
            continue;
        }
        enum result result = values_hold(match, condition, live, holds);
        if (result != OK)
            return result;
    }
    return OK;
}

// Stops at the first child that decides.
static enum result group_holds(struct rules_match *match, const struct condition *condition, bool *holds)
{
    bool is_all = condition->kind == CONDITION_ALL;
    for (const struct condition *at = condition->first; at != NULL; at = at->next) {
        bool child = false;
        enum result result = condition_holds(match, at, &child);
        if (result != OK)
            return result;
        if (child != is_all) {
            *holds = condition->kind == CONDITION_ANY;
            return OK;
        }
    }
    *holds = condition->kind != CONDITION_ANY;
    return OK;
}

enum result condition_holds(struct rules_match *match, const struct condition *condition, bool *holds)
{
    *holds = false;
    switch (condition->kind) {
    case CONDITION_ALL:
    case CONDITION_ANY:
    case CONDITION_NONE:
        return group_holds(match, condition, holds);
    case CONDITION_FACT_IN:
    case CONDITION_FACT_MATCHES:
    case CONDITION_FACT_NETWORK:
        return fact_holds(match, condition, holds);
    case CONDITION_EXISTS:
    case CONDITION_EMPTY:
    case CONDITION_IN:
    case CONDITION_MATCHES:
    case CONDITION_NUMBER:
    case CONDITION_DATE:
        return element_holds(match, condition, holds);
    }
    unreachable_state();
}
