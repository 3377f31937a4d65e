// SPDX-License-Identifier: Apache-2.0
//
// A command set: what decodes must encode, and what was encoded must decode without findings of form and
// encode to the same bytes.
#include <stdlib.h>

#include "base/check.h"
#include "dimse/command.h"
#include "dimse/message.h"
#include "dimse/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const struct dimse_command *request)
{
    uint8_t buffer[1024];
    size_t length;
    struct dimse_command response;
    if (dimse_command_is_response(request) || request->command_field == DIMSE_C_CANCEL_RQ)
        return;
    dimse_store_response(&response, request, DIMSE_CANNOT_UNDERSTAND, request->error_comment,
                         request->offending_element);
    enum result result = dimse_command_encode(&response, buffer, sizeof buffer, &length);
    ensure(result == OK || result == ERR_SPACE); // UIDs may be longer than this buffer
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dimse_command first;
    if (dimse_command_decode(slice_of(data, size), &first) != OK)
        return 0;
    answer(&first);
    (void)dimse_status_class(first.command_field, first.status);
    ensure(dimse_command_name(first.command_field) != NULL);
    // Padding adds at most one byte for each element, the group length twelve.
    const size_t capacity = size + DIMSE_ELEMENT_COUNT + DIMSE_UNKNOWN_LIMIT + 12;
    uint8_t *once = malloc(capacity);
    uint8_t *twice = malloc(capacity);
    ensure(once != NULL && twice != NULL);
    size_t once_length, twice_length;
    ensure(dimse_command_encode(&first, once, capacity, &once_length) == OK);
    struct dimse_command second;
    ensure(dimse_command_decode(slice_of(once, once_length), &second) == OK);
    ensure((second.findings & (DIMSE_FINDING_GROUP_LENGTH | DIMSE_FINDING_ORDER | DIMSE_FINDING_REPEATED)) ==
           0);
    ensure(second.present == first.present);
    ensure(dimse_command_encode(&second, twice, capacity, &twice_length) == OK);
    ensure(slice_is_equal(slice_of(once, once_length), slice_of(twice, twice_length)));
    free(once);
    free(twice);
    return 0;
}
