// SPDX-License-Identifier: Apache-2.0
//
// The elements of PS3.7 table E.1-1 as rows: what decoder, encoder and setters know about each. Private to
// dimse.
#pragma once

#include "dimse/command.h"

enum dimse_value_kind {
    DIMSE_VALUE_US,   // one 16-bit number
    DIMSE_VALUE_UI,   // padded by NUL
    DIMSE_VALUE_TEXT, // AE, LO: padded by space
    DIMSE_VALUE_AT,   // 4 bytes per tag
};

struct dimse_element_row {
    uint32_t tag;
    enum dimse_value_kind kind;
    size_t offset; // of the field in struct dimse_command: uint16_t for US, else struct slice
};

const struct dimse_element_row *dimse_element_row(enum dimse_element element);

// The row with this tag; DIMSE_ELEMENT_COUNT where there is none.
enum dimse_element dimse_element_find(uint32_t tag);

static inline uint16_t *dimse_number_field(struct dimse_command *command, const struct dimse_element_row *row)
{
    return (uint16_t *)(void *)((uint8_t *)command + row->offset);
}

static inline struct slice *dimse_slice_field(struct dimse_command *command,
                                              const struct dimse_element_row *row)
{
    return (struct slice *)(void *)((uint8_t *)command + row->offset);
}
