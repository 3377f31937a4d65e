// SPDX-License-Identifier: Apache-2.0
//
// Writing to a peer that does not read, until there is no room. Thread: the loop's.
#ifndef DG_TRANSPORT_FILL_H
#define DG_TRANSPORT_FILL_H

#include "base/units.h"
#include "ev/loop.h"
#include "net/transport.h"

// The bytes that were taken. There is no room once ten turns have made none: an acknowledgement of what was
// sent may come late.
static inline size_t transport_fill(struct ev_loop *loop, struct transport *transport, struct slice block)
{
    size_t written, total = 0;
    enum result result = OK;
    for (int full = 0; full < 10; full = result == OK ? 0 : full + 1) {
        result = transport_writev(transport, &block, 1, &written);
        if (result == OK)
            total += written;
        else
            ev_loop_turn(loop, 10 * NSEC_PER_MS);
    }
    assert_int_equal(result, AGAIN);
    return total;
}

#endif
