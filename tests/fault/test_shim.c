// SPDX-License-Identifier: Apache-2.0
//
// The kill shim under test. This program runs itself as the victim, with the shim loaded and a folder to work
// in; the victim says on a pipe what was acknowledged to it (a sync returned), and is killed. What is in the
// folder then is compared with what was said.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define VICTIM_MAX_SAID 100000

static char folder[64];

// ---- the victim's side ----

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "victim: %s: %s\n", what, strerror(errno));
    _exit(3);
}

static void folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    must(fd >= 0 && fsync(fd) == 0 && close(fd) == 0, path);
}

static int file_make(const char *path, const char *text)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    must(fd >= 0 && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text) && fsync(fd) == 0, path);
    return fd;
}

static void say(unsigned number)
{
    must(write(STDOUT_FILENO, &number, sizeof number) == (ssize_t)sizeof number, "pipe");
}

static void die(void)
{
    must(kill(getpid(), SIGUSR2) == 0, "kill");
    for (;;)
        (void)pause();
}

// Every way to change a file, after a sync.
static void victim_contents(void)
{
    int a = file_make("a", "0123456789");
    int b = file_make("b", "0123456789");
    int c = file_make("c", "0123456789");
    int d = file_make("d", "0123456789");
    folder_sync(".");
    struct iovec vector[2] = {{(void *)(uintptr_t) "AB", 2}, {(void *)(uintptr_t) "CD", 2}};
    must(pwrite(a, "xyz", 3, 8) == 3 && pwrite(a, "end", 3, 100000) == 3, "pwrite");
    must(pwritev(b, vector, 2, 1) == 4 && lseek(b, 5, SEEK_SET) == 5 && writev(b, vector, 2) == 4, "writev");
    must(write(b, "tail", 4) == 4, "write");
    must(ftruncate(c, 3) == 0 && pwrite(c, "X", 1, 0) == 1 && ftruncate(c, 50) == 0, "ftruncate");
    must(fallocate(d, 0, 0, 1 << 20) == 0 && pwrite(d, "Y", 1, 5) == 1, "fallocate");
    must(sync_file_range(a, 0, 0, SYNC_FILE_RANGE_WRITE) == 0, "sync_file_range"); // not a sync
    int again = open("d", O_WRONLY | O_TRUNC | O_APPEND);
    must(again >= 0 && write(again, "new", 3) == 3 && close(again) == 0, "O_TRUNC");
    must(close(c) == 0, "close"); // nor is this
    die();
}

// Every way to change a name, after a sync.
static void victim_names(void)
{
    must(mkdir("sub", 0700) == 0, "mkdir");
    must(close(file_make("a", "a")) == 0 && close(file_make("b", "b")) == 0, "close");
    must(close(file_make("sub/c", "c")) == 0, "close");
    folder_sync(".");
    folder_sync("sub");
    must(close(file_make("new", "new")) == 0, "close");
    must(rename("a", "b") == 0 && rename("b", "sub/moved") == 0 && unlink("sub/c") == 0, "rename");
    must(close(file_make("sub/c", "another")) == 0 && mkdir("deep", 0700) == 0, "mkdir");
    must(close(file_make("deep/x", "x")) == 0, "close");
    folder_sync("deep");
    must(close(file_make("lock.mdb", "excluded")) == 0, "close");
    die();
}

// Appends numbered records, each synced, and says each number then.
static void append_records(const char *path, unsigned first, unsigned count, bool is_numbered)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    must(fd >= 0, path);
    folder_sync(".");
    for (unsigned i = 0; i < count; i++) {
        unsigned record[256];
        for (size_t k = 0; k < 256; k++)
            record[k] = first + i;
        must(pwrite(fd, record, sizeof record, (off_t)(i * sizeof record)) == (ssize_t)sizeof record, path);
        must(fdatasync(fd) == 0, "fdatasync");
        if (is_numbered)
            say(first + i);
    }
    must(close(fd) == 0, "close");
}

static void victim_records(void)
{
    append_records("records", 1, 30, true);
}

static void *thread_run(void *argument)
{
    unsigned thread = *(unsigned *)argument;
    char path[16];
    (void)snprintf(path, sizeof path, "t%u", thread);
    append_records(path, thread * 1000 + 1, 500, true);
    return NULL;
}

