// SPDX-License-Identifier: Apache-2.0
#include "daemon/actions_contexts.h"
#include "conf/uids.h"
#include "daemon/actions_json.h"
#include "route/capability.h"
#include "ul/parameters.h"
#include <stdlib.h>
#include <string.h>

struct known {
    struct control_capability *list; // by SOP Class, then transfer syntax
    size_t count;
};

struct contexts {
    struct gateway *gateway;
    struct known known[];
};

const char *context_result_words(uint8_t result)
{
    switch (result) {
    case UL_CONTEXT_ACCEPTED:
        return "acceptance";
    case UL_CONTEXT_USER_REJECTED:
        return "user rejection";
    case UL_CONTEXT_ABSTRACT_SYNTAX:
        return "abstract syntax not supported";
    case UL_CONTEXT_TRANSFER_SYNTAXES:
        return "transfer syntaxes not supported";
    default:
        return "no reason";
    }
}

struct contexts *contexts_new(struct gateway *gateway)
{
    struct contexts *contexts = calloc(1, sizeof *contexts + gateway->node_count * sizeof contexts->known[0]);
    if (contexts != NULL)
        contexts->gateway = gateway;
    return contexts;
}

void contexts_free(struct contexts *contexts)
{
    if (contexts == NULL)
        return;
    for (size_t i = 0; i < contexts->gateway->node_count; i++)
        free(contexts->known[i].list);
    free(contexts);
}

static const struct known *known_get(struct contexts *contexts, size_t node)
{
    struct known *known = &contexts->known[node];
    uint16_t id = contexts->gateway->nodes[node].conf->id;
    if (known->list == NULL &&
        capability_list(contexts->gateway->capabilities, id, &known->list, &known->count) == OK)
        qsort(known->list, known->count, sizeof *known->list, capability_compare);
    return known;
}

// The first one of this SOP Class.
static size_t class_find(const struct known *known, const char *sop_class)
{
    size_t low = 0;
    size_t high = known->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(known->list[middle].abstract_syntax, sop_class) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static json_t *syntax_json(const char *uid)
{
    json_t *item = json_object();
    set_text(item, "transfer_syntax", uid);
    set_text(item, "transfer_syntax_name", uid_keyword(uid));
    return item;
}

json_t *contexts_explain(struct contexts *contexts, size_t node, const char *sop_class,
                         const char *transfer_syntax, uint16_t status)
{
    const struct known *known = known_get(contexts, node);
    const struct control_capability *answer = NULL;
    json_t *accepts = json_array();
    for (size_t i = class_find(known, sop_class);
         i < known->count && strcmp(known->list[i].abstract_syntax, sop_class) == 0; i++) {
        const struct control_capability *one = &known->list[i];
        if (strcmp(one->transfer_syntax, transfer_syntax) == 0)
            answer = one;
        if (one->answer == UL_CONTEXT_ACCEPTED && json_array_size(accepts) < CONTEXTS_SYNTAXES)
            (void)json_array_append_new(accepts, syntax_json(one->transfer_syntax));
    }
    if (answer == NULL || (answer->answer == UL_CONTEXT_ACCEPTED && status != 0)) {
        json_decref(accepts);
        return json_null();
    }
    json_t *object = syntax_json(transfer_syntax);
    set_text(object, "sop_class", sop_class);
    set_text(object, "sop_class_name", uid_keyword(sop_class));
    set_number(object, "answer", answer->answer);
    set_text(object, "meaning", context_result_words(answer->answer));
    set_time(object, "when", answer->when);
    (void)json_object_set_new(object, "accepts", accepts);
    return object;
}
