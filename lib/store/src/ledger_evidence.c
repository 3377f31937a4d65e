// SPDX-License-Identifier: Apache-2.0
//
// Evidence of edits on its way from SENT records to the store, in the commit of their facts, and back.
// Thread: the ledger thread; readers: see the header.
#include "store/ledger_evidence.h"
#include "base/check.h"
#include "base/grow.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "ledger_internal.h"
#include <stdlib.h>

// Of one batch, so that memory is bounded whatever archives ask for; one more record than that fits.
#define BATCH_BYTES (4u * 1024u * 1024u)

#define SEALED_MAX (RECORD_EVIDENCE_MAX + VAULT_OVERHEAD)
_Static_assert(SEALED_MAX <= FACT_ENCODED_MAX, "the writer's scratch memory takes a sealed one");

static void evidence_key_put(uint8_t key[EVIDENCE_KEY_SIZE], uint64_t receipt, uint32_t archive,
                             const uint8_t edits[RECORD_DIGEST_SIZE])
{
    fact_key_put(key, receipt);
    for (unsigned i = 0; i < 4; i++)
        key[FACT_KEY_SIZE + i] = (uint8_t)(archive >> (24 - 8 * i));
    memcpy(key + FACT_KEY_SIZE + 4, edits, RECORD_DIGEST_SIZE);
}

// ---- the batch

static void pending_free(struct ledger_pending *pending)
{
    wipe(pending->bytes, pending->length);
    free(pending->bytes);
}

void ledger_pending_clear(struct ledger_writer *writer)
{
    for (size_t i = 0; i < writer->pending_count; i++)
        pending_free(&writer->pending[i]);
    writer->pending_count = 0;
    writer->pending_bytes = 0;
}

void ledger_pending_fini(struct ledger_writer *writer)
{
    ledger_pending_clear(writer);
    free(writer->pending);
    writer->pending = NULL;
    vault_fini(&writer->vault);
}

static enum result pending_add(struct ledger_writer *writer, const uint8_t key[EVIDENCE_KEY_SIZE],
                               struct slice evidence)
{
    if (writer->pending_bytes >= BATCH_BYTES)
        return AGAIN;
    if (ARRAY_GROW(writer->pending, writer->pending_capacity, writer->pending_count + 1) != OK)
        return ERR_NOMEM;
    struct ledger_pending *pending = &writer->pending[writer->pending_count];
    *pending = (struct ledger_pending){.bytes = malloc(evidence.length), .length = evidence.length};
    if (pending->bytes == NULL)
        return ERR_NOMEM;
    memcpy(pending->key, key, sizeof pending->key);
    memcpy(pending->bytes, evidence.data, evidence.length);
    writer->pending_count++;
    writer->pending_bytes += evidence.length;
    return OK;
}

enum result ledger_pending_add(struct ledger_writer *writer, uint64_t receipt, const struct record_sent *sent)
{
    uint8_t key[EVIDENCE_KEY_SIZE];
    if (sent->evidence.length == 0 || writer->journal == NULL)
        return OK;
    evidence_key_put(key, receipt, sent->archive, sent->edits);
    return pending_add(writer, key, sent->evidence);
}

static enum result pending_put(struct ledger_writer *writer, struct kv_transaction *transaction,
                               const struct ledger_pending *pending)
{
    struct slice key = slice_of(pending->key, sizeof pending->key);
    struct slice stored;
    enum result result = kv_get(transaction, LEDGER_EVIDENCE, key, &stored);
    if (result != ERR_MISSING)
        return result; // a resend of what went before
    return vault_put(&writer->vault, transaction, LEDGER_EVIDENCE, key,
                     slice_of(pending->bytes, pending->length), writer->scratch);
}

enum result ledger_pending_write(struct ledger_writer *writer, struct kv_transaction *transaction)
{
    enum result result = OK;
    if (writer->pending_count > 0 && writer->vault.cipher == NULL)
        result = vault_init(&writer->vault, journal_keyring(writer->journal), SEAL_LASTING_EVIDENCE,
                            LEDGER_WRITER);
    for (size_t i = 0; result == OK && i < writer->pending_count; i++)
        result = pending_put(writer, transaction, &writer->pending[i]);
    return result;
}

// ---- reading

#define READER_MAGIC 0x4c455652u

struct ledger_evidence_reader {
    uint32_t magic;
    struct kv_env *env;
    struct vault vault;
    uint8_t plain[RECORD_EVIDENCE_MAX];
};

enum result ledger_evidence_reader_new(struct kv_env *env, struct seal_keyring *keyring,
                                       struct ledger_evidence_reader **reader)
{
    struct ledger_evidence_reader *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, READER_MAGIC);
    made->env = env;
    enum result result = vault_init(&made->vault, keyring, SEAL_LASTING_EVIDENCE, LEDGER_WRITER);
    if (result == OK)
        *reader = made;
    else
        free(made);
    return result;
}

