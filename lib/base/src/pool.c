// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"
#include "base/check.h"
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEPS 0
#endif
#endif
#ifndef POOL_KEEPS
#define POOL_KEEPS 1
#endif

void pool_init(struct pool *pool, size_t object_size, size_t keep)
{
    ensure(object_size >= sizeof(void *));
    *pool = (struct pool){.object_size = object_size, .keep = POOL_KEEPS ? keep : 0};
}

void pool_fini(struct pool *pool)
{
    ensure(pool->used == 0);
    while (pool->free_list != NULL) {
        void *object = pool->free_list;
        memcpy(&pool->free_list, object, sizeof pool->free_list);
        free(object);
    }
    pool->kept = 0;
}

void *pool_take_raw(struct pool *pool)
{
    void *object = pool->free_list;
    if (object != NULL) {
        memcpy(&pool->free_list, object, sizeof pool->free_list);
        pool->kept--;
    } else {
        object = malloc(pool->object_size);
    }
    if (object != NULL)
        pool->used++;
    return object;
}

void *pool_take(struct pool *pool)
{
    void *object = pool_take_raw(pool);
    if (object != NULL)
        memset(object, 0, pool->object_size);
    return object;
}

void pool_give(struct pool *pool, void *object)
{
    if (object == NULL)
        return;
    ensure(pool->used > 0);
    pool->used--;
    if (pool->kept >= pool->keep) {
        free(object);
        return;
    }
    memcpy(object, &pool->free_list, sizeof pool->free_list);
    pool->free_list = object;
    pool->kept++;
}
