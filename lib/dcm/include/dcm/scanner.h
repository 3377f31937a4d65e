// SPDX-License-Identifier: Apache-2.0
//
// The streaming scanner: takes a data set as it comes in C-STORE (no preamble, no meta header) in pieces of
// any size, follows its structure (PS3.5 section 7, annex A), keeps the named top-level elements, and makes
// all digests of docs/digests.md on the way. It never holds the header; its memory is fixed but for the kept
// values (at most DCM_KEPT_TOTAL) and zlib's window. No recursion: an explicit stack of DCM_DEPTH_LIMIT
// sequences.
//
// Life: new, then for each data set begin, feed..., finish; free. All calls on one thread, the owner's; no
// callbacks.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/digest.h"
#include "dcm/tag.h"
#include "dcm/vr.h"

#define DCM_DEPTH_LIMIT  64      // nested sequences
#define DCM_NAMED_LIMIT  64      // named tags
#define DCM_KEPT_ELEMENT 65536   // bytes kept of one named element (ENGINE 6)
#define DCM_KEPT_TOTAL   1048576 // bytes kept of all
#define DCM_ITEM_MATCHES 2
#define DCM_ITEM_VALUE   64 // bytes of a value that is compared
#define DCM_COMMENT_SIZE 65 // Error Comment is LO: 64 characters (PS3.7 C.4.2) and the NUL

struct dcm_scan_options {
    struct slice transfer_syntax;        // UID; need not outlive begin
    enum dcm_digest_algorithm algorithm; // DCM_DIGEST_SHA256 or DCM_DIGEST_SHA512_256
    const uint32_t *named;               // tags to keep, any order, no repeats; need not outlive begin
    size_t named_count;                  // 0..DCM_NAMED_LIMIT
    // Also digest the bytes as they came: for peers with accept_unscanned, whose failed data sets are stored.
    // Costs a second pass over every byte; a deflated data set always has it.
    bool digest_received;
    // Items of one top-level sequence that are counted by what is in them; 0: none. Values need not outlive
    // begin.
    uint32_t item_sequence;
    struct dcm_item_match {
        uint32_t tag;       // of the item itself
        struct slice value; // without padding; at most DCM_ITEM_VALUE bytes
    } item_match[DCM_ITEM_MATCHES];
    uint64_t inflated_limit; // bytes a deflated data set may inflate to; 0 = no limit
};

enum dcm_scan_reason {
    DCM_SCAN_FINE,
    DCM_SCAN_TRUNCATED,     // ends inside an element, item or sequence, or in a deflate stream
    DCM_SCAN_OVERRUN,       // an element, item or sequence is longer than what encloses it
    DCM_SCAN_TOO_DEEP,      // more than DCM_DEPTH_LIMIT sequences in each other
    DCM_SCAN_STRAY_ITEM,    // an item or delimitation tag where an element must stand
    DCM_SCAN_NOT_AN_ITEM,   // something else where an item or delimitation tag must stand
    DCM_SCAN_NOT_A_VR,      // explicit VR: the two bytes can not be a VR (for one, an implicit VR data set)
    DCM_SCAN_WRONG_SYNTAX,  // the first element tells that this is explicit VR, or the other byte order
    DCM_SCAN_BAD_LENGTH,    // undefined length where none is allowed, or a delimitation item with a length
    DCM_SCAN_COMMAND_GROUP, // an element of group 0000 (PS3.5 7.1); zeros where data was lost look so
    DCM_SCAN_BAD_DEFLATE,   // not a raw deflate stream
    DCM_SCAN_INFLATES_TOO_FAR,
    DCM_SCAN_REASON_COUNT
};

// Where and why the scanner could not go on.
struct dcm_scan_failure {
    enum dcm_scan_reason reason;
    uint64_t offset; // of the header that could not be followed; deflated: in the inflated stream
    uint32_t tag;    // of that header, or of the element cut short; 0 if it was not read whole
    unsigned depth;  // enclosing sequences, 0..DCM_DEPTH_LIMIT
    uint32_t path[DCM_DEPTH_LIMIT]; // their tags, outermost first
    uint32_t item[DCM_DEPTH_LIMIT]; // number of the item in each, from 1; 0 = before the first
};

