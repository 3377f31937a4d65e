// SPDX-License-Identifier: Apache-2.0
//
// LMDB behind the key-value seam. The map grows only while this process has no transaction open (LMDB's rule
// for mdb_env_set_mapsize); therefore every begin and end goes through a lock that counts them. Thread: see
// store/kv.h.
#include "store/lmdb.h"
#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "kv_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_SIZE_DEFAULT (256 * MIB)
#define READERS_DEFAULT  126

struct lmdb_env {
    struct kv_env base; // first
    MDB_env *env;
    MDB_dbi databases[KV_DATABASES_MAX];
    pthread_mutex_t lock; // guards `active`, `is_full` and changes of the map
    unsigned active;      // transactions of this process
    bool is_full;         // a put met MDB_MAP_FULL: grow before the next write
};

static struct lmdb_env *lmdb_env_of(struct kv_env *env)
{
    return (struct lmdb_env *)(void *)env;
}

static enum result result_of(int code)
{
    switch (code) {
    case 0:
        return OK;
    case MDB_NOTFOUND:
        return ERR_MISSING;
    case MDB_KEYEXIST:
        return ERR_EXISTS;
    case MDB_MAP_FULL:
    case MDB_MAP_RESIZED:
        return AGAIN;
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
        return ERR_LIMIT;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE:
        return ERR_FORMAT;
    case ENOSPC:
    case EDQUOT:
        return ERR_SPACE;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOENT:
        return ERR_MISSING;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_REFUSED;
    default:
        return ERR_IO;
    }
}

static MDB_val value_of(struct slice bytes)
{
    return (MDB_val){bytes.length, (void *)(uintptr_t)bytes.data};
}

static struct slice slice_of_value(MDB_val value)
{
    return slice_of(value.mv_data, value.mv_size);
}

// Called with the lock held and no transaction active.
static enum result map_double(struct lmdb_env *lmdb)
{
    MDB_envinfo info;
    int code = mdb_env_info(lmdb->env, &info);
    if (code == 0)
        code = mdb_env_set_mapsize(lmdb->env, info.me_mapsize * 2);
    if (code != 0)
        return result_of(code);
    lmdb->is_full = false;
    lmdb->base.counters.map_growths++;
    return OK;
}

// Three quarters used: a batch (some MiB) always fits into the rest, so MDB_MAP_FULL stays rare.
static bool map_is_nearly_full(struct lmdb_env *lmdb)
{
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(lmdb->env, &info) != 0 || mdb_env_stat(lmdb->env, &stat) != 0)
        return false;
    return (info.me_last_pgno + 1) * stat.ms_psize > info.me_mapsize / 4 * 3;
}

static enum result room_make(struct lmdb_env *lmdb)
{
    if (!lmdb->is_full && !map_is_nearly_full(lmdb))
        return OK;
    int dead = 0; // readers that were killed keep old pages from being used again
    (void)mdb_reader_check(lmdb->env, &dead);
    if (lmdb->active == 0)
        return map_double(lmdb);
    return lmdb->is_full ? AGAIN : OK;
}

static enum result lmdb_begin(struct kv_env *env, enum kv_mode mode, void **handle)
{
    struct lmdb_env *lmdb = lmdb_env_of(env);
    MDB_txn *transaction = NULL;
    unsigned flags = mode == KV_READ ? MDB_RDONLY : 0;
    ensure(pthread_mutex_lock(&lmdb->lock) == 0);
    enum result result = mode == KV_WRITE ? room_make(lmdb) : OK;
    if (result == OK) {
        int code = mdb_txn_begin(lmdb->env, NULL, flags, &transaction);
        if (code == MDB_MAP_RESIZED && lmdb->active == 0) { // another process has let the store grow
            code = mdb_env_set_mapsize(lmdb->env, 0);
            if (code == 0)
                code = mdb_txn_begin(lmdb->env, NULL, flags, &transaction);
        }
        if (code == MDB_READERS_FULL) { // slots of processes that were killed
            int dead = 0;
            (void)mdb_reader_check(lmdb->env, &dead);
            code = mdb_txn_begin(lmdb->env, NULL, flags, &transaction);
        }
        result = result_of(code);
    }
    if (result == OK) {
        lmdb->active++;
        *handle = transaction;
    }
    ensure(pthread_mutex_unlock(&lmdb->lock) == 0);
    return result;
}

static void transaction_ended(struct lmdb_env *lmdb)
{
    ensure(pthread_mutex_lock(&lmdb->lock) == 0);
    ensure(lmdb->active > 0);
    lmdb->active--;
    ensure(pthread_mutex_unlock(&lmdb->lock) == 0);
}

static enum result map_full_note(struct lmdb_env *lmdb, int code)
{
    if (code == MDB_MAP_FULL) {
        ensure(pthread_mutex_lock(&lmdb->lock) == 0);
        lmdb->is_full = true;
        ensure(pthread_mutex_unlock(&lmdb->lock) == 0);
    }
    return result_of(code);
}

