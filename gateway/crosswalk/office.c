// SPDX-License-Identifier: Apache-2.0
#include "crosswalk/office.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "crosswalk/enquiry_private.h"
#include "crosswalk/first.h"
#include "daemon/news.h"
#include <stdlib.h>

enum { INBOX_CAPACITY = 4096, BATCH = 64 };

#define RETRY_NS (20 * NSEC_PER_MS)

// ---- both threads

static enum result look(const struct crosswalk_office *office, struct crosswalk_reader *reader,
                        struct enquiry *enquiry)
{
    const struct enquiry_question *question = &enquiry->question;
    struct crosswalk_study study = {.study = question->study, .archive = question->archive};
    if (reader == NULL)
        return ERR_MISSING;
    enum result result = crosswalk_map_study(reader, &study, question->from, question->id, question->to,
                                             &question->person, &enquiry->verdict);
    if (result != ERR_ARGUMENT)
        return result;
    enquiry->verdict = (struct crosswalk_verdict){.outcome = CROSSWALK_UNMAPPED,
                                                  .generation = atomic_load(&office->generation)};
    return OK;
}

static void answer(struct order_outbox *outboxes, struct enquiry *enquiry, enum result result)
{
    enquiry->result = result;
    order_outbox_post(&outboxes[enquiry->worker->index], &enquiry->mail);
}

// ---- look-up

static bool needs_pin(const struct enquiry *enquiry)
{
    const struct enquiry_question *question = &enquiry->question;
    const struct crosswalk_verdict *verdict = &enquiry->verdict;
    bool goes = verdict->outcome == CROSSWALK_UNMAPPED ? question->unmatched_goes
                                                       : verdict->outcome != CROSSWALK_CONTRADICTED;
    return question->wants_pin && goes && !verdict->is_pinned && verdict->id.length > 0 &&
           question->study.length > 0 && question->from != 0 && question->to != 0;
}

static void on_asked(void *arg, struct mail *mail)
{
    struct crosswalk_office *office = arg;
    MAGIC_CHECK(office, OFFICE_MAGIC);
    struct enquiry *enquiry = enquiry_of(order_mail_of(mail));
    enum result result;
    if (atomic_load(&enquiry->is_cancelled))
        result = AGAIN;
    else if (enquiry->is_of_study)
        result = first_patients_ask(office->first, office->gateway->platform.ledger, &enquiry->of_study,
                                    &enquiry->has_other);
    else
        result = look(office, office->reader, enquiry);
    if (result == OK && !enquiry->is_of_study && needs_pin(enquiry))
        order_outbox_post(&office->to_writer, &enquiry->mail);
    else
        answer(office->looked, enquiry, result);
}

// ---- pins

static void on_unpinned(void *arg, struct mail *mail)
{
    struct crosswalk_office *office = arg;
    MAGIC_CHECK(office, OFFICE_MAGIC);
    list_append(&office->waiting, &order_mail_of(mail)->node);
    if (!ev_timer_is_armed(&office->retry))
        ev_task_defer(&office->pin_task);
}

static struct enquiry *waiting_of(struct list_node *node)
{
    return enquiry_of(CONTAINER_OF(node, struct order_mail, node));
}

static struct crosswalk_pin pin_of(const struct enquiry *enquiry)
{
    const struct enquiry_question *question = &enquiry->question;
    bool is_unmapped = enquiry->verdict.outcome == CROSSWALK_UNMAPPED;
    return (struct crosswalk_pin){
        .study = {.study = question->study, .archive = question->archive},
        .from = question->from,
        .to = is_unmapped ? question->from : question->to,
        .source = question->id,
        .target = slice_of(enquiry->verdict.id.text, enquiry->verdict.id.length),
        .when = question->when,
    };
}

static void cancelled_answer(struct crosswalk_office *office)
{
    LIST_EACH(&office->waiting, node)
    {
        struct enquiry *enquiry = waiting_of(node);
        if (!atomic_load(&enquiry->is_cancelled))
            continue;
        list_remove(&office->waiting, node);
        answer(office->pinned, enquiry, AGAIN);
    }
}

// All that wait go into one transaction, and are then looked up anew: a pin that was there first counts, be
// it of another enquiry in the same lot.
static void on_pin(void *arg)
{
    struct crosswalk_office *office = arg;
    MAGIC_CHECK(office, OFFICE_MAGIC);
    size_t count = 0;
    cancelled_answer(office);
    LIST_EACH(&office->waiting, node)
    {
        if (count < PINS_MOST)
            office->pins[count++] = pin_of(waiting_of(node));
    }
#if DG_FAULT_PIN_OMITTED
    enum result result = OK;
#else
    enum result result = count > 0 ? crosswalk_pins_put(office->crosswalk, office->pins, count) : OK;
#endif
    if (result == AGAIN) { // its map must grow
        ev_timer_start(&office->retry, RETRY_NS);
        return;
    }
    if (result != OK)
        log_event(LOG_CROSSWALK_FAILED, log_text(result_text(result)));
    for (; count > 0; count--) {
        struct enquiry *enquiry = waiting_of(list_take_first(&office->waiting));
        answer(office->pinned, enquiry, result == OK ? look(office, office->writer_reader, enquiry) : result);
    }
    if (!list_is_empty(&office->waiting))
        ev_task_defer(&office->pin_task);
}

