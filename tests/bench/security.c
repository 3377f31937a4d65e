// SPDX-License-Identifier: Apache-2.0
#include "security.h"

#include <stdio.h>
#include <stdlib.h>

void security_open(struct security *security, enum tls_role role)
{
    char error[TLS_ERROR_MAX] = "";
    if (security->certificate == NULL)
        return;
    if (role == TLS_SERVER && tls_tickets_new(&security->tickets) != OK)
        abort();
    struct tls_options options = {.role = role,
                                  .profile = TLS_PROFILE_BCP195_RFC8996,
                                  .verify = TLS_VERIFY_REQUIRED,
                                  .pairs = {{.certificate = security->certificate, .key = security->key}},
                                  .pair_count = 1,
                                  .ca_file = security->ca,
                                  .tickets = security->tickets};
    if (tls_context_new(&options, error, &security->context) != OK) {
        fprintf(stderr, "%s\n", error);
        exit(2);
    }
}
