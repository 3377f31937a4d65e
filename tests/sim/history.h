// SPDX-License-Identifier: Apache-2.0
//
// One history of the simulation (ENGINE 8): the whole gateway on a simulated machine, the modalities that
// send to it, the archives that it sends to, everything that goes wrong, and what the checker knows about it.
// One seed, one history. Single-threaded; everything here belongs to history_run().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/configuration.h"
#include "ev/sim.h"
#include "fs/sim.h"
#include "net/memory.h"
#include "seal/master.h"
#include "store/kv_sim.h"

#define HISTORY_STUDY              "1.2.826.0.1.3680043.10.98." // and a number
#define HISTORY_ACKNOWLEDGE_WITHIN (25 * NSEC_PER_SEC)          // of the route

enum {
    HISTORY_ARCHIVES_MAX = 5,
    HISTORY_CLIENTS_MAX = 32,
    HISTORY_WORKERS_MAX = 3,
    HISTORY_EVENTS_MAX = 160,
    HISTORY_UID_MAX = 64,
};

struct machine;
struct client;
struct archive_sim;
struct oracle;
struct seal_segment_id;

// ---- what was sent ----

enum instance_state {
    INSTANCE_DUE,       // to be sent, for the first time or again
    INSTANCE_SENDING,   // a client has it
    INSTANCE_DONE,      // acknowledged
    INSTANCE_ABANDONED, // never acknowledged, and the client does not try any more
    INSTANCE_REFUSED,   // a bad one that got its failure status
};

// One SOP instance as a modality holds it.
struct instance {
    enum instance_state state;
    unsigned client;
    uint64_t due;      // virtual time from which it may be sent
    uint32_t attempts; // made so far
    uint32_t variant;  // of its bytes, as sent last; sent again it has the same ones or new ones
    uint32_t again;    // times it is sent once more after its Success
    uint32_t
        pixels; // bytes of Pixel Data of the first variant; later ones have more, so that no two are alike
    unsigned sop_class;
    bool is_bad; // SOP Instance UID differs between command and data set: must be refused
    char uid[HISTORY_UID_MAX + 1];
    uint32_t first; // the first instance with this UID: itself, or whose twin it is
    char study[HISTORY_UID_MAX + 1];
    unsigned patient; // of the hospital; one for each study
};

// What a data set says of its patient, and what was left in it by edits; texts without padding.
struct dataset_facts {
    uint64_t core_hash; // of the bytes without what may be edited
    size_t core_length;
    char patient[20];
    char issuer[20];
    char house[20];  // Institution Name
    char former[20]; // patient ID in the Original Attributes Sequence
    bool has_originals, has_equipment;
};

// One C-STORE of it. Every copy can be traced to the attempts that had its bytes under its UID.
struct attempt {
    uint32_t instance;
    uint32_t number;  // of this instance, from 0
    uint32_t variant; // of its bytes
    uint32_t content; // the first attempt with the same bytes under the same UID
    bool is_implicit;
    bool is_answered;
    bool was_cut_off;           // its client, while it waited
    uint16_t status;            // if answered
    size_t length;              // bytes of the data set
    uint64_t hash;              // of its bytes
    struct dataset_facts facts; // only where there is a hospital
    uint64_t begun;             // virtual time of the request
    uint64_t whole;             // its last fragment was given to the network; 0: not yet
    uint64_t answered;
};

// What an archive has for ever: one complete data set as it came in.
struct copy {
    uint32_t attempt; // the first one with these bytes
    unsigned archive;
    uint64_t after;     // the gateway began to send it after this: bytes may lie unread for long
    uint64_t at;        // stored
    uint64_t answered;  // Success or a warning was written; 0: never
    uint64_t confirmed; // virtual time at which that was known
    bool is_confirmed;  // the gateway went on after it on the same association: it has seen the answer
    uint64_t hash;      // as it came
    struct dataset_facts facts;
};

// ---- what is known of the machine ----

struct life_end {
    uint64_t at;
    bool is_power_cut;
    bool is_graceful;
    bool has_lost_sent; // a SENT record may be gone (ENGINE 2): see machine.c
    bool has_lost_ledger;
};

struct dead_segment {
    uint16_t stream;
    uint32_t segment;
};

// ---- what goes wrong ----

