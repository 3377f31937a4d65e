// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate hold list|show|release|reject`: what rules or the crosswalk keep back from an archive (FIELD 4).
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "store/ledger_reader.h"

// ---- list ----

static void print_groups(const json_t *groups)
{
    static const char *const TITLES[] = {"ARCHIVE", ">HOW MANY", ">OLDEST", ">FIRST RECEIPT", "STUDY", "WHY"};
    struct cli_table table;
    size_t index;
    json_t *row;
    char text[CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(groups, index, row)
    {
        cli_table_add(&table, cli_text(row, "archive"));
        cli_table_add(&table, cli_count(row, "count", text));
        cli_table_add(&table, cli_age(row, "received", text));
        cli_table_add(&table, cli_count(row, "receipt", text));
        cli_table_add(&table, cli_text(row, "study"));
        cli_table_add(&table, cli_text(row, "reason"));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

enum cli_exit cli_hold_list(struct cli *cli)
{
    char path[800] = "/v1/holds";
    json_t *answer;
    if (!cli_query_add(path, sizeof path, "archive", cli->archive) ||
        !cli_query_add(path, sizeof path, "study", cli->study))
        return cli_complain(cli, CLI_USAGE, "the options are too long");
    enum cli_exit status = cli_call(cli, path, NULL, &answer);
    if (status != CLI_FINE)
        return status;
    const json_t *groups = json_object_get(answer, "groups");
    int64_t more = cli_number(answer, "more");
    if (cli->is_json)
        status = cli_print_json(answer);
    else if (json_array_size(groups) == 0)
        (void)puts("nothing is held");
    else
        print_groups(groups);
    if (!cli->is_json && more > 0)
        (void)printf("%" PRId64 " more: narrow it down with --archive or --study\n", more);
    json_decref(answer);
    return status;
}

// ---- show ----

static void print_line(const char *title, const char *text)
{
    if (strcmp(text, "-") != 0)
        (void)printf("  %-16s%s\n", title, text);
}

static void print_sent(const json_t *item)
{
    static const char *const TITLES[] = {">RECEIPT", "STATE", "WHEN", "SOP INSTANCE"};
    const json_t *sent = json_object_get(item, "sent");
    int64_t count = cli_number(item, "sent_count");
    struct cli_table table;
    size_t index;
    json_t *row;
    char text[CLI_TEXT];
    if (!json_is_integer(json_object_get(item, "sent_count"))) {
        (void)puts("\nWhat of its study had left for this archive before is not known.");
        return;
    }
    if (count == 0) {
        (void)puts("\nNothing of its study had left for this archive before.");
        return;
    }
    (void)printf("\n%" PRId64 " of its study had left for this archive before:\n", count);
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(sent, index, row)
    {
        cli_table_add(&table, cli_count(row, "receipt", text));
        cli_table_add(&table, cli_text(row, "state"));
        cli_table_add(&table, cli_time(row, "when", text));
        cli_table_add(&table, cli_text(row, "uid"));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
    if ((size_t)count > json_array_size(sent))
        (void)printf("and %" PRId64 " more\n", count - (int64_t)json_array_size(sent));
}

static void print_hold(const json_t *item)
{
    char text[CLI_TEXT];
    bool is_primary = json_is_true(json_object_get(item, "primary"));
    (void)printf("receipt %s is held for %s%s: %s\n", cli_count(item, "receipt", text),
                 cli_text(item, "archive"), is_primary ? " (primary of a route)" : "",
                 cli_text(item, "reason"));
    print_line("received", cli_time(item, "received", text));
    print_line("held since", cli_time(item, "since", text));
    print_line("size", cli_size(item, "bytes", text));
    print_line("SOP Instance", cli_text(item, "uid"));
    print_line("SOP Class", cli_name_or_uid(item, "sop_class_name", "sop_class"));
    print_line("modality", cli_text(item, "modality"));
    print_line("study", cli_text(item, "study"));
    print_line("series", cli_text(item, "series"));
    print_line("from", cli_text(item, "calling"));
    print_line("address", cli_text(item, "address"));
    print_line("called", cli_text(item, "called"));
    print_sent(item);
}

enum cli_exit cli_hold_show(struct cli *cli)
{
    char path[800] = "/v1/holds/show";
    char number[32];
    const char *word = cli->arguments[0];
    bool is_uid = strchr(word, '.') != NULL;
    uint64_t receipt = 0;
    size_t index;
    json_t *answer, *item;
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
        (void)printf("nothing of it is held; `dicomgate ledger show %s` tells what became of it\n", word);
    else
        json_array_foreach(items, index, item)
        {
            if (index > 0)
                (void)putchar('\n');
            print_hold(item);
        }
    json_decref(answer);
    return status;
}

// ---- release and reject ----

static enum cli_exit change(struct cli *cli, const char *path, const char *done)
{
    if (cli->person == NULL || cli->reason == NULL)
        return cli_complain(cli, CLI_USAGE,
                            "--person and --reason are needed: they are recorded with the outcome");
    return cli_change(cli, true, path, done);
}

enum cli_exit cli_hold_release(struct cli *cli)
{
    return change(cli, "/v1/holds/release", "released");
}

enum cli_exit cli_hold_reject(struct cli *cli)
{
    return change(cli, "/v1/holds/reject", "rejected: never sent to the archive that it was held for");
}
