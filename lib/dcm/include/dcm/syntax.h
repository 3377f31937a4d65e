// SPDX-License-Identifier: Apache-2.0
//
// How a transfer syntax encodes a data set (PS3.5 annex A). Thread: any.
#pragma once

#include "base/slice.h"

struct dcm_syntax {
    bool implicit_vr;
    bool big_endian;
    bool deflated; // the data set as a whole is a raw deflate stream (PS3.5 A.5)
};

// By UID, with or without padding. UIDs not known, and all encapsulated ones, are explicit VR little endian.
struct dcm_syntax dcm_syntax_by_uid(struct slice uid);
