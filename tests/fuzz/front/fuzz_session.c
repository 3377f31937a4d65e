// SPDX-License-Identifier: Apache-2.0
//
// The whole front session: a real gateway on simulated loops, disk and stores, whose archives nobody answers.
// The input is what clients send.
//
// Input: byte 0, the manners (below); byte 1, the seed of the schedule; then the bytes of the first client.
// With MANNER_TWO, byte 2 says after how many 256ths of the rest the second client's bytes begin.
//
// After each input virtual time runs past every deadline. Then no session, leg or waiting record is left. If
// a client has heard Success the power goes (for one length of input in four, for it takes time): what was
// acknowledged must be owed after recovery.
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/cursor.h"
#include "dimse/command.h"
#include "front/census.h"
#include "front/session.h"
#include "rig.h"

enum manners {
    MANNER_BYTES = 1,    // the gateway reads single bytes
    MANNER_SEGMENTS = 2, // small segments of drawn length
    MANNER_DEAF = 4,     // the client never reads, and its buffer is small
    MANNER_TWO = 8,      // a second connection at the same time
    MANNER_RESET = 16,   // ends by a reset
    MANNER_CLOSE = 32,   // closes in order once all is sent; else it stays and says no more
    MANNER_LEARNED = 64, // learned negotiation: the primary is probed, in vain
    MANNER_STOP = 128,   // the gateway is stopped in the middle of it
};

enum { LIVES_OF_A_RIG = 64 };

static struct rig *rigs[2];
static unsigned inputs_of[2];
static uint64_t acknowledged_of[2];

static struct rig *rig_take(bool is_learned)
{
    struct rig **rig = &rigs[is_learned];
    if (*rig != NULL && inputs_of[is_learned]++ < LIVES_OF_A_RIG && acknowledged_of[is_learned] < 256)
        return *rig;
    if (*rig != NULL)
        rig_free(*rig);
    *rig = rig_new(is_learned ? rig_configuration_learned : rig_configuration_fixed, 1);
    inputs_of[is_learned] = 0;
    acknowledged_of[is_learned] = 0;
    rig_boot(*rig);
    return *rig;
}

static bool is_store_success(struct slice pdv)
{
    struct dimse_command command;
    return pdv.length > 6 && (pdv.data[5] & 3) == 3 &&
           dimse_command_decode(slice_from(pdv, 6), &command) == OK &&
           command.command_field == DIMSE_C_STORE_RSP && command.status == 0;
}

// What the gateway says must be sound PDUs, whatever it was told.
static uint64_t successes_count(struct client *client)
{
    uint64_t count = 0;
    for (struct slice pdu = client_pdu(client); pdu.length > 0; pdu = client_pdu(client)) {
        ensure(pdu.data[0] >= 2 && pdu.data[0] <= 7);
        if (pdu.data[0] == 4)
            count += is_store_success(slice_from(pdu, 6));
    }
    return count;
}

static bool all_is_sent(void *arg)
{
    struct client *clients = arg;
    for (int i = 0; i < 2; i++)
        if (clients[i].rig != NULL && !clients[i].has_ended && !byte_queue_is_empty(&clients[i].out))
            return false;
    return true;
}

static void talk(struct rig *rig, unsigned manners, struct client *clients)
{
    if (manners & MANNER_STOP) {
        rig_run(rig, NSEC_PER_MS);
        rig_stop(rig);
        return;
    }
    rig_run_until(rig, all_is_sent, clients, 10 * NSEC_PER_SEC);
    rig_run(rig, NSEC_PER_SEC);
    if (manners & (MANNER_RESET | MANNER_CLOSE))
        return;
    // Artim, idle, stall and release have passed after this, one after the other.
    rig_run(rig, 120 * NSEC_PER_SEC);
    for (int i = 0; i < 2; i++)
        ensure(clients[i].rig == NULL || clients[i].has_ended || clients[i].is_deaf);
}

static void nobody_is_left(struct rig *rig)
{
    struct worker *worker = rig_worker(rig);
    ensure(worker->sessions.count == 0 && worker->legs.lingering.count == 0);
    ensure(worker->orphans.count == 0 && worker->intakes.count == 0);
    ensure(notes_are_empty(&worker->notes));
    ensure(census_total(rig->gateway->census) == 0 && worker->associations == 0);
}

static void begin(struct client *client, struct rig *rig, unsigned manners, struct slice bytes)
{
    struct memory_path path = {.read_max = manners & MANNER_BYTES ? 1 : 0,
                               .segment_max = manners & MANNER_SEGMENTS ? 100 : 0,
                               .buffer = manners & MANNER_DEAF ? 512 : 0};
    client_open(client, rig, &path);
    if (manners & MANNER_DEAF)
        client_set_deaf(client, true);
    client_send(client, bytes);
}

static void power_cut_check(struct rig *rig, uint64_t acknowledged)
{
    if (rig->gateway != NULL)
        rig_crash(rig);
    rig_boot(rig);
    ensure(rig->gateway->recovery.corrupt == 0);
    ensure(rig->gateway->recovery.owed >= acknowledged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(slice_of(data, size));
    unsigned manners = cursor_u8(&c);
    unsigned cut = cursor_u8(&c);
    struct slice bytes = cursor_take(&c, cursor_left(&c));
    if (c.failed || size > 256 * 1024)
        return 0;
    bool is_learned = manners & MANNER_LEARNED;
    struct rig *rig = rig_take(is_learned);
    struct client clients[2] = {{0}};
    size_t first = manners & MANNER_TWO ? bytes.length * cut / 256 : bytes.length;
    begin(&clients[0], rig, manners, slice_first(bytes, first));
    if (manners & MANNER_TWO)
        begin(&clients[1], rig, manners, slice_from(bytes, first));
    talk(rig, manners, clients);
    uint64_t heard = 0;
    for (int i = 0; i < 2; i++) {
        if (clients[i].rig == NULL)
            continue;
        heard += successes_count(&clients[i]);
        if (manners & MANNER_RESET)
            client_reset(&clients[i]);
        else
            client_close(&clients[i]);
    }
    if (rig->gateway != NULL) {
        rig_run(rig, 10 * NSEC_PER_SEC);
        nobody_is_left(rig);
    }
    acknowledged_of[is_learned] += heard;
    if ((heard > 0 && size % 4 == 0) || rig->gateway == NULL)
        power_cut_check(rig, acknowledged_of[is_learned]);
    return 0;
}
