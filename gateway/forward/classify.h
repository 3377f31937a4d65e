// SPDX-License-Identifier: Apache-2.0
//
// What an archive's C-STORE status means for the delivery: the default table of FIELD 7 (rows per archive
// come with the configuration later). Pure. Thread: any.
#pragma once

#include <stdint.h>

enum verdict {
    VERDICT_ANSWERED,  // success or warning: not sent again
    VERDICT_DUPLICATE, // 0111: the archive has this UID; whether with these bytes must be compared by a
                       // person or verify
    VERDICT_TRANSIENT, // resources: tried again without limit
    VERDICT_HICCUP,    // may be a database hiccup: tried again a few times, then parked
    VERDICT_PERMANENT, // parked
};

#define VERDICT_HICCUP_ATTEMPTS 5

enum verdict classify_store_status(uint16_t status);
