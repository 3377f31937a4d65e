// SPDX-License-Identifier: Apache-2.0
//
// The `when` of a rule: conditions, each a mapping with one key, or a list that means all of them.
#include "parse.h"

#include <math.h>
#include <stdlib.h>

#include "conf/network.h"
#include "satisfy.h"
#include "value.h"

#define CONDITION_KEYS                                                                                       \
    "all, any, none, element, or a fact: calling, called, address, certificate-subject, "                    \
    "certificate-fingerprint, archive, phase, sop-class, transfer-syntax"
#define TEST_KEYS "one of exists, empty, equals, in, matches, number, date"

const char *const fact_names[FACT_COUNT] = {
    [FACT_CALLING] = "calling",
    [FACT_CALLED] = "called",
    [FACT_ADDRESS] = "address",
    [FACT_CERTIFICATE_SUBJECT] = "certificate-subject",
    [FACT_CERTIFICATE_FINGERPRINT] = "certificate-fingerprint",
    [FACT_ARCHIVE] = "archive",
    [FACT_PHASE] = "phase",
    [FACT_SOP_CLASS] = "sop-class",
    [FACT_TRANSFER_SYNTAX] = "transfer-syntax",
};

static enum result condition_read(struct parse *parse, const struct conf_node *node,
                                  struct condition **condition);

// ---- facts ----

static enum result networks_read(struct parse *parse, const struct conf_node *list,
                                 struct condition *condition)
{
    size_t most = list->kind == CONF_SEQUENCE ? list->count : 1;
    condition->kind = CONDITION_FACT_NETWORK;
    condition->networks.item =
        conf_arena_alloc(&parse->library->arena, most, sizeof *condition->networks.item);
    if (condition->networks.item == NULL)
        return ERR_NOMEM;
    for (const struct conf_node *at = parse_next(list, NULL); at != NULL; at = parse_next(list, at)) {
        const char *text = parse_text(parse, at, RULES_NAME_BYTES);
        if (text == NULL)
            continue;
        struct conf_network *network = &condition->networks.item[condition->networks.count];
        if (conf_scalar_network(text, network) == OK)
            condition->networks.count++;
        else
            conf_error_at(&parse->document, at, "an address or range such as 10.1.0.0/16",
                          "`%s` is not an address", text);
    }
    return OK;
}

// What a fact can not be: a rule that asks for it would never match.
static void fact_words_check(const struct parse *parse, enum fact fact, const struct conf_node *list)
{
    enum dcm_vr vr = DCM_VR_LO;
    if (fact == FACT_CALLING || fact == FACT_CALLED)
        vr = DCM_VR_AE;
    if (fact == FACT_SOP_CLASS || fact == FACT_TRANSFER_SYNTAX)
        vr = DCM_VR_UI;
    if (vr == DCM_VR_LO)
        return;
    for (const struct conf_node *at = parse_next(list, NULL); at != NULL; at = parse_next(list, at)) {
        const char *allowed = at->kind == CONF_SCALAR ? value_check(vr, slice_of_text(at->text)) : NULL;
        if (allowed != NULL)
            conf_error_at(&parse->document, at, allowed, "can never match");
    }
}

static enum result fact_read(struct parse *parse, const struct conf_node *node, enum fact fact,
                             struct condition *condition)
{
    static const char *const keys[] = {"matches", NULL};
    condition->fact = fact;
    if (node->kind == CONF_MAPPING) {
        condition->kind = CONDITION_FACT_MATCHES;
        parse_keys(parse, node, keys);
        const struct conf_node *pattern = conf_node_member(node, "matches");
        if (pattern == NULL) {
            conf_error_missing(&parse->document, node, "matches", "a regular expression");
            return OK;
        }
        return parse_regex(parse, pattern, false, &condition->regex);
    }
    if (fact == FACT_ADDRESS)
        return networks_read(parse, node, condition);
    condition->kind = CONDITION_FACT_IN;
    fact_words_check(parse, fact, node);
    return parse_words(parse, node, false, &condition->word, &condition->word_count);
}

// ---- elements ----

static bool bound_read(const struct parse *parse, const struct conf_node *node, bool is_date, double *bound)
{
    const char *text = parse_text(parse, node, 32);
    uint32_t date = 0;
    if (text == NULL)
        return false;
    if (is_date && strlen(text) == 8 && value_date(slice_of_text(text), &date)) {
        *bound = date;
        return true;
    }
    if (!is_date && value_number(slice_of_text(text), bound))
        return true;
    conf_error_at(&parse->document, node, is_date ? "YYYYMMDD" : "a number", "`%s`", text);
    return false;
}

// { from: A, to: B }, either may be left out; both bounds are included.
static void range_read(const struct parse *parse, const struct conf_node *node, bool is_date,
                       struct condition *condition)
{
    static const char *const keys[] = {"from", "to", NULL};
    condition->kind = is_date ? CONDITION_DATE : CONDITION_NUMBER;
    condition->least = -HUGE_VAL;
    condition->most = HUGE_VAL;
    if (node->kind != CONF_MAPPING || node->count == 0) {
        conf_error_at(&parse->document, node, "{ from: ..., to: ... }, or one of them", "not a range");
        return;
    }
    parse_keys(parse, node, keys);
    const struct conf_node *from = conf_node_member(node, "from");
    const struct conf_node *to = conf_node_member(node, "to");
    bool is_fine = (from == NULL || bound_read(parse, from, is_date, &condition->least)) &&
                   (to == NULL || bound_read(parse, to, is_date, &condition->most));
    if (is_fine && condition->least > condition->most)
        conf_error_at(&parse->document, node, NULL, "can never match: `from` is greater than `to`");
}

