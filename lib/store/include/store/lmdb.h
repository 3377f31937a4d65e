// SPDX-License-Identifier: Apache-2.0
//
// The real key-value store: one LMDB environment per folder (data.mdb, lock.mdb; folder mode 0700, files
// 0600), with MDB_NOTLS and MDB_NORDAHEAD and full syncs: a commit that returned OK survives a power cut.
//
// Open a folder at most once per process (LMDB's locks are POSIX record locks).
//
// Thread: see store/kv.h. A read-only environment works while a daemon has the store open and when none does.
#pragma once

#include "store/kv.h"

struct lmdb_options {
    bool read_only;
    bool existing_only; // one that is not there is not made; nothing is written where it should be
    uint64_t
        map_size; // bytes to begin with; 0 = 256 MiB. Address space, not disk: it doubles when it fills up
    unsigned readers; // simultaneous reading transactions of all processes; 0 = 126
};

// Opens (unless an option says not to: and makes) the store in `folder`. ERR_MISSING: no store there, and
// none is to be made; ERR_FORMAT: not one of ours or another schema; ERR_REFUSED: no permission; ERR_IO,
// ERR_SPACE, ERR_NOMEM. `why` (capacity bytes) then holds a sentence for the operator. `schema` is borrowed
// for the life of the environment.
MUST_USE enum result lmdb_env_open(const char *folder, const struct kv_schema *schema,
                                   const struct lmdb_options *options, struct kv_env **env, char *why,
                                   size_t capacity);

// A hot copy, compacted, into `folder`, which is made (mode 0700; the file 0600); durable on OK. A daemon may
// write meanwhile: the copy is as of one moment. ERR_EXISTS: there is something already; ERR_SPACE, ERR_IO:
// nothing is left of it. `why` as above.
MUST_USE enum result lmdb_env_copy(struct kv_env *env, const char *folder, char *why, size_t capacity);
