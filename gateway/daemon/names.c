// SPDX-License-Identifier: Apache-2.0
#include "daemon/names.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "net/resolve.h"
#include <stdlib.h>

enum { REFRESH_SECONDS = 60, QUESTIONS = 256 };

struct question {
    struct net_lookup lookup;
    struct node *node;
    bool is_asked;
};

struct names {
    struct gateway *gateway;
    struct net_resolver *resolver;
    struct ev_mailbox answers;
    struct ev_timer timer;
    size_t count;
    struct question questions[];
};

static void on_answer(void *arg, struct mail *mail)
{
    (void)arg;
    struct net_lookup *lookup = CONTAINER_OF(mail, struct net_lookup, mail);
    struct question *question = lookup->owner;
    question->is_asked = false;
    if (lookup->result == OK && lookup->count > 0)
        node_address_set(question->node, &lookup->addresses[0]);
    else
        log_event(LOG_NAME_UNRESOLVED, log_text(question->node->conf->name),
                  log_text(result_text(lookup->result)));
}

static void ask(struct names *names, struct question *question)
{
    const struct conf_address *address = &question->node->conf->address;
    struct net_endpoint endpoint = {.port = address->port};
    text_copy(endpoint.host, sizeof endpoint.host, slice_of_text(address->host));
    net_lookup_init(&question->lookup, &endpoint, &names->answers, question);
    bool is_answered = false;
    question->is_asked = net_resolver_ask(names->resolver, &question->lookup, &is_answered) == OK;
    if (question->is_asked && is_answered)
        on_answer(names, &question->lookup.mail);
}

static void on_timer(void *arg)
{
    struct names *names = arg;
    for (size_t i = 0; i < names->count; i++)
        if (!names->questions[i].is_asked)
            ask(names, &names->questions[i]);
    ev_timer_start(&names->timer, REFRESH_SECONDS * NSEC_PER_SEC);
}

static size_t names_count(const struct gateway *gateway)
{
    size_t count = 0;
    for (size_t i = 0; i < gateway->node_count; i++)
        count += gateway->nodes[i].conf->address.family == AF_UNSPEC;
    return count;
}

enum result names_new(struct gateway *gateway, struct ev_loop *resolver_loop, struct names **out)
{
    size_t count = names_count(gateway);
    struct names *names = calloc(1, sizeof *names + count * sizeof names->questions[0]);
    if (names == NULL)
        return ERR_NOMEM;
    names->gateway = gateway;
    for (size_t i = 0; i < gateway->node_count; i++)
        if (gateway->nodes[i].conf->address.family == AF_UNSPEC)
            names->questions[names->count++].node = &gateway->nodes[i];
    enum result result =
        ev_mailbox_init(&names->answers, gateway->platform.main_loop, QUESTIONS, 0, on_answer, names);
    if (result == OK)
        result = net_resolver_new(resolver_loop, QUESTIONS, NULL, NULL, &names->resolver);
    if (result != OK) {
        free(names);
        return result;
    }
    ev_timer_init(&names->timer, gateway->platform.main_loop, on_timer, names);
    on_timer(names);
    *out = names;
    return OK;
}

void names_free(struct names *names)
{
    if (names == NULL)
        return;
    ev_timer_fini(&names->timer);
    net_resolver_free(&names->resolver);
    while (ev_mailbox_take(&names->answers) != NULL)
        continue;
    ev_mailbox_fini(&names->answers);
    free(names);
}
