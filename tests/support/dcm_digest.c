// SPDX-License-Identifier: Apache-2.0
//
// dcm_digest [--sha512-256] [--comment] FILE...: prints the digests of each file's data set, one line of
// docs/digests.md 5 each; with --comment what an Error Comment would say instead. A test tool, no part of the
// product.
#include "base/text.h"
#include "dcm/file.h"
#include "dcm_digest_line.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool comment_print(const char *path, struct slice bytes)
{
    struct dcm_file file;
    struct dcm_scanner *scanner;
    if (dcm_file_parse(bytes, &file) != OK || dcm_scanner_new(&scanner) != OK)
        return false;
    struct dcm_scan_options options = {.transfer_syntax = file.transfer_syntax,
                                       .algorithm = DCM_DIGEST_SHA256};
    struct dcm_scan_report report = {.flags = 0};
    enum result result = dcm_scanner_begin(scanner, &options);
    if (result == OK)
        result = dcm_scanner_feed(scanner, file.data_set);
    if (result == OK || result == ERR_FORMAT)
        result = dcm_scanner_finish(scanner, &report);
    const struct dcm_scan_failure *failure = dcm_scanner_failure(scanner);
    char comment[DCM_COMMENT_SIZE] = "fine";
    if (failure != NULL)
        dcm_scan_failure_text(failure, comment);
    printf("%s\tflags %02x\t%s\n", path, report.flags, comment);
    dcm_scanner_free(scanner);
    return result == OK || result == ERR_FORMAT;
}

int main(int argc, char **argv)
{
    enum dcm_digest_algorithm algorithm = DCM_DIGEST_SHA256;
    bool wants_comment = false;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        struct slice bytes;
        char line[DIGEST_LINE_SIZE];
        if (strcmp(argv[i], "--sha512-256") == 0) {
            algorithm = DCM_DIGEST_SHA512_256;
            continue;
        }
        if (strcmp(argv[i], "--comment") == 0) {
            wants_comment = true;
            continue;
        }
        bool is_done = digest_file_read(argv[i], &bytes);
        if (is_done) {
            is_done = wants_comment ? comment_print(argv[i], bytes)
                                    : digest_line_make(argv[i], bytes, algorithm, 0, line);
            free((void *)(uintptr_t)bytes.data);
        }
        if (!is_done)
            fprintf(stderr, "cannot digest %s\n", argv[i]);
        else if (!wants_comment)
            printf("%s\n", line);
        failed |= !is_done;
    }
    return failed;
}
