// SPDX-License-Identifier: Apache-2.0
//
// The daemon's control socket: JSON over HTTP/1.1 on a Unix socket of mode 0600, the same paths and bodies
// that the HTTPS API will have (DESIGN 5).
//
// Role: reads and checks requests, calls the daemon's actions, writes the answers. It knows no gateway object
// itself. Thread: main; everything here runs on the event_base of the main loop. Actions may finish later, on
// the same thread.
//
//   GET  /v1/status                       -> actions->status
//   GET  /v1/queue?archive&state&after&limit&receipt&uid -> actions->queue_list
//   GET  /v1/queue/summary?archive        -> actions->queue_summary
//   POST /v1/queue/retry|park|drop        -> actions->queue_change   body: see struct admin_selection
//   GET  /v1/holds?archive&study          -> actions->hold_list
//   GET  /v1/holds/show?receipt&uid&archive -> actions->hold_show
//   POST /v1/holds/release|reject         -> actions->hold_change    body: see struct admin_selection
//   GET  /v1/archives                     -> actions->archive_list
//   GET  /v1/archives/NAME/capabilities?sop_class&transfer_syntax&client -> actions->archive_capabilities
//   POST /v1/config/reload                -> actions->config_reload  body: optional {"person"}
//   POST /v1/crosswalk/KIND               -> actions->crosswalk_change   body: crosswalk/task.h
//   POST /v1/archives/NAME/echo|probe|pause|resume -> actions->archive_change  body: none; of pause and
//   resume optional {"person", "reason"}
//
// Every answer is a JSON object with "version": ADMIN_VERSION. A failure is {"version", "error", "message"}
// with `error` one of: bad-request, not-found, not-allowed (method), too-large, refused, failed, unavailable.
// No patient data in URLs or answers: receipts are named by number, instances by SOP Instance UID. Patient
// IDs come in bodies of /v1/crosswalk only.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"

struct event_base;
struct admin_server;
struct admin_reply;

enum {
    ADMIN_VERSION = 1,
    ADMIN_BODY_BYTES = 65536,   // longest request body
    ADMIN_HEADER_BYTES = 16384, // request line (with the URI) and headers together
    ADMIN_RECEIPTS = 1000,      // most receipts named in one request
    ADMIN_LIST_MOST = 10000,    // most rows of one list
    ADMIN_LIST_DEFAULT = 100,
    ADMIN_TEXT = 256, // longest `person`, `reason` or name, bytes
};

// What one archive is owed of one receipt, as an operator sees it. ANY only asks.
enum admin_state { ADMIN_ANY, ADMIN_WAITING, ADMIN_SENDING, ADMIN_HELD, ADMIN_PARKED, ADMIN_ANSWERED };

// "any", "waiting", "sending", "held", "parked", "answered".
const char *admin_state_text(enum admin_state state);

struct admin_filter {
    const char *archive;    // node name; NULL = every archive
    enum admin_state state; // ANY = all but answered
    uint64_t receipt;       // this one, answered too; 0: any
    const char *uid;        // SOP Instance UID, answered too; NULL: any
    const char *study;      // Study Instance UID; only for holds; NULL: any
    uint64_t after;         // only receipts above this number
    uint32_t limit;         // 1 to ADMIN_LIST_MOST
};

enum admin_queue_change { ADMIN_RETRY, ADMIN_PARK, ADMIN_DROP };
enum admin_hold_change { ADMIN_RELEASE, ADMIN_REJECT };

// Which of the owed (receipt, archive) pairs a change is for. Exactly one of: receipts, uid, is_all, and for
// holds study.
// Body: {"archive": NAME, "receipts": [N...] | "uid": UID | "all": true, "person": TEXT, "reason":
// TEXT}, and for holds "study" and "held_for". Checked before the action sees it: DROP has archive, person
// and reason; RELEASE and REJECT have person and reason.
struct admin_selection {
    const char *archive; // NULL = every archive
    const uint64_t *receipts;
    size_t receipt_count;
    const char *uid;   // NULL, or one that is well-formed enough to look for (no control characters)
    const char *study; // Study Instance UID; NULL or as `uid`
    bool is_all; // RETRY: all that is parked or waits for a retry; PARK, DROP: all that is not being sent;
                 // RELEASE, REJECT: all that is held
    const char *held_for; // of holds: only those whose reason has this text; NULL: all
    const char *person;   // who asked; NULL if not said
    const char *reason;   // why; NULL if not said
};

enum admin_archive_change { ADMIN_ECHO, ADMIN_PAUSE, ADMIN_RESUME, ADMIN_PROBE };

// About presentation contexts; texts are UIDs or keywords of PS3.6, NULL = not asked for.
struct admin_capability_query {
    const char *sop_class;
    const char *transfer_syntax;
    const char *client; // calling AE title; NULL = any
};

