// SPDX-License-Identifier: Apache-2.0
//
// One side of one association: the PS3.8 9.2 state machine with an incremental decoder. No I/O and no clock:
// bytes come in by ul_association_input(), service primitives by the functions named after them, indications
// go out by the handler, PDUs that the machine writes wait in a byte queue, ARTIM is a pair of callbacks that
// the owner maps to a timer. Owner: one leg of a session or lane; one thread. Single use: after the end (Sta1
// again) a new one is needed.
//
// P-DATA passes through: pieces are borrowed slices of the bytes given to _input(), and outgoing payload
// never enters this module: the owner asks for the 12 header bytes and writes header and payload with one
// writev.
//
// Re-entrance: every function but _init, _fini and _input may be called inside a callback. After each call
// the owner drains ul_association_output() (all of it before any later P-DATA; after the rest of a P-DATA PDU
// already begun). Nothing is freed inside a callback: parameters live until _fini.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "base/result.h"
#include "base/slice.h"
#include "ul/parameters.h"
#include "ul/pdu.h"
#include "ul/reason.h"
#include "ul/state_table.h"

enum ul_role { UL_REQUESTOR, UL_ACCEPTOR };

enum {
    UL_ASSOCIATION_PDU_LIMIT = 1024 * 1024, // default bound of an RQ or AC, bytes after the header (FIELD 16)
    // How far a P-DATA-TF may exceed the maximum length that we offered: senders forget to count the header
    // of the PDV or of the PDU (PROTOCOL 11).
    UL_DATA_LENGTH_EXCESS = 12,
};

struct ul_limits {
    uint32_t association_pdu;    // 0 = UL_ASSOCIATION_PDU_LIMIT
    uint32_t data_length_excess; // 0 = UL_DATA_LENGTH_EXCESS
};

// A PDV whose header has come in; its `length` bytes follow by on_pdv_data in any number of pieces (none if
// zero).
struct ul_pdv {
    uint8_t context_id; // always one that was accepted
    uint8_t control;    // message control header, UL_PDV_COMMAND | UL_PDV_LAST; other bits as received
    uint32_t length;    // bytes of the fragment
};

enum ul_abort_origin {
    UL_ABORT_FROM_USER,      // A-ABORT indication: the peer's service user
    UL_ABORT_FROM_PROVIDER,  // A-P-ABORT indication: the peer's provider
    UL_ABORT_FROM_TRANSPORT, // A-P-ABORT indication: the transport is gone
    UL_ABORT_FROM_US,        // A-P-ABORT indication: our provider aborted because the peer broke the protocol
};

struct ul_abort_indication {
    enum ul_abort_origin origin;
    uint8_t source; // as on the wire, received or sent; 0 for FROM_TRANSPORT
    uint8_t code;
    enum ul_reason reason;
};

// All callbacks must be set. `arg` is what _init got.
struct ul_handler {
    // Sta3: answer now or later with _accept, _reject or _abort. `request` is borrowed until _fini.
    void (*on_associate_rq)(void *arg, const struct ul_parameters *request);
    // Sta6. `answer` is borrowed until _fini.
    void (*on_associate_ac)(void *arg, const struct ul_parameters *answer);
    void (*on_associate_rj)(void *arg, struct ul_reject reject);
    // The machine itself has answered an RQ with this reject (AE-6); ul_association_reason() says why.
    void (*on_refused)(void *arg, struct ul_reject reject);
    // The association is over, except for what output still waits. Not called for _abort by the owner.
    void (*on_abort)(void *arg, const struct ul_abort_indication *indication);
    // Answer with _release_response; in a collision (both sides asked) the acceptor waits for on_release_rp
    // first.
    void (*on_release_rq)(void *arg, bool is_collision);
    void (*on_release_rp)(void *arg);
    void (*on_pdv_begin)(void *arg, const struct ul_pdv *pdv);
    void (*on_pdv_data)(void *arg, struct slice piece);
    void (*on_pdv_end)(void *arg);
    void (*on_artim_start)(void *arg);       // start, or restart if running
    void (*on_artim_stop)(void *arg);        // may come when it does not run
    void (*on_transport_connect)(void *arg); // AE-1: open the transport, then call _on_transport_connected
    // Flush the output if it goes at once, then close; _on_transport_closed is not needed any more. May come
    // inside _input, and for an acceptor before any association.
    void (*on_transport_close)(void *arg);
};

// Private to ul/src: the decoder's place in the byte stream.
struct ul_decoder {
    uint8_t header[UL_PDU_HEADER_LENGTH];
    uint8_t header_length;
    uint8_t phase;
    uint8_t pdu_type;
    uint32_t pdu_left;
    uint32_t pdv_left;
    uint8_t *body;
    size_t body_length;
    size_t body_capacity;
};

