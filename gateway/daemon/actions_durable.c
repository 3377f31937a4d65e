// SPDX-License-Identifier: Apache-2.0
#include "daemon/actions_durable.h"
#include "base/units.h"
#include "daemon/actions_json.h"

#define DURABLE_WAIT_NS (10 * NSEC_PER_SEC) // a full disk is told, not waited for

static void wait_end(struct durable *durable)
{
    const struct notes *notes = &durable->part->worker->notes;
    durable->is_durable = durable->is_durable && notes->lost == durable->lost;
    part_done(durable->part);
}

static void on_durable(struct notes_wait *wait)
{
    struct durable *durable = CONTAINER_OF(wait, struct durable, wait);
    ev_timer_fini(&durable->timer);
    durable->is_durable = true;
    wait_end(durable);
}

static void on_too_long(void *arg)
{
    struct durable *durable = arg;
    durable_cancel(durable);
    wait_end(durable);
}

void durable_init(struct durable *durable, struct part *part)
{
    *durable = (struct durable){.part = part, .lost = part->worker->notes.lost};
    durable->wait.done = on_durable;
    ev_timer_init(&durable->timer, part->worker->loop, on_too_long, durable);
}

void durable_part_done(struct durable *durable, uint64_t changed)
{
    durable->is_durable = changed == 0 || !notes_wait_begin(&durable->part->worker->notes, &durable->wait);
    if (durable->is_durable)
        wait_end(durable);
    else
        ev_timer_start(&durable->timer, DURABLE_WAIT_NS);
}

void durable_round_end(struct round *round, uint64_t changed, uint64_t unchanged, bool is_durable)
{
    json_t *body = json_object();
    set_number(body, "changed", changed);
    set_number(body, "unchanged", unchanged);
    set_flag(body, "durable", is_durable);
    round_end(round, ADMIN_FINE, body);
}

void durable_cancel(struct durable *durable)
{
    ev_timer_fini(&durable->timer);
    notes_wait_cancel(&durable->part->worker->notes, &durable->wait);
}