// What the daemon can do. Each call must lead to exactly one admin_reply_send() or admin_reply_fail(), at
// once or later. Pointers in arguments are borrowed during the call.
struct admin_actions {
    // {"life": "starting"|"running"|"stopping", "ready": bool, "since": seconds, "program": TEXT,
    //  "phase": NAME, "epoch": N, "associations": N, "associations_limit": N,
    //  "listeners": [{"name", "address", "tls": bool, "plain": bool}],
    //  "archives": [as in archive_list],
    //  "receipts": {"accepted": N, "owed": N, "parked": N, "held": N, "answered": N, "settled": N}
    //                                              accepted and settled: receipts of all lives; the others:
    //                                              (receipt, archive) pairs now, each counted once
    //  "figures": {"associations_accepted", "associations_refused", "instances_acknowledged",
    //              "instances_refused", "bytes_received", "acknowledge_findings"}  of this process life;
    //                                              the last: archives that have, or may have, an instance
    //                                              that its client was told to have failed
    //  "journal": {"segments": N, "dead_segments": N, "bytes": N, "free", "room", "quota": N or null,
    //              "association_watermark", "watermark", "reserve": N,
    //              "welcoming": bool (new store associations), "accepting": bool (new instances)}
    //  "scrub": {"passes", "records", "bytes", "damaged"}  of this life; damaged: records whose segment is
    //                                              there
    //  "recovery": {"torn", "corrupt", "dropped", "unfinished", "owed"}  what the last start found
    //  "events": {EVENT NAME: N}                   every log event that has happened since the start
    //  "certificates": [{"section": NAME, "kind": "certificate"|"authority"|"revocation list", "file": PATH,
    //                    "subject": TEXT, "expires": seconds, "days": N}]   what TLS stands on
    //  "peers": [{"subject": TEXT, "expires": seconds, "days": N, "seen": seconds}]   seen, and ending soon
    //  "alarms": [TEXT...]}                        an alarm makes `dicomgate status` a finding
    void (*status)(void *arg, struct admin_reply *reply);
    // {"items": [{"receipt": N, "archive": NAME, "state": TEXT, "stage": TEXT,
    //             "sop_class", "transfer_syntax": UID, "sop_class_name", "transfer_syntax_name": TEXT or
    //             null, "uid": UID, "bytes": N, "received": seconds, "attempts": N, "next": seconds or null,
    //             "status": "A900" or null, "reason": TEXT or null, "contexts": {"sop_class",
    //             "transfer_syntax", "sop_class_name", "transfer_syntax_name": as above, "answer": N,
    //             "meaning": TEXT, "when": seconds, "accepts": [{"transfer_syntax": UID,
    //             "transfer_syntax_name": TEXT or null}]} or null}], "more": bool}
    // in the order of receipt numbers; all pairs of the last receipt are there, even above the limit. UIDs
    // and bytes are null until the ledger knows them. stage: waiting, resting (until `next`), gated, held,
    // sending, parked or answered. status: the archive's last answer; its Error Comment is its own free text
    // and may name a patient, so it is not here. contexts, of parked ones: what the archive answered last to
    // this SOP Class and transfer syntax (PS3.8 table 9-18), and what it takes of the class.
    void (*queue_list)(void *arg, const struct admin_filter *filter, struct admin_reply *reply);
    // {"archives": [{"archive": NAME, "paused": bool, "owed", "waiting", "resting", "gated",
    //                "held", "sending", "parked", "answered": N, "problem": TEXT or null,
    //                "next": seconds or null,
    //                "groups": [{"stage", "reason": TEXT, "count": N, "receipt": N, "next": seconds or null,
    //                            "contexts": as in queue_list}], "ungrouped": N}]}
    // owed: all but parked and answered. next: when the archive, or the first of a group, is tried again.
    // groups: what rests, is gated, held or parked, by reason, with its first receipt; ungrouped: how many
    // found no room there.
    void (*queue_summary)(void *arg, const char *archive, struct admin_reply *reply);
    // {"changed": N, "unchanged": N, "durable": bool}: pairs that were changed; pairs selected but not in a
    // state for it. Answered once what was changed is on disk. durable false: it could not be written within
    // ten seconds, and is kept in memory until it can, or a record of it was lost (forward.note-lost).
    void (*queue_change)(void *arg, enum admin_queue_change change, const struct admin_selection *selection,
                         struct admin_reply *reply);
    // {"groups": [{"archive": NAME, "study": UID or null, "reason": TEXT, "count": N, "receipt": N,
    //              "received": seconds}], "more": N}
    // by archive, study and reason; receipt: the first one; received: when it came in. study: null until
    // the ledger knows it. more: holds that found no room in the list.
    void (*hold_list)(void *arg, const struct admin_filter *filter, struct admin_reply *reply);
    // {"items": [{"receipt": N, "archive": NAME, "primary": bool, "reason": TEXT, "received": seconds,
    //             "since": seconds or null, "sop_class", "uid", "study", "series": UID or null,
    //             "sop_class_name", "modality", "calling", "called", "address": TEXT or null, "bytes": N or
    //             null, "pack": HEX or null, "sent": [{"receipt": N, "uid": UID, "state": TEXT, "when":
    //             seconds}], "sent_count": N or null}]}
    // of each hold of one receipt, or of the receipts of one UID. primary: of a route. since: held. pack: of
    // the last attempt that left. sent: what of its study had left for this archive before it was held, the
    // first ones of sent_count; null: it can not be told.
    void (*hold_show)(void *arg, const struct admin_filter *filter, struct admin_reply *reply);
    // As queue_change.
    void (*hold_change)(void *arg, enum admin_hold_change change, const struct admin_selection *selection,
                        struct admin_reply *reply);
    // {"archives": [{"id": N, "name": NAME, "ae_title": TEXT, "address": TEXT, "tls": bool,
    //                "plain": bool, "state": "up"|"down"|"paused"|"unknown",
    //                "pause": {"person": TEXT, "reason": TEXT or null, "since": seconds} or null, "lanes": N,
    //                "lanes_limit": N, "owed": N, "held": N, "parked": N, "answered": N, "oldest": seconds or
    //                null, "last_success": seconds or null, "titles_rejected": N, "problem": TEXT or null,
    //                "counters": {"answered", "failed", "lost", "opened", "refused", "bytes", "flagged"}}]}
    // titles_rejected: of `owed`, what rests because the archive does not recognise its AE titles.
    // counters: of this process life. flagged: of `answered`, what rules or crosswalk say should be looked
    // at.
    void (*archive_list)(void *arg, struct admin_reply *reply);
    // {"archive": NAME, "proposals": N, "items": [{"sop_class": UID, "sop_class_name", "transfer_syntax":
    // UID,
    //  "transfer_syntax_name": TEXT or null, "accepted": bool, "result": N, "when": seconds}],
    //  "explanation": [{"route": N, "primary": NAME, "negotiate", "answer": "accepted"|"refused"|"asked",
    //                   "result": N, "when": seconds or null, "why": TEXT}]}
    // items: what the archive has answered, filtered. explanation: with a SOP Class, for each route that the
    // client may fall under and that has this archive. ADMIN_BAD_REQUEST for a name that is not known.
    void (*archive_capabilities)(void *arg, const char *name, const struct admin_capability_query *query,
                                 struct admin_reply *reply);
    // ECHO and PROBE: {"archive": NAME, "ok": bool, "milliseconds": N, "message": TEXT}, and for PROBE
    // "asked" and "changed": contexts, and how many of them are answered otherwise than before; PAUSE and
    // RESUME:
    // {"archive": NAME, "paused": bool}. Unknown name: admin_reply_fail(reply, ADMIN_NOT_FOUND, ...).
    void (*archive_change)(void *arg, enum admin_archive_change change, const char *name, const char *person,
                           const char *reason, struct admin_reply *reply);
    // {"ok": bool, "errors": [TEXT], "changed": [PATH], "restart": [PATH], "tls": [{"name": NAME, "problem":
    //  TEXT or null}]}. With errors nothing has changed, and `changed` and `restart` are left out.
    void (*config_reload)(void *arg, const char *person, struct admin_reply *reply);
    // KIND and body are not checked yet; the body is borrowed during the call. Answers: crosswalk/job.h.
    void (*crosswalk_change)(void *arg, const char *kind, struct slice body, struct admin_reply *reply);
};