struct ul_association {
    uint32_t magic;
    enum ul_role role;
    enum ul_state state;
    enum ul_reason reason;
    bool is_over;
    bool is_paused;
    bool is_in_input;
    struct ul_limits limits;
    const struct ul_handler *handler;
    void *arg;
    struct ul_decoder decoder;
    struct byte_queue output;
    struct ul_parameters *own;  // what we sent or will send: RQ or AC
    struct ul_parameters *peer; // what we received
    uint32_t data_limit;        // longest P-DATA-TF we take; 0 = none
    uint32_t peer_maximum;      // the peer's maximum length; 0 = none
    uint64_t accepted[4];       // bit set of accepted context ids
};

// `handler` and `arg` are borrowed until _fini; `limits` may be NULL for the defaults.
void ul_association_init(struct ul_association *association, enum ul_role role,
                         const struct ul_limits *limits, const struct ul_handler *handler, void *arg);
// In any state; wipes and frees what the association owns. Never inside a callback.
void ul_association_fini(struct ul_association *association);

// ---- from the transport ----

// Acceptor: a connection came in (Evt5). Requestor: the connection asked for by on_transport_connect is open
// (Evt2). ERR_REFUSED in any other state. ERR_LIMIT, ERR_NOMEM: the A-ASSOCIATE-RQ can not be made; it is
// still Sta4, and the owner closes the connection.
MUST_USE enum result ul_association_on_transport_connected(struct ul_association *association);
// Evt17; also for a connection that could not be opened (Sta4). Harmless after the end.
void ul_association_on_transport_closed(struct ul_association *association);
// Evt18; harmless in states that do not use ARTIM.
void ul_association_on_artim_expired(struct ul_association *association);
// Takes bytes as they came, in any split. OK: all consumed. AGAIN: paused inside a callback, `*consumed` of
// them are done, the owner brings the rest after _resume. CLOSED: the association is over (all consumed,
// nothing will come).
MUST_USE enum result ul_association_input(struct ul_association *association, struct slice bytes,
                                          size_t *consumed);
// _pause makes _input return after the current callback (an on_pdv_end that is due still comes); _resume
// lifts it.
void ul_association_pause(struct ul_association *association);
void ul_association_resume(struct ul_association *association);

// ---- service primitives; ERR_REFUSED where the state table lists no action ----

// Evt1. Takes the RQ's parameters (nulls the pointer) on OK. Keeps them until the transport is open.
MUST_USE enum result ul_association_request(struct ul_association *association,
                                            struct ul_parameters **parameters);
// Evt7. Takes the AC's parameters on OK. ERR_LIMIT and ERR_NOMEM as ul_parameters_encode: nothing has
// happened.
MUST_USE enum result ul_association_accept(struct ul_association *association,
                                           struct ul_parameters **parameters);
// Evt8.
MUST_USE enum result ul_association_reject(struct ul_association *association, struct ul_reject reject);
// Evt11, Evt14. The owner has made sure that no message is half-way (dimse_reader_is_idle).
MUST_USE enum result ul_association_release_request(struct ul_association *association);
MUST_USE enum result ul_association_release_response(struct ul_association *association);
// Evt15 with A-ABORT codes (ul/pdu.h). In Sta1, Sta2 and Sta13 the standard has no such request: ERR_REFUSED,
// and the owner just closes its transport.
MUST_USE enum result ul_association_abort(struct ul_association *association, uint8_t source, uint8_t code);

// Evt9 (DT-1, AR-7): writes the 12 bytes that go before `length` bytes of payload. ERR_REFUSED by state,
// ERR_ARGUMENT for a context not accepted or an odd fragment that is not the last, ERR_LIMIT for more than
// the peer takes.
MUST_USE enum result ul_association_data_header(struct ul_association *association, uint8_t context_id,
                                                bool is_command, bool is_last, uint32_t length, uint8_t *out);

// ---- reading ----

// The longest payload of one PDV towards this peer, even, at least 2; near UINT32_MAX when the peer sets no
// limit. Meaningful from Sta3 (acceptor) or Sta6 (requestor).
uint32_t ul_association_max_fragment(const struct ul_association *association);
// PDUs that wait to be written, in order. The owner drains it.
struct byte_queue *ul_association_output(struct ul_association *association);
enum ul_state ul_association_state(const struct ul_association *association);
// Sta6, or Sta8 where data may still be sent.
bool ul_association_can_send(const struct ul_association *association);
// The end has come (Sta1 after an association): only _fini is left.
bool ul_association_is_over(const struct ul_association *association);
enum ul_reason ul_association_reason(const struct ul_association *association);
// What the peer sent (RQ for the acceptor, AC for the requestor) and what we sent; NULL before.
const struct ul_parameters *ul_association_peer(const struct ul_association *association);
const struct ul_parameters *ul_association_own(const struct ul_association *association);
// The syntaxes of an accepted context, borrowed until _fini; false where the context was not accepted.
bool ul_association_context(const struct ul_association *association, uint8_t context_id,
                            struct slice *abstract, struct slice *transfer);
