// SPDX-License-Identifier: Apache-2.0
//
// Values as text by their VR: checked, and numbers turned to bytes. Thread: any.
#pragma once

#include "dcm/edit.h"
#include "wiped.h"

// How a data set, item or UN value encodes what stands in it.
struct encoding {
    bool implicit_vr;
    bool big_endian;
};

// Text of this VR is bytes of a number for each value.
bool value_is_number(enum dcm_vr vr);

// The VR that a new element gets where the dictionary leaves a choice, by the value that it will have.
enum dcm_vr value_vr_choose(enum dcm_vr vr, enum dcm_edit_kind kind, struct slice value);

// The bytes of a checked text of numbers, appended. ERR_NOMEM.
MUST_USE enum result value_numbers_append(enum dcm_vr vr, struct slice text, bool big_endian,
                                          struct wiped_bytes *to);

// Integers of `width` bytes, appended. ERR_NOMEM.
MUST_USE enum result value_integer_append(struct wiped_bytes *to, uint64_t number, unsigned width,
                                          bool big_endian);
