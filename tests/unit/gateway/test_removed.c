// SPDX-License-Identifier: Apache-2.0
//
// What is owed to nodes that are not in the configuration any more, however many they are.
#include "unit.h"

#include "base/log.h"
#include "base/text.h"
#include "rig.h"
#include "speak.h"

enum { NODES = 4, LIVES = 18 };

static struct configuration *configuration_make(unsigned life)
{
    char text[1024];
    text_format(text, sizeof text,
                "gateway: { ae_title: GATE, data: /data, workers: 1 }\n"
                "journal: { segment_size: 1MiB, watermark: 64MiB, reserve: 32MiB, unsynced: 1MiB }\n"
                "listeners: [ { name: one, address: \"0.0.0.0:11112\", plain: yes } ]\n"
                "titles: [GATE]\n"
                "nodes:\n"
                "  a: { id: %u, kind: archive, ae_title: A, address: \"10.0.0.5:104\", plain: yes }\n"
                "  b: { id: %u, kind: archive, ae_title: B, address: \"10.0.0.5:104\", plain: yes }\n"
                "  c: { id: %u, kind: archive, ae_title: C, address: \"10.0.0.5:104\", plain: yes }\n"
                "  d: { id: %u, kind: archive, ae_title: D, address: \"10.0.0.5:104\", plain: yes }\n"
                "phases: { one: { store: [ { to: [a, b, c, d], negotiate: fixed,\n"
                "    transfer_syntaxes: [1.2.840.10008.1.2.1, 1.2.840.10008.1.2] } ] } }\n"
                "start_phase: one\n",
                NODES * life + 1, NODES * life + 2, NODES * life + 3, NODES * life + 4);
    return rig_configuration_parse(text);
}

static void store_one(struct rig *rig, unsigned life)
{
    struct client client;
    char uid[16];
    text_format(uid, sizeof uid, "1.2.%u", life + 1);
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = 1, .instance = uid, .pixels = 300});
    assert_int_equal(hear_response(&client, 1), 0);
    client_close(&client);
}

static void test_many_removed(void **state)
{
    (void)state;
    struct rig *rig = rig_new(rig_configuration_fixed, 5);
    uint64_t told = 0;
    for (unsigned life = 0; life < LIVES; life++) {
        configuration_free(rig->configuration);
        rig->configuration = configuration_make(life);
        told = log_event_count(LOG_NODE_REMOVED) + log_event_count(LOG_NODES_REMOVED);
        rig_boot(rig);
        store_one(rig, life);
        if (life + 1 < LIVES)
            rig_crash(rig);
    }
    const struct journal_recovery_figures *figures = &rig->gateway->recovery;
    uint64_t receipts = figures->removed_more;
    for (size_t i = 0; i < figures->removed_count; i++)
        receipts += figures->removed[i].receipts;
    assert_int_equal(figures->removed_count, REMOVED_NODES_MAX);
    assert_int_equal(receipts, NODES * (LIVES - 1));
    assert_int_equal(figures->removed_more, NODES * (LIVES - 1) - REMOVED_NODES_MAX);
    assert_int_equal(log_event_count(LOG_NODE_REMOVED) + log_event_count(LOG_NODES_REMOVED) - told,
                     REMOVED_NODES_MAX + 1);
    rig_crash(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_removed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
