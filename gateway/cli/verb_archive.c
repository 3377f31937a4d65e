// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate archive list|show|capabilities|probe|echo|pause|resume`.
#include "verb_tables.h"

#include <string.h>

#include "base/text.h"

static void show_archives(const struct cli *cli, const json_t *answer)
{
    (void)cli;
    cli_print_archives(json_object_get(answer, "archives"));
}

enum cli_exit cli_archive_list(struct cli *cli)
{
    return cli_show(cli, "/v1/archives", show_archives);
}

static void status_text(const struct configuration_status *row, char *to, size_t capacity)
{
    if (row->first == 0 && row->last == 0xFFFF)
        (void)text_format(to, capacity, "any other");
    else if (row->first == row->last)
        (void)text_format(to, capacity, "%04X", row->first);
    else
        (void)text_format(to, capacity, "%04X-%04X", row->first, row->last);
}

static json_t *status_rows(const struct configuration_status *rows, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char status[16];
        status_text(&rows[i], status, sizeof status);
        json_t *row = json_pack("{s:s, s:s*, s:s, s:s}", "status", status, "comment", rows[i].comment,
                                "means", configuration_meaning_name(rows[i].means), "source",
                                rows[i].line > 0 ? "file" : "default");
        if (rows[i].line > 0)
            (void)json_object_set_new(row, "line", json_integer((json_int_t)rows[i].line));
        (void)json_array_append_new(list, row);
    }
    return list;
}

