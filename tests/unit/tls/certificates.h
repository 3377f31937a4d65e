// SPDX-License-Identifier: Apache-2.0
//
// Certificates for tests, made at run time in a folder of their own.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

struct issue {
    const char *file;    // file.pem and file.key are written
    const char *cn;      // NULL: the file's name
    const char *names;   // subjectAltName as in openssl.cnf, NULL: none
    const char *purpose; // extendedKeyUsage, NULL: both
    int rsa_bits;        // 0: a P-256 key
    long from, to;       // validity in seconds from now; 0 and 0: an hour back to a day ahead
    bool leave_out_key;
};

// Makes the folder; aborts on failure, as everything here.
void certificates_begin(void);
void certificates_end(void);
// The path of a file in the folder; good until the sixteenth call after this.
const char *certificates_path(const char *file);
void certificates_write(const char *file, const char *text);

// `file` becomes one file after the other.
void certificates_join(const char *file, const char *one, const char *other);

// A self-signed authority; also written as file.pem.
struct authority authority_new(const char *file);
void authority_free(struct authority *authority);
void authority_issue(const struct authority *authority, const struct issue *issue);
// An authority below another one; also written as file.pem.
struct authority authority_below(const struct authority *above, const char *file);
// Writes the authority's list as crl_file.pem, good for `lifetime` seconds from now (below 0: expired), that
// revokes the certificate in revoked.pem (NULL: none).
void authority_list(const struct authority *authority, const char *crl_file, const char *revoked,
                    long lifetime);
// The same in DER, as crl_file.der.
void authority_list_der(const char *crl_file);
