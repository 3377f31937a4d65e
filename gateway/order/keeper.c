// SPDX-License-Identifier: Apache-2.0
//
// A member whose receipt lives on a worker is given orders with a `set`, one at a time, and tells what
// becomes of it by its watch; decisions are made only while no set is out, so they rest on what is true.
//
// Why no two receipts of a UID pass each other unseen: the keeper enters a fresh receipt in its table (seen),
// then reads the ledger, then answers, all in one step of one thread. So whichever is asked about later meets
// the other, in the table or in the ledger; it is not "free", and the other is stopped before anything is
// decided.
// - An entry is forgotten when a commit of the ledger contains its CLOSE. No step is under way then, and all
//   later ones read a snapshot that is not older than that commit.
// - A receipt that could not be entered for lack of memory, or for which the ledger can not be read, is asked
//   about again, the former until the ledger has it: then it meets what was answered meanwhile. So does one
//   of a former life, and one whose worker had no memory to ask: what has never been entered has never
//   passed.
// - What a full mailbox does not take waits in an outbox, in order: orders never overtake the answer "free",
//   and a receipt whose question or answer waits there is not sent.
// - After a crash the table is empty, and nothing is sent before it has been asked about anew: all former
//   receipts are told by the ledger, and only by it.
// - A UID that a note has rejected is not alone while that is among the last rejections: of older ones the
//   ledger tells.
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "order/gate.h"
#include "order/keeper_private.h"
#include "order/lookup.h"
#include "order/note.h"
#include <stdlib.h>

#define KEEPER_MAGIC  0x4b454550u
#define LOOK_AGAIN_NS (100 * NSEC_PER_MS)

enum { INBOX_CAPACITY = 65536, BATCH = 64, TABLE_FIRST = 1024, REJECTIONS_MOST = 100000 };

static void decide_later(struct order_keeper *keeper, struct uid *uid)
{
    if (uid->is_dirty)
        return;
    uid->is_dirty = true;
    list_append(&keeper->dirty, &uid->dirty_node);
    ev_task_defer(&keeper->decide_task);
}

// ---- deciding ----

static void set_send(struct order_keeper *keeper, struct member *member)
{
    struct order_set *set = member->set;
    for (size_t i = 0; i < keeper->gateway->node_count; i++) {
        struct order_slot *slot = &member->rule.slots[i];
        if (order_stage_is_final(slot->stage))
            slot->wanted = ORDER_HOLD;
        slot->action = slot->wanted;
        set->slots[i] = *slot;
    }
    order_line_update(&member->uid->members, &member->rule);
    set->number++;
    keeper_member_talk(member, TALK_OUT);
    order_outbox_post(&keeper->to_worker[member->worker->index], &set->mail);
}

// Whoever has not been met is stopped first; nothing is decided before all have answered.
static bool all_have_answered(struct order_keeper *keeper, struct uid *uid)
{
    LIST_EACH(&uid->unmet, node)
    {
        struct member *member = CONTAINER_OF(node, struct member, talk_node);
        for (size_t i = 0; i < keeper->gateway->node_count; i++)
            member->rule.slots[i].wanted = ORDER_HOLD;
        set_send(keeper, member);
    }
    return list_is_empty(&uid->out) && list_is_empty(&uid->missing);
}

// For a member that no worker has any more, or that could not be reached: the ledger may know by then.
static void look_again(struct order_keeper *keeper, struct uid *uid, uint64_t receipt)
{
    if (uid->is_looked_again)
        return;
    struct order_ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL)
        return; // the timer comes again as long as somebody is missing
    memcpy(ask->hash, uid->hash, sizeof ask->hash);
    ask->receipt = receipt;
    ask->has_hash = ask->is_counted = true;
    uid->asks++;
    uid->is_looked_again = true;
    list_append(&keeper->again, &ask->keeper_node);
    ev_timer_start(&keeper->again_timer, LOOK_AGAIN_NS);
}

