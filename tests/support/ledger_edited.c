// SPDX-License-Identifier: Apache-2.0
//
// ledger_edited [--no-header] DATA MASTER-KEY NUMBER IN OUT < EDITS: a ledger that has the file IN as receipt
// NUMBER, edited for archive 1 by EDITS and accepted by it, as if the gateway had done so; and OUT, what the
// archive got. Each line of EDITS: operation (set, remove), path, VR or "-", value (UTF-8) in hexadecimal;
// separated by tabs. No lines: it was sent as it came. --no-header: the digest of the header as sent is not
// known. What goes into a new item is one row of the evidence, that of the item. Two lines with one path:
// rules that changed it in turn. A test tool, no part of the product.
#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "dcm/file.h"
#include "dcm/scanner.h"
#include "dcm/splice.h"
#include "journal/journal.h"
#include "seal/keys.h"
#include "store/evidence.h"
#include "store/ledger.h"
#include "store/lmdb.h"
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 65536, TEXT_SIZE = 16384 };

static struct dcm_path paths[EVIDENCE_EDITS_MAX];
static struct dcm_edit edits[EVIDENCE_EDITS_MAX];
static struct evidence_edit evidence[EVIDENCE_EDITS_MAX];
static size_t count; // of edits
static struct evidence_edit rows[EVIDENCE_EDITS_MAX];
static size_t row_count;
static struct record_sent sent = {.archive = 1, .attempt = 1, .crosswalk = 7, .pack = {1}};

static void die(const char *what)
{
    fprintf(stderr, "ledger_edited: %s\n", what);
    exit(2);
}

static struct slice file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die(path);
    size_t length = (size_t)ftell(file);
    uint8_t *bytes = malloc(length + 1);
    rewind(file);
    if (bytes == NULL || fread(bytes, 1, length, file) != length)
        die(path);
    fclose(file);
    return slice_of(bytes, length);
}

// ---- edits

static void edits_read(void)
{
    static char line[LINE_SIZE];
    for (; fgets(line, sizeof line, stdin) != NULL; count++) {
        char *rest = line;
        const char *operation = strsep(&rest, "\t\n");
        const char *path = strsep(&rest, "\t\n");
        const char *vr = strsep(&rest, "\t\n");
        const char *hex = strsep(&rest, "\t\n");
        ensure(count < EVIDENCE_EDITS_MAX && hex != NULL);
        if (dcm_path_parse(slice_of_text(path), &paths[count], NULL) != OK)
            die(path);
        size_t length = strlen(hex) / 2;
        uint8_t *value = malloc(length + 1);
        ensure(value != NULL && text_unhex(hex, value, length) == OK);
        edits[count] = (struct dcm_edit){
            .path = &paths[count],
            .operation = strcmp(operation, "remove") == 0 ? DCM_EDIT_REMOVE : DCM_EDIT_SET,
            .kind = length == 0 ? DCM_VALUE_EMPTY : DCM_VALUE_TEXT,
            .vr = vr[0] == '-' ? DCM_VR_NONE : dcm_vr_from_letters((uint8_t)vr[0], (uint8_t)vr[1]),
            .value = slice_of(value, length)};
    }
}

static void before_read(const struct dcm_survey *survey, struct dcm_text *text, size_t index)
{
    struct evidence_edit *to = &evidence[index];
    struct dcm_found found;
    struct dcm_level level;
    size_t length = 0;
    char *decoded = malloc(TEXT_SIZE), *path = malloc(DCM_PATH_TEXT_SIZE);
    enum dcm_vr vr = edits[index].vr != DCM_VR_NONE ? edits[index].vr : dcm_path_vr(&paths[index]);
    ensure(decoded != NULL && path != NULL);
    to->was_present = dcm_survey_first(survey, index, &found);
    if (to->was_present) {
        vr = found.vr;
        dcm_survey_level(survey, found.level, &level);
        if (dcm_vr_info(vr)->is_text &&
            dcm_text_decode(text, &level.charset, vr, found.value, decoded, TEXT_SIZE, &length) == OK)
            to->before = slice_trimmed(slice_of(decoded, length));
    }
    if (to->before.length == 0)
        free(decoded);
    dcm_path_print(&paths[index], path);
    to->path = slice_of_text(path);
    memcpy(to->vr, dcm_vr_info(vr)->name, 2);
    to->is_removed = edits[index].operation == DCM_EDIT_REMOVE;
    to->after = edits[index].value;
    to->pack = slice_of_text("site");
    to->version = slice_of_text("1.0");
    to->rule = slice_of_text("test");
}

