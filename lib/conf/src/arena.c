// SPDX-License-Identifier: Apache-2.0
//
// Blocks in a chain; see conf/arena.h.
#include "conf/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/checked.h"

#define BLOCK_BYTES ((size_t)8192)

struct conf_arena_block {
    struct conf_arena_block *older;
    size_t used;
    size_t capacity;
    alignas(max_align_t) unsigned char bytes[];
};

void conf_arena_init(struct conf_arena *arena)
{
    *arena = (struct conf_arena){0};
}

void conf_arena_fini(struct conf_arena *arena)
{
    while (arena->newest != NULL) {
        struct conf_arena_block *block = arena->newest;
        arena->newest = block->older;
        free(block);
    }
}

static struct conf_arena_block *block_add(struct conf_arena *arena, size_t bytes)
{
    size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    size_t whole;
    if (!checked_add(sizeof(struct conf_arena_block), capacity, &whole))
        return NULL;
    struct conf_arena_block *block = calloc(1, whole);
    if (block == NULL)
        return NULL;
    block->capacity = capacity;
    block->older = arena->newest;
    arena->newest = block;
    return block;
}

void *conf_arena_alloc(struct conf_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    struct conf_arena_block *block = arena->newest;
    if (!checked_mul(count, size, &bytes) || !checked_add(bytes, alignof(max_align_t) - 1, &bytes))
        goto fail;
    bytes &= ~(alignof(max_align_t) - 1);
    if (block == NULL || block->capacity - block->used < bytes)
        block = block_add(arena, bytes);
    if (block == NULL)
        goto fail;
    void *piece = block->bytes + block->used;
    block->used += bytes;
    return piece;
fail:
    arena->failed = true;
    return NULL;
}

char *conf_arena_text(struct conf_arena *arena, const char *text, size_t length)
{
    char *copy = conf_arena_alloc(arena, length + 1, 1);
    if (copy != NULL && length > 0)
        memcpy(copy, text, length);
    return copy;
}

char *conf_arena_format(struct conf_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ensure(length >= 0);
    char *text = conf_arena_alloc(arena, (size_t)length + 1, 1);
    if (text == NULL)
        return NULL;
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