static struct order_rejection rejection_find(const struct uid *uid, size_t archive)
{
    struct order_rejection last = {0};
    for (struct list_node *node = uid->rejections.head.next; node != &uid->rejections.head;
         node = node->next) {
        const struct rejection *rejection = CONTAINER_OF(node, struct rejection, uid_node);
        if (rejection->archive == archive && rejection->note.order > last.order)
            last = rejection->note;
    }
    return last;
}

static void decide(struct order_keeper *keeper, struct uid *uid)
{
    struct list_node *missing = list_first(&uid->missing);
    if (missing != NULL)
        look_again(keeper, uid, CONTAINER_OF(missing, struct member, talk_node)->rule.receipt);
    if (uid->members.members.count == 0) {
        keeper_uid_forget_if_empty(keeper, uid);
        return;
    }
    if (!all_have_answered(keeper, uid))
        return;
    struct list changed;
    list_init(&changed);
    for (size_t i = 0; i < keeper->gateway->node_count; i++)
        order_rule_apply(&uid->members, i, rejection_find(uid, i), &changed);
    for (struct list_node *node = list_take_first(&changed); node != NULL; node = list_take_first(&changed)) {
        struct member *member = CONTAINER_OF(node, struct member, rule.changed_node);
        if (member->talk == TALK_MET)
            set_send(keeper, member);
    }
    if (uid->asks == 0 && list_is_empty(&uid->out) && order_rule_is_done(&uid->members))
        keeper_members_free(uid);
    keeper_uid_forget_if_empty(keeper, uid);
}

static void on_decide(void *arg)
{
    struct order_keeper *keeper = arg;
    MAGIC_CHECK(keeper, KEEPER_MAGIC);
    for (struct list_node *node = list_take_first(&keeper->dirty); node != NULL;
         node = list_take_first(&keeper->dirty)) {
        struct uid *uid = CONTAINER_OF(node, struct uid, dirty_node);
        uid->is_dirty = false;
        decide(keeper, uid);
    }
}

// ---- questions ----

static void ask_again_later(struct order_keeper *keeper, struct order_ask *ask)
{
    list_append(&keeper->again, &ask->keeper_node);
    if (!ev_timer_is_armed(&keeper->again_timer))
        ev_timer_start(&keeper->again_timer, LOOK_AGAIN_NS);
}

// By mail, so that many do not hold up the loop.
static void on_again(void *arg)
{
    struct order_keeper *keeper = arg;
    MAGIC_CHECK(keeper, KEEPER_MAGIC);
    for (struct list_node *node = list_take_first(&keeper->again); node != NULL;
         node = list_take_first(&keeper->again))
        order_outbox_post(&keeper->to_self, &CONTAINER_OF(node, struct order_ask, keeper_node)->mail);
}

static void answer(struct order_keeper *keeper, struct order_ask *ask, bool is_free)
{
    ask->is_free = is_free;
    ask->mail.call.run = order_gate_answered;
    ask->mail.call.discard = order_gate_answer_discard;
    order_outbox_post(&keeper->to_worker[ask->worker->index], &ask->mail);
}

static void seen_add(struct order_keeper *keeper, struct uid *uid, const struct order_ask *ask)
{
    struct seen *seen = pool_take(&keeper->seen_pool);
    if (seen == NULL)
        return; // the ledger will have it: until then it is asked again, see on_looked()
    seen->uid = uid;
    seen->receipt = ask->receipt;
    seen->order = ask->order;
    seen->content = ask->content;
    seen->is_returned = ask->is_returned;
    seen->is_member = false;
    seen->close = ask->close;
    list_append(&uid->seen, &seen->uid_node);
    list_append(&keeper->streams[journal_receipt_stream(ask->receipt)], &seen->stream_node);
}

static struct seen *seen_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct seen, uid_node);
}

static struct seen *seen_find(struct uid *uid, uint64_t receipt)
{
    for (struct list_node *node = uid->seen.head.previous; node != &uid->seen.head; node = node->previous)
        if (seen_of(node)->receipt == receipt)
            return seen_of(node);
    return NULL;
}

// ---- rejection notes ----

