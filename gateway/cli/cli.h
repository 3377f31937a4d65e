// SPDX-License-Identifier: Apache-2.0
//
// What the verbs of `dicomgate` share: options, exit statuses, the call to the daemon, tables. Private to
// gateway/cli; one thread.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/exit.h"
#include "conf/configuration.h"

// Bits: which options a verb takes, and which were given.
enum cli_option {
    CLI_OPTION_CONFIG = 1 << 0,
    CLI_OPTION_SOCKET = 1 << 1,
    CLI_OPTION_JSON = 1 << 2,
    CLI_OPTION_HELP = 1 << 3,
    CLI_OPTION_VERSION = 1 << 4,
    CLI_OPTION_ARCHIVE = 1 << 5,
    CLI_OPTION_STATE = 1 << 6,
    CLI_OPTION_LIMIT = 1 << 7,
    CLI_OPTION_AFTER = 1 << 8,
    CLI_OPTION_ALL = 1 << 9,
    CLI_OPTION_UID = 1 << 10,
    CLI_OPTION_PERSON = 1 << 11,
    CLI_OPTION_REASON = 1 << 12,
    CLI_OPTION_BACKUP = 1 << 13,
    CLI_OPTION_WRITE = 1 << 23,
    CLI_OPTION_SHOW_PHI = 1 << 24,
    CLI_OPTION_DRY_RUN = 1 << 14,
    CLI_OPTION_CLEAR = 1 << 15,
    CLI_OPTION_FROM = 1 << 16,
    CLI_OPTION_TO = 1 << 17,
    CLI_OPTION_DOMAIN = 1 << 18,
    CLI_OPTION_EFFECTIVE = 1 << 19,
    CLI_OPTION_SOP_CLASS = 1 << 20,
    CLI_OPTION_TRANSFER_SYNTAX = 1 << 21,
    CLI_OPTION_CLIENT = 1 << 22,
    CLI_OPTION_STUDY = 1 << 25,
    CLI_OPTION_HELD_FOR = 1 << 26,
    CLI_OPTION_LOST = 1 << 27,
    CLI_OPTION_CALLED = 1 << 28
};

// One run of the program. Texts are borrowed from argv.
struct cli {
    const char *config;
    const char *socket;
    const char *archive;
    const char *state;
    const char *limit;
    const char *after;
    const char *uid;
    const char *person;
    const char *reason;
    const char *backup;
    const char *from;
    const char *to;
    const char *domain;
    const char *effective;
    const char *sop_class;
    const char *transfer_syntax;
    const char *client;
    const char *called;
    const char *write;
    const char *study;
    const char *held_for;
    bool shows_phi;
    bool is_json;
    bool is_all;
    unsigned given;   // bits of cli_option
    char **arguments; // behind the verb
    int argument_count;
};

// Verbs (verb_*.c). Each prints its own complaints.
enum cli_exit cli_status(struct cli *cli);
enum cli_exit cli_queue_list(struct cli *cli);
enum cli_exit cli_queue_show(struct cli *cli);
enum cli_exit cli_queue_retry(struct cli *cli);
enum cli_exit cli_queue_park(struct cli *cli);
enum cli_exit cli_queue_drop(struct cli *cli);
enum cli_exit cli_queue_quarantine(struct cli *cli);
enum cli_exit cli_hold_list(struct cli *cli);
enum cli_exit cli_hold_show(struct cli *cli);
enum cli_exit cli_hold_release(struct cli *cli);
enum cli_exit cli_hold_reject(struct cli *cli);
enum cli_exit cli_archive_list(struct cli *cli);
enum cli_exit cli_archive_show(struct cli *cli);
enum cli_exit cli_archive_echo(struct cli *cli);
enum cli_exit cli_archive_capabilities(struct cli *cli);
enum cli_exit cli_archive_probe(struct cli *cli);
enum cli_exit cli_archive_pause(struct cli *cli);
enum cli_exit cli_archive_resume(struct cli *cli);
enum cli_exit cli_ledger_backup(struct cli *cli);
enum cli_exit cli_ledger_rebuild(struct cli *cli);
enum cli_exit cli_key_init(struct cli *cli);
enum cli_exit cli_key_rotate(struct cli *cli);
enum cli_exit cli_key_backup(struct cli *cli);
enum cli_exit cli_key_restore(struct cli *cli);
enum cli_exit cli_key_verify(struct cli *cli);
enum cli_exit cli_rules_check(struct cli *cli);
enum cli_exit cli_rules_try(struct cli *cli);
enum cli_exit cli_crosswalk_import(struct cli *cli);
enum cli_exit cli_crosswalk_export(struct cli *cli);
enum cli_exit cli_crosswalk_lookup(struct cli *cli);
enum cli_exit cli_crosswalk_check(struct cli *cli);
enum cli_exit cli_crosswalk_stats(struct cli *cli);
enum cli_exit cli_crosswalk_merge(struct cli *cli);
enum cli_exit cli_crosswalk_unmerge(struct cli *cli);
enum cli_exit cli_crosswalk_move_study(struct cli *cli);
enum cli_exit cli_crosswalk_log(struct cli *cli);
enum cli_exit cli_crosswalk_init(struct cli *cli);
enum cli_exit cli_config_check(struct cli *cli);
enum cli_exit cli_config_reference(struct cli *cli);
enum cli_exit cli_config_reload(struct cli *cli);

