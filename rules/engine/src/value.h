// SPDX-License-Identifier: Apache-2.0
//
// Single values as UTF-8 text against the rules of their VR (PS3.5 6.2): what a rule may write, how far a
// value may be cut, dates in the ways in which they are found. Private to rules/engine. Thread: any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "dcm/vr.h"

// May a rule write text into this VR at all? (Not into sequences, pixels and other bulk.)
bool value_vr_is_text(enum dcm_vr vr);   // character strings
bool value_vr_is_number(enum dcm_vr vr); // binary numbers, as decimal text
// Does a backslash separate values? Not in ST, LT, UT, UR (PS3.5 6.4).
bool value_vr_is_multiple(enum dcm_vr vr);

// NULL if the VR allows this one value (without padding; empty is allowed), else what it allows, in words.
const char *value_check(enum dcm_vr vr, struct slice value);

// Digits and dots as PS3.5 9.1 has them, whatever the length.
bool value_is_uid(struct slice value);

// Writes the value cut to what the VR can hold (for PN each component group).
void value_truncate(struct writer *to, enum dcm_vr vr, struct slice value);

// A decimal number as in IS, DS and binary VRs; false if it is none.
bool value_number(struct slice value, double *number);

// A date as YYYYMMDD in one number, from a DA or the first eight characters of a DT; false if it is none.
bool value_date(struct slice value, uint32_t *date);

// Rewrites a date or time as DICOM writes it. `format` has YYYY, MM, DD (DA) or HH, MM, SS (TM),
// with or without separators, as in "MM/DD/YYYY". False if the value is not written so, or is no date of the
// calendar.
bool value_rewrite(enum dcm_vr vr, struct slice value, const char *format, struct writer *to);
// Is this a format as value_rewrite takes it?
bool value_format_is_known(enum dcm_vr vr, const char *format);
// The well-known format that the value is written in, or NULL.
const char *value_format_find(enum dcm_vr vr, struct slice value);
