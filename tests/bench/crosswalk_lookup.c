// SPDX-License-Identifier: Apache-2.0
//
// crosswalk_lookup FOLDER [ROWS] [LOOKUPS]: how long an import of ROWS (default 10,000,000) into a crosswalk
// takes that holds as many already, how much memory, how long a reader waits meanwhile; and how long a
// look-up takes, by source (map) and by target (unmap), warm and cold.
//
// Makes FOLDER/rows.csv and FOLDER/crosswalk on the real file system, with a key file of its own. Prints
// JSON.
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "lookup.h"
#include "store/crosswalk_import.h"
#include "store/lmdb.h"

enum { COLD_LOOKUPS = 1000, PIECE = 1 << 18, PATH_BYTES = 4096 };

struct bench {
    struct fs *fs;
    struct seal_keyring *ring;
    struct kv_env *env;
    struct crosswalk *crosswalk;
    struct crosswalk_reader *reader;
    uint16_t legacy, enterprise;
    uint64_t rows;
    uint64_t pressed; // look-ups while an import ran
    uint64_t pressed_max;
    atomic_bool is_over;
};

static void open_all(struct bench *bench, const char *folder)
{
    static const struct crosswalk_domain domains[] = {{.name = "LEGACY", .strips_leading_zeros = true},
                                                      {.name = "ENTERPRISE"}};
    static const uint8_t bytes[SEAL_KEY_SIZE] = {1};
    struct seal_master *master;
    struct lmdb_options options = {.map_size = CROSSWALK_MAP_BYTES};
    char path[PATH_BYTES], why[256];
    ensure(text_format(path, sizeof path, "%s/crosswalk", folder));
    ensure(fs_real_new(folder, &bench->fs) == OK && seal_master_from_bytes(bytes, &master) == OK);
    enum result made = seal_keyring_create(bench->fs, "keys", master, NULL);
    ensure(made == OK || made == ERR_EXISTS);
    ensure(seal_keyring_open(bench->fs, "keys", master, 20000, &bench->ring, NULL) == OK);
    if (lmdb_env_open(path, &crosswalk_schema, &options, &bench->env, why, sizeof why) != OK) {
        (void)fprintf(stderr, "%s\n", why);
        exit(1);
    }
    ensure(crosswalk_new(bench->env, bench->ring, domains, 2, &bench->crosswalk, NULL) == OK);
    ensure(crosswalk_reader_new(bench->crosswalk, &bench->reader) == OK);
    bench->legacy = crosswalk_domain_find(bench->crosswalk, "LEGACY");
    bench->enterprise = crosswalk_domain_find(bench->crosswalk, "ENTERPRISE");
    seal_master_free(master);
}

static void close_all(struct bench *bench)
{
    crosswalk_reader_free(bench->reader);
    crosswalk_free(bench->crosswalk);
    kv_env_free(&bench->env);
    seal_keyring_free(bench->ring);
    fs_free(bench->fs);
}

// Every tenth target has two sources; every row has a name, a birth date and a sex.
static size_t row_print(char *to, size_t capacity, uint64_t n)
{
    uint64_t target = n % 10 == 9 ? n - 1 : n;
    return (size_t)snprintf(
        to, capacity, "LEGACY,%09" PRIu64 ",ENTERPRISE,E%012" PRIu64 ",Family%u^Given%u,19%02u%02u%02u,%c\n",
        n, lookup_mixed(target) % 1000000000000u, (unsigned)(lookup_mixed(n) % 100000),
        (unsigned)(lookup_mixed(n) % 1000), (unsigned)(target % 100), (unsigned)(target % 12 + 1),
        (unsigned)(target % 28 + 1), n % 2 == 0 ? 'F' : 'M');
}

static void *press(void *arg)
{
    struct bench *bench = arg;
    struct crosswalk_reader *reader;
    struct crosswalk_verdict verdict;
    char id[16];
    ensure(crosswalk_reader_new(bench->crosswalk, &reader) == OK);
    while (!atomic_load(&bench->is_over)) {
        struct timespec pause = {.tv_nsec = 1000000};
        (void)text_format(id, sizeof id, "%" PRIu64, lookup_mixed(bench->pressed) % bench->rows);
        uint64_t begun = figures_now();
        ensure(crosswalk_map(reader, bench->legacy, slice_of_text(id), bench->enterprise, NULL, &verdict) ==
               OK);
        uint64_t took = figures_now() - begun;
        bench->pressed++;
        bench->pressed_max = took > bench->pressed_max ? took : bench->pressed_max;
        (void)nanosleep(&pause, NULL);
    }
    crosswalk_reader_free(reader);
    return NULL;
}

static void file_make(const struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "we");
    char line[256];
    ensure(file != NULL);
    ensure(fputs("source_domain,source_id,target_domain,target_id,name,birth_date,sex\n", file) >= 0);
    for (uint64_t n = 0; n < bench->rows; n++)
        ensure(fwrite(line, row_print(line, sizeof line, n), 1, file) == 1);
    ensure(fclose(file) == 0);
}