static void rejection_add(struct order_keeper *keeper, const struct order_ask *ask, const reference hash)
{
    struct uid *uid = keeper_uid_get(keeper, hash);
    struct rejection *rejection = uid != NULL ? calloc(1, sizeof *rejection) : NULL;
    if (rejection == NULL)
        return; // the ledger will tell whoever comes later
    *rejection =
        (struct rejection){.uid = uid, .note = {ask->receipt, ask->order}, .archive = ask->look->archive};
    list_append(&uid->rejections, &rejection->uid_node);
    list_append(&keeper->rejections, &rejection->keeper_node);
    if (ask->look->is_forced)
        look_again(keeper, uid, ask->receipt);
    else if (uid->members.members.count > 0)
        decide_later(keeper, uid);
    if (keeper->rejections.count > REJECTIONS_MOST) {
        struct rejection *oldest =
            CONTAINER_OF(list_first(&keeper->rejections), struct rejection, keeper_node);
        struct uid *former = oldest->uid;
        keeper_rejection_free(keeper, oldest);
        keeper_uid_forget_if_empty(keeper, former);
    }
}

static bool look_knows(const struct order_look *look, uint64_t receipt)
{
    for (size_t i = 0; i < look->known_count; i++)
        if (look->known[i] == receipt)
            return true;
    return false;
}

// Receipts that the ledger does not have yet: they wait, wherever they are owed.
static void note_look(struct order_keeper *keeper, struct order_ask *ask)
{
    struct order_look *look = ask->look;
    bool is_behind = false;
    order_look_run(keeper->gateway, ask);
    for (size_t i = 0; look->result == OK && i < look->count && !is_behind; i++) {
        struct uid *uid = *keeper_uid_place(keeper, look->references[i]);
        if (uid == NULL)
            continue;
        LIST_EACH(&uid->seen, node)
        {
            const struct seen *seen = CONTAINER_OF(node, struct seen, uid_node);
            is_behind |= seen->order < ask->order && !look_knows(look, seen->receipt);
        }
    }
    if (is_behind)
        look->result = AGAIN;
    answer(keeper, ask, false);
}

static void on_note(struct order_keeper *keeper, struct order_ask *ask)
{
    if (!ask->look->is_done) {
        note_look(keeper, ask);
        return;
    }
    for (size_t i = 0; i < ask->look->count; i++)
        rejection_add(keeper, ask, ask->look->references[i]);
    order_ask_free(ask);
}

static const struct order_known *known_find(const struct order_ask *ask, uint64_t receipt)
{
    const struct order_known *known = ask->known;
    while (known != NULL && known->receipt != receipt)
        known = known->next;
    return known;
}

static bool is_alone(const struct uid *uid, const struct order_ask *ask)
{
    if (uid->members.members.count > 0 || uid->rejections.count > 0)
        return false;
    for (struct list_node *node = uid->seen.head.next; node != &uid->seen.head; node = node->next)
        if (CONTAINER_OF(node, struct seen, uid_node)->receipt != ask->receipt)
            return false;
    for (const struct order_known *known = ask->known; known != NULL; known = known->next)
        if (known->receipt != ask->receipt)
            return false;
    return true;
}

// FIELD 5: the same UID with another content is an alarm.
static void conflict_tell(struct uid *uid, const struct order_ask *ask)
{
    const struct member *own = keeper_member_find(uid, ask->receipt, ask->order);
    if (!ask->is_fresh || own == NULL)
        return;
    const struct order_member *other = order_line_conflict(&uid->members, &own->rule);
    if (other != NULL)
        log_event(LOG_ORDER_CONFLICT, log_number(own->rule.receipt), log_number(other->receipt));
}

// All that are known become members. False: no memory. Those seen last have not been made members yet.
static bool members_meet(struct order_keeper *keeper, struct uid *uid, const struct order_ask *ask)
{
    for (const struct order_known *known = ask->known; known != NULL; known = known->next)
        if (!keeper_member_of_known(keeper, uid, known))
            return false;
    struct list_node *node = &uid->seen.head;
    while (node->previous != &uid->seen.head && !seen_of(node->previous)->is_member)
        node = node->previous;
    for (; node != &uid->seen.head; node = node->next) {
        if (!keeper_member_of_seen(keeper, uid, seen_of(node)))
            return false;
        seen_of(node)->is_member = true;
    }
    return true;
}

