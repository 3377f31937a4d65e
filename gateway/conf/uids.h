// SPDX-License-Identifier: Apache-2.0
//
// UIDs as people write them: digits and dots (PS3.5 9.1), or a keyword of PS3.6. Constant tables, any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool uid_is_valid(const char *text);
// The UID of a transfer syntax or storage SOP Class by keyword; a UID is given back as it is. NULL: neither.
const char *transfer_syntax_uid(const char *text);
const char *sop_class_uid(const char *text);
// The keyword, or NULL for one that is not in the tables.
const char *uid_keyword(const char *uid);

// The storage SOP Classes of the table, as UIDs: those that an archive is asked about when nothing is known.
extern const size_t uid_storage_count;
const char *uid_storage_get(size_t index);