static bool is_same_path(size_t a, size_t b)
{
    return dcm_path_compare(&paths[a], &paths[b]) == 0;
}

// As the gateway notes them.
static void rows_make(void)
{
    for (size_t i = 0; i < count; i++) {
        struct evidence_edit row = evidence[i];
        bool is_item = paths[i].depth > 0 && paths[i].step[0].item == DCM_ITEM_NEW;
        for (size_t earlier = 0; earlier < i; earlier++)
            if (is_same_path(earlier, i)) {
                row.was_present = !evidence[earlier].is_removed;
                row.before = evidence[earlier].after;
            }
        if (is_item && i > 0 && paths[i - 1].step[0].tag == paths[i].step[0].tag)
            continue;
        if (is_item) {
            struct dcm_path item = {.is_item = true, .step = {{.tag = paths[i].step[0].tag}}};
            char *path = malloc(DCM_PATH_TEXT_SIZE);
            ensure(path != NULL);
            dcm_path_print(&item, path); // tests make items of new sequences only
            row = (struct evidence_edit){.pack = slice_of_text("gateway"),
                                         .rule = slice_of_text("original-attributes"),
                                         .path = slice_of_text(path),
                                         .vr = {'S', 'Q'}};
        }
        rows[row_count++] = row;
    }
}

// Of those with one path the last.
static size_t edits_last(struct dcm_edit *last)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_last = true;
        for (size_t later = i + 1; later < count; later++)
            is_last = is_last && !is_same_path(i, later);
        if (is_last)
            last[kept++] = edits[i];
    }
    return kept;
}

// ---- passes

static struct record_element uids[2]; // study and series
static uint8_t uid_bytes[2][RECORD_TEXT_MAX];

static void digests_make(const struct dcm_file *file, struct slice data_set, struct dcm_scan_report *report)
{
    static const uint32_t named[] = {DCM_STUDY_INSTANCE_UID, DCM_SERIES_INSTANCE_UID};
    struct dcm_scanner *scanner;
    struct dcm_scan_options options = {.transfer_syntax = file->transfer_syntax,
                                       .algorithm = DCM_DIGEST_SHA256,
                                       .named = named,
                                       .named_count = 2};
    ensure(dcm_scanner_new(&scanner) == OK && dcm_scanner_begin(scanner, &options) == OK);
    if (dcm_scanner_feed(scanner, data_set) != OK || dcm_scanner_finish(scanner, report) != OK)
        die("the data set can not be followed");
    for (size_t i = 0; i < 2; i++) {
        struct dcm_named found;
        if (dcm_scanner_named(scanner, named[i], &found) != OK)
            continue;
        memcpy(uid_bytes[i], found.value.data, found.value.length);
        uids[i] = (struct record_element){named[i], {'U', 'I'}, slice_of(uid_bytes[i], found.value.length)};
    }
    dcm_scanner_free(scanner);
}

static void splice_run(struct dcm_splice *splice, struct slice data_set, FILE *to)
{
    struct slice run;
    ensure(dcm_splice_put(splice, data_set) == OK);
    for (int round = 0; round < 2; round++) {
        while (dcm_splice_next(splice, &run) == OK)
            ensure(fwrite(run.data, 1, run.length, to) == run.length);
        if (round == 0)
            ensure(dcm_splice_finish(splice) == OK);
    }
}

