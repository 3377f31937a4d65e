// SPDX-License-Identifier: Apache-2.0
//
// Fills C structs from a tree by option tables.
// Role: called by the loader of gateway/conf. Values go into `values`, errors into document->errors.
#pragma once

#include "conf/arena.h"
#include "conf/document.h"
#include "conf/option.h"
#include "conf/values.h"

// Fills `out` (table->size bytes, zeroed by the caller) from `node`, a mapping of the document, or with the
// defaults alone when node is NULL. Everything that is wrong becomes an error in document->errors; the member
// then keeps its zero value (NULL texts), so cross checks must allow for it. ERR_NOMEM is the only failure.
MUST_USE enum result conf_load(const struct conf_document *document, const struct conf_table *table,
                               const struct conf_node *node, struct conf_arena *values, void *out);