static void victim_threads(void)
{
    static unsigned numbers[8];
    pthread_t threads[8];
    for (unsigned i = 0; i < 8; i++) {
        numbers[i] = i;
        must(pthread_create(&threads[i], NULL, thread_run, &numbers[i]) == 0, "thread");
    }
    for (unsigned i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    for (;;) // the kill may be late
        (void)pause();
}

static void *allocate_run(void *argument)
{
    (void)argument;
    for (;;) {
        void *volatile blocks[64]; // of the size that opendir() takes; many, to get past what a thread keeps
        for (size_t i = 0; i < 64; i++)
            blocks[i] = malloc(32768 + 48);
        for (size_t i = 0; i < 64; i++)
            free(blocks[i]);
    }
    return NULL;
}

// The kill finds threads inside malloc(): whoever carries it out must not need what they hold.
static void victim_allocating(void)
{
    pthread_t thread;
    for (unsigned i = 0; i < 4; i++)
        must(pthread_create(&thread, NULL, allocate_run, NULL) == 0, "thread");
    append_records("records", 1, 100, true);
    for (;;) // killed here at the latest
        (void)pause();
}

// Writes eight sectors, unsynced, over synced ones.
static void victim_torn(void)
{
    char bytes[4096];
    memset(bytes, 'o', sizeof bytes);
    int fd = open("torn", O_RDWR | O_CREAT, 0600);
    must(fd >= 0 && pwrite(fd, bytes, sizeof bytes, 0) == 4096 && fsync(fd) == 0, "torn");
    folder_sync(".");
    memset(bytes, 'n', sizeof bytes);
    must(pwrite(fd, bytes, sizeof bytes, 0) == 4096, "torn");
    die();
}

// A write through O_DSYNC is durable by itself, and nothing else is.
static void victim_dsync(void)
{
    int fd = file_make("dsync", "................");
    folder_sync(".");
    must(pwrite(fd, "aaaaaaaa", 8, 0) == 8, "pwrite");
    int synced = open("dsync", O_WRONLY | O_DSYNC);
    must(synced >= 0 && pwrite(synced, "SSSS", 4, 6) == 4, "O_DSYNC");
    must(pwrite(fd, "bbbb", 4, 8) == 4, "pwrite");
    die();
}

static void victim_lmdb(void)
{
    MDB_env *env;
    MDB_dbi database;
    must(mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, 64 << 20) == 0 &&
             mdb_env_open(env, "db", 0, 0600) == 0,
         "mdb_env_open");
    folder_sync("db");
    for (unsigned i = 1; i <= 40; i++) {
        MDB_txn *txn;
        must(mdb_txn_begin(env, NULL, 0, &txn) == 0 &&
                 mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &database) == 0,
             "begin");
        for (unsigned k = 0; k < 20; k++) {
            unsigned key = i * 100 + k;
            char text[300];
            memset(text, (int)('a' + i % 26), sizeof text);
            MDB_val name = {sizeof key, &key};
            MDB_val value = {sizeof text, text};
            must(mdb_put(txn, database, &name, &value, 0) == 0, "put");
        }
        must(mdb_txn_commit(txn) == 0, "commit");
        say(i);
    }
    for (;;) // every run of this victim is killed, at the latest here: the test may hear of it late
        (void)pause();
}

static int victim_run(const char *name)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } victims[] = {
        {"contents", victim_contents}, {"names", victim_names},
        {"records", victim_records},   {"threads", victim_threads},
        {"torn", victim_torn},         {"dsync", victim_dsync},
        {"lmdb", victim_lmdb},         {"allocating", victim_allocating},
    };
    for (size_t i = 0; i < sizeof victims / sizeof victims[0]; i++) {
        if (strcmp(victims[i].name, name) == 0)
            victims[i].run();
    }
    return 0;
}

// ---- the test's side ----

