// SPDX-License-Identifier: Apache-2.0
//
// DIMSE status codes: class and name, general ones by PS3.7 annex C, service-specific ones by PS3.4 (B.2.3,
// C.4, GG.4). Constant table, any thread. Called by session, lanes, ledger and the command line.
#pragma once

#include <stdint.h>

enum dimse_status_class {
    DIMSE_CLASS_SUCCESS,
    DIMSE_CLASS_WARNING,
    DIMSE_CLASS_PENDING,
    DIMSE_CLASS_CANCEL,
    DIMSE_CLASS_FAILURE, // PS3.7 C.5: the operation was not done
    DIMSE_CLASS_REFUSED, // failure because of resources or of the SOP class: A7xx, 0122, 0124, 0212 ...
    DIMSE_CLASS_UNKNOWN, // no rule names it: treat as failure
};

enum {
    DIMSE_SUCCESS = 0x0000,
    DIMSE_NO_SUCH_ATTRIBUTE = 0x0105,
    DIMSE_PROCESSING_FAILURE = 0x0110,
    DIMSE_DUPLICATE_INSTANCE = 0x0111,
    DIMSE_NO_SUCH_INSTANCE = 0x0112,
    DIMSE_INVALID_ARGUMENT = 0x0115,
    DIMSE_INVALID_INSTANCE = 0x0117,
    DIMSE_NO_SUCH_CLASS = 0x0118,
    DIMSE_CLASS_NOT_SUPPORTED = 0x0122,
    DIMSE_NOT_AUTHORISED = 0x0124,
    DIMSE_DUPLICATE_INVOCATION = 0x0210,
    DIMSE_UNRECOGNISED_OPERATION = 0x0211,
    DIMSE_MISTYPED_ARGUMENT = 0x0212,
    DIMSE_RESOURCE_LIMITATION = 0x0213,
    DIMSE_OUT_OF_RESOURCES = 0xA700,
    DIMSE_CLASS_MISMATCH = 0xA900, // data set does not match SOP class
    DIMSE_COERCION = 0xB000,
    DIMSE_ELEMENTS_DISCARDED = 0xB006,
    DIMSE_DATA_SET_WARNING = 0xB007, // data set does not match SOP class (warning)
    DIMSE_CANNOT_UNDERSTAND = 0xC000,
    DIMSE_CANCEL = 0xFE00,
    DIMSE_PENDING = 0xFF00,
    DIMSE_PENDING_WARNING = 0xFF01,
};

// By the request or response command field (DIMSE_C_STORE_RQ...), whose service decides what a code means.
enum dimse_status_class dimse_status_class(uint16_t command_field, uint16_t status);
// A short English name, static, never NULL.
const char *dimse_status_name(uint16_t command_field, uint16_t status);
