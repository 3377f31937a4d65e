// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate key verify`: do the master key, the key file and a backup open every segment of the journal, and
// the crosswalk? Says what does not. Reads only, beside a running daemon too.
#include "data.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/wipe.h"
#include "crosswalk/open.h"
#include "journal/format.h"
#include "seal/lasting.h"

enum { RINGS = 2 }; // the key file, and a backup

struct verify {
    const struct cli *cli;
    const struct configuration *configuration;
    struct fs *fs;
    struct fs *backup_fs;              // of its folder
    struct seal_keyring *rings[RINGS]; // NULL: no backup was named
    struct seal_cipher *cipher;
    uint8_t *buffer; // JOURNAL_RECORD_MAX
    size_t segments;
    size_t findings;
    json_t *items;
};

static const char *const ring_names[RINGS] = {"key file", "backup"};
static const char no_key[] = "has no key for it";

// ---- one segment ----

// The first record, to see that the key is the right one. Nothing readable there: the segment is empty, or
// its beginning is damaged, which is not the keys' fault.
static enum result record_try(struct verify *verify, struct fs_file *file, struct seal_key *key)
{
    struct journal_header header;
    size_t got;
    enum result result = fs_file_read(file, JOURNAL_PAGE_SIZE, verify->buffer, JOURNAL_RECORD_MAX, &got);
    if (result != OK)
        return result;
    if (got < JOURNAL_HEADER_SIZE || journal_header_decode(verify->buffer, &header) != OK ||
        journal_record_size(header.length) > got)
        return OK;
    uint8_t *body = verify->buffer + JOURNAL_HEADER_SIZE;
    return seal_open(verify->cipher, key, header.nonce, slice_of(verify->buffer, JOURNAL_HEADER_SIZE),
                     slice_of(body, header.length), body + header.length, body);
}

// NULL: it opens.
static const char *ring_try(struct verify *verify, struct seal_keyring *ring, uint16_t stream,
                            uint32_t segment, const char *path)
{
    struct seal_key *key;
    struct fs_file *file;
    enum result result = seal_keyring_segment_key_get(ring, stream, segment, &key);
    if (result == ERR_MISSING)
        return no_key;
    if (result != OK)
        return "its key can not be unwrapped";
    result = fs_file_open(verify->fs, path, FS_READ, &file);
    if (result == OK) {
        result = record_try(verify, file, key);
        fs_file_close(&file);
    }
    seal_key_unref(key);
    wipe(verify->buffer, JOURNAL_RECORD_MAX); // it may have held a patient's data
    if (result == ERR_CRYPTO)
        return "its key does not open the first record";
    return result == OK || result == ERR_MISSING ? NULL : "the segment can not be read";
}

// A segment gets its key when its file is there, and its first record when it has the key.
static bool is_beginning(struct verify *verify, const char *path)
{
    static const uint8_t unwritten[JOURNAL_HEADER_SIZE];
    uint8_t header[JOURNAL_HEADER_SIZE] = {0};
    struct fs_file *file;
    size_t got;
    if (fs_file_open(verify->fs, path, FS_READ, &file) != OK)
        return false;
    enum result result = fs_file_read(file, JOURNAL_PAGE_SIZE, header, sizeof header, &got);
    fs_file_close(&file);
    return result == OK && memcmp(header, unwritten, sizeof header) == 0;
}

static void finding_add(struct verify *verify, const char *name, const char *where, const char *what)
{
    verify->findings++;
    if (!verify->cli->is_json)
        (void)printf("%s: the %s %s\n", name, where, what);
    json_t *item = json_pack("{s:s, s:s, s:s}", "segment", name, "in", where, "finding", what);
    if (item != NULL)
        (void)json_array_append_new(verify->items, item);
}

static void segment_check(struct verify *verify, const char *name, uint16_t stream, uint32_t segment)
{
    char path[64];
    (void)text_format(path, sizeof path, "journal/%s", name);
    verify->segments++;
    for (unsigned i = 0; i < RINGS; i++) {
        if (verify->rings[i] == NULL)
            continue;
        const char *what = ring_try(verify, verify->rings[i], stream, segment, path);
        // Nor does a backup need the key of what holds nothing yet.
        if (what == no_key && is_beginning(verify, path))
            continue;
        // While we looked the gateway may have been done with it.
        if (what != NULL && fs_path_exists(verify->fs, path) == OK)
            finding_add(verify, name, ring_names[i], what);
    }
}

static void slots_check(struct verify *verify)
{
    for (unsigned i = 0; i < RINGS; i++) {
        struct seal_keyring_counts counts;
        if (verify->rings[i] == NULL)
            continue;
        seal_keyring_counts_get(verify->rings[i], &counts);
        if (counts.damaged > 0)
            finding_add(verify, "", ring_names[i], "has damaged slots");
    }
}

static void lasting_check(struct verify *verify)
{
    if (verify->rings[1] != NULL && !seal_keyring_lasting_is_in(verify->rings[0], verify->rings[1]))
        finding_add(verify, "", ring_names[1],
                    "lacks a lasting key (crosswalk, look-up hashes); make a new one");
}

