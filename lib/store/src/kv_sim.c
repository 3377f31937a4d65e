// SPDX-License-Identifier: Apache-2.0
//
// The simulated key-value store. Each database is a sorted array of reference-counted pairs; a write clones
// the array it touches, so readers keep their snapshot and a commit is the exchange of one pointer per
// database. Thread: one (the simulator's).
#include "store/kv_sim.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/list.h"
#include "kv_internal.h"
#include <stdlib.h>

struct pair {
    size_t references;
    size_t key_length;
    size_t value_length;
    uint8_t bytes[]; // key, then value
};

struct table {
    size_t references;
    size_t count;
    size_t capacity;
    size_t bytes; // of all keys and values
    struct pair **pairs;
};

struct kv_sim_disk {
    struct table *tables[KV_DATABASES_MAX]; // committed; NULL = empty
    const char *name;                       // of the schema
    struct list environments;
    bool crashed;
    enum kv_sim_fault fault;
    uint64_t fault_after;
    size_t capacity;
    bool (*has_power)(void *argument); // NULL: always
    void *power_argument;
};

struct sim_env {
    struct kv_env base; // first
    struct kv_sim_disk *disk;
    struct list_node node;
    bool dead;
    unsigned active;
    bool writing;
};

struct sim_transaction {
    struct sim_env *env;
    bool write;
    bool owned[KV_DATABASES_MAX]; // cloned for this transaction
    struct table *tables[KV_DATABASES_MAX];
};

struct sim_cursor {
    struct sim_transaction *transaction;
    unsigned database;
    struct pair *at; // a reference; NULL = nowhere
};

static struct sim_env *sim_env_of(struct kv_env *env)
{
    return (struct sim_env *)(void *)env;
}

// ---- pairs and tables

static struct slice pair_key(const struct pair *pair)
{
    return slice_of(pair->bytes, pair->key_length);
}

static struct slice pair_value(const struct pair *pair)
{
    return slice_of(pair->bytes + pair->key_length, pair->value_length);
}

static struct pair *pair_new(struct slice key, struct slice value)
{
    struct pair *pair = malloc(sizeof *pair + key.length + value.length);
    if (pair == NULL)
        return NULL;
    pair->references = 1;
    pair->key_length = key.length;
    pair->value_length = value.length;
    memcpy(pair->bytes, key.data, key.length);
    if (value.length > 0)
        memcpy(pair->bytes + key.length, value.data, value.length);
    return pair;
}

static struct pair *pair_ref(struct pair *pair)
{
    pair->references++;
    return pair;
}

static void pair_unref(struct pair *pair)
{
    if (pair != NULL && --pair->references == 0)
        free(pair);
}

static int compare(struct slice a, struct slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
    if (order != 0)
        return order;
    return a.length < b.length ? -1 : a.length > b.length;
}

static void table_unref(struct table *table)
{
    if (table == NULL || --table->references > 0)
        return;
    for (size_t i = 0; i < table->count; i++)
        pair_unref(table->pairs[i]);
    free(table->pairs);
    free(table);
}

