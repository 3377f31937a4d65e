// SPDX-License-Identifier: Apache-2.0
#include "forward/notes.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wipe.h"
#include <stdlib.h>

enum note_kind { NOTE_OUTCOME, NOTE_DROP, NOTE_SENT };

struct note {
    struct list_node node;
    struct notes *notes;
    struct journal_waiter waiter;
    enum note_kind kind;
    uint64_t number;
    uint64_t receipt;
    union {
        struct record_outcome outcome;
        struct record_drop drop;
        struct record_sent sent;
    };
    char comment[NOTES_TEXT];
    char person[NOTES_TEXT];
    uint8_t *said; // of a SENT: a copy of evidence and reasons; patient data. NULL: none
    size_t said_length;
};

static void note_submit(struct note *note);

static void lost(struct notes *notes, uint64_t receipt, enum result why)
{
    notes->lost++;
    log_event(LOG_NOTE_LOST, log_number(receipt), log_text(result_text(why)));
}

void notes_init(struct notes *notes, struct journal_stream *stream)
{
    notes->stream = stream;
    list_init(&notes->waiting);
    list_init(&notes->sinking);
    list_init(&notes->waits);
    notes->number = 0;
    notes->lost = 0;
    pool_init(&notes->pool, sizeof(struct note), 64);
}

static void waits_count(struct notes *notes, uint64_t number)
{
    LIST_EACH(&notes->waits, node)
    {
        struct notes_wait *wait = CONTAINER_OF(node, struct notes_wait, node);
        if (number > wait->number || --wait->left > 0)
            continue;
        list_remove(&notes->waits, node);
        wait->done(wait);
    }
}

static void note_give(struct note *note)
{
    waits_count(note->notes, note->number);
    if (note->said != NULL)
        wipe(note->said, note->said_length);
    free(note->said);
    pool_give(&note->notes->pool, note);
}

void notes_fini(struct notes *notes)
{
    list_init(&notes->waits); // nobody is told any more
    LIST_EACH(&notes->waiting, node)
    {
        list_remove(&notes->waiting, node);
        note_give(CONTAINER_OF(node, struct note, node));
    }
    LIST_EACH(&notes->sinking, node)
    {
        struct note *note = CONTAINER_OF(node, struct note, node);
        list_remove(&notes->sinking, node);
        journal_wait_cancel(notes->stream, &note->waiter);
        note_give(note);
    }
    pool_fini(&notes->pool);
}

static void on_durable(struct journal_waiter *waiter, enum result result)
{
    struct note *note = CONTAINER_OF(waiter, struct note, waiter);
    list_remove(&note->notes->sinking, &note->node);
#if DG_FAULT_SENT_FORGOTTEN
    result = note->kind == NOTE_SENT ? OK : result;
#endif
    if (result == OK)
        note_give(note);
    else
        note_submit(note);
}

static enum result append(struct note *note, struct journal_place *place)
{
    switch (note->kind) {
    case NOTE_DROP:
        return journal_append_drop(note->notes->stream, note->receipt, &note->drop, place);
    case NOTE_SENT:
        return journal_append_sent(note->notes->stream, note->receipt, &note->sent, place);
    case NOTE_OUTCOME:
        break;
    }
    return journal_append_outcome(note->notes->stream, &note->outcome, place);
}

// Until it is durable; ERR_IO: its segment has died before that.
static enum result note_sink(struct note *note, const struct journal_place *place)
{
    note->waiter.done = on_durable;
    enum result result = journal_wait(note->notes->stream, place, JOURNAL_DURABLE, &note->waiter);
    if (result == AGAIN)
        list_append(&note->notes->sinking, &note->node);
    else if (result == OK)
        note_give(note);
    return result == AGAIN ? OK : result;
}

// False: it has to wait for the next room.
static bool note_append(struct note *note)
{
    struct journal_place place;
    enum result result = append(note, &place);
    if (result == AGAIN || result == ERR_SPACE || result == ERR_NOMEM)
        return false;
    if (result != OK) {
        lost(note->notes, note->receipt, result);
        note_give(note);
        return true;
    }
    return note_sink(note, &place) == OK;
}

