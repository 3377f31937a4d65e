// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

const char *result_text(enum result result)
{
    switch (result) {
    case OK:
        return "fine";
    case AGAIN:
        return "try again later";
    case CLOSED:
        return "closed";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_IO:
        return "input or output failed";
    case ERR_SPACE:
        return "no space";
    case ERR_FORMAT:
        return "malformed";
    case ERR_LIMIT:
        return "over a limit";
    case ERR_MISSING:
        return "not found";
    case ERR_EXISTS:
        return "exists already";
    case ERR_CRYPTO:
        return "cryptographic check failed";
    case ERR_ARGUMENT:
        return "invalid argument";
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_REFUSED:
        return "refused";
    case ERR_LOST:
        return "lost";
    }
    return "unknown result";
}
