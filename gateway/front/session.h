// SPDX-License-Identifier: Apache-2.0
//
// A front association (DESIGN 2): access, negotiation, C-ECHO, C-STORE intake, one client. Owns its leg; its
// intakes may outlive it (an instance whose CLOSE is written is delivered even if the client went away).
//
// Thread: the worker's.
#pragma once

#include "daemon/worker.h"
#include "front/access.h"

struct session;
struct intake;

// An accepted connection; takes the transport, also on failure. The listener is borrowed from the
// configuration. ERR_LIMIT: too many connections that say nothing; ERR_NOMEM.
MUST_USE enum result session_new(struct worker *worker, const struct configuration_listener *listener,
                                 struct transport **transport);
struct session *session_of(struct list_node *node);
// Ends it at once: aborts, drops what was not complete.
void session_free(struct session *session);
// A graceful stop: ends it if it is between messages.
void session_stop(struct session *session);
// The stream has room again, or not.
void session_flow_update(struct session *session);
// A segment has died: what is being received and was in it is refused.
void session_journal_lost(struct session *session);

// ---- for intake ----

struct worker *session_worker(const struct session *session);
// The syntaxes of an accepted context; false where there is none.
bool session_context(const struct session *session, uint8_t context_id, struct slice *abstract,
                     struct slice *transfer);
// Fills in the role and the user identity that the client gave, if any. `open` has its SOP Class.
void session_negotiated(const struct session *session, struct record_open *open);
// A C-STORE has begun; the session counts it until session_store_done().
void session_store_begun(struct session *session, struct intake *intake);
// The response to one C-STORE is known; sent in the order in which they become known. `intake` is given back.
void session_store_done(struct session *session, struct intake *intake);

struct session_facts {
    uint64_t number; // of the association, in logs
    struct slice called;
    struct slice calling;
    const struct ul_parameters *request;
    const struct configuration_listener *listener;
    const struct configuration_route *route; // NULL: none
    uint32_t quirks;
    struct slice domain;  // of patient IDs, that the configuration names for it; empty: not known
    uint32_t source_node; // id of the node that this client is; 0
    char address[NET_ADDRESS_TEXT_MAX];
    struct slice fingerprint; // of the client's certificate, SHA-256; empty: it has none
    struct slice subject;     // of it, RFC 2253
};
const struct session_facts *session_facts(const struct session *session);
