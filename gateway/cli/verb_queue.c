// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate queue list|retry|park|drop`: what is still owed to the archives.
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/text.h"

static void print_items(const json_t *items)
{
    static const char *const TITLES[] = {">RECEIPT", "ARCHIVE", "STATE",        ">SIZE", ">RECEIVED",
                                         ">TRIES",   ">NEXT",   "SOP INSTANCE", "REASON"};
    struct cli_table table;
    size_t index;
    json_t *row;
    char text[CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(items, index, row)
    {
        cli_table_add(&table, cli_count(row, "receipt", text));
        cli_table_add(&table, cli_text(row, "archive"));
        cli_table_add(&table, cli_text(row, "state"));
        cli_table_add(&table, cli_size(row, "bytes", text));
        cli_table_add(&table, cli_age(row, "received", text));
        cli_table_add(&table, cli_count(row, "attempts", text));
        cli_table_add(&table, cli_age(row, "next", text));
        cli_table_add(&table, cli_text(row, "uid"));
        cli_table_add(&table, cli_text(row, "reason"));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static void show_queue(const struct cli *cli, const json_t *answer)
{
    const json_t *items = json_object_get(answer, "items");
    (void)cli;
    if (json_array_size(items) == 0) {
        (void)puts("nothing is waiting");
        return;
    }
    print_items(items);
    if (json_is_true(json_object_get(answer, "more")))
        (void)printf("there is more: --after %" PRId64 ", or a larger --limit\n",
                     cli_number(json_array_get(items, json_array_size(items) - 1), "receipt"));
}

enum cli_exit cli_queue_list(struct cli *cli)
{
    char path[800] = "/v1/queue";
    if (!cli_query_add(path, sizeof path, "archive", cli->archive) ||
        !cli_query_add(path, sizeof path, "state", cli->state) ||
        !cli_query_add(path, sizeof path, "after", cli->after) ||
        !cli_query_add(path, sizeof path, "limit", cli->limit))
        return cli_complain(cli, CLI_USAGE, "the options are too long");
    return cli_show(cli, path, show_queue);
}

static enum cli_exit receipts_add(const struct cli *cli, json_t *body)
{
    if (cli->argument_count > ADMIN_RECEIPTS)
        return cli_complain(cli, CLI_USAGE, "at most %d receipts at a time", ADMIN_RECEIPTS);
    json_t *receipts = json_array();
    for (int i = 0; i < cli->argument_count; i++) {
        uint64_t number;
        if (text_number(slice_of_text(cli->arguments[i]), INT64_MAX, &number) != OK || number == 0) {
            json_decref(receipts);
            return cli_complain(cli, CLI_USAGE, "\"%.60s\" is not a receipt number", cli->arguments[i]);
        }
        (void)json_array_append_new(receipts, json_integer((json_int_t)number));
    }
    (void)json_object_set_new(body, "receipts", receipts);
    return CLI_FINE;
}

// `queue retry 17 legacy`: a last word that is no number names the archive.
static void archive_take(struct cli *cli)
{
    uint64_t number;
    if (cli->archive != NULL || cli->argument_count == 0)
        return;
    const char *last = cli->arguments[cli->argument_count - 1];
    if (text_number(slice_of_text(last), UINT64_MAX, &number) == OK)
        return;
    cli->archive = last;
    cli->argument_count--;
}

// Exactly one of: receipt numbers, --instance, --all.
static enum cli_exit selection_make(const struct cli *cli, json_t *body)
{
    int ways = (cli->argument_count > 0) + (cli->uid != NULL) + cli->is_all;
    if (ways != 1)
        return cli_complain(cli, CLI_USAGE, "say which: receipt numbers, or --uid UID, or --all");
    if (cli->uid != NULL)
        (void)json_object_set_new(body, "uid", json_string(cli->uid));
    if (cli->is_all)
        (void)json_object_set_new(body, "all", json_true());
    if (cli->archive != NULL)
        (void)json_object_set_new(body, "archive", json_string(cli->archive));
    if (cli->person != NULL)
        (void)json_object_set_new(body, "person", json_string(cli->person));
    if (cli->reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(cli->reason));
    return cli->argument_count > 0 ? receipts_add(cli, body) : CLI_FINE;
}

static enum cli_exit change(struct cli *cli, const char *path, const char *done)
{
    json_t *answer, *body = json_object();
    archive_take(cli);
    enum cli_exit status = selection_make(cli, body);
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
    else if (unchanged > 0)
        (void)printf("%" PRId64 " %s; %" PRId64 " left as they are: not in a state for it\n", changed, done,
                     unchanged);
    else
        (void)printf("%" PRId64 " %s\n", changed, done);
    json_decref(answer);
    return status == CLI_FINE && changed == 0 ? CLI_FINDING : status;
}

enum cli_exit cli_queue_retry(struct cli *cli)
{
    return change(cli, "/v1/queue/retry", "will be tried again now");
}

enum cli_exit cli_queue_park(struct cli *cli)
{
    return change(cli, "/v1/queue/park", "parked");
}

enum cli_exit cli_queue_drop(struct cli *cli)
{
    if (cli->person == NULL || cli->reason == NULL)
        return cli_complain(cli, CLI_USAGE,
                            "--person and --reason are needed: they are recorded with the outcome");
    archive_take(cli);
    if (cli->archive == NULL)
        return cli_complain(cli, CLI_USAGE,
                            "the archive is needed: an instance is dropped for one archive at a time");
    return change(cli, "/v1/queue/drop", "dropped: this archive will never get them");
}
