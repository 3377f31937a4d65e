// SPDX-License-Identifier: Apache-2.0
//
// The control environment. Keys are readable: archive id big endian, then the UIDs with a zero between.
// Thread: writes from one thread, reads from any.
#include "store/control.h"
#include "base/check.h"
#include "base/text.h"
#include "cbor/reader.h"
#include "cbor/writer.h"
#include <stdlib.h>

enum control_database {
    CONTROL_CAPABILITY,
    CONTROL_PAUSE,
    CONTROL_DAMAGE,
    CONTROL_PROPOSAL,
    CONTROL_DATABASES
};

static const struct kv_database databases[CONTROL_DATABASES] = {
    [CONTROL_CAPABILITY] = {"capability", false, 0},
    [CONTROL_PAUSE] = {"pause", false, 0},
    [CONTROL_DAMAGE] = {"damage", false, 0},
    [CONTROL_PROPOSAL] = {"proposal", false, 0},
};

const struct kv_schema control_schema = {"control", databases, CONTROL_DATABASES};

// Stored numbers: see LEDGER.md.
enum capability_key { CAPABILITY_ANSWER = 1, CAPABILITY_WHEN = 2 };
enum proposal_key {
    PROPOSAL_ARCHIVE = 1,
    PROPOSAL_CLIENT = 2,
    PROPOSAL_WHEN = 3,
    PROPOSAL_RESULTS = 4,
    PROPOSAL_TRANSFERS = 5
};
enum pause_key { PAUSE_WHEN = 1, PAUSE_WHO = 2, PAUSE_WHY = 3 };
enum damage_key {
    DAMAGE_BYTES = 1,
    DAMAGE_RECEIPT = 2,
    DAMAGE_TYPE = 3,
    DAMAGE_FINDER = 4,
    DAMAGE_WHEN = 5,
};

#define ARCHIVE_SIZE     4
#define CAPABILITY_MAX   (ARCHIVE_SIZE + 2 * (CONTROL_UID_MAX + 1) + 1) // and one for "the next key"
#define VALUE_MAX        512
#define LOT_CAPABILITIES 128
#define ATTEMPTS_MAX     8 // of a commit whose map was full

struct capability_name {
    uint8_t bytes[CAPABILITY_MAX];
    size_t length;
};

static void archive_put(uint8_t out[ARCHIVE_SIZE], uint32_t archive)
{
    for (unsigned i = 0; i < ARCHIVE_SIZE; i++)
        out[i] = (uint8_t)(archive >> (24 - 8 * i));
}

static uint32_t archive_get(struct slice key)
{
    uint32_t archive = 0;
    for (size_t i = 0; i < ARCHIVE_SIZE && i < key.length; i++)
        archive = archive << 8 | key.data[i];
    return archive;
}

static enum result name_make(struct capability_name *name, uint32_t archive, const char *abstract_syntax,
                             const char *transfer_syntax)
{
    size_t abstract_length = strlen(abstract_syntax);
    size_t transfer_length = strlen(transfer_syntax);
    if (abstract_length == 0 || abstract_length > CONTROL_UID_MAX || transfer_length == 0 ||
        transfer_length > CONTROL_UID_MAX)
        return ERR_ARGUMENT;
    archive_put(name->bytes, archive);
    memcpy(name->bytes + ARCHIVE_SIZE, abstract_syntax, abstract_length + 1);
    memcpy(name->bytes + ARCHIVE_SIZE + abstract_length + 1, transfer_syntax, transfer_length);
    name->length = ARCHIVE_SIZE + abstract_length + 1 + transfer_length;
    return OK;
}

static enum result capability_decode(struct slice key, struct slice value, struct control_capability *out)
{
    struct cbor_reader reader;
    int64_t field;
    struct slice uids = slice_from(key, ARCHIVE_SIZE);
    const uint8_t *zero = uids.length > 0 ? memchr(uids.data, 0, uids.length) : NULL;
    if (zero == NULL)
        return ERR_FORMAT;
    size_t abstract_length = (size_t)(zero - uids.data);
    *out = (struct control_capability){.archive = archive_get(key)};
    if (!text_copy(out->abstract_syntax, sizeof out->abstract_syntax, slice_first(uids, abstract_length)) ||
        !text_copy(out->transfer_syntax, sizeof out->transfer_syntax, slice_from(uids, abstract_length + 1)))
        return ERR_FORMAT;
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == CAPABILITY_ANSWER)
            out->answer = (uint8_t)cbor_take_uint(&reader, UINT8_MAX);
        else if (field == CAPABILITY_WHEN)
            out->when = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

