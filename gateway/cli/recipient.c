// SPDX-License-Identifier: Apache-2.0
#include "cli/recipient.h"

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/wipe.h"

enum { BUFFER = 64 * 1024 };

struct cli_recipient {
    X509 *certificate; // NULL: in clear
    char digest[65];
    CMS_ContentInfo *cms;
    BIO *plain;          // standard output
    BIO *chain;          // encrypts into it, and ends in it
    FILE *stream;        // into the chain
    char buffer[BUFFER]; // of the stream: patient data
};

static X509 *certificate_read(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file != NULL)
        (void)fclose(file);
    return certificate;
}

enum result cli_recipient_new(const char *path, struct cli_recipient **out)
{
    uint8_t digest[32];
    unsigned length = sizeof digest;
    struct cli_recipient *recipient = calloc(1, sizeof *recipient);
    if (recipient == NULL)
        return ERR_NOMEM;
    if (path != NULL) {
        recipient->certificate = certificate_read(path);
        if (recipient->certificate == NULL ||
            X509_digest(recipient->certificate, EVP_sha256(), digest, &length) != 1) {
            cli_recipient_free(recipient);
            return ERR_ARGUMENT;
        }
        text_hex(recipient->digest, sizeof recipient->digest, slice_of(digest, sizeof digest));
    }
    *out = recipient;
    return OK;
}

const char *cli_recipient_digest(const struct cli_recipient *recipient)
{
    return recipient->certificate != NULL ? recipient->digest : NULL;
}

static ssize_t on_write(void *cookie, const char *data, size_t length)
{
    struct cli_recipient *recipient = cookie;
    return BIO_write(recipient->chain, data, (int)length) == (int)length ? (ssize_t)length : 0;
}

static bool chain_make(struct cli_recipient *recipient)
{
    STACK_OF(X509) *recipients = sk_X509_new_null();
    if (recipients != NULL && sk_X509_push(recipients, recipient->certificate) > 0)
        recipient->cms = CMS_encrypt(recipients, NULL, EVP_aes_256_cbc(), CMS_BINARY | CMS_STREAM);
    sk_X509_free(recipients);
    if (recipient->cms != NULL)
        recipient->plain = BIO_new_fp(stdout, BIO_NOCLOSE);
    if (recipient->plain != NULL)
        recipient->chain = BIO_new_CMS(recipient->plain, recipient->cms);
    return recipient->chain != NULL;
}

enum result cli_recipient_begin(struct cli_recipient *recipient, FILE **out)
{
    if (recipient->certificate == NULL) {
        *out = stdout;
        return OK;
    }
    if (!chain_make(recipient))
        return ERR_REFUSED;
    recipient->stream = fopencookie(recipient, "w", (cookie_io_functions_t){.write = on_write});
    if (recipient->stream == NULL)
        return ERR_NOMEM;
    (void)setvbuf(recipient->stream, recipient->buffer, _IOFBF, sizeof recipient->buffer);
    *out = recipient->stream;
    return OK;
}

enum result cli_recipient_end(struct cli_recipient *recipient)
{
    bool is_written = true;
    if (recipient->stream != NULL) {
        is_written = ferror(recipient->stream) == 0;
        is_written = fclose(recipient->stream) == 0 && is_written;
        recipient->stream = NULL;
        is_written = is_written && BIO_flush(recipient->chain) == 1;
    }
    return is_written && ferror(stdout) == 0 && fflush(stdout) == 0 ? OK : ERR_IO;
}

void cli_recipient_free(struct cli_recipient *recipient)
{
    if (recipient == NULL)
        return;
    if (recipient->stream != NULL)
        (void)fclose(recipient->stream);
    while (recipient->chain != NULL && recipient->chain != recipient->plain) {
        BIO *next = BIO_pop(recipient->chain);
        (void)BIO_free(recipient->chain);
        recipient->chain = next;
    }
    BIO_free(recipient->plain);
    CMS_ContentInfo_free(recipient->cms);
    X509_free(recipient->certificate);
    wipe(recipient, sizeof *recipient);
    free(recipient);
}
