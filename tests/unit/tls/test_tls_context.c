// SPDX-License-Identifier: Apache-2.0
//
// Loading certificates and keys: every fault is told with the file's name and in words.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "certificates.h"
#include "internal.h"

static struct authority ca;

static int set_up(void **state)
{
    (void)state;
    certificates_begin();
    ca = authority_new("ca");
    authority_issue(&ca, &(struct issue){.file = "good"});
    authority_issue(&ca, &(struct issue){.file = "other"});
    authority_issue(&ca, &(struct issue){.file = "rsa", .rsa_bits = 2048});
    authority_issue(&ca, &(struct issue){.file = "weak", .rsa_bits = 1024});
    authority_issue(&ca, &(struct issue){.file = "old", .from = -7200, .to = -3600});
    authority_issue(&ca, &(struct issue){.file = "young", .from = 3600, .to = 7200});
    certificates_write("text.pem", "hello\n");
    FILE *in = fopen(certificates_path("good.key"), "r");
    FILE *out = fopen(certificates_path("locked.key"), "w");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    int done =
        PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL);
    EVP_PKEY_free(key);
    return fclose(in) == 0 && fclose(out) == 0 && done == 1 ? 0 : -1;
}

static int take_down(void **state)
{
    (void)state;
    authority_free(&ca);
    certificates_end();
    return 0;
}

static char error[TLS_ERROR_MAX];

static enum result load(const char *certificate, const char *key, const char *authorities)
{
    struct tls_context *context = NULL;
    struct tls_options options = {
        .role = TLS_SERVER,
        .verify = TLS_VERIFY_REQUIRED,
        .pairs = {{.certificate = certificates_path(certificate),
                   .key = key != NULL ? certificates_path(key) : NULL}},
        .pair_count = 1,
        .ca_file = authorities != NULL ? certificates_path(authorities) : NULL,
        .now = (uint64_t)time(NULL),
    };
    enum result result = tls_context_new(&options, error, &context);
    tls_context_unref(&context);
    return result;
}