static enum result capability_put(struct kv_transaction *transaction,
                                  const struct control_capability *capability)
{
    struct capability_name name;
    uint8_t memory[VALUE_MAX];
    struct cbor_writer writer;
    enum result result =
        name_make(&name, capability->archive, capability->abstract_syntax, capability->transfer_syntax);
    if (result != OK)
        return result;
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, CAPABILITY_ANSWER, capability->answer);
    cbor_put_uint(&writer, CAPABILITY_WHEN, capability->when);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, CONTROL_CAPABILITY, slice_of(name.bytes, name.length),
                  cbor_writer_slice(&writer), KV_PLAIN);
}

static enum result capabilities_write(struct kv_env *env, const struct control_capability *list, size_t count)
{
    struct kv_transaction transaction;
    enum result result = kv_begin(env, KV_WRITE, &transaction);
    for (size_t i = 0; result == OK && i < count; i++)
        result = capability_put(&transaction, &list[i]);
    if (result == OK)
        return kv_commit(&transaction);
    kv_abort(&transaction);
    return result;
}

enum result control_capabilities_put(struct kv_env *env, const struct control_capability *list, size_t count)
{
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < ATTEMPTS_MAX; attempt++)
        result = capabilities_write(env, list, count);
    return result;
}

// The next capabilities at or above `*next`, which is then set behind the last of them. ERR_MISSING: there
// are none.
static enum result capabilities_lot(struct kv_env *env, struct capability_name *next,
                                    struct control_capability *lot, size_t *count)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    *count = 0;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, CONTROL_CAPABILITY);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(next->bytes, next->length));
    while (result == OK && *count < LOT_CAPABILITIES) {
        result = capability_decode(cursor.key, cursor.value, &lot[*count]);
        if (result != OK)
            break;
        // The smallest key above this one; all keys are shorter than the array.
        memcpy(next->bytes, cursor.key.data, cursor.key.length);
        next->bytes[cursor.key.length] = 0;
        next->length = cursor.key.length + 1;
        (*count)++;
        result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING && *count > 0 ? OK : result;
}

enum result control_capabilities_each(struct kv_env *env, control_capability_visit *visit, void *argument)
{
    struct control_capability *lot = calloc(LOT_CAPABILITIES, sizeof *lot);
    struct capability_name next = {.length = 1};
    size_t count = 0;
    enum result result = lot != NULL ? OK : ERR_NOMEM;
    while (result == OK) {
        result = capabilities_lot(env, &next, lot, &count);
        for (size_t i = 0; result == OK && i < count; i++)
            result = visit(argument, &lot[i]);
    }
    free(lot);
    return result == ERR_MISSING ? OK : result;
}

// ---- proposals

static enum result proposal_put(struct kv_transaction *transaction, const struct control_proposal *proposal)
{
    uint8_t memory[VALUE_MAX + 2 * CONTROL_PROPOSAL_CONTEXTS];
    struct cbor_writer writer;
    struct slice key = slice_of(proposal->digest, sizeof proposal->digest);
    if (proposal->is_gone) {
        enum result result = kv_delete(transaction, CONTROL_PROPOSAL, key, NULL);
        return result == ERR_MISSING ? OK : result;
    }
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, PROPOSAL_ARCHIVE, proposal->archive);
    cbor_put_uint(&writer, PROPOSAL_CLIENT, proposal->client);
    cbor_put_uint(&writer, PROPOSAL_WHEN, proposal->when);
    cbor_put_bytes(&writer, PROPOSAL_RESULTS, slice_of(proposal->result, proposal->count));
    cbor_put_bytes(&writer, PROPOSAL_TRANSFERS, slice_of(proposal->transfer, proposal->count));
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, CONTROL_PROPOSAL, key, cbor_writer_slice(&writer), KV_PLAIN);
}

