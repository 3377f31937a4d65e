// SPDX-License-Identifier: Apache-2.0
//
// A reader fed with arbitrary fragments: each is context id, control byte, 16-bit length (big endian),
// payload. Runs twice, with whole payloads and byte by byte, and must say the same both times, in an order
// that makes messages.
#include "base/check.h"
#include "base/cursor.h"
#include "dimse/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct owner {
    struct dimse_reader reader;
    uint64_t said;
    bool is_data_due;
    bool is_dead;
};

static void say(struct owner *owner, uint64_t what)
{
    owner->said = (owner->said ^ what) * 1099511628211u;
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct owner *owner = arg;
    ensure(!owner->is_dead && !owner->is_data_due);
    ensure(dimse_command_has(command, DIMSE_COMMAND_FIELD) &&
           dimse_command_has(command, DIMSE_DATA_SET_TYPE));
    owner->is_data_due = dimse_command_has_data_set(command);
    say(owner, 1000u + context_id);
    say(owner, command->command_field);
}

static void on_data(void *arg, struct slice piece)
{
    struct owner *owner = arg;
    ensure(!owner->is_dead && owner->is_data_due && piece.length > 0);
    ensure(dimse_command_has(&owner->reader.command, DIMSE_COMMAND_FIELD));
    for (size_t i = 0; i < piece.length; i++)
        say(owner, piece.data[i]);
}

static void on_data_end(void *arg)
{
    struct owner *owner = arg;
    ensure(!owner->is_dead && owner->is_data_due);
    owner->is_data_due = false;
    say(owner, 2000);
}

static void on_error(void *arg, enum dimse_reason reason)
{
    struct owner *owner = arg;
    ensure(!owner->is_dead && reason != DIMSE_REASON_NONE);
    owner->is_dead = true;
    say(owner, 3000u + reason);
}

static const struct dimse_handler HANDLER = {on_command, on_data, on_data_end, on_error};

static uint64_t run(struct slice bytes, size_t step)
{
    struct owner owner = {.said = 14695981039346656037u};
    dimse_reader_init(&owner.reader, 4096, &HANDLER, &owner);
    struct cursor c = cursor_of(bytes);
    while (cursor_left(&c) >= 4) {
        uint8_t context_id = cursor_u8(&c);
        uint8_t control = cursor_u8(&c);
        size_t length = cursor_u16be(&c);
        struct slice payload = cursor_take(&c, length < cursor_left(&c) ? length : cursor_left(&c));
        dimse_reader_pdv_begin(&owner.reader, context_id, control, (uint32_t)payload.length);
        for (; payload.length > 0; payload = slice_from(payload, step))
            dimse_reader_pdv_data(&owner.reader, slice_first(payload, step));
        dimse_reader_pdv_end(&owner.reader);
        ensure(!dimse_reader_is_idle(&owner.reader) || (!owner.is_dead && !owner.is_data_due));
    }
    dimse_reader_fini(&owner.reader);
    return owner.said;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ensure(run(slice_of(data, size), SIZE_MAX / 2) == run(slice_of(data, size), 1));
    return 0;
}
