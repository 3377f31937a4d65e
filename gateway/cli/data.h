// SPDX-License-Identifier: Apache-2.0
//
// What verbs need that work on the data folder themselves, without the daemon. Private to gateway/cli.
#pragma once

#include "cli.h"
#include "fs/fs.h"
#include "seal/keys.h"

// The data folder and how its keys are opened; `fs` is the caller's to give back.
MUST_USE enum cli_exit cli_data_open(const struct cli *cli, const struct configuration_gateway *gateway,
                                     struct fs **fs, struct seal_source *keys);

// The lock that the daemon has while it runs; *lock is -1 then.
MUST_USE enum cli_exit cli_data_lock_try(const struct cli *cli, const struct configuration_gateway *gateway,
                                         int *lock);
// Keeps the daemon out while a verb works; CLI_REFUSED if it runs. Close *lock at the end.
MUST_USE enum cli_exit cli_data_lock(const struct cli *cli, const struct configuration_gateway *gateway,
                                     int *lock);

// A failure to open keys, in the words of `problem`.
enum cli_exit cli_key_refuse(const struct cli *cli, enum result result, const struct seal_problem *problem);

// A file anywhere as `*fs` (of its folder, the caller's to give back) and a name in it, for the seams.
MUST_USE enum cli_exit cli_file_place(const struct cli *cli, const char *path, char *name, size_t capacity,
                                      struct fs **fs);
