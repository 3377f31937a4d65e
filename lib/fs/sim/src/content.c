// SPDX-License-Identifier: Apache-2.0
//
// Sparse, copy-on-write bytes of a simulated file; see content.h.
#include "content.h"

#include <stdlib.h>

struct content_page {
    size_t sharers;
    uint8_t bytes[CONTENT_PAGE];
};

static void page_release(struct content_page *page)
{
    if (--page->sharers == 0)
        free(page);
}

void content_fini(struct content *content)
{
    for (size_t i = 0; i < content->count; i++)
        page_release(content->slots[i].page);
    free(content->slots);
    *content = (struct content){0};
}

enum result content_copy(struct content *to, const struct content *from)
{
    struct content_slot *slots = NULL;
    if (from->count > 0) {
        slots = malloc(from->count * sizeof *slots);
        if (slots == NULL)
            return ERR_NOMEM;
        for (size_t i = 0; i < from->count; i++) {
            slots[i] = from->slots[i];
            slots[i].page->sharers++;
        }
    }
    content_fini(to);
    *to = (struct content){slots, from->count, from->count, from->size};
    return OK;
}

// The first slot whose number is not below.
static size_t slot_find(const struct content *content, uint64_t number)
{
    size_t low = 0;
    size_t high = content->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (content->slots[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum result slot_insert(struct content *content, size_t index, uint64_t number)
{
    if (content->count == content->capacity) {
        size_t capacity = content->capacity == 0 ? 8 : content->capacity * 2;
        struct content_slot *grown = realloc(content->slots, capacity * sizeof *grown);
        if (grown == NULL)
            return ERR_NOMEM;
        content->slots = grown;
        content->capacity = capacity;
    }
    struct content_page *page = calloc(1, sizeof *page);
    if (page == NULL)
        return ERR_NOMEM;
    page->sharers = 1;
    memmove(content->slots + index + 1, content->slots + index,
            (content->count - index) * sizeof content->slots[0]);
    content->slots[index] = (struct content_slot){number, page};
    content->count++;
    return OK;
}

// The page for writing: there, and shared with nobody.
static enum result page_own(struct content *content, uint64_t number, struct content_page **out)
{
    size_t index = slot_find(content, number);
    if (index == content->count || content->slots[index].number != number) {
        enum result result = slot_insert(content, index, number);
        if (result != OK)
            return result;
    }
    struct content_slot *slot = &content->slots[index];
    if (slot->page->sharers > 1) {
        struct content_page *copy = malloc(sizeof *copy);
        if (copy == NULL)
            return ERR_NOMEM;
        memcpy(copy->bytes, slot->page->bytes, CONTENT_PAGE);
        copy->sharers = 1;
        page_release(slot->page);
        slot->page = copy;
    }
    *out = slot->page;
    return OK;
}

enum result content_write(struct content *content, uint64_t offset, struct slice bytes)
{
    while (bytes.length > 0) {
        size_t within = (size_t)(offset % CONTENT_PAGE);
        struct slice piece = slice_first(bytes, CONTENT_PAGE - within);
        struct content_page *page;
        enum result result = page_own(content, offset / CONTENT_PAGE, &page);
        if (result != OK)
            return result;
        memcpy(page->bytes + within, piece.data, piece.length);
        offset += piece.length;
        bytes = slice_from(bytes, piece.length);
        if (content->size < offset)
            content->size = offset;
    }
    return OK;
}

size_t content_read(const struct content *content, uint64_t offset, uint8_t *buffer, size_t length)
{
    if (offset >= content->size)
        return 0;
    if (length > content->size - offset)
        length = (size_t)(content->size - offset);
    size_t done = 0;
    for (size_t index = slot_find(content, offset / CONTENT_PAGE); done < length;) {
        uint64_t at = offset + done;
        size_t within = (size_t)(at % CONTENT_PAGE);
        size_t piece = CONTENT_PAGE - within < length - done ? CONTENT_PAGE - within : length - done;
        if (index < content->count && content->slots[index].number == at / CONTENT_PAGE)
            memcpy(buffer + done, content->slots[index++].page->bytes + within, piece);
        else
            memset(buffer + done, 0, piece);
        done += piece;
    }
    return length;
}

enum result content_truncate(struct content *content, uint64_t size)
{
    size_t within = (size_t)(size % CONTENT_PAGE);
    uint64_t number = size / CONTENT_PAGE;
    size_t index = slot_find(content, number);
    if (size < content->size && within > 0 && index < content->count &&
        content->slots[index].number == number) {
        struct content_page *page;
        enum result result = page_own(content, number, &page);
        if (result != OK)
            return result;
        memset(page->bytes + within, 0, CONTENT_PAGE - within);
        index++;
    }
    if (size < content->size) {
        for (size_t i = index; i < content->count; i++)
            page_release(content->slots[i].page);
        content->count = index;
    }
    content->size = size;
    return OK;
}