// Counts a question in its UID; a fresh one is seen there. NULL: no memory, or not in the ledger.
static struct uid *ask_enter(struct order_keeper *keeper, struct order_ask *ask)
{
    if (!ask->has_hash)
        order_lookup_hash(keeper->gateway, ask);
    struct uid *uid = ask->has_hash ? keeper_uid_get(keeper, ask->hash) : NULL;
    if (uid == NULL || ask->is_counted)
        return uid;
    uid->asks++;
    ask->is_counted = true;
    if (ask->is_fresh)
        seen_add(keeper, uid, ask);
    return uid;
}

// False: to be asked again, the ledger can not be read, or is not as far.
static bool ask_look(struct order_keeper *keeper, struct uid *uid, struct order_ask *ask)
{
    enum result result = order_lookup_run(keeper->gateway, ask);
    bool is_known = ask->worker == NULL || seen_find(uid, ask->receipt) != NULL ||
                    known_find(ask, ask->receipt) != NULL ||
                    keeper_member_find(uid, ask->receipt, ask->order) != NULL;
    ask->is_fresh &= is_known;
    return result == OK && is_known;
}

static void on_asked(struct order_keeper *keeper, struct order_ask *ask)
{
    if (ask->look != NULL) {
        on_note(keeper, ask);
        return;
    }
    struct uid *uid = ask_enter(keeper, ask);
    if (ask->is_nameless) { // it can not be sent: the lane that finds that out parks it
        answer(keeper, ask, true);
        return;
    }
    if (uid == NULL) {
        ask->is_fresh = false; // as if it came from a former life, once there is memory
        ask_again_later(keeper, ask);
        return;
    }
    if (!ask_look(keeper, uid, ask)) {
        ask_again_later(keeper, ask);
        return;
    }
    bool is_own = ask->worker == NULL;
    if (!is_own && is_alone(uid, ask)) {
        uid->asks--;
        answer(keeper, ask, true);
        keeper_uid_forget_if_empty(keeper, uid);
        return;
    }
    if (!members_meet(keeper, uid, ask)) {
        ask_again_later(keeper, ask);
        return;
    }
    uid->asks--;
    decide_later(keeper, uid);
    if (is_own) {
        uid->is_looked_again = false;
        order_ask_free(ask);
        return;
    }
    conflict_tell(uid, ask);
    answer(keeper, ask, false);
}

// ---- what workers tell ----

static void state_take(struct member *member, const struct order_slot *slots)
{
    for (size_t i = 0; i < member->uid->members.archives; i++) {
        struct order_slot *own = &member->rule.slots[i];
        if (slots[i].stage != ORDER_NONE)
            own->stage = slots[i].stage;
        own->was_sent |= slots[i].was_sent;
        own->is_released = slots[i].is_released;
    }
    order_line_update(&member->uid->members, &member->rule);
}

static void on_told(struct order_keeper *keeper, struct order_set *set)
{
    struct member *member = CONTAINER_OF(set->member, struct member, rule);
    switch (set->result) {
    case ORDER_SET_DONE:
        keeper_member_talk(member, TALK_MET);
        state_take(member, set->slots);
        break;
    case ORDER_SET_GONE:
        keeper_member_talk(member, TALK_MISSING);
        break;
    case ORDER_SET_BUSY:
        keeper_member_talk(member, TALK_UNMET); // told again
        look_again(keeper, member->uid, set->receipt);
        return;
    }
    decide_later(keeper, member->uid);
}

static void on_reported(struct order_keeper *keeper, struct order_report *report)
{
    struct uid *uid = *keeper_uid_place(keeper, report->hash);
    struct member *member = uid != NULL ? keeper_member_find(uid, report->receipt, report->order) : NULL;
    // Older than orders that are on their way: their answer will say more.
    if (member != NULL && member->talk != TALK_OUT && report->seen == member->set->number) {
        state_take(member, report->slots);
        keeper_member_talk(member, report->is_last ? TALK_OVER : TALK_MET);
        decide_later(keeper, uid);
    }
    struct worker *worker =
        keeper->gateway->workers[journal_receipt_stream(report->receipt) % keeper->gateway->platform.workers];
    order_outbox_post(&keeper->to_worker[worker->index], &report->mail);
}

