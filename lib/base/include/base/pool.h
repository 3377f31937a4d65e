// SPDX-License-Identifier: Apache-2.0
//
// A pool of objects of one size: keeps up to `keep` freed ones for reuse, gives the rest back. Under the
// address sanitizer it keeps none, so that use after free is seen. Thread: the owner's.
#pragma once

#include <stddef.h>

struct pool {
    void *free_list;
    size_t object_size; // bytes
    size_t keep;        // most freed objects held
    size_t kept;
    size_t used; // objects handed out
};

void pool_init(struct pool *pool, size_t object_size, size_t keep);
void pool_fini(struct pool *pool); // every object must have been given back

// Zeroed memory, or NULL.
void *pool_take(struct pool *pool);
// Memory as it is (not zeroed), for big buffers; NULL when there is none.
void *pool_take_raw(struct pool *pool);
void pool_give(struct pool *pool, void *object);
