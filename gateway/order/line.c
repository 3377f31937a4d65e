// SPDX-License-Identifier: Apache-2.0
#include "order/line.h"
#include <string.h>

enum { KIND_INSTANCE = 1, KIND_RECEIVED = 2 };

static struct order_content content_of(uint8_t algorithm, uint8_t present, const uint8_t *instance,
                                       const uint8_t *received)
{
    struct order_content content = {0};
    if (present & RECORD_HAS_INSTANCE) {
        content.kind = (uint8_t)(KIND_INSTANCE << 4 | algorithm);
        memcpy(content.digest, instance, sizeof content.digest);
    } else if (present & RECORD_HAS_RECEIVED) {
        content.kind = (uint8_t)(KIND_RECEIVED << 4 | algorithm);
        memcpy(content.digest, received, sizeof content.digest);
    }
    return content;
}

struct order_content order_content_of_close(const struct record_close *close)
{
    return content_of(close->algorithm, close->digests, close->instance, close->received);
}

struct order_content order_content_of_fact(const struct fact_digests *digests)
{
    return content_of(digests->algorithm, digests->present, digests->instance, digests->received);
}

bool order_content_is_same(const struct order_content *one, const struct order_content *other)
{
    return one->kind != 0 && one->kind == other->kind &&
           memcmp(one->digest, other->digest, sizeof one->digest) == 0;
}

bool order_content_is_other(const struct order_content *one, const struct order_content *other)
{
    return one->kind != 0 && one->kind == other->kind &&
           memcmp(one->digest, other->digest, sizeof one->digest) != 0;
}

// ---- the two trees ----

static struct order_member *member_of(const struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct order_member, node);
}

static int number_compare(uint64_t one, uint64_t other)
{
    return (one > other) - (one < other);
}

static int order_compare(const struct tree_node *one, const struct tree_node *other)
{
    int compared = number_compare(member_of(one)->order, member_of(other)->order);
    return compared != 0 ? compared : number_compare(member_of(one)->receipt, member_of(other)->receipt);
}

static int content_compare(const struct tree_node *one, const struct tree_node *other)
{
    const struct order_content *left = &CONTAINER_OF(one, struct order_member, content_node)->content;
    const struct order_content *right = &CONTAINER_OF(other, struct order_member, content_node)->content;
    return left->kind != right->kind ? number_compare(left->kind, right->kind)
                                     : memcmp(left->digest, right->digest, sizeof left->digest);
}

static void summarize(struct tree_node *node, const void *owner)
{
    const struct order_line *line = owner;
    const struct order_member *children[] = {member_of(node->left), member_of(node->right)};
    for (size_t i = 0; i < line->archives; i++) {
        struct order_place *place = &member_of(node)->places[i];
        place->traits_below = place->traits;
        place->sent_below = place->was_sent;
        for (size_t c = 0; c < 2; c++)
            if (children[c] != NULL) {
                place->traits_below |= children[c]->places[i].traits_below;
                place->sent_below += children[c]->places[i].sent_below;
            }
    }
}

void order_line_init(struct order_line *line, size_t archives, uint64_t seed)
{
    *line = (struct order_line){.archives = archives};
    tree_init(&line->members, order_compare, summarize, line, seed);
    tree_init(&line->contents, content_compare, NULL, NULL, ~seed);
}

// ---- what a member is ----

static bool is_owed(const struct order_slot *slot)
{
    return slot->stage == ORDER_ALIVE || slot->stage == ORDER_PARKED || slot->stage == ORDER_SENDING;
}

static unsigned traits_of(const struct order_member *member, const struct order_slot *slot)
{
    bool is_sending = slot->stage == ORDER_SENDING;
    bool is_coming = is_sending || slot->stage == ORDER_ALIVE;
    bool is_waiting = is_owed(slot) && !is_sending;
    bool is_idle = is_waiting && slot->action == ORDER_HOLD;
    bool is_barred = is_waiting && slot->action == ORDER_HOLD_REJECTED && !slot->is_released;
    unsigned traits = 0;
    traits |= slot->stage == ORDER_ACCEPTED ? ORDER_IS_ACCEPTED : 0u;
    traits |= slot->stage == ORDER_REJECTED ? ORDER_IS_REJECTED : 0u;
    traits |= is_sending ? ORDER_IS_SENDING : 0u;
    traits |= is_coming ? ORDER_IS_COMING : 0u;
    traits |= is_coming && (is_sending || slot->is_released) ? ORDER_IS_FREE : 0u;
    traits |= is_owed(slot) ? ORDER_IS_OWED : 0u;
    traits |= is_idle ? ORDER_IS_IDLE : 0u;
    traits |= is_idle && member->is_returned ? ORDER_IS_RETURNED : 0u;
    traits |= is_idle && !slot->is_released ? ORDER_IS_BARRABLE : 0u;
    traits |= is_barred ? ORDER_IS_BARRED : 0u;
    traits |= is_owed(slot) && slot->action != ORDER_HOLD && !is_barred ? ORDER_IS_BOUND : 0u;
    traits |= is_owed(slot) && slot->action == ORDER_SEND ? ORDER_IS_PERMITTED : 0u;
    return traits;
}

