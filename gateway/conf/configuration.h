// SPDX-License-Identifier: Apache-2.0
//
// The typed configuration of dicomgated (DESIGN 5): what one YAML file says, after every check.
//
// Role: read by the daemon at start and on reload, by the command line tool, by nobody else.
// Ownership: everything that a `struct configuration` points to belongs to it and lives until
// configuration_free(). It never changes after configuration_load(), so any thread may read it without a
// lock. Pointers to nodes, profiles and domains point into its own arrays. Units: every `_ns` is a duration
// in nanoseconds, every `_bytes` a size in bytes. Texts are NUL-terminated UTF-8 and never NULL unless the
// comment says so; AE titles are trimmed, 1 to 16 characters (PS3.5 6.2, VR AE). Ranges and defaults of each
// value stand in the option tables (gateway/conf/options_*.c) and, generated from them, in conf/REFERENCE.md.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"
#include "conf/compare.h"
#include "conf/errors.h"
#include "conf/values.h"

#define CONFIGURATION_TITLE_MAX 16

enum configuration_log_target { CONFIGURATION_LOG_STDERR, CONFIGURATION_LOG_JOURNALD };
enum configuration_log_level {
    CONFIGURATION_LOG_DEBUG,
    CONFIGURATION_LOG_INFO,
    CONFIGURATION_LOG_NOTICE,
    CONFIGURATION_LOG_WARNING,
    CONFIGURATION_LOG_ERROR
};

enum configuration_digest { CONFIGURATION_DIGEST_SHA256, CONFIGURATION_DIGEST_SHA512_256 };

// `gateway:`
struct configuration_gateway {
    char *ae_title;        // the gateway's own title: calling title of its own C-ECHO, default of `titles`
    char *data;            // absolute path of the data folder
    char *keyring;         // path of the key file below the data folder, as fs/fs.h takes it
    char *master_key_file; // absolute path, or NULL when master_key_credential is set
    char *master_key_credential; // name below $CREDENTIALS_DIRECTORY, or NULL
    char *control_socket;      // absolute path of the admin socket (default: control.sock in the data folder)
    uint32_t workers;          // 0 = auto: one for each usable core, at most 16
    uint32_t max_associations; // front associations of the whole process
    uint64_t watch_certificates_ns; // how often changed certificate files are looked for; 0 = never
    enum configuration_digest digest;
    uint32_t max_pdu; // P-DATA-TF maximum length that the gateway offers on both sides, bytes
    enum configuration_log_target log_target;
    enum configuration_log_level log_level;
};

// `journal:` (ENGINE 2, 3, 4)
struct configuration_journal {
    uint64_t segment_bytes; // size of a segment file
    uint64_t quota_bytes;   // that the journal may take together; 0: what the disk has
    // Room is what is free, and no more than what is left of the quota.
    uint64_t association_watermark_bytes; // room below which new store associations are rejected
    uint64_t watermark_bytes;             // room below which new instances get A700
    uint64_t reserve_bytes;    // room that only OUTCOME, DROP, EPOCH and copies may use; < watermark
    uint64_t unsynced_bytes;   // of one stream, before its front sockets are no longer read
    uint64_t writeback_bytes;  // step at which writeback is started
    uint64_t cached_bytes;     // of one stream, kept in the page cache
    uint64_t disk_queue_bytes; // of one stream, waiting to be written
    uint64_t segment_age_ns;   // after which a segment is closed, full or not
    uint64_t copy_after_ns;   // for which a segment is left alone before what is owed in it is copied forward
    uint64_t copy_rate_bytes; // copied in a second at most
    uint64_t scrub_rate_bytes; // read and authenticated again in a second; 0: never
    uint64_t scrub_pause_ns;   // between two passes of it
    uint64_t lazy_sync_ns;     // after which SENT, OUTCOME and DROP are synced at the latest
    uint32_t failures;         // dead segments in a row after which intake stops and readiness turns red
};

// `memory:` (ENGINE 6)
struct configuration_memory {
    uint64_t hot_window_bytes;  // process-wide hot chunks
    uint64_t hot_receipt_bytes; // hot chunks of one receipt
    uint64_t awake_receipts;    // owed receipts that are kept whole; the others take 64 bytes
};

