// SPDX-License-Identifier: Apache-2.0
// Master key and key file together, as the daemon and the tools open them: where each is comes from the
// configuration, and a change of the master key that did not end is brought to its end.
//
// The new master key lies in `FILE.new` beside the present one until the key file has changed hands; whoever
// opens the keys in between finds that only it opens the key file, and puts it in its place.
//
// Thread: main.
#pragma once

#include "seal/keyring.h"
#include "seal/master.h"

// Either a file or a credential; texts are borrowed.
struct seal_source {
    const char *master_file;       // absolute, or from the working directory; NULL: a credential
    const char *master_credential; // name of a systemd credential
    struct fs *fs;                 // of the data folder
    const char *keyring;           // path below it
};

MUST_USE enum result seal_source_master(const struct seal_source *source, struct seal_master **out,
                                        struct seal_problem *problem);

// As seal_keyring_open(); results of loading the master key too.
MUST_USE enum result seal_keys_open(const struct seal_source *source, uint32_t day, struct seal_keyring **out,
                                    struct seal_problem *problem);
// As seal_keyring_open_readonly(); changes nothing, and also takes a new master key that is not in its place
// yet.
MUST_USE enum result seal_keys_open_readonly(const struct seal_source *source, struct seal_keyring **out,
                                             struct seal_problem *problem);

// `dicomgate key rotate`, while nobody has the key file open. The new master key is read from `fresh_file`,
// or made there (mode 0600) if there is no such file; NULL: it is made and takes the place of the present
// one, which is destroyed. A credential can only be replaced by whoever gave it: then `fresh_file` must be
// named (ERR_ARGUMENT). After a failure or crash at any step seal_keys_open() finds the keys, and the command
// may be given again.
MUST_USE enum result seal_keys_rotate(const struct seal_source *source, const char *fresh_file,
                                      struct seal_problem *problem);
