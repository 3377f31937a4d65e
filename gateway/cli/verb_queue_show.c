// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate queue show`: what each archive is owed and why it does not go, or where one receipt stands.
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "store/ledger_reader.h"

// ---- why contexts did not fit ----

static void accepts_text(const json_t *accepts, char *to, size_t capacity)
{
    size_t index;
    json_t *syntax;
    (void)text_format(to, capacity, "%s", json_array_size(accepts) == 0 ? "none that is known" : "");
    json_array_foreach(accepts, index, syntax)
    {
        size_t used = strlen(to);
        (void)text_format(to + used, capacity - used, "%s%s", index > 0 ? ", " : "",
                          cli_name_or_uid(syntax, "transfer_syntax_name", "transfer_syntax"));
    }
}

static void contexts_add(struct cli_table *table, const char *archive, const json_t *row)
{
    const json_t *contexts = json_object_get(row, "contexts");
    char text[CLI_TEXT];
    char answer[2 * CLI_TEXT];
    char accepts[600];
    if (!json_is_object(contexts))
        return;
    (void)text_format(answer, sizeof answer, "refused (%" PRId64 "): %.60s", cli_number(contexts, "answer"),
                      cli_text(contexts, "meaning"));
    accepts_text(json_object_get(contexts, "accepts"), accepts, sizeof accepts);
    cli_table_add(table, cli_count(row, "receipt", text));
    cli_table_add(table, archive);
    cli_table_add(table, cli_name_or_uid(contexts, "sop_class_name", "sop_class"));
    cli_table_add(table, cli_name_or_uid(contexts, "transfer_syntax_name", "transfer_syntax"));
    cli_table_add(table, cli_number(contexts, "answer") != 0 ? answer : "accepted since: try it again");
    cli_table_add(table, accepts);
}

static void contexts_begin(struct cli_table *table)
{
    static const char *const TITLES[] = {">RECEIPT",        "ARCHIVE",    "SOP CLASS",
                                         "TRANSFER SYNTAX", "ITS ANSWER", "OF THIS CLASS IT TAKES"};
    cli_table_init(table, sizeof TITLES / sizeof *TITLES, TITLES);
}

static void contexts_end(struct cli_table *table)
{
    if (table->count > 0) {
        (void)puts("\nPresentation contexts of what is parked:");
        cli_table_print(table, stdout);
    }
    cli_table_fini(table);
}

// ---- all archives ----