void crosswalk_office_look(struct crosswalk_office *office)
{
    MAGIC_CHECK(office, OFFICE_MAGIC);
    uint64_t generation;
    enum result result = crosswalk_generation_get(office->writer_reader, &generation);
    if (result != OK) {
        log_event(LOG_CROSSWALK_FAILED, log_text(result_text(result)));
        return; // it is looked at again with the next change, and once a minute
    }
    if (generation == atomic_load(&office->generation))
        return;
    atomic_store(&office->generation, generation);
    news_tell(office->gateway->news, NEWS_CROSSWALK);
}

// ---- life

static enum result outboxes_make(struct crosswalk_office *office)
{
    struct gateway *gateway = office->gateway;
    unsigned workers = gateway->platform.workers;
    office->from_worker = calloc(workers, sizeof *office->from_worker);
    office->looked = calloc(workers, sizeof *office->looked);
    office->pinned = calloc(workers, sizeof *office->pinned);
    if (office->from_worker == NULL || office->looked == NULL || office->pinned == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < workers; i++) {
        struct worker *worker = gateway->workers[i];
        order_outbox_init(&office->from_worker[i], worker->loop, &office->asked);
        order_outbox_init(&office->looked[i], gateway->platform.lookup_loop, &worker->inbox);
        if (office->has_writer)
            order_outbox_init(&office->pinned[i], gateway->platform.crosswalk_loop, &worker->inbox);
    }
    if (office->has_writer)
        order_outbox_init(&office->to_writer, gateway->platform.lookup_loop, &office->unpinned);
    office->has_outboxes = true;
    return OK;
}

static enum result writer_make(struct crosswalk_office *office)
{
    struct ev_loop *loop = office->gateway->platform.crosswalk_loop;
    uint64_t generation = 0;
    enum result result =
        ev_mailbox_init(&office->unpinned, loop, INBOX_CAPACITY, PINS_MOST, on_unpinned, office);
    if (result != OK)
        return result;
    ev_task_init(&office->pin_task, loop, on_pin, office);
    ev_timer_init(&office->retry, loop, on_pin, office);
    office->has_writer = true;
    result = crosswalk_reader_new(office->crosswalk, &office->reader);
    if (result == OK)
        result = crosswalk_reader_new(office->crosswalk, &office->writer_reader);
    if (result == OK)
        result = crosswalk_generation_get(office->writer_reader, &generation);
    atomic_store(&office->generation, generation);
    return result;
}

enum result crosswalk_office_new(struct gateway *gateway, struct crosswalk_office **out)
{
    struct crosswalk_office *office = calloc(1, sizeof *office);
    if (office == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(office, OFFICE_MAGIC);
    office->gateway = gateway;
    office->crosswalk = gateway->platform.crosswalk;
    list_init(&office->waiting);
    list_init(&office->dead);
    enum result result = ev_mailbox_init(&office->asked, gateway->platform.lookup_loop, INBOX_CAPACITY, BATCH,
                                         on_asked, office);
    office->has_asked = result == OK;
    if (result == OK)
        result = first_patients_new(&office->first);
    if (result == OK && office->crosswalk != NULL)
        result = writer_make(office);
    if (result == OK)
        result = outboxes_make(office);
    if (result == OK) {
        *out = office;
        return OK;
    }
    crosswalk_office_drain(office);
    crosswalk_office_free(office);
    return result;
}

static void mailbox_gather(struct crosswalk_office *office, struct ev_mailbox *mailbox)
{
    for (struct mail *mail = ev_mailbox_take(mailbox); mail != NULL; mail = ev_mailbox_take(mailbox))
        list_append(&office->dead, &order_mail_of(mail)->node);
}

static void outbox_gather(struct crosswalk_office *office, struct order_outbox *outbox)
{
    for (struct order_mail *mail = order_outbox_take(outbox); mail != NULL; mail = order_outbox_take(outbox))
        list_append(&office->dead, &mail->node);
    order_outbox_fini(outbox);
}

void crosswalk_office_drain(struct crosswalk_office *office)
{
    if (office == NULL)
        return;
    MAGIC_CHECK(office, OFFICE_MAGIC);
    for (unsigned i = 0; office->has_outboxes && i < office->gateway->platform.workers; i++) {
        outbox_gather(office, &office->from_worker[i]);
        outbox_gather(office, &office->looked[i]);
        if (office->has_writer)
            outbox_gather(office, &office->pinned[i]);
    }
    if (office->has_outboxes && office->has_writer)
        outbox_gather(office, &office->to_writer);
    for (struct list_node *node = list_take_first(&office->waiting); node != NULL;
         node = list_take_first(&office->waiting))
        list_append(&office->dead, node);
    if (office->has_asked) {
        mailbox_gather(office, &office->asked);
        ev_mailbox_fini(&office->asked);
    }
    if (office->has_writer) {
        mailbox_gather(office, &office->unpinned);
        ev_mailbox_fini(&office->unpinned);
        ev_task_fini(&office->pin_task);
        ev_timer_fini(&office->retry);
    }
    office->has_outboxes = office->has_asked = office->has_writer = false;
}

void crosswalk_office_free(struct crosswalk_office *office)
{
    if (office == NULL)
        return;
    MAGIC_CHECK(office, OFFICE_MAGIC);
    for (struct list_node *node = list_take_first(&office->dead); node != NULL;
         node = list_take_first(&office->dead))
        enquiry_free(waiting_of(node));
    crosswalk_reader_free(office->reader);
    crosswalk_reader_free(office->writer_reader);
    first_patients_free(office->first);
    free(office->from_worker);
    free(office->looked);
    free(office->pinned);
    MAGIC_CLEAR(office);
    free(office);
}
