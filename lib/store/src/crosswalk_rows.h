// SPDX-License-Identifier: Apache-2.0
//
// A record of the CSV file as a row of the crosswalk. Private to lib/store. Thread: any.
#pragma once

#include "crosswalk_internal.h"
#include "store/crosswalk_import.h"
#include "store/csv.h"

enum column {
    COLUMN_SOURCE_DOMAIN,
    COLUMN_SOURCE_ID,
    COLUMN_TARGET_DOMAIN,
    COLUMN_TARGET_ID,
    COLUMN_NAME,
    COLUMN_BIRTH_DATE,
    COLUMN_SEX,
    COLUMN_PREFERRED,
    COLUMN_EFFECTIVE,
    COLUMNS,
};

struct columns {
    size_t count;       // fields of a record
    size_t at[COLUMNS]; // CSV_FIELDS: not there
};

// From the header. False: a column unknown, given twice or missing.
bool columns_read(const struct slice *fields, size_t count, struct columns *columns);
// CROSSWALK_FAULT_NONE: `row` is filled.
enum crosswalk_fault row_read(const struct crosswalk *crosswalk, const struct columns *columns,
                              const struct slice *fields, size_t count, struct crosswalk_row *row);