// `ledger:` (ENGINE 7)
struct configuration_ledger {
    uint64_t map_bytes; // LMDB map size
    uint32_t batch;     // receipts in one commit when behind
};

// `rules:`
struct configuration_rules {
    char *packs;  // absolute path of the folder of packs and tables; NULL = there are none
    char *golden; // absolute path of the folder of golden cases; NULL = none
};

// `limits:` front side (FIELD 15, 16)
struct configuration_limits {
    uint64_t artim_ns;            // ARTIM timer and TLS handshake of an accepted connection
    uint64_t release_ns;          // waiting for A-RELEASE-RP or for the close after it
    uint64_t idle_ns;             // between messages
    uint64_t stall_ns;            // inside a message
    uint64_t stop_ns;             // graceful stop: how long open associations may finish
    uint32_t max_associate_bytes; // longest association PDU accepted
    uint32_t client_associations; // front associations from one address
    uint32_t silent;              // connections without an association request, of all addresses
    uint32_t client_silent;       // of them, from one address
    uint64_t keep_alive_ns;       // TCP keep-alive: silence before the first probe; 0 = none
    uint32_t window;              // operations that a client may have outstanding, if it asks (PS3.7 D.3.3.3)
    uint64_t hops;                // gateways of this kind that an instance may have come through
    uint64_t inflated_bytes;      // a deflated data set may inflate to; 0 = no limit
};

enum configuration_tls_peers {
    CONFIGURATION_PEERS_REQUIRED, // a certificate that `ca` vouches for, or no association
    CONFIGURATION_PEERS_OPTIONAL, // listeners: checked if shown
    CONFIGURATION_PEERS_NONE      // neither asked for (listener) nor checked (node)
};

// Profiles by their DICOM names (PS3.15 annex B).
enum configuration_tls_profile {
    CONFIGURATION_TLS_BCP195_RFC8996,         // B.12
    CONFIGURATION_TLS_MODIFIED_BCP195_RFC8996 // B.13
};

enum configuration_crl_check { CONFIGURATION_CRL_CHAIN, CONFIGURATION_CRL_LEAF };
enum configuration_crl_expired { CONFIGURATION_CRL_EXPIRED_ALARM, CONFIGURATION_CRL_EXPIRED_REFUSE };

enum { CONFIGURATION_TLS_IDENTITIES = 4 }; // most of one profile

struct configuration_tls_identity {
    char *certificate;           // absolute path, PEM: certificate, then intermediates
    char *key;                   // absolute path, PEM; NULL = in the certificate's file
    char *passphrase_file;       // absolute path; NULL = none
    char *passphrase_credential; // name below $CREDENTIALS_DIRECTORY; NULL = none
};

// One entry of `tls:`
struct configuration_tls {
    char *name;
    struct configuration_tls_identity *identity;
    size_t identity_count; // at least 1 if a listener uses the profile
    char *ca;              // absolute path, PEM bundle; NULL only with peers: none
    struct conf_texts crl; // absolute paths of files or folders; none = revocation is not checked
    enum configuration_crl_check crl_check;
    enum configuration_crl_expired crl_expired;
    enum configuration_tls_peers peers;
    enum configuration_tls_profile profile;
    bool check_name; // outgoing: must the archive's certificate carry the node's host (or `tls_name`)?
};

// One entry of `listeners:`
struct configuration_listener {
    char *name;
    struct conf_address address;         // numeric
    const struct configuration_tls *tls; // NULL = plain, which the file said in words
    struct conf_networks
        proxy; // load balancers that must send PROXY protocol headers; none = no such headers
    uint32_t backlog;
};

// One entry of `domains:`
enum configuration_comparison { CONFIGURATION_KEEP, CONFIGURATION_IGNORE };

struct configuration_domain {
    char *name;
    struct conf_texts issuers; // Issuer of Patient ID values that are trusted to mean this domain
    enum configuration_comparison leading_zeros; // of patient IDs, when they are compared (FIELD 1)
    enum configuration_comparison letters;       // their case
};

