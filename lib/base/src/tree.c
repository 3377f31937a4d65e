// SPDX-License-Identifier: Apache-2.0
#include "base/tree.h"

void tree_init(struct tree *tree, tree_compare *compare, tree_summarize *summarize, const void *owner,
               uint64_t seed)
{
    *tree = (struct tree){.compare = compare, .summarize = summarize, .owner = owner, .random = seed};
}

// SplitMix64 (Steele, Lea and Flood 2014).
static uint64_t priority_next(struct tree *tree)
{
    uint64_t mixed = tree->random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

static void summarize(const struct tree *tree, struct tree_node *node)
{
    if (tree->summarize != NULL)
        tree->summarize(node, tree->owner);
}

// Where the node hangs.
static struct tree_node **link_of(struct tree *tree, const struct tree_node *node)
{
    if (node->parent == NULL)
        return &tree->root;
    return node->parent->left == node ? &node->parent->left : &node->parent->right;
}

// The node changes places with its parent; the order stays.
static void rotate_up(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    struct tree_node **place = link_of(tree, parent);
    struct tree_node **from = parent->left == node ? &parent->left : &parent->right;
    struct tree_node **to = parent->left == node ? &node->right : &node->left;
    *from = *to;
    if (*from != NULL)
        (*from)->parent = parent;
    *to = parent;
    node->parent = parent->parent;
    parent->parent = node;
    *place = node;
    summarize(tree, parent);
}

struct tree_node *tree_insert(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = NULL;
    struct tree_node **place = &tree->root;
    while (*place != NULL) {
        int compared = tree->compare(node, *place);
        if (compared == 0)
            return *place;
        parent = *place;
        place = compared < 0 ? &parent->left : &parent->right;
    }
    *node = (struct tree_node){.parent = parent, .priority = priority_next(tree)};
    *place = node;
    tree->count++;
    while (node->parent != NULL && node->parent->priority < node->priority)
        rotate_up(tree, node);
    tree_changed(tree, node);
    return NULL;
}

struct tree_node *tree_find(const struct tree *tree, const struct tree_node *like)
{
    struct tree_node *node = tree->root;
    while (node != NULL) {
        int compared = tree->compare(like, node);
        if (compared == 0)
            return node;
        node = compared < 0 ? node->left : node->right;
    }
    return NULL;
}

void tree_changed(struct tree *tree, struct tree_node *node)
{
    for (; node != NULL; node = node->parent)
        summarize(tree, node);
}

struct tree_node *tree_take(struct tree *tree)
{
    struct tree_node *node = tree->root;
    while (node != NULL && (node->left != NULL || node->right != NULL))
        node = node->left != NULL ? node->left : node->right;
    if (node == NULL)
        return NULL;
    *link_of(tree, node) = NULL;
    tree->count--;
    return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
    struct tree_node *node = tree->root;
    while (node != NULL && node->left != NULL)
        node = node->left;
    return node;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->right != NULL) {
        for (node = node->right; node->left != NULL; node = node->left)
            ;
        return (struct tree_node *)node;
    }
    while (node->parent != NULL && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    if (node->left != NULL) {
        for (node = node->left; node->right != NULL; node = node->right)
            ;
        return (struct tree_node *)node;
    }
    while (node->parent != NULL && node->parent->left == node)
        node = node->parent;
    return node->parent;
}
