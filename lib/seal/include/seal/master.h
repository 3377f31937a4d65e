// SPDX-License-Identifier: Apache-2.0
// The master key: 32 random bytes that an operator keeps apart from the data (a file, or a systemd
// credential). It wraps the intermediate and lasting keys of the keyring; it seals no data itself.
//
// Any thread; the object is immutable. Loaded by the daemon and by `dicomgate key` before anything else is
// opened.
#pragma once

#include "base/result.h"

#include <stdint.h>

#define SEAL_KEY_SIZE 32

struct seal_master;

// Why something failed, in words for an operator: names the file, never holds key bytes. Where a function
// takes one it may be NULL; it is written only on failure.
struct seal_problem {
    char text[256];
};

// From exactly 32 bytes of a regular file that belongs to this user or root and that nobody else may read or
// write. ERR_MISSING, ERR_REFUSED (owner, mode, not a regular file), ERR_FORMAT (not 32 bytes), ERR_IO,
// ERR_NOMEM.
MUST_USE enum result seal_master_load_file(const char *path, struct seal_master **out,
                                           struct seal_problem *problem);

// From `$CREDENTIALS_DIRECTORY/name` (systemd.exec, LoadCredential=); `name` without '/'. The same checks,
// but group "root" may read: systemd shows its access list so. ERR_MISSING also if the variable is not set.
MUST_USE enum result seal_master_load_credential(const char *name, struct seal_master **out,
                                                 struct seal_problem *problem);

// From 32 bytes in memory, for tests and the simulator.
MUST_USE enum result seal_master_from_bytes(const uint8_t bytes[SEAL_KEY_SIZE], struct seal_master **out);

// Makes a new random key file, mode 0600, and syncs it and its folder (`dicomgate key init`). ERR_EXISTS if
// the name is taken.
MUST_USE enum result seal_master_file_create(const char *path, struct seal_problem *problem);

// Whether seal_master_file_replace() may be tried: the file itself, not a link to it, and to be written by
// this user. ERR_IO, ERR_MISSING.
MUST_USE enum result seal_master_file_replaceable(const char *path, struct seal_problem *problem);

// Puts the key file `fresh` in the place of `path`, in one step, and overwrites what was there. Durable on
// OK. ERR_MISSING, ERR_IO: `path` is as it was, or has been replaced.
MUST_USE enum result seal_master_file_replace(const char *path, const char *fresh,
                                              struct seal_problem *problem);

// Overwrites a key file and removes it. OK also if there is none.
MUST_USE enum result seal_master_file_remove(const char *path, struct seal_problem *problem);

// Wipes it. NULL is fine.
void seal_master_free(struct seal_master *master);