static double cpu_seconds(void)
{
    struct timespec at;
    ensure(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at) == 0);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static uint64_t anonymous_bytes(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    ensure(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoull(line + 8, NULL, 10);
    (void)fclose(file);
    return kib * KIB;
}

static uint64_t anonymous_most;

static void step_note(uint64_t begun, uint64_t *longest)
{
    uint64_t took = figures_now() - begun;
    *longest = took > *longest ? took : *longest;
    uint64_t anonymous = anonymous_bytes();
    anonymous_most = anonymous > anonymous_most ? anonymous : anonymous_most;
}

static void import(struct bench *bench, const char *path, const char *name)
{
    struct crosswalk_import *import;
    struct crosswalk_import_options options = {.order = {.now = 1, .person = "bench", .reason = "bench"}};
    pthread_t thread;
    static char piece[PIECE];
    uint64_t begun = figures_now(), longest = 0;
    double cpu = cpu_seconds();
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ensure(file >= 0);
    atomic_store(&bench->is_over, false);
    bench->pressed = bench->pressed_max = 0;
    ensure(pthread_create(&thread, NULL, press, bench) == 0);
    ensure(crosswalk_import_new(bench->crosswalk, bench->fs, &options, &import) == OK);
    for (ssize_t got = 1; got > 0;) {
        got = read(file, piece, sizeof piece);
        ensure(got >= 0 && crosswalk_import_feed(import, slice_of(piece, (size_t)got)) == OK);
    }
    ensure(close(file) == 0);
    ensure(crosswalk_import_end(import) == OK);
    uint64_t read_took = figures_now() - begun;
    enum result result = AGAIN;
    while (result == AGAIN) {
        uint64_t at = figures_now();
        result = crosswalk_import_step(import);
        step_note(at, &longest);
    }
    ensure(result == OK);
    uint64_t took = figures_now() - begun;
    crosswalk_import_free(import);
    atomic_store(&bench->is_over, true);
    ensure(pthread_join(thread, NULL) == 0);
    (void)printf("  \"%s\": { \"s\": %.1f, \"cpu_s\": %.1f, \"read_s\": %.1f, \"longest_step_ms\": %.1f, "
                 "\"readers_max_us\": %.1f, "
                 "\"lookups_meanwhile\": %" PRIu64 " },\n",
                 name, (double)took / 1e9, cpu_seconds() - cpu, (double)read_took / 1e9,
                 (double)longest / 1e6, (double)bench->pressed_max / 1e3, bench->pressed);
}

static void purge(struct bench *bench)
{
    uint64_t begun = figures_now(), longest = 0, steps = 0;
    enum result result = AGAIN;
    while (result == AGAIN) {
        uint64_t at = figures_now();
        result = crosswalk_purge(bench->crosswalk);
        step_note(at, &longest);
        steps++;
    }
    ensure(result == OK);
    (void)printf("  \"purge\": { \"s\": %.1f, \"steps\": %" PRIu64 ", \"longest_step_ms\": %.1f },\n",
                 (double)(figures_now() - begun) / 1e9, steps, (double)longest / 1e6);
}

static void look_up(struct bench *bench, const char *name, bool is_back, unsigned count, uint64_t salt)
{
    struct times times = {0};
    for (unsigned i = 0; i < count; i++) {
        struct crosswalk_verdict verdict;
        char source[24], target[24];
        uint64_t n = lookup_mixed(salt + i) % bench->rows / 10 * 10; // targets with one source
        (void)text_format(source, sizeof source, "%09" PRIu64, n);
        (void)text_format(target, sizeof target, "E%012" PRIu64, lookup_mixed(n) % 1000000000000u);
        uint64_t begun = figures_now();
        enum result result =
            is_back ? crosswalk_unmap(bench->reader, NULL, bench->enterprise, slice_of_text(target),
                                      bench->legacy, slice_of(NULL, 0), &verdict)
                    : crosswalk_map(bench->reader, bench->legacy, slice_of_text(source), bench->enterprise,
                                    NULL, &verdict);
        times_add(&times, figures_now() - begun);
        ensure(result == OK && verdict.outcome == CROSSWALK_MAPPED);
        ensure(strcmp(verdict.id.text, is_back ? source : target) == 0);
    }
    lookup_print(name, &times);
}

int main(int argc, char **argv)
{
    struct bench bench = {.rows = lookup_number(argc, argv, 2, 10000000)};
    unsigned lookups = (unsigned)lookup_number(argc, argv, 3, 50000);
    if (argc < 2 || argc > 4) {
        (void)fprintf(stderr, "usage: crosswalk_lookup FOLDER [ROWS] [LOOKUPS]\n");
        return 2;
    }
    ensure(bench.rows > 0 && lookups > 0);
    open_all(&bench, argv[1]);
    (void)printf("{ \"rows\": %" PRIu64 ",\n", bench.rows);
    char path[PATH_BYTES];
    ensure(text_format(path, sizeof path, "%s/rows.csv", argv[1]));
    file_make(&bench, path);
    import(&bench, path, "first_import");
    import(&bench, path, "import"); // over rows that are in force, which is the usual case
    purge(&bench);
    (void)printf("  \"anonymous_bytes\": %" PRIu64 ",\n", anonymous_most);
    close_all(&bench);
    ensure(text_format(path, sizeof path, "%s/crosswalk", argv[1]));
    uint64_t bytes = lookup_cool(path);
    open_all(&bench, argv[1]);
    look_up(&bench, "cold", false, COLD_LOOKUPS, 1);
    look_up(&bench, "warming", false, lookups, 1000000007);
    look_up(&bench, "map", false, lookups, 1000000007);
    look_up(&bench, "unmap_warming", true, lookups, 1000000007);
    look_up(&bench, "unmap", true, lookups, 1000000007);
    (void)printf("  \"bytes\": %" PRIu64 " }\n", bytes);
    close_all(&bench);
    return 0;
}
