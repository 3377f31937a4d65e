// SPDX-License-Identifier: Apache-2.0
//
// What the verbs of `dicomgate crosswalk` share. Reading verbs open keys and store read-only, beside a
// running daemon too. Patient IDs come from standard input or a file, never from the command line. Private to
// gateway/cli.
#pragma once

#include "crosswalk/open.h"
#include "data.h"

struct cli_crosswalk {
    struct configuration *configuration;
    struct fs *fs; // the data folder
    struct seal_keyring *keyring;
    struct crosswalk_store store;
    struct crosswalk_reader *reader;
    int lock; // -1: not taken
};

// On CLI_FINE, and else too, end with cli_crosswalk_close().
MUST_USE enum cli_exit cli_crosswalk_open(const struct cli *cli, bool is_readonly, struct cli_crosswalk *out);
// The same, read-only, for whoever has the configuration there already.
MUST_USE enum cli_exit cli_crosswalk_attach(const struct cli *cli, struct cli_crosswalk *out);
void cli_crosswalk_close(struct cli_crosswalk *crosswalk);
// CLI_FINE, or the complaint for a look-up that failed.
MUST_USE enum cli_exit cli_crosswalk_result(const struct cli *cli, enum result result);
// Carries an order out by the daemon, or here if none runs. `body` is taken and wiped. On CLI_FINE `*answer`
// is the caller's.
MUST_USE enum cli_exit cli_crosswalk_order(const struct cli *cli, const char *kind, json_t *body,
                                           json_t **answer);

// CLI_FINE if --person and --reason are there.
MUST_USE enum cli_exit cli_crosswalk_blame(const struct cli *cli);
// Into the log of acts, with person and reason: patient data is about to be shown. `kind` as in
// crosswalk/task.h; `recipient` is the digest of a certificate, NULL: in clear. If it fails nothing may be
// shown.
MUST_USE enum cli_exit cli_crosswalk_note(const struct cli *cli, const char *kind, const char *recipient);
// Nanoseconds since 1970 UTC, for orders.
uint64_t cli_crosswalk_now(void);

// The next line of `stream` without its end into `line`, of `capacity` bytes. False: at the end. A line that
// is too long or has a zero byte comes as a backslash, which is no patient ID: a part of it may be another's.
bool cli_line_read(FILE *stream, char *line, size_t capacity);