static void place_set(struct order_member *member, size_t archive)
{
    const struct order_slot *slot = &member->slots[archive];
    struct order_place *place = &member->places[archive];
    bool was_sent = slot->was_sent || slot->stage == ORDER_ACCEPTED;
    place->traits = (place->traits & ORDER_DIFFERS) | traits_of(member, slot);
    if (member->first_alike != NULL) {
        size_t *sent = &member->first_alike->places[archive].sent_alike;
        *sent = *sent - place->was_sent + was_sent;
    }
    place->was_sent = was_sent;
}

void order_line_update(struct order_line *line, struct order_member *member)
{
    for (size_t i = 0; i < line->archives; i++)
        place_set(member, i);
    tree_changed(&line->members, &member->node);
}

static void neighbours_compare(struct order_line *line, struct order_member *member)
{
    const struct order_member *before = member_of(tree_previous(&member->node));
    bool differs = before != NULL && !order_content_is_same(&before->content, &member->content);
    for (size_t i = 0; i < line->archives; i++) {
        struct order_place *place = &member->places[i];
        place->traits = (place->traits & ~(unsigned)ORDER_DIFFERS) | (differs ? ORDER_DIFFERS : 0u);
    }
    tree_changed(&line->members, &member->node);
}

bool order_line_insert(struct order_line *line, struct order_member *member)
{
    if (tree_insert(&line->members, &member->node) != NULL)
        return false;
    if (member->content.kind != 0) {
        struct tree_node *first = tree_insert(&line->contents, &member->content_node);
        member->first_alike = first == NULL ? member : CONTAINER_OF(first, struct order_member, content_node);
    }
    order_line_update(line, member);
    neighbours_compare(line, member);
    struct order_member *after = member_of(tree_next(&member->node));
    if (after != NULL)
        neighbours_compare(line, after);
    return true;
}

struct order_member *order_line_find(struct order_line *line, uint64_t receipt, uint64_t order)
{
    const struct order_member like = {.receipt = receipt, .order = order};
    return member_of(tree_find(&line->members, &like.node));
}

struct order_member *order_line_take(struct order_line *line)
{
    struct order_member *member = member_of(tree_take(&line->members));
    if (line->members.count == 0)
        order_line_init(line, line->archives, line->members.random);
    return member;
}

// ---- questions ----

struct search {
    struct order_line *line;
    size_t archive;
    unsigned traits;
};

static bool has_below(const struct search *search, const struct tree_node *node)
{
    if (node == NULL)
        return false;
    search->line->looked_at++;
    return (member_of(node)->places[search->archive].traits_below & search->traits) != 0;
}

static bool has(const struct search *search, const struct order_member *member)
{
    return (member->places[search->archive].traits & search->traits) != 0;
}

static struct order_member *newest_below(const struct search *search, const struct tree_node *node,
                                         uint64_t before)
{
    if (!has_below(search, node))
        return NULL;
    struct order_member *member = member_of(node);
    if (member->order >= before)
        return newest_below(search, node->left, before);
    struct order_member *newer = newest_below(search, node->right, before);
    if (newer != NULL || has(search, member))
        return newer != NULL ? newer : member;
    return newest_below(search, node->left, before);
}

static struct order_member *oldest_below(const struct search *search, const struct tree_node *node,
                                         uint64_t from)
{
    if (!has_below(search, node))
        return NULL;
    struct order_member *member = member_of(node);
    if (member->order < from)
        return oldest_below(search, node->right, from);
    struct order_member *older = oldest_below(search, node->left, from);
    if (older != NULL || has(search, member))
        return older != NULL ? older : member;
    return oldest_below(search, node->right, from);
}

struct order_member *order_line_newest(struct order_line *line, size_t archive, unsigned traits,
                                       uint64_t before)
{
    struct search search = {.line = line, .archive = archive, .traits = traits};
    return newest_below(&search, line->members.root, before);
}

struct order_member *order_line_oldest(struct order_line *line, size_t archive, unsigned traits,
                                       uint64_t from)
{
    struct search search = {.line = line, .archive = archive, .traits = traits};
    return oldest_below(&search, line->members.root, from);
}

bool order_line_is_uniform(struct order_line *line, const struct order_member *older,
                           const struct order_member *newer)
{
    const struct order_member *other = order_line_newest(line, 0, ORDER_DIFFERS, newer->order + 1);
    return newer->content.kind != 0 && (other == NULL || other->order <= older->order);
}

struct order_member *order_line_conflict(struct order_line *line, const struct order_member *member)
{
    if (line->archives == 0 || line->contents.count < 2)
        return NULL;
    const struct order_member *first = member; // of those in a row that are alike
    while ((first = order_line_newest(line, 0, ORDER_DIFFERS, first->order + 1)) != NULL) {
        struct order_member *before = member_of(tree_previous(&first->node));
        if (order_content_is_other(&before->content, &member->content))
            return before;
        first = before;
    }
    return NULL;
}

void order_line_contents_note(struct order_line *line, struct order_member *member, size_t archive)
{
    const struct order_place *place = &member->places[archive];
    size_t others = member_of(line->members.root)->places[archive].sent_below - place->was_sent;
    size_t alike =
        member->first_alike == NULL ? 0 : member->first_alike->places[archive].sent_alike - place->was_sent;
    member->slots[archive].same_content = alike > 0;
    member->slots[archive].other_content = others > alike;
}
