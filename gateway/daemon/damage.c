// SPDX-License-Identifier: Apache-2.0
#include "daemon/damage.h"
#include "base/check.h"
#include "base/grow.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "daemon/worker.h"
#include "forward/archive.h"
#include <stdlib.h>

#define DAMAGE_MAGIC 0x444d4731u
#define RETRY_NS     NSEC_PER_SEC

enum { PLACES_MAX = 100000 }; // more are told to log and worker only

struct place {
    struct control_damage found;
    bool is_stored;
    bool is_told; // to the worker of its receipt
};

struct damage {
    uint32_t magic;
    struct gateway *gateway;
    pthread_mutex_t lock; // guards the places
    struct place *places; // by position
    size_t count;
    size_t capacity;
    struct ev_wake wake; // ledger loop
    struct ev_timer retry;
};

// ---- places ----

static int position_order(struct journal_position a, struct journal_position b)
{
    if (a.stream != b.stream)
        return a.stream < b.stream ? -1 : 1;
    return journal_position_compare(a, b);
}

// Under the lock.
static size_t place_find(const struct damage *damage, struct journal_position position, bool *is_there)
{
    size_t low = 0, high = damage->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (position_order(damage->places[middle].found.position, position) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = low < damage->count && position_order(damage->places[low].found.position, position) == 0;
    return low;
}

static bool place_insert(struct damage *damage, size_t at, const struct place *place)
{
    if (damage->count == PLACES_MAX || ARRAY_GROW(damage->places, damage->capacity, damage->count + 1) != OK)
        return false;
    memmove(&damage->places[at + 1], &damage->places[at], (damage->count - at) * sizeof damage->places[0]);
    damage->places[at] = *place;
    damage->count++;
    return true;
}

enum novelty { KNOWN, NEWS, NO_ROOM };

static enum novelty place_note(struct damage *damage, const struct control_damage *found)
{
    bool is_there;
    size_t at = place_find(damage, found->position, &is_there);
    if (!is_there)
        return place_insert(damage, at, &(struct place){.found = *found}) ? NEWS : NO_ROOM;
    struct control_damage *known = &damage->places[at].found;
    if (known->receipt != 0 || found->receipt == 0)
        return KNOWN;
    known->receipt = found->receipt;
    known->type = found->type;
    damage->places[at].is_stored = damage->places[at].is_told = false;
    return NEWS;
}

static bool segment_is_there(struct damage *damage, struct journal_position at)
{
    struct journal_segment_info info;
    return journal_segments_get(damage->gateway->journal, at.stream, at.segment, &info, 1) == 1 &&
           info.segment == at.segment;
}

// Whether what the receipt holds may be hit. Records of what happened to it (SENT, OUTCOME) are not needed to
// send it; what lay in a segment that has gone had settled, or lies elsewhere now.
static bool hits_receipt(struct damage *damage, const struct control_damage *found)
{
    return found->receipt != 0 && found->type <= JOURNAL_CLOSE &&
           (found->position.segment == 0 || segment_is_there(damage, found->position));
}

size_t damage_count(struct damage *damage)
{
    size_t count = 0;
    pthread_mutex_lock(&damage->lock);
    for (size_t i = 0; i < damage->count; i++)
        count += segment_is_there(damage, damage->places[i].found.position);
    pthread_mutex_unlock(&damage->lock);
    return count;
}

// ---- the worker of a damaged receipt: what it owes and has not in memory would only be found bad again ----

struct tell {
    struct worker_call call;
    uint64_t receipt;
    struct journal_position position; // segment 0: not known
};

static bool is_told_of(void *arg, uint64_t number)
{
    return number == *(const uint64_t *)arg;
}

// A copy is not hit by what befell the original; that one has taken its place a receipt in memory may not
// know.
static bool is_hit(const struct receipt *receipt, const struct tell *tell)
{
    bool lies_there = tell->position.segment == 0 || tell->position.stream == JOURNAL_STREAM_COPY ||
                      tell->position.stream == receipt->close.stream;
    return receipt->number == tell->receipt && receipt->content == NULL && lies_there;
}

static void receipt_park(struct worker *worker, struct tell *tell)
{
    (void)!backlog_receipts_wake(worker, is_told_of, &tell->receipt);
    for (size_t i = 0; i < worker->gateway->node_count; i++) {
        static const enum delivery_stage stages[] = {STAGE_WAITING, STAGE_RESTING};
        for (size_t s = 0; s < 2; s++)
            LIST_EACH(archive_list(&worker->archives[i], stages[s]), node)
            {
                struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
                if (is_hit(delivery->receipt, tell))
                    delivery_park(delivery, DELIVERY_DAMAGED, 0, slice_of(NULL, 0));
            }
    }
}

static void run_tell(struct worker *worker, struct worker_call *call)
{
    struct tell *tell = CONTAINER_OF(call, struct tell, call);
    if (!worker->is_stopping)
        receipt_park(worker, tell);
    free(tell);
}

static void discard_tell(struct worker_call *call)
{
    free(CONTAINER_OF(call, struct tell, call));
}

static bool worker_tell(struct gateway *gateway, const struct control_damage *found)
{
    struct tell *tell = calloc(1, sizeof *tell);
    if (tell == NULL)
        return false;
    *tell = (struct tell){.call = {.run = run_tell, .discard = discard_tell},
                          .receipt = found->receipt,
                          .position = found->position};
    unsigned index = journal_receipt_stream(found->receipt) % gateway->platform.workers;
    enum result result = worker_post(gateway->workers[index], &tell->call);
    if (result != OK)
        free(tell);
    return result != AGAIN;
}

// ---- reports ----

void damage_report(struct damage *damage, const struct control_damage *found)
{
    MAGIC_CHECK(damage, DAMAGE_MAGIC);
    struct control_damage dated = *found;
    dated.when = ev_wall_now(damage->gateway->platform.main_loop);
    pthread_mutex_lock(&damage->lock);
    enum novelty novelty = place_note(damage, &dated);
    pthread_mutex_unlock(&damage->lock);
    if (novelty == KNOWN)
        return;
    log_event(LOG_JOURNAL_QUARANTINED, log_number(found->position.stream),
              log_number(found->position.segment), log_number(found->position.offset),
              log_number(found->receipt), log_text(control_damage_finder_text(found->finder)));
    if (novelty == NEWS)
        ev_wake_signal(&damage->wake);
    else if (hits_receipt(damage, found))
        (void)!worker_tell(damage->gateway, found);
}

static bool receipt_is_known(struct damage *damage, uint64_t receipt)
{
    bool is_known = false;
    pthread_mutex_lock(&damage->lock);
    for (size_t i = 0; i < damage->count && !is_known; i++)
        is_known =
            damage->places[i].found.receipt == receipt && hits_receipt(damage, &damage->places[i].found);
    pthread_mutex_unlock(&damage->lock);
    return is_known;
}

void damage_report_unreadable(struct damage *damage, struct journal_position position, uint64_t receipt)
{
    if (receipt_is_known(damage, receipt)) // where it is damaged is known better
        return;
    damage_report(damage, &(struct control_damage){
                              .position = position, .receipt = receipt, .finder = CONTROL_DAMAGE_LANE});
}

// ---- ledger loop ----

static bool next_unfinished(struct damage *damage, size_t *at, struct place *out)
{
    pthread_mutex_lock(&damage->lock);
    while (*at < damage->count && damage->places[*at].is_stored && damage->places[*at].is_told)
        ++*at;
    bool is_there = *at < damage->count;
    if (is_there)
        *out = damage->places[*at];
    pthread_mutex_unlock(&damage->lock);
    return is_there;
}

static void finished_note(struct damage *damage, const struct place *place)
{
    bool is_there;
    pthread_mutex_lock(&damage->lock);
    size_t at = place_find(damage, place->found.position, &is_there);
    if (is_there && damage->places[at].found.receipt == place->found.receipt) {
        damage->places[at].is_stored = place->is_stored;
        damage->places[at].is_told = place->is_told;
    }
    pthread_mutex_unlock(&damage->lock);
}

static void on_wake(void *arg)
{
    struct damage *damage = arg;
    MAGIC_CHECK(damage, DAMAGE_MAGIC);
    struct gateway *gateway = damage->gateway;
    struct place place;
    bool is_complete = true;
    for (size_t at = 0; next_unfinished(damage, &at, &place); at++) {
        if (!place.is_stored)
            place.is_stored = control_damage_put(gateway->platform.control, &place.found) == OK;
        if (!place.is_told)
            place.is_told = !hits_receipt(damage, &place.found) || worker_tell(gateway, &place.found);
        finished_note(damage, &place);
        is_complete = is_complete && place.is_stored && place.is_told;
    }
    if (!is_complete)
        ev_timer_start(&damage->retry, RETRY_NS);
}

// ---- life ----

static enum result on_stored(void *arg, const struct control_damage *found)
{
    struct damage *damage = arg;
    bool is_there;
    size_t at = place_find(damage, found->position, &is_there);
    struct place place = {.found = *found, .is_stored = true};
    return is_there || place_insert(damage, at, &place) ? OK : ERR_NOMEM;
}

enum result damage_new(struct gateway *gateway, struct damage **out)
{
    struct damage *damage = calloc(1, sizeof *damage);
    if (damage == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(damage, DAMAGE_MAGIC);
    damage->gateway = gateway;
    (void)pthread_mutex_init(&damage->lock, NULL);
    ev_wake_init(&damage->wake, gateway->platform.ledger_loop, on_wake, damage);
    ev_timer_init(&damage->retry, gateway->platform.ledger_loop, on_wake, damage);
    enum result result = control_damage_each(gateway->platform.control, on_stored, damage);
    if (result != OK) {
        damage_free(damage);
        return result;
    }
    if (damage->count > 0) // the workers have yet to be told
        ev_wake_signal(&damage->wake);
    *out = damage;
    return OK;
}

void damage_free(struct damage *damage)
{
    if (damage == NULL)
        return;
    MAGIC_CHECK(damage, DAMAGE_MAGIC);
    ev_wake_fini(&damage->wake);
    ev_timer_fini(&damage->retry);
    (void)pthread_mutex_destroy(&damage->lock);
    free(damage->places);
    MAGIC_CLEAR(damage);
    free(damage);
}