// What is said later of a delivery never stands earlier in the stream: nobody overtakes.
static void note_submit(struct note *note)
{
    struct list *waiting = &note->notes->waiting;
    if (!list_is_empty(waiting) || !note_append(note))
        list_append(waiting, &note->node);
}

void notes_retry(struct notes *notes)
{
    for (struct list_node *node = list_take_first(&notes->waiting); node != NULL;
         node = list_take_first(&notes->waiting))
        if (!note_append(CONTAINER_OF(node, struct note, node))) {
            list_prepend(&notes->waiting, node);
            return;
        }
}

static struct note *note_new(struct notes *notes, enum note_kind kind, uint64_t receipt)
{
    struct note *note = pool_take(&notes->pool);
    if (note == NULL) {
        lost(notes, receipt, ERR_NOMEM);
        return NULL;
    }
    note->notes = notes;
    note->kind = kind;
    note->number = ++notes->number;
    note->receipt = receipt;
    return note;
}

static struct slice text_keep(char *to, struct slice from)
{
    size_t length = from.length < NOTES_TEXT ? from.length : NOTES_TEXT;
    if (length < from.length)
        for (unsigned i = 0; i < 3 && (from.data[length] & 0xC0) == 0x80; i++)
            length--;
    if (length > 0)
        memcpy(to, from.data, length);
    return slice_of(to, length);
}

static uint8_t *said_move(uint8_t *to, struct slice *said)
{
    if (said->length > 0)
        memcpy(to, said->data, said->length);
    said->data = to;
    return to + said->length;
}

// The lane's own memory of it does not last as long as the note.
static bool said_keep(struct note *note)
{
    struct record_flags *flags = &note->sent.flags;
    size_t length = note->sent.evidence.length;
    for (size_t i = 0; i < flags->reason_count; i++)
        length += flags->reason[i].length;
    if (length == 0)
        return true;
    note->said = malloc(length);
    if (note->said == NULL)
        return false;
    note->said_length = length;
    uint8_t *to = said_move(note->said, &note->sent.evidence);
    for (size_t i = 0; i < flags->reason_count; i++)
        to = said_move(to, &flags->reason[i]);
    return true;
}

void notes_outcome(struct notes *notes, const struct record_outcome *outcome)
{
    struct note *note = note_new(notes, NOTE_OUTCOME, outcome->receipt);
    if (note == NULL)
        return;
    note->outcome = *outcome;
    note->outcome.comment = text_keep(note->comment, outcome->comment);
    note->outcome.person = text_keep(note->person, outcome->person);
    note_submit(note);
}

void notes_drop(struct notes *notes, uint64_t receipt, const struct record_drop *drop)
{
    struct note *note = note_new(notes, NOTE_DROP, receipt);
    if (note == NULL)
        return;
    note->drop = *drop;
    note->drop.comment = text_keep(note->comment, drop->comment);
    note_submit(note);
}

void notes_sent(struct notes *notes, uint64_t receipt, const struct record_sent *sent,
                const struct journal_place *place)
{
    struct note *note = note_new(notes, NOTE_SENT, receipt);
    if (note == NULL)
        return;
    note->sent = *sent;
    if (!said_keep(note)) {
        lost(notes, receipt, ERR_NOMEM);
        note_give(note);
        return;
    }
    if (note_sink(note, place) != OK)
        note_submit(note);
}

bool notes_wait_begin(struct notes *notes, struct notes_wait *wait)
{
    wait->number = notes->number;
    wait->left = notes->waiting.count + notes->sinking.count;
    if (wait->left > 0)
        list_append(&notes->waits, &wait->node);
    return wait->left > 0;
}

void notes_wait_cancel(struct notes *notes, struct notes_wait *wait)
{
    if (list_node_is_linked(&wait->node))
        list_remove(&notes->waits, &wait->node);
}

bool notes_are_empty(const struct notes *notes)
{
    return list_is_empty(&notes->waiting) && list_is_empty(&notes->sinking);
}
