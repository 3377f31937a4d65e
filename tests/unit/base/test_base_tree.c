// SPDX-License-Identifier: Apache-2.0
//
// The tree against a sorted array: what is in it, what comes next, what the summary says, and how deep it is
// for keys that come rising, falling and mixed.
#include "unit.h"

#include "base/list.h"
#include "base/tree.h"

enum { COUNT = 4096, DEPTH_MOST = 60 }; // log2 is 12; a treap's depth is rarely more than three times that

struct thing {
    struct tree_node node;
    uint64_t key;
    uint64_t sum; // of the subtree
};

static struct thing *thing_of(const struct tree_node *node)
{
    return CONTAINER_OF(node, struct thing, node);
}

static int compare(const struct tree_node *one, const struct tree_node *other)
{
    return (thing_of(one)->key > thing_of(other)->key) - (thing_of(one)->key < thing_of(other)->key);
}

static void summarize(struct tree_node *node, const void *owner)
{
    (void)owner;
    thing_of(node)->sum = thing_of(node)->key + (node->left != NULL ? thing_of(node->left)->sum : 0) +
                          (node->right != NULL ? thing_of(node->right)->sum : 0);
}

static size_t depth_of(const struct tree_node *node)
{
    size_t depth = 0;
    for (; node != NULL; node = node->parent)
        depth++;
    return depth;
}

// `step` is odd, so that every key below COUNT comes once.
static void fill_and_check(struct thing *things, size_t first, size_t step)
{
    struct tree tree;
    tree_init(&tree, compare, summarize, NULL, first ^ step);
    for (size_t i = 0; i < COUNT; i++) {
        things[i] = (struct thing){.key = (first + i * step) % COUNT};
        assert_null(tree_insert(&tree, &things[i].node));
        assert_true(depth_of(&things[i].node) < DEPTH_MOST);
    }
    assert_int_equal(tree.count, COUNT);
    assert_int_equal(thing_of(tree.root)->sum, (uint64_t)COUNT * (COUNT - 1) / 2);
    struct thing again = {.key = 77};
    assert_int_equal(thing_of(tree_insert(&tree, &again.node))->key, 77);
    assert_ptr_equal(tree_find(&tree, &again.node), tree_insert(&tree, &again.node));
    again.key = COUNT;
    assert_null(tree_find(&tree, &again.node));
    uint64_t expected = 0;
    const struct tree_node *before = NULL;
    for (struct tree_node *node = tree_first(&tree); node != NULL; node = tree_next(node)) {
        assert_int_equal(thing_of(node)->key, expected++);
        assert_ptr_equal(tree_previous(node), before);
        assert_true(depth_of(node) < DEPTH_MOST);
        before = node;
    }
    assert_int_equal(expected, COUNT);
    thing_of(before)->key += 1000; // still the last one
    tree_changed(&tree, &thing_of(before)->node);
    assert_int_equal(thing_of(tree.root)->sum, (uint64_t)COUNT * (COUNT - 1) / 2 + 1000);
    for (size_t i = 0; i < COUNT; i++)
        assert_non_null(tree_take(&tree));
    assert_null(tree_take(&tree));
}

static void test_tree(void **state)
{
    (void)state;
    struct thing *things = calloc(COUNT, sizeof *things);
    assert_non_null(things);
    fill_and_check(things, 0, 1);                 // rising
    fill_and_check(things, COUNT - 1, COUNT - 1); // falling
    fill_and_check(things, 5, 1237);              // mixed
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
