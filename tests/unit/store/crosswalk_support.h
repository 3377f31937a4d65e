// SPDX-License-Identifier: Apache-2.0
//
// A crosswalk on the simulated key-value store and file system, that can be killed and opened again.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/sim.h"
#include "store/crosswalk_import.h"
#include "store/kv_sim.h"

#define T0  ((uint64_t)1700000000 * 1000000000)
#define DAY ((uint64_t)86400 * 1000000000)

struct walk_bench {
    struct fs_sim *sim;
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    struct kv_sim_disk *disk;
    struct kv_env *env;
    struct crosswalk *crosswalk;
    struct crosswalk_reader *reader;
    uint16_t legacy, enterprise, other;
    uint64_t now;
};

// Domains LEGACY (no options), ENTERPRISE (leading zeros and case do not matter), OTHER.
void bench_init(struct walk_bench *bench);
void bench_fini(struct walk_bench *bench);
// The process ends, or is killed, and begins anew.
void bench_close(struct walk_bench *bench);
void bench_open(struct walk_bench *bench);

struct crosswalk_order bench_order(struct walk_bench *bench);
// The whole import of a text; its result, with its conflicts in `list` (capacity 64) and the figures.
enum result bench_import(struct walk_bench *bench, const char *text, bool is_dry,
                         struct crosswalk_conflict *list, size_t *count,
                         struct crosswalk_import_figures *figures);
// The same that must succeed.
void bench_load(struct walk_bench *bench, const char *text);
// All that is left over goes.
void bench_purge(struct walk_bench *bench);

struct crosswalk_verdict bench_map(struct walk_bench *bench, const char *id); // LEGACY to ENTERPRISE
struct crosswalk_verdict bench_unmap(struct walk_bench *bench, const char *id, const char *asked); // back
void assert_maps(struct walk_bench *bench, const char *id, const char *target); // NULL: unmapped
enum result bench_merge(struct walk_bench *bench, uint16_t domain, const char *id, const char *into);
enum result bench_unmerge(struct walk_bench *bench, uint16_t domain, const char *id);

#define HEADER "source_domain,source_id,target_domain,target_id\n"
