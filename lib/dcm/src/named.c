// SPDX-License-Identifier: Apache-2.0
//
// The named elements of a data set: see named.h. The owner's thread.
#include "named.h"
#include "base/wipe.h"
#include <string.h>

void named_init(struct named_store *store)
{
    memset(store, 0, sizeof *store);
}

void named_fini(struct named_store *store)
{
    wiped_release(&store->bytes);
    wipe(store, sizeof *store);
}

void named_begin(struct named_store *store, const uint32_t *tags, size_t count)
{
    wiped_clear(&store->bytes);
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
    slot->kept_at = store->bytes.length;
    slot->is_found = true;
    store->open = slot;
    return false;
}

enum result named_element_take(struct named_store *store, const uint8_t *data, size_t length)
{
    struct named_slot *slot = store->open;
    if (slot == NULL || length == 0)
        return OK;
    size_t room = DCM_KEPT_ELEMENT - slot->kept;
    if (room > DCM_KEPT_TOTAL - store->bytes.length)
        room = DCM_KEPT_TOTAL - store->bytes.length;
    if (length > room) {
        slot->found.is_whole = false;
        length = room;
    }
    enum result result = wiped_append(&store->bytes, slice_of(data, length));
    if (result != OK)
        return result;
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
            slot->kept > 0 ? slice_of(store->bytes.data + slot->kept_at, slot->kept) : slice_of(NULL, 0);
        return OK;
    }
    return ERR_MISSING;
}
