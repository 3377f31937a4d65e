// SPDX-License-Identifier: Apache-2.0
//
// The simulated back end: a world of loops, one clock, one seed. Loops stand in an array in the order in
// which they were made; nothing depends on addresses. Single-threaded.
#include "ev/sim.h"

#include <stdlib.h>
#include <string.h>

#include "base/magic.h"
#include "base/units.h"
#include "ev/backend.h"

#define WORLD_MAGIC 0x574f524cu

enum {
    WAKE_DELAY_MAX = 50000, // nanoseconds between a signal and its delivery
    TURN_COST_MAX = 2000,   // nanoseconds that a turn takes: no loop can stop the clock
};

#define WALL_START (UINT64_C(1767225600) * NSEC_PER_SEC) // 2026-01-01T00:00:00Z

struct sim_loop {
    struct ev_loop loop;
    struct sim_world *world;
    uint64_t index;
    uint64_t wake_at; // UINT64_MAX: no wake
    uint64_t busy_most, busy_until;
    uint64_t random;
    struct list hooks;
};

struct sim_world {
    uint32_t magic;
    uint64_t now;
    uint64_t wall_offset;
    uint64_t random;
    uint64_t trace;
    uint64_t steps;
    uint64_t loops_made;
    struct sim_loop **loops;
    size_t count, capacity;
};

// SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void sim_clock_update(struct ev_loop *loop)
{
    (void)loop; // the loop reads the world's clock
}

static uint64_t sim_wall_now(const struct ev_loop *loop)
{
    const struct sim_world *world = ((const struct sim_loop *)(const void *)loop)->world;
    return world->now + world->wall_offset;
}

static void sim_random(struct ev_loop *loop, void *buffer, size_t length)
{
    struct sim_loop *sim = (struct sim_loop *)(void *)loop;
    uint8_t *bytes = buffer;
    while (length > 0) {
        uint64_t value = next_random(&sim->random);
        size_t part = length < sizeof value ? length : sizeof value;
        memcpy(bytes, &value, part);
        bytes += part;
        length -= part;
    }
}

static void sim_notify(struct ev_loop *loop)
{
    struct sim_loop *sim = (struct sim_loop *)(void *)loop;
    uint64_t at = sim->world->now + 1 + sim_random_below(sim->world, WAKE_DELAY_MAX);
    if (at < sim->wake_at)
        sim->wake_at = at;
}

static void sim_free(struct ev_loop *loop)
{
    struct sim_loop *sim = (struct sim_loop *)(void *)loop;
    struct sim_world *world = sim->world;
    while (!list_is_empty(&sim->hooks)) {
        struct list_node *node = list_take_first(&sim->hooks);
        CONTAINER_OF(node, struct sim_kill_hook, node)->loop = NULL;
    }
    ev_loop_teardown(loop);
    size_t at = 0;
    while (world->loops[at] != sim)
        at++;
    memmove(world->loops + at, world->loops + at + 1, (world->count - at - 1) * sizeof(struct sim_loop *));
    world->count--;
    free(sim);
}

static const struct ev_backend sim_backend = {
    .clock_update = sim_clock_update,
    .wall_now = sim_wall_now,
    .random = sim_random,
    .notify = sim_notify,
    .wait = NULL,
    .free = sim_free,
};

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *world = calloc(1, sizeof *world);
    ensure(world != NULL);
    MAGIC_INIT(world, WORLD_MAGIC);
    world->random = seed;
    world->now = NSEC_PER_SEC;
    world->wall_offset = WALL_START - world->now;
    return world;
}

void sim_world_free(struct sim_world **world)
{
    if (*world == NULL)
        return;
    MAGIC_CHECK(*world, WORLD_MAGIC);
    ensure((*world)->count == 0);
    free((*world)->loops);
    free(*world);
    *world = NULL;
}

struct ev_loop *sim_loop_new(struct sim_world *world, const char *name)
{
    MAGIC_CHECK(world, WORLD_MAGIC);
    struct sim_loop *sim = calloc(1, sizeof *sim);
    ensure(sim != NULL);
    ev_loop_setup(&sim->loop, &sim_backend, name);
    sim->loop.clock = &world->now;
    sim->world = world;
    sim->index = world->loops_made++;
    sim->wake_at = UINT64_MAX;
    sim->random = sim_random_u64(world);
    list_init(&sim->hooks);
    if (world->count == world->capacity) {
        world->capacity = world->capacity == 0 ? 16 : 2 * world->capacity;
        world->loops = realloc(world->loops, world->capacity * sizeof(struct sim_loop *));
        ensure(world->loops != NULL);
    }
    world->loops[world->count++] = sim;
    return &sim->loop;
}

