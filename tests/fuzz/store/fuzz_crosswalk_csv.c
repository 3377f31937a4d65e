// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a file of patient IDs: it is taken or refused with conflicts in order of lines, the same
// whether it comes in one piece or byte by byte; what was taken holds together, and every source in it maps.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fs/sim.h"
#include "store/crosswalk_import.h"
#include "store/kv_sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct fs *fs;
    struct seal_keyring *ring;
} made; // once: a key file

static void make(void)
{
    static const uint8_t bytes[SEAL_KEY_SIZE] = {1};
    struct fs_sim_options options = {.seed = 1};
    struct fs_sim *sim;
    struct seal_master *master;
    if (made.ring != NULL)
        return;
    ensure(fs_sim_new(&options, &sim) == OK && fs_sim_mount(sim, &made.fs) == OK);
    ensure(seal_master_from_bytes(bytes, &master) == OK);
    ensure(seal_keyring_create(made.fs, "keys", master, NULL) == OK);
    ensure(seal_keyring_open(made.fs, "keys", master, 20000, &made.ring, NULL) == OK);
    seal_master_free(master);
}

struct outcome {
    enum result result;
    uint64_t conflicts;
    uint64_t first_line;
    uint64_t rows;
};

static struct outcome import(struct crosswalk *crosswalk, struct slice bytes, size_t piece, bool is_dry)
{
    struct crosswalk_import *import;
    struct crosswalk_import_figures figures;
    struct crosswalk_import_options options = {
        .is_dry = is_dry, .memory = 512, .batch = 7, .order = {.now = 1, .person = "fuzz", .reason = "fuzz"}};
    struct outcome outcome = {.result = OK};
    size_t listed;
    ensure(crosswalk_import_new(crosswalk, made.fs, &options, &import) == OK);
    for (; bytes.length > 0; bytes = slice_from(bytes, piece))
        ensure(crosswalk_import_feed(import, slice_first(bytes, piece)) == OK);
    ensure(crosswalk_import_end(import) == OK);
    for (outcome.result = AGAIN; outcome.result == AGAIN;)
        outcome.result = crosswalk_import_step(import);
    const struct crosswalk_conflict *list = crosswalk_import_conflicts(import, &listed, &outcome.conflicts);
    ensure(outcome.result == (outcome.conflicts > 0 ? ERR_REFUSED : OK));
    for (size_t i = 0; i < listed; i++) {
        ensure(list[i].line > 0 && list[i].other < list[i].line);
        ensure(i == 0 || list[i].line >= list[i - 1].line);
    }
    outcome.first_line = listed > 0 ? list[0].line : 0;
    crosswalk_import_figures_get(import, &figures);
    outcome.rows = figures.rows;
    crosswalk_import_free(import);
    return outcome;
}

struct rows {
    struct crosswalk_reader *reader;
    uint64_t count;
};

static enum result on_row(void *argument, const struct crosswalk_row *row)
{
    struct rows *rows = argument;
    struct crosswalk_verdict verdict;
    ensure(crosswalk_map(rows->reader, row->from, slice_of(row->source.text, row->source.length), row->to,
                         NULL, &verdict) == OK);
    ensure(verdict.outcome == (row->effective <= 1 ? CROSSWALK_MAPPED : CROSSWALK_UNMAPPED));
    ensure(row->effective > 1 || strcmp(verdict.id.text, row->target.text) == 0);
    rows->count++;
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct crosswalk_domain domains[] = {
        {.name = "A"}, {.name = "B", .strips_leading_zeros = true, .folds_case = true}, {.name = "C"}};
    struct kv_sim_disk *disk;
    struct kv_env *env;
    struct crosswalk *crosswalk;
    struct crosswalk_findings findings;
    struct rows rows = {.count = 0};
    make();
    ensure(kv_sim_disk_new(&disk) == OK && kv_sim_open(disk, &crosswalk_schema, &env) == OK);
    enum result result = crosswalk_new(env, made.ring, domains, 3, &crosswalk, NULL);
    if (result == ERR_LOST) { // the keys have seen another store, of the input before
        static const struct crosswalk_order order = {.now = 1, .person = "fuzzer", .reason = "next input"};
        ensure(crosswalk_renew(env, made.ring, &order, NULL) == OK);
        result = crosswalk_new(env, made.ring, domains, 3, &crosswalk, NULL);
    }
    ensure(result == OK);
    ensure(crosswalk_reader_new(crosswalk, &rows.reader) == OK);
    struct outcome dry = import(crosswalk, slice_of(data, size), 1, true);
    struct outcome real = import(crosswalk, slice_of(data, size), SIZE_MAX, false);
    ensure(dry.result == real.result && dry.conflicts == real.conflicts && dry.rows == real.rows);
    ensure(dry.first_line == real.first_line);
    ensure(crosswalk_rows_each(rows.reader, on_row, &rows) == OK);
    ensure(rows.count <= real.rows && (real.result == OK || rows.count == 0));
    ensure(crosswalk_check(rows.reader, &findings) == OK);
    ensure(findings.rows == rows.count && findings.damaged + findings.lost + findings.cycles == 0);
    crosswalk_reader_free(rows.reader);
    crosswalk_free(crosswalk);
    kv_env_free(&env);
    kv_sim_disk_free(&disk);
    return 0;
}
