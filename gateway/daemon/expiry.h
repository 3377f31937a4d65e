// SPDX-License-Identifier: Apache-2.0
//
// Warns 60, 30 and 7 days before one of our certificates, an authority or a revocation list ends, and when it
// has ended: once for each in the log, for as long as it stands in status (LESSONS "Trust").
//
// Thread: main.
#pragma once

#include <jansson.h>

#include "daemon/gateway.h"
#include "daemon/secure.h"

struct expiry;

// Looks at once, then every hour. Both are borrowed.
MUST_USE enum result expiry_new(struct gateway *gateway, const struct secure *secure, struct expiry **out);
void expiry_free(struct expiry *expiry);
// The files are other ones now.
void expiry_look(struct expiry *expiry);

// [{"section", "kind", "file", "subject", "expires", "days"}] of all that is in force.
json_t *expiry_documents_json(const struct expiry *expiry);
// [{"subject", "expires", "days", "seen"}] of peers whose certificates end within 60 days.
json_t *expiry_peers_json(const struct expiry *expiry);
// Adds a sentence for each document that ends within 60 days, and one for each section whose new files are no
// good.
void expiry_alarms_add(const struct expiry *expiry, json_t *alarms);
