// SPDX-License-Identifier: Apache-2.0
//
// The crosswalk (FIELD 1 and 2, ENGINE 7): which patient ID of one domain is which of another. An LMDB
// environment of its own; CROSSWALK.md says what stands in it, key by key. Keys are keyed hashes, values are
// sealed: a copy of the file shows no patient.
//
// A domain is an issuer of patient IDs. A row says that (source domain, ID) is (target domain, ID); many
// sources may have one target. Two domains are mapped in one direction only: the other way is unmap. Merges
// say that an ID of a domain has become another one of the same domain, and both functions follow them.
//
// What an answer depends on: the generation, the domains, the ID, and for a named study its pin and its move.
// The generation goes up with each import, merge, unmerge, and when something becomes effective. Rows and
// merges with an effective time above the store's horizon do not count; crosswalk_advance() moves it.
//
// Texts are UTF-8 without padding. An ID is 1 to 64 characters and has no control character and no backslash
// (PS3.5 6.2, VR LO). It is normalised for comparison (trimmed; leading zeros and case by option of its
// domain), never for what is written out.
//
// Thread: one `struct crosswalk` for a process; changes (store/crosswalk_change.h, store/crosswalk_import.h)
// on one thread. Each reading thread has a reader of its own. A look-up may wait for a disk, so not on a
// worker (ENGINE 1). Times are nanoseconds since 1970 UTC.
#pragma once

#include "seal/keyring.h"
#include "store/kv.h"

enum {
    CROSSWALK_ID_BYTES = 256,   // 64 characters
    CROSSWALK_NAME_BYTES = 512, // of a person's name
    CROSSWALK_DOMAIN_BYTES = 64,
    CROSSWALK_DOMAINS_MAX = 64,
    CROSSWALK_CHAIN_MAX = 64,    // merges in a row
    CROSSWALK_SOURCES_MAX = 256, // of one target, merged ones counted
};

extern const struct kv_schema crosswalk_schema;

// Address space for its map: at first 10 million rows take 2 GiB, twice during an import.
#define CROSSWALK_MAP_BYTES ((uint64_t)64 << 30)

// A domain as the configuration has it.
struct crosswalk_domain {
    const char *name;          // at most CROSSWALK_DOMAIN_BYTES - 1 bytes
    bool strips_leading_zeros; // "007" is "7"
    bool folds_case;           // "a1" is "A1"; ASCII letters only
};

// Folds an ID as its domain says, in place: what is left is what is compared, and lies in `text`.
struct slice crosswalk_id_fold(const struct crosswalk_domain *domain, uint8_t *text, size_t length);

// Why something failed, for an operator; never holds patient data. NULL is allowed where it is taken.
struct crosswalk_problem {
    char text[512];
};

struct crosswalk;
struct crosswalk_reader;

// Opens over an environment of crosswalk_schema. Unless it is read-only, domains that it does not know yet
// are added, and their options follow the configuration as long as nothing is stored in them. `env` and
// `keyring` are borrowed until crosswalk_free(). ERR_CRYPTO: the key file is not the one it was made with;
// ERR_LIMIT: too many domains; ERR_FORMAT: of another version; results of kv_commit(). ERR_LOST: the store is
// empty, but the key file has the key of what was in one: nothing is made in its place, see
// crosswalk_renew().
MUST_USE enum result crosswalk_new(struct kv_env *env, struct seal_keyring *keyring,
                                   const struct crosswalk_domain *domains, size_t count,
                                   struct crosswalk **out, struct crosswalk_problem *problem);
// No reader may be left. NULL is fine.
void crosswalk_free(struct crosswalk *crosswalk);

// The number by which all calls name a domain; 0: not known (nothing is mapped then).
uint16_t crosswalk_domain_find(const struct crosswalk *crosswalk, const char *name);
// Its name; "" if there is none.
const char *crosswalk_domain_name(const struct crosswalk *crosswalk, uint16_t domain);
// The first domain whose options in the configuration are not those that its rows are stored with; NULL:
// none. The stored ones are in force: to change them, import a file without rows, undo the merges, start
// again.
const char *crosswalk_domain_differing(const struct crosswalk *crosswalk);

MUST_USE enum result crosswalk_reader_new(struct crosswalk *crosswalk, struct crosswalk_reader **out);
void crosswalk_reader_free(struct crosswalk_reader *reader); // NULL is fine

// ---- answers

struct crosswalk_id {
    size_t length;
    char text[CROSSWALK_ID_BYTES + 1];
};

enum crosswalk_outcome {
    CROSSWALK_SAME,         // it is in the wanted domain already: never mapped
    CROSSWALK_MAPPED,       // `id` is that of the wanted domain
    CROSSWALK_UNMAPPED,     // `id` is the one given; set the issuer of its own domain and flag it
    CROSSWALK_CONTRADICTED, // name, birth date or sex speak against the row: hold. `id` is empty
};

enum crosswalk_flag {
    CROSSWALK_FOLLOWED_MERGE = 1 << 0,
    CROSSWALK_FROM_PIN = 1 << 1,     // fixed by the first delivery of the study; unmapped: it went out so
    CROSSWALK_FROM_MOVE = 1 << 2,    // the study was moved to this patient
    CROSSWALK_OTHER_SOURCE = 1 << 3, // the study was first delivered for another source ID; same domain:
                                     // it is at the archive under another ID
    CROSSWALK_RECORDED = 1 << 4,     // unmap: the source recorded for the study
    CROSSWALK_ASKED = 1 << 5,        // unmap: the ID that was asked for
    CROSSWALK_PREFERRED = 1 << 6,    // unmap: the row marked so, or the only one
    CROSSWALK_AMBIGUOUS = 1 << 7,    // unmapped because there are several, none of them first
    CROSSWALK_MERGED_AWAY = 1 << 8,  // same domain: this ID has become another one
    CROSSWALK_BY_NAME = 1 << 9,      // what contradicts
    CROSSWALK_BY_BIRTH_DATE = 1 << 10,
    CROSSWALK_BY_SEX = 1 << 11,
};

