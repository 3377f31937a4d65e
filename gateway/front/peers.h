// SPDX-License-Identifier: Apache-2.0
//
// Peers whose certificates end soon, as they were seen: a modality with an expired certificate can not send
// any more, and nobody looks at it until then. Subjects only, no patient data.
//
// Thread: any; a mutex held for a walk over at most PEERS_MOST entries, and taken only for certificates that
// end within EXPIRY_FIRST_DAYS.
#pragma once

#include "net/transport.h"

enum { PEERS_MOST = 256, EXPIRY_FIRST_DAYS = 60 };

// How near the end is: 0 far, 1 within 60 days, 2 within 30, 3 within 7, 4 over. `expires`, `now`: seconds
// since 1970.
unsigned expiry_level(uint64_t expires, uint64_t now);

struct peers;

struct peer_seen {
    uint8_t fingerprint[TRANSPORT_FINGERPRINT_LENGTH];
    char subject[TRANSPORT_DN_MAX];
    uint64_t expires; // seconds since 1970
    uint64_t seen;    // last time
    unsigned level;   // that was logged
};

MUST_USE enum result peers_new(struct peers **out); // ERR_NOMEM
void peers_free(struct peers *peers);
// After a handshake; logs a peer's certificate once for each level. `now`: seconds since 1970. Beyond
// PEERS_MOST the one that was seen the longest ago is forgotten.
void peers_note(struct peers *peers, const struct transport_peer *peer, uint64_t now);

typedef void peer_seen_fn(void *arg, const struct peer_seen *seen);
// Inside `visit` nothing of this module may be called.
void peers_visit(struct peers *peers, peer_seen_fn *visit, void *arg);
