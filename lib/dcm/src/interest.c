// SPDX-License-Identifier: Apache-2.0
//
// Makes the tree of paths: see interest.h. Once for a set of rules, at load; the trees are small, so searches
// are plain loops.
#include "interest.h"
#include "base/check.h"
#include "base/grow.h"
#include "base/magic.h"
#include <stdlib.h>

#define INTEREST_MAGIC UINT32_C(0x1278E257)

// While it grows: children as a list in their order.
struct draft_node {
    struct interest_node node;
    uint32_t first;
    uint32_t next;
};

struct draft {
    struct draft_node *nodes;
    uint32_t count;
    size_t capacity;
};

// Those without a creator first, then by tag, then by creator.
static int node_compare(const struct interest_node *a, uint32_t tag, const char *creator)
{
    bool has_creator = creator[0] != '\0';
    bool a_has_creator = a->creator[0] != '\0';
    if (has_creator != a_has_creator)
        return a_has_creator ? 1 : -1;
    if (a->tag != tag)
        return a->tag > tag ? 1 : -1;
    return strcmp(a->creator, creator);
}

// The child of `parent`, made if it is not there.
static enum result draft_child(struct draft *draft, uint32_t parent, uint32_t tag, const char *creator,
                               uint32_t *child)
{
    enum result result = ARRAY_GROW(draft->nodes, draft->capacity, draft->count + 1);
    if (result != OK)
        return result;
    uint32_t *link = parent == NONE ? NULL : &draft->nodes[parent].first;
    while (link != NULL && *link != NONE) {
        int order = node_compare(&draft->nodes[*link].node, tag, creator);
        if (order == 0) {
            *child = *link;
            return OK;
        }
        if (order > 0)
            break;
        link = &draft->nodes[*link].next;
    }
    uint32_t at = draft->count++;
    struct draft_node *made = &draft->nodes[at];
    memset(made, 0, sizeof *made);
    made->node.tag = tag;
    made->node.parent = parent;
    memcpy(made->node.creator, creator, strlen(creator));
    made->first = NONE;
    made->next = NONE;
    if (link != NULL) {
        made->next = *link;
        *link = at;
    }
    *child = at;
    return OK;
}

// What every place has besides what is asked for, in the place where `tag` is.
static enum result draft_surroundings(struct draft *draft, uint32_t place, uint32_t tag)
{
    uint32_t made;
    enum result result = draft_child(draft, place, DCM_SPECIFIC_CHARACTER_SET, "", &made);
    if (result == OK)
        draft->nodes[made].node.keeps = true;
    if (result == OK)
        result = draft_child(draft, place, DCM_TAG(dcm_tag_group(tag), 0), "", &made);
    if (result == OK)
        draft->nodes[made].node.keeps = true;
    if (result == OK && place == 0) {
        result = draft_child(draft, place, DCM_LENGTH_TO_END, "", &made);
        if (result == OK)
            draft->nodes[made].node.keeps = true;
    }
    return result;
}

static void item_limit_raise(struct interest_node *node, uint32_t item)
{
    uint32_t limit = item == DCM_ITEM_ALL ? DCM_ITEM_ALL : item == DCM_ITEM_NEW ? 0 : item + 1;
    if (limit > node->item_limit)
        node->item_limit = limit;
}

static enum result draft_path(struct draft *draft, const struct dcm_path *path, uint32_t *node)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i <= path->depth; i++) {
        const struct dcm_path_step *step = &path->step[i];
        uint32_t child;
        enum result result = draft_surroundings(draft, at, step->tag);
        if (result == OK)
            result = draft_child(draft, at, step->tag, step->creator, &child);
        if (result != OK)
            return result;
        at = child;
        if (i < path->depth || path->is_item)
            item_limit_raise(&draft->nodes[at].node, step->item);
    }
    draft->nodes[at].node.keeps |= !path->is_item;
    *node = at;
    return OK;
}

