// SPDX-License-Identifier: Apache-2.0
#include "support.h"

const char ECHO_RQ[] = "0000 0000 04000000 38000000"
                       "0000 0200 12000000 '1.2.840.10008.1.1' 00"
                       "0000 0001 02000000 3000"
                       "0000 1001 02000000 0100"
                       "0000 0008 02000000 0101";

const char STORE_RQ[] = "0000 0000 04000000 76000000"
                        "0000 0200 1a000000 '1.2.840.10008.5.1.4.1.1.2' 00"
                        "0000 0001 02000000 0100"
                        "0000 1001 02000000 0700"
                        "0000 0007 02000000 0000"
                        "0000 0008 02000000 0000"
                        "0000 0010 08000000 '1.2.3.45'"
                        "0000 3010 0a000000 'WORKSTAT  '"
                        "0000 3110 02000000 3412";

void assert_text(struct slice slice, const char *text)
{
    assert_true(slice_is_text(slice, text));
}

enum result decode(const char *notation, struct dimse_command *command)
{
    static struct bytes bytes;
    bytes.length = 0;
    bytes_put(&bytes, notation);
    return dimse_command_decode(bytes_slice(&bytes), command);
}

void assert_encodes(const struct dimse_command *command, const char *notation)
{
    uint8_t buffer[4096];
    size_t length = 0;
    assert_int_equal(OK, dimse_command_encode(command, buffer, sizeof buffer, &length));
    assert_bytes(slice_of(buffer, length), notation);
    for (size_t capacity = 0; capacity < length; capacity++)
        assert_int_equal(ERR_SPACE, dimse_command_encode(command, buffer, capacity, &length));
}
