// SPDX-License-Identifier: Apache-2.0
//
// The memory of one loaded configuration: given out piece by piece, given back all at once.
// Role: owned by the configuration object (values) or by a load (the tree). One thread at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct conf_arena_block;

struct conf_arena {
    struct conf_arena_block *newest;
    bool failed; // an allocation failed since conf_arena_init; stays set
};

void conf_arena_init(struct conf_arena *arena);
void conf_arena_fini(struct conf_arena *arena);

// Zeroed and aligned for any type; NULL (and `failed`) when there is no memory. `count` times `size` bytes.
void *conf_arena_alloc(struct conf_arena *arena, size_t count, size_t size);

// A NUL-terminated copy; NULL when there is no memory.
char *conf_arena_text(struct conf_arena *arena, const char *text, size_t length);

// printf into the arena; NULL when there is no memory.
char *conf_arena_format(struct conf_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
