// SPDX-License-Identifier: Apache-2.0
//
// The one result type of the whole program. Values come back through out-parameters, written on OK only.
// Thread: any.
#pragma once

#define MUST_USE __attribute__((warn_unused_result))

enum result {
    OK = 0,
    AGAIN = 1,  // needs more input, more room or a later turn; not an error, state is kept
    CLOSED = 2, // orderly end, or the object went away under the caller: return at once
    ERR_NOMEM = -1,
    ERR_IO = -2,     // the environment failed; errno-like detail is logged where it happened
    ERR_SPACE = -3,  // no room on the disk or in a bounded store
    ERR_FORMAT = -4, // bytes that do not follow their format
    ERR_LIMIT = -5,  // a configured or built-in bound was passed
    ERR_MISSING = -6,
    ERR_EXISTS = -7,
    ERR_CRYPTO = -8, // a seal, signature or key did not verify
    ERR_ARGUMENT = -9,
    ERR_TIMEOUT = -10,
    ERR_REFUSED = -11, // the other side or a rule said no
    ERR_LOST = -12,    // what was durable before is not there any more
};

// A static text such as "no space"; never NULL.
const char *result_text(enum result result);
