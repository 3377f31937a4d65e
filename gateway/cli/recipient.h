// SPDX-License-Identifier: Apache-2.0
//
// Where an export goes (FIELD 18): standard output, in clear, or encrypted to a recipient's certificate as
// CMS (RFC 5652, AES-256 in CBC), which `openssl cms -decrypt` opens. Private to gateway/cli; one thread.
#pragma once

#include "base/result.h"

#include <stdio.h>

struct cli_recipient;

// The certificate is read from `path`, in PEM; NULL: in clear. ERR_ARGUMENT: it is none.
MUST_USE enum result cli_recipient_new(const char *path, struct cli_recipient **out);
// SHA-256 of the certificate, in hexadecimal; NULL: in clear.
const char *cli_recipient_digest(const struct cli_recipient *recipient);
// What is written to `*out` goes to the recipient; once, and the stream is not the caller's to close.
// ERR_REFUSED: nothing can be encrypted to this certificate.
MUST_USE enum result cli_recipient_begin(struct cli_recipient *recipient, FILE **out);
// Everything is written: brings it to standard output. ERR_IO. What is encrypted and does not end so opens
// to nothing whole.
MUST_USE enum result cli_recipient_end(struct cli_recipient *recipient);
void cli_recipient_free(struct cli_recipient *recipient); // NULL is fine