static void test_faults_are_named(void **state)
{
    (void)state;
    const struct {
        const char *certificate, *key, *authorities;
        enum result result;
        const char *words[2];
    } rows[] = {
        {"good.pem", "good.key", "ca.pem", OK, {"", ""}},
        {"none.pem", "good.key", "ca.pem", ERR_MISSING, {"certificate file", "none.pem: No such file"}},
        {"text.pem", "good.key", "ca.pem", ERR_FORMAT, {"text.pem", "no PEM certificate"}},
        {"good.pem", "none.key", "ca.pem", ERR_MISSING, {"key file", "none.key: No such file"}},
        {"good.pem", "text.pem", "ca.pem", ERR_FORMAT, {"key file", "no PEM private key"}},
        {"good.pem", NULL, "ca.pem", ERR_FORMAT, {"good.pem", "no PEM private key"}},
        {"good.pem", "locked.key", "ca.pem", ERR_REFUSED, {"locked.key", "key_passphrase"}},
        {"good.pem",
         "other.key",
         "ca.pem",
         ERR_REFUSED,
         {"other.key", "does not belong to the certificate in"}},
        {"good.pem", "rsa.key", "ca.pem", ERR_REFUSED, {"rsa.key", "does not belong"}},
        {"old.pem", "old.key", "ca.pem", ERR_REFUSED, {"old.pem", "expired on 2"}},
        {"young.pem", "young.key", "ca.pem", ERR_REFUSED, {"young.pem", "not valid before 2"}},
        {"weak.pem", "weak.key", "ca.pem", ERR_REFUSED, {"weak.pem", "too small"}},
        {"good.pem", "good.key", "none.pem", ERR_MISSING, {"CA file", "none.pem: No such file"}},
        {"good.pem", "good.key", "text.pem", ERR_FORMAT, {"CA file", "no PEM certificate"}},
        {"good.pem", "good.key", NULL, ERR_ARGUMENT, {"CA file", "needed"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum result result = load(rows[i].certificate, rows[i].key, rows[i].authorities);
        if (result != rows[i].result || strstr(error, rows[i].words[0]) == NULL ||
            strstr(error, rows[i].words[1]) == NULL)
            fail_msg("row %zu: %d %s", i, result, error);
        assert_null(strstr(error, "secret"));
    }
}

static void test_two_kinds_of_key_and_expiry(void **state)
{
    (void)state;
    struct tls_context *context = NULL;
    struct tls_options options = {
        .role = TLS_SERVER,
        .verify = TLS_VERIFY_NONE,
        .pairs = {{.certificate = certificates_path("good.pem"), .key = certificates_path("good.key")},
                  {.certificate = certificates_path("rsa.pem"), .key = certificates_path("rsa.key")}},
        .pair_count = 2,
    };
    assert_int_equal(tls_context_new(&options, error, &context), OK);
    uint64_t now = (uint64_t)time(NULL);
    const struct tls_document *documents;
    assert_int_equal(tls_context_documents(context, &documents), 2);
    assert_in_range(documents[0].expires, now + 86000, now + 86500);
    assert_int_equal(documents[0].kind, TLS_DOCUMENT_CERTIFICATE);
    assert_string_equal(documents[0].subject, "CN=good,O=Test");
    assert_string_equal(documents[1].file, certificates_path("rsa.pem"));
    struct tls_context *second = tls_context_ref(context);
    tls_context_unref(&context);
    assert_null(context);
    assert_int_equal(tls_context_role(second), TLS_SERVER);
    tls_context_unref(&second);
    options.pair_count = 0;
    assert_int_equal(tls_context_new(&options, error, &context), ERR_ARGUMENT);
    assert_non_null(strstr(error, "certificate"));
    options.pair_count = 2;
    options.pairs[1] = (struct tls_key_pair){.certificate = certificates_path("other.pem"),
                                             .key = certificates_path("other.key")};
    assert_int_equal(tls_context_new(&options, error, &context), ERR_REFUSED);
    assert_non_null(strstr(error, "a second one with this kind of key (EC)"));
}

// ---- Passphrases ----

static enum result open_locked(const char *file, const char *credential)
{
    struct tls_context *context = NULL;
    struct tls_options options = {
        .role = TLS_SERVER,
        .verify = TLS_VERIFY_NONE,
        .pairs = {{.certificate = certificates_path("good.pem"),
                   .key = certificates_path("locked.key"),
                   .passphrase_file = file != NULL ? certificates_path(file) : NULL,
                   .passphrase_credential = credential}},
        .pair_count = 1,
    };
    enum result result = tls_context_new(&options, error, &context);
    tls_context_unref(&context);
    assert_null(strstr(error, "secret"));
    return result;
}

static void write_passphrase(const char *file, const char *text, unsigned mode)
{
    certificates_write(file, text);
    assert_int_equal(chmod(certificates_path(file), (mode_t)mode), 0);
}

static void test_passphrase(void **state)
{
    (void)state;
    write_passphrase("right.txt", "secret\nanything else\n", 0600);
    assert_int_equal(open_locked("right.txt", NULL), OK);
    write_passphrase("bare.txt", "secret", 0400);
    assert_int_equal(open_locked("bare.txt", NULL), OK);
    write_passphrase("windows.txt", "secret\r\n", 0600);
    assert_int_equal(open_locked("windows.txt", NULL), OK);
    write_passphrase("wrong.txt", "guess\n", 0600);
    assert_int_equal(open_locked("wrong.txt", NULL), ERR_REFUSED);
    assert_non_null(strstr(error, "locked.key: the passphrase in "));
    assert_non_null(strstr(error, "wrong.txt does not open it"));
    write_passphrase("open.txt", "secret\n", 0640);
    assert_int_equal(open_locked("open.txt", NULL), ERR_REFUSED);
    assert_non_null(strstr(error, "open.txt: others may read or write it; make it mode 0600"));
    write_passphrase("empty.txt", "\nsecret\n", 0600);
    assert_int_equal(open_locked("empty.txt", NULL), ERR_FORMAT);
    assert_non_null(strstr(error, "empty.txt: its first line is empty"));
    assert_int_equal(open_locked("none.txt", NULL), ERR_MISSING);
    assert_non_null(strstr(error, "none.txt: No such file"));
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    write_passphrase("long.txt", longer, 0600);
    assert_int_equal(open_locked("long.txt", NULL), ERR_FORMAT);
}

static void test_passphrase_from_a_credential(void **state)
{
    (void)state;
    write_passphrase("gateway-key", "secret\n", 0400);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(open_locked(NULL, "gateway-key"), ERR_MISSING);
    assert_non_null(strstr(error, "CREDENTIALS_DIRECTORY is not set"));
    char folder[400];
    snprintf(folder, sizeof folder, "%s", certificates_path(""));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_int_equal(open_locked(NULL, "gateway-key"), OK);
    assert_int_equal(open_locked(NULL, "../gateway-key"), ERR_ARGUMENT);
    unsetenv("CREDENTIALS_DIRECTORY");
}

// ---- Profiles ----

// What a client of this profile offers is exactly this, whatever the order; never a pre-shared key.
static void expect_suites(enum tls_profile profile, const char *name, const char *const *allowed,
                          size_t count)
{
    struct tls_context *context = NULL;
    struct tls_options options = {.role = TLS_CLIENT, .verify = TLS_VERIFY_NONE, .profile = profile};
    assert_string_equal(tls_profile_name(profile), name);
    assert_int_equal(tls_context_new(&options, error, &context), OK);
    SSL *ssl = SSL_new(context->ssl);
    STACK_OF(SSL_CIPHER) *suites =
        SSL_get1_supported_ciphers(ssl); // after the security level has had its say
    assert_int_equal(sk_SSL_CIPHER_num(suites), count);
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        const char *suite = SSL_CIPHER_standard_name(sk_SSL_CIPHER_value(suites, i));
        bool found = false;
        for (size_t j = 0; j < count; j++)
            found = found || strcmp(suite, allowed[j]) == 0;
        if (!found || strstr(suite, "PSK") != NULL)
            fail_msg("%s has %s", name, suite);
    }
    assert_int_equal(SSL_CTX_get_min_proto_version(context->ssl), TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_get_max_proto_version(context->ssl), TLS1_3_VERSION);
    sk_SSL_CIPHER_free(suites);
    SSL_free(ssl);
    tls_context_unref(&context);
}

// Typed by hand from PS3.15 B.12 and RFC 9325 4.2, and from B.13 without Camellia.
static void test_profiles(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    };
    static const char *const modified[] = {
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    };
    expect_suites(TLS_PROFILE_BCP195_RFC8996, "bcp195-rfc8996", plain, sizeof plain / sizeof plain[0]);
    expect_suites(TLS_PROFILE_MODIFIED_BCP195_RFC8996, "modified-bcp195-rfc8996", modified,
                  sizeof modified / sizeof modified[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_named), cmocka_unit_test(test_two_kinds_of_key_and_expiry),
        cmocka_unit_test(test_passphrase),       cmocka_unit_test(test_passphrase_from_a_credential),
        cmocka_unit_test(test_profiles),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
