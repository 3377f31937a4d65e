// SPDX-License-Identifier: Apache-2.0
//
// First pass of an edit: a push parser that follows the header of a data set (the scanner's structure walker)
// and remembers, for paths that are known beforehand, where each occurrence lies and what its value is, and
// where an absent element would have to be put. It holds nothing else of the data set.
//
// Life: new; for each data set begin, feed until dcm_survey_header_is_complete() (more may be fed and is
// ignored) or the data set ends, then finish if it ended; read; free. All calls on one thread, the owner's.
// struct dcm_interest is made once for a set of rules, never changes, and is shared by all threads.
//
// Offsets count from the first byte of the data set; deflated: of the inflated stream. What comes behind
// Pixel Data is not seen: an element that stands there out of order counts as absent. The
// scanner's report tells at the end (DCM_FLAG_BEHIND_PIXELS): such a data set must not leave edited.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/path.h"
#include "dcm/scanner.h"
#include "dcm/text.h"

#define DCM_INTEREST_PATHS 2048 // paths in one interest
#define DCM_SURVEY_FOUND   8192 // elements found in one data set
#define DCM_SURVEY_LEVELS  8192 // items looked into

struct dcm_interest;

// `paths` (copied; repeats allowed) keep their index for dcm_survey_next. Of elements at the end of a path
// the value is kept (at most DCM_KEPT_ELEMENT bytes each, DCM_KEPT_TOTAL in all; of a sequence its items as
// they stand, within the total); of the sequences on the way only where they lie. Every path that an edit
// will have must be among them. ERR_LIMIT: more than DCM_INTEREST_PATHS; ERR_NOMEM.
MUST_USE enum result dcm_interest_new(const struct dcm_path *paths, size_t count,
                                      struct dcm_interest **interest);
void dcm_interest_free(struct dcm_interest *interest); // NULL is allowed

// One element that a path names.
struct dcm_found {
    uint32_t tag;
    enum dcm_vr vr;  // explicit VR: as written (UN too; NONE: unknown letters); implicit: the dictionary's
    uint32_t length; // as written; DCM_LENGTH_UNDEFINED too
    uint64_t header_offset; // of the tag
    uint64_t value_offset;
    uint64_t end_offset; // behind the value and its delimitation
    uint32_t level;      // where it stands: 0 is the data set, others see dcm_survey_level
    uint32_t items;      // of a sequence
    bool is_sequence;    // can be looked into
    bool is_whole;       // all of the value was kept
    bool is_repeated;    // the same tag came before in the same item
    struct slice value;  // raw bytes, byte order and padding as on the wire; borrowed until the next begin or
                         // free. Patient data
    uint32_t depth;      // enclosing sequences
    uint32_t item[DCM_PATH_DEPTH]; // the item of each, outermost first
};

// The data set, or one item, that found elements stand in.
struct dcm_level {
    uint32_t sequence;      // tag of the sequence that the item is in; 0: the data set
    uint32_t item;          // number in it
    uint32_t length;        // as written; DCM_LENGTH_UNDEFINED for the data set too
    uint64_t header_offset; // of the item tag
    uint64_t value_offset;
    uint64_t end_offset; // behind its delimitation
    bool implicit_vr;    // how the elements in it are encoded (UN sequences: CP-246)
    bool big_endian;
    struct dcm_charset charset; // in force here: its own, or that of what encloses it
    struct slice
        charset_value; // (0008,0005) that says so, as it stands; empty: none. Borrowed as `found.value`
};

struct dcm_survey;

MUST_USE enum result dcm_survey_new(struct dcm_survey **survey); // ERR_NOMEM
// Wipes what was kept. NULL is allowed.
void dcm_survey_free(struct dcm_survey *survey);

// Forgets and wipes a data set before the next one comes.
void dcm_survey_clear(struct dcm_survey *survey);

// Begins a data set; whatever came before is forgotten and wiped. `interest` is borrowed until the next begin
// or free; the transfer syntax (UID) need not outlive the call. inflated_limit: bytes that the header of a
// deflated data set may inflate to; 0: none. ERR_NOMEM.
MUST_USE enum result dcm_survey_begin(struct dcm_survey *survey, const struct dcm_interest *interest,
                                      struct slice transfer_syntax, uint64_t inflated_limit);

// Takes all of a piece of any size, borrowed for the call. ERR_FORMAT: can not be followed (see
// dcm_survey_failure); ERR_LIMIT: more elements or items of interest than are remembered; ERR_EXISTS: two
// paths, one by plain tag and one by creator, name the same private element; ERR_NOMEM. All sticky: nothing
// may be decided from such a survey.
MUST_USE enum result dcm_survey_feed(struct dcm_survey *survey, struct slice piece);

// At the end of the data set. ERR_FORMAT: it ends in the middle of the header; or the sticky error.
MUST_USE enum result dcm_survey_finish(struct dcm_survey *survey);

// The header of Pixel Data has been taken, or finish said OK: everything below may be asked, and a plan made.
bool dcm_survey_header_is_complete(const struct dcm_survey *survey);
// Bytes up to the value of Pixel Data, or of the whole data set without it: range 1 of docs/digests.md. Valid
// when the header is complete.
uint64_t dcm_survey_range_length(const struct dcm_survey *survey);
const struct dcm_scan_failure *dcm_survey_failure(const struct dcm_survey *survey); // NULL: none
// enum dcm_scan_flag of what was seen.
unsigned dcm_survey_flags(const struct dcm_survey *survey);

// Walks over the elements that path number `path` of the interest names, in the order of the stream: begin
// with *cursor = 0; false when there are no more. [*] yields one for each item; a path that ends in an item
// the sequence, once; [+] nothing.
bool dcm_survey_next(const struct dcm_survey *survey, size_t path, uint32_t *cursor, struct dcm_found *found);
// The first one; false if there is none.
bool dcm_survey_first(const struct dcm_survey *survey, size_t path, struct dcm_found *found);
// The path of one found element with the numbers of its items instead of [*], for messages and the record.
void dcm_survey_path(const struct dcm_survey *survey, size_t path, const struct dcm_found *found,
                     struct dcm_path *concrete);

// `level` is that of a found element.
void dcm_survey_level(const struct dcm_survey *survey, uint32_t level, struct dcm_level *info);
