// SPDX-License-Identifier: Apache-2.0
//
// What the back ends of the key-value seam share. Thread: see store/kv.h.
#pragma once

#include "store/kv.h"

#define KV_ENV_MAGIC 0x4b56454eu

// Fills the common part; the back end's own structure begins with it.
void kv_env_init(struct kv_env *env, const struct kv_env_operations *operations,
                 const struct kv_schema *schema, bool read_only);
