// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate crosswalk export`: the rows as the CSV that an import takes, to standard output (FIELD 18):
// encrypted to a recipient's certificate as CMS (RFC 5652, AES-256 in CBC), which `openssl cms -decrypt`
// opens, or in clear for a reason. It is in the log of acts before the first row leaves.
#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include "base/cursor.h"
#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "cli/crosswalk.h"

enum { LINE_BYTES = 4096 };

static const char header[] =
    "source_domain,source_id,target_domain,target_id,name,birth_date,sex,preferred,effective\r\n";

struct export
{
    const struct cli *cli;
    const struct crosswalk *crosswalk;
    X509 *certificate; // NULL: in clear
    BIO *out;
};

static X509 *certificate_read(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file != NULL ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file != NULL)
        (void)fclose(file);
    return certificate;
}

// ---- rows

static void field_put(struct writer *line, const char *text)
{
    writer_u8(line, '"');
    for (; *text != 0; text++) {
        if (*text == '"')
            writer_u8(line, '"');
        writer_u8(line, (uint8_t)*text);
    }
    writer_u8(line, '"');
}

static void effective_print(uint64_t time, char *to, size_t capacity)
{
    struct tm parts;
    time_t seconds = (time_t)(time / NSEC_PER_SEC);
    to[0] = 0;
    if (time != 0 && gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(to, capacity, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static enum result on_row(void *argument, const struct crosswalk_row *row)
{
    struct export *export = argument;
    uint8_t memory[LINE_BYTES];
    char effective[32];
    struct writer line = writer_of(memory, sizeof memory);
    effective_print(row->effective, effective, sizeof effective);
    const char *fields[] = {crosswalk_domain_name(export->crosswalk, row->from),
                            row->source.text,
                            crosswalk_domain_name(export->crosswalk, row->to),
                            row->target.text,
                            row->name,
                            row->birth_date,
                            row->sex,
                            row->is_preferred ? "yes" : "",
                            effective};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (i > 0)
            writer_u8(&line, ',');
        field_put(&line, fields[i]);
    }
    writer_put(&line, "\r\n", 2);
    bool is_written = !line.failed && BIO_write(export->out, memory, (int)line.length) == (int)line.length;
    wipe(memory, sizeof memory);
    return is_written ? OK : ERR_IO;
}

static enum result rows_write(struct export *export, struct crosswalk_reader *reader)
{
    if (BIO_write(export->out, header, sizeof header - 1) != (int)sizeof header - 1)
        return ERR_IO;
    enum result result = crosswalk_rows_each(reader, on_row, export);
    return result == OK && BIO_flush(export->out) != 1 ? ERR_IO : result;
}

// ---- encrypted

static enum result encrypted_write(struct export *export, struct crosswalk_reader *reader, BIO *plain_out)
{
    STACK_OF(X509) *recipients = sk_X509_new_null();
    CMS_ContentInfo *cms = NULL;
    if (recipients != NULL && sk_X509_push(recipients, export->certificate) > 0)
        cms = CMS_encrypt(recipients, NULL, EVP_aes_256_cbc(), CMS_BINARY | CMS_STREAM);
    export->out = cms != NULL ? BIO_new_CMS(plain_out, cms) : NULL;
    enum result result = export->out != NULL ? rows_write(export, reader) : ERR_REFUSED;
    while (export->out != NULL && export->out != plain_out) { // the chain ends in the plain one
        BIO *next = BIO_pop(export->out);
        (void)BIO_free(export->out);
        export->out = next;
    }
    CMS_ContentInfo_free(cms);
    sk_X509_free(recipients);
    return result;
}

static enum cli_exit export_write(struct export *export, struct crosswalk_reader *reader)
{
    enum result result = ERR_NOMEM;
    BIO *out = BIO_new_fp(stdout, BIO_NOCLOSE);
    if (out != NULL && export->certificate != NULL) {
        result = encrypted_write(export, reader, out);
    } else if (out != NULL) {
        export->out = out;
        result = rows_write(export, reader);
    }
    BIO_free(out);
    if (result == ERR_REFUSED)
        return cli_complain(export->cli, CLI_REFUSED, "nothing can be encrypted to this certificate");
    if (result == ERR_IO)
        return cli_complain(export->cli, CLI_INTERNAL, "the output can not be written");
    return cli_crosswalk_result(export->cli, result);
}

// ---- the order

static enum cli_exit note(const struct cli *cli, X509 *certificate)
{
    uint8_t digest[32];
    unsigned length = sizeof digest;
    char text[2 * sizeof digest + 1];
    json_t *answer;
    json_t *body = json_pack("{s:s, s:s}", "person", cli->person, "reason", cli->reason);
    if (certificate != NULL && X509_digest(certificate, EVP_sha256(), digest, &length) == 1) {
        text_hex(text, sizeof text, slice_of(digest, sizeof digest));
        (void)json_object_set_new(body, "recipient", json_string(text));
    }
    enum cli_exit status = cli_crosswalk_order(cli, "export", body, &answer);
    json_decref(answer);
    return status;
}

static enum cli_exit export_run(struct export *export)
{
    struct cli_crosswalk crosswalk;
    enum cli_exit status = note(export->cli, export->certificate);
    if (status != CLI_FINE)
        return status;
    status = cli_crosswalk_open(export->cli, true, &crosswalk);
    export->crosswalk = crosswalk.store.crosswalk;
    if (status == CLI_FINE)
        status = export_write(export, crosswalk.reader);
    cli_crosswalk_close(&crosswalk);
    return status;
}

enum cli_exit cli_crosswalk_export(struct cli *cli)
{
    struct export export = {.cli = cli};
    bool is_clear = (cli->given & CLI_OPTION_CLEAR) != 0;
    if (is_clear == (cli->to != NULL))
        return cli_complain(cli, CLI_USAGE, "either --to CERTIFICATE, or --clear");
    if (cli->person == NULL || cli->reason == NULL)
        return cli_complain(cli, CLI_USAGE, "say who and why, with --person and --reason: it is recorded");
    if (!is_clear && (export.certificate = certificate_read(cli->to)) == NULL)
        return cli_complain(cli, CLI_USAGE, "%s is not a certificate in PEM", cli->to);
    enum cli_exit status = export_run(&export);
    X509_free(export.certificate);
    return status;
}