enum dcm_scan_flag {
    DCM_FLAG_PIXEL_DATA = 1,   // there is a top-level Pixel Data element
    DCM_FLAG_ENCAPSULATED = 2, // with undefined length
    DCM_FLAG_DUPLICATE = 4,    // a named tag, or two neighbours, twice at the top level
    DCM_FLAG_OUT_OF_ORDER = 8, // top-level tags do not ascend (PS3.5 7.1)
    DCM_FLAG_ODD_LENGTH = 16,  // a value of odd length (PS3.5 7.1.1)
    DCM_FLAG_UNKNOWN_VR = 32,  // letters that are no VR; read leniently
    DCM_FLAG_LOW_GROUP = 64,   // groups 0001 to 0007 in a data set (file meta, directory; PS3.5 7.1)
    DCM_FLAG_TRAILING = 128,   // bytes after the end of the deflate stream
    DCM_FLAG_BEHIND_PIXELS =
        256, // what belongs in front of Pixel Data stands behind it, where no edit reaches
};

// A named element that was found at the top level; of duplicates the first. Offsets are from the first byte
// of the data set, deflated: of the inflated stream.
struct dcm_named {
    uint32_t tag;
    enum dcm_vr vr;  // explicit VR: as written (UN too; NONE = unknown letters); implicit: the dictionary's
    uint32_t length; // as written; DCM_LENGTH_UNDEFINED too
    uint64_t header_offset;
    uint64_t value_offset;
    uint64_t end_offset; // behind the value and its delimitation; 0 while it still runs
    struct slice value; // raw bytes as on the wire, borrowed until the next begin, feed or free; a sequence's
                        // items too. Patient data: log nothing of it
    bool is_whole;      // all of the value was kept
    bool is_repeated;   // the tag came again
};

struct dcm_scan_report {
    enum dcm_scan_reason reason;  // DCM_SCAN_FINE, or see dcm_scanner_failure
    unsigned flags;               // enum dcm_scan_flag
    uint64_t total;               // bytes scanned; deflated: inflated
    uint64_t elements;            // element headers followed, at all depths
    uint64_t pixel_header_offset; // of the Pixel Data element; the four are 0 without it
    uint64_t pixel_value_offset;
    uint64_t pixel_end_offset;
    uint32_t pixel_length; // as written
    uint32_t items_first;  // items of `item_sequence` with the first match
    uint32_t items_all;    // with all of them
    struct dcm_digests digests;
};

struct dcm_scanner;

// ERR_NOMEM or ERR_CRYPTO (no such digest in the library). Free with dcm_scanner_free.
MUST_USE enum result dcm_scanner_new(struct dcm_scanner **scanner);
// Wipes what was kept. NULL is allowed.
void dcm_scanner_free(struct dcm_scanner *scanner);

// Begins a data set; whatever came before is forgotten and wiped. ERR_ARGUMENT, ERR_CRYPTO, ERR_NOMEM.
MUST_USE enum result dcm_scanner_begin(struct dcm_scanner *scanner, const struct dcm_scan_options *options);

// Takes all of a piece, which is borrowed for the call. ERR_FORMAT: the data set can not be followed; from
// then on pieces are only digested as received, if that was asked for, and every call says ERR_FORMAT again.
// ERR_CRYPTO, ERR_NOMEM: the environment's fault, sticky too.
MUST_USE enum result dcm_scanner_feed(struct dcm_scanner *scanner, struct slice piece);

// After the last piece: makes the digests and fills the report. OK, or ERR_FORMAT with the report filled as
// far as it goes (reason, received digest), or ERR_CRYPTO, ERR_NOMEM and nothing.
MUST_USE enum result dcm_scanner_finish(struct dcm_scanner *scanner, struct dcm_scan_report *report);

// The header of the Pixel Data element has been taken, or the data set has been finished: every named element
// that can come before the pixels is known. True within the feed that brought it, so that the caller decides
// before more pixel bytes flow. Named tags above Pixel Data may still come.
bool dcm_scanner_header_is_complete(const struct dcm_scanner *scanner);

// How long the data set will be at least, in bytes, once the header of a Pixel Data element of defined length
// has been taken; 0: that is not known (yet, or encapsulated or deflated).
uint64_t dcm_scanner_expected(const struct dcm_scanner *scanner);

// OK and the element, or ERR_MISSING. Valid during the scan (the value as far as it has come) and after
// finish.
MUST_USE enum result dcm_scanner_named(const struct dcm_scanner *scanner, uint32_t tag,
                                       struct dcm_named *named);

// NULL as long as the data set can be followed.
const struct dcm_scan_failure *dcm_scanner_failure(const struct dcm_scanner *scanner);

// The failure in words for an Error Comment, such as "overruns its item at 1234 in (0008,1140)[1]
// (0008,1150)". Holds numbers and tags only, never a value: an unknown tag at the place of failure is left
// out, as it may be text that was taken for a tag.
void dcm_scan_failure_text(const struct dcm_scan_failure *failure, char comment[DCM_COMMENT_SIZE]);

// A static text such as "truncated".
const char *dcm_scan_reason_text(enum dcm_scan_reason reason);