static void on_mail(void *arg, struct mail *mail)
{
    struct order_keeper *keeper = arg;
    MAGIC_CHECK(keeper, KEEPER_MAGIC);
    struct order_mail *from = order_mail_of(mail);
    switch ((enum order_mail_kind)mail->kind) {
    case ORDER_ASKED:
        on_asked(keeper, CONTAINER_OF(from, struct order_ask, mail));
        return;
    case ORDER_TOLD:
        on_told(keeper, CONTAINER_OF(from, struct order_set, mail));
        return;
    case ORDER_REPORTED:
        on_reported(keeper, CONTAINER_OF(from, struct order_report, mail));
        return;
    }
    unreachable_state();
}

// ---- from the ledger ----

void order_keeper_committed(struct order_keeper *keeper, const struct ledger_writer *writer)
{
    pthread_mutex_lock(&keeper->lock);
    for (unsigned i = 0; i < keeper->gateway->platform.workers; i++)
        (void)ledger_position_get(writer, (uint16_t)i, &keeper->committed[i]);
    pthread_mutex_unlock(&keeper->lock);
    ev_wake_signal(&keeper->committed_wake);
}

static void on_committed(void *arg)
{
    struct order_keeper *keeper = arg;
    MAGIC_CHECK(keeper, KEEPER_MAGIC);
    unsigned workers = keeper->gateway->platform.workers;
    pthread_mutex_lock(&keeper->lock);
    memcpy(keeper->copy, keeper->committed, workers * sizeof *keeper->copy);
    pthread_mutex_unlock(&keeper->lock);
    for (unsigned i = 0; i < workers; i++)
        LIST_EACH(&keeper->streams[i], node)
        {
            struct seen *seen = CONTAINER_OF(node, struct seen, stream_node);
            struct uid *uid = seen->uid;
            if (journal_position_compare(seen->close, keeper->copy[i]) >= 0)
                break;
            if (uid->asks > 0 && !seen->is_member)
                continue; // a question that is open still counts on finding it
            keeper_seen_free(keeper, seen);
            keeper_uid_forget_if_empty(keeper, uid);
        }
}

// ---- life ----

static enum result parts_make(struct order_keeper *keeper)
{
    struct gateway *gateway = keeper->gateway;
    unsigned workers = gateway->platform.workers;
    keeper->table_size = TABLE_FIRST;
    keeper->table = calloc(TABLE_FIRST, sizeof(struct uid *));
    keeper->streams = calloc(workers, sizeof *keeper->streams);
    keeper->to_worker = calloc(workers, sizeof *keeper->to_worker);
    keeper->committed = calloc(workers, sizeof *keeper->committed);
    keeper->copy = calloc(workers, sizeof *keeper->copy);
    if (keeper->table == NULL || keeper->streams == NULL || keeper->to_worker == NULL ||
        keeper->committed == NULL || keeper->copy == NULL)
        return ERR_NOMEM;
    enum result result =
        ev_mailbox_init(&keeper->inbox, keeper->loop, INBOX_CAPACITY, BATCH, on_mail, keeper);
    if (result != OK)
        return result;
    for (unsigned i = 0; i < workers; i++) {
        list_init(&keeper->streams[i]);
        order_outbox_init(&keeper->to_worker[i], keeper->loop, &gateway->workers[i]->inbox);
    }
    order_outbox_init(&keeper->to_self, keeper->loop, &keeper->inbox);
    return OK;
}

static void arrays_free(struct order_keeper *keeper)
{
    free(keeper->table);
    free(keeper->streams);
    free(keeper->to_worker);
    free(keeper->committed);
    free(keeper->copy);
    free(keeper);
}