static enum result proposals_write(struct kv_env *env, const struct control_proposal *list, size_t count)
{
    struct kv_transaction transaction;
    enum result result = kv_begin(env, KV_WRITE, &transaction);
    for (size_t i = 0; result == OK && i < count; i++)
        result = proposal_put(&transaction, &list[i]);
    if (result == OK)
        return kv_commit(&transaction);
    kv_abort(&transaction);
    return result;
}

enum result control_proposals_put(struct kv_env *env, const struct control_proposal *list, size_t count)
{
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < ATTEMPTS_MAX; attempt++)
        result = proposals_write(env, list, count);
    return result;
}

static void numbers_take(struct cbor_reader *reader, uint8_t *to, size_t *count)
{
    struct slice bytes = cbor_take_bytes(reader, CONTROL_PROPOSAL_CONTEXTS);
    if (bytes.length > 0)
        memcpy(to, bytes.data, bytes.length);
    *count = bytes.length;
}

static bool proposal_decode(struct slice key, struct slice value, struct control_proposal *proposal)
{
    struct cbor_reader reader;
    int64_t field;
    size_t results = 0;
    size_t transfers = 0;
    if (key.length != CONTROL_PROPOSAL_DIGEST)
        return false;
    *proposal = (struct control_proposal){0};
    memcpy(proposal->digest, key.data, key.length);
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == PROPOSAL_ARCHIVE)
            proposal->archive = (uint32_t)cbor_take_uint(&reader, UINT32_MAX);
        else if (field == PROPOSAL_CLIENT)
            proposal->client = (uint32_t)cbor_take_uint(&reader, UINT32_MAX);
        else if (field == PROPOSAL_WHEN)
            proposal->when = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == PROPOSAL_RESULTS)
            numbers_take(&reader, proposal->result, &results);
        else if (field == PROPOSAL_TRANSFERS)
            numbers_take(&reader, proposal->transfer, &transfers);
    }
    proposal->count = (uint8_t)results;
    return cbor_reader_result(&reader) == OK && transfers == results;
}

enum result control_proposals_each(struct kv_env *env, control_proposal_visit *visit, void *argument)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    static const uint8_t lowest[1] = {0};
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, CONTROL_PROPOSAL);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(lowest, sizeof lowest));
    while (result == OK) {
        struct control_proposal proposal;
        if (proposal_decode(cursor.key, cursor.value, &proposal))
            result = visit(argument, &proposal);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING ? OK : result;
}

// ---- paused archives

static enum result pause_decode(struct slice key, struct slice value, struct control_pause *pause)
{
    struct cbor_reader reader;
    int64_t field;
    if (key.length != ARCHIVE_SIZE)
        return ERR_FORMAT;
    *pause = (struct control_pause){.archive = archive_get(key)};
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == PAUSE_WHEN)
            pause->when = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == PAUSE_WHO)
            (void)text_copy(pause->who, sizeof pause->who, cbor_take_bytes(&reader, sizeof pause->who - 1));
        else if (field == PAUSE_WHY)
            (void)text_copy(pause->why, sizeof pause->why, cbor_take_bytes(&reader, sizeof pause->why - 1));
    }
    return cbor_reader_result(&reader);
}

static enum result pause_write(struct kv_env *env, uint32_t archive, const struct slice *value)
{
    struct kv_transaction transaction;
    uint8_t bytes[ARCHIVE_SIZE] = {0};
    struct slice key = slice_of(bytes, sizeof bytes);
    archive_put(bytes, archive);
    enum result result = kv_begin(env, KV_WRITE, &transaction);
    if (result == OK && value != NULL)
        result = kv_put(&transaction, CONTROL_PAUSE, key, *value, KV_NO_OVERWRITE);
    else if (result == OK)
        result = kv_delete(&transaction, CONTROL_PAUSE, key, NULL);
    if (result == OK)
        return kv_commit(&transaction);
    kv_abort(&transaction);
    return result == ERR_EXISTS || result == ERR_MISSING ? OK : result;
}

static enum result pause_change(struct kv_env *env, uint32_t archive, const struct slice *value)
{
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < ATTEMPTS_MAX; attempt++)
        result = pause_write(env, archive, value);
    return result;
}

