// SPDX-License-Identifier: Apache-2.0
//
// Pre-images of file ranges; see image.h.
#include "image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IMAGE_CHUNK ((size_t)65536)

static size_t chunk_length(const struct image *image, size_t index)
{
    size_t left = image->length - index * IMAGE_CHUNK;
    return left < IMAGE_CHUNK ? left : IMAGE_CHUNK;
}

// Holes, and what fallocate() reserved, read as zeros; asking where data begins is much faster than reading
// them.
static bool is_hole(int fd, off_t at, size_t length)
{
    long data = syscall(SYS_lseek, fd, at, SEEK_DATA);
    return data < 0 ? errno == ENXIO : data >= at + (off_t)length;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

static bool chunk_take(struct image *image, int fd, size_t index)
{
    static uint8_t buffer[IMAGE_CHUNK]; // under the shim's lock
    size_t length = chunk_length(image, index);
    off_t at = image->offset + (off_t)(index * IMAGE_CHUNK);
    if (is_hole(fd, at, length))
        return true;
    memset(buffer, 0, length);
    (void)syscall(SYS_pread64, fd, buffer, length, at);
    if (is_zero(buffer, length))
        return true;
    image->chunks[index] = malloc(length);
    if (image->chunks[index] == NULL)
        return false;
    memcpy(image->chunks[index], buffer, length);
    return true;
}

bool image_take(struct image *image, int fd, off_t offset, size_t length, off_t size)
{
    *image = (struct image){.offset = offset};
    if (offset >= size)
        return true;
    image->length = (off_t)length > size - offset ? (size_t)(size - offset) : length;
    image->count = (image->length + IMAGE_CHUNK - 1) / IMAGE_CHUNK;
    if (image->count == 0)
        return true;
    image->chunks = calloc(image->count, sizeof image->chunks[0]);
    bool is_good = image->chunks != NULL;
    for (size_t i = 0; is_good && i < image->count; i++)
        is_good = chunk_take(image, fd, i);
    if (!is_good)
        image_fini(image);
    return is_good;
}

void image_put(const struct image *image, int fd)
{
    static const uint8_t zeros[IMAGE_CHUNK];
    for (size_t i = 0; i < image->count; i++) {
        const uint8_t *bytes = image->chunks[i] != NULL ? image->chunks[i] : zeros;
        size_t length = chunk_length(image, i);
        off_t at = image->offset + (off_t)(i * IMAGE_CHUNK);
        if (image->chunks[i] != NULL || !is_hole(fd, at, length))
            (void)syscall(SYS_pwrite64, fd, bytes, length, at);
    }
}

void image_patch(struct image *image, off_t offset, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        off_t where = offset + (off_t)i - image->offset;
        if (where < 0 || (size_t)where >= image->length)
            continue;
        size_t index = (size_t)where / IMAGE_CHUNK;
        if (image->chunks[index] == NULL && bytes[i] != 0)
            image->chunks[index] = calloc(1, chunk_length(image, index));
        if (image->chunks[index] != NULL)
            image->chunks[index][(size_t)where % IMAGE_CHUNK] = bytes[i];
    }
}

void image_fini(struct image *image)
{
    for (size_t i = 0; i < image->count && image->chunks != NULL; i++)
        free(image->chunks[i]);
    free(image->chunks);
    *image = (struct image){0};
}