static struct table *table_clone(const struct table *from)
{
    struct table *table = calloc(1, sizeof *table);
    size_t count = from != NULL ? from->count : 0;
    if (table == NULL)
        return NULL;
    table->references = 1;
    table->capacity = count + 16;
    table->pairs = calloc(table->capacity, sizeof *table->pairs);
    if (table->pairs == NULL) {
        free(table);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        table->pairs[i] = pair_ref(from->pairs[i]);
    table->count = count;
    table->bytes = from != NULL ? from->bytes : 0;
    return table;
}

// Index of the first pair at or above (key, value); a NULL value stands before all values.
static size_t table_find(const struct table *table, struct slice key, const struct slice *value)
{
    size_t low = 0;
    size_t high = table != NULL ? table->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(pair_key(table->pairs[middle]), key);
        if (order == 0 && value != NULL)
            order = compare(pair_value(table->pairs[middle]), *value);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool table_has_key(const struct table *table, size_t index, struct slice key)
{
    return table != NULL && index < table->count && slice_is_equal(pair_key(table->pairs[index]), key);
}

static void table_remove(struct table *table, size_t index)
{
    struct pair *gone = table->pairs[index];
    table->bytes -= gone->key_length + gone->value_length;
    memmove(table->pairs + index, table->pairs + index + 1,
            (table->count - index - 1) * sizeof(struct pair *));
    table->count--;
    pair_unref(gone);
}

static enum result table_insert(struct table *table, size_t index, struct slice key, struct slice value)
{
    struct pair *pair = pair_new(key, value);
    if (pair == NULL)
        return ERR_NOMEM;
    if (table->count == table->capacity) {
        struct pair **larger = realloc(table->pairs, table->capacity * 2 * sizeof *larger);
        if (larger == NULL) {
            pair_unref(pair);
            return ERR_NOMEM;
        }
        table->pairs = larger;
        table->capacity *= 2;
    }
    memmove(table->pairs + index + 1, table->pairs + index, (table->count - index) * sizeof(struct pair *));
    table->pairs[index] = pair;
    table->count++;
    table->bytes += key.length + value.length;
    return OK;
}

// ---- transactions

static void power_check(struct kv_sim_disk *disk)
{
    if (disk->has_power != NULL && !disk->has_power(disk->power_argument))
        kv_sim_crash(disk);
}

static enum result sim_begin(struct kv_env *env, enum kv_mode mode, void **handle)
{
    struct sim_env *sim = sim_env_of(env);
    power_check(sim->disk);
    if (sim->dead)
        return ERR_IO;
    struct sim_transaction *transaction = calloc(1, sizeof *transaction);
    if (transaction == NULL)
        return ERR_NOMEM;
    transaction->env = sim;
    transaction->write = mode == KV_WRITE;
    ensure(!transaction->write || !sim->writing);
    sim->writing |= transaction->write;
    sim->active++;
    for (unsigned i = 0; i < env->schema->count; i++) {
        transaction->tables[i] = sim->disk->tables[i];
        if (transaction->tables[i] != NULL)
            transaction->tables[i]->references++;
    }
    *handle = transaction;
    return OK;
}

static void sim_abort(struct kv_env *env, void *handle)
{
    struct sim_transaction *transaction = handle;
    struct sim_env *sim = sim_env_of(env);
    for (unsigned i = 0; i < env->schema->count; i++)
        table_unref(transaction->tables[i]);
    if (transaction->write)
        sim->writing = false;
    sim->active--;
    free(transaction);
}

static void disk_exchange(struct kv_sim_disk *disk, struct sim_transaction *transaction)
{
    for (unsigned i = 0; i < KV_DATABASES_MAX; i++) {
        if (!transaction->owned[i])
            continue;
        table_unref(disk->tables[i]);
        disk->tables[i] = transaction->tables[i];
        transaction->tables[i] = NULL;
    }
}

// True once, when the fault of this kind of step is due.
static bool fault_is_due(struct kv_sim_disk *disk, bool at_put)
{
    if (disk->fault == KV_SIM_NONE || (disk->fault == KV_SIM_MAP_FULL) != at_put)
        return false;
    return disk->fault_after-- == 0;
}

static enum result sim_commit(struct kv_env *env, void *handle)
{
    struct sim_env *sim = sim_env_of(env);
    struct kv_sim_disk *disk = sim->disk;
    enum result result = OK;
    enum kv_sim_fault fault = KV_SIM_NONE;
    power_check(disk);
    if (sim->dead) {
        result = ERR_IO;
    } else if (fault_is_due(disk, false)) {
        fault = disk->fault;
        disk->fault = KV_SIM_NONE;
        result = fault == KV_SIM_SPACE ? ERR_SPACE : ERR_IO;
    }
    if (result == OK || fault == KV_SIM_CRASH_AFTER_COMMIT)
        disk_exchange(disk, handle);
    sim_abort(env, handle);
    if (fault == KV_SIM_CRASH_AFTER_COMMIT || fault == KV_SIM_CRASH_BEFORE_COMMIT)
        kv_sim_crash(disk);
    return result;
}

static enum result sim_get(struct kv_env *env, void *handle, unsigned database, struct slice key,
                           struct slice *value)
{
    struct sim_transaction *transaction = handle;
    const struct table *table = transaction->tables[database];
    size_t index = table_find(table, key, NULL);
    if (sim_env_of(env)->dead)
        return ERR_IO;
    if (!table_has_key(table, index, key))
        return ERR_MISSING;
    *value = pair_value(table->pairs[index]);
    return OK;
}

static enum result table_own(struct sim_transaction *transaction, unsigned database)
{
    if (transaction->owned[database])
        return OK;
    struct table *clone = table_clone(transaction->tables[database]);
    if (clone == NULL)
        return ERR_NOMEM;
    table_unref(transaction->tables[database]);
    transaction->tables[database] = clone;
    transaction->owned[database] = true;
    return OK;
}

static bool is_over_capacity(const struct sim_transaction *transaction, size_t more)
{
    size_t bytes = more;
    for (unsigned i = 0; i < KV_DATABASES_MAX; i++)
        bytes += transaction->tables[i] != NULL ? transaction->tables[i]->bytes : 0;
    return transaction->env->disk->capacity > 0 && bytes > transaction->env->disk->capacity;
}

static enum result sim_put(struct kv_env *env, void *handle, unsigned database, struct slice key,
                           struct slice value, enum kv_put_flag flag)
{
    struct sim_transaction *transaction = handle;
    struct kv_sim_disk *disk = transaction->env->disk;
    bool duplicates = env->schema->databases[database].duplicates;
    if (transaction->env->dead)
        return ERR_IO;
    if (fault_is_due(disk, true)) {
        disk->fault = KV_SIM_NONE;
        return AGAIN;
    }
    if (is_over_capacity(transaction, key.length + value.length))
        return ERR_SPACE;
    enum result result = table_own(transaction, database);
    if (result != OK)
        return result;
    struct table *table = transaction->tables[database];
    size_t index = table_find(table, key, NULL);
    if (flag == KV_NO_OVERWRITE && table_has_key(table, index, key))
        return ERR_EXISTS;
    if (flag == KV_APPEND && index < table->count)
        return ERR_EXISTS;
    if (duplicates)
        index = table_find(table, key, &value);
    if (table_has_key(table, index, key)) {
        if (duplicates && slice_is_equal(pair_value(table->pairs[index]), value))
            return OK;
        if (!duplicates)
            table_remove(table, index);
    }
    return table_insert(table, index, key, value);
}

static enum result sim_delete(struct kv_env *env, void *handle, unsigned database, struct slice key,
                              const struct slice *value)
{
    struct sim_transaction *transaction = handle;
    bool duplicates = env->schema->databases[database].duplicates;
    if (transaction->env->dead)
        return ERR_IO;
    enum result result = table_own(transaction, database);
    if (result != OK)
        return result;
    struct table *table = transaction->tables[database];
    const struct slice *wanted = duplicates ? value : NULL;
    size_t index = table_find(table, key, wanted);
    if (!table_has_key(table, index, key) ||
        (wanted != NULL && !slice_is_equal(pair_value(table->pairs[index]), *wanted)))
        return ERR_MISSING;
    do
        table_remove(table, index);
    while (wanted == NULL && table_has_key(table, index, key));
    return OK;
}

static enum result sim_count(struct kv_env *env, void *handle, unsigned database, uint64_t *count)
{
    const struct sim_transaction *transaction = handle;
    if (sim_env_of(env)->dead)
        return ERR_IO;
    *count = transaction->tables[database] != NULL ? transaction->tables[database]->count : 0;
    return OK;
}

// ---- cursors

static enum result sim_cursor_open(struct kv_env *env, void *handle, unsigned database, void **cursor)
{
    (void)env;
    struct sim_cursor *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return ERR_NOMEM;
    opened->transaction = handle;
    opened->database = database;
    *cursor = opened;
    return OK;
}

static void sim_cursor_close(struct kv_env *env, void *cursor)
{
    (void)env;
    struct sim_cursor *closed = cursor;
    pair_unref(closed->at);
    free(closed);
}

// Where the move leads; SIZE_MAX: nowhere.
static size_t cursor_target(const struct sim_cursor *cursor, const struct table *table, enum kv_move move,
                            struct slice seek)
{
    size_t count = table->count;
    size_t here = SIZE_MAX; // of the current pair
    if (cursor->at != NULL) {
        struct slice value = pair_value(cursor->at);
        here = table_find(table, pair_key(cursor->at), &value);
    }
    switch (move) {
    case KV_FIRST:
        return count > 0 ? 0 : SIZE_MAX;
    case KV_LAST:
        return count > 0 ? count - 1 : SIZE_MAX;
    case KV_SEEK:
        here = table_find(table, seek, NULL);
        return here < count ? here : SIZE_MAX;
    case KV_NEXT:
        return here != SIZE_MAX && here + 1 < count ? here + 1 : SIZE_MAX;
    case KV_NEXT_DUPLICATE:
        if (here != SIZE_MAX && table_has_key(table, here + 1, pair_key(cursor->at)))
            return here + 1;
        return SIZE_MAX;
    }
    unreachable_state();
}

static enum result sim_cursor_move(struct kv_env *env, void *handle, enum kv_move move, struct slice *key,
                                   struct slice *value)
{
    struct sim_cursor *cursor = handle;
    const struct table *table = cursor->transaction->tables[cursor->database];
    if (sim_env_of(env)->dead)
        return ERR_IO;
    size_t target = table != NULL ? cursor_target(cursor, table, move, *key) : SIZE_MAX;
    if (target == SIZE_MAX) {
        if (move != KV_NEXT_DUPLICATE) {
            pair_unref(cursor->at);
            cursor->at = NULL;
        }
        return ERR_MISSING;
    }
    pair_unref(cursor->at);
    cursor->at = pair_ref(table->pairs[target]);
    *key = pair_key(cursor->at);
    *value = pair_value(cursor->at);
    return OK;
}

static enum result sim_cursor_count(struct kv_env *env, void *handle, size_t *values)
{
    struct sim_cursor *cursor = handle;
    const struct table *table = cursor->transaction->tables[cursor->database];
    if (sim_env_of(env)->dead)
        return ERR_IO;
    if (cursor->at == NULL)
        return ERR_MISSING;
    size_t index = table_find(table, pair_key(cursor->at), NULL);
    *values = 0;
    while (table_has_key(table, index + *values, pair_key(cursor->at)))
        (*values)++;
    return OK;
}

// ---- environments and disks

static void sim_free(struct kv_env *env)
{
    struct sim_env *sim = sim_env_of(env);
    ensure(sim->active == 0);
    list_remove(&sim->disk->environments, &sim->node);
    free(sim);
}

static const struct kv_env_operations sim_operations = {
    .begin = sim_begin,
    .commit = sim_commit,
    .abort = sim_abort,
    .get = sim_get,
    .put = sim_put,
    .del = sim_delete,
    .count = sim_count,
    .cursor_open = sim_cursor_open,
    .cursor_close = sim_cursor_close,
    .cursor_move = sim_cursor_move,
    .cursor_count = sim_cursor_count,
    .free = sim_free,
};

enum result kv_sim_disk_new(struct kv_sim_disk **disk)
{
    struct kv_sim_disk *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    list_init(&made->environments);
    *disk = made;
    return OK;
}

void kv_sim_disk_free(struct kv_sim_disk **disk)
{
    if (*disk == NULL)
        return;
    ensure(list_is_empty(&(*disk)->environments));
    for (unsigned i = 0; i < KV_DATABASES_MAX; i++)
        table_unref((*disk)->tables[i]);
    free(*disk);
    *disk = NULL;
}

enum result kv_sim_open(struct kv_sim_disk *disk, const struct kv_schema *schema, struct kv_env **env)
{
    if (disk->name != NULL && strcmp(disk->name, schema->name) != 0)
        return ERR_FORMAT;
    struct sim_env *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        return ERR_NOMEM;
    kv_env_init(&sim->base, &sim_operations, schema, false);
    sim->disk = disk;
    disk->name = schema->name;
    disk->crashed = false;
    list_append(&disk->environments, &sim->node);
    *env = &sim->base;
    return OK;
}

void kv_sim_crash(struct kv_sim_disk *disk)
{
    disk->crashed = true;
    LIST_EACH(&disk->environments, node)
    CONTAINER_OF(node, struct sim_env, node)->dead = true;
}

bool kv_sim_is_crashed(const struct kv_sim_disk *disk)
{
    return disk->crashed;
}

void kv_sim_power_set(struct kv_sim_disk *disk, bool (*has_power)(void *argument), void *argument)
{
    disk->has_power = has_power;
    disk->power_argument = argument;
}

void kv_sim_fault_set(struct kv_sim_disk *disk, enum kv_sim_fault fault, uint64_t after)
{
    disk->fault = fault;
    disk->fault_after = after;
}

void kv_sim_capacity_set(struct kv_sim_disk *disk, uint64_t bytes)
{
    disk->capacity = (size_t)bytes;
}

uint64_t kv_sim_fingerprint(const struct kv_sim_disk *disk)
{
    uint64_t print = 0;
    for (unsigned i = 0; i < KV_DATABASES_MAX; i++) {
        const struct table *table = disk->tables[i];
        for (size_t j = 0; table != NULL && j < table->count; j++) {
            const struct pair *pair = table->pairs[j];
            struct hash_seed seed = {print, (uint64_t)i << 32 | pair->key_length};
            print = hash_bytes(&seed, slice_of(pair->bytes, pair->key_length + pair->value_length));
        }
    }
    return print;
}
