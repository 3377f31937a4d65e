// SPDX-License-Identifier: Apache-2.0
#include "forward/awaited.h"
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/text.h"
#include "dimse/status.h"
#include "forward/archive.h"

#define AWAITED_MAGIC 0x41574131u

static struct awaited *find(const struct receipt *receipt)
{
    LIST_EACH(&receipt->worker->awaited, node)
    {
        struct awaited *awaited = CONTAINER_OF(node, struct awaited, node);
        if (awaited->receipt == receipt)
            return awaited;
    }
    return NULL;
}

// ---- the word ----

// The worst of several yeses is told: a warning about content before a coercion before Success.
static unsigned severity(uint16_t status)
{
    switch (status) {
    case DIMSE_SUCCESS:
        return 0;
    case DIMSE_COERCION:
        return 2;
    case DIMSE_ELEMENTS_DISCARDED:
        return 3;
    case DIMSE_DATA_SET_WARNING:
        return 4;
    default:
        return 1; // other warnings
    }
}

static void word_keep(struct awaited *awaited, const struct awaited_word *word)
{
    awaited->status = word->status;
    text_copy(awaited->comment, sizeof awaited->comment, word->comment);
    // An AT value is four bytes; a list that is too long loses whole ones.
    struct slice offending = slice_first(word->offending, sizeof awaited->offending);
    awaited->offending_length = offending.length & ~(size_t)3;
    if (awaited->offending_length > 0)
        memcpy(awaited->offending, offending.data, awaited->offending_length);
}

// ---- deciding ----

static void tell(struct awaited *awaited)
{
    awaited->receipt->pins--;
    awaited->receipt = NULL;
    list_remove(&awaited->worker->awaited, &awaited->node);
    ev_timer_stop(&awaited->deadline);
    awaited->done(awaited); // it may be gone now
}

static void let_go(struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        bool was_awaited = delivery->is_urgent;
        delivery->is_urgent = delivery->waits_for_primary = false;
        if (delivery->stage == STAGE_GATED || (was_awaited && delivery->stage == STAGE_WAITING))
            delivery_wait(delivery); // to its place among the others
    }
}

void awaited_finding(const struct delivery *delivery, bool is_certain)
{
    const struct receipt *receipt = delivery->receipt;
    // The same as the answer's own record: a power cut may leave only this one.
    bool settles = delivery->archive->node->conf->settle_on == CONFIGURATION_SETTLE_ON_ANSWER;
    struct record_outcome outcome = {
        .receipt = receipt->number,
        .archive = delivery->archive->node->conf->id,
        .kind = (uint8_t)(settles ? RECORD_SETTLED : RECORD_ANSWERED),
        .remark = settles ? RECORD_SETTLE_ON_ANSWER : RECORD_REMARK_NONE,
        .status = delivery->status,
        .resent = delivery->is_resent,
        .attempt = delivery->attempts,
        .comment = slice_of_text("finding: the client was told a failure"),
        .answered = ev_wall_now(receipt->worker->loop),
    };
    if (is_certain) // what is in doubt is said by the record that settles it
        notes_outcome(&receipt->worker->notes, &outcome);
    atomic_fetch_add_explicit(&receipt->worker->counters.acknowledge_findings, 1, memory_order_relaxed);
    log_event(LOG_ACKNOWLEDGE_FINDING, log_text(delivery->archive->node->conf->name),
              log_number(receipt->number));
}

// Whether the archive has it, or may have it, or is being sent it.
static bool has_begun(const struct awaited *awaited, unsigned index, const struct delivery *from)
{
    const struct delivery *delivery = &awaited->receipt->deliveries[index];
    bool is_under_way = delivery->stage == STAGE_SENDING && delivery != from;
    return is_under_way || delivery->is_resent || (awaited->taken >> index & 1) != 0;
}

static void receipt_drop(const struct awaited *awaited)
{
    struct record_drop drop = {.reason = RECORD_DROP_REFUSED,
                               .status = awaited->status,
                               .comment = slice_of_text(awaited->comment),
                               .time = ev_wall_now(awaited->worker->loop)};
    notes_drop(&awaited->worker->notes, awaited->receipt->number, &drop);
    awaited->receipt->is_dropped = true;
}

