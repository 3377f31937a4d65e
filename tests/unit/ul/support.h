// SPDX-License-Identifier: Apache-2.0
//
// For the tests of ul: a handler that records what the machine says as one line of words, so that
// expectations can be typed as text.
#pragma once

#include "../notation.h"
#include "ul/association.h"

struct record {
    char words[8192]; // "rq artim- pdv(1,3,2) data(0102) end"
    size_t length;
    bool is_in_data;
    void (*hook)(struct record *record,
                 const char *word); // called after each word; may call into the association
    struct ul_association *association;
};

extern const struct ul_handler RECORDER;
void record_clear(struct record *record);

// Verification, context 1, Implicit Little Endian, maximum length 16384; 161 bytes with header.
extern const char REQUEST[];
extern const char ANSWER[]; // accepts it
struct ul_parameters *own_request(void);
struct ul_parameters *own_answer(const struct ul_parameters *request);

// Takes all output of the association as a slice of `out`.
struct slice drain(struct ul_association *association, struct bytes *out);
enum result feed(struct ul_association *association, const char *notation);