static struct dcm_plan *undo_make(const struct dcm_file *file, struct slice bytes, const char *out)
{
    struct dcm_interest *interest;
    struct dcm_survey *survey;
    struct dcm_text *text;
    struct dcm_splice *splice;
    struct dcm_plan *plan, *undo;
    struct dcm_problem problem;
    FILE *to = fopen(out, "wb");
    ensure(to != NULL && dcm_interest_new(paths, count, &interest) == OK && dcm_survey_new(&survey) == OK &&
           dcm_text_new(&text) == OK && dcm_splice_new(&splice) == OK);
    if (dcm_survey_begin(survey, interest, file->transfer_syntax, 0) != OK ||
        dcm_survey_feed(survey, file->data_set) != OK || dcm_survey_finish(survey) != OK)
        die("the header can not be followed");
    for (size_t i = 0; i < count; i++)
        before_read(survey, text, i);
    static struct dcm_edit last[EVIDENCE_EDITS_MAX];
    size_t last_count = edits_last(last);
    rows_make();
    if (dcm_plan_make(survey, text, last, last_count, &plan, NULL, &problem) != OK)
        die(dcm_problem_text(problem.reason));
    ensure(dcm_splice_begin(splice, plan, file->transfer_syntax, true) == OK);
    ensure(fwrite(bytes.data, 1, file->data_set_offset, to) == file->data_set_offset);
    splice_run(splice, file->data_set, to);
    ensure(fclose(to) == 0 && dcm_splice_undo(splice, &undo) == OK);
    dcm_plan_free(plan);
    dcm_splice_free(splice);
    dcm_text_free(text);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
    return undo;
}

// ---- the ledger

struct sink {
    struct ledger_writer *writer;
    uint64_t receipt;
    struct journal_position at;
};

static void put(struct sink *sink, enum journal_record_type type, const uint8_t *body, size_t length)
{
    struct journal_entry entry = {.kind = JOURNAL_ENTRY_RECORD,
                                  .position = sink->at,
                                  .receipt = sink->receipt,
                                  .body = slice_of(body, length)};
    entry.header.type = (uint8_t)type;
    entry.header.receipt = sink->receipt;
    sink->at.offset += journal_record_size((uint32_t)length);
    entry.next = sink->at;
    ensure(ledger_apply(sink->writer, &entry) == OK);
}

static void received_put(struct sink *sink, const struct dcm_file *file, const struct dcm_scan_report *report)
{
    static uint8_t body[JOURNAL_BODY_MAX];
    static struct record_close close;
    size_t length;
    struct record_open open = {.sop_class = file->sop_class,
                               .sop_instance = file->sop_instance,
                               .transfer_syntax = file->transfer_syntax,
                               .time = NSEC_PER_SEC};
    ensure(record_open_encode(&open, body, sizeof body, &length) == OK);
    put(sink, JOURNAL_OPEN, body, length);
    close = (struct record_close){.order = sink->receipt,
                                  .epoch = 1,
                                  .archives = {1},
                                  .archive_count = 1,
                                  .length = file->data_set.length,
                                  .algorithm = RECORD_SHA256,
                                  .digest_version = 1,
                                  .digests = RECORD_HAS_RANGES | RECORD_HAS_INSTANCE | RECORD_HAS_CANONICAL |
                                             RECORD_HAS_CANONICAL_UNKNOWN,
                                  .last_byte = NSEC_PER_SEC};
    for (unsigned i = 0; i < 3; i++) {
        close.range[i].length = report->digests.length[i];
        memcpy(close.range[i].digest, report->digests.range[i].bytes, RECORD_DIGEST_SIZE);
    }
    for (; close.element_count < 2 && uids[close.element_count].tag != 0; close.element_count++)
        close.elements[close.element_count] = uids[close.element_count];
    memcpy(close.instance, report->digests.instance.bytes, RECORD_DIGEST_SIZE);
    memcpy(close.canonical, report->digests.canonical.bytes, RECORD_DIGEST_SIZE);
    memcpy(close.canonical_unknown, report->digests.canonical_apart.bytes, RECORD_DIGEST_SIZE);
    ensure(record_close_encode(&close, body, sizeof body, &length) == OK);
    put(sink, JOURNAL_CLOSE, body, length);
}