struct run {
    const char *victim;
    unsigned after;     // operations, 0: until the signal
    long seed;          // -1: take back everything
    unsigned kill_when; // after the victim has said so many things, 0: never
    unsigned said[VICTIM_MAX_SAID];
    size_t said_count;
    bool was_killed;
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_all(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void number_set(const char *name, long value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%ld", value);
    (void)setenv(name, text, 1);
}

static void victim_exec(const struct run *run, int pipe_end)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/d", folder);
    (void)setenv("DG_FAULT_DIR", path, 1);
    if (chdir(path) != 0)
        _exit(4);
    (void)snprintf(path, sizeof path, "%s/log", folder);
    (void)setenv("DG_FAULT_LOG", path, 1);
    if (run->after > 0)
        number_set("DG_FAULT_AFTER", run->after);
    if (run->seed >= 0)
        number_set("DG_FAULT_SEED", run->seed);
    (void)setenv("LD_PRELOAD", DG_FAULT_SHIM, 1);
    (void)setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    (void)dup2(pipe_end, STDOUT_FILENO);
    (void)execl("/proc/self/exe", "victim", run->victim, (char *)NULL);
    _exit(5);
}

// In a fresh folder.
static void run_victim(struct run *run)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/d", folder);
    remove_all(path);
    (void)snprintf(path, sizeof path, "%s/d.lost", folder);
    remove_all(path);
    (void)snprintf(path, sizeof path, "%s/log", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/d/db", folder);
    *strrchr(path, '/') = 0;
    assert_int_equal(mkdir(path, 0700), 0);
    if (strcmp(run->victim, "lmdb") == 0) {
        (void)snprintf(path, sizeof path, "%s/d/db", folder);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        victim_exec(run, ends[1]);
    }
    (void)close(ends[1]);
    unsigned number;
    run->said_count = 0;
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number) {
        assert_true(run->said_count < VICTIM_MAX_SAID);
        run->said[run->said_count++] = number;
        if (run->said_count == run->kill_when)
            assert_int_equal(kill(child, SIGUSR2), 0);
    }
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    run->was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    assert_true(run->was_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

// The bytes of a file in the victim's folder; -1 if there is none.
static ssize_t look(const char *name, void *bytes, size_t capacity)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/d/%s", folder, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, bytes, capacity);
    (void)close(fd);
    return got;
}

static void assert_holds(const char *name, const char *text)
{
    char bytes[256];
    assert_int_equal(look(name, bytes, sizeof bytes), (ssize_t)strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

static bool log_says(const char *words)
{
    static char text[1 << 16];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/log", folder);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, text, sizeof text - 1);
    (void)close(fd);
    text[got > 0 ? got : 0] = 0;
    return strstr(text, words) != NULL;
}

static struct run the_run;

static struct run *run_make(const char *victim, unsigned after, long seed, unsigned kill_when)
{
    the_run = (struct run){.victim = victim, .after = after, .seed = seed, .kill_when = kill_when};
    run_victim(&the_run);
    return &the_run;
}

static void test_contents_are_taken_back(void **state)
{
    (void)state;
    assert_true(run_make("contents", 0, -1, 0)->was_killed);
    assert_holds("a", "0123456789");
    assert_holds("b", "0123456789");
    assert_holds("c", "0123456789");
    assert_holds("d", "0123456789");
    assert_true(log_says("killed by signal"));
    assert_true(log_says("lose write"));
    assert_false(log_says("keep"));
}

static void test_names_are_taken_back(void **state)
{
    (void)state;
    assert_true(run_make("names", 0, -1, 0)->was_killed);
    char byte;
    assert_holds("a", "a");
    assert_holds("b", "b");
    assert_holds("sub/c", "c");
    assert_int_equal(look("sub/moved", &byte, 1), -1);
    assert_int_equal(look("new", &byte, 1), -1);
    assert_int_equal(look("deep/x", &byte, 1), -1); // its folder's name was not synced
    assert_holds("lock.mdb", "excluded");
    assert_true(log_says("lose rename"));
}

// The records that were acknowledged are there, and at most the one whose sync was under way besides.
static void assert_records(const char *path, unsigned first, const struct run *run, bool is_torn_allowed)
{
    static unsigned records[600 * 256];
    unsigned said = 0;
    for (size_t i = 0; i < run->said_count; i++)
        said += run->said[i] / 1000 == first / 1000;
    ssize_t got = look(path, records, sizeof records);
    size_t found = got > 0 ? (size_t)got / 1024 : 0;
    assert_true(found >= said);
    assert_true(found <= said + 1);
    for (size_t i = 0; i < (is_torn_allowed ? said : found); i++) {
        for (size_t k = 0; k < 256; k++)
            assert_int_equal(records[i * 256 + k], first + i);
    }
}

// Killed at each operation in turn, with and without a seed: 1 create, 1 folder sync, then write and sync in
// turn.
static void test_every_operation(void **state)
{
    (void)state;
    assert_false(run_make("records", 0, -1, 0)->was_killed);
    assert_int_equal(the_run.said_count, 30);
    assert_true(log_says("ended after 62 operations"));
    for (unsigned after = 1; after <= 62; after++) {
        for (long seed = -1; seed < 1; seed++) {
            const struct run *run = run_make("records", after, seed, 0);
            assert_true(run->was_killed);
            assert_int_equal(run->said_count, after < 4 ? 0 : (after - 3) / 2);
            assert_records("records", 1, run, seed >= 0);
        }
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        const struct run *run = run_make("threads", 0, i % 2 == 0 ? -1 : (long)i, 50 + i * 37);
        assert_true(run->was_killed);
        for (unsigned thread = 0; thread < 8; thread++) {
            char path[16];
            (void)snprintf(path, sizeof path, "t%u", thread);
            assert_records(path, thread * 1000 + 1, run, i % 2 == 1);
        }
    }
}

static void test_kill_inside_malloc(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        const struct run *run = run_make("allocating", 0, -1, 2 + i);
        assert_true(run->was_killed);
        assert_records("records", 1, run, false);
    }
}

static void test_seeds_keep_lose_and_tear(void **state)
{
    (void)state;
    unsigned seen[3] = {0};
    for (long seed = 0; seed < 30; seed++) {
        char bytes[4096], again[4096];
        assert_true(run_make("torn", 0, seed, 0)->was_killed);
        assert_int_equal(look("torn", bytes, sizeof bytes), 4096);
        unsigned fresh = 0;
        for (size_t sector = 0; sector < 8; sector++) {
            for (size_t i = 1; i < 512; i++)
                assert_int_equal(bytes[sector * 512 + i], bytes[sector * 512]);
            fresh += bytes[sector * 512] == 'n';
        }
        seen[fresh == 0 ? 0 : fresh == 8 ? 1 : 2]++;
        if (seed % 10 != 0)
            continue;
        (void)run_make("torn", 0, seed, 0);
        assert_int_equal(look("torn", again, sizeof again), 4096);
        assert_memory_equal(bytes, again, sizeof bytes);
    }
    assert_true(seen[0] > 2 && seen[1] > 2 && seen[2] > 2);
}

static void test_dsync(void **state)
{
    (void)state;
    assert_true(run_make("dsync", 0, -1, 0)->was_killed);
    assert_holds("dsync", "......SSSS......");
    for (long seed = 0; seed < 8; seed++) {
        char bytes[16];
        (void)run_make("dsync", 0, seed, 0);
        assert_int_equal(look("dsync", bytes, sizeof bytes), 16);
        assert_memory_equal(bytes + 6, "SS", 2);
        assert_true(memcmp(bytes + 8, "SS..", 4) == 0 || memcmp(bytes + 8, "bbbb", 4) == 0);
    }
}

// How many of LMDB's transactions are there, each whole.
static unsigned lmdb_count(void)
{
    char path[128];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi database;
    unsigned count = 0;
    (void)snprintf(path, sizeof path, "%s/d/db", folder);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    if (mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &database) == 0) {
        MDB_cursor *cursor;
        MDB_val name, value;
        assert_int_equal(mdb_cursor_open(txn, database, &cursor), 0);
        while (mdb_cursor_get(cursor, &name, &value, MDB_NEXT) == 0) {
            unsigned key;
            memcpy(&key, name.mv_data, sizeof key);
            assert_int_equal(key, (count / 20 + 1) * 100 + count % 20);
            assert_int_equal(value.mv_size, 300);
            assert_int_equal(((char *)value.mv_data)[299], 'a' + key / 100 % 26);
            count++;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    mdb_env_close(env);
    assert_int_equal(count % 20, 0);
    return count / 20;
}

static void test_lmdb(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        const struct run *run = run_make("lmdb", 11 + i * 7, i % 2 == 0 ? -1 : (long)i, 0);
        assert_true(run->was_killed);
        assert_in_range(lmdb_count(), run->said_count, run->said_count + 1);
    }
    const struct run *run = run_make("lmdb", 0, 5, 20);
    assert_true(run->was_killed);
    assert_in_range(lmdb_count(), run->said_count, run->said_count + 1);
}

static int folder_begin(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/fault-test-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int folder_end(void **state)
{
    (void)state;
    remove_all(folder);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[0], "victim") == 0)
        return victim_run(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents_are_taken_back),
        cmocka_unit_test(test_names_are_taken_back),
        cmocka_unit_test(test_every_operation),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_kill_inside_malloc),
        cmocka_unit_test(test_seeds_keep_lose_and_tear),
        cmocka_unit_test(test_dsync),
        cmocka_unit_test(test_lmdb),
    };
    return cmocka_run_group_tests(tests, folder_begin, folder_end);
}
