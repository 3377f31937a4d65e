// SPDX-License-Identifier: Apache-2.0
//
// Loading certificates and keys: every fault is told with the file's name and in words.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
        .pairs = {{certificates_path(certificate), key != NULL ? certificates_path(key) : NULL}},
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
        {"good.pem", "locked.key", "ca.pem", ERR_REFUSED, {"locked.key", "passphrase"}},
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
        .pairs = {{certificates_path("good.pem"), certificates_path("good.key")},
                  {certificates_path("rsa.pem"), certificates_path("rsa.key")}},
        .pair_count = 2,
    };
    assert_int_equal(tls_context_new(&options, error, &context), OK);
    uint64_t now = (uint64_t)time(NULL);
    assert_in_range(tls_context_expires(context), now + 86000, now + 86500);
    struct tls_context *second = tls_context_ref(context);
    tls_context_unref(&context);
    assert_null(context);
    assert_int_equal(tls_context_role(second), TLS_SERVER);
    tls_context_unref(&second);
    options.pair_count = 0;
    assert_int_equal(tls_context_new(&options, error, &context), ERR_ARGUMENT);
    assert_non_null(strstr(error, "certificate"));
}

// PS3.15 B.12, typed here by hand: nothing but ephemeral key exchange with AES-GCM for 1.2, and the suites
// of 1.3.
static void test_profile(void **state)
{
    (void)state;
    const char *allowed[] = {
        "TLS_AES_256_GCM_SHA384",        "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",  "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",   "DHE-RSA-AES256-GCM-SHA384",    "DHE-RSA-AES128-GCM-SHA256",
    };
    size_t count = sizeof allowed / sizeof allowed[0];
    struct tls_context *context = NULL;
    struct tls_options options = {.role = TLS_CLIENT, .verify = TLS_VERIFY_NONE};
    assert_int_equal(tls_profile_parse("bcp195-rfc8996", &options.profile), OK);
    assert_string_equal(tls_profile_name(options.profile), "bcp195-rfc8996");
    assert_int_equal(tls_profile_parse("aes", &options.profile), ERR_MISSING);
    assert_int_equal(tls_context_new(&options, error, &context), OK);
    STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(context->ssl);
    assert_int_equal(sk_SSL_CIPHER_num(suites), count);
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        bool found = false;
        for (size_t j = 0; j < count; j++)
            found = found || strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i)), allowed[j]) == 0;
        assert_true(found);
    }
    assert_int_equal(SSL_CTX_get_min_proto_version(context->ssl), TLS1_2_VERSION);
    tls_context_unref(&context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_named),
        cmocka_unit_test(test_two_kinds_of_key_and_expiry),
        cmocka_unit_test(test_profile),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
