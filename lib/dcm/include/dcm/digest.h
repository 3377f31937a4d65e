// SPDX-License-Identifier: Apache-2.0
//
// The digests of a data set as received. docs/digests.md defines each to the byte; the numbers here are
// stored for years and never change their meaning. Thread: any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DCM_DIGEST_LENGTH 32

// Goes up with every change of what docs/digests.md says about the kind of digest.
#define DCM_RANGE_DIGEST_VERSION     1 // ranges, instance, as received
#define DCM_CANONICAL_DIGEST_VERSION 1 // both canonical digests; they depend on DCM_DICTIONARY_VERSION too

enum dcm_digest_algorithm {
    DCM_DIGEST_ABSENT = 0, // this digest was not made
    DCM_DIGEST_SHA256 = 1,
    DCM_DIGEST_SHA512_256 = 2,
};

struct dcm_digest {
    uint8_t algorithm; // enum dcm_digest_algorithm
    uint8_t version;
    uint8_t bytes[DCM_DIGEST_LENGTH]; // zero when absent
};

enum dcm_range {
    DCM_RANGE_HEADER, // up to and including the header of the Pixel Data element; all, if there is none
    DCM_RANGE_PIXELS, // its value; encapsulated: items and delimiter
    DCM_RANGE_REST,
    DCM_RANGE_COUNT
};

struct dcm_digests {
    uint64_t length[DCM_RANGE_COUNT];         // bytes; deflated: of the inflated stream
    struct dcm_digest range[DCM_RANGE_COUNT]; // absent if the data set could not be followed
    struct dcm_digest instance;               // over the three digests and lengths; absent likewise
    uint64_t received_length;                 // bytes as they came, trailing bytes of a deflated one included
    struct dcm_digest received;        // over those: deflated, or asked for (accept_unscanned); else absent
    uint16_t dictionary;               // DCM_DICTIONARY_VERSION that the next two depend on
    struct dcm_digest canonical;       // header, elements whose VR the dictionary knows
    struct dcm_digest canonical_apart; // header, all others
    uint64_t apart_elements;           // how many elements stand in the second
};

bool dcm_digest_is_equal(const struct dcm_digest *a, const struct dcm_digest *b);
