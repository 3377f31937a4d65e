// SPDX-License-Identifier: Apache-2.0
//
// The common half of the key-value seam: argument checks, the sticky result and the counters.
// Thread: see store/kv.h.
#include "store/kv.h"
#include "base/magic.h"
#include "kv_internal.h"

static bool is_sticky(enum result result)
{
    return result != OK && result != ERR_MISSING && result != ERR_EXISTS;
}

static enum result keep(struct kv_transaction *transaction, enum result result)
{
    if (is_sticky(result) && transaction->result == OK)
        transaction->result = result;
    return result;
}

// OK when the call may go to the back end.
static enum result usable(const struct kv_transaction *transaction, unsigned database)
{
    if (transaction->result != OK)
        return transaction->result;
    ensure(transaction->handle != NULL);
    MAGIC_CHECK(transaction->env, KV_ENV_MAGIC);
    ensure(database < transaction->env->schema->count);
    return OK;
}

void kv_env_init(struct kv_env *env, const struct kv_env_operations *operations,
                 const struct kv_schema *schema, bool read_only)
{
    ensure(schema->count <= KV_DATABASES_MAX);
    *env = (struct kv_env){.operations = operations, .schema = schema, .read_only = read_only};
    MAGIC_INIT(env, KV_ENV_MAGIC);
}

void kv_env_free(struct kv_env **env)
{
    if (*env == NULL)
        return;
    MAGIC_CHECK(*env, KV_ENV_MAGIC);
    MAGIC_CLEAR(*env);
    (*env)->operations->free(*env);
    *env = NULL;
}

enum result kv_begin(struct kv_env *env, enum kv_mode mode, struct kv_transaction *transaction)
{
    MAGIC_CHECK(env, KV_ENV_MAGIC);
    *transaction = (struct kv_transaction){.env = env, .mode = mode};
    if (mode == KV_WRITE && env->read_only)
        transaction->result = ERR_REFUSED;
    else
        transaction->result = env->operations->begin(env, mode, &transaction->handle);
    return transaction->result;
}

enum result kv_commit(struct kv_transaction *transaction)
{
    if (transaction->handle == NULL)
        return transaction->result;
    if (transaction->result != OK) {
        kv_abort(transaction);
        return transaction->result;
    }
    struct kv_env *env = transaction->env;
    void *handle = transaction->handle;
    transaction->handle = NULL;
    if (transaction->mode == KV_READ) {
        env->operations->abort(env, handle);
        return OK;
    }
    transaction->result = env->operations->commit(env, handle);
    if (transaction->result == OK)
        env->counters.commits++;
    return transaction->result;
}

void kv_abort(struct kv_transaction *transaction)
{
    if (transaction->handle == NULL)
        return;
    transaction->env->operations->abort(transaction->env, transaction->handle);
    transaction->handle = NULL;
}

enum result kv_get(struct kv_transaction *transaction, unsigned database, struct slice key,
                   struct slice *value)
{
    enum result result = usable(transaction, database);
    if (result != OK)
        return result;
    ensure(key.length > 0 && key.length <= KV_KEY_MAX);
    struct kv_env *env = transaction->env;
    return keep(transaction, env->operations->get(env, transaction->handle, database, key, value));
}

enum result kv_put(struct kv_transaction *transaction, unsigned database, struct slice key,
                   struct slice value, enum kv_put_flag flag)
{
    enum result result = usable(transaction, database);
    if (result != OK)
        return result;
    struct kv_env *env = transaction->env;
    const struct kv_database *what = &env->schema->databases[database];
    ensure(transaction->mode == KV_WRITE);
    ensure(key.length > 0 && key.length <= KV_KEY_MAX);
    ensure(!what->duplicates || (value.length == what->value_size && flag != KV_APPEND));
    result = env->operations->put(env, transaction->handle, database, key, value, flag);
    if (result == OK)
        env->counters.puts++;
    return keep(transaction, result);
}

enum result kv_delete(struct kv_transaction *transaction, unsigned database, struct slice key,
                      const struct slice *value)
{
    enum result result = usable(transaction, database);
    if (result != OK)
        return result;
    ensure(transaction->mode == KV_WRITE);
    ensure(key.length > 0 && key.length <= KV_KEY_MAX);
    struct kv_env *env = transaction->env;
    result = env->operations->del(env, transaction->handle, database, key, value);
    if (result == OK)
        env->counters.deletes++;
    return keep(transaction, result);
}

enum result kv_count(struct kv_transaction *transaction, unsigned database, uint64_t *count)
{
    enum result result = usable(transaction, database);
    if (result != OK)
        return result;
    struct kv_env *env = transaction->env;
    return keep(transaction, env->operations->count(env, transaction->handle, database, count));
}

enum result kv_cursor_init(struct kv_cursor *cursor, struct kv_transaction *transaction, unsigned database)
{
    *cursor = (struct kv_cursor){.transaction = transaction, .database = database};
    enum result result = usable(transaction, database);
    if (result != OK)
        return result;
    struct kv_env *env = transaction->env;
    return keep(transaction,
                env->operations->cursor_open(env, transaction->handle, database, &cursor->handle));
}

void kv_cursor_fini(struct kv_cursor *cursor)
{
    if (cursor->handle == NULL)
        return;
    struct kv_env *env = cursor->transaction->env;
    ensure(cursor->transaction->handle != NULL);
    env->operations->cursor_close(env, cursor->handle);
    cursor->handle = NULL;
}

static enum result move(struct kv_cursor *cursor, enum kv_move where, struct slice seek)
{
    enum result result = usable(cursor->transaction, cursor->database);
    if (result != OK)
        return result;
    ensure(cursor->handle != NULL);
    struct kv_env *env = cursor->transaction->env;
    struct slice key = seek;
    struct slice value = {NULL, 0};
    result = env->operations->cursor_move(env, cursor->handle, where, &key, &value);
    cursor->key = result == OK ? key : slice_of(NULL, 0);
    cursor->value = result == OK ? value : slice_of(NULL, 0);
    return keep(cursor->transaction, result);
}

enum result kv_cursor_first(struct kv_cursor *cursor)
{
    return move(cursor, KV_FIRST, slice_of(NULL, 0));
}

enum result kv_cursor_last(struct kv_cursor *cursor)
{
    return move(cursor, KV_LAST, slice_of(NULL, 0));
}

enum result kv_cursor_seek(struct kv_cursor *cursor, struct slice key)
{
    ensure(key.length > 0 && key.length <= KV_KEY_MAX);
    return move(cursor, KV_SEEK, key);
}

enum result kv_cursor_next(struct kv_cursor *cursor)
{
    return move(cursor, KV_NEXT, slice_of(NULL, 0));
}

enum result kv_cursor_next_duplicate(struct kv_cursor *cursor)
{
    return move(cursor, KV_NEXT_DUPLICATE, slice_of(NULL, 0));
}

enum result kv_cursor_count(struct kv_cursor *cursor, size_t *values)
{
    enum result result = usable(cursor->transaction, cursor->database);
    if (result != OK)
        return result;
    struct kv_env *env = cursor->transaction->env;
    if (!env->schema->databases[cursor->database].duplicates) {
        *values = 1;
        return cursor->key.length > 0 ? OK : ERR_MISSING;
    }
    return keep(cursor->transaction, env->operations->cursor_count(env, cursor->handle, values));
}