static enum result lmdb_commit(struct kv_env *env, void *handle)
{
    struct lmdb_env *lmdb = lmdb_env_of(env);
    int code = mdb_txn_commit(handle);
    transaction_ended(lmdb);
    return map_full_note(lmdb, code);
}

static void lmdb_abort(struct kv_env *env, void *handle)
{
    mdb_txn_abort(handle);
    transaction_ended(lmdb_env_of(env));
}

static enum result lmdb_get(struct kv_env *env, void *handle, unsigned database, struct slice key,
                            struct slice *value)
{
    MDB_val found_key = value_of(key);
    MDB_val found;
    int code = mdb_get(handle, lmdb_env_of(env)->databases[database], &found_key, &found);
    if (code == 0)
        *value = slice_of_value(found);
    return result_of(code);
}

static enum result lmdb_put(struct kv_env *env, void *handle, unsigned database, struct slice key,
                            struct slice value, enum kv_put_flag flag)
{
    struct lmdb_env *lmdb = lmdb_env_of(env);
    MDB_val put_key = value_of(key);
    MDB_val put_value = value_of(value);
    unsigned flags = 0;
    if (flag == KV_APPEND)
        flags = MDB_APPEND;
    else if (flag == KV_NO_OVERWRITE)
        flags = MDB_NOOVERWRITE;
    return map_full_note(lmdb, mdb_put(handle, lmdb->databases[database], &put_key, &put_value, flags));
}

static enum result lmdb_delete(struct kv_env *env, void *handle, unsigned database, struct slice key,
                               const struct slice *value)
{
    struct lmdb_env *lmdb = lmdb_env_of(env);
    MDB_val gone_key = value_of(key);
    MDB_val gone_value = value != NULL ? value_of(*value) : (MDB_val){0, NULL};
    return map_full_note(
        lmdb, mdb_del(handle, lmdb->databases[database], &gone_key, value != NULL ? &gone_value : NULL));
}

static enum result lmdb_count(struct kv_env *env, void *handle, unsigned database, uint64_t *count)
{
    MDB_stat stat;
    int code = mdb_stat(handle, lmdb_env_of(env)->databases[database], &stat);
    if (code == 0)
        *count = stat.ms_entries;
    return result_of(code);
}

static enum result lmdb_cursor_open(struct kv_env *env, void *handle, unsigned database, void **cursor)
{
    MDB_cursor *opened = NULL;
    int code = mdb_cursor_open(handle, lmdb_env_of(env)->databases[database], &opened);
    if (code == 0)
        *cursor = opened;
    return result_of(code);
}

static void lmdb_cursor_close(struct kv_env *env, void *cursor)
{
    (void)env;
    mdb_cursor_close(cursor);
}

static enum result lmdb_cursor_move(struct kv_env *env, void *cursor, enum kv_move move, struct slice *key,
                                    struct slice *value)
{
    static const MDB_cursor_op operations[] = {
        [KV_FIRST] = MDB_FIRST,
        [KV_LAST] = MDB_LAST,
        [KV_SEEK] = MDB_SET_RANGE,
        [KV_NEXT] = MDB_NEXT,
        [KV_NEXT_DUPLICATE] = MDB_NEXT_DUP,
    };
    (void)env;
    MDB_val found_key = value_of(*key);
    MDB_val found = {0, NULL};
    int code = mdb_cursor_get(cursor, &found_key, &found, operations[move]);
    if (code == EINVAL && move == KV_NEXT_DUPLICATE) // the cursor is nowhere
        return ERR_MISSING;
    if (code != 0)
        return result_of(code);
    *key = slice_of_value(found_key);
    *value = slice_of_value(found);
    return OK;
}

static enum result lmdb_cursor_count(struct kv_env *env, void *cursor, size_t *values)
{
    (void)env;
    return result_of(mdb_cursor_count(cursor, values));
}

static void lmdb_free(struct kv_env *env)
{
    struct lmdb_env *lmdb = lmdb_env_of(env);
    ensure(lmdb->active == 0);
    if (lmdb->env != NULL)
        mdb_env_close(lmdb->env);
    ensure(pthread_mutex_destroy(&lmdb->lock) == 0);
    free(lmdb);
}

static const struct kv_env_operations lmdb_operations = {
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_delete,
    .count = lmdb_count,
    .cursor_open = lmdb_cursor_open,
    .cursor_close = lmdb_cursor_close,
    .cursor_move = lmdb_cursor_move,
    .cursor_count = lmdb_cursor_count,
    .free = lmdb_free,
};

// The names data.mdb and lock.mdb and the folder's own must survive a power cut too.
static int folder_sync(const char *folder)
{
    int code = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fsync(fd) != 0 || parent < 0 || fsync(parent) != 0)
        code = errno;
    if (parent >= 0)
        close(parent);
    close(fd);
    return code;
}

