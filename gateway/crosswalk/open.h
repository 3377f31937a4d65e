// SPDX-License-Identifier: Apache-2.0
//
// The crosswalk below the data folder, with the domains of the configuration. Thread: main.
#pragma once

#include "conf/configuration.h"
#include "store/crosswalk_change.h"

struct crosswalk_store {
    struct kv_env *env;
    struct crosswalk *crosswalk;
};

// `keyring` is borrowed. ERR_MISSING: read-only, and there is none yet; ERR_LOST: there was one, and where
// the folder or the file is away nothing is made in its place. Results of lmdb_env_open() and
// crosswalk_new().
MUST_USE enum result crosswalk_store_open(const struct configuration *configuration,
                                          struct seal_keyring *keyring, bool is_readonly,
                                          struct crosswalk_store *out, struct crosswalk_problem *problem);
// crosswalk_renew() there: a person says that it is lost. Nobody may have it open.
MUST_USE enum result crosswalk_store_renew(const struct configuration *configuration,
                                           struct seal_keyring *keyring, const struct crosswalk_order *order,
                                           struct crosswalk_problem *problem);
// Harmless on one that is not open.
void crosswalk_store_close(struct crosswalk_store *store);