enum configuration_calling {
    CONFIGURATION_CALLING_PRESERVE, // the client's own calling title
    CONFIGURATION_CALLING_REPLACE,  // always calling_title
    CONFIGURATION_CALLING_MAP // by calling_map; a title not in the map goes as calling_title, or, if that is
                              // NULL, unchanged
};
enum configuration_called {
    CONFIGURATION_CALLED_FIXED,   // the node's ae_title
    CONFIGURATION_CALLED_PRESERVE // what the client called
};
enum configuration_settle { CONFIGURATION_SETTLE_AFTER, CONFIGURATION_SETTLE_ON_ANSWER };
// What an answer to C-STORE means for what the archive is owed (FIELD 7).
enum configuration_meaning {
    CONFIGURATION_MEANS_SUCCESS,
    CONFIGURATION_MEANS_WARNING,   // it has it all the same
    CONFIGURATION_MEANS_DUPLICATE, // it has this UID; whether with these bytes must be compared
    CONFIGURATION_MEANS_TRANSIENT, // tried again without limit
    CONFIGURATION_MEANS_HICCUP,    // may be no judgement of the object: tried again a few times, then parked
    CONFIGURATION_MEANS_PERMANENT  // parked
};

// One entry of `statuses:` of a node, or of the default table.
struct configuration_status {
    uint16_t first; // statuses `first` to `last`
    uint16_t last;
    char *comment; // what the Error Comment must contain, without regard to case (ASCII); NULL = anything
    enum configuration_meaning means;
    size_t line; // of the file; 0 = the default table
};

enum configuration_node_kind { CONFIGURATION_NODE_ARCHIVE };
// An instance whose patient the crosswalk does not know, or not certainly (FIELD 4).
enum configuration_unmatched {
    CONFIGURATION_UNMATCHED_FLAG, // goes with the ID that it has, its issuer is set, and somebody should look
    CONFIGURATION_UNMATCHED_PASS, // goes as it came
    CONFIGURATION_UNMATCHED_HOLD,
    CONFIGURATION_UNMATCHED_REJECT // before Success refused to the client, afterwards held
};
// Which instances of other domains get a patient ID of the archive's.
enum configuration_crosswalk {
    CONFIGURATION_CROSSWALK_ALWAYS,
    CONFIGURATION_CROSSWALK_RULES // those of which a rule says so
};
// Whether an instance says that this gateway has had it: Contributing Equipment Sequence (0018,A001).
enum configuration_contribution {
    CONFIGURATION_CONTRIBUTION_EDITED, // those that were edited
    CONFIGURATION_CONTRIBUTION_ALWAYS,
    CONFIGURATION_CONTRIBUTION_NEVER
};

// One entry of `nodes:`
struct configuration_node {
    uint16_t id; // permanent, 1 to 65535, unique; written by the operator and never used for another node
    char *name;
    enum configuration_node_kind kind;
    char *ae_title;
    struct conf_address address;
    const struct configuration_tls *tls; // NULL = plain, which the file said in words
    char *tls_name;                      // name to look for in the archive's certificate; NULL = address.host
    const struct configuration_domain *domain; // NULL when the file has no domains
    enum configuration_calling calling;
    char *calling_title; // for REPLACE (never NULL there) and MAP (may be NULL)
    struct conf_pairs calling_map;
    enum configuration_called called;
    uint32_t associations; // leases: association limit of the archive for this process (ENGINE 5)
    uint32_t window;       // operations outstanding on one association, asked of the archive (PS3.7 D.3.3.3)
    uint64_t cut_through_ns; // longest time that a cut-through may take; 0 = never (ENGINE 5)
    uint32_t max_pdu;        // longest P-DATA-TF sent to it even if it allows more; 0 = what it allows
    enum configuration_settle settle_on;
    struct configuration_status *status; // in the order of the file; the first that fits counts
    size_t status_count;
    uint64_t settle_after_ns; // `answered` becomes settled `by answer only` after this (FIELD 7)
    uint64_t connect_ns;
    uint64_t tls_ns;      // TLS handshake, and ARTIM towards the archive
    uint64_t response_ns; // C-STORE-RSP
    uint64_t stall_ns;    // no byte taken while sending
    uint64_t idle_ns;     // an unused association is released after this
    uint64_t release_ns;
    uint64_t keep_alive_ns;  // TCP keep-alive: silence before the first probe; 0 = none
    uint64_t retry_min_ns;   // first wait after a failure
    uint64_t retry_max_ns;   // longest wait; doubled with jitter in between
    struct conf_texts packs; // names of rule packs, in order
    enum configuration_crosswalk crosswalk;
    enum configuration_unmatched unmatched;
    bool keeps_originals; // Original Attributes Sequence (0400,0561) in what is edited
    enum configuration_contribution contribution;
};

