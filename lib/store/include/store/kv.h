// SPDX-License-Identifier: Apache-2.0
//
// The key-value seam (ENGINE 8): an environment holds a few named databases, and one small transaction type
// with a sticky result works on all of them. Two makers: store/lmdb.h (real) and store/kv_sim.h (ordered map
// with commit and crash). Keys order as byte strings, a shorter one before its extensions. After anything but
// OK, AGAIN on a read, ERR_MISSING or ERR_EXISTS a transaction is spoilt: every later call and kv_commit()
// return that first result, so a caller may check once, at the commit.
//
// Thread: one writing thread per environment; reading transactions from any thread, each used by one thread
// at a time. Model: the transaction type of knot's journal/knot_lmdb.h.
#pragma once

#include "base/result.h"
#include "base/slice.h"

#define KV_KEY_MAX       511 // bytes of a key, and of a value in a database with duplicates (LMDB's limit)
#define KV_DATABASES_MAX 16

// What an environment holds. The order of the databases is the `database` number of every call below and
// never changes for a schema; the names are what stands in the file.
struct kv_database {
    const char *name;
    bool duplicates; // several values per key, sorted, all of `value_size` bytes
    size_t value_size;
};

struct kv_schema {
    const char *name; // for messages: "ledger", "control"
    const struct kv_database *databases;
    unsigned count; // at most KV_DATABASES_MAX
};

// What the tests and metrics count; only the writing thread changes them.
struct kv_counters {
    uint64_t puts;
    uint64_t deletes;
    uint64_t commits;
    uint64_t map_growths;
};

struct kv_env_operations;

struct kv_env {
    uint32_t magic;
    const struct kv_env_operations *operations;
    const struct kv_schema *schema;
    struct kv_counters counters;
    bool read_only;
};

enum kv_mode { KV_READ, KV_WRITE };

struct kv_transaction {
    struct kv_env *env;
    enum kv_mode mode;
    enum result result; // sticky
    void *handle;       // the back end's; NULL when not begun
};

struct kv_cursor {
    struct kv_transaction *transaction;
    unsigned database;
    void *handle;
    struct slice key; // of the current entry; valid until the next move, write or end of the transaction
    struct slice value;
};

enum kv_put_flag {
    KV_PLAIN = 0,
    KV_APPEND = 1,       // the key is above every key of the database, else ERR_EXISTS; not with duplicates
    KV_NO_OVERWRITE = 2, // ERR_EXISTS if the key is there
};

// Begins in the caller's storage. ERR_REFUSED: write on a read-only environment; AGAIN: the map must grow and
// readers of this process are in the way (try on the next turn); ERR_IO. On failure the transaction is not
// begun, and commit and abort of it do nothing but return that result.
MUST_USE enum result kv_begin(struct kv_env *env, enum kv_mode mode, struct kv_transaction *transaction);
// Ends the transaction either way. OK: atomic and durable. AGAIN: the map was full (or a put said so):
// nothing was written, do the whole transaction again; kv_begin() makes room. ERR_SPACE: the disk is full.
// For a reading one it is the same as abort.
MUST_USE enum result kv_commit(struct kv_transaction *transaction);
// Harmless on one that has ended or never begun.
void kv_abort(struct kv_transaction *transaction);

// The first value of `key`; ERR_MISSING. The slice lives until the next write in, or the end of, the
// transaction.
MUST_USE enum result kv_get(struct kv_transaction *transaction, unsigned database, struct slice key,
                            struct slice *value);
// Copies key and value. A pair that is already there (duplicates) is OK and changes nothing.
MUST_USE enum result kv_put(struct kv_transaction *transaction, unsigned database, struct slice key,
                            struct slice value, enum kv_put_flag flag);
// Removes `key`: with a value only that pair, without (NULL) all of them. ERR_MISSING if there was none.
MUST_USE enum result kv_delete(struct kv_transaction *transaction, unsigned database, struct slice key,
                               const struct slice *value);
// Pairs in the database.
MUST_USE enum result kv_count(struct kv_transaction *transaction, unsigned database, uint64_t *count);

// Cursors of the caller's storage; end them before their transaction. After a write to the same database seek
// again. Every move returns OK, ERR_MISSING past either end (the cursor is then nowhere) or the transaction's
// failure.
MUST_USE enum result kv_cursor_init(struct kv_cursor *cursor, struct kv_transaction *transaction,
                                    unsigned database);
void kv_cursor_fini(struct kv_cursor *cursor);
MUST_USE enum result kv_cursor_first(struct kv_cursor *cursor);
MUST_USE enum result kv_cursor_last(struct kv_cursor *cursor);
MUST_USE enum result kv_cursor_seek(struct kv_cursor *cursor,
                                    struct slice key); // the first pair at or after `key`
MUST_USE enum result kv_cursor_next(struct kv_cursor *cursor);
MUST_USE enum result kv_cursor_next_duplicate(struct kv_cursor *cursor);        // next value of the same key
MUST_USE enum result kv_cursor_count(struct kv_cursor *cursor, size_t *values); // values of the current key

// Closes and frees; no transaction may be open. Nulls the pointer. Harmless on NULL.
void kv_env_free(struct kv_env **env);

// ---- for back ends only

enum kv_move { KV_FIRST, KV_LAST, KV_SEEK, KV_NEXT, KV_NEXT_DUPLICATE };

// Results are raw: stickiness is kv.c's.
struct kv_env_operations {
    enum result (*begin)(struct kv_env *env, enum kv_mode mode, void **handle);
    enum result (*commit)(struct kv_env *env, void *handle);
    void (*abort)(struct kv_env *env, void *handle);
    enum result (*get)(struct kv_env *env, void *handle, unsigned database, struct slice key,
                       struct slice *value);
    enum result (*put)(struct kv_env *env, void *handle, unsigned database, struct slice key,
                       struct slice value, enum kv_put_flag flag);
    enum result (*del)(struct kv_env *env, void *handle, unsigned database, struct slice key,
                       const struct slice *value);
    enum result (*count)(struct kv_env *env, void *handle, unsigned database, uint64_t *count);
    enum result (*cursor_open)(struct kv_env *env, void *handle, unsigned database, void **cursor);
    void (*cursor_close)(struct kv_env *env, void *cursor);
    enum result (*cursor_move)(struct kv_env *env, void *cursor, enum kv_move move, struct slice *key,
                               struct slice *value);
    enum result (*cursor_count)(struct kv_env *env, void *cursor, size_t *values);
    void (*free)(struct kv_env *env);
};
