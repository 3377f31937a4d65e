// SPDX-License-Identifier: Apache-2.0
//
// Where the data set begins in a DICOM file (PS3.10 7.1), for tools and tests: the gateway itself never reads
// files. Tolerates a missing preamble, missing meta elements and a wrong group length; without any meta
// header the transfer syntax is guessed from the first element. Thread: any.
#pragma once

#include "base/result.h"
#include "base/slice.h"

struct dcm_file {
    bool has_preamble;            // 128 bytes and "DICM"
    bool has_meta;                // at least one element of group 0002
    bool is_guessed;              // the transfer syntax does not stand in the meta header
    struct slice transfer_syntax; // without padding; points into the file or at a static text
    struct slice sop_class;       // Media Storage SOP Class UID (0002,0002), trimmed; empty if absent
    struct slice sop_instance;    // Media Storage SOP Instance UID (0002,0003)
    size_t data_set_offset;       // bytes
    struct slice data_set;        // the rest of the file
};

// `bytes` is borrowed by the result. ERR_FORMAT if an element of the meta header runs past the end of the
// file.
MUST_USE enum result dcm_file_parse(struct slice bytes, struct dcm_file *file);
