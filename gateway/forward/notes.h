// SPDX-License-Identifier: Apache-2.0
//
// Small journal records that must get there whatever happens: DROP, OUTCOME and SENT. A note is appended now
// or as soon as the stream has room, and appended again if its segment dies before it is durable (ENGINE 3).
// Until it is durable it is kept here; after a power cut its loss costs one extra delivery, which ENGINE 2
// allows.
//
// Thread: the worker's.
#pragma once

#include "base/list.h"
#include "base/pool.h"
#include "journal/stream.h"

enum { NOTES_TEXT = 255 }; // bytes that are kept of a text: all that a person may say (ADMIN_TEXT)

struct notes {
    struct journal_stream *stream;
    struct list waiting; // for room in the stream
    struct list sinking; // appended, not durable yet
    struct list waits;
    uint64_t number; // of the last one
    uint64_t lost;   // ones that will never be durable
    struct pool pool;
};

// Until all that has been noted by then is durable. The caller's, zeroed.
struct notes_wait {
    struct list_node node;
    uint64_t number;
    size_t left;
    void (*done)(struct notes_wait *wait); // once, never within notes_wait_begin()
};

void notes_init(struct notes *notes, struct journal_stream *stream);
void notes_fini(struct notes *notes);

// Texts of the records are copied; longer ones, which only peers have, end in front of a character.
// Lack of memory is met by the record being lost: logged and counted.
void notes_outcome(struct notes *notes, const struct record_outcome *outcome);
void notes_drop(struct notes *notes, uint64_t receipt, const struct record_drop *drop);
// A SENT that the lane has appended at `place` and whose write has returned: the instance may have gone out
// on the strength of it, so from now on it is kept like the others. Its evidence is copied, and wiped in the
// end.
void notes_sent(struct notes *notes, uint64_t receipt, const struct record_sent *sent,
                const struct journal_place *place);

// From the stream's on_room.
void notes_retry(struct notes *notes);
// False: all is durable already, and nothing will be called.
MUST_USE bool notes_wait_begin(struct notes *notes, struct notes_wait *wait);
void notes_wait_cancel(struct notes *notes, struct notes_wait *wait); // one that does not wait is fine
// Nothing waits any more: a graceful stop may go on.
bool notes_are_empty(const struct notes *notes);