void ledger_evidence_reader_free(struct ledger_evidence_reader *reader)
{
    if (reader == NULL)
        return;
    MAGIC_CHECK(reader, READER_MAGIC);
    vault_fini(&reader->vault);
    wipe(reader->plain, sizeof reader->plain);
    MAGIC_CLEAR(reader);
    free(reader);
}

static enum result plain_get(struct ledger_evidence_reader *reader, struct kv_transaction *transaction,
                             struct slice key, struct slice sealed, struct slice *evidence)
{
    size_t length;
    enum result result = vault_open(&reader->vault, transaction, LEDGER_EVIDENCE, key, sealed, reader->plain,
                                    sizeof reader->plain, &length);
    if (result == OK)
        *evidence = slice_of(reader->plain, length);
    return result;
}

enum result ledger_evidence_get(struct ledger_evidence_reader *reader, uint64_t receipt, uint32_t archive,
                                const uint8_t edits[RECORD_DIGEST_SIZE], struct slice *evidence)
{
    uint8_t bytes[EVIDENCE_KEY_SIZE];
    struct slice sealed;
    struct kv_transaction transaction;
    MAGIC_CHECK(reader, READER_MAGIC);
    evidence_key_put(bytes, receipt, archive, edits);
    struct slice key = slice_of(bytes, sizeof bytes);
    enum result result = kv_begin(reader->env, KV_READ, &transaction);
    if (result == OK)
        result = kv_get(&transaction, LEDGER_EVIDENCE, key, &sealed);
    if (result == OK)
        result = plain_get(reader, &transaction, key, sealed, evidence);
    kv_abort(&transaction);
    return result;
}

enum result ledger_evidence_versions(struct ledger_evidence_reader *reader, uint64_t receipt,
                                     uint32_t archive,
                                     uint8_t edits[LEDGER_EVIDENCE_VERSIONS][RECORD_DIGEST_SIZE],
                                     size_t *count)
{
    static const uint8_t least[RECORD_DIGEST_SIZE];
    uint8_t first[EVIDENCE_KEY_SIZE];
    const size_t prefix = EVIDENCE_KEY_SIZE - RECORD_DIGEST_SIZE;
    struct kv_transaction transaction;
    struct kv_cursor cursor = {.handle = NULL};
    MAGIC_CHECK(reader, READER_MAGIC);
    evidence_key_put(first, receipt, archive, least);
    *count = 0;
    enum result result = kv_begin(reader->env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, LEDGER_EVIDENCE);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(first, sizeof first));
    while (result == OK && *count < LEDGER_EVIDENCE_VERSIONS && cursor.key.length == EVIDENCE_KEY_SIZE &&
           memcmp(cursor.key.data, first, prefix) == 0) {
        memcpy(edits[(*count)++], cursor.key.data + prefix, RECORD_DIGEST_SIZE);
        result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING ? OK : result;
}

// ---- from one ledger to another

static enum result pending_add_committing(struct ledger_writer *writer, struct slice key,
                                          struct slice evidence)
{
    enum result result = pending_add(writer, key.data, evidence);
    if (result != AGAIN)
        return result;
    result = ledger_commit(writer); // the batch was full
    return result == OK ? pending_add(writer, key.data, evidence) : result;
}

// Opened there and sealed anew here: the two ledgers count their writers for themselves.
static enum result all_copy(struct ledger_writer *writer, struct ledger_evidence_reader *from,
                            struct kv_cursor *cursor, uint64_t *damaged)
{
    enum result result = kv_cursor_first(cursor);
    while (result == OK) {
        struct slice evidence = {0};
        result = cursor->key.length == EVIDENCE_KEY_SIZE
                     ? plain_get(from, cursor->transaction, cursor->key, cursor->value, &evidence)
                     : ERR_FORMAT;
        if (result == ERR_CRYPTO || result == ERR_FORMAT) {
            ++*damaged;
            result = OK;
        } else if (result == OK && evidence.length > 0) {
            result = pending_add_committing(writer, cursor->key, evidence);
        }
        if (result == OK)
            result = kv_cursor_next(cursor);
    }
    return result == ERR_MISSING ? OK : result;
}

enum result ledger_evidence_keep(struct ledger_writer *writer, struct kv_env *former, uint64_t *damaged)
{
    struct ledger_evidence_reader *from;
    struct kv_transaction transaction;
    struct kv_cursor cursor = {.handle = NULL};
    if (writer->journal == NULL)
        return OK;
    enum result result = ledger_evidence_reader_new(former, journal_keyring(writer->journal), &from);
    if (result != OK)
        return result;
    result = kv_begin(former, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, LEDGER_EVIDENCE);
    if (result == OK)
        result = all_copy(writer, from, &cursor, damaged);
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    ledger_evidence_reader_free(from);
    return result;
}