enum event_kind {
    EVENT_ARCHIVE_FAULT,
    EVENT_ARCHIVE_WELL,
    EVENT_ARCHIVE_CRASH,
    EVENT_CRASH,
    EVENT_STOP,
    EVENT_DISK_FAULT,
    EVENT_KV_FAULT,
    EVENT_LEDGER_DOWN, // no commit of the ledger succeeds
    EVENT_LEDGER_UP,
    EVENT_DISK_FULL,
    EVENT_DISK_ROOM,
    EVENT_WALL_JUMP,
    EVENT_SLOW, // the machine's threads of one kind run late
    EVENT_CUT,  // the next connection that is made is reset after so many bytes
    EVENT_CLIENT_AWAY,
    EVENT_CLIENT_BACK,
    EVENT_RELOAD, // other limits and clients are put into force, for what begins from now on
    EVENT_UNPARK, // an operator has all that is parked tried again
    EVENT_HOSPITAL,
};

enum archive_fault {
    ARCHIVE_WELL,
    ARCHIVE_DOWN,        // nobody listens
    ARCHIVE_BLACKHOLE,   // a partition: nothing arrives, nothing is reported
    ARCHIVE_MUTE,        // one way of it: what the archive says does not arrive
    ARCHIVE_REFUSING,    // A-ASSOCIATE-RJ
    ARCHIVE_STATUS,      // a failure status for what comes
    ARCHIVE_HALFWAY,     // ends associations inside a data set, or after storing without an answer
    ARCHIVE_NEVER_READS, // accepts, then reads nothing more
    ARCHIVE_NEVER_ANSWERS,
    ARCHIVE_SLOW,
    ARCHIVE_WARNS,
    ARCHIVE_PICKY, // refuses Explicit VR Little Endian
    ARCHIVE_FAULTS,
};

// Threads of the machine that are slow together.
enum slow_kind { SLOW_DISK, SLOW_LEDGER, SLOW_WORKERS, SLOW_KINDS };

enum crash_trigger {
    TRIGGER_STEPS,   // after so many turns of any loop
    TRIGGER_CHANGES, // inside the so-many-th change of the disk: always a power cut
    TRIGGER_COMMIT,  // inside the so-many-th commit of the ledger
    TRIGGER_ACK,     // a client has its so-many-th Success from now
    TRIGGER_STORED,  // an archive has stored its so-many-th copy from now
    TRIGGER_DEATH,   // a segment has just died
    TRIGGER_COUNT,
};

// What people do about patients and rules.
enum hospital_act {
    HOSPITAL_IMPORT, // a table with one patient more, or one right that was wrong
    HOSPITAL_MERGE,
    HOSPITAL_MOVE,
    HOSPITAL_PACKS, // a reload with other rules
    HOSPITAL_RELEASE,
    HOSPITAL_REJECT,
    HOSPITAL_ACTS,
};

struct event {
    uint64_t at;
    enum event_kind kind;
    unsigned archive; // or client
    enum archive_fault fault;
    uint16_t status;
    enum crash_trigger trigger;
    bool is_power_cut;
    unsigned disk_fault; // enum fs_sim_fault, enum kv_sim_fault
    const char *path;
    enum slow_kind slow;
    enum hospital_act act;
    uint64_t number; // steps, changes, bytes, nanoseconds of a jump
};

struct plan {
    unsigned workers;
    unsigned clients;
    unsigned archives;
    uint64_t active; // virtual time during which things go wrong
    uint64_t capacity;
    unsigned fragment_max;                  // bytes of a fragment of the clients at most
    bool loses_ledger;                      // between lives
    bool is_learned;                        // negotiation
    bool is_mirror;                         // likewise, goes before is_learned
    unsigned asked[HISTORY_ARCHIVES_MAX];   // asynchronous operations window of the nodes
    unsigned granted[HISTORY_ARCHIVES_MAX]; // and what the archives allow
    enum configuration_acknowledge acknowledge;
    struct memory_path path;
    struct event events[HISTORY_EVENTS_MAX];
    size_t event_count;
};