static enum result test_read(struct parse *parse, const struct conf_node *test,
                             const struct conf_node *mapping, struct condition *condition)
{
    const struct conf_node *fold = conf_node_member(mapping, "ignore-case");
    bool is_folded = fold != NULL && parse_bool(parse, fold);
    const char *key = test->key;
    if (strcmp(key, "exists") == 0 || strcmp(key, "empty") == 0) {
        condition->kind = key[1] == 'x' ? CONDITION_EXISTS : CONDITION_EMPTY;
        condition->is_wanted = parse_bool(parse, test);
        return OK;
    }
    if (strcmp(key, "number") == 0 || strcmp(key, "date") == 0) {
        range_read(parse, test, key[0] == 'd', condition);
        return OK;
    }
    if (strcmp(key, "matches") == 0) {
        condition->kind = CONDITION_MATCHES;
        return parse_regex(parse, test, is_folded, &condition->regex);
    }
    condition->kind = CONDITION_IN; // `equals` takes one, `in` takes a list
    condition->is_folded = is_folded;
    if (strcmp(key, "equals") == 0 && test->kind != CONF_SCALAR) {
        conf_error_at(&parse->document, test, "one value; a list after `in`", "not a value");
        return OK;
    }
    return parse_words(parse, test, is_folded, &condition->word, &condition->word_count);
}

static enum result element_condition_read(struct parse *parse, const struct conf_node *mapping,
                                          struct condition *condition)
{
    static const char *const keys[] = {"element", "ignore-case", "exists", "empty", "equals",
                                       "in",      "matches",     "number", "date",  NULL};
    const struct conf_node *test = NULL;
    parse_keys(parse, mapping, keys);
    bool is_about_presence =
        conf_node_member(mapping, "exists") != NULL || conf_node_member(mapping, "empty") != NULL;
    enum result result = element_read(parse, conf_node_member(mapping, "element"),
                                      is_about_presence ? ELEMENT_EXISTS : ELEMENT_READ, &condition->element);
    if (result != OK)
        return result;
    for (const struct conf_node *at = mapping->first; at != NULL; at = at->next) {
        if (strcmp(at->key, "element") == 0 || strcmp(at->key, "ignore-case") == 0)
            continue;
        if (test != NULL)
            conf_error_at_key(&parse->document, at, TEST_KEYS, "a second test in one condition");
        test = test == NULL ? at : test;
    }
    if (test == NULL) {
        conf_error_at(&parse->document, mapping, TEST_KEYS, "no test");
        return OK;
    }
    return test_read(parse, test, mapping, condition);
}

// ---- conditions ----

static enum result group_read(struct parse *parse, const struct conf_node *node, enum condition_kind kind,
                              struct condition *group)
{
    struct condition **end = &group->first;
    group->kind = kind;
    if (node->kind != CONF_SEQUENCE || node->count == 0) {
        conf_error_at(&parse->document, node, "a list of conditions", "no conditions");
        return OK;
    }
    for (const struct conf_node *at = node->first; at != NULL; at = at->next) {
        enum result result = condition_read(parse, at, end);
        if (result != OK)
            return result;
        if (*end != NULL)
            end = &(*end)->next;
    }
    return OK;
}

static enum result condition_fill(struct parse *parse, const struct conf_node *node,
                                  struct condition *condition)
{
    static const char *const groups[] = {"all", "any", "none"};
    if (conf_node_member(node, "element") != NULL)
        return element_condition_read(parse, node, condition);
    if (node->count != 1) {
        conf_error_at(&parse->document, node, CONDITION_KEYS, "one condition has one of these keys");
        return OK;
    }
    for (size_t i = 0; i < 3; i++)
        if (strcmp(node->first->key, groups[i]) == 0)
            return group_read(parse, node->first, CONDITION_ALL + (enum condition_kind)i, condition);
    for (size_t i = 0; i < FACT_COUNT; i++)
        if (strcmp(node->first->key, fact_names[i]) == 0)
            return fact_read(parse, node->first, (enum fact)i, condition);
    conf_error_at_key(&parse->document, node->first, CONDITION_KEYS, "unknown condition");
    return OK;
}

static enum result condition_read(struct parse *parse, const struct conf_node *node,
                                  struct condition **condition)
{
    if (node->kind != CONF_MAPPING) {
        conf_error_at(&parse->document, node, CONDITION_KEYS, "not a condition");
        return OK;
    }
    if (parse->conditions++ == RULES_CONDITIONS) {
        conf_error_at(&parse->document, node, "256", "too many conditions in one rule");
        return OK;
    }
    if (parse->conditions > RULES_CONDITIONS)
        return OK;
    struct condition *made = conf_arena_alloc(&parse->library->arena, 1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    made->mark = node->mark;
    enum result result = condition_fill(parse, node, made);
    if (result == OK)
        *condition = made;
    return result;
}

enum result parse_when(struct parse *parse, const struct conf_node *node, const struct condition **when)
{
    struct condition *made = NULL;
    enum result result;
    size_t errors = parse->errors->count + parse->errors->dropped;
    parse->conditions = 0;
    if (node->kind == CONF_SEQUENCE) {
        made = conf_arena_alloc(&parse->library->arena, 1, sizeof *made);
        if (made == NULL)
            return ERR_NOMEM;
        made->mark = node->mark;
        result = group_read(parse, node, CONDITION_ALL, made);
    } else {
        result = condition_read(parse, node, &made);
    }
    if (result != OK)
        return result;
    // Half a condition is not looked at further.
    if (errors == parse->errors->count + parse->errors->dropped && condition_is_never(made))
        conf_error_at_key(&parse->document, node, NULL, "can never match: its conditions exclude each other");
    *when = made;
    return OK;
}
