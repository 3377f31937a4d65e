// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate queue list|retry|park|drop`: what is still owed to the archives.
#include "cli.h"

#include <inttypes.h>

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

enum cli_exit cli_queue_retry(struct cli *cli)
{
    return cli_change(cli, false, "/v1/queue/retry", "will be tried again now");
}

enum cli_exit cli_queue_park(struct cli *cli)
{
    return cli_change(cli, false, "/v1/queue/park", "parked");
}

enum cli_exit cli_queue_drop(struct cli *cli)
{
    if (cli->person == NULL || cli->reason == NULL)
        return cli_complain(cli, CLI_USAGE,
                            "--person and --reason are needed: they are recorded with the outcome");
    cli_archive_take(cli);
    if (cli->archive == NULL)
        return cli_complain(cli, CLI_USAGE,
                            "the archive is needed: an instance is dropped for one archive at a time");
    return cli_change(cli, false, "/v1/queue/drop", "dropped: never sent to this archive");
}
