// SPDX-License-Identifier: Apache-2.0
//
// The inside of the crosswalk, shared by its sources: databases, keys, sealed values, a reading transaction.
// CROSSWALK.md describes what is stored. Private to lib/store.
#pragma once

#include "cbor/reader.h"
#include "seal/lasting.h"
#include "store/crosswalk_change.h"

#define CROSSWALK_MAGIC 0x43524f53u // "CROS"
#define READER_MAGIC    0x43524452u // "CRDR"

enum database {
    DB_META,
    DB_DOMAIN,
    DB_WRITER,
    DB_SOURCE,
    DB_TARGET,
    DB_PAIR,
    DB_MERGE,
    DB_MERGED,
    DB_PIN,
    DB_MOVE,
    DB_FUTURE,
    DB_ACT,
};

enum {
    HASH_SIZE = 16, // of a keyed hash, in a key
    KEY_SIZE_MAX = 64,
    PLAIN_MAX = 2048,                        // of a value, before sealing
    SEALED_OVERHEAD = 4 + 8 + SEAL_TAG_SIZE, // writer, nonce, tag
    SEALED_MAX = PLAIN_MAX + SEALED_OVERHEAD,
    STUDY_BYTES = 64, // of a Study Instance UID (PS3.5 9.1); longer ones are hashed whole, not kept
};

typedef uint8_t id_hash[HASH_SIZE];

struct domain {
    char name[CROSSWALK_DOMAIN_BYTES];
    uint16_t number;
    bool strips_leading_zeros;
    bool folds_case;
    bool is_differing; // the configuration says otherwise
};

struct crosswalk {
    uint32_t magic;
    struct kv_env *env;
    struct seal_keyring *keyring;
    struct domain domains[CROSSWALK_DOMAINS_MAX]; // never changes once it is open
    size_t domain_count;
    bool is_fresh; // read-only, and nothing was ever written
    // The writing thread's.
    struct crosswalk_reader *own;
    struct seal_key *key; // values of this process life are sealed with it; NULL: none was yet
    uint32_t writer;      // its number
    uint8_t seed[SEAL_SEED_SIZE];
    uint32_t importing; // load that is being made; 0: none
    bool is_importing;  // a dry run too
};

enum { KEYS_HELD = 8 };

struct crosswalk_reader {
    uint32_t magic;
    struct crosswalk *crosswalk;
    struct seal_hash *hash;
    struct seal_cipher *cipher;
    struct held_key {
        uint32_t writer; // 0: none
        struct seal_key *key;
    } keys[KEYS_HELD];
    size_t next_key;
};

// ---- state: one value in DB_META

struct state {
    uint64_t generation;
    uint32_t load;      // in force
    uint32_t last_load; // ever begun
    uint64_t horizon;
    uint64_t acts;
    uint64_t imported_at;
    uint64_t rows;
    uint8_t check[32]; // keyed hash of a known text
};

MUST_USE enum result state_get(struct kv_transaction *transaction, struct state *state);
MUST_USE enum result state_put(struct kv_transaction *transaction, const struct state *state);

// ---- keys (crosswalk.c)

struct key {
    size_t length;
    uint8_t bytes[KEY_SIZE_MAX];
};

static inline struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->length);
}

struct key source_key(uint32_t load, uint16_t to, const id_hash source);
struct key target_key(uint32_t load, uint16_t from, const id_hash target, const id_hash source);
struct key target_prefix(uint32_t load, uint16_t from, const id_hash target);
struct key pair_key(uint32_t load, uint16_t from, uint16_t to);
struct key merge_key(uint16_t domain, const id_hash id);
struct key merged_key(uint16_t domain, const id_hash into, const id_hash id);
struct key merged_prefix(uint16_t domain, const id_hash into);
struct key pin_key(const id_hash study, uint32_t archive);
struct key move_key(const id_hash study, uint16_t domain);
struct key number_key(uint64_t number); // 8 bytes
bool key_has_prefix(struct slice key, const struct key *prefix);

// ---- IDs (crosswalk_id.c)

const struct domain *domain_get(const struct crosswalk *crosswalk, uint16_t number);
// As it is compared and hashed; `to` has CROSSWALK_ID_BYTES + 1. ERR_ARGUMENT: not an ID.
MUST_USE enum result id_normalise(const struct domain *domain, struct slice id, struct crosswalk_id *to);
// As it was written, without padding; ERR_ARGUMENT: not an ID.
MUST_USE enum result id_copy(struct slice id, struct crosswalk_id *to);
// Keyed hash of the normalised ID. ERR_ARGUMENT, ERR_CRYPTO.
MUST_USE enum result id_hash_make(struct crosswalk_reader *reader, uint16_t domain, struct slice id,
                                  id_hash hash);
MUST_USE enum result study_hash_make(struct crosswalk_reader *reader, struct slice study, id_hash hash);
// VR LO or PN: no control character, no backslash, UTF-8; at most that many characters.
bool text_is_clean(struct slice text, size_t characters, size_t bytes);
struct slice id_slice(const struct crosswalk_id *id);
// Flags CROSSWALK_BY_* where the two contradict each other.
unsigned person_compare(const struct crosswalk_row *row, const struct crosswalk_person *person);

// ---- sealed values (crosswalk_seal.c)

