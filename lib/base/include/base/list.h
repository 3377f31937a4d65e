// SPDX-License-Identifier: Apache-2.0
//
// Intrusive doubly linked list; never allocates, a node lies in at most one list. Thread: the owner's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct list_node {
    struct list_node *next; // NULL when in no list
    struct list_node *previous;
};

struct list {
    struct list_node head; // circular; head is no element
    size_t count;
};

static inline void list_init(struct list *list)
{
    list->head.next = list->head.previous = &list->head;
    list->count = 0;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->count == 0;
}

static inline bool list_node_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list *list, struct list_node *where, struct list_node *node)
{
    node->next = where;
    node->previous = where->previous;
    where->previous->next = node;
    where->previous = node;
    list->count++;
}

static inline void list_append(struct list *list, struct list_node *node)
{
    list_insert_before(list, &list->head, node);
}

static inline void list_prepend(struct list *list, struct list_node *node)
{
    list_insert_before(list, list->head.next, node);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    node->next = node->previous = NULL;
    list->count--;
}

// NULL when empty.
static inline struct list_node *list_first(struct list *list)
{
    return list->count == 0 ? NULL : list->head.next;
}

static inline struct list_node *list_last(struct list *list)
{
    return list->count == 0 ? NULL : list->head.previous;
}

// NULL after the last one.
static inline struct list_node *list_next(struct list *list, struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct list_node *list_previous(struct list *list, struct list_node *node)
{
    return node->previous == &list->head ? NULL : node->previous;
}

static inline struct list_node *list_take_first(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL)
        list_remove(list, node);
    return node;
}

// Safe against removal of `node` in the body.
#define LIST_EACH(list, node)                                                                                \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next; node != &(list)->head;       \
         node = node##_next, node##_next = node->next)
