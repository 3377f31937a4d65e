// SPDX-License-Identifier: Apache-2.0
#include "forward/content.h"
#include "base/check.h"
#include "base/magic.h"
#include "base/wipe.h"
#include <stdlib.h>

#define CONTENT_MAGIC 0x434f4e31u

// Most objects are either tiny (reports, 5 KB frames) or many chunks long. The last class fills a journal
// record.
static const uint32_t chunk_capacity[CHUNK_CLASSES] = {8 * 1024, 64 * 1024, JOURNAL_BODY_MAX};

void hot_window_init(struct hot_window *window, uint64_t limit, uint64_t receipt_limit)
{
    *window = (struct hot_window){.limit = limit, .receipt_limit = receipt_limit};
    list_init(&window->contents);
    for (size_t i = 0; i < CHUNK_CLASSES; i++)
        pool_init(&window->pools[i], sizeof(struct chunk) + chunk_capacity[i],
                  i + 1 == CHUNK_CLASSES ? 8 : 32);
}

void hot_window_fini(struct hot_window *window)
{
    for (size_t i = 0; i < CHUNK_CLASSES; i++)
        pool_fini(&window->pools[i]);
}

struct chunk *chunk_take(struct hot_window *window, size_t index)
{
    size_t chunk_class = index < CHUNK_CLASSES ? index : CHUNK_CLASSES - 1;
    struct chunk *chunk = pool_take_raw(&window->pools[chunk_class]);
    if (chunk == NULL)
        return NULL;
    chunk->length = 0;
    chunk->capacity = chunk_capacity[chunk_class];
    chunk->chunk_class = (uint8_t)chunk_class;
    return chunk;
}

void chunk_give(struct hot_window *window, struct chunk *chunk)
{
    if (chunk == NULL)
        return;
    wipe(chunk->data, chunk->length);
    pool_give(&window->pools[chunk->chunk_class], chunk);
}

enum result content_new(struct hot_window *window, uint64_t receipt, struct slice open_body,
                        struct content **out)
{
    struct content *content = calloc(1, sizeof *content);
    if (content == NULL)
        return ERR_NOMEM;
    content->open_body = malloc(open_body.length + 1);
    if (content->open_body == NULL) {
        free(content);
        return ERR_NOMEM;
    }
    memcpy(content->open_body, open_body.data, open_body.length);
    content->open_length = open_body.length;
    if (record_open_decode(slice_of(content->open_body, open_body.length), &content->open) != OK) {
        free(content->open_body);
        free(content);
        return ERR_FORMAT;
    }
    MAGIC_INIT(content, CONTENT_MAGIC);
    content->references = 1;
    content->window = window;
    list_init(&content->followers);
    content->receipt = receipt;
    *out = content;
    return OK;
}

struct content *content_ref(struct content *content)
{
    MAGIC_CHECK(content, CONTENT_MAGIC);
    content->references++;
    return content;
}

static void piece_cool(struct content *content, struct content_piece *piece)
{
    if (piece->hot == NULL)
        return;
    content->hot_bytes -= piece->hot->capacity;
    content->window->used -= piece->hot->capacity;
    chunk_give(content->window, piece->hot);
    piece->hot = NULL;
}

static void content_cool(struct content *content)
{
    for (size_t i = 0; i < content->piece_count && content->hot_bytes > 0; i++)
        piece_cool(content, &content->pieces[i]);
    if (list_node_is_linked(&content->window_node))
        list_remove(&content->window->contents, &content->window_node);
}

void content_unref(struct content **owned)
{
    struct content *content = *owned;
    *owned = NULL;
    if (content == NULL)
        return;
    MAGIC_CHECK(content, CONTENT_MAGIC);
    ensure(content->references > 0);
    if (--content->references > 0)
        return;
    content_cool(content);
    wipe(content->open_body, content->open_length);
    free(content->open_body);
    free(content->pieces);
    MAGIC_CLEAR(content);
    free(content);
}

