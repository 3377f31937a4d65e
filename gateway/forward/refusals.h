// SPDX-License-Identifier: Apache-2.0
//
// Titles under which an archive has rejected associations (calling or called AE title not recognised): what
// is owed under them rests and stands in nobody else's way. At most REFUSALS_MAX pairs are remembered; the
// one that comes to its end first gives way.
//
// Thread: the worker's. Owner: the archive.
#pragma once

#include "base/slice.h"
#include "conf/configuration.h"

#define REFUSALS_MAX 16

struct refusal {
    char calling[CONFIGURATION_TITLE_MAX + 1];
    char called[CONFIGURATION_TITLE_MAX + 1];
    bool is_called;    // it is the called title that is not recognised
    unsigned failures; // in a row; 0: no entry
    uint64_t until;    // ev_now()
};

struct refusals {
    struct refusal each[REFUSALS_MAX];
};

// The entry of these titles, made if there is none; one failure more. The caller sets `until`.
struct refusal *refusals_count(struct refusals *refusals, struct slice calling, struct slice called);
// How long nothing should be tried under these titles; 0: it may.
uint64_t refusals_left(const struct refusals *refusals, struct slice calling, struct slice called,
                       uint64_t now);
// For people, like "rejects calling title MR7 and others".
void refusals_text(const struct refusals *refusals, uint64_t now, char *to, size_t capacity);
// The archive has accepted them.
void refusals_forget(struct refusals *refusals, struct slice calling, struct slice called);
