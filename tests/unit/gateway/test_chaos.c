// SPDX-License-Identifier: Apache-2.0
//
// Clients, two archives that change their manners, paths of every kind, power cuts and stops, drawn from a
// seed: whatever happens, what was acknowledged has in the end been answered by both archives. A short cousin
// of the simulator's histories, for use-after-free in lanes and legs.
#include "unit.h"

#include "base/text.h"
#include "forward/archive.h"
#include "pacs.h"
#include "speak.h"
#include "ul/pdu.h"

enum { SEEDS = 8, STEPS = 40, CLIENTS = 4 };

struct chaos {
    struct rig *rig;
    struct pacs pacs[2];
    struct client clients[CLIENTS];
    bool is_open[CLIENTS];
    uint16_t sent;
    uint64_t acknowledged;
};

static uint64_t below(struct chaos *chaos, uint64_t limit)
{
    return sim_random_below(chaos->rig->world, limit);
}

static struct memory_path path_draw(struct chaos *chaos)
{
    static const size_t sizes[] = {0, 0, 200, 5000, 100000};
    return (struct memory_path){.latency = below(chaos, 3) * NSEC_PER_MS,
                                .latency_jitter = below(chaos, 3) * NSEC_PER_MS,
                                .buffer = sizes[below(chaos, 5)],
                                .segment_max = below(chaos, 3) * 700,
                                .read_max = below(chaos, 3) * 900};
}

static void successes_count(struct chaos *chaos, struct client *client)
{
    for (struct slice pdu = client_pdu(client); pdu.length > 0; pdu = client_pdu(client)) {
        struct dimse_command response;
        if (pdu.data[0] == UL_PDU_DATA_TF &&
            dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response) == OK &&
            response.command_field == DIMSE_C_STORE_RSP && response.status == 0)
            chaos->acknowledged++;
    }
}

static void client_end(struct chaos *chaos, size_t i, bool is_reset)
{
    if (!chaos->is_open[i])
        return;
    chaos->is_open[i] = false;
    successes_count(chaos, &chaos->clients[i]);
    if (is_reset)
        client_reset(&chaos->clients[i]);
    else
        client_close(&chaos->clients[i]);
}

static void client_step(struct chaos *chaos)
{
    size_t i = below(chaos, CLIENTS);
    struct client *client = &chaos->clients[i];
    if (chaos->is_open[i] && below(chaos, 4) == 0) {
        client_end(chaos, i, below(chaos, 2) == 0);
        return;
    }
    if (!chaos->is_open[i]) {
        struct memory_path path = path_draw(chaos);
        client_open(client, chaos->rig, &path);
        chaos->is_open[i] = true;
        speak_associate(client, "GATE", "CT1");
        rig_run(chaos->rig, 20 * NSEC_PER_SEC); // the primary may have to be asked
    }
    char instance[32];
    text_format(instance, sizeof instance, "1.2.%u", ++chaos->sent);
    struct store store = {
        .message_id = chaos->sent, .instance = instance, .pixels = 2 * below(chaos, 100000)};
    if (below(chaos, 8) == 0)
        store.most = 1 + below(chaos, 100);
    speak_store(client, &store);
    if (below(chaos, 8) == 0)
        speak_release(client);
}

static void pacs_step(struct chaos *chaos)
{
    static const enum pacs_manner manners[] = {PACS_ANSWERS, PACS_ANSWERS,      PACS_ANSWERS_EARLY,
                                               PACS_SILENT,  PACS_ANSWERS_DEAF, PACS_ABORTS,
                                               PACS_WRONG_ID};
    static const uint16_t statuses[] = {0, 0, 0, 0xB000, 0xA700, 0xC000, 0xA900};
    struct pacs *pacs = &chaos->pacs[below(chaos, 2)];
    pacs->manner = manners[below(chaos, COUNT_OF(manners))];
    pacs->status = statuses[below(chaos, COUNT_OF(statuses))];
    struct memory_path path = path_draw(chaos);
    memory_network_set_path(chaos->rig->network, &path);
}

static void life_step(struct chaos *chaos)
{
    bool is_graceful = below(chaos, 3) == 0;
    if (is_graceful)
        rig_stop(chaos->rig);
    else
        rig_crash(chaos->rig);
    for (size_t i = 0; i < CLIENTS; i++)
        client_end(chaos, i, true);
    rig_boot(chaos->rig);
}

static void step(struct chaos *chaos)
{
    uint64_t what = below(chaos, 12);
    if (what < 7)
        client_step(chaos);
    else if (what < 11)
        pacs_step(chaos);
    else
        life_step(chaos);
    static const uint64_t pauses[] = {0, NSEC_PER_MS, 30 * NSEC_PER_MS, NSEC_PER_SEC, 700 * NSEC_PER_SEC};
    rig_run(chaos->rig, pauses[below(chaos, COUNT_OF(pauses))]);
}

static void unpark(struct archive *archive)
{
    for (size_t left = archive->parked.count; left > 0; left--)
        delivery_unpark(CONTAINER_OF(list_first(&archive->parked), struct delivery, node),
                        slice_of_text("operator"), slice_of(NULL, 0));
}

// Everybody is well again.
static void heal(struct chaos *chaos)
{
    memory_network_set_path(chaos->rig->network, &(struct memory_path){0});
    for (size_t i = 0; i < CLIENTS; i++)
        client_end(chaos, i, false);
    for (size_t i = 0; i < 2; i++) {
        chaos->pacs[i].manner = PACS_ANSWERS;
        chaos->pacs[i].status = 0;
    }
    for (int round = 0; round < 3; round++) {
        rig_run(chaos->rig, 1500 * NSEC_PER_SEC);
        for (size_t i = 0; i < 2; i++)
            unpark(&rig_worker(chaos->rig)->archives[i]);
    }
    rig_run(chaos->rig, 1500 * NSEC_PER_SEC);
}

static void history(uint64_t seed)
{
    struct chaos chaos = {.rig = rig_new(rig_configuration_learned, seed)};
    rig_boot(chaos.rig);
    for (unsigned i = 0; i < 2; i++)
        pacs_init(&chaos.pacs[i], chaos.rig, i);
    for (unsigned i = 0; i < STEPS; i++)
        step(&chaos);
    heal(&chaos);
    struct worker *worker = rig_worker(chaos.rig);
    assert_int_equal(worker->sessions.count + worker->orphans.count + worker->intakes.count, 0);
    assert_int_equal(worker->legs.lingering.count + worker->dead_lanes.count, 0);
    assert_true(worker->receipts.count >= chaos.acknowledged);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(worker->archives[i].answered.count, worker->receipts.count);
        assert_int_equal(worker->archives[i].lanes.count, 0);
        assert_int_equal(atomic_load(&worker->archives[i].node->leases), 0);
    }
    assert_int_equal(worker->window.used, 0);
    rig_stop(chaos.rig);
    for (unsigned i = 0; i < 2; i++)
        pacs_fini(&chaos.pacs[i]);
    rig_free(chaos.rig);
}

static void test_histories(void **state)
{
    (void)state;
    const char *only = getenv("DG_SEED");
    if (only != NULL) {
        history(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        history(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
