// SPDX-License-Identifier: Apache-2.0
//
// Answers the workers' enquiries: looks up on the look-up thread, pins on the thread that writes the
// crosswalk, many at a time. It also notices that the crosswalk has changed, and tells the workers.
//
// Thread: main before loops run and after they have ended, except where a function says otherwise.
#pragma once

#include "base/result.h"

struct crosswalk_office;
struct gateway;

// After the workers. Of a gateway without a crosswalk: every enquiry fails. ERR_NOMEM, ERR_CRYPTO, ERR_IO.
MUST_USE enum result crosswalk_office_new(struct gateway *gateway, struct crosswalk_office **out);
// Threads have ended: mail that lies about is gathered. Before the workers are freed; NULL is fine.
void crosswalk_office_drain(struct crosswalk_office *office);
// After the workers, who may still have cancelled; NULL is fine.
void crosswalk_office_free(struct crosswalk_office *office);

// On the crosswalk's loop: something may have changed it. If so all workers are told.
void crosswalk_office_look(struct crosswalk_office *office);
