// SPDX-License-Identifier: Apache-2.0
//
// A data set from a list of elements written as text. Private to rules/engine; for golden cases.
#pragma once

#include "base/cursor.h"
#include "conf/document.h"
#include "dcm/path.h"
#include "dcm/text.h"

#define GOLDEN_ELEMENTS 256
#define GOLDEN_BYTES    ((size_t)1 << 20)

struct golden_element {
    struct dcm_path path;
    const struct conf_node *node; // its value: text, or { hex: ... } for bytes as they stand
};

// Writes the elements in explicit VR little endian, sequences with undefined lengths. Sorts them. Errors are
// added at the nodes. Values need not follow their VR.
void golden_build(struct golden_element *elements, size_t count, struct dcm_text *text,
                  const struct conf_document *document, struct writer *to);
