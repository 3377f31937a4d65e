// SPDX-License-Identifier: Apache-2.0
//
// Message boundaries by the message control header alone (PS3.8 annex E.2): command fragments until the last
// one, then, if the command says so, data set fragments until the last one.
#include "dimse/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/magic.h"
#include "base/wipe.h"

enum { READER_MAGIC = 0x64696d73, FIRST_CAPACITY = 512, CONTROL_COMMAND = 1, CONTROL_LAST = 2 };

void dimse_reader_init(struct dimse_reader *reader, size_t command_limit, const struct dimse_handler *handler,
                       void *arg)
{
    *reader = (struct dimse_reader){.state = DIMSE_READER_IDLE, .handler = handler, .arg = arg};
    reader->command_limit = command_limit == 0 ? DIMSE_COMMAND_LIMIT : command_limit;
    MAGIC_INIT(reader, READER_MAGIC);
}

void dimse_reader_fini(struct dimse_reader *reader)
{
    MAGIC_CHECK(reader, READER_MAGIC);
    if (reader->buffer != NULL)
        wipe(reader->buffer, reader->capacity);
    free(reader->buffer);
    reader->buffer = NULL;
    MAGIC_CLEAR(reader);
}

// The one place where the state changes.
static void state_set(struct dimse_reader *reader, enum dimse_reader_state state)
{
    reader->state = state;
}

static void fail(struct dimse_reader *reader, enum dimse_reason reason)
{
    state_set(reader, DIMSE_READER_DEAD);
    reader->handler->on_error(reader->arg, reason);
}

// PS3.7 6.3.1 and 9.1.2: what each kind of message can not do without.
static enum dimse_reason judge(const struct dimse_command *command)
{
    if (!dimse_command_has(command, DIMSE_COMMAND_FIELD))
        return DIMSE_REASON_NO_COMMAND_FIELD;
    if (!dimse_command_has(command, DIMSE_DATA_SET_TYPE))
        return DIMSE_REASON_NO_DATA_SET_TYPE;
    const bool is_response = dimse_command_is_response(command);
    const bool is_about_another = is_response || command->command_field == DIMSE_C_CANCEL_RQ;
    if (!dimse_command_has(command, is_about_another ? DIMSE_MESSAGE_ID_RESPONDED_TO : DIMSE_MESSAGE_ID))
        return DIMSE_REASON_NO_MESSAGE_ID;
    if (is_response && !dimse_command_has(command, DIMSE_STATUS))
        return DIMSE_REASON_NO_STATUS;
    return DIMSE_REASON_NONE;
}

static void command_finish(struct dimse_reader *reader)
{
    if (dimse_command_decode(slice_of(reader->buffer, reader->length), &reader->command) != OK) {
        fail(reader, DIMSE_REASON_COMMAND_FORMAT);
        return;
    }
    enum dimse_reason reason = judge(&reader->command);
    if (reason != DIMSE_REASON_NONE) {
        fail(reader, reason);
        return;
    }
    state_set(reader, dimse_command_has_data_set(&reader->command) ? DIMSE_READER_DUE : DIMSE_READER_IDLE);
    reader->handler->on_command(reader->arg, reader->context_id, &reader->command);
}

static bool reserve(struct dimse_reader *reader, size_t more)
{
    size_t needed = reader->length + more; // both at most command_limit
    if (needed <= reader->capacity)
        return true;
    size_t capacity = reader->capacity == 0 ? FIRST_CAPACITY : reader->capacity;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *buffer = malloc(capacity);
    if (buffer == NULL)
        return false;
    if (reader->length > 0)
        memcpy(buffer, reader->buffer, reader->length);
    if (reader->buffer != NULL)
        wipe(reader->buffer, reader->capacity);
    free(reader->buffer);
    reader->buffer = buffer;
    reader->capacity = capacity;
    return true;
}

static void command_begin(struct dimse_reader *reader, uint8_t context_id, uint32_t length)
{
    if (reader->state == DIMSE_READER_DUE || reader->state == DIMSE_READER_DATA) {
        fail(reader, DIMSE_REASON_COMMAND_IN_DATA);
        return;
    }
    if (reader->state == DIMSE_READER_IDLE) {
        reader->length = 0;
        reader->context_id = context_id;
    }
    if (length > reader->command_limit - reader->length)
        fail(reader, DIMSE_REASON_COMMAND_TOO_LONG);
    else
        state_set(reader, DIMSE_READER_COMMAND);
}

static void data_begin(struct dimse_reader *reader)
{
    if (reader->state == DIMSE_READER_IDLE || reader->state == DIMSE_READER_COMMAND)
        fail(reader, DIMSE_REASON_DATA_BEFORE_COMMAND);
    else
        state_set(reader, DIMSE_READER_DATA);
}

void dimse_reader_pdv_begin(struct dimse_reader *reader, uint8_t context_id, uint8_t control, uint32_t length)
{
    MAGIC_CHECK(reader, READER_MAGIC);
    if (reader->state == DIMSE_READER_DEAD)
        return;
    reader->control = control;
    if (reader->state != DIMSE_READER_IDLE && context_id != reader->context_id)
        fail(reader, DIMSE_REASON_CONTEXT_CHANGED);
    else if ((control & CONTROL_COMMAND) != 0)
        command_begin(reader, context_id, length);
    else
        data_begin(reader);
}

void dimse_reader_pdv_data(struct dimse_reader *reader, struct slice piece)
{
    if (reader->state == DIMSE_READER_DEAD || piece.length == 0)
        return;
    if (reader->state == DIMSE_READER_DATA) {
        reader->handler->on_data(reader->arg, piece);
        return;
    }
    ensure(reader->state == DIMSE_READER_COMMAND);
    // The header's length was within the limit; a caller that brings more than it said is stopped here.
    if (piece.length > reader->command_limit - reader->length) {
        fail(reader, DIMSE_REASON_COMMAND_TOO_LONG);
        return;
    }
    if (!reserve(reader, piece.length)) {
        fail(reader, DIMSE_REASON_NO_MEMORY);
        return;
    }
    memcpy(reader->buffer + reader->length, piece.data, piece.length);
    reader->length += piece.length;
}

void dimse_reader_pdv_end(struct dimse_reader *reader)
{
    if (reader->state == DIMSE_READER_DEAD || (reader->control & CONTROL_LAST) == 0)
        return;
    if (reader->state == DIMSE_READER_COMMAND) {
        command_finish(reader);
        return;
    }
    ensure(reader->state == DIMSE_READER_DATA);
    state_set(reader, DIMSE_READER_IDLE);
    reader->handler->on_data_end(reader->arg);
}

bool dimse_reader_is_idle(const struct dimse_reader *reader)
{
    return reader->state == DIMSE_READER_IDLE;
}
