// SPDX-License-Identifier: Apache-2.0
//
// The resolver: one mailbox of questions on a loop that may block. Thread: the resolver's, except asking.
#include "net/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/magic.h"
#include "base/text.h"

#define RESOLVER_MAGIC 0x5253564cu

struct net_resolver {
    uint32_t magic;
    struct ev_loop *loop;
    net_lookup_fn *function;
    void *arg;
    struct ev_mailbox questions;
    struct ev_wake room; // signalled when the mailbox of the first unsent answer has room
    struct net_lookup *unsent, **unsent_tail;
    struct ev_garbage garbage;
};

static void ask_system(void *arg, struct net_lookup *lookup)
{
    (void)arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(lookup->host, NULL, &hints, &found);
    if (error != 0) {
        lookup->result = error == EAI_NONAME || error == EAI_NODATA ? ERR_MISSING : ERR_IO;
        return;
    }
    for (struct addrinfo *entry = found; entry != NULL && lookup->count < NET_LOOKUP_MAX;
         entry = entry->ai_next) {
        struct net_address *address = &lookup->addresses[lookup->count];
        if (net_address_from_sockaddr(entry->ai_addr, address) != OK)
            continue;
        address->port = lookup->port;
        lookup->count++;
    }
    freeaddrinfo(found);
    lookup->result = lookup->count > 0 ? OK : ERR_MISSING;
}

// Answers leave in the order of the questions; a full mailbox holds up those behind it (it belongs to a
// worker that will look at its mail in a moment).
static void send_answers(void *arg)
{
    struct net_resolver *resolver = arg;
    MAGIC_CHECK(resolver, RESOLVER_MAGIC);
    while (resolver->unsent != NULL) {
        struct net_lookup *lookup = resolver->unsent;
        struct net_lookup *next = lookup->next; // the asker may free it once it is posted
        enum result result = ev_mailbox_post(lookup->reply_to, &lookup->mail);
        if (result == AGAIN) {
            ev_mailbox_on_space(lookup->reply_to, &resolver->room);
            return;
        }
        resolver->unsent = next;
        if (next == NULL)
            resolver->unsent_tail = &resolver->unsent;
    }
}

static void queue_answer(struct net_resolver *resolver, struct net_lookup *lookup)
{
    lookup->next = NULL;
    *resolver->unsent_tail = lookup;
    resolver->unsent_tail = &lookup->next;
}

static void on_question(void *arg, struct mail *mail)
{
    struct net_resolver *resolver = arg;
    MAGIC_CHECK(resolver, RESOLVER_MAGIC);
    ensure(mail->kind == NET_LOOKUP_MAIL);
    struct net_lookup *lookup = CONTAINER_OF(mail, struct net_lookup, mail);
    resolver->function(resolver->arg, lookup);
    queue_answer(resolver, lookup);
    send_answers(resolver);
}

enum result net_resolver_new(struct ev_loop *loop, size_t capacity, net_lookup_fn *function, void *arg,
                             struct net_resolver **out)
{
    struct net_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return ERR_NOMEM;
    // One question a turn: an answer should not wait for the look-ups behind it.
    enum result result = ev_mailbox_init(&resolver->questions, loop, capacity, 1, on_question, resolver);
    if (result != OK) {
        free(resolver);
        return result;
    }
    MAGIC_INIT(resolver, RESOLVER_MAGIC);
    resolver->loop = loop;
    resolver->function = function != NULL ? function : ask_system;
    resolver->arg = arg;
    resolver->unsent_tail = &resolver->unsent;
    ev_wake_init(&resolver->room, loop, send_answers, resolver);
    *out = resolver;
    return OK;
}

static void resolver_destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct net_resolver, garbage));
}

void net_resolver_free(struct net_resolver **out)
{
    struct net_resolver *resolver = *out;
    if (resolver == NULL)
        return;
    MAGIC_CHECK(resolver, RESOLVER_MAGIC);
    *out = NULL;
    ev_mailbox_close(&resolver->questions);
    for (struct mail *mail = ev_mailbox_take(&resolver->questions); mail != NULL;
         mail = ev_mailbox_take(&resolver->questions)) {
        struct net_lookup *lookup = CONTAINER_OF(mail, struct net_lookup, mail);
        lookup->result = CLOSED;
        queue_answer(resolver, lookup);
    }
    send_answers(resolver);
    ev_wake_fini(&resolver->room);
    ev_mailbox_fini(&resolver->questions);
    MAGIC_CLEAR(resolver);
    ev_loop_discard(resolver->loop, &resolver->garbage, resolver_destroy);
}

void net_lookup_init(struct net_lookup *lookup, const struct net_endpoint *endpoint,
                     struct ev_mailbox *reply_to, void *owner)
{
    *lookup = (struct net_lookup){
        .mail = {.kind = NET_LOOKUP_MAIL}, .port = endpoint->port, .reply_to = reply_to, .owner = owner};
    ensure(text_copy(lookup->host, sizeof lookup->host, slice_of_text(endpoint->host)));
}

enum result net_resolver_ask(struct net_resolver *resolver, struct net_lookup *lookup, bool *answered)
{
    MAGIC_CHECK(resolver, RESOLVER_MAGIC);
    lookup->count = 0;
    *answered = net_address_parse_host(lookup->host, lookup->port, &lookup->addresses[0]) == OK;
    if (*answered) {
        lookup->count = 1;
        lookup->result = OK;
        return OK;
    }
    return ev_mailbox_post(&resolver->questions, &lookup->mail);
}