enum result control_archive_pause(struct kv_env *env, const struct control_pause *pause)
{
    uint8_t memory[64 + sizeof pause->who + sizeof pause->why];
    struct cbor_writer writer;
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, PAUSE_WHEN, pause->when);
    cbor_put_bytes(&writer, PAUSE_WHO, slice_of_text(pause->who));
    if (pause->why[0] != 0)
        cbor_put_bytes(&writer, PAUSE_WHY, slice_of_text(pause->why));
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    struct slice value = cbor_writer_slice(&writer);
    return pause_change(env, pause->archive, &value);
}

enum result control_archive_resume(struct kv_env *env, uint32_t archive)
{
    return pause_change(env, archive, NULL);
}

enum result control_pauses_get(struct kv_env *env, struct control_pause *list, size_t capacity, size_t *count)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    struct control_pause pause;
    *count = 0;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, CONTROL_PAUSE);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK) {
        result = pause_decode(cursor.key, cursor.value, &pause);
        if (result != OK)
            break;
        if (*count < capacity)
            list[*count] = pause;
        (*count)++;
        result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING ? OK : result;
}

// ---- damage: the key is stream, segment and offset, big endian ----

#define DAMAGE_KEY_SIZE 14u

const char *control_damage_finder_text(uint8_t finder)
{
    static const char *const texts[] = {"unknown", "ledger", "lane", "scrub"};
    return texts[finder < sizeof texts / sizeof texts[0] ? finder : 0];
}

static void number_put(uint8_t *out, unsigned size, uint64_t number)
{
    for (unsigned i = 0; i < size; i++)
        out[i] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static uint64_t number_get(const uint8_t *in, unsigned size)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < size; i++)
        number = number << 8 | in[i];
    return number;
}

static enum result damage_write(struct kv_env *env, struct slice key, struct slice value)
{
    struct kv_transaction transaction;
    enum result result = kv_begin(env, KV_WRITE, &transaction);
    if (result == OK)
        result = kv_put(&transaction, CONTROL_DAMAGE, key, value, KV_PLAIN);
    if (result == OK)
        return kv_commit(&transaction);
    kv_abort(&transaction);
    return result;
}

enum result control_damage_put(struct kv_env *env, const struct control_damage *damage)
{
    uint8_t key[DAMAGE_KEY_SIZE];
    uint8_t memory[VALUE_MAX];
    struct cbor_writer writer;
    number_put(key, 2, damage->position.stream);
    number_put(key + 2, 4, damage->position.segment);
    number_put(key + 6, 8, damage->position.offset);
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, DAMAGE_BYTES, damage->bytes);
    cbor_put_uint(&writer, DAMAGE_RECEIPT, damage->receipt);
    cbor_put_uint(&writer, DAMAGE_TYPE, damage->type);
    cbor_put_uint(&writer, DAMAGE_FINDER, damage->finder);
    cbor_put_uint(&writer, DAMAGE_WHEN, damage->when);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < ATTEMPTS_MAX; attempt++)
        result = damage_write(env, slice_of(key, sizeof key), cbor_writer_slice(&writer));
    return result;
}

static enum result damage_decode(struct slice key, struct slice value, struct control_damage *out)
{
    struct cbor_reader reader;
    int64_t field;
    if (key.length != DAMAGE_KEY_SIZE)
        return ERR_FORMAT;
    *out = (struct control_damage){.position = {.stream = (uint16_t)number_get(key.data, 2),
                                                .segment = (uint32_t)number_get(key.data + 2, 4),
                                                .offset = number_get(key.data + 6, 8)}};
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == DAMAGE_BYTES)
            out->bytes = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == DAMAGE_RECEIPT)
            out->receipt = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == DAMAGE_TYPE)
            out->type = (uint8_t)cbor_take_uint(&reader, UINT8_MAX);
        else if (field == DAMAGE_FINDER)
            out->finder = (uint8_t)cbor_take_uint(&reader, UINT8_MAX);
        else if (field == DAMAGE_WHEN)
            out->when = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

enum result control_damage_each(struct kv_env *env, control_damage_visit *visit, void *argument)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    struct control_damage damage;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, CONTROL_DAMAGE);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK) {
        result = damage_decode(cursor.key, cursor.value, &damage);
        if (result == OK)
            result = visit(argument, &damage);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING ? OK : result;
}
