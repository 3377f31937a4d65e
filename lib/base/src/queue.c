// SPDX-License-Identifier: Apache-2.0
#include "base/queue.h"
#include "base/check.h"
#include "base/checked.h"
#include "base/wipe.h"
#include <stdlib.h>

void byte_queue_init(struct byte_queue *queue, size_t limit)
{
    *queue = (struct byte_queue){.limit = limit};
}

void byte_queue_fini(struct byte_queue *queue)
{
    if (queue->data != NULL)
        wipe(queue->data, queue->capacity);
    free(queue->data);
    *queue = (struct byte_queue){.limit = queue->limit};
}

static enum result reserve(struct byte_queue *queue, size_t more)
{
    size_t needed;
    if (!checked_add(queue->length, more, &needed) || needed > queue->limit)
        return ERR_LIMIT;
    if (queue->start + needed <= queue->capacity)
        return OK;
    size_t capacity = queue->capacity < 256 ? 256 : queue->capacity;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *data = malloc(capacity);
    if (data == NULL)
        return ERR_NOMEM;
    if (queue->length > 0)
        memcpy(data, queue->data + queue->start, queue->length);
    if (queue->data != NULL)
        wipe(queue->data, queue->capacity);
    free(queue->data);
    queue->data = data;
    queue->start = 0;
    queue->capacity = capacity;
    return OK;
}

enum result byte_queue_append(struct byte_queue *queue, struct slice bytes)
{
    if (bytes.length == 0)
        return OK;
    enum result result = reserve(queue, bytes.length);
    if (result != OK)
        return result;
    memcpy(queue->data + queue->start + queue->length, bytes.data, bytes.length);
    queue->length += bytes.length;
    return OK;
}

struct slice byte_queue_peek(const struct byte_queue *queue)
{
    if (queue->length == 0)
        return slice_of(NULL, 0);
    return slice_of(queue->data + queue->start, queue->length);
}

void byte_queue_consume(struct byte_queue *queue, size_t length)
{
    ensure(length <= queue->length);
    queue->start += length;
    queue->length -= length;
    if (queue->length == 0)
        byte_queue_fini(queue);
}
