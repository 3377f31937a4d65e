// SPDX-License-Identifier: Apache-2.0
#include "certificates.h"

#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"

static char folder[64];
static long serial = 1;

void certificates_begin(void)
{
    text_format(folder, sizeof folder, "/tmp/dg-tls-XXXXXX");
    ensure(mkdtemp(folder) != NULL);
}

void certificates_end(void)
{
    DIR *dir = opendir(folder);
    ensure(dir != NULL);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.')
            unlink(certificates_path(entry->d_name));
    }
    closedir(dir);
    rmdir(folder);
}

const char *certificates_path(const char *file)
{
    static char paths[16][400];
    static unsigned next;
    char *path = paths[next++ % 16];
    ensure(text_format(path, sizeof paths[0], "%s/%s", folder, file));
    return path;
}

void certificates_write(const char *file, const char *text)
{
    FILE *out = fopen(certificates_path(file), "w");
    ensure(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
}

void certificates_join(const char *file, const char *one, const char *other)
{
    char text[16384] = "";
    const char *parts[] = {one, other};
    for (size_t i = 0; i < 2; i++) {
        FILE *in = fopen(certificates_path(parts[i]), "r");
        ensure(in != NULL);
        size_t at = strlen(text);
        at += fread(text + at, 1, sizeof text - at - 1, in);
        text[at] = 0;
        fclose(in);
    }
    certificates_write(file, text);
}

static FILE *open_with(const char *file, const char *ending)
{
    char name[256];
    text_format(name, sizeof name, "%s%s", file, ending);
    FILE *out = fopen(certificates_path(name), "w");
    ensure(out != NULL);
    return out;
}

static void write_certificate(const char *file, X509 *certificate)
{
    FILE *out = open_with(file, ".pem");
    ensure(PEM_write_X509(out, certificate) == 1 && fclose(out) == 0);
}

static void write_key(const char *file, EVP_PKEY *key)
{
    FILE *out = open_with(file, ".key");
    ensure(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(out) == 0);
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ensure(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(const char *cn, EVP_PKEY *key, long from, long to)
{
    X509 *certificate = X509_new();
    ensure(certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to);
    X509_NAME *name = X509_get_subject_name(certificate);
    ensure(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Test", -1, -1, 0) ==
           1);
    ensure(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1);
    ensure(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

struct authority authority_new(const char *file)
{
    struct authority authority = {.key = EVP_EC_gen("P-256")};
    authority.certificate = certificate_new(file, authority.key, -3600, 86400);
    X509 *certificate = authority.certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    ensure(X509_sign(certificate, authority.key, EVP_sha256()) > 0);
    write_certificate(file, certificate);
    return authority;
}

struct authority authority_below(const struct authority *above, const char *file)
{
    struct authority authority = {.key = EVP_EC_gen("P-256")};
    authority.certificate = certificate_new(file, authority.key, -3600, 86400);
    X509 *certificate = authority.certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(above->certificate));
    extend(certificate, above->certificate, NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate, above->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    ensure(X509_sign(certificate, above->key, EVP_sha256()) > 0);
    write_certificate(file, certificate);
    return authority;
}

void authority_free(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

void authority_issue(const struct authority *authority, const struct issue *issue)
{
    bool usual = issue->from == 0 && issue->to == 0;
    EVP_PKEY *key = issue->rsa_bits > 0 ? EVP_RSA_gen((unsigned)issue->rsa_bits) : EVP_EC_gen("P-256");
    ensure(key != NULL);
    X509 *certificate = certificate_new(issue->cn != NULL ? issue->cn : issue->file, key,
                                        usual ? -3600 : issue->from, usual ? 86400 : issue->to);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate));
    extend(certificate, authority->certificate, NID_basic_constraints, "CA:FALSE");
    extend(certificate, authority->certificate, NID_ext_key_usage,
           issue->purpose != NULL ? issue->purpose : "serverAuth,clientAuth");
    if (issue->names != NULL)
        extend(certificate, authority->certificate, NID_subject_alt_name, issue->names);
    ensure(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    write_certificate(issue->file, certificate);
    if (!issue->leave_out_key)
        write_key(issue->file, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void list_revokes(X509_CRL *crl, const char *revoked, const ASN1_TIME *when)
{
    char name[256];
    text_format(name, sizeof name, "%s.pem", revoked);
    FILE *in = fopen(certificates_path(name), "r");
    X509 *certificate = in != NULL ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    ensure(certificate != NULL);
    fclose(in);
    X509_REVOKED *entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate));
    X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)(uintptr_t)when);
    ensure(X509_CRL_add0_revoked(crl, entry) == 1);
    X509_free(certificate);
}

void authority_list(const struct authority *authority, const char *crl_file, const char *revoked,
                    long lifetime)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *before = X509_gmtime_adj(NULL, -7200), *after = X509_gmtime_adj(NULL, lifetime);
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority->certificate));
    X509_CRL_set1_lastUpdate(crl, before);
    X509_CRL_set1_nextUpdate(crl, after);
    if (revoked != NULL)
        list_revokes(crl, revoked, before);
    ensure(X509_CRL_sign(crl, authority->key, EVP_sha256()) > 0);
    FILE *out = open_with(crl_file, ".pem");
    ensure(PEM_write_X509_CRL(out, crl) == 1 && fclose(out) == 0);
    ASN1_TIME_free(before);
    ASN1_TIME_free(after);
    X509_CRL_free(crl);
}

void authority_list_der(const char *crl_file)
{
    char name[256];
    text_format(name, sizeof name, "%s.pem", crl_file);
    FILE *in = fopen(certificates_path(name), "r");
    X509_CRL *crl = in != NULL ? PEM_read_X509_CRL(in, NULL, NULL, NULL) : NULL;
    ensure(crl != NULL);
    fclose(in);
    FILE *out = open_with(crl_file, ".der");
    ensure(i2d_X509_CRL_fp(out, crl) == 1 && fclose(out) == 0);
    X509_CRL_free(crl);
}
