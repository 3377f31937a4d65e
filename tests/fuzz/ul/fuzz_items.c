// SPDX-License-Identifier: Apache-2.0
//
// The body of an A-ASSOCIATE-RQ or -AC (by the lowest bit of byte 0): what decodes must encode, and what was
// encoded must decode and encode to the same bytes (PROTOCOL 14).
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ul/parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct ul_parameters *parameters)
{
    struct ul_reject reject;
    enum ul_reason reason = UL_REASON_NONE;
    struct slice abstract, transfer;
    ensure(!ul_parameters_reject_find(parameters, &reject, &reason) || reason != UL_REASON_NONE);
    for (unsigned id = 0; id < 256; id++)
        if (ul_parameters_agreed(parameters, parameters, (uint8_t)id, &abstract, &transfer))
            ensure(ul_parameters_context_get(parameters, (uint8_t)id)->transfer_count == 1);
    ensure(parameters->context_count <= UL_CONTEXT_LIMIT);
    ensure(ul_title_read(parameters->called).length <= UL_TITLE_LENGTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const enum ul_pdu_type type = (data[0] & 1) != 0 ? UL_PDU_ASSOCIATE_AC : UL_PDU_ASSOCIATE_RQ;
    struct ul_parameters *first = NULL;
    enum ul_reason reason = UL_REASON_NONE;
    enum result result = ul_parameters_decode(type, slice_of(data + 1, size - 1), &first, &reason);
    if (result != OK) {
        ensure(result == ERR_FORMAT && ul_reason_row(reason)->abort_code == UL_ABORT_INVALID_PARAMETER);
        return 0;
    }
    judge(first);
    struct byte_queue once, twice;
    byte_queue_init(&once, 16u << 20);
    byte_queue_init(&twice, 16u << 20);
    ensure(ul_parameters_encode(type, first, &once) == OK); // trimming only shortens, so it fits
    struct ul_parameters *second = NULL;
    ensure(ul_parameters_decode(type, slice_from(byte_queue_peek(&once), UL_PDU_HEADER_LENGTH), &second,
                                &reason) == OK);
    ensure(second->skipped_items == 0);
    ensure(ul_parameters_encode(type, second, &twice) == OK);
    ensure(slice_is_equal(byte_queue_peek(&once), byte_queue_peek(&twice)));
    byte_queue_fini(&once);
    byte_queue_fini(&twice);
    ul_parameters_free(first);
    ul_parameters_free(second);
    return 0;
}