struct crosswalk_verdict {
    enum crosswalk_outcome outcome;
    unsigned flags; // enum crosswalk_flag
    bool is_pinned; // the study has a pin at the archive
    uint64_t generation;
    struct crosswalk_id id; // patient data: wipe
};

// What the data set says of the patient, as a guard; empty: not said. Name as VR PN, birth date as VR DA.
struct crosswalk_person {
    struct slice name;
    struct slice birth_date;
    struct slice sex;
};

// A study at an archive; `study` empty: of none.
struct crosswalk_study {
    struct slice study;
    uint32_t archive; // node id
};

// The ID of `id` of domain `from` in domain `to`. `person` NULL: no guard. ERR_ARGUMENT: not an ID;
// ERR_CRYPTO, ERR_FORMAT: the store is damaged there; ERR_IO.
MUST_USE enum result crosswalk_map(struct crosswalk_reader *reader, uint16_t from, struct slice id,
                                   uint16_t to, const struct crosswalk_person *person,
                                   struct crosswalk_verdict *verdict);
// The same for an instance of a study that goes to an archive: its pin and its move count before the row. A
// study that first went out unmapped, which its pin to its own domain and ID says, stays so until it is
// moved: else an import in the midst of it would split it. With `from` as `to` only a move counts; the
// gateway does not ask for what is of the archive's own domain.
MUST_USE enum result crosswalk_map_study(struct crosswalk_reader *reader, const struct crosswalk_study *study,
                                         uint16_t from, struct slice id, uint16_t to,
                                         const struct crosswalk_person *person,
                                         struct crosswalk_verdict *verdict);

// The ID in domain `to` for what an archive calls `id` of domain `from`. In this order: the source recorded
// for the study, if the study still belongs to this patient; `asked`, if it is one of the sources (empty: not
// asked by ID); the preferred one; the only one. `study` NULL: none. Errors as above, and ERR_LIMIT.
MUST_USE enum result crosswalk_unmap(struct crosswalk_reader *reader, const struct crosswalk_study *study,
                                     uint16_t from, struct slice id, uint16_t to, struct slice asked,
                                     struct crosswalk_verdict *verdict);
// Every ID of domain `to` that maps to `id` of domain `from`, for a query that fans out, in no order that
// means something. `list` has CROSSWALK_SOURCES_MAX places. ERR_LIMIT: more than that.
MUST_USE enum result crosswalk_sources(struct crosswalk_reader *reader, uint16_t from, struct slice id,
                                       uint16_t to, struct crosswalk_id *list, size_t *count);

// Goes up with each change that can change an answer.
MUST_USE enum result crosswalk_generation_get(struct crosswalk_reader *reader, uint64_t *generation);

// How IDs of `from` become IDs of `to`.
enum crosswalk_direction { CROSSWALK_NOTHING, CROSSWALK_MAPS, CROSSWALK_UNMAPS };
MUST_USE enum result crosswalk_direction_get(struct crosswalk_reader *reader, uint16_t from, uint16_t to,
                                             enum crosswalk_direction *direction);

// ---- looking through it

struct crosswalk_row {
    uint16_t from;
    uint16_t to;
    struct crosswalk_id source;
    struct crosswalk_id target;
    char name[CROSSWALK_NAME_BYTES + 1]; // empty: none
    char birth_date[9];                  // YYYYMMDD; empty: none
    char sex[2];                         // M, F, O; empty: none
    bool is_preferred;
    uint64_t effective; // 0: always
};

// All rows, in no order that means something. CLOSED: another import came in between. Outside of any
// transaction of the caller; `visit` may take its time.
typedef enum result crosswalk_row_visit(void *argument, const struct crosswalk_row *row);
MUST_USE enum result crosswalk_rows_each(struct crosswalk_reader *reader, crosswalk_row_visit *visit,
                                         void *argument);

struct crosswalk_pair {
    uint16_t from;
    uint16_t to;
    uint64_t rows;
};

struct crosswalk_figures {
    uint64_t generation;
    uint32_t load;        // number of the import in force; 0: none
    uint64_t imported_at; // 0: never
    uint64_t rows;
    uint64_t leftover; // entries of former imports that are still to be removed
    uint64_t merges;   // those that are not effective yet counted
    uint64_t moves;
    uint64_t pins;
    uint64_t acts;
    uint64_t next_effective; // when the next thing becomes effective; 0: nothing waits
    size_t pair_count;
    struct crosswalk_pair pairs[CROSSWALK_DOMAINS_MAX];
};
MUST_USE enum result crosswalk_figures_get(struct crosswalk_reader *reader,
                                           struct crosswalk_figures *figures);

struct crosswalk_findings {
    uint64_t rows;
    uint64_t merges;
    uint64_t damaged; // entries that do not open, or are not in their place
    uint64_t lost;    // rows or merges that one of the two indexes lacks
    uint64_t cycles;  // IDs whose merges never end
};
// Reads everything. CLOSED as above.
MUST_USE enum result crosswalk_check(struct crosswalk_reader *reader, struct crosswalk_findings *findings);
