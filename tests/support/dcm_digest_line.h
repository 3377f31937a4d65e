// SPDX-License-Identifier: Apache-2.0
//
// One line of docs/digests.md 5 for a DICOM file, by lib/dcm; shared by the tool dcm_digest and the unit
// tests that compare with the lines of the independent Python program.
#pragma once

#include "base/slice.h"
#include "dcm/scanner.h"

#define DIGEST_LINE_SIZE 4096

// Reads a whole file; the caller frees `data`. False if it can not be read.
bool digest_file_read(const char *path, struct slice *bytes);

// Scans the data set of a Part 10 file in pieces of `piece` bytes (0 = all at once) and writes the line
// without the end of line. False if the meta header can not be read or the environment fails.
bool digest_line_make(const char *name, struct slice file, enum dcm_digest_algorithm algorithm, size_t piece,
                      char line[DIGEST_LINE_SIZE]);