static int databases_open(struct lmdb_env *lmdb)
{
    const struct kv_schema *schema = lmdb->base.schema;
    MDB_txn *transaction = NULL;
    int code = mdb_txn_begin(lmdb->env, NULL, lmdb->base.read_only ? MDB_RDONLY : 0, &transaction);
    for (unsigned i = 0; code == 0 && i < schema->count; i++) {
        unsigned expected = schema->databases[i].duplicates ? MDB_DUPSORT | MDB_DUPFIXED : 0;
        unsigned stored = 0;
        code = mdb_dbi_open(transaction, schema->databases[i].name,
                            expected | (lmdb->base.read_only ? 0 : MDB_CREATE), &lmdb->databases[i]);
        if (code == MDB_NOTFOUND)
            code = MDB_INVALID;
        if (code == 0)
            code = mdb_dbi_flags(transaction, lmdb->databases[i], &stored);
        if (code == 0 && (stored & (MDB_DUPSORT | MDB_DUPFIXED)) != expected)
            code = MDB_INCOMPATIBLE;
    }
    if (code != 0) {
        if (transaction != NULL)
            mdb_txn_abort(transaction);
        return code;
    }
    return mdb_txn_commit(transaction); // also when reading: the handles stay open
}

// One that a cut left empty as it was made is none.
static int store_find(const char *folder)
{
    char path[4096];
    struct stat file;
    if (!text_format(path, sizeof path, "%s/data.mdb", folder))
        return ENAMETOOLONG;
    if (stat(path, &file) != 0)
        return errno;
    return file.st_size > 0 ? 0 : ENOENT;
}

static int lmdb_open_all(struct lmdb_env *lmdb, const char *folder, const struct lmdb_options *options)
{
    bool read_only = options->read_only;
    int code = mdb_env_create(&lmdb->env);
    if (code == 0)
        code = mdb_env_set_maxdbs(lmdb->env, lmdb->base.schema->count);
    if (code == 0)
        code = mdb_env_set_maxreaders(lmdb->env, options->readers > 0 ? options->readers : READERS_DEFAULT);
    if (code == 0 && !read_only)
        code = mdb_env_set_mapsize(lmdb->env, options->map_size > 0 ? options->map_size : MAP_SIZE_DEFAULT);
    if (code == 0 && options->existing_only)
        code = store_find(folder);
    if (code == 0 && !read_only && mkdir(folder, 0700) != 0 && errno != EEXIST)
        code = errno;
    if (code == 0)
        code =
            mdb_env_open(lmdb->env, folder, MDB_NOTLS | MDB_NORDAHEAD | (read_only ? MDB_RDONLY : 0), 0600);
    if (code == 0 && !read_only) {
        int dead = 0;
        code = mdb_reader_check(lmdb->env, &dead);
    }
    if (code == 0)
        code = databases_open(lmdb);
    if (code == 0 && !read_only)
        code = folder_sync(folder);
    return code;
}

static void explain(const struct kv_schema *schema, const char *folder, int code, char *why, size_t capacity)
{
    enum result result = result_of(code);
    if (result == ERR_MISSING)
        (void)text_format(why, capacity, "there is no %s store in %s", schema->name, folder);
    else if (result == ERR_FORMAT)
        (void)text_format(why, capacity, "%s is not a %s store that this program can read: %s", folder,
                          schema->name, mdb_strerror(code));
    else
        (void)text_format(why, capacity, "the %s store in %s can not be opened: %s", schema->name, folder,
                          mdb_strerror(code));
}

enum result lmdb_env_open(const char *folder, const struct kv_schema *schema,
                          const struct lmdb_options *options, struct kv_env **env, char *why, size_t capacity)
{
    struct lmdb_env *lmdb = calloc(1, sizeof *lmdb);
    if (lmdb == NULL || pthread_mutex_init(&lmdb->lock, NULL) != 0) {
        free(lmdb);
        (void)text_format(why, capacity, "out of memory");
        return ERR_NOMEM;
    }
    kv_env_init(&lmdb->base, &lmdb_operations, schema, options->read_only);
    int code = lmdb_open_all(lmdb, folder, options);
    if (code != 0) {
        explain(schema, folder, code, why, capacity);
        struct kv_env *failed = &lmdb->base;
        kv_env_free(&failed);
        return result_of(code);
    }
    *env = &lmdb->base;
    return OK;
}

static int file_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int code = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return code;
}

enum result lmdb_env_copy(struct kv_env *env, const char *folder, char *why, size_t capacity)
{
    char path[4096];
    if (!text_format(path, sizeof path, "%s/data.mdb", folder))
        return ERR_ARGUMENT;
    if (mkdir(folder, 0700) != 0) {
        int code = errno;
        (void)text_format(why, capacity, "%s can not be made: %s", folder, mdb_strerror(code));
        return code == EEXIST ? ERR_EXISTS : result_of(code);
    }
    mode_t former = umask(077);
    int code = mdb_env_copy2(lmdb_env_of(env)->env, folder, MDB_CP_COMPACT);
    (void)umask(former);
    if (code == 0)
        code = file_sync(path);
    if (code == 0)
        code = folder_sync(folder);
    if (code == 0)
        return OK;
    (void)text_format(why, capacity, "the copy in %s can not be made: %s", folder, mdb_strerror(code));
    (void)unlink(path);
    (void)rmdir(folder);
    return result_of(code);
}
