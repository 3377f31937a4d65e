// SPDX-License-Identifier: Apache-2.0
//
// Primitives against published vectors; sealing, opening, nonces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto.h"
#include "key.h"
#include "seal/seal.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void unhex(const char *text, uint8_t *bytes, size_t length)
{
    assert_int_equal(text_unhex(text, bytes, length), OK);
}

// RFC 3394 4.3, 4.5 and 4.6: the vectors with a key-encryption key of 256 bits.
static void test_key_wrap_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        const char *wrapped;
        size_t length;
    } vectors[] = {
        {"00112233445566778899aabbccddeeff", "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7", 16},
        {"00112233445566778899aabbccddeeff0001020304050607",
         "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1", 24},
        {"00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
         "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", 32},
    };
    uint8_t key[32];
    unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", key, 32);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        size_t length = vectors[i].length;
        uint8_t data[32], expected[40], wrapped[40], back[32];
        unhex(vectors[i].data, data, length);
        unhex(vectors[i].wrapped, expected, length + 8);
        assert_int_equal(crypto_wrap(key, slice_of(data, length), wrapped), OK);
        assert_memory_equal(wrapped, expected, length + 8);
        assert_int_equal(crypto_unwrap(key, slice_of(wrapped, length + 8), back), OK);
        assert_memory_equal(back, data, length);
        wrapped[length] ^= 1;
        assert_int_equal(crypto_unwrap(key, slice_of(wrapped, length + 8), back), ERR_CRYPTO);
    }
}

// RFC 4231 4.2 has a key of 20 bytes; ours are 32, so the expectation comes from Python's hmac.
static void test_hmac(void **state)
{
    (void)state;
    uint8_t key[32], expected[32], out[32];
    for (uint8_t i = 0; i < 32; i++)
        key[i] = i;
    assert_int_equal(crypto_hmac(key, slice_of_text("Hi There"), out), OK);
    unhex("278639ec02309d3afded1b273f1349ba63b9089c12476d716bee3ecc94673e9e", expected, 32);
    assert_memory_equal(out, expected, 32);
    assert_int_equal(crypto_derive(key, slice_of_text("label"), out), OK);
    unhex("479dd84d163df1782566e1803faf199e24d3af4dcc119c299dc0190b1c46198f", expected, 32);
    assert_memory_equal(out, expected, 32);
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 15's key and text, with the nonce that
// ours are made of; the expectation comes from Python's cryptography.
static void test_gcm_with_our_nonce(void **state)
{
    (void)state;
    uint8_t bytes[32], plain[64], expected[64], expected_tag[16], sealed[64], tag[16], back[64];
    unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", bytes, 32);
    unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
          plain, 64);
    unhex("0ce03d4ee116e6cfb031d9b1d7de0226c0c38602399b686529ddde7e29663ca2"
          "7a0aa53f100ce35a5e1f51d9cdd1bf3bde77eb1442961164b4b976871c1894a1",
          expected, 64);
    unhex("9efc04290455df46465785d43df1aca8", expected_tag, 16);
    struct seal_key *key;
    struct seal_cipher *cipher;
    assert_int_equal(seal_key_make(7, 9, bytes, true, &key), OK);
    assert_int_equal(seal_cipher_new(&cipher), OK);
    (void)seal_key_nonce_take(key);
    uint64_t nonce = seal_key_nonce_take(key);
    assert_int_equal(nonce, 2);
    struct slice parts[3] = {slice_of(plain, 10), slice_of(NULL, 0), slice_of(plain + 10, 54)};
    struct slice aad = slice_of_text("header");
    assert_int_equal(seal_seal(cipher, key, nonce, aad, parts, 3, sealed, tag), OK);
    assert_memory_equal(sealed, expected, 64);
    assert_memory_equal(tag, expected_tag, 16);
    assert_int_equal(seal_open(cipher, key, nonce, aad, slice_of(sealed, 64), tag, back), OK);
    assert_memory_equal(back, plain, 64);
    seal_cipher_free(cipher);
    seal_key_unref(key);
}

struct pair {
    struct seal_key *key;
    struct seal_cipher *cipher;
};

