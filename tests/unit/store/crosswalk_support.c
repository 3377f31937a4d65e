// SPDX-License-Identifier: Apache-2.0
#include "crosswalk_support.h"

#include <string.h>

static const struct crosswalk_domain domains[] = {
    {.name = "LEGACY"},
    {.name = "ENTERPRISE", .strips_leading_zeros = true, .folds_case = true},
    {.name = "OTHER"},
};

void bench_open(struct walk_bench *bench)
{
    struct crosswalk_problem problem;
    assert_int_equal(seal_keyring_open(bench->fs, "keys", bench->master, 20000, &bench->ring, NULL), OK);
    assert_int_equal(kv_sim_open(bench->disk, &crosswalk_schema, &bench->env), OK);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, domains, 3, &bench->crosswalk, &problem), OK);
    assert_int_equal(crosswalk_reader_new(bench->crosswalk, &bench->reader), OK);
    bench->legacy = crosswalk_domain_find(bench->crosswalk, "LEGACY");
    bench->enterprise = crosswalk_domain_find(bench->crosswalk, "ENTERPRISE");
    bench->other = crosswalk_domain_find(bench->crosswalk, "OTHER");
    assert_true(bench->legacy != 0 && bench->enterprise != 0 && bench->other != 0);
}

void bench_close(struct walk_bench *bench)
{
    crosswalk_reader_free(bench->reader);
    crosswalk_free(bench->crosswalk);
    kv_env_free(&bench->env);
    seal_keyring_free(bench->ring);
    bench->reader = NULL;
    bench->crosswalk = NULL;
    bench->ring = NULL;
}

void bench_init(struct walk_bench *bench)
{
    uint8_t bytes[32] = {7};
    struct fs_sim_options options = {.seed = 1};
    *bench = (struct walk_bench){.now = T0};
    assert_int_equal(fs_sim_new(&options, &bench->sim), OK);
    assert_int_equal(fs_sim_mount(bench->sim, &bench->fs), OK);
    assert_int_equal(seal_master_from_bytes(bytes, &bench->master), OK);
    assert_int_equal(seal_keyring_create(bench->fs, "keys", bench->master, NULL), OK);
    assert_int_equal(kv_sim_disk_new(&bench->disk), OK);
    bench_open(bench);
}

void bench_fini(struct walk_bench *bench)
{
    bench_close(bench);
    kv_sim_disk_free(&bench->disk);
    seal_master_free(bench->master);
    fs_sim_free(bench->sim);
}

struct crosswalk_order bench_order(struct walk_bench *bench)
{
    return (struct crosswalk_order){.now = ++bench->now, .person = "Ada", .reason = "test"};
}

// In pieces of seven bytes, so that nothing depends on where they end; memory for a few rows only.
enum result bench_import(struct walk_bench *bench, const char *text, bool is_dry,
                         struct crosswalk_conflict *list, size_t *count,
                         struct crosswalk_import_figures *figures)
{
    struct crosswalk_import *import;
    struct crosswalk_import_options options = {
        .is_dry = is_dry, .memory = 256, .batch = 3, .order = bench_order(bench)};
    size_t listed = 0;
    uint64_t all = 0;
    enum result result = crosswalk_import_new(bench->crosswalk, bench->fs, &options, &import);
    if (result != OK)
        return result;
    struct slice rest = slice_of_text(text);
    while (result == OK && rest.length > 0) {
        result = crosswalk_import_feed(import, slice_first(rest, 7));
        rest = slice_from(rest, 7);
    }
    if (result == OK)
        result = crosswalk_import_end(import);
    if (result == OK)
        result = AGAIN;
    while (result == AGAIN)
        result = crosswalk_import_step(import);
    const struct crosswalk_conflict *conflicts = crosswalk_import_conflicts(import, &listed, &all);
    assert_true(listed <= 64);
    if (list != NULL && listed > 0)
        memcpy(list, conflicts, listed * sizeof *list);
    if (count != NULL)
        *count = listed;
    if (figures != NULL)
        crosswalk_import_figures_get(import, figures);
    crosswalk_import_free(import);
    return result;
}

void bench_load(struct walk_bench *bench, const char *text)
{
    assert_int_equal(bench_import(bench, text, false, NULL, NULL, NULL), OK);
}

void bench_purge(struct walk_bench *bench)
{
    enum result result = AGAIN;
    struct crosswalk_figures figures;
    while (result == AGAIN)
        result = crosswalk_purge(bench->crosswalk);
    assert_int_equal(result, OK);
    assert_int_equal(crosswalk_figures_get(bench->reader, &figures), OK);
    assert_int_equal(figures.leftover, 0);
}

struct crosswalk_verdict bench_map(struct walk_bench *bench, const char *id)
{
    struct crosswalk_verdict verdict;
    assert_int_equal(
        crosswalk_map(bench->reader, bench->legacy, slice_of_text(id), bench->enterprise, NULL, &verdict),
        OK);
    return verdict;
}

struct crosswalk_verdict bench_unmap(struct walk_bench *bench, const char *id, const char *asked)
{
    struct crosswalk_verdict verdict;
    assert_int_equal(crosswalk_unmap(bench->reader, NULL, bench->enterprise, slice_of_text(id), bench->legacy,
                                     slice_of_text(asked), &verdict),
                     OK);
    return verdict;
}

void assert_maps(struct walk_bench *bench, const char *id, const char *target)
{
    struct crosswalk_verdict verdict = bench_map(bench, id);
    assert_int_equal(verdict.outcome, target != NULL ? CROSSWALK_MAPPED : CROSSWALK_UNMAPPED);
    assert_string_equal(verdict.id.text, target != NULL ? target : id);
}

enum result bench_merge(struct walk_bench *bench, uint16_t domain, const char *id, const char *into)
{
    struct crosswalk_order order = bench_order(bench);
    return crosswalk_merge(bench->crosswalk, domain, slice_of_text(id), slice_of_text(into), &order, NULL);
}

enum result bench_unmerge(struct walk_bench *bench, uint16_t domain, const char *id)
{
    struct crosswalk_order order = bench_order(bench);
    return crosswalk_unmerge(bench->crosswalk, domain, slice_of_text(id), &order, NULL);
}
