// SPDX-License-Identifier: Apache-2.0
// Recovery and reader over two segments of arbitrary content. The input is a list of steps, so that the
// fuzzer gets past checksums and seals: append an authentic record whose body is input, write input over the
// file, go to another place, go to the other segment. Reading must end, always move on, and stay within the
// files.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "fs/sim.h"
#include "journal/reader.h"
#include "journal/record.h"
#include "journal/recovery.h"
#include "seal/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENTS     2u
#define SEGMENT_SIZE (12u * 1024u)

static struct fs_sim *sim;
static struct fs *fs;
static struct seal_keyring *keyring;
static struct seal_key *keys[SEGMENTS];
static struct seal_cipher *cipher;
static uint8_t content[SEGMENTS][SEGMENT_SIZE];

static void page_make(uint32_t index)
{
    struct journal_page page = {
        .version = JOURNAL_FORMAT_VERSION,
        .stream = 0,
        .segment = index + 1,
        .life = 1,
        .size = SEGMENT_SIZE,
        .receipt_first = 1,
        .receipt_limit = 1000,
    };
    memset(content[index], 0, SEGMENT_SIZE);
    journal_page_encode(&page, content[index]);
}

static void world_make(void)
{
    static const uint8_t master_key[SEAL_KEY_SIZE] = {7};
    struct fs_sim_options options = {.seed = 1};
    struct seal_master *master;
    ensure(fs_sim_new(&options, &sim) == OK && fs_sim_mount(sim, &fs) == OK);
    ensure(seal_master_from_bytes(master_key, &master) == OK);
    ensure(seal_keyring_create(fs, "keyring", master, NULL) == OK);
    ensure(seal_keyring_open(fs, "keyring", master, 1, &keyring, NULL) == OK);
    seal_master_free(master);
    ensure(seal_cipher_new(&cipher) == OK && fs_dir_make(fs, "journal") == OK);
    for (uint16_t i = 0; i < SEGMENTS; i++)
        ensure(seal_keyring_segment_key_new(keyring, 0, i + 1u, &keys[i]) == OK);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
}

static void record_make(uint32_t index, uint32_t *at, uint8_t type, uint8_t receipt, struct slice body)
{
    uint32_t size = journal_record_size((uint32_t)body.length);
    if (size > SEGMENT_SIZE - *at)
        return;
    uint8_t *out = content[index] + *at;
    struct journal_header header = {
        .version = JOURNAL_FORMAT_VERSION,
        .type = type,
        .length = (uint32_t)body.length,
        .segment = index + 1,
        .chunk = type == JOURNAL_DATA ? receipt >> 4 : 0,
        .receipt = receipt & 15u,
        .nonce = seal_key_nonce_take(keys[index]),
        .offset = *at,
    };
    journal_header_encode(&header, out);
    ensure(seal_seal(cipher, keys[index], header.nonce, slice_of(out, JOURNAL_HEADER_SIZE), &body, 1,
                     out + JOURNAL_HEADER_SIZE, out + JOURNAL_HEADER_SIZE + body.length) == OK);
    *at += size;
}

static void content_make(const uint8_t *data, size_t size)
{
    uint32_t index = 0;
    uint32_t at = JOURNAL_PAGE_SIZE;
    for (uint32_t i = 0; i < SEGMENTS; i++)
        page_make(i);
    while (size >= 4) {
        size_t length = (size_t)data[2] << 8 | data[3];
        struct slice body = slice_of(data + 4, length < size - 4 ? length : size - 4);
        switch (data[0] >> 6) {
        case 0:
        case 1:
            record_make(index, &at, data[0] & 15, data[1], body);
            break;
        case 2: // over the file, at a distance back from here
            for (size_t i = 0; i < body.length && at >= data[1] && at - data[1] + i < SEGMENT_SIZE; i++)
                content[index][at - data[1] + i] = body.data[i];
            break;
        default: // to another place
            index = data[0] & 1;
            at = (JOURNAL_PAGE_SIZE + (uint32_t)length * JOURNAL_ALIGN) % (SEGMENT_SIZE - JOURNAL_ALIGN);
            body.length = 0;
            break;
        }
        data += 4 + body.length;
        size -= 4 + body.length;
    }
}

static void content_store(void)
{
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        char path[64] = "journal/";
        struct fs_file *file;
        journal_segment_name(0, i + 1, path + 8);
        enum result result = fs_path_unlink(fs, path);
        ensure(result == OK || result == ERR_MISSING);
        ensure(fs_file_create(fs, path, &file) == OK);
        ensure(fs_file_write(file, 0, slice_of(content[i], SEGMENT_SIZE)) == OK);
        ensure(fs_file_datasync(file) == OK);
        fs_file_close(&file);
    }
    ensure(fs_dir_sync(fs, "journal") == OK);
}

static void read_all(struct journal *journal, uint32_t flags)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    struct journal_position last = {0, 0, 0};
    enum result result;
    ensure(journal_reader_new(journal, last, flags, &reader) == OK);
    while ((result = journal_reader_next(reader, &entry)) == OK) {
        ensure(journal_position_compare(last, entry.position) < 0);
        ensure(journal_position_compare(entry.position, entry.next) < 0);
        ensure(entry.next.offset <= SEGMENT_SIZE && entry.next.segment <= SEGMENTS);
        last = entry.position;
    }
    ensure(result == AGAIN || result == ERR_CRYPTO);
    journal_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct journal_options options;
    struct journal_recovery report;
    struct journal *journal;
    if (sim == NULL)
        world_make();
    content_make(data, size);
    content_store();
    journal_options_default(&options);
    ensure(journal_new(&options, fs, keyring, &journal) == OK);
    enum result result = journal_recover(journal, NULL, 0, 0, JOURNAL_RECOVER_READ_ONLY, &report);
    ensure(result == OK || result == ERR_REFUSED);
    if (result == OK) {
        read_all(journal, 0);
        read_all(journal, JOURNAL_READER_AUTHENTICATE_DATA);
    }
    journal_free(journal);
    return 0;
}