static int pair_begin(void **state)
{
    static struct pair pair;
    uint8_t bytes[32] = {1, 2, 3};
    if (seal_key_make(1, 2, bytes, true, &pair.key) != OK || seal_cipher_new(&pair.cipher) != OK)
        return -1;
    *state = &pair;
    return 0;
}

static int pair_end(void **state)
{
    struct pair *pair = *state;
    seal_cipher_free(pair->cipher);
    seal_key_unref(pair->key);
    return 0;
}

static void test_tampering_is_found(void **state)
{
    struct pair *pair = *state;
    uint8_t buffer[100], tag[16], out[100], zeros[100] = {0};
    memset(buffer, 'p', sizeof buffer);
    struct slice plain = slice_of(buffer, sizeof buffer);
    struct slice aad = slice_of_text("aad");
    uint64_t nonce = seal_key_nonce_take(pair->key);
    assert_int_equal(seal_seal(pair->cipher, pair->key, nonce, aad, &plain, 1, buffer, tag), OK); // in place
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, aad, plain, tag, out), OK);
    assert_int_equal(out[99], 'p');
    buffer[50] ^= 1;
    memset(out, 'x', sizeof out);
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, aad, plain, tag, out), ERR_CRYPTO);
    assert_memory_equal(out, zeros, sizeof out);
    buffer[50] ^= 1;
    tag[15] ^= 1;
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, aad, plain, tag, out), ERR_CRYPTO);
    tag[15] ^= 1;
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce + 1, aad, plain, tag, out), ERR_CRYPTO);
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, slice_of_text("aae"), plain, tag, out),
                     ERR_CRYPTO);
    uint8_t other_bytes[32] = {9};
    struct seal_key *other;
    assert_int_equal(seal_key_make(1, 2, other_bytes, false, &other), OK);
    assert_int_equal(seal_open(pair->cipher, other, nonce, aad, plain, tag, out), ERR_CRYPTO);
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, aad, plain, tag, out), OK);
    seal_key_unref(other);
}

static void test_empty_messages(void **state)
{
    struct pair *pair = *state;
    uint8_t tag[16], out[1];
    struct slice none = slice_of(NULL, 0);
    uint64_t nonce = seal_key_nonce_take(pair->key);
    assert_int_equal(seal_seal(pair->cipher, pair->key, nonce, none, NULL, 0, out, tag), OK);
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, none, none, tag, out), OK);
    tag[0] ^= 1;
    assert_int_equal(seal_open(pair->cipher, pair->key, nonce, none, none, tag, out), ERR_CRYPTO);
}

// Runs a seal that must stop the program, in a process of its own.
static void assert_seal_aborts(struct pair *pair, uint64_t nonce)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        uint8_t tag[16], out[1];
        _exit(seal_seal(pair->cipher, pair->key, nonce, slice_of(NULL, 0), NULL, 0, out, tag) == OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_nonces_are_used_once(void **state)
{
    struct pair *pair = *state;
    uint8_t tag[16], out[1];
    uint64_t first = seal_key_nonce_take(pair->key);
    uint64_t second = seal_key_nonce_take(pair->key);
    assert_true(second == first + 1);
    assert_seal_aborts(pair, second + 1); // not taken
    assert_int_equal(seal_seal(pair->cipher, pair->key, second, slice_of(NULL, 0), NULL, 0, out, tag), OK);
    assert_seal_aborts(pair, second); // again
    assert_seal_aborts(pair, first);  // older
    uint8_t bytes[32] = {0};
    struct pair reader = {NULL, pair->cipher};
    assert_int_equal(seal_key_make(1, 2, bytes, false, &reader.key), OK);
    assert_false(reader.key->can_seal);
    assert_seal_aborts(&reader, 1); // of an earlier life
    seal_key_unref(reader.key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_wrap_vectors),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_gcm_with_our_nonce),
        cmocka_unit_test_setup_teardown(test_tampering_is_found, pair_begin, pair_end),
        cmocka_unit_test_setup_teardown(test_empty_messages, pair_begin, pair_end),
        cmocka_unit_test_setup_teardown(test_nonces_are_used_once, pair_begin, pair_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
