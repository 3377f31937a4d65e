// SPDX-License-Identifier: Apache-2.0
#include "daemon/places.h"
#include "base/units.h"
#include <stdlib.h>

#define RETRY_NS (20 * NSEC_PER_MS)

static struct place_question *question_of(struct worker_call *call)
{
    return CONTAINER_OF(call, struct place_question, call);
}

// On the worker.
static void on_answer(struct worker *worker, struct worker_call *call)
{
    struct place_question *question = question_of(call);
    (void)worker;
    if (question->arg != NULL)
        question->done(question->arg, question);
    free(question);
}

static void on_discard(struct worker_call *call)
{
    free(question_of(call));
}

struct place_question *place_ask(struct worker *worker, uint64_t receipt,
                                 void (*done)(void *arg, const struct place_question *answer), void *arg)
{
    struct places *places = &worker->gateway->places;
    struct place_question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    question->call.run = on_answer;
    question->call.discard = on_discard;
    question->worker = worker;
    question->receipt = receipt;
    question->done = done;
    question->arg = arg;
    pthread_mutex_lock(&places->lock);
    list_append(&places->asked, &question->node);
    pthread_mutex_unlock(&places->lock);
    ev_wake_signal(&places->wake);
    return question;
}

void place_forget(struct place_question *question)
{
    question->arg = NULL;
}

// Ledger loop.
static void on_asked(void *arg)
{
    struct gateway *gateway = arg;
    struct places *places = &gateway->places;
    for (;;) {
        pthread_mutex_lock(&places->lock);
        struct list_node *node = list_take_first(&places->asked);
        pthread_mutex_unlock(&places->lock);
        if (node == NULL)
            return;
        struct place_question *question = CONTAINER_OF(node, struct place_question, node);
        question->result =
            ledger_place_get(gateway->ledger, question->receipt, &question->open, &question->close);
        if (worker_post(question->worker, &question->call) == OK)
            continue;
        pthread_mutex_lock(&places->lock);
        list_prepend(&places->asked, node);
        pthread_mutex_unlock(&places->lock);
        ev_timer_start(&places->retry, RETRY_NS);
        return;
    }
}

void places_init(struct gateway *gateway)
{
    struct places *places = &gateway->places;
    pthread_mutex_init(&places->lock, NULL);
    list_init(&places->asked);
    ev_wake_init(&places->wake, gateway->platform.ledger_loop, on_asked, gateway);
    ev_timer_init(&places->retry, gateway->platform.ledger_loop, on_asked, gateway);
}

void places_fini(struct gateway *gateway)
{
    struct places *places = &gateway->places;
    struct list_node *node;
    while ((node = list_take_first(&places->asked)) != NULL)
        free(CONTAINER_OF(node, struct place_question, node));
    ev_wake_fini(&places->wake);
    ev_timer_fini(&places->retry);
    pthread_mutex_destroy(&places->lock);
}