// `services:` of a client, bits.
enum configuration_service {
    CONFIGURATION_SERVICE_ECHO = 1u << 0,
    CONFIGURATION_SERVICE_STORE = 1u << 1,
    CONFIGURATION_SERVICE_QUERY = 1u << 2,
    CONFIGURATION_SERVICE_RETRIEVE = 1u << 3,
    CONFIGURATION_SERVICE_WORKLIST = 1u << 4,
    CONFIGURATION_SERVICE_MPPS = 1u << 5,
    CONFIGURATION_SERVICE_COMMIT = 1u << 6
};

// `quirks:` of a client, bits (FIELD 3, 16).
enum configuration_quirk {
    CONFIGURATION_QUIRK_ACCEPT_UNSCANNED = 1u
                                           << 0, // store data sets that the scanner can not follow, flagged
    CONFIGURATION_QUIRK_UID_MISMATCH = 1u << 1,  // SOP UIDs may differ between command and data set
    CONFIGURATION_QUIRK_BLANK_CALLING = 1u << 2  // a blank calling title is this client's
};

// One entry of `clients:`. With no entry at all every calling title from everywhere is a client with the
// services echo and store; with any, whoever matches none is rejected. The first entry that matches counts.
struct configuration_client {
    char *ae_title;                            // "*" = any title
    struct conf_networks from;                 // empty = from anywhere
    char *certificate;                         // rule of tls/binding.h, well-formed; NULL = not bound
    const struct configuration_domain *domain; // NULL = that of the route
    uint32_t services;                         // bits of configuration_service
    uint32_t quirks;                           // bits of configuration_quirk
    uint32_t associations;                     // at the same time; 0 = only the limits for all
    uint32_t max_pdu;                          // offered to it; 0 = gateway.max_pdu
    uint64_t idle_ns, stall_ns, release_ns;    // each 0 = as in `limits`
};

enum configuration_acknowledge {
    CONFIGURATION_ACKNOWLEDGE_DURABLE, // the CLOSE is on disk
    CONFIGURATION_ACKNOWLEDGE_PRIMARY, // and the status of the first archive of `to`
    CONFIGURATION_ACKNOWLEDGE_ALL      // and the status of every archive that is owed
};
enum configuration_negotiate {
    CONFIGURATION_NEGOTIATE_LEARNED, // what the primary answered to the same proposal before, else asked now
    CONFIGURATION_NEGOTIATE_FIXED,
    CONFIGURATION_NEGOTIATE_MIRROR // the primary is asked each time, and its answer is the client's
};

// One row of `phases: NAME: store:`. The rows are tried in order; the first that matches counts.
struct configuration_route {
    struct conf_texts called;  // empty = any
    struct conf_texts calling; // empty = any
    const struct configuration_node **to;
    size_t to_count; // at least one; the first is the primary that `learned` asks first
    const struct configuration_domain *domain; // of clients that have none; NULL = unknown
    enum configuration_acknowledge acknowledge;
    uint64_t acknowledge_within_ns; // primary and all: then the client gets A700
    enum configuration_negotiate negotiate;
    bool prefer_lossless;                // learned: no lossy syntax where an offered lossless one is taken
    struct conf_texts classes;           // fixed: SOP Class UIDs; empty = every storage class
    struct conf_texts transfer_syntaxes; // fixed: UIDs in order of preference, at least one
};

enum configuration_query_mode {
    CONFIGURATION_QUERY_PRIMARY,
    CONFIGURATION_QUERY_FALLBACK,
    CONFIGURATION_QUERY_MERGE,
    CONFIGURATION_QUERY_SHADOW
};

