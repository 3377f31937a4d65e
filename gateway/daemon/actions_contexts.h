// SPDX-License-Identifier: Apache-2.0
//
// Why the presentation contexts of an archive did not fit an instance: what it answered last to its SOP Class
// and transfer syntax, and what it takes of this class. From the capability cache, which survives a restart.
//
// Thread: main; for the time of one answer.
#pragma once

#include "admin/admin.h"
#include "daemon/gateway.h"

enum { CONTEXTS_SYNTAXES = 32 }; // most syntaxes that are named

struct contexts; // what is known of each archive, as it was when it was first asked about

// NULL: no memory.
struct contexts *contexts_new(struct gateway *gateway);
void contexts_free(struct contexts *contexts);
// {"sop_class", "transfer_syntax": UID, "sop_class_name", "transfer_syntax_name": TEXT or null, "answer": 0
// to 255 (PS3.8 table 9-18), "meaning": TEXT, "when": seconds, "accepts": [{"transfer_syntax": UID,
// "transfer_syntax_name": TEXT or null}]} of a parked instance; null where the archive has never answered to
// the pair, or takes it and has answered to the instance. `node`: index. `status`: its last answer, 0: none.
json_t *contexts_explain(struct contexts *contexts, size_t node, const char *sop_class,
                         const char *transfer_syntax, uint16_t status);
// Words for a result of PS3.8 table 9-18.
const char *context_result_words(uint8_t result);