enum result order_keeper_new(struct gateway *gateway, struct order_keeper **out)
{
    struct order_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return ERR_NOMEM;
    keeper->gateway = gateway;
    keeper->loop = gateway->platform.lookup_loop;
    enum result result = parts_make(keeper);
    if (result != OK) {
        arrays_free(keeper);
        return result;
    }
    list_init(&keeper->dirty);
    list_init(&keeper->rejections);
    list_init(&keeper->again);
    ev_random(keeper->loop, &keeper->seed, sizeof keeper->seed);
    pool_init(&keeper->uid_pool, sizeof(struct uid), 1024);
    pool_init(&keeper->seen_pool, sizeof(struct seen), 1024);
    pthread_mutex_init(&keeper->lock, NULL);
    ev_timer_init(&keeper->again_timer, keeper->loop, on_again, keeper);
    ev_task_init(&keeper->decide_task, keeper->loop, on_decide, keeper);
    ev_wake_init(&keeper->committed_wake, keeper->loop, on_committed, keeper);
    MAGIC_INIT(keeper, KEEPER_MAGIC);
    *out = keeper;
    return OK;
}

struct ev_mailbox *order_keeper_inbox(struct order_keeper *keeper)
{
    return &keeper->inbox;
}

static void mail_drop(struct order_mail *mail, enum order_mail_kind kind)
{
    if (kind == ORDER_ASKED)
        order_ask_free(CONTAINER_OF(mail, struct order_ask, mail));
}

void order_keeper_drain(struct order_keeper *keeper)
{
    if (keeper == NULL)
        return;
    MAGIC_CHECK(keeper, KEEPER_MAGIC);
    for (struct mail *mail = ev_mailbox_take(&keeper->inbox); mail != NULL;
         mail = ev_mailbox_take(&keeper->inbox))
        mail_drop(order_mail_of(mail), (enum order_mail_kind)mail->kind);
    ev_mailbox_close(&keeper->inbox); // workers that are taken down still report
    for (unsigned i = 0; i < keeper->gateway->platform.workers; i++)
        for (struct order_mail *mail = order_outbox_take(&keeper->to_worker[i]); mail != NULL;
             mail = order_outbox_take(&keeper->to_worker[i]))
            mail_drop(mail, (enum order_mail_kind)mail->call.mail.kind);
    for (struct order_mail *mail = order_outbox_take(&keeper->to_self); mail != NULL;
         mail = order_outbox_take(&keeper->to_self))
        order_ask_free(CONTAINER_OF(mail, struct order_ask, mail));
    for (struct list_node *node = list_take_first(&keeper->again); node != NULL;
         node = list_take_first(&keeper->again))
        order_ask_free(CONTAINER_OF(node, struct order_ask, keeper_node));
    for (unsigned i = 0; i < keeper->gateway->platform.workers; i++)
        order_outbox_fini(&keeper->to_worker[i]);
    order_outbox_fini(&keeper->to_self);
}

void order_keeper_free(struct order_keeper *keeper)
{
    if (keeper == NULL)
        return;
    MAGIC_CHECK(keeper, KEEPER_MAGIC);
    for (size_t i = 0; i < keeper->table_size; i++)
        while (keeper->table[i] != NULL) {
            struct uid *uid = keeper->table[i];
            keeper_members_free(uid);
            while (!list_is_empty(&uid->rejections))
                keeper_rejection_free(keeper,
                                      CONTAINER_OF(list_first(&uid->rejections), struct rejection, uid_node));
            while (!list_is_empty(&uid->seen))
                keeper_seen_free(keeper, CONTAINER_OF(list_first(&uid->seen), struct seen, uid_node));
            keeper->table[i] = uid->next;
            pool_give(&keeper->uid_pool, uid);
        }
    ev_timer_fini(&keeper->again_timer);
    ev_task_fini(&keeper->decide_task);
    ev_wake_fini(&keeper->committed_wake);
    ev_mailbox_fini(&keeper->inbox);
    pthread_mutex_destroy(&keeper->lock);
    pool_fini(&keeper->uid_pool);
    pool_fini(&keeper->seen_pool);
    MAGIC_CLEAR(keeper);
    arrays_free(keeper);
}
