// SPDX-License-Identifier: Apache-2.0
//
// Finds the messages in a stream of PDVs (PS3.8 annex E, PS3.7 6.3): assembles the command set (bounded),
// decodes it, then passes the data set through in borrowed pieces. One reader per association and direction
// of receipt; owner: the leg; its thread. Fed from the callbacks of ul/association, whose values it takes as
// plain numbers.
//
// After on_error the reader is dead: further calls do nothing. It never frees inside a callback.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "dimse/command.h"
#include "dimse/reason.h"

// All must be set.
struct dimse_handler {
    // A whole command set. Borrowed until the first fragment of the next one, so it stays readable while its
    // data set comes in. dimse_command_has_data_set() tells whether on_data/on_data_end will follow. It has a
    // Command Field (perhaps an unknown one), a data set type and the message id that its kind needs.
    void (*on_command)(void *arg, uint8_t context_id, const struct dimse_command *command);
    void (*on_data)(void *arg, struct slice piece); // borrowed during the call, never empty
    void (*on_data_end)(void *arg);
    void (*on_error)(void *arg, enum dimse_reason reason);
};

enum dimse_reader_state {
    DIMSE_READER_IDLE,    // between messages
    DIMSE_READER_COMMAND, // some of a command set has come
    DIMSE_READER_DUE,     // command complete, data set announced, nothing of it has come
    DIMSE_READER_DATA,    // inside the data set
    DIMSE_READER_DEAD,
};

struct dimse_reader {
    uint32_t magic;
    enum dimse_reader_state state;
    const struct dimse_handler *handler;
    void *arg;
    size_t command_limit;
    uint8_t context_id; // of the message under way
    uint8_t control;    // of the PDV under way
    uint8_t *buffer;    // the command set; kept for the next one
    size_t length;
    size_t capacity;
    struct dimse_command command;
};

// `command_limit` in bytes, 0 = DIMSE_COMMAND_LIMIT. `handler` and `arg` are borrowed until _fini.
void dimse_reader_init(struct dimse_reader *reader, size_t command_limit, const struct dimse_handler *handler,
                       void *arg);
void dimse_reader_fini(struct dimse_reader *reader); // never inside a callback

// The three events of a PDV: its header (`control` bit 0 command, bit 1 last; `length` bytes of fragment),
// any number of pieces, its end.
void dimse_reader_pdv_begin(struct dimse_reader *reader, uint8_t context_id, uint8_t control,
                            uint32_t length);
void dimse_reader_pdv_data(struct dimse_reader *reader, struct slice piece);
void dimse_reader_pdv_end(struct dimse_reader *reader);

// Between messages: only then is a release clean (PROTOCOL 66).
bool dimse_reader_is_idle(const struct dimse_reader *reader);
