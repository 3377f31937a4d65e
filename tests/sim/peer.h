// SPDX-License-Identifier: Apache-2.0
//
// One association of a simulated modality or archive: lib/ul and lib/dimse on a simulated transport, apart
// from the gateway's own legs. Thread: the loop's. The owner frees it, never inside one of its callbacks but
// on_end.
#pragma once

#include "dimse/command.h"
#include "net/dial.h"
#include "ul/association.h"

struct peer;

// All must be set.
struct peer_handler {
    void (*on_request)(void *arg, const struct ul_parameters *request); // acceptor
    void (*on_open)(void *arg);                                         // requestor
    void (*on_command)(void *arg, uint8_t context_id, const struct dimse_command *command);
    void (*on_data)(void *arg, struct slice piece);
    void (*on_data_end)(void *arg);
    void (*on_room)(void *arg);                  // what was sent has left: more may be sent
    void (*on_release)(void *arg);               // the other side asked; answered already
    void (*on_end)(void *arg, bool is_released); // nothing comes after it; free the peer here or later
};

struct peer *peer_accept(struct ev_loop *loop, struct transport *transport,
                         const struct peer_handler *handler, void *arg);
// Takes the parameters.
struct peer *peer_connect(struct ev_loop *loop, const struct net_dialer *dialer,
                          const struct net_address *address, struct ul_parameters *parameters,
                          const struct peer_handler *handler, void *arg);
void peer_free(struct peer **peer);

void peer_answer(struct peer *peer, struct ul_parameters *answer); // takes it
void peer_reject(struct peer *peer, struct ul_reject reject);
void peer_release(struct peer *peer);
void peer_abort(struct peer *peer); // A-ABORT
void peer_reset(struct peer *peer); // the connection is just gone
void peer_reading(struct peer *peer, bool on);
void peer_stall(struct peer *peer, bool on);     // a broken cable: nothing arrives here
void peer_stall_far(struct peer *peer, bool on); // nothing arrives there

bool peer_is_open(const struct peer *peer);
bool peer_has_room(const struct peer *peer);
size_t peer_max_fragment(const struct peer *peer);
struct ul_association *peer_association(struct peer *peer);
// False: the association can not send any more.
bool peer_send_command(struct peer *peer, uint8_t context_id, const struct dimse_command *command);
bool peer_send_data(struct peer *peer, uint8_t context_id, bool is_last, struct slice payload);