static void print_archives(const json_t *archives)
{
    static const char *const TITLES[] = {"ARCHIVE", ">OWED",    ">WAITING",          ">RESTING",
                                         ">GATED",  ">HELD",    ">SENDING",          ">ANSWERED",
                                         ">PARKED", "NEXT TRY", "WHAT IS THE MATTER"};
    static const char *const COUNTS[] = {"owed", "waiting", "resting",  "gated",
                                         "held", "sending", "answered", "parked"};
    struct cli_table table;
    size_t index;
    json_t *row;
    char text[CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(archives, index, row)
    {
        bool is_paused = json_is_true(json_object_get(row, "paused"));
        cli_table_add(&table, cli_text(row, "archive"));
        for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++)
            cli_table_add(&table, cli_count(row, COUNTS[i], text));
        cli_table_add(&table, cli_time(row, "next", text));
        cli_table_add(&table, is_paused ? "paused by a person" : cli_text(row, "problem"));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static void print_groups(const json_t *archives)
{
    static const char *const TITLES[] = {"ARCHIVE",        "STAGE",    ">HOW MANY",
                                         ">FIRST RECEIPT", "NEXT TRY", "WHY"};
    struct cli_table table, contexts;
    size_t index, at;
    json_t *row, *group;
    char text[CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    contexts_begin(&contexts);
    json_array_foreach(archives, index, row)
    {
        json_array_foreach(json_object_get(row, "groups"), at, group)
        {
            cli_table_add(&table, cli_text(row, "archive"));
            cli_table_add(&table, cli_text(group, "stage"));
            cli_table_add(&table, cli_count(group, "count", text));
            cli_table_add(&table, cli_count(group, "receipt", text));
            cli_table_add(&table, cli_time(group, "next", text));
            cli_table_add(&table, cli_text(group, "reason"));
            contexts_add(&contexts, cli_text(row, "archive"), group);
        }
    }
    if (table.count > 0) {
        (void)putchar('\n');
        cli_table_print(&table, stdout);
    }
    cli_table_fini(&table);
    contexts_end(&contexts);
    json_array_foreach(archives, index, row)
    {
        if (cli_number(row, "ungrouped") > 0)
            (void)printf("%s: %" PRId64 " more, for other reasons: see `queue list`\n",
                         cli_text(row, "archive"), cli_number(row, "ungrouped"));
    }
}

static enum cli_exit summary_show(struct cli *cli)
{
    char path[800] = "/v1/queue/summary";
    json_t *answer;
    if (!cli_query_add(path, sizeof path, "archive", cli->archive))
        return cli_complain(cli, CLI_USAGE, "the options are too long");
    enum cli_exit status = cli_call(cli, path, NULL, &answer);
    if (status != CLI_FINE)
        return status;
    if (cli->is_json) {
        status = cli_print_json(answer);
    } else {
        print_archives(json_object_get(answer, "archives"));
        print_groups(json_object_get(answer, "archives"));
    }
    json_decref(answer);
    return status;
}

// ---- one receipt ----

static void print_answers(const json_t *items)
{
    static const char *const TITLES[] = {">RECEIPT", "ARCHIVE",   "STAGE",           ">TRIES", "NEXT TRY",
                                         "ANSWER",   "SOP CLASS", "TRANSFER SYNTAX", "WHY"};
    struct cli_table table, contexts;
    size_t index;
    json_t *row;
    char text[CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    contexts_begin(&contexts);
    json_array_foreach(items, index, row)
    {
        cli_table_add(&table, cli_count(row, "receipt", text));
        cli_table_add(&table, cli_text(row, "archive"));
        cli_table_add(&table, cli_text(row, "stage"));
        cli_table_add(&table, cli_count(row, "attempts", text));
        cli_table_add(&table, cli_time(row, "next", text));
        cli_table_add(&table, cli_text(row, "status"));
        cli_table_add(&table, cli_name_or_uid(row, "sop_class_name", "sop_class"));
        cli_table_add(&table, cli_name_or_uid(row, "transfer_syntax_name", "transfer_syntax"));
        cli_table_add(&table, cli_text(row, "reason"));
        contexts_add(&contexts, cli_text(row, "archive"), row);
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
    contexts_end(&contexts);
}

static enum cli_exit receipt_show(struct cli *cli)
{
    char path[800] = "/v1/queue";
    char number[32];
    const char *word = cli->arguments[0];
    bool is_uid = strchr(word, '.') != NULL;
    uint64_t receipt = 0;
    json_t *answer;
    if (!is_uid && (!ledger_receipt_parse(word, &receipt) || receipt == 0))
        return cli_complain(cli, CLI_USAGE, "\"%.60s\" is neither a receipt number nor a UID", word);
    (void)text_format(number, sizeof number, "%" PRIu64, receipt);
    if (!cli_query_add(path, sizeof path, is_uid ? "uid" : "receipt", is_uid ? word : number) ||
        !cli_query_add(path, sizeof path, "archive", cli->archive))
        return cli_complain(cli, CLI_USAGE, "the options are too long");
    enum cli_exit status = cli_call(cli, path, NULL, &answer);
    if (status != CLI_FINE)
        return status;
    const json_t *items = json_object_get(answer, "items");
    if (cli->is_json)
        status = cli_print_json(answer);
    else if (json_array_size(items) == 0)
        (void)printf("nothing is owed of it; `dicomgate ledger show %s` tells what became of it\n", word);
    else
        print_answers(items);
    json_decref(answer);
    return status;
}

enum cli_exit cli_queue_show(struct cli *cli)
{
    return cli->argument_count > 0 ? receipt_show(cli) : summary_show(cli);
}
