// SPDX-License-Identifier: Apache-2.0
//
// The named elements of a data set: see named.h. The owner's thread.
#include "named.h"
#include "base/wipe.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096
#define IDLE_CAPACITY  65536 // more is not kept between data sets

static void bytes_release(struct named_store *store)
{
    if (store->bytes != NULL) {
        wipe(store->bytes, store->capacity);
        free(store->bytes);
    }
    store->bytes = NULL;
    store->capacity = 0;
    store->length = 0;
}

void named_init(struct named_store *store)
{
    memset(store, 0, sizeof *store);
}

void named_fini(struct named_store *store)
{
    bytes_release(store);
    wipe(store, sizeof *store);
}

void named_begin(struct named_store *store, const uint32_t *tags, size_t count)
{
    if (store->capacity > IDLE_CAPACITY)
        bytes_release(store);
    if (store->bytes != NULL)
        wipe(store->bytes, store->length);
    store->length = 0;
    store->open = NULL;
    store->count = count;
    memset(store->slots, 0, sizeof store->slots);
    for (size_t i = 0; i < count; i++)
        store->slots[i].found.tag = tags[i];
}

static struct named_slot *slot_find(struct named_store *store, uint32_t tag)
{
    for (size_t i = 0; i < store->count; i++) {
        if (store->slots[i].found.tag == tag)
            return &store->slots[i];
    }
    return NULL;
}

bool named_element_begin(struct named_store *store, const struct dcm_named *element)
{
    struct named_slot *slot = slot_find(store, element->tag);
    if (slot == NULL)
        return false;
    if (slot->is_found) {
        slot->found.is_repeated = true;
        return true;
    }
    slot->found = *element;
    slot->found.is_whole = true;
    slot->kept_at = store->length;
    slot->is_found = true;
    store->open = slot;
    return false;
}

// Not realloc: the old copy has to be wiped.
static enum result bytes_reserve(struct named_store *store, size_t length)
{
    if (length <= store->capacity)
        return OK;
    size_t capacity = store->capacity > 0 ? store->capacity : FIRST_CAPACITY;
    while (capacity < length)
        capacity *= 2;
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL)
        return ERR_NOMEM;
    size_t used = store->length;
    if (used > 0)
        memcpy(bytes, store->bytes, used);
    bytes_release(store);
    store->bytes = bytes;
    store->capacity = capacity;
    store->length = used;
    return OK;
}

enum result named_element_take(struct named_store *store, const uint8_t *data, size_t length)
{
    struct named_slot *slot = store->open;
    if (slot == NULL || length == 0)
        return OK;
    size_t room = DCM_KEPT_ELEMENT - slot->kept;
    if (room > DCM_KEPT_TOTAL - store->length)
        room = DCM_KEPT_TOTAL - store->length;
    if (length > room) {
        slot->found.is_whole = false;
        length = room;
    }
    if (length == 0)
        return OK;
    enum result result = bytes_reserve(store, store->length + length);
    if (result != OK)
        return result;
    memcpy(store->bytes + store->length, data, length);
    store->length += length;
    slot->kept += length;
    return OK;
}

void named_element_end(struct named_store *store, uint64_t end_offset)
{
    if (store->open != NULL)
        store->open->found.end_offset = end_offset;
    store->open = NULL;
}

enum result named_get(const struct named_store *store, uint32_t tag, struct dcm_named *named)
{
    for (size_t i = 0; i < store->count; i++) {
        const struct named_slot *slot = &store->slots[i];
        if (slot->found.tag != tag || !slot->is_found)
            continue;
        *named = slot->found;
        named->value =
            slot->kept > 0 ? slice_of(store->bytes + slot->kept_at, slot->kept) : slice_of(NULL, 0);
        return OK;
    }
    return ERR_MISSING;
}