// One row of `phases: NAME: query:`. Checked when loaded, not yet used.
struct configuration_query {
    struct conf_texts called;
    struct conf_texts calling;
    const struct configuration_node **from;
    size_t from_count;
    enum configuration_query_mode mode;
};

// One entry of `phases:`
struct configuration_phase {
    char *name;
    struct configuration_route *store;
    size_t store_count;
    struct configuration_query *query;
    size_t query_count;
};

struct configuration {
    uint32_t magic;
    char *file; // absolute path that it was loaded from
    struct configuration_gateway gateway;
    struct configuration_journal journal;
    struct configuration_memory memory;
    struct configuration_ledger ledger;
    struct configuration_rules rules;
    struct configuration_limits limits;
    struct conf_texts titles; // called titles that the gateway answers to; at least one
    struct configuration_tls *tls;
    size_t tls_count;
    struct configuration_listener *listener;
    size_t listener_count; // at least one
    struct configuration_domain *domain;
    size_t domain_count;
    struct configuration_node *node; // in the order of the file
    size_t node_count;               // at least one
    struct configuration_client *client;
    size_t client_count;
    struct configuration_phase *phase;
    size_t phase_count; // at least one
    const struct configuration_phase *start_phase;
};

// Reads and checks a file. OK: *out is the configuration. ERR_IO: it can not be read; ERR_FORMAT: it is not
// right; ERR_NOMEM. Then *out is not written and `errors` (initialised by the caller, who calls
// conf_errors_fini) has at least one line for a person to read.
MUST_USE enum result configuration_load(const char *path, struct configuration **out,
                                        struct conf_errors *errors);

// The same without looking whether certificates and keys can be read: for tools that need only the paths and
// names, and that an operator may run who has no access to the keys.
MUST_USE enum result configuration_load_for_tools(const char *path, struct configuration **out,
                                                  struct conf_errors *errors);

// The same from memory: `path` only names it in errors and is the base of relative paths. With check_files
// false, certificates and keys are not looked for on disk (tests, fuzzing).
MUST_USE enum result configuration_parse(const char *path, const char *text, size_t length, bool check_files,
                                         struct configuration **out, struct conf_errors *errors);

// NULL is allowed.
void configuration_free(struct configuration *configuration);

// Borrow by name, id or title; NULL if there is none.
const struct configuration_node *configuration_node_by_name(const struct configuration *configuration,
                                                            const char *name);
const struct configuration_node *configuration_node_by_id(const struct configuration *configuration,
                                                          uint16_t id);
const struct configuration_domain *configuration_domain_by_name(const struct configuration *configuration,
                                                                struct slice name);
// The first that trusts this issuer.
const struct configuration_domain *configuration_domain_by_issuer(const struct configuration *configuration,
                                                                  struct slice issuer);
const struct configuration_phase *configuration_phase_by_name(const struct configuration *configuration,
                                                              const char *name);

// The row for an answer of this archive, its own rows first; there always is one. Borrowed.
const struct configuration_status *configuration_status_find(const struct configuration_node *node,
                                                             uint16_t status, struct slice comment);
// The rows behind those of the archives, for people.
const struct configuration_status *configuration_status_defaults(size_t *count);
const char *configuration_meaning_name(enum configuration_meaning means); // as the file writes it

// The row of a phase that a store association falls under; NULL = no row matches.
const struct configuration_route *configuration_phase_route(const struct configuration_phase *phase,
                                                            const char *called, const char *calling);

// FIELD 1: whose patient IDs they are, where a data set does not say: the client's own domain counts before
// that of the row. Each may be NULL; NULL: not known.
const struct configuration_domain *configuration_default_domain(const struct configuration_client *client,
                                                                const struct configuration_route *route);

// What differs between two loaded files (conf/compare.h). Any thread.
void configuration_compare(const struct configuration *one, const struct configuration *other,
                           conf_differs_fn *differs, void *arg);

// The option reference as Markdown, from the same tables that the loader uses (conf/REFERENCE.md). The caller
// frees it; NULL when there is no memory.
char *configuration_reference(void);
