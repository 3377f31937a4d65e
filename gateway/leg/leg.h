// SPDX-License-Identifier: Apache-2.0
//
// A leg: one side of a conversation (DESIGN 1). It joins a transport, the PS3.8 state machine and the DIMSE
// message reader, moves bytes between them, keeps the deadlines of both directions and ends exactly once,
// with a reason. It never knows its partner: a front session and a lane use the same legs in the two roles.
//
// Thread: the worker whose loop it lives on. Ownership: the owner frees it with leg_free(), inside a callback
// too (memory lives to the end of the turn). Deadlines: FIELD 15.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dimse/reader.h"
#include "net/dial.h"
#include "ul/association.h"

// What all legs of a worker share. The memory is the worker's; `lingering` is the legs' own.
struct leg_environment {
    struct ev_loop *loop;
    uint8_t *read_buffer; // only for the length of one read
    size_t read_capacity; // bytes
    struct ul_limits limits;
    struct list lingering; // legs without an owner that wait for the peer to close (PS3.8 Sta13)
};

// ERR_NOMEM.
MUST_USE enum result leg_environment_init(struct leg_environment *environment, struct ev_loop *loop,
                                          const struct ul_limits *limits);
// After all owners have freed their legs; closes what lingers.
void leg_environment_fini(struct leg_environment *environment);

struct leg_timeouts {
    uint64_t connect_ns;   // requestor: until the transport is open, its TLS handshake included
    uint64_t associate_ns; // requestor: until the AC; acceptor: ARTIM (PS3.8 9.1.5), TLS handshake included
    uint64_t release_ns;   // until the peer has answered a release or closed after it
    uint64_t idle_ns;      // acceptor: between messages; 0 = no limit
    uint64_t stall_ns;     // no byte moved inside a message that is being received or sent
};

enum leg_cause {
    LEG_RELEASED,        // in order
    LEG_REFUSED,         // acceptor: we sent an A-ASSOCIATE-RJ
    LEG_REJECTED,        // requestor: the peer sent one
    LEG_ABORTED,         // the peer aborted, or broke PS3.8 so that our machine did
    LEG_MESSAGE_FAULT,   // the peer broke PS3.7; we aborted
    LEG_TRANSPORT_ENDED, // connection lost, not made, or TLS failed
    LEG_CONNECT_TIMEOUT,
    LEG_ARTIM_EXPIRED,
    LEG_IDLE_TIMEOUT,
    LEG_STALL_TIMEOUT, // also a blocked write
    LEG_RELEASE_TIMEOUT,
    LEG_CLOSED_BY_US, // the owner aborted it
    LEG_CAUSE_COUNT
};

struct leg_end {
    enum leg_cause cause;
    enum ul_reason ul;
    enum dimse_reason dimse;
    enum transport_reason transport;
    struct ul_reject reject; // REFUSED, REJECTED
    uint8_t abort_source;    // ABORTED by the peer
    uint8_t abort_code;
};

// A short static name such as "stall-timeout", and a sentence for people.
const char *leg_cause_name(enum leg_cause cause);
void leg_end_text(const struct leg_end *end, char *to, size_t capacity);

// All but the ones marked may be NULL only where they can not come. After on_end nothing comes any more.
struct leg_handler {
    void (*on_request)(void *arg, const struct ul_parameters *request); // acceptor; answer now or later
    void (*on_open)(void *arg);                                         // requestor: the AC is here
    void (*on_command)(void *arg, uint8_t context_id, const struct dimse_command *command);
    void (*on_data)(void *arg, struct slice piece);
    void (*on_data_end)(void *arg);
    void (*on_release)(void *arg); // acceptor: the peer asks; answer with leg_release_response
    void (*on_sent)(void *arg);    // all fragments given to leg_send() have been taken by the transport
    void (*on_end)(void *arg, const struct leg_end *end);
};

struct leg;

// An accepted connection; takes the transport, also on failure. ERR_NOMEM.
MUST_USE enum result leg_accept(struct leg_environment *environment, const struct leg_timeouts *timeouts,
                                struct transport **transport, const struct leg_handler *handler, void *arg,
                                struct leg **out);

// Dials and requests an association; takes the parameters, also on failure. The outcome comes by on_open or
// on_end, never inside this call. ERR_NOMEM, ERR_IO.
MUST_USE enum result leg_connect(struct leg_environment *environment, const struct leg_timeouts *timeouts,
                                 const struct net_dialer *dialer, const struct net_address *address,
                                 struct ul_parameters **parameters, const struct leg_handler *handler,
                                 void *arg, struct leg **out);

// Ends it without another callback and gives it back; an association still open is aborted. NULL inside is
// fine.
void leg_free(struct leg **leg);

// ---- acceptor ----
// Other deadlines, once it is known who asks: before leg_answer() or leg_refuse().
void leg_timeouts_set(struct leg *leg, const struct leg_timeouts *timeouts);
// Takes the answer on OK; on ERR_REFUSED the request is gone.
MUST_USE enum result leg_answer(struct leg *leg, struct ul_parameters **answer);
void leg_refuse(struct leg *leg, struct ul_reject reject);
void leg_release_response(struct leg *leg);

// ---- both ----
// on_end follows with RELEASED, RELEASE_TIMEOUT or what happened instead.
void leg_release(struct leg *leg);
// A-ABORT if the stream is between PDUs, a reset if a fragment is half-way (a poisoned association); on_end
// follows at once with CLOSED_BY_US unless it ended already.
void leg_abort(struct leg *leg, uint8_t source, uint8_t code);

// Stops taking bytes from the peer, and begins again. Deadlines of receiving rest meanwhile.
void leg_pause(struct leg *leg);
// The same, and nothing more of what was read already: no callback for it comes before leg_resume(). At most
// one read is kept.
void leg_hold(struct leg *leg);
void leg_resume(struct leg *leg);

#define LEG_FRAGMENTS_MAX 24 // queued at a time

// Queues one fragment. The payload is borrowed until on_sent (or on_end). Fragments of messages never
// interleave: the owner sends one message after the other. AGAIN: no room until on_sent. ERR_REFUSED: not in
// a state that may send.
MUST_USE enum result leg_send(struct leg *leg, uint8_t context_id, bool is_command, bool is_last,
                              struct slice payload);
// Encodes and queues a command set without copies kept by the caller; a data set may follow. Errors as
// leg_send(), ERR_LIMIT for one that does not fit.
MUST_USE enum result leg_send_command(struct leg *leg, uint8_t context_id,
                                      const struct dimse_command *command);
// Room for `count` more fragments?
bool leg_has_room(const struct leg *leg, size_t count);
// Writes what is queued now instead of at the end of the turn.
void leg_flush(struct leg *leg);
bool leg_is_drained(const struct leg *leg);
// A mark behind the last fragment queued; past it the transport has taken all before it, so that their
// payloads are the owner's again even if more was queued behind them.
uint64_t leg_mark(const struct leg *leg);
bool leg_is_past(const struct leg *leg, uint64_t mark);
// Largest payload of one fragment, even.
size_t leg_max_fragment(const struct leg *leg);

bool leg_is_open(const struct leg *leg); // an association is established and not ending
struct ul_association *leg_association(struct leg *leg);
// Requestor, once open: what the peer answered to this context of ours (PS3.8 table 9-18). Accepted only
// where it is sound: a result of 0 for a syntax that was not proposed, or no answer at all, counts as "no
// reason".
uint8_t leg_context_result(const struct leg *leg, uint8_t context_id);
const struct transport_peer *leg_peer(const struct leg *leg);