struct history {
    uint64_t seed;
    uint64_t random; // of plan, clients and archives
    bool is_verbose;
    bool failed;
    char reason[512];
    struct plan plan;
    struct sim_world *world;
    struct ev_loop *clock; // nothing runs on it
    struct memory_network *network;
    struct fs_sim *disk;
    struct kv_sim_disk *ledger_disk;
    struct kv_sim_disk *control_disk;
    struct kv_sim_disk *crosswalk_disk;
    struct hospital *hospital; // NULL: no archive has a domain or rules
    struct seal_master *masters[2];
    unsigned master; // which of them the key file is under, as far as is known
    unsigned rotations;
    unsigned ledger_losses;
    uint64_t scrubbed; // records authenticated by the scrub in the last life
    struct configuration *configuration;
    struct machine *machine;
    struct oracle *oracle;
    struct client *clients[HISTORY_CLIENTS_MAX];
    struct archive_sim *archives[HISTORY_ARCHIVES_MAX];
    struct instance *instances;
    size_t instance_count;
    struct attempt *attempts;
    size_t attempt_count, attempt_capacity;
    struct copy *copies;
    size_t copy_count, copy_capacity;
    struct life_end *ends;
    size_t end_count, end_capacity;
    struct dead_segment *dead;
    size_t dead_count, dead_capacity;
    uint64_t acks;   // Success statuses seen by clients
    uint64_t stores; // copies taken by archives
    bool is_healed;  // no more faults
    bool ledger_down;
    uint64_t slow[SLOW_KINDS]; // nanoseconds of a turn at most
    uint64_t trouble;          // virtual time until which the disk may delay an outcome
    uint64_t reclaims;         // log event counts, as last seen
    uint64_t deaths;
    uint64_t death_at;            // virtual time of the last one
    struct seal_segment_id *keys; // as seen after the last reclaim
    size_t key_count;
    // an armed crash
    bool is_armed;
    struct event armed;
    uint64_t armed_at, armed_deadline;
    uint64_t armed_base; // of what the trigger counts
};

struct history_figures {
    uint64_t trace;
    uint64_t steps;
    uint64_t virtual_time;
    unsigned rotations, scrubbed;
    unsigned instances, attempts, acknowledged, copies, extra, lives, reclaimed, copied;
};

// Runs one history. False: `reason` (capacity bytes) says what the checker found.
bool history_run(uint64_t seed, bool is_verbose, char *reason, size_t capacity,
                 struct history_figures *figures);

// ---- shared by the parts ----

// The first failure counts; the history ends at the next step.
void history_fail(struct history *history, const char *format, ...) __attribute__((format(printf, 2, 3)));
void history_say(const struct history *history, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
uint64_t history_random(struct history *history);
uint64_t history_below(struct history *history, uint64_t limit);
bool history_chance(struct history *history, uint64_t numerator, uint64_t denominator);
uint64_t history_now(const struct history *history);

// Index of the new attempt.
uint32_t history_attempt_add(struct history *history, uint32_t instance, bool is_implicit, size_t length,
                             uint64_t hash);
uint32_t history_copy_add(struct history *history, uint32_t attempt, unsigned archive, uint64_t after);

// configuration.c: the gateway's, by the plan
void configuration_make(struct history *history);

// plan.c
void plan_draw(struct history *history);

// Attempts that had these bytes: more than one may have brought more than one receipt.
unsigned history_attempts_of(const struct history *history, uint32_t content);
// Index of the first instance with the same SOP Instance UID.
uint32_t history_uid_of(const struct history *history, uint32_t instance);

// dataset.c: the bytes of one variant; free() them.
uint8_t *dataset_make(const struct history *history, const struct instance *instance, uint32_t variant,
                      bool is_implicit, size_t *length);
uint64_t dataset_hash(const uint8_t *bytes, size_t length);
// False: it can not be followed, or its elements are not in order.
bool dataset_read(const uint8_t *bytes, size_t length, struct dataset_facts *facts);
const char *dataset_class(unsigned index);
enum { DATASET_CLASSES = 3 };

// watch.c: what must hold all the time; called after each step, and when a life has begun.
void watch_step(struct history *history);
void watch_life(struct history *history);
void watch_dead_segments(struct history *history);
bool watch_is_dead(const struct history *history, uint16_t stream, uint32_t segment);

// check.c: what must hold at the end, while the gateway still runs and is quiet.
void check_end(struct history *history);
// Whether all segments that are not being written have gone.
bool check_is_reclaimed(struct history *history);
// Copies beyond the first of a receipt at an archive, each of which must be one that ENGINE 2 and 3 allow.
unsigned check_extra_deliveries(struct history *history);
