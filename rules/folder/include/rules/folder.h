// SPDX-License-Identifier: Apache-2.0
//
// Packs, tables and golden cases from folders: the only place of `rules` that opens files. Role: at start, on
// reload, `dicomgate rules check`, tests. Thread: any; blocks on the disk.
#pragma once

#include "rules/golden.h"
#include "rules/library.h"

// Adds every *.yaml of the folder, in the order of their names; tables are files of the same folder.
// ERR_FORMAT: errors were added, and the library must not be used; ERR_NOMEM, ERR_CRYPTO. Errors name files
// as PATH/NAME.
MUST_USE enum result rules_folder_load(const char *path, struct rules_library *library,
                                       struct conf_errors *errors);

// Runs every *.yaml of the folder as golden cases against the library. ERR_FORMAT: a file could not be read
// as such (errors were added); what differs is told to the report.
MUST_USE enum result rules_folder_golden(const char *path, const struct rules_library *library,
                                         struct rules_golden_report *report, struct conf_errors *errors);
