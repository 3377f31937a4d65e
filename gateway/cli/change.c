// SPDX-License-Identifier: Apache-2.0
//
// What `queue retry|park|drop` and `hold release|reject` share: which pairs of receipt and archive are meant,
// and the answer.
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "store/ledger_reader.h"

static enum cli_exit receipts_add(const struct cli *cli, json_t *body)
{
    if (cli->argument_count > ADMIN_RECEIPTS)
        return cli_complain(cli, CLI_USAGE, "at most %d receipts at a time", ADMIN_RECEIPTS);
    json_t *receipts = json_array();
    for (int i = 0; i < cli->argument_count; i++) {
        uint64_t number;
        if (!ledger_receipt_parse(cli->arguments[i], &number) || number == 0 || number > INT64_MAX) {
            json_decref(receipts);
            return cli_complain(cli, CLI_USAGE, "\"%.60s\" is not a receipt number", cli->arguments[i]);
        }
        (void)json_array_append_new(receipts, json_integer((json_int_t)number));
    }
    (void)json_object_set_new(body, "receipts", receipts);
    return CLI_FINE;
}

// `queue retry 17 legacy`: a last word that is no number names the archive.
void cli_archive_take(struct cli *cli)
{
    uint64_t number;
    if (cli->archive != NULL || cli->argument_count == 0)
        return;
    const char *last = cli->arguments[cli->argument_count - 1];
    if (ledger_receipt_parse(last, &number))
        return;
    cli->archive = last;
    cli->argument_count--;
}

static void text_add(json_t *body, const char *key, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(body, key, json_string(text));
}

// Exactly one of: receipt numbers, --uid, --study (of holds), --all.
static enum cli_exit selection_make(const struct cli *cli, bool is_hold, json_t *body)
{
    int ways = (cli->argument_count > 0) + (cli->uid != NULL) + (cli->study != NULL) + cli->is_all;
    if (ways != 1)
        return cli_complain(cli, CLI_USAGE, "say which: receipt numbers, or --uid UID, %sor --all",
                            is_hold ? "or --study UID, " : "");
    text_add(body, "uid", cli->uid);
    text_add(body, "study", cli->study);
    text_add(body, "held_for", cli->held_for);
    text_add(body, "archive", cli->archive);
    text_add(body, "person", cli->person);
    text_add(body, "reason", cli->reason);
    if (cli->is_all)
        (void)json_object_set_new(body, "all", json_true());
    return cli->argument_count > 0 ? receipts_add(cli, body) : CLI_FINE;
}

static void print_changed(bool is_hold, int64_t changed, int64_t unchanged, const char *done)
{
    if (is_hold && changed == 0)
        (void)puts("nothing of it is held");
    else if (unchanged > 0)
        (void)printf("%" PRId64 " %s; %" PRId64 " left as they are: not in a state for it\n", changed, done,
                     unchanged);
    else
        (void)printf("%" PRId64 " %s\n", changed, done);
}

enum cli_exit cli_change(struct cli *cli, bool is_hold, const char *path, const char *done)
{
    json_t *answer, *body = json_object();
    cli_archive_take(cli);
    enum cli_exit status = selection_make(cli, is_hold, body);
    if (status != CLI_FINE) {
        json_decref(body);
        return status;
    }
    status = cli_call(cli, path, body, &answer);
    if (status != CLI_FINE)
        return status;
    int64_t changed = cli_number(answer, "changed"), unchanged = cli_number(answer, "unchanged");
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        print_changed(is_hold, changed, unchanged, done);
    if (!cli->is_json && json_is_false(json_object_get(answer, "durable")))
        (void)puts("but the journal can not be written for now: a crash would undo it");
    json_decref(answer);
    return status == CLI_FINE && changed == 0 ? CLI_FINDING : status;
}