// The store knows a hash that only its own keys make.
static void crosswalk_check_keys(struct verify *verify)
{
    bool is_there = fs_path_exists(verify->fs, "crosswalk/data.mdb") != ERR_MISSING;
    for (unsigned i = 0; i < RINGS; i++) {
        struct crosswalk_store store;
        struct crosswalk_problem problem;
        if (verify->rings[i] == NULL)
            continue;
        enum result result =
            crosswalk_store_open(verify->configuration, verify->rings[i], true, &store, &problem);
        if (result == OK)
            crosswalk_store_close(&store);
        else if (result == ERR_LOST)
            finding_add(verify, "crosswalk", ring_names[i], "knows of one that is lost");
        else if (is_there)
            finding_add(verify, "crosswalk", ring_names[i],
                        result == ERR_CRYPTO || result == ERR_MISSING ? no_key : "can not open it");
    }
}

// ---- all of them ----

static enum cli_exit backup_open(struct verify *verify, const struct seal_source *keys)
{
    char name[FS_PATH_MAX + 1];
    struct seal_problem problem = {.text = ""};
    struct seal_source source = *keys;
    const char *path = verify->cli->backup;
    enum cli_exit status = cli_file_place(verify->cli, path, name, sizeof name, &verify->backup_fs);
    if (status != CLI_FINE)
        return status;
    source.fs = verify->backup_fs;
    source.keyring = name;
    enum result result = seal_keys_open_readonly(&source, &verify->rings[1], &problem);
    if (result == ERR_CRYPTO || result == ERR_FORMAT || result == ERR_MISSING)
        return cli_complain(verify->cli, CLI_FINDING, "the backup opens nothing: %s", problem.text);
    return result == OK ? CLI_FINE : cli_key_refuse(verify->cli, result, &problem);
}

static enum cli_exit rings_open(struct verify *verify, const struct seal_source *keys)
{
    struct seal_problem problem = {.text = ""};
    enum result result = seal_keys_open_readonly(keys, &verify->rings[0], &problem);
    if (result == ERR_CRYPTO || result == ERR_FORMAT || result == ERR_MISSING)
        return cli_complain(verify->cli, CLI_FINDING, "the journal can not be read: %s", problem.text);
    if (result != OK)
        return cli_key_refuse(verify->cli, result, &problem);
    return verify->cli->backup != NULL ? backup_open(verify, keys) : CLI_FINE;
}

static enum cli_exit report(const struct verify *verify)
{
    if (verify->cli->is_json) {
        json_t *answer = json_pack("{s:i, s:I, s:O}", "version", 1, "segments", (json_int_t)verify->segments,
                                   "findings", verify->items);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
    } else if (verify->findings == 0) {
        (void)printf("%zu segments: the keys open all of them%s\n", verify->segments,
                     verify->rings[1] != NULL ? ", and so does the backup" : "");
    } else {
        (void)printf("%zu segments, %zu findings\n", verify->segments, verify->findings);
    }
    return verify->findings == 0 ? CLI_FINE : CLI_FINDING;
}

// The names first, then the keys: a segment that begins in between is not asked for.
static enum cli_exit segments_check(struct verify *verify, const struct seal_source *keys)
{
    struct fs_names names = {0};
    enum result result = fs_dir_list(verify->fs, "journal", &names);
    if (result != OK && result != ERR_MISSING)
        return cli_complain(verify->cli, CLI_REFUSED, "the journal's folder can not be read: %s",
                            result_text(result));
    enum cli_exit status = rings_open(verify, keys);
    for (size_t i = 0; status == CLI_FINE && i < names.count; i++) {
        uint16_t stream;
        uint32_t segment;
        if (journal_segment_name_parse(names.name[i], &stream, &segment))
            segment_check(verify, names.name[i], stream, segment);
    }
    fs_names_fini(&names);
    if (status != CLI_FINE)
        return status;
    slots_check(verify);
    lasting_check(verify);
    crosswalk_check_keys(verify);
    return report(verify);
}

static enum cli_exit verify_run(struct verify *verify, const struct seal_source *keys)
{
    enum cli_exit status;
    verify->items = json_array();
    verify->buffer = calloc(1, JOURNAL_RECORD_MAX);
    if (verify->items != NULL && verify->buffer != NULL && seal_cipher_new(&verify->cipher) == OK)
        status = segments_check(verify, keys);
    else
        status = cli_complain(verify->cli, CLI_INTERNAL, "out of memory");
    seal_cipher_free(verify->cipher);
    for (unsigned i = 0; i < RINGS; i++)
        seal_keyring_free(verify->rings[i]);
    fs_free(verify->backup_fs);
    free(verify->buffer);
    json_decref(verify->items);
    return status;
}

enum cli_exit cli_key_verify(struct cli *cli)
{
    struct configuration *configuration;
    struct seal_source keys;
    struct verify verify = {.cli = cli};
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    verify.configuration = configuration;
    status = cli_data_open(cli, &configuration->gateway, &verify.fs, &keys);
    if (status == CLI_FINE) {
        status = verify_run(&verify, &keys);
        fs_free(verify.fs);
    }
    configuration_free(configuration);
    return status;
}
