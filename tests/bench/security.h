// SPDX-License-Identifier: Apache-2.0
//
// The TLS side of load and archive: three PEM files, or none for plain DICOM.
#pragma once

#include "net/dial.h"
#include "tls/context.h"
#include "tls/transport.h"

struct security {
    const char *ca, *certificate, *key; // NULL: plain
    struct tls_context *context;
    struct tls_tickets *tickets;
};

// Ends the program with a message where a file is bad.
void security_open(struct security *security, enum tls_role role);
