// SPDX-License-Identifier: Apache-2.0
//
// Intrusive ordered tree that only grows, until it is taken apart (a treap: Seidel and Aragon, "Randomized
// Search Trees", 1996): inserting and finding take O(log n) steps, whatever order keys come in. Each node may
// carry a summary of what is below it, by which its owner searches. Never allocates. Thread: the owner's.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tree_node {
    struct tree_node *parent; // NULL: the root
    struct tree_node *left;   // smaller
    struct tree_node *right;
    uint64_t priority;
};

// Below 0, 0 or above 0, as of memcmp().
typedef int tree_compare(const struct tree_node *one, const struct tree_node *other);
// Makes the node's summary anew from itself and from those of its children.
typedef void tree_summarize(struct tree_node *node, const void *owner);

struct tree {
    struct tree_node *root;
    tree_compare *compare;
    tree_summarize *summarize; // NULL: none
    const void *owner;         // for summarize
    uint64_t random;           // where priorities come from
    size_t count;
};

// `seed`: random in production, as peers choose the keys.
void tree_init(struct tree *tree, tree_compare *compare, tree_summarize *summarize, const void *owner,
               uint64_t seed);
// NULL, or an equal one that is there already: then nothing is inserted.
struct tree_node *tree_insert(struct tree *tree, struct tree_node *node);
// The node with the key of `like`, or NULL.
struct tree_node *tree_find(const struct tree *tree, const struct tree_node *like);
// What the node's summary is made of has changed.
void tree_changed(struct tree *tree, struct tree_node *node);
// Takes it apart: any node of those that are left, NULL when there is none. Summaries are not kept up.
struct tree_node *tree_take(struct tree *tree);
// By rising key; NULL at the end.
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_previous(const struct tree_node *node);
