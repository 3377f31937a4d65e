// SPDX-License-Identifier: Apache-2.0
//
// See satisfy.h. A condition is taken apart into facts and tests that must hold together (its conjuncts) and
// each two of them are compared.
#include "satisfy.h"

#include <string.h>

#define CONJUNCTS_MOST 64 // more are not looked at

// A single condition, or its opposite.
struct conjunct {
    const struct condition *condition;
    bool is_not;
};

struct conjuncts {
    struct conjunct item[CONJUNCTS_MOST];
    size_t count;
};

static bool is_always(const struct condition *condition);

static bool words_are_equal(const struct condition *a, const struct condition *b)
{
    if (a->word_count != b->word_count)
        return false;
    for (size_t i = 0; i < a->word_count; i++)
        if (!slice_is_equal(a->word[i], b->word[i]))
            return false;
    return true;
}

static size_t common_words(const struct condition *a, const struct condition *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->word_count; i++)
        count += words_have(b->word, b->word_count, a->word[i]) ? 1 : 0;
    return count;
}

static bool is_element_test(const struct condition *condition)
{
    return condition->element != NULL;
}

static bool is_same(const struct condition *a, const struct condition *b)
{
    if (a->kind != b->kind || a->fact != b->fact || a->element != b->element)
        return false;
    switch (a->kind) {
    case CONDITION_FACT_IN:
        return words_are_equal(a, b);
    case CONDITION_IN:
        return a->is_folded == b->is_folded && words_are_equal(a, b);
    case CONDITION_EXISTS:
    case CONDITION_EMPTY:
        return a->is_wanted == b->is_wanted;
    case CONDITION_NUMBER:
    case CONDITION_DATE:
        return a->least >= b->least && a->least <= b->least && a->most >= b->most && a->most <= b->most;
    case CONDITION_ALL:
    case CONDITION_ANY:
    case CONDITION_NONE:
    case CONDITION_FACT_MATCHES:
    case CONDITION_FACT_NETWORK:
    case CONDITION_MATCHES:
        return a == b;
    }
    return false;
}

// A test that only an element that is there can pass.
static bool needs_element(const struct condition *condition)
{
    return is_element_test(condition) && (condition->kind != CONDITION_EXISTS || condition->is_wanted);
}

static bool needs_value(const struct condition *condition)
{
    return is_element_test(condition) && condition->kind != CONDITION_EXISTS &&
           (condition->kind != CONDITION_EMPTY || !condition->is_wanted);
}

static bool excludes(const struct condition *a, const struct condition *b)
{
    if (a->kind == CONDITION_FACT_IN && b->kind == CONDITION_FACT_IN)
        return a->fact == b->fact && common_words(a, b) == 0;
    if (a->element == NULL || a->element != b->element)
        return false;
    if (a->kind == CONDITION_EXISTS && !a->is_wanted)
        return needs_element(b);
    return a->kind == CONDITION_EMPTY && a->is_wanted && !element_is_many(a->element) && needs_value(b);
}

static bool are_apart(const struct conjunct *a, const struct conjunct *b)
{
    if (a->is_not && b->is_not)
        return false;
    if (!a->is_not && !b->is_not)
        return excludes(a->condition, b->condition) || excludes(b->condition, a->condition);
    const struct condition *yes = a->is_not ? b->condition : a->condition;
    const struct condition *no = a->is_not ? a->condition : b->condition;
    if (is_same(yes, no))
        return true;
    bool are_facts = yes->kind == CONDITION_FACT_IN && no->kind == CONDITION_FACT_IN && yes->fact == no->fact;
    if (are_facts)
        return common_words(yes, no) == yes->word_count;
    return no->kind == CONDITION_EXISTS && no->is_wanted && no->element == yes->element && needs_element(yes);
}

// Nesting is bounded by the YAML reader (CONF_DEPTH).
static void conjuncts_collect(struct conjuncts *all, const struct condition *condition, bool is_not,
                              bool facts_alone)
{
    if (condition == NULL)
        return;
    bool is_and = (!is_not && condition->kind == CONDITION_ALL) ||
                  (is_not && condition->kind == CONDITION_ANY) ||
                  (!is_not && condition->kind == CONDITION_NONE);
    if (is_and || ((condition->kind == CONDITION_ALL || condition->kind == CONDITION_ANY) &&
                   condition->first != NULL && condition->first->next == NULL)) {
        bool is_turned = condition->kind == CONDITION_NONE ? !is_not : is_not;
        for (const struct condition *at = condition->first; at != NULL; at = at->next)
            conjuncts_collect(all, at, is_turned, facts_alone);
        return;
    }
    if (facts_alone && condition->kind != CONDITION_FACT_IN)
        return;
    if (all->count < CONJUNCTS_MOST)
        all->item[all->count++] = (struct conjunct){.condition = condition, .is_not = is_not};
}

static bool conjuncts_are_never(const struct conjuncts *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct conjunct *one = &all->item[i];
        if (one->is_not ? is_always(one->condition) : condition_is_never(one->condition))
            return true;
        for (size_t j = 0; j < i; j++)
            if (are_apart(one, &all->item[j]))
                return true;
    }
    return false;
}

static bool is_always(const struct condition *condition)
{
    for (const struct condition *at = condition->first; at != NULL; at = at->next) {
        bool holds = condition->kind == CONDITION_NONE ? condition_is_never(at) : is_always(at);
        if (holds && condition->kind == CONDITION_ANY)
            return true;
        if (!holds && condition->kind != CONDITION_ANY)
            return false;
    }
    return condition->first != NULL && condition->kind != CONDITION_ANY;
}

bool condition_is_never(const struct condition *condition)
{
    struct conjuncts all = {.count = 0};
    if (condition == NULL)
        return false;
    if (condition->kind == CONDITION_ANY) {
        for (const struct condition *at = condition->first; at != NULL; at = at->next)
            if (!condition_is_never(at))
                return false;
        return true;
    }
    if (condition->first == NULL)
        return false;
    conjuncts_collect(&all, condition, false, false);
    return conjuncts_are_never(&all);
}

bool condition_is_apart(const struct condition *one, const struct condition *other)
{
    struct conjuncts all = {.count = 0};
    // Elements do not count: the first rule may have changed what the second one looks at.
    conjuncts_collect(&all, one, false, true);
    conjuncts_collect(&all, other, false, true);
    return conjuncts_are_never(&all);
}
