// SPDX-License-Identifier: Apache-2.0
//
// One edit on a bench: configuration and packs as texts, data sets written element by element in each
// encoding, a crosswalk that answers what the test says. Test code: a failed call fails the test.
#pragma once

#include "unit.h"

#include "crosswalk/enquiry.h"
#include "daemon/worker.h"
#include "edit/edit.h"
#include "edit/workshop.h"
#include "store/evidence.h"

enum encoding { EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED };

// A data set being written, independent of lib/dcm.
struct writer {
    enum encoding encoding;
    uint8_t bytes[1500000];
    size_t length;
    size_t open[16]; // behind the lengths of sequences and items that are open
    size_t depth;
};

void writer_begin(struct writer *to, enum encoding encoding);
// Text of a VR; padded with a space, UI with NUL.
void put(struct writer *to, uint32_t tag, const char *vr, const char *text);
void put_bytes(struct writer *to, uint32_t tag, const char *vr, struct slice value);
void put_tags(struct writer *to, uint32_t tag, uint32_t value); // AT
void open_sequence(struct writer *to, uint32_t tag);            // defined length
void open_item(struct writer *to);
void put_raw(struct writer *to, struct slice bytes);
void shut(struct writer *to); // the innermost sequence or item

struct bench {
    char folder[64]; // of the packs
    struct configuration *configuration;
    struct edit_policies *policies;
    struct gateway gateway;
    struct worker worker;
    struct edit_workshop *workshop;
    struct record_open open;
    struct edit_origin origin;
    struct edit *edit;
    unsigned changes; // calls of on_change
};

// What the fake crosswalk was asked last, and how often.
struct asked {
    unsigned count;
    unsigned cancelled;
    char from[32], to[32]; // names of domains
    char id[128], name[128], birth_date[16], sex[4], study[80];
    uint32_t archive;
    uint64_t when;
    bool wants_pin, unmatched_goes;
};
extern struct asked asked;

// The same of the ledger; only a bench with bench->worker.patients asks it.
struct study_asked {
    unsigned count;
    struct study_question question;
};
extern struct study_asked study_asked;

// `node`: what stands behind `plain: yes,` of the archive; `pack` and `table` may be NULL.
void bench_begin(struct bench *bench, const char *node, const char *pack, const char *table);
// The same, but the policies must be wrong: the errors.
enum result bench_try(struct bench *bench, const char *node, const char *pack, const char *table,
                      char *errors, size_t size);
void bench_end(struct bench *bench);

enum edit_stage bench_run(struct bench *bench, const struct writer *data_set, size_t piece);
// Answers the question that waits, and that for the pin if it comes.
void answer(struct bench *bench, enum crosswalk_outcome outcome, unsigned flags, const char *id);
void answer_quietly(enum crosswalk_outcome outcome, unsigned flags, const char *id); // whoever is told of it
void answer_once(enum crosswalk_outcome outcome, unsigned flags, const char *id, bool is_pinned);
void answer_failure(struct bench *bench, enum result result);
void answer_study(struct bench *bench, enum result result, bool has_other);
void bench_drop(struct bench *bench); // the edit
const char *reason(const struct bench *bench);

// What leaves: the data set with the plan, inflated.
void assert_leaves(struct bench *bench, const struct writer *data_set, const struct writer *expected);
void assert_untouched(const struct bench *bench);

// What the gateway adds, by the standard and by docs/edits.md.
#define MOMENT "20261128200551.123456+0000" // of the receipt
void equipment(struct writer *to);          // one item
void equipment_sequence(struct writer *to);
// Then the caller writes what was there before, and ends with originals_end().
void originals_begin(struct writer *to);
void originals_end(struct writer *to, const char *why);

// An instance of Doe^Jane.
void patient(struct writer *to, const char *id, const char *issuer);
void pixels(struct writer *to);
void instance(struct writer *to, enum encoding encoding, const char *id, const char *issuer);
// The same with ID 17 of no issuer, as G-17 of GROUP.
void mapped_instance(struct writer *to, enum encoding encoding);

#define DOMAIN      ", domain: NEW"
#define PACK(rules) "pack: p\nversion: 1.0\ndescription: d\nrules:\n" rules
