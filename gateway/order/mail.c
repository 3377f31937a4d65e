// SPDX-License-Identifier: Apache-2.0
#include "order/mail.h"
#include "forward/receipt.h"
#include "order/note.h"
#include <stdlib.h>

static void on_space(void *arg)
{
    struct order_outbox *outbox = arg;
    LIST_EACH(&outbox->waiting, node)
    {
        struct order_mail *mail = CONTAINER_OF(node, struct order_mail, node);
        list_remove(&outbox->waiting, node);
        if (ev_mailbox_post(outbox->to, &mail->call.mail) == OK)
            continue;
        list_prepend(&outbox->waiting, node);
        ev_mailbox_on_space(outbox->to, &outbox->space);
        return;
    }
}

void order_outbox_init(struct order_outbox *outbox, struct ev_loop *loop, struct ev_mailbox *to)
{
    list_init(&outbox->waiting);
    outbox->to = to;
    ev_wake_init(&outbox->space, loop, on_space, outbox);
}

void order_outbox_post(struct order_outbox *outbox, struct order_mail *mail)
{
    bool is_first = list_is_empty(&outbox->waiting);
    if (is_first && ev_mailbox_post(outbox->to, &mail->call.mail) == OK)
        return;
    list_append(&outbox->waiting, &mail->node); // CLOSED: the end is near, it is taken from here
    if (is_first)
        ev_mailbox_on_space(outbox->to, &outbox->space);
}

struct order_mail *order_outbox_take(struct order_outbox *outbox)
{
    struct list_node *node = list_take_first(&outbox->waiting);
    return node != NULL ? CONTAINER_OF(node, struct order_mail, node) : NULL;
}

void order_outbox_fini(struct order_outbox *outbox)
{
    ev_wake_fini(&outbox->space);
}

void order_known_free(struct order_known **known)
{
    while (*known != NULL) {
        struct order_known *next = (*known)->next;
        free(*known);
        *known = next;
    }
}

void order_ask_free(struct order_ask *ask)
{
    if (ask == NULL)
        return;
    if (ask->object != NULL)
        ask->object->ask = NULL;
    order_known_free(&ask->known);
    order_look_free(ask->look);
    free(ask);
}