// ---- complaints and configuration (values.c) ----

// "dicomgate: ..." on standard error; with --json also {"version", "error", "message"} on standard output.
enum cli_exit cli_complain(const struct cli *cli, enum cli_exit status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The configuration for paths and names, without looking at certificates. The caller frees it on CLI_FINE.
MUST_USE enum cli_exit cli_configuration(const struct cli *cli, struct configuration **out);
// Errors of a file, one to a line, on standard error.
void cli_print_errors(const struct conf_errors *errors);
// Prints an answer as it came. Takes nothing.
enum cli_exit cli_print_json(const json_t *answer);

// ---- the call to the daemon (client.c) ----

// GET (body NULL) or POST of `body` (taken) to the control socket. On CLI_FINE *answer is an object that the
// caller gives back; else the complaint is printed.
MUST_USE enum cli_exit cli_call(const struct cli *cli, const char *path, json_t *body, json_t **answer);
// GET; prints the answer as it came with --json, else by `show`.
MUST_USE enum cli_exit cli_show(const struct cli *cli, const char *path,
                                void (*show)(const struct cli *cli, const json_t *answer));

// Adds "?key=value" (or "&"), encoded; nothing for a value of NULL. False: it does not fit.
MUST_USE bool cli_query_add(char *path, size_t capacity, const char *key, const char *value);

// ---- changes of what is owed (change.c) ----

// `queue drop 17 legacy`: a last word that is no number names the archive.
void cli_archive_take(struct cli *cli);
// Asks the daemon to change what the options select, and says how many are `done`. A change of nothing is a
// finding.
MUST_USE enum cli_exit cli_change(struct cli *cli, bool is_hold, const char *path, const char *done);

// ---- values for people (values.c); each fills `to` and returns it ----

enum { CLI_TEXT = 64 };

// A member of an answer: its text, or "-" where it is missing or null.
const char *cli_text(const json_t *object, const char *key);
// A member's keyword of PS3.6 (`name`), or else its UID.
const char *cli_name_or_uid(const json_t *object, const char *name, const char *uid);
// Its number, or 0.
int64_t cli_number(const json_t *object, const char *key);
// "1.5 GiB"; "-" if missing.
const char *cli_size(const json_t *object, const char *key, char to[CLI_TEXT]);
// How long before now: "12 s", "3 min", "5 h", "4 d"; "-" if missing.
const char *cli_age(const json_t *object, const char *key, char to[CLI_TEXT]);
// "2026-11-21 20:17:18" in local time; "-" if missing.
const char *cli_time(const json_t *object, const char *key, char to[CLI_TEXT]);
// The other way (moment.c): "2026-11-28", of that day's beginning, or "2026-11-28T15:04:05", both in local
// time; seconds since 1970, or -1 if it is neither.
int64_t cli_time_read(const char *text);
// "12"; "-" if missing.
const char *cli_count(const json_t *object, const char *key, char to[CLI_TEXT]);

// ---- tables (table.c) ----

enum { CLI_COLUMNS = 16 };

// Columns as wide as their widest cell; numbers to the right. Cells are copied.
struct cli_table {
    size_t columns;
    const char *title[CLI_COLUMNS];
    bool is_right[CLI_COLUMNS];
    char **cells; // row by row
    size_t count; // cells
    size_t capacity;
};

// Titles that begin with '>' are for columns that align to the right.
void cli_table_init(struct cli_table *table, size_t columns, const char *const *titles);
void cli_table_fini(struct cli_table *table);
void cli_table_add(struct cli_table *table, const char *cell);
void cli_table_print(const struct cli_table *table, FILE *stream);
