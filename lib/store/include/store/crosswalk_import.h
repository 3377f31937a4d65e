// SPDX-License-Identifier: Apache-2.0
//
// The import of a crosswalk (ENGINE 7): a CSV file (RFC 4180, UTF-8, first row names the columns) becomes one
// generation, or nothing. Rows are sealed as they are read, sorted outside of memory by their keyed hashes,
// and appended to the store beside the rows in force; one small transaction switches.
//
// Columns: source_domain, source_id, target_domain, target_id; optional name, birth_date (YYYYMMDD or
// YYYY-MM-DD), sex (M, F, O), preferred (yes, no), effective (YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, UTC).
//
// Use: new, feed all of the file, end, step until it is not AGAIN. In between the thread may do other
// changes. A crash leaves the old generation or the new one; crosswalk_purge() removes what is left over.
//
// Thread: the one that writes. One import at a time.
#pragma once

#include "fs/fs.h"
#include "store/crosswalk_change.h"

// Folder below `fs` for what is sorted; holds hashes and sealed values only. Emptied before and after.
#define CROSSWALK_IMPORT_FOLDER "crosswalk.import"

enum crosswalk_fault {
    CROSSWALK_FAULT_NONE,
    CROSSWALK_FAULT_QUOTE,      // CSV: a quote in the wrong place
    CROSSWALK_FAULT_NUL,        // a zero byte
    CROSSWALK_FAULT_LONG,       // a record of more than 64 KiB; nothing behind it is read
    CROSSWALK_FAULT_ENCODING,   // not UTF-8
    CROSSWALK_FAULT_COLUMNS,    // header: a column unknown, given twice or missing; nothing behind it is read
    CROSSWALK_FAULT_FIELDS,     // not as many fields as the header has
    CROSSWALK_FAULT_EMPTY,      // no header
    CROSSWALK_FAULT_DOMAIN,     // not in the configuration
    CROSSWALK_FAULT_ONE_DOMAIN, // source and target domain are the same
    CROSSWALK_FAULT_BOTH_WAYS,  // `other`: the domains are mapped the other way round there
    CROSSWALK_FAULT_ID,         // empty, too long, with a control character or a backslash
    CROSSWALK_FAULT_NAME,       // too long, or with a control character or a backslash
    CROSSWALK_FAULT_BIRTH_DATE,
    CROSSWALK_FAULT_SEX,
    CROSSWALK_FAULT_PREFERRED,
    CROSSWALK_FAULT_EFFECTIVE,
    CROSSWALK_FAULT_TIMES,         // more than CROSSWALK_TIMES_MAX different times in the future
    CROSSWALK_FAULT_TWO_TARGETS,   // `other`: this source has another target there
    CROSSWALK_FAULT_DIFFERS,       // `other`: the same source and target, but the rest is not the same
    CROSSWALK_FAULT_TWO_PREFERRED, // `other`: preferred for the same target there
    CROSSWALK_FAULT_SPELLING,      // `other`: the same target ID, written in another way
};

enum { CROSSWALK_TIMES_MAX = 1024, CROSSWALK_CONFLICTS_MAX = 1 << 20 };

// Such as "the same source has another target in line"; without a full stop.
const char *crosswalk_fault_text(enum crosswalk_fault fault);
// Whether `other` belongs behind its text.
bool crosswalk_fault_has_other(enum crosswalk_fault fault);

struct crosswalk_conflict {
    uint64_t line; // where the record begins; the header is line 1
    uint64_t other;
    enum crosswalk_fault fault;
};

struct crosswalk_import_options {
    bool is_dry;                  // only looks for conflicts; the crosswalk may be read-only
    size_t memory;                // for sorting, bytes; 0: 64 MiB
    uint32_t batch;               // rows in one transaction; 0: 20,000
    const char *folder;           // below `fs`, for sorting; NULL: CROSSWALK_IMPORT_FOLDER. Nobody else's
    struct crosswalk_order order; // `effective` is not used
};

struct crosswalk_import;

// `crosswalk` and `fs` are borrowed. ERR_EXISTS: an import is under way; ERR_REFUSED: read-only and not dry;
// results of kv_commit().
MUST_USE enum result crosswalk_import_new(struct crosswalk *crosswalk, struct fs *fs,
                                          const struct crosswalk_import_options *options,
                                          struct crosswalk_import **out);
// The next bytes of the file. OK also where rows are at fault. ERR_SPACE, ERR_IO: of the sorting; ERR_LIMIT:
// more than can be sorted.
MUST_USE enum result crosswalk_import_feed(struct crosswalk_import *import, struct slice bytes);
MUST_USE enum result crosswalk_import_end(struct crosswalk_import *import);
// OK: it is in force (dry: it would be). ERR_REFUSED: there are conflicts, nothing has changed. AGAIN: call
// again. Others: given up, nothing has changed.
MUST_USE enum result crosswalk_import_step(struct crosswalk_import *import);

// In order of lines, complete when a step has answered ERR_REFUSED. `*count` may be above what `list` holds
// (CROSSWALK_CONFLICTS_MAX). Borrowed.
const struct crosswalk_conflict *crosswalk_import_conflicts(const struct crosswalk_import *import,
                                                            size_t *listed, uint64_t *count);

struct crosswalk_import_figures {
    uint64_t rows;       // read, without the header
    uint64_t repeated;   // of them, given before in just the same words
    uint64_t generation; // after it
};
void crosswalk_import_figures_get(const struct crosswalk_import *import,
                                  struct crosswalk_import_figures *figures);

// Also in the midst of it: nothing has changed then. NULL is fine.
void crosswalk_import_free(struct crosswalk_import *import);
