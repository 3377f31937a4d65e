// SPDX-License-Identifier: Apache-2.0
//
// Status codes. The first row that fits service and code gives the name; where none does, PS3.7 annex C gives
// the class.
#include "dimse/status.h"

#include <stddef.h>

#include "dimse/command.h"

enum service {
    ANY = 0,
    STORE = DIMSE_C_STORE_RQ,
    FIND = DIMSE_C_FIND_RQ,
    MOVE = DIMSE_C_MOVE_RQ,
    GET = DIMSE_C_GET_RQ
};

struct row {
    uint16_t service; // request command field, or ANY
    uint16_t first;
    uint16_t last;
    enum dimse_status_class status_class;
    const char *name;
};

// Rows of a service stand before the general ones.
static const struct row ROWS[] = {
    // PS3.4 table B.2-1 (C-STORE)
    {STORE, 0xA700, 0xA7FF, DIMSE_CLASS_REFUSED, "out of resources"},
    {STORE, 0xA900, 0xA9FF, DIMSE_CLASS_FAILURE, "data set does not match SOP class"},
    {STORE, 0xC000, 0xCFFF, DIMSE_CLASS_FAILURE, "cannot understand"},
    {STORE, 0xB000, 0xB000, DIMSE_CLASS_WARNING, "coercion of data elements"},
    {STORE, 0xB006, 0xB006, DIMSE_CLASS_WARNING, "elements discarded"},
    {STORE, 0xB007, 0xB007, DIMSE_CLASS_WARNING, "data set does not match SOP class (warning)"},
    // PS3.4 table C.4-1 (C-FIND)
    {FIND, 0xA700, 0xA700, DIMSE_CLASS_REFUSED, "out of resources"},
    {FIND, 0xA900, 0xA900, DIMSE_CLASS_FAILURE, "identifier does not match SOP class"},
    {FIND, 0xC000, 0xCFFF, DIMSE_CLASS_FAILURE, "unable to process"},
    {FIND, 0xFE00, 0xFE00, DIMSE_CLASS_CANCEL, "matching terminated by cancel"},
    {FIND, 0xFF00, 0xFF00, DIMSE_CLASS_PENDING, "match, all optional keys supported"},
    {FIND, 0xFF01, 0xFF01, DIMSE_CLASS_PENDING, "match, some optional keys not supported"},
    // PS3.4 table C.4-2 (C-MOVE)
    {MOVE, 0xA701, 0xA701, DIMSE_CLASS_REFUSED, "out of resources: number of matches"},
    {MOVE, 0xA702, 0xA702, DIMSE_CLASS_REFUSED, "out of resources: sub-operations"},
    {MOVE, 0xA801, 0xA801, DIMSE_CLASS_REFUSED, "move destination unknown"},
    {MOVE, 0xA900, 0xA900, DIMSE_CLASS_FAILURE, "identifier does not match SOP class"},
    {MOVE, 0xB000, 0xB000, DIMSE_CLASS_WARNING, "sub-operations complete with failures"},
    {MOVE, 0xC000, 0xCFFF, DIMSE_CLASS_FAILURE, "unable to process"},
    {MOVE, 0xFE00, 0xFE00, DIMSE_CLASS_CANCEL, "sub-operations terminated by cancel"},
    {MOVE, 0xFF00, 0xFF00, DIMSE_CLASS_PENDING, "sub-operations continue"},
    // PS3.4 table C.4-3 (C-GET)
    {GET, 0xA701, 0xA701, DIMSE_CLASS_REFUSED, "out of resources: number of matches"},
    {GET, 0xA702, 0xA702, DIMSE_CLASS_REFUSED, "out of resources: sub-operations"},
    {GET, 0xA900, 0xA900, DIMSE_CLASS_FAILURE, "identifier does not match SOP class"},
    {GET, 0xB000, 0xB000, DIMSE_CLASS_WARNING, "sub-operations complete with failures"},
    {GET, 0xC000, 0xCFFF, DIMSE_CLASS_FAILURE, "unable to process"},
    {GET, 0xFE00, 0xFE00, DIMSE_CLASS_CANCEL, "sub-operations terminated by cancel"},
    {GET, 0xFF00, 0xFF00, DIMSE_CLASS_PENDING, "sub-operations continue"},
    // PS3.7 annex C
    {ANY, 0x0000, 0x0000, DIMSE_CLASS_SUCCESS, "success"},
    {ANY, 0x0001, 0x0001, DIMSE_CLASS_WARNING, "requested optional attributes not supported"},
    {ANY, 0x0105, 0x0105, DIMSE_CLASS_FAILURE, "no such attribute"},
    {ANY, 0x0106, 0x0106, DIMSE_CLASS_FAILURE, "invalid attribute value"},
    {ANY, 0x0107, 0x0107, DIMSE_CLASS_WARNING, "attribute list error"},
    {ANY, 0x0110, 0x0110, DIMSE_CLASS_FAILURE, "processing failure"},
    {ANY, 0x0111, 0x0111, DIMSE_CLASS_FAILURE, "duplicate SOP instance"},
    {ANY, 0x0112, 0x0112, DIMSE_CLASS_FAILURE, "no such SOP instance"},
    {ANY, 0x0113, 0x0113, DIMSE_CLASS_FAILURE, "no such event type"},
    {ANY, 0x0114, 0x0114, DIMSE_CLASS_FAILURE, "no such argument"},
    {ANY, 0x0115, 0x0115, DIMSE_CLASS_FAILURE, "invalid argument value"},
    {ANY, 0x0116, 0x0116, DIMSE_CLASS_WARNING, "attribute value out of range"},
    {ANY, 0x0117, 0x0117, DIMSE_CLASS_FAILURE, "invalid SOP instance"},
    {ANY, 0x0118, 0x0118, DIMSE_CLASS_FAILURE, "no such SOP class"},
    {ANY, 0x0119, 0x0119, DIMSE_CLASS_FAILURE, "class-instance conflict"},
    {ANY, 0x0120, 0x0120, DIMSE_CLASS_FAILURE, "missing attribute"},
    {ANY, 0x0121, 0x0121, DIMSE_CLASS_FAILURE, "missing attribute value"},
    {ANY, 0x0122, 0x0122, DIMSE_CLASS_REFUSED, "SOP class not supported"},
    {ANY, 0x0123, 0x0123, DIMSE_CLASS_FAILURE, "no such action type"},
    {ANY, 0x0124, 0x0124, DIMSE_CLASS_REFUSED, "not authorised"},
    {ANY, 0x0210, 0x0210, DIMSE_CLASS_REFUSED, "duplicate invocation"},
    {ANY, 0x0211, 0x0211, DIMSE_CLASS_REFUSED, "unrecognised operation"},
    {ANY, 0x0212, 0x0212, DIMSE_CLASS_REFUSED, "mistyped argument"},
    {ANY, 0x0213, 0x0213, DIMSE_CLASS_REFUSED, "resource limitation"},
    {ANY, 0xFE00, 0xFE00, DIMSE_CLASS_CANCEL, "cancelled"},
    {ANY, 0xFF00, 0xFF00, DIMSE_CLASS_PENDING, "pending"},
    {ANY, 0xFF01, 0xFF01, DIMSE_CLASS_PENDING, "pending, with a warning"},
    // by first digits alone
    {ANY, 0x0100, 0x02FF, DIMSE_CLASS_FAILURE, "failure"},
    {ANY, 0xA700, 0xA7FF, DIMSE_CLASS_REFUSED, "out of resources"},
    {ANY, 0xA000, 0xAFFF, DIMSE_CLASS_FAILURE, "failure"},
    {ANY, 0xB000, 0xBFFF, DIMSE_CLASS_WARNING, "warning"},
    {ANY, 0xC000, 0xCFFF, DIMSE_CLASS_FAILURE, "failure"},
};

static const struct row *find(uint16_t command_field, uint16_t status)
{
    const uint16_t service = command_field & (uint16_t)~DIMSE_RESPONSE_BIT;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const struct row *row = &ROWS[i];
        if ((row->service == ANY || row->service == service) && status >= row->first && status <= row->last)
            return row;
    }
    return NULL;
}

enum dimse_status_class dimse_status_class(uint16_t command_field, uint16_t status)
{
    const struct row *row = find(command_field, status);
    return row == NULL ? DIMSE_CLASS_UNKNOWN : row->status_class;
}

const char *dimse_status_name(uint16_t command_field, uint16_t status)
{
    const struct row *row = find(command_field, status);
    return row == NULL ? "unknown status" : row->name;
}
