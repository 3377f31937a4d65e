// SPDX-License-Identifier: Apache-2.0
//
// Files of the simulated disk: what is visible, what is durable, and the changes between the two. See disk.h.
#include "disk.h"

#include "base/check.h"

#include <stdlib.h>

enum result inode_new(struct fs_sim *sim, bool is_folder, struct inode **out)
{
    struct inode *inode = calloc(1, sizeof *inode);
    if (inode == NULL)
        return ERR_NOMEM;
    inode->references = 1;
    inode->is_folder = is_folder;
    list_init(&inode->changes);
    list_append(&sim->inodes, &inode->node);
    *out = inode;
    return OK;
}

void inode_ref(struct inode *inode)
{
    inode->references++;
}

static void changes_forget(struct inode *inode)
{
    for (struct list_node *node; (node = list_take_first(&inode->changes)) != NULL;)
        free(CONTAINER_OF(node, struct change, node));
}

void inode_unref(struct fs_sim *sim, struct inode *inode)
{
    if (--inode->references > 0)
        return;
    sim->used -= inode_cost(inode);
    changes_forget(inode);
    content_fini(&inode->visible);
    content_fini(&inode->durable);
    list_remove(&sim->inodes, &inode->node);
    free(inode);
}

uint64_t inode_cost(const struct inode *inode)
{
    return (inode->visible.size + CONTENT_PAGE - 1) / CONTENT_PAGE * CONTENT_PAGE;
}

static enum result change_add(struct inode *inode, enum change_kind kind, uint64_t offset, uint64_t length,
                              const uint8_t *bytes)
{
    size_t held = kind == CHANGE_WRITE ? (size_t)length : 0;
    struct change *change = malloc(sizeof *change + held);
    if (change == NULL)
        return ERR_NOMEM;
    *change = (struct change){.kind = kind, .offset = offset, .length = length};
    if (held > 0)
        memcpy(change->bytes, bytes, held);
    list_append(&inode->changes, &change->node);
    return OK;
}

static enum result content_allocate(struct content *content, uint64_t offset, uint64_t length)
{
    return content->size < offset + length ? content_truncate(content, offset + length) : OK;
}

static enum result change_apply(const struct change *change, struct content *content)
{
    switch (change->kind) {
    case CHANGE_WRITE:
        return content_write(content, change->offset, slice_of(change->bytes, (size_t)change->length));
    case CHANGE_ALLOCATE:
        return content_allocate(content, change->offset, change->length);
    case CHANGE_TRUNCATE:
        return content_truncate(content, change->offset);
    }
    unreachable_state();
}

enum result inode_write(struct inode *inode, uint64_t offset, struct slice bytes)
{
    enum result result = change_add(inode, CHANGE_WRITE, offset, bytes.length, bytes.data);
    return result == OK ? content_write(&inode->visible, offset, bytes) : result;
}

enum result inode_allocate(struct inode *inode, uint64_t offset, uint64_t length)
{
    enum result result = change_add(inode, CHANGE_ALLOCATE, offset, length, NULL);
    return result == OK ? content_allocate(&inode->visible, offset, length) : result;
}

enum result inode_truncate(struct inode *inode, uint64_t size)
{
    enum result result = change_add(inode, CHANGE_TRUNCATE, size, 0, NULL);
    return result == OK ? content_truncate(&inode->visible, size) : result;
}

enum result inode_sync(struct inode *inode)
{
    enum result result = OK;
    LIST_EACH(&inode->changes, node)
    {
        if (result == OK)
            result = change_apply(CONTAINER_OF(node, struct change, node), &inode->durable);
    }
    changes_forget(inode);
    return result;
}

static enum result inode_revert(struct fs_sim *sim, struct inode *inode)
{
    sim->used -= inode_cost(inode);
    enum result result = content_copy(&inode->visible, &inode->durable);
    sim->used += inode_cost(inode);
    return result;
}

enum result inode_sync_fail(struct fs_sim *sim, struct inode *inode)
{
    sim->counts.lost_writes += inode->changes.count;
    changes_forget(inode);
    return sim_random(sim, 2) == 0 ? inode_revert(sim, inode) : OK;
}

// Any subset of the write's sectors; now and then it happens to be all of them or none.
static enum result change_tear(struct fs_sim *sim, const struct change *change, struct content *durable)
{
    uint64_t done = 0;
    while (done < change->length) {
        uint64_t piece = FS_SIM_SECTOR - (change->offset + done) % FS_SIM_SECTOR;
        if (piece > change->length - done)
            piece = change->length - done;
        if (sim_random(sim, 2) == 0) {
            enum result result =
                content_write(durable, change->offset + done, slice_of(change->bytes + done, (size_t)piece));
            if (result != OK)
                return result;
        }
        done += piece;
    }
    return OK;
}

// One of three: kept, lost, torn; what is not a write is never torn.
static enum result change_crash(struct fs_sim *sim, const struct change *change, struct content *durable)
{
    uint64_t fate = sim_random(sim, change->kind == CHANGE_WRITE ? 3 : 2);
    if (fate == 0)
        return change_apply(change, durable);
    sim->counts.lost_writes++;
    return fate == 2 ? change_tear(sim, change, durable) : OK;
}

enum result inode_crash(struct fs_sim *sim, struct inode *inode)
{
    enum result result = OK;
    LIST_EACH(&inode->changes, node)
    {
        if (result == OK)
            result = change_crash(sim, CONTAINER_OF(node, struct change, node), &inode->durable);
    }
    changes_forget(inode);
    return result == OK ? inode_revert(sim, inode) : result;
}
