// SPDX-License-Identifier: Apache-2.0
//
// Sealed values: writer (4 bytes, big endian), nonce (8, the same), ciphertext, tag (16). A writer is one
// process life: its key comes from the lasting key and a seed in the database, and only that life seals with
// it, so a counter is a nonce that is never used twice. Additional data: the number of the database and the
// key, so that a value opens in its place only.
#include "base/cursor.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "crosswalk_internal.h"

enum { AAD_MAX = 1 + KEY_SIZE_MAX };

static struct slice aad_make(enum database database, struct slice key, uint8_t memory[AAD_MAX])
{
    memory[0] = (uint8_t)database;
    memcpy(memory + 1, key.data, key.length);
    return slice_of(memory, 1 + key.length);
}

static struct key writer_key(uint32_t writer)
{
    struct key key = {.length = 4};
    for (unsigned i = 0; i < 4; i++)
        key.bytes[i] = (uint8_t)(writer >> 8 * (3 - i));
    return key;
}

// The number of the last life that has sealed anything, 0 if none has, and its seed.
static enum result last_writer(struct crosswalk *crosswalk, uint32_t *last, uint8_t seed[SEAL_SEED_SIZE])
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    enum result result = kv_begin(crosswalk->env, KV_READ, &transaction);
    *last = 0;
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, DB_WRITER);
    if (result == OK)
        result = kv_cursor_last(&cursor);
    if (result == OK) {
        struct cursor at = cursor_of(cursor.key);
        *last = cursor_u32be(&at);
        result = cursor.value.length == SEAL_SEED_SIZE ? OK : ERR_FORMAT;
    }
    if (result == OK)
        memcpy(seed, cursor.value.data, SEAL_SEED_SIZE);
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING ? OK : result;
}

enum result lives_check(struct crosswalk *crosswalk)
{
    uint32_t last;
    uint8_t seed[SEAL_SEED_SIZE];
    struct seal_key *key = NULL;
    enum result result = last_writer(crosswalk, &last, seed);
    if (result == OK && last != 0)
        result = seal_keyring_sealing_key_get(crosswalk->keyring, SEAL_LASTING_CROSSWALK, seed, &key);
    seal_key_unref(key);
    return result == ERR_MISSING ? ERR_CRYPTO : result;
}

enum result life_begin(struct crosswalk *crosswalk)
{
    uint32_t last;
    uint8_t seed[SEAL_SEED_SIZE];
    if (crosswalk->key != NULL)
        return OK;
    enum result result = last_writer(crosswalk, &last, seed);
    if (result == OK && last == UINT32_MAX)
        result = ERR_LIMIT;
    if (result == OK)
        result = seal_keyring_sealing_key_new(crosswalk->keyring, SEAL_LASTING_CROSSWALK, crosswalk->seed,
                                              &crosswalk->key);
    if (result == OK)
        crosswalk->writer = last + 1;
    return result;
}

enum result life_put(struct crosswalk *crosswalk, struct kv_transaction *transaction)
{
    struct key key = writer_key(crosswalk->writer);
    struct slice seed;
    enum result result = kv_get(transaction, DB_WRITER, key_slice(&key), &seed);
    if (result == ERR_MISSING)
        result = kv_put(transaction, DB_WRITER, key_slice(&key),
                        slice_of(crosswalk->seed, sizeof crosswalk->seed), KV_PLAIN);
    return result;
}

enum result value_seal(struct crosswalk_reader *reader, enum database database, const struct key *key,
                       struct slice plain, uint8_t *out, size_t *length)
{
    uint8_t memory[AAD_MAX];
    struct crosswalk *crosswalk = reader->crosswalk;
    ensure(plain.length <= PLAIN_MAX);
    uint64_t nonce = seal_key_nonce_take(crosswalk->key);
    struct writer writer = writer_of(out, 12);
    writer_u32be(&writer, crosswalk->writer);
    writer_u64be(&writer, nonce);
    enum result result =
        seal_seal(reader->cipher, crosswalk->key, nonce, aad_make(database, key_slice(key), memory), &plain,
                  1, out + 12, out + 12 + plain.length);
    if (result == OK)
        *length = plain.length + SEALED_OVERHEAD;
    return result;
}

// The key of a writer, from those held or from its seed.
static enum result key_get(struct crosswalk_reader *reader, struct kv_transaction *transaction,
                           uint32_t number, struct seal_key **out)
{
    struct slice seed;
    for (size_t i = 0; i < KEYS_HELD; i++) {
        if (reader->keys[i].writer != number || reader->keys[i].key == NULL)
            continue;
        *out = reader->keys[i].key;
        return OK;
    }
    struct key key = writer_key(number);
    enum result result = kv_get(transaction, DB_WRITER, key_slice(&key), &seed);
    if (result == ERR_MISSING || (result == OK && seed.length != SEAL_SEED_SIZE))
        return ERR_CRYPTO;
    if (result != OK)
        return result;
    struct held_key *held = &reader->keys[reader->next_key];
    struct seal_key *made;
    result =
        seal_keyring_sealing_key_get(reader->crosswalk->keyring, SEAL_LASTING_CROSSWALK, seed.data, &made);
    if (result != OK)
        return result == ERR_MISSING ? ERR_CRYPTO : result;
    seal_key_unref(held->key);
    *held = (struct held_key){.writer = number, .key = made};
    reader->next_key = (reader->next_key + 1) % KEYS_HELD;
    *out = made;
    return OK;
}

enum result value_open(struct crosswalk_reader *reader, struct kv_transaction *transaction,
                       enum database database, struct slice key, struct slice sealed, uint8_t *plain,
                       size_t *length)
{
    uint8_t memory[AAD_MAX];
    struct seal_key *opener;
    if (sealed.length < SEALED_OVERHEAD || sealed.length > SEALED_MAX || key.length > KEY_SIZE_MAX)
        return ERR_FORMAT;
    struct cursor cursor = cursor_of(sealed);
    uint32_t writer = cursor_u32be(&cursor);
    uint64_t nonce = cursor_u64be(&cursor);
    struct slice body = cursor_take(&cursor, sealed.length - SEALED_OVERHEAD);
    struct slice tag = cursor_take(&cursor, SEAL_TAG_SIZE);
    enum result result = key_get(reader, transaction, writer, &opener);
    if (result == OK)
        result =
            seal_open(reader->cipher, opener, nonce, aad_make(database, key, memory), body, tag.data, plain);
    if (result == OK)
        *length = body.length;
    return result;
}

enum result value_put(struct crosswalk *crosswalk, struct kv_transaction *transaction, enum database database,
                      const struct key *key, struct slice plain, enum kv_put_flag flag)
{
    uint8_t sealed[SEALED_MAX];
    size_t length = 0;
    enum result result = life_begin(crosswalk);
    if (result == OK)
        result = life_put(crosswalk, transaction);
    if (result == OK)
        result = value_seal(crosswalk->own, database, key, plain, sealed, &length);
    return result == OK ? kv_put(transaction, database, key_slice(key), slice_of(sealed, length), flag)
                        : result;
}
