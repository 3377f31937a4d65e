// SPDX-License-Identifier: Apache-2.0
//
// A copy of a range of a file as it was before a change, with its holes left out. Used by state.c under its
// lock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct image {
    off_t offset;
    size_t length;
    uint8_t **chunks; // of IMAGE_CHUNK bytes; NULL: all zero
    size_t count;
};

// The part of [offset, offset + length) that lies below `size`. Moves the descriptor's position. False: no
// memory.
bool image_take(struct image *image, int fd, off_t offset, size_t length, off_t size);

// Writes it back, zeros included; the file is long enough.
void image_put(const struct image *image, int fd);

// Where `bytes` overlap the image they replace it.
void image_patch(struct image *image, off_t offset, const uint8_t *bytes, size_t length);

void image_fini(struct image *image);
