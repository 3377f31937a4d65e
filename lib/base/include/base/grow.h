// SPDX-License-Identifier: Apache-2.0
//
// Arrays that grow: doubled, so that adding items one by one costs O(1) each. Thread: any.
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/result.h"

// Makes room for `wanted` items in the array that the pointer `items` names, of which `capacity` (a size_t)
// are there; items is NULL while that is 0, and goes back with free(). OK, or ERR_NOMEM, also if the bytes
// overflow a size_t: then the array and its capacity are as they were. New room is not written; what was
// there may be moved without being wiped, so this is not for secrets or patient data. Evaluates items and
// capacity twice.
#define ARRAY_GROW(items, capacity, wanted) array_grow(&(items), &(capacity), sizeof *(items), wanted)

// `place` is the address of the pointer, whatever it points to.
MUST_USE static inline enum result array_grow(void *place, size_t *capacity, size_t size, size_t wanted)
{
    size_t least = 16; // not many small steps at the beginning
    size_t room = *capacity;
    size_t bytes;
    void *items;
    if (wanted <= room)
        return OK;
    if (!checked_mul(room, 2, &room) || room < wanted)
        room = wanted;
    if (room < least)
        room = least;
    memcpy(&items, place, sizeof items);
    items = checked_mul(room, size, &bytes) ? realloc(items, bytes) : NULL;
    if (items == NULL)
        return ERR_NOMEM;
    memcpy(place, &items, sizeof items);
    *capacity = room;
    return OK;
}