// `from`: the delivery whose answer it was, that is still in the hands of its lane; NULL: none.
static void fail(struct awaited *awaited, const struct delivery *from)
{
    struct receipt *receipt = awaited->receipt;
    unsigned begun = 0;
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        begun += has_begun(awaited, i, from);
    log_event(LOG_ACKNOWLEDGE_REFUSED, log_number(receipt->number), log_number(awaited->status));
    if (begun == 0)
        receipt_drop(awaited);
    uint64_t taken = awaited->taken;
    tell(awaited);
    receipt_refuse(receipt, taken);
}

void awaited_accepted(struct delivery *delivery, const struct awaited_word *word)
{
    struct receipt *receipt = delivery->receipt;
    struct awaited *awaited = find(receipt);
    if (awaited == NULL)
        return;
    bool is_first = awaited->taken == 0;
    awaited->taken |= UINT64_C(1) << (delivery - receipt->deliveries);
    delivery->is_urgent = false;
    if (is_first || severity(word->status) > severity(awaited->status))
        word_keep(awaited, word);
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        if (receipt->deliveries[i].is_urgent)
            return;
    awaited->is_yes = true;
    let_go(receipt);
    tell(awaited);
}

bool awaited_refused(struct delivery *delivery, const struct awaited_word *word)
{
    struct awaited *awaited = find(delivery->receipt);
    if (awaited == NULL)
        return false;
    word_keep(awaited, word);
    fail(awaited, delivery);
    return true;
}

// ---- deadline and stop ----

static void give_up(struct awaited *awaited, const char *comment)
{
    struct awaited_word word = {.status = DIMSE_OUT_OF_RESOURCES, .comment = slice_of_text(comment)};
    word_keep(awaited, &word);
    fail(awaited, NULL);
}

static void on_deadline(void *arg)
{
    struct awaited *awaited = arg;
    MAGIC_CHECK(awaited, AWAITED_MAGIC);
    char comment[AWAITED_COMMENT] = "archive did not answer in time";
    const struct receipt *receipt = awaited->receipt;
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        if (receipt->deliveries[i].is_urgent) {
            text_format(comment, sizeof comment, "%.32s did not answer in time",
                        receipt->deliveries[i].archive->node->conf->name);
            break;
        }
    give_up(awaited, comment);
}

static bool is_being_sent(const struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        if (receipt->deliveries[i].is_urgent && receipt->deliveries[i].stage == STAGE_SENDING)
            return true;
    return false;
}

void awaited_stop(struct worker *worker)
{
    for (struct list_node *node = list_first(&worker->awaited); node != NULL;) {
        struct awaited *awaited = CONTAINER_OF(node, struct awaited, node);
        if (is_being_sent(awaited->receipt)) {
            node = list_next(&worker->awaited, node);
            continue;
        }
        give_up(awaited, "the gateway is stopping");
        node = list_first(&worker->awaited); // its client may have taken others with it
    }
}

// ---- life ----

void awaited_init(struct awaited *awaited, struct worker *worker, enum configuration_acknowledge mode,
                  uint32_t primary, uint64_t patience_ns, void (*done)(struct awaited *awaited))
{
    *awaited = (struct awaited){
        .worker = worker, .mode = mode, .primary = primary, .patience_ns = patience_ns, .done = done};
    MAGIC_INIT(awaited, AWAITED_MAGIC);
    ev_timer_init(&awaited->deadline, worker->loop, on_deadline, awaited);
}

void awaited_attach(struct awaited *awaited, struct receipt *receipt)
{
    MAGIC_CHECK(awaited, AWAITED_MAGIC);
    awaited->receipt = receipt;
    receipt->pins++;
    list_append(&awaited->worker->awaited, &awaited->node);
    ev_timer_start(&awaited->deadline, awaited->patience_ns);
    bool wants_all = awaited->mode == CONFIGURATION_ACKNOWLEDGE_ALL;
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        delivery->is_urgent = wants_all || delivery->archive->node->conf->id == awaited->primary;
    }
}

void awaited_fini(struct awaited *awaited)
{
    MAGIC_CHECK(awaited, AWAITED_MAGIC);
    if (awaited->receipt != NULL) {
        struct receipt *receipt = awaited->receipt;
        receipt->pins--;
        awaited->receipt = NULL;
        list_remove(&awaited->worker->awaited, &awaited->node);
        let_go(receipt);
    }
    ev_timer_fini(&awaited->deadline);
    MAGIC_CLEAR(awaited);
}