// Into `out` of SEALED_MAX; bound to its database and key. `reader` lends its cipher.
MUST_USE enum result value_seal(struct crosswalk_reader *reader, enum database database,
                                const struct key *key, struct slice plain, uint8_t *out, size_t *length);
// Into `plain` of PLAIN_MAX. ERR_CRYPTO: changed, moved, or its key is lost; ERR_FORMAT.
MUST_USE enum result value_open(struct crosswalk_reader *reader, struct kv_transaction *transaction,
                                enum database database, struct slice key, struct slice sealed, uint8_t *plain,
                                size_t *length);
// Seals and puts, with this life's key durable in the same transaction.
MUST_USE enum result value_put(struct crosswalk *crosswalk, struct kv_transaction *transaction,
                               enum database database, const struct key *key, struct slice plain,
                               enum kv_put_flag flag);
// ERR_CRYPTO: the key file has lost the key that values here are sealed with.
MUST_USE enum result lives_check(struct crosswalk *crosswalk);
// Makes this life's key if there is none yet.
MUST_USE enum result life_begin(struct crosswalk *crosswalk);
// Its seed into the transaction, unless it is there.
MUST_USE enum result life_put(struct crosswalk *crosswalk, struct kv_transaction *transaction);

// ---- what is in the values (crosswalk_codec.c)

struct merge {
    struct crosswalk_id id;
    struct crosswalk_id into;
    uint64_t effective;
    uint64_t until; // 0: for ever
};

struct pin {
    uint16_t from;
    uint16_t to;
    struct crosswalk_id source;
    struct crosswalk_id target;
    uint64_t when;
};

struct move {
    struct crosswalk_id id;
    uint64_t effective;
    struct crosswalk_id former; // in force until then; empty: none
};

// Each into memory of PLAIN_MAX; the longest fits. Returns the bytes written.
struct slice row_encode(const struct crosswalk_row *row, uint8_t *memory);
struct slice merge_encode(const struct merge *merge, uint8_t *memory);
struct slice pin_encode(const struct pin *pin, uint8_t *memory);
struct slice move_encode(const struct move *move, uint8_t *memory);
struct slice act_encode(const struct crosswalk_act *act, uint8_t *memory);
MUST_USE enum result row_decode(struct slice plain, struct crosswalk_row *row);
MUST_USE enum result merge_decode(struct slice plain, struct merge *merge);
MUST_USE enum result pin_decode(struct slice plain, struct pin *pin);
MUST_USE enum result move_decode(struct slice plain, struct move *move);
MUST_USE enum result act_decode(struct slice plain, struct crosswalk_act *act);

// ---- a reading transaction (crosswalk_view.c)

struct view {
    struct crosswalk_reader *reader;
    struct kv_transaction transaction;
    struct kv_transaction *in; // it, or one that somebody else has begun
    struct state state;
};

MUST_USE enum result view_begin(struct view *view, struct crosswalk_reader *reader);
// Over a transaction of the caller, who ends it.
MUST_USE enum result view_over(struct view *view, struct crosswalk_reader *reader,
                               struct kv_transaction *transaction);
void view_end(struct view *view);

// ERR_MISSING: none, or (all but merge_find) not in force.
MUST_USE enum result row_get(struct view *view, const id_hash source, uint16_t to, struct crosswalk_row *row);
MUST_USE enum result merge_find(struct view *view, uint16_t domain, const id_hash id, struct merge *merge);
MUST_USE enum result merge_get(struct view *view, uint16_t domain, const id_hash id, struct merge *merge);
MUST_USE enum result pin_get(struct view *view, const id_hash study, uint32_t archive, struct pin *pin);
MUST_USE enum result move_get(struct view *view, const id_hash study, uint16_t domain,
                              struct crosswalk_id *id);
// The same; *waits is set where one is there, also on ERR_MISSING: it becomes effective later.
MUST_USE enum result move_find(struct view *view, const id_hash study, uint16_t domain,
                               struct crosswalk_id *id, bool *waits);

// Follows merges: `id` and `hash` become those of the last. ERR_FORMAT: round in a circle.
MUST_USE enum result merges_follow(struct view *view, uint16_t domain, struct crosswalk_id *id, id_hash hash,
                                   bool *has_followed);

struct hashes {
    size_t count;
    id_hash hash[CROSSWALK_SOURCES_MAX];
};
// `root` and every ID that has become it. ERR_LIMIT: too many.
MUST_USE enum result merges_below(struct view *view, uint16_t domain, const id_hash root, struct hashes *out);

// The row that counts for an ID, and its target with merges followed. ERR_MISSING: unmapped; *is_ambiguous
// says whether for too many answers.
struct mapped {
    struct crosswalk_row row;
    struct crosswalk_id target;
    id_hash target_hash;
    bool has_followed;
    bool is_ambiguous;
};
MUST_USE enum result view_map(struct view *view, uint16_t from, const id_hash id, uint16_t to,
                              struct mapped *mapped);

// ---- merges that are over (crosswalk_change.c)

bool merge_is_over(const struct merge *merge, uint64_t now);
// Both entries of a merge; the view is over a writing transaction.
MUST_USE enum result merge_delete(struct view *view, uint16_t domain, const id_hash id,
                                  const struct merge *merge);