// Breadth first, so that children come to stand together; `place` tells where each draft node went.
static void draft_flatten(const struct draft *draft, struct interest_node *nodes, uint32_t *place,
                          uint32_t *queue)
{
    uint32_t made = 1;
    queue[0] = 0;
    place[0] = 0;
    nodes[0] = draft->nodes[0].node;
    for (uint32_t taken = 0; taken < made; taken++) {
        struct interest_node *parent = &nodes[taken];
        parent->children = made;
        for (uint32_t i = draft->nodes[queue[taken]].first; i != NONE; i = draft->nodes[i].next) {
            queue[made] = i;
            place[i] = made;
            nodes[made] = draft->nodes[i].node;
            nodes[made].parent = taken;
            parent->count++;
            parent->created += nodes[made].creator[0] != '\0';
            made++;
        }
    }
    ensure(made == draft->count);
}

static enum result interest_fill(struct dcm_interest *interest, struct draft *draft,
                                 const struct dcm_path *paths)
{
    for (size_t i = 0; i < interest->path_count; i++) {
        struct interest_path *path = &interest->paths[i];
        enum result result = draft_path(draft, &paths[i], &path->node);
        if (result != OK)
            return result;
        path->depth = paths[i].depth;
        path->is_item = paths[i].is_item;
        for (uint32_t j = 0; j < path->depth; j++)
            path->item[j] = paths[i].step[j].item;
    }
    uint32_t *places = calloc(draft->count, 2 * sizeof *places);
    interest->nodes = calloc(draft->count, sizeof *interest->nodes);
    interest->node_count = draft->count;
    if (places == NULL || interest->nodes == NULL) {
        free(places);
        return ERR_NOMEM;
    }
    draft_flatten(draft, interest->nodes, places, places + draft->count);
    for (size_t i = 0; i < interest->path_count; i++)
        interest->paths[i].node = places[interest->paths[i].node];
    free(places);
    return OK;
}

enum result dcm_interest_new(const struct dcm_path *paths, size_t count, struct dcm_interest **interest)
{
    if (count > DCM_INTEREST_PATHS)
        return ERR_LIMIT;
    struct dcm_interest *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, INTEREST_MAGIC);
    made->path_count = count;
    made->paths = calloc(count + 1, sizeof *made->paths);
    struct draft draft = {.nodes = NULL};
    uint32_t root;
    enum result result = made->paths != NULL ? draft_child(&draft, NONE, 0, "", &root) : ERR_NOMEM;
    if (result == OK)
        result = interest_fill(made, &draft, paths);
    free(draft.nodes);
    if (result != OK) {
        dcm_interest_free(made);
        return result;
    }
    *interest = made;
    return OK;
}

void dcm_interest_free(struct dcm_interest *interest)
{
    if (interest == NULL)
        return;
    MAGIC_CHECK(interest, INTEREST_MAGIC);
    MAGIC_CLEAR(interest);
    free(interest->nodes);
    free(interest->paths);
    free(interest);
}

uint32_t interest_find(const struct dcm_interest *interest, const struct dcm_path *path)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i <= path->depth; i++) {
        const struct interest_node *parent = &interest->nodes[at];
        const struct dcm_path_step *step = &path->step[i];
        at = NONE;
        for (uint32_t child = parent->children; at == NONE && child < parent->children + parent->count;
             child++)
            if (node_compare(&interest->nodes[child], step->tag, step->creator) == 0)
                at = child;
        if (at == NONE)
            return NONE;
        bool looks_in = i < path->depth || path->is_item;
        const uint32_t limit = interest->nodes[at].item_limit;
        if (looks_in && step->item != DCM_ITEM_NEW && step->item >= limit && limit != DCM_ITEM_ALL)
            return NONE;
    }
    return at;
}

uint32_t interest_child(const struct dcm_interest *interest, uint32_t place, uint32_t tag)
{
    const struct interest_node *parent = &interest->nodes[place];
    for (uint32_t child = parent->children; child < parent->children + parent->count; child++)
        if (interest->nodes[child].tag == tag && interest->nodes[child].creator[0] == '\0')
            return child;
    return NONE;
}
