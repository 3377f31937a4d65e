// SPDX-License-Identifier: Apache-2.0
#include "vault.h"

#include "base/check.h"
#include "base/cursor.h"

enum { WRITER_SIZE = 4, AAD_MAX = 1 + VAULT_KEY_MAX };

enum result vault_init(struct vault *vault, struct seal_keyring *keyring, enum seal_lasting lasting,
                       unsigned writers)
{
    *vault = (struct vault){.keyring = keyring, .lasting = lasting, .writers = writers};
    return seal_cipher_new(&vault->cipher);
}

void vault_fini(struct vault *vault)
{
    for (size_t i = 0; i < VAULT_KEYS; i++)
        seal_key_unref(vault->held[i].key);
    seal_key_unref(vault->key);
    seal_cipher_free(vault->cipher);
    *vault = (struct vault){.cipher = NULL};
}

static struct slice writer_key(uint32_t writer, uint8_t bytes[WRITER_SIZE])
{
    struct writer out = writer_of(bytes, WRITER_SIZE);
    writer_u32be(&out, writer);
    return writer_slice(&out);
}

static struct slice aad_make(unsigned database, struct slice key, uint8_t memory[AAD_MAX])
{
    ensure(key.length <= VAULT_KEY_MAX);
    memory[0] = (uint8_t)database;
    memcpy(memory + 1, key.data, key.length);
    return slice_of(memory, 1 + key.length);
}

// ---- sealing

// The number of the last life that has sealed anything; 0: none has.
static enum result last_writer(const struct vault *vault, struct kv_transaction *transaction, uint32_t *last)
{
    struct kv_cursor cursor = {.handle = NULL};
    *last = 0;
    enum result result = kv_cursor_init(&cursor, transaction, vault->writers);
    if (result == OK)
        result = kv_cursor_last(&cursor);
    if (result == OK) {
        struct cursor at = cursor_of(cursor.key);
        *last = cursor_u32be(&at);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result life_begin(struct vault *vault, struct kv_transaction *transaction)
{
    uint32_t last;
    if (vault->key != NULL)
        return OK;
    enum result result = last_writer(vault, transaction, &last);
    if (result == OK && last == UINT32_MAX)
        result = ERR_LIMIT;
    if (result == OK)
        result = seal_keyring_sealing_key_new(vault->keyring, vault->lasting, vault->seed, &vault->key);
    if (result == OK)
        vault->writer = last + 1;
    return result;
}

// In the same transaction as the first value of this life; again, if that one was aborted.
static enum result seed_put(const struct vault *vault, struct kv_transaction *transaction)
{
    uint8_t bytes[WRITER_SIZE];
    enum result result = kv_put(transaction, vault->writers, writer_key(vault->writer, bytes),
                                slice_of(vault->seed, SEAL_SEED_SIZE), KV_NO_OVERWRITE);
    return result == ERR_EXISTS ? OK : result;
}

enum result vault_put(struct vault *vault, struct kv_transaction *transaction, unsigned database,
                      struct slice key, struct slice plain, uint8_t *memory)
{
    uint8_t aad[AAD_MAX];
    enum result result = life_begin(vault, transaction);
    if (result == OK)
        result = seed_put(vault, transaction);
    if (result != OK)
        return result;
    uint64_t nonce = seal_key_nonce_take(vault->key);
    struct writer head = writer_of(memory, 12);
    writer_u32be(&head, vault->writer);
    writer_u64be(&head, nonce);
    result = seal_seal(vault->cipher, vault->key, nonce, aad_make(database, key, aad), &plain, 1, memory + 12,
                       memory + 12 + plain.length);
    if (result == OK)
        result =
            kv_put(transaction, database, key, slice_of(memory, plain.length + VAULT_OVERHEAD), KV_PLAIN);
    return result;
}

// ---- opening

// The key of a writer, from those held or from its seed.
static enum result key_get(struct vault *vault, struct kv_transaction *transaction, uint32_t writer,
                           struct seal_key **out)
{
    uint8_t bytes[WRITER_SIZE];
    struct slice seed;
    for (size_t i = 0; i < VAULT_KEYS; i++) {
        if (vault->held[i].key == NULL || vault->held[i].writer != writer)
            continue;
        *out = vault->held[i].key;
        return OK;
    }
    enum result result = kv_get(transaction, vault->writers, writer_key(writer, bytes), &seed);
    if (result == ERR_MISSING || (result == OK && seed.length != SEAL_SEED_SIZE))
        return ERR_CRYPTO;
    struct seal_key *made = NULL;
    if (result == OK)
        result = seal_keyring_sealing_key_get(vault->keyring, vault->lasting, seed.data, &made);
    if (result != OK)
        return result == ERR_MISSING ? ERR_CRYPTO : result;
    struct vault_held *held = &vault->held[vault->next];
    seal_key_unref(held->key);
    *held = (struct vault_held){.writer = writer, .key = made};
    vault->next = (vault->next + 1) % VAULT_KEYS;
    *out = made;
    return OK;
}

enum result vault_open(struct vault *vault, struct kv_transaction *transaction, unsigned database,
                       struct slice key, struct slice sealed, uint8_t *plain, size_t capacity, size_t *length)
{
    uint8_t aad[AAD_MAX];
    struct seal_key *opener;
    if (sealed.length < VAULT_OVERHEAD || sealed.length - VAULT_OVERHEAD > capacity ||
        key.length > VAULT_KEY_MAX)
        return ERR_FORMAT;
    struct cursor cursor = cursor_of(sealed);
    uint32_t writer = cursor_u32be(&cursor);
    uint64_t nonce = cursor_u64be(&cursor);
    struct slice body = cursor_take(&cursor, sealed.length - VAULT_OVERHEAD);
    struct slice tag = cursor_take(&cursor, SEAL_TAG_SIZE);
    enum result result = key_get(vault, transaction, writer, &opener);
    if (result == OK)
        result = seal_open(vault->cipher, opener, nonce, aad_make(database, key, aad), body, tag.data, plain);
    if (result == OK)
        *length = body.length;
    return result;
}