// HTTP statuses that an action answers with.
enum admin_status {
    ADMIN_FINE = 200,
    ADMIN_BAD_REQUEST = 400,
    ADMIN_NOT_FOUND = 404,
    ADMIN_NOT_ALLOWED = 405,
    ADMIN_REFUSED = 409, // understood, but not in this state
    ADMIN_TOO_LARGE = 413,
    ADMIN_FAILED = 500,      // our own fault
    ADMIN_UNAVAILABLE = 503, // starting, stopping, or a queue is full
};

// Ends the reply; it must not be used again. Takes `body`, an object, and sets its "version"; NULL (no
// memory) answers ADMIN_FAILED. Fine also if the caller has hung up or the server is gone.
void admin_reply_send(struct admin_reply *reply, enum admin_status status, json_t *body);
// The same for a failure, with a sentence for the operator.
void admin_reply_fail(struct admin_reply *reply, enum admin_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Makes the socket and begins to answer. A socket that nobody listens on any more is replaced. `actions` and
// `arg` are borrowed until admin_server_free(). ERR_EXISTS: another process answers there, or it is not a
// socket; ERR_IO (errno says why); ERR_LIMIT: the path is too long; ERR_NOMEM.
MUST_USE enum result admin_server_new(struct event_base *base, const char *path,
                                      const struct admin_actions *actions, void *arg,
                                      struct admin_server **out);
// Answers what is pending with ADMIN_UNAVAILABLE, closes and removes the socket. NULL is fine. Replies that
// actions still hold stay valid to be ended.
void admin_server_free(struct admin_server *server);
