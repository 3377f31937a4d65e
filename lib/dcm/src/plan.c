// SPDX-License-Identifier: Apache-2.0
//
// Plans as objects and as bytes: see dcm/edit.h and docs/edits.md.
#include "plan.h"
#include "base/check.h"
#include "base/cursor.h"
#include "base/magic.h"
#include <stdlib.h>

#define PLAN_MAGIC    UINT32_C(0x91A24ED1)
#define FORMAT_NAME   "DGEP"
#define FORMAT_NUMBER 1
#define HEAD_SIZE     12
#define CHANGE_SIZE   20 // without its new bytes
#define OFFSET_MOST   ((uint64_t)INT64_MAX)
#define BYTES_MOST    (HEAD_SIZE + (size_t)DCM_PLAN_CHANGES * CHANGE_SIZE + DCM_PLAN_BYTES)

// ---- building ----

enum result plan_builder_begin(struct plan_builder *builder)
{
    uint8_t head[HEAD_SIZE];
    struct writer w = writer_of(head, sizeof head);
    writer_put(&w, FORMAT_NAME, 4);
    writer_u16le(&w, FORMAT_NUMBER);
    writer_u16le(&w, 0);
    writer_u32le(&w, 0); // the count, known at the end
    *builder = (struct plan_builder){.count = 0};
    return wiped_append(&builder->bytes, writer_slice(&w));
}

enum result plan_builder_add(struct plan_builder *builder, uint64_t offset, uint64_t old_length,
                             struct slice new_bytes)
{
    uint8_t head[CHANGE_SIZE];
    struct writer w = writer_of(head, sizeof head);
    if (new_bytes.length > DCM_PLAN_BYTES || builder->count == DCM_PLAN_CHANGES)
        return ERR_LIMIT;
    writer_u64le(&w, offset);
    writer_u64le(&w, old_length);
    writer_u32le(&w, (uint32_t)new_bytes.length);
    builder->count++;
    enum result result = wiped_append(&builder->bytes, writer_slice(&w));
    return result == OK ? wiped_append(&builder->bytes, new_bytes) : result;
}

static enum result plan_of(struct wiped_bytes *bytes, struct dcm_plan **plan);

enum result plan_builder_end(struct plan_builder *builder, struct dcm_plan **plan)
{
    for (unsigned i = 0; i < 4; i++)
        builder->bytes.data[HEAD_SIZE - 4 + i] = (uint8_t)(builder->count >> 8 * i);
    return plan_of(&builder->bytes, plan);
}

void plan_builder_release(struct plan_builder *builder)
{
    wiped_release(&builder->bytes);
}

// ---- parsing ----

static enum result change_read(struct cursor *c, const struct dcm_plan *plan, struct dcm_change *change)
{
    uint64_t least = 0;
    if (plan->count > 0) {
        const struct dcm_change *last = &plan->changes[plan->count - 1];
        least = last->offset + last->old_length;
    }
    change->offset = cursor_u64le(c);
    change->old_length = cursor_u64le(c);
    change->new_bytes = cursor_take(c, cursor_u32le(c));
    if (c->failed || change->offset < least || change->offset > OFFSET_MOST ||
        change->old_length > OFFSET_MOST - change->offset)
        return ERR_FORMAT;
    return OK;
}

static enum result changes_read(struct dcm_plan *plan)
{
    struct cursor c = cursor_of(wiped_slice(&plan->bytes));
    struct slice name = cursor_take(&c, 4);
    bool is_known = slice_is_text(name, FORMAT_NAME) && cursor_u16le(&c) == FORMAT_NUMBER;
    uint16_t unused = cursor_u16le(&c);
    uint32_t count = cursor_u32le(&c);
    if (c.failed || !is_known || unused != 0 || count > cursor_left(&c) / CHANGE_SIZE)
        return ERR_FORMAT;
    if (count > DCM_PLAN_CHANGES)
        return ERR_LIMIT;
    plan->changes = calloc((size_t)count + 1, sizeof *plan->changes);
    if (plan->changes == NULL)
        return ERR_NOMEM;
    uint64_t new_bytes = 0;
    while (plan->count < count) {
        struct dcm_change change;
        if (change_read(&c, plan, &change) != OK)
            return ERR_FORMAT;
        plan->changes[plan->count++] = change;
        plan->old_bytes += change.old_length; // ranges apart from each other: at most OFFSET_MOST
        new_bytes += change.new_bytes.length;
    }
    plan->growth = (int64_t)new_bytes - (int64_t)plan->old_bytes;
    if (plan->old_bytes > DCM_PLAN_BYTES || new_bytes > DCM_PLAN_BYTES)
        return ERR_LIMIT;
    return cursor_left(&c) == 0 ? OK : ERR_FORMAT;
}

// Takes the bytes, whatever comes of them.
static enum result plan_of(struct wiped_bytes *bytes, struct dcm_plan **plan)
{
    struct dcm_plan *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, PLAN_MAGIC);
    made->bytes = *bytes;
    *bytes = (struct wiped_bytes){.data = NULL};
    enum result result = changes_read(made);
    if (result != OK) {
        dcm_plan_free(made);
        return result;
    }
    *plan = made;
    return OK;
}

enum result dcm_plan_parse(struct slice bytes, struct dcm_plan **plan)
{
    struct wiped_bytes copy = {.data = NULL};
    if (bytes.length > BYTES_MOST)
        return ERR_LIMIT;
    enum result result = wiped_append(&copy, bytes);
    if (result == OK)
        result = plan_of(&copy, plan);
    wiped_release(&copy);
    return result;
}

void dcm_plan_free(struct dcm_plan *plan)
{
    if (plan == NULL)
        return;
    MAGIC_CHECK(plan, PLAN_MAGIC);
    MAGIC_CLEAR(plan);
    wiped_release(&plan->bytes);
    free(plan->changes);
    free(plan);
}

size_t dcm_plan_count(const struct dcm_plan *plan)
{
    MAGIC_CHECK(plan, PLAN_MAGIC);
    return plan->count;
}

struct dcm_change dcm_plan_change(const struct dcm_plan *plan, size_t index)
{
    MAGIC_CHECK(plan, PLAN_MAGIC);
    ensure(index < plan->count);
    return plan->changes[index];
}

struct slice dcm_plan_bytes(const struct dcm_plan *plan)
{
    MAGIC_CHECK(plan, PLAN_MAGIC);
    return wiped_slice(&plan->bytes);
}