static void sent_put(struct sink *sink)
{
    static uint8_t body[JOURNAL_BODY_MAX];
    size_t length;
    static const enum record_outcome_kind kinds[] = {RECORD_ANSWERED, RECORD_SETTLED};
    sent.time = 2 * NSEC_PER_SEC;
    ensure(record_sent_encode(&sent, body, sizeof body, &length) == OK);
    put(sink, JOURNAL_SENT, body, length);
    for (size_t i = 0; i < 2; i++) {
        struct record_outcome outcome = {.receipt = sink->receipt,
                                         .archive = 1,
                                         .kind = (uint8_t)kinds[i],
                                         .remark = i == 1 ? RECORD_SETTLE_ON_ANSWER : 0,
                                         .answered = 3 * NSEC_PER_SEC};
        ensure(record_outcome_encode(&outcome, body, sizeof body, &length) == OK);
        put(sink, JOURNAL_OUTCOME, body, length);
    }
}

static void ledger_write(const char *data, const char *master, uint64_t receipt, const struct dcm_file *file,
                         const struct dcm_scan_report *report)
{
    struct fs *fs;
    struct seal_keyring *keyring;
    struct journal_options options;
    struct journal *journal;
    struct kv_env *env;
    struct lmdb_options lmdb = {.read_only = false};
    struct seal_problem problem = {.text = ""};
    char folder[4096], why[512] = "";
    struct sink sink = {.receipt = receipt,
                        .at = {.segment = (uint32_t)receipt, .offset = JOURNAL_PAGE_SIZE}};
    if (fs_real_new(data, &fs) != OK)
        die(data);
    struct seal_source keys = {.master_file = master, .fs = fs, .keyring = "keyring"};
    if (seal_keys_open(&keys, 20000, &keyring, &problem) != OK)
        die(problem.text);
    journal_options_default(&options);
    ensure(journal_new(&options, fs, keyring, &journal) == OK);
    ensure(text_format(folder, sizeof folder, "%s/ledger", data));
    if (lmdb_env_open(folder, &ledger_schema, &lmdb, &env, why, sizeof why) != OK)
        die(why);
    ensure(ledger_writer_new(env, journal, NULL, NULL, &sink.writer) == OK);
    received_put(&sink, file, report);
    sent_put(&sink);
    ensure(ledger_commit(sink.writer) == OK);
    ledger_writer_free(&sink.writer);
    kv_env_free(&env);
    journal_free(journal);
    seal_keyring_free(keyring);
    fs_free(fs);
}

static struct slice bytes, edited; // of both files, to the end

int main(int argc, char **argv)
{
    bool has_header = true;
    struct dcm_file file, edited_file;
    struct dcm_scan_report report, edited_report;
    uint8_t *encoded;
    size_t length;
    if (argc > 1 && strcmp(argv[1], "--no-header") == 0) {
        has_header = false;
        argv++, argc--;
    }
    if (argc != 6)
        die("usage: ledger_edited [--no-header] DATA MASTER-KEY NUMBER IN OUT < EDITS");
    edits_read();
    bytes = file_read(argv[4]);
    if (dcm_file_parse(bytes, &file) != OK)
        die(argv[4]);
    digests_make(&file, file.data_set, &report);
    struct dcm_plan *undo = undo_make(&file, bytes, argv[5]);
    edited = file_read(argv[5]);
    ensure(dcm_file_parse(edited, &edited_file) == OK);
    digests_make(&edited_file, edited_file.data_set, &edited_report);
    if (has_header)
        memcpy(sent.header, edited_report.digests.range[DCM_RANGE_HEADER].bytes, RECORD_DIGEST_SIZE);
    if (count > 0) {
        struct evidence made = {rows, row_count, dcm_plan_bytes(undo)};
        ensure(evidence_encode(&made, &encoded, &length) == OK);
        sent.evidence = slice_of(encoded, length);
        ensure(SHA256(encoded, length, sent.edits) != NULL);
    }
    dcm_plan_free(undo);
    ledger_write(argv[1], argv[2], strtoull(argv[3], NULL, 10), &file, &report);
    return 0;
}