// Makes room by cooling the oldest complete receipts that nobody is sending. False: everything hot is in use.
static bool window_make_room(struct hot_window *window, uint64_t bytes)
{
    LIST_EACH(&window->contents, node)
    {
        if (window->used + bytes <= window->limit)
            break;
        struct content *oldest = CONTAINER_OF(node, struct content, window_node);
        if (oldest->senders > 0)
            continue;
        struct content **holder = oldest->holder;
        oldest->holder = NULL;
        content_cool(oldest);
        if (holder != NULL)
            content_unref(holder);
    }
    return window->used + bytes <= window->limit;
}

static enum result pieces_reserve(struct content *content, size_t count)
{
    if (count <= content->piece_capacity)
        return OK;
    size_t capacity = content->piece_capacity < 4 ? 4 : content->piece_capacity;
    while (capacity < count)
        capacity *= 2;
    struct content_piece *pieces = realloc(content->pieces, capacity * sizeof *pieces);
    if (pieces == NULL)
        return ERR_NOMEM;
    content->pieces = pieces;
    content->piece_capacity = capacity;
    return OK;
}

static void followers_tell(struct content *content)
{
    LIST_EACH(&content->followers, node)
    {
        struct content_follower *follower = CONTAINER_OF(node, struct content_follower, node);
        follower->on_change(follower);
    }
}

enum result content_add(struct content *content, struct journal_position position, struct chunk **owned)
{
    struct chunk *chunk = *owned;
    *owned = NULL;
    enum result result = pieces_reserve(content, content->piece_count + 1);
    if (result != OK) {
        chunk_give(content->window, chunk);
        return result;
    }
    struct content_piece *piece = &content->pieces[content->piece_count++];
    *piece = (struct content_piece){.position = position, .length = chunk->length};
    // Only a front part stays hot: a hole in it would be read from the journal all the same.
    bool is_front = content->piece_count == 1 || content->pieces[content->piece_count - 2].hot != NULL;
    if (is_front && content->hot_bytes + chunk->capacity <= content->window->receipt_limit &&
        window_make_room(content->window, chunk->capacity)) {
        piece->hot = chunk;
        content->hot_bytes += chunk->capacity;
        content->window->used += chunk->capacity;
    } else {
        chunk_give(content->window, chunk);
    }
    followers_tell(content);
    return OK;
}

enum result content_index_set(struct content *content, struct slice index, uint16_t stream, uint64_t length)
{
    ensure(content->piece_count == 0);
    uint32_t count = journal_index_count(index);
    if (index.length % JOURNAL_INDEX_ENTRY != 0 || (count == 0) != (length == 0))
        return ERR_FORMAT;
    enum result result = pieces_reserve(content, count);
    if (result != OK)
        return result;
    for (uint32_t i = 0; i < count; i++)
        content->pieces[i] = (struct content_piece){.position = journal_index_get(index, i, stream)};
    content->piece_count = count;
    content->length = length;
    content->has_ended = true;
    return OK;
}

void content_end(struct content *content, uint64_t length)
{
    content->length = length;
    content->has_ended = true;
    followers_tell(content);
}

void content_drop(struct content *content)
{
    content->is_dropped = true;
    followers_tell(content);
}

void content_follow(struct content *content, struct content_follower *follower)
{
    list_append(&content->followers, &follower->node);
}

void content_unfollow(struct content *content, struct content_follower *follower)
{
    if (list_node_is_linked(&follower->node))
        list_remove(&content->followers, &follower->node);
}

void content_complete(struct content *content)
{
    if (content->hot_bytes > 0)
        list_append(&content->window->contents, &content->window_node);
}

void content_hold(struct content *content, struct content **holder)
{
    if (content->hot_bytes == 0)
        return;
    content->holder = holder;
    *holder = content_ref(content);
}

void content_sender_begin(struct content *content)
{
    content->senders++;
}

void content_sender_end(struct content *content)
{
    ensure(content->senders > 0);
    content->senders--;
}
