// SPDX-License-Identifier: Apache-2.0
//
// An archive for tests of lanes and probes: accepts associations at an address of the rig's network and
// behaves as it is told. Keeps the last data set that it answered. Thread: one.
#pragma once

#include "leg/leg.h"
#include "rig.h"

#define PACS_ASSOCIATIONS 16
#define PACS_WINDOW_MAX   64

enum pacs_manner {
    PACS_ANSWERS,       // `status` once it has the whole data set
    PACS_ANSWERS_EARLY, // `status` at the command, and reads on
    PACS_ANSWERS_DEAF,  // `status` at the command, and reads no further
    PACS_SILENT,        // no response ever
    PACS_ABORTS,        // A-ABORT once it has the whole data set
    PACS_RELEASES,      // A-RELEASE-RQ instead of a response
    PACS_WRONG_ID,      // responds to a message that nobody sent
    PACS_REVERSES,      // waits for `batch` whole data sets, then answers them, the last first
};

struct pacs;

struct pacs_association {
    struct pacs *pacs;
    struct leg *leg;
    bool is_deaf;    // reads no more, and so never sees that the other side has gone
    bool is_killing; // the instance in hand is `kills`
    bool is_silent;  // it is `silent_for`
    uint8_t context_id;
    struct dimse_command request;
    uint16_t held[PACS_WINDOW_MAX]; // Message IDs that wait for their answer
    unsigned held_count;
};

struct pacs {
    struct rig *rig;
    struct net_address address;
    struct leg_environment environment;
    struct pacs_association associations[PACS_ASSOCIATIONS];
    enum pacs_manner manner;
    uint16_t status;
    const char *comment;    // Error Comment of its responses, with Offending Element (0010,0020); NULL: none
    const char *kills;      // SOP Instance UID at which it always aborts; NULL: none
    const char *silent_for; // SOP Instance UIDs that begin so are never answered; NULL: none
    const char *stranger;   // calling title that it rejects (1,1,3); NULL: none
    const char *refused;    // transfer syntax that it does not take; NULL: none
    int window;             // asynchronous operations that it grants; -1: what was asked, 0: says nothing
    unsigned batch;         // for PACS_REVERSES
    unsigned open_most;     // most operations that were open on one association
    bool refuses_all;       // contexts: abstract syntax not supported
    bool likes_roles;       // grants every role, answers every extended negotiation
    bool saw_identity;      // a user identity was proposed to it
    bool deaf_to_echo;      // answers no C-ECHO
    unsigned echoes;        // C-ECHO-RQ
    unsigned accepted;      // associations
    unsigned rejected;      // likewise
    unsigned stores;        // C-STORE-RQ
    unsigned complete;      // whole data sets
    unsigned resent;        // of these, equal to the one before
    struct byte_queue data; // being received
    struct byte_queue stored; // the last whole one
};

// Listens at once. `index`: node 0 (10.0.0.5) or 1 (10.0.0.6) of the rig's configurations.
void pacs_init(struct pacs *pacs, struct rig *rig, unsigned index);
void pacs_fini(struct pacs *pacs);
