// SPDX-License-Identifier: Apache-2.0
//
// Makes the line of docs/digests.md 5: see dcm_digest_line.h.
#include "dcm_digest_line.h"
#include "base/text.h"
#include "dcm/file.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t named_tags[] = {
    DCM_SPECIFIC_CHARACTER_SET, DCM_SOP_CLASS_UID,       DCM_SOP_INSTANCE_UID,
    DCM_PATIENT_NAME,           DCM_PATIENT_ID,          DCM_STUDY_INSTANCE_UID,
    DCM_SERIES_INSTANCE_UID,    DCM_TAG(0x5400, 0x0100), DCM_PIXEL_DATA,
};

#define NAMED_COUNT (sizeof named_tags / sizeof named_tags[0])

bool digest_file_read(const char *path, struct slice *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    bool is_read = false;
    uint8_t *data = NULL;
    long size = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0 && fseek(file, 0, SEEK_SET) == 0)
        data = malloc((size_t)size + 1);
    if (data != NULL)
        is_read = fread(data, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (is_read)
        *bytes = slice_of(data, (size_t)size);
    else
        free(data);
    return is_read;
}

static void add(char line[DIGEST_LINE_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char line[DIGEST_LINE_SIZE], const char *format, ...)
{
    size_t length = strlen(line);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line + length, DIGEST_LINE_SIZE - length, format, arguments);
    va_end(arguments);
}

static void add_digest(char line[DIGEST_LINE_SIZE], const struct dcm_digest *digest)
{
    char hex[2 * DCM_DIGEST_LENGTH + 1];
    text_hex(hex, sizeof hex, slice_of(digest->bytes, sizeof digest->bytes));
    add(line, "\t%s", digest->algorithm == DCM_DIGEST_ABSENT ? "-" : hex);
}

static void add_named(char line[DIGEST_LINE_SIZE], const struct dcm_scanner *scanner)
{
    const char *separator = "\t";
    for (size_t i = 0; i < NAMED_COUNT; i++) {
        struct dcm_named n;
        if (dcm_scanner_named(scanner, named_tags[i], &n) != OK)
            continue;
        add(line, "%s%08X:%s:%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%" PRIu32, separator, n.tag,
            dcm_vr_info(n.vr)->name, n.header_offset, n.value_offset, n.end_offset, n.length);
        separator = ",";
    }
    if (separator[0] == '\t')
        add(line, "\t-");
}

static void add_report(char line[DIGEST_LINE_SIZE], const struct dcm_scan_report *report)
{
    const struct dcm_digests *d = &report->digests;
    for (unsigned i = 0; i < DCM_RANGE_COUNT; i++)
        add(line, "\t%" PRIu64, d->length[i]);
    for (unsigned i = 0; i < DCM_RANGE_COUNT; i++)
        add_digest(line, &d->range[i]);
    add_digest(line, &d->instance);
    add(line, "\t%" PRIu64, d->received_length);
    add_digest(line, &d->received);
    add_digest(line, &d->canonical);
    add_digest(line, &d->canonical_apart);
    add(line, "\t%" PRIu64, d->apart_elements);
}

static bool is_data_set_result(enum result result)
{
    return result == OK || result == ERR_FORMAT;
}

static bool scan(struct dcm_scanner *scanner, const struct dcm_file *file,
                 enum dcm_digest_algorithm algorithm, size_t piece, struct dcm_scan_report *report)
{
    struct dcm_scan_options options = {.transfer_syntax = file->transfer_syntax,
                                       .algorithm = algorithm,
                                       .named = named_tags,
                                       .named_count = NAMED_COUNT,
                                       .digest_received = true};
    if (dcm_scanner_begin(scanner, &options) != OK)
        return false;
    struct slice left = file->data_set;
    while (left.length > 0) {
        struct slice part = slice_first(left, piece > 0 ? piece : left.length);
        if (!is_data_set_result(dcm_scanner_feed(scanner, part)))
            return false;
        left = slice_from(left, part.length);
    }
    return is_data_set_result(dcm_scanner_finish(scanner, report));
}

bool digest_line_make(const char *name, struct slice bytes, enum dcm_digest_algorithm algorithm, size_t piece,
                      char line[DIGEST_LINE_SIZE])
{
    struct dcm_file file;
    struct dcm_scanner *scanner;
    struct dcm_scan_report report;
    if (dcm_file_parse(bytes, &file) != OK || dcm_scanner_new(&scanner) != OK)
        return false;
    bool is_scanned = scan(scanner, &file, algorithm, piece, &report);
    if (is_scanned) {
        line[0] = 0;
        add(line, "%s\t%s\t%s", name, algorithm == DCM_DIGEST_SHA256 ? "sha256" : "sha512-256",
            report.reason == DCM_SCAN_FINE ? "fine" : "not followed");
        add_report(line, &report);
        if (report.reason == DCM_SCAN_FINE)
            add_named(line, scanner);
        else
            add(line, "\t-");
    }
    dcm_scanner_free(scanner);
    return is_scanned;
}
