// SPDX-License-Identifier: Apache-2.0
//
// Growing bytes that are wiped: see wiped.h.
#include "wiped.h"
#include "base/wipe.h"
#include <stdlib.h>

#define FIRST_CAPACITY 4096
#define IDLE_CAPACITY  65536 // more is not kept between uses

void wiped_release(struct wiped_bytes *bytes)
{
    if (bytes->data != NULL) {
        wipe(bytes->data, bytes->capacity);
        free(bytes->data);
    }
    *bytes = (struct wiped_bytes){.data = NULL};
}

void wiped_clear(struct wiped_bytes *bytes)
{
    if (bytes->capacity > IDLE_CAPACITY)
        wiped_release(bytes);
    if (bytes->length > 0)
        wipe(bytes->data, bytes->length);
    bytes->length = 0;
}

enum result wiped_reserve(struct wiped_bytes *bytes, size_t length)
{
    if (length <= bytes->capacity)
        return OK;
    size_t capacity = bytes->capacity > 0 ? bytes->capacity : FIRST_CAPACITY;
    while (capacity < length)
        capacity *= 2;
    uint8_t *data = malloc(capacity);
    if (data == NULL)
        return ERR_NOMEM;
    size_t used = bytes->length;
    if (used > 0)
        memcpy(data, bytes->data, used);
    wiped_release(bytes);
    *bytes = (struct wiped_bytes){.data = data, .length = used, .capacity = capacity};
    return OK;
}

enum result wiped_append(struct wiped_bytes *bytes, struct slice more)
{
    enum result result = wiped_reserve(bytes, bytes->length + more.length);
    if (result != OK)
        return result;
    if (more.length > 0)
        memcpy(bytes->data + bytes->length, more.data, more.length);
    bytes->length += more.length;
    return OK;
}
