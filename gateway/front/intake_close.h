// SPDX-License-Identifier: Apache-2.0
//
// The end of an intake: the last checks before Success (FIELD 3), and the CLOSE record. Thread: the worker's.
#pragma once

// Which items of the Contributing Equipment Sequence (0018,A001) are gateways of this kind: their
// Manufacturer; this one among them has its AE title as Station Name (docs/conformance.md).
#define INTAKE_MANUFACTURER "dicomgate"

#include "front/intake.h"

// What a resend, a rule or a look-up may need of the header (ENGINE 2).
#define INTAKE_NAMED_COUNT 13
extern const uint32_t intake_named_tags[INTAKE_NAMED_COUNT];

// The SOP UIDs of the data set against those of the command; NULL: they are the same. Once the header is
// complete.
const char *intake_uids_fault(const struct intake *intake);

// NULL, or why the instance is refused; *status is then set.
const char *intake_close_check(struct intake *intake, const struct dcm_scan_report *report, uint16_t *status);

// Makes intake->close from what the scanner found. ERR_NOMEM.
MUST_USE enum result intake_close_fill(struct intake *intake, const struct dcm_scan_report *report);
