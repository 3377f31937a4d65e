// SPDX-License-Identifier: Apache-2.0
//
// Instances that load sends and archive recognises: Explicit VR Little Endian CT images whose bytes follow
// from the SOP Instance UID and the size alone, so that the archive can check every byte without having seen
// the original. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define INSTANCE_CLASS           "1.2.840.10008.5.1.4.1.1.2"
#define INSTANCE_TRANSFER_SYNTAX "1.2.840.10008.1.2.1"

enum {
    INSTANCE_HEADER_MAX = 4096,
    INSTANCE_UID_MAX = 64,
    INSTANCE_PIECE_MAX = 256 * 1024, // longest piece that instance_pixels() gives
};

// How all instances of one run look. `size` counts the whole data set, bytes.
struct instance_kind {
    uint64_t size;
    uint64_t run;      // makes the UIDs of a run unique, 1 to 9999999999
    uint64_t patients; // studies are short, and each of one of so many patients; 0: long, all of the same
};

// The header up to and including the element header of Pixel Data, and the UID that it carries.
struct instance_header {
    char uid[INSTANCE_UID_MAX + 1];
    size_t length;
    uint8_t bytes[INSTANCE_HEADER_MAX];
};

// Sizes below this are rounded up to it, odd ones to even.
void instance_header_make(const struct instance_kind *kind, uint32_t number, struct instance_header *out);
uint64_t instance_pixel_length(const struct instance_kind *kind);
// At most `most` bytes (and INSTANCE_PIECE_MAX) of the pixels from `offset`; static memory.
struct slice instance_pixels(const struct instance_kind *kind, uint64_t offset, size_t most);

// What the archive does with a data set that comes in pieces: the header is kept, the pixels are compared.
struct instance_check {
    uint64_t received;
    size_t header_length; // 0: not known yet
    bool differs;
    uint64_t patients; // as in the kind
    bool is_mapped;    // a gateway has edited it: the pixels count, and that the patient has the target ID
    uint8_t header[INSTANCE_HEADER_MAX];
};
// The caller sets `patients` and `is_mapped` first.
void instance_check_begin(struct instance_check *check);
void instance_check_data(struct instance_check *check, struct slice piece);
// True if the bytes are those of the instance `uid`.
bool instance_check_end(struct instance_check *check, struct slice uid);