static struct sim_loop *sim_of(struct ev_loop *loop)
{
    ensure(loop->backend == &sim_backend);
    return (struct sim_loop *)(void *)loop;
}

void sim_loop_kill(struct ev_loop *loop)
{
    struct sim_loop *sim = sim_of(loop);
    if (loop->dead)
        return;
    sim_world_note(sim->world, sim->index);
    ev_loop_forget_all(loop);
    sim->wake_at = UINT64_MAX;
    while (!list_is_empty(&sim->hooks)) {
        struct list_node *node = list_take_first(&sim->hooks);
        struct sim_kill_hook *hook = CONTAINER_OF(node, struct sim_kill_hook, node);
        hook->loop = NULL;
        hook->callback(hook->arg);
    }
}

void sim_loop_slow(struct ev_loop *loop, uint64_t most)
{
    struct sim_loop *sim = sim_of(loop);
    sim->busy_most = most;
    if (most == 0)
        sim->busy_until = 0;
}

void sim_loop_on_kill(struct sim_kill_hook *hook, struct ev_loop *loop, ev_callback_fn *callback, void *arg)
{
    *hook = (struct sim_kill_hook){.loop = loop, .callback = callback, .arg = arg};
    list_append(&sim_of(loop)->hooks, &hook->node);
}

void sim_kill_hook_fini(struct sim_kill_hook *hook)
{
    if (hook->loop != NULL)
        list_remove(&sim_of(hook->loop)->hooks, &hook->node);
    hook->loop = NULL;
}

// ---- Steps ----

static uint64_t ready_at(const struct sim_loop *sim)
{
    if (sim->loop.dead)
        return UINT64_MAX;
    uint64_t next = ev_loop_next(&sim->loop);
    uint64_t ready = next < sim->wake_at ? next : sim->wake_at;
    return ready > sim->busy_until ? ready : sim->busy_until;
}

static uint64_t earliest(const struct sim_world *world)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < world->count; i++) {
        uint64_t at = ready_at(world->loops[i]);
        if (at < first)
            first = at;
    }
    return first;
}

static struct sim_loop *draw_runnable(struct sim_world *world)
{
    size_t runnable = 0;
    for (size_t i = 0; i < world->count; i++)
        runnable += ready_at(world->loops[i]) <= world->now;
    size_t drawn = sim_random_below(world, runnable);
    for (size_t i = 0;; i++) {
        if (ready_at(world->loops[i]) <= world->now && drawn-- == 0)
            return world->loops[i];
    }
}

bool sim_world_step(struct sim_world *world)
{
    MAGIC_CHECK(world, WORLD_MAGIC);
    uint64_t first = earliest(world);
    if (first == UINT64_MAX)
        return false;
    if (first > world->now)
        world->now = first;
    struct sim_loop *sim = draw_runnable(world);
    world->steps++;
    sim_world_note(world, world->now);
    sim_world_note(world, sim->index);
    bool with_wakes = sim->wake_at <= world->now;
    if (with_wakes)
        sim->wake_at = UINT64_MAX;
    ev_loop_dispatch(&sim->loop, with_wakes);
    if (sim->busy_most > 0)
        sim->busy_until = world->now + sim_random_below(world, sim->busy_most);
    world->now += sim_random_below(world, TURN_COST_MAX);
    return true;
}

bool sim_world_run_until(struct sim_world *world, sim_condition_fn *condition, void *arg, uint64_t until)
{
    while (condition == NULL || !condition(arg)) {
        if (world->now >= until)
            return false;
        if (earliest(world) > until) {
            world->now = until;
            return false;
        }
        sim_world_step(world);
    }
    return true;
}

uint64_t sim_world_now(const struct sim_world *world)
{
    return world->now;
}

uint64_t sim_world_steps(const struct sim_world *world)
{
    return world->steps;
}

void sim_world_set_wall(struct sim_world *world, uint64_t wall_now)
{
    world->wall_offset =
        wall_now - world->now; // wraps for a wall clock before the start, and back when added
}

uint64_t sim_random_u64(struct sim_world *world)
{
    return next_random(&world->random);
}

uint64_t sim_random_below(struct sim_world *world, uint64_t limit)
{
    ensure(limit > 0);
    return next_random(&world->random) % limit;
}

bool sim_random_chance(struct sim_world *world, uint64_t numerator, uint64_t denominator)
{
    return sim_random_below(world, denominator) < numerator;
}

uint64_t sim_world_trace(const struct sim_world *world)
{
    return world->trace;
}

void sim_world_note(struct sim_world *world, uint64_t value)
{
    uint64_t state = world->trace ^ value;
    world->trace = next_random(&state);
}

struct sim_world *sim_world_of(const struct ev_loop *loop)
{
    ensure(loop->backend == &sim_backend);
    return ((const struct sim_loop *)(const void *)loop)->world;
}
