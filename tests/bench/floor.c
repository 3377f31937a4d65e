// SPDX-License-Identifier: Apache-2.0
//
// What nobody can do without: CPU seconds for 10^9 bytes of SHA-256, of AES-256-GCM, and of writing in blocks
// of 256 KiB, each as fast as this machine has it. Prints one line of JSON. Uses nothing of the project.
//   bench_floor FOLDER    where the file of the write lies (removed in the end)
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024, BLOCKS = 512, TAG = 16, TRIES = 3 };

static unsigned char input[BLOCK], output[BLOCK + TAG];

static void fatal(const char *what)
{
    perror(what);
    exit(2);
}

static double cpu_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double per_gigabyte(double seconds)
{
    return seconds * 1e9 / ((double)BLOCK * BLOCKS);
}

static double digest_once(const char *path)
{
    (void)path;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    double begin = cpu_now();
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
        fatal("SHA-256");
    for (int i = 0; i < BLOCKS; i++)
        EVP_DigestUpdate(context, input, BLOCK);
    EVP_DigestFinal_ex(context, digest, NULL);
    EVP_MD_CTX_free(context);
    return per_gigabyte(cpu_now() - begin);
}

static double seal_once(const char *path)
{
    (void)path;
    static const unsigned char key[32] = {1};
    unsigned char nonce[12] = {0};
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, NULL) != 1)
        fatal("AES-256-GCM");
    double begin = cpu_now();
    for (uint32_t i = 0; i < BLOCKS; i++) {
        int length = 0;
        memcpy(nonce, &i, sizeof i);
        EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce);
        EVP_EncryptUpdate(context, output, &length, input, BLOCK);
        EVP_EncryptFinal_ex(context, output + length, &length);
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, output + BLOCK);
    }
    double seconds = cpu_now() - begin;
    EVP_CIPHER_CTX_free(context);
    return per_gigabyte(seconds);
}

// Into room that was allocated before, as a journal segment is, and with nothing of it under way to the disk.
static double write_once(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)BLOCK * BLOCKS) != 0)
        fatal(path);
    double begin = cpu_now();
    for (int i = 0; i < BLOCKS; i++) {
        if (pwrite(fd, output, BLOCK, (off_t)BLOCK * i) != BLOCK)
            fatal(path);
    }
    double seconds = cpu_now() - begin;
    close(fd);
    unlink(path);
    return per_gigabyte(seconds);
}

// The best of a few, as of the others: what others have left to be done in the kernel is not the floor.
static double measure(double (*once)(const char *), const char *path)
{
    double best = once(path);
    for (int i = 1; i < TRIES; i++) {
        double next = once(path);
        best = next < best ? next : best;
    }
    return best;
}

int main(int count, char **words)
{
    if (count != 2) {
        fputs("bench_floor FOLDER\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < BLOCK; i++)
        input[i] = (unsigned char)(i * 2654435761u >> 13);
    char path[4096];
    snprintf(path, sizeof path, "%s/floor", words[1]);
    double digest = measure(digest_once, path);
    double sealing = measure(seal_once, path);
    double writing = measure(write_once, path);
    printf("{\"sha256\": %.4f, \"aes256gcm\": %.4f, \"write\": %.4f}\n", digest, sealing, writing);
    return 0;
}