static void print_statuses(const char *file, const json_t *statuses)
{
    static const char *const TITLES[] = {"STATUS", "ERROR COMMENT CONTAINS", "MEANS", "SOURCE"};
    struct cli_table table;
    size_t index;
    json_t *row;
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(statuses, index, row)
    {
        char source[512];
        char line[CLI_TEXT];
        if (json_object_get(row, "line") != NULL)
            (void)text_format(source, sizeof source, "%s:%s", file, cli_count(row, "line", line));
        else
            (void)text_format(source, sizeof source, "default");
        cli_table_add(&table, cli_text(row, "status"));
        cli_table_add(&table, json_object_get(row, "comment") != NULL ? cli_text(row, "comment") : "-");
        cli_table_add(&table, cli_text(row, "means"));
        cli_table_add(&table, source);
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

enum cli_exit cli_archive_show(struct cli *cli)
{
    struct configuration *configuration;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    const struct configuration_node *node = configuration_node_by_name(configuration, cli->arguments[0]);
    if (node == NULL) {
        configuration_free(configuration);
        return cli_complain(cli, CLI_USAGE, "\"%.60s\" is not the name of an archive", cli->arguments[0]);
    }
    size_t count;
    const struct configuration_status *defaults = configuration_status_defaults(&count);
    json_t *rows = status_rows(node->status, node->status_count);
    json_t *behind = status_rows(defaults, count);
    (void)json_array_extend(rows, behind);
    json_decref(behind);
    json_t *answer = json_pack("{s:i, s:s, s:s, s:o}", "version", 1, "archive", node->name, "file",
                               configuration->file, "statuses", rows);
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        print_statuses(configuration->file, rows);
    json_decref(answer);
    configuration_free(configuration);
    return status;
}

// POST /v1/archives/NAME/`verb`. The name goes into a path, so only what a node may be called is let through.
static enum cli_exit change(struct cli *cli, const char *verb, json_t **answer)
{
    char path[128];
    const char *name = cli->arguments[0];
    if (name[0] == 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(name))
        return cli_complain(cli, CLI_USAGE, "\"%.60s\" is not the name of an archive", name);
    if (!text_format(path, sizeof path, "/v1/archives/%s/%s", name, verb))
        return cli_complain(cli, CLI_USAGE, "the name is too long");
    json_t *body = json_object();
    if (cli->person != NULL)
        (void)json_object_set_new(body, "person", json_string(cli->person));
    if (cli->reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(cli->reason));
    return cli_call(cli, path, body, answer);
}

enum cli_exit cli_archive_echo(struct cli *cli)
{
    json_t *answer;
    char time[CLI_TEXT];
    enum cli_exit status = change(cli, "echo", &answer);
    if (status != CLI_FINE)
        return status;
    bool is_fine = json_is_true(json_object_get(answer, "ok"));
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        (void)printf("%s: %s after %s ms: %s\n", cli_text(answer, "archive"), is_fine ? "fine" : "FAILED",
                     cli_count(answer, "milliseconds", time), cli_text(answer, "message"));
    json_decref(answer);
    return status == CLI_FINE && !is_fine ? CLI_FINDING : status;
}

static enum cli_exit pause_or_resume(struct cli *cli, const char *verb)
{
    json_t *answer;
    enum cli_exit status = change(cli, verb, &answer);
    if (status != CLI_FINE)
        return status;
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        (void)printf("%s: %s\n", cli_text(answer, "archive"),
                     json_is_true(json_object_get(answer, "paused"))
                         ? "paused; what is owed to it is kept until `archive resume`"
                         : "sending");
    json_decref(answer);
    return status;
}

enum cli_exit cli_archive_pause(struct cli *cli)
{
    return pause_or_resume(cli, "pause");
}

enum cli_exit cli_archive_resume(struct cli *cli)
{
    return pause_or_resume(cli, "resume");
}

// ---- capabilities ----

static void print_capabilities(const json_t *items)
{
    static const char *const TITLES[] = {"SOP CLASS", "TRANSFER SYNTAX", "ANSWER", "WHEN"};
    struct cli_table table;
    size_t index;
    json_t *item;
    char when[CLI_TEXT];
    char answer[CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(items, index, item)
    {
        bool is_accepted = json_is_true(json_object_get(item, "accepted"));
        (void)snprintf(answer, sizeof answer, "refused (%d)", (int)cli_number(item, "result"));
        cli_table_add(&table, cli_name_or_uid(item, "sop_class_name", "sop_class"));
        cli_table_add(&table, cli_name_or_uid(item, "transfer_syntax_name", "transfer_syntax"));
        cli_table_add(&table, is_accepted ? "accepted" : answer);
        cli_table_add(&table, cli_time(item, "when", when));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static void print_explanations(const json_t *rows)
{
    size_t index;
    json_t *row;
    char when[CLI_TEXT];
    if (json_array_size(rows) > 0)
        (void)printf("\nWhat a client would be answered:\n");
    json_array_foreach(rows, index, row)
    {
        (void)printf("  route %d (%s, primary %s): %s: %s", (int)cli_number(row, "route"),
                     cli_text(row, "negotiate"), cli_text(row, "primary"), cli_text(row, "answer"),
                     cli_text(row, "why"));
        if (json_is_integer(json_object_get(row, "when")))
            (void)printf(" (learned %s)", cli_time(row, "when", when));
        (void)printf("\n");
    }
}

static void show_capabilities(const struct cli *cli, const json_t *answer)
{
    (void)cli;
    print_capabilities(json_object_get(answer, "items"));
    print_explanations(json_object_get(answer, "explanation"));
}

enum cli_exit cli_archive_capabilities(struct cli *cli)
{
    char path[2048];
    if (!text_format(path, sizeof path, "/v1/archives/%.200s/capabilities", cli->arguments[0]) ||
        !cli_query_add(path, sizeof path, "sop_class", cli->sop_class) ||
        !cli_query_add(path, sizeof path, "transfer_syntax", cli->transfer_syntax) ||
        !cli_query_add(path, sizeof path, "client", cli->client))
        return cli_complain(cli, CLI_USAGE, "the options are too long");
    return cli_show(cli, path, show_capabilities);
}

enum cli_exit cli_archive_probe(struct cli *cli)
{
    json_t *answer;
    enum cli_exit status = change(cli, "probe", &answer);
    if (status != CLI_FINE)
        return status;
    bool is_fine = json_is_true(json_object_get(answer, "ok"));
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        (void)printf("%s: %s, %d pairs of syntaxes asked, %d answers changed: %s\n",
                     cli_text(answer, "archive"), is_fine ? "fine" : "FAILED",
                     (int)cli_number(answer, "asked"), (int)cli_number(answer, "changed"),
                     cli_text(answer, "message"));
    json_decref(answer);
    return status == CLI_FINE && !is_fine ? CLI_FINDING : status;
}
