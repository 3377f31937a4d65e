// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate status`: one page that says whether somebody has to get up. Also the table of archives, which
// `dicomgate archive list` shares.
#include "verb_tables.h"

#include "base/text.h"

void cli_print_archives(const json_t *archives)
{
    static const char *const TITLES[] = {"ARCHIVE",  ">ID",     "AE TITLE",      "ADDRESS", "SECURITY",
                                         "STATE",    ">LANES",  ">OWED",         ">HELD",   ">PARKED",
                                         ">FLAGGED", ">OLDEST", ">LAST SUCCESS", "PROBLEM"};
    struct cli_table table;
    size_t index;
    json_t *row;
    char text[CLI_TEXT], other[CLI_TEXT], lanes[2 * CLI_TEXT];
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(archives, index, row)
    {
        cli_table_add(&table, cli_text(row, "name"));
        cli_table_add(&table, cli_count(row, "id", text));
        cli_table_add(&table, cli_text(row, "ae_title"));
        cli_table_add(&table, cli_text(row, "address"));
        cli_table_add(&table, json_is_true(json_object_get(row, "tls")) ? "TLS" : "PLAIN");
        cli_table_add(&table, cli_text(row, "state"));
        (void)text_format(lanes, sizeof lanes, "%s/%s", cli_count(row, "lanes", text),
                          cli_count(row, "lanes_limit", other));
        cli_table_add(&table, lanes);
        cli_table_add(&table, cli_count(row, "owed", text));
        cli_table_add(&table, cli_count(row, "held", text));
        cli_table_add(&table, cli_count(row, "parked", text));
        cli_table_add(&table, cli_count(json_object_get(row, "counters"), "flagged", text));
        cli_table_add(&table, cli_age(row, "oldest", text));
        cli_table_add(&table, cli_age(row, "last_success", text));
        cli_table_add(&table, cli_text(row, "problem"));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static void print_listeners(const json_t *listeners)
{
    static const char *const TITLES[] = {"LISTENER", "ADDRESS", "SECURITY"};
    struct cli_table table;
    size_t index;
    json_t *row;
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    json_array_foreach(listeners, index, row)
    {
        cli_table_add(&table, cli_text(row, "name"));
        cli_table_add(&table, cli_text(row, "address"));
        cli_table_add(&table, json_is_true(json_object_get(row, "tls")) ? "TLS" : "PLAIN, not encrypted");
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static void print_head(const json_t *answer)
{
    char since[CLI_TEXT], age[CLI_TEXT], epoch[CLI_TEXT], open[CLI_TEXT], most[CLI_TEXT];
    (void)printf("dicomgate %s: %s, %s, since %s (%s)\n", cli_text(answer, "program"),
                 cli_text(answer, "life"),
                 json_is_true(json_object_get(answer, "ready")) ? "ready" : "NOT READY",
                 cli_time(answer, "since", since), cli_age(answer, "since", age));
    (void)printf("phase %s, epoch %s, %s of %s associations\n\n", cli_text(answer, "phase"),
                 cli_count(answer, "epoch", epoch), cli_count(answer, "associations", open),
                 cli_count(answer, "associations_limit", most));
}

static void print_figures(const json_t *answer)
{
    char a[CLI_TEXT], b[CLI_TEXT], c[CLI_TEXT], d[CLI_TEXT], e[CLI_TEXT], f[CLI_TEXT];
    const json_t *receipts = json_object_get(answer, "receipts");
    const json_t *journal = json_object_get(answer, "journal");
    (void)printf("receipts  %s accepted, %s owed, %s parked, %s held, %s answered, %s settled\n",
                 cli_count(receipts, "accepted", a), cli_count(receipts, "owed", b),
                 cli_count(receipts, "parked", c), cli_count(receipts, "held", f),
                 cli_count(receipts, "answered", d), cli_count(receipts, "settled", e));
    const char *takes = "TAKES NO NEW INSTANCES";
    if (json_is_true(json_object_get(journal, "accepting")))
        takes = json_is_true(json_object_get(journal, "welcoming")) ? "takes new instances"
                                                                    : "REJECTS NEW STORE ASSOCIATIONS";
    (void)printf("journal   %s in %s segments, %s free, %s\n", cli_size(journal, "bytes", a),
                 cli_count(journal, "segments", b), cli_size(journal, "free", c), takes);
    (void)printf("          room for %s; rejects associations below %s, instances below %s",
                 cli_size(journal, "room", a), cli_size(journal, "association_watermark", b),
                 cli_size(journal, "watermark", c));
    if (json_is_integer(json_object_get(journal, "quota")))
        (void)printf("; quota %s", cli_size(journal, "quota", d));
    (void)printf("\n\n");
}

static void print_alarms(const json_t *alarms)
{
    size_t index;
    json_t *alarm;
    struct cli_table table;
    static const char *const TITLES[] = {"ALARM"};
    if (json_array_size(alarms) == 0)
        return;
    cli_table_init(&table, 1, TITLES);
    json_array_foreach(alarms, index, alarm)
    {
        const char *text = json_string_value(alarm);
        cli_table_add(&table, text != NULL ? text : "-");
    }
    (void)putchar('\n');
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

enum cli_exit cli_status(struct cli *cli)
{
    json_t *answer;
    enum cli_exit status = cli_call(cli, "/v1/status", NULL, &answer);
    if (status != CLI_FINE)
        return status;
    if (cli->is_json) {
        status = cli_print_json(answer);
    } else {
        print_head(answer);
        print_figures(answer);
        print_listeners(json_object_get(answer, "listeners"));
        (void)putchar('\n');
        cli_print_archives(json_object_get(answer, "archives"));
        print_alarms(json_object_get(answer, "alarms"));
    }
    bool is_fine = json_is_true(json_object_get(answer, "ready")) &&
                   json_array_size(json_object_get(answer, "alarms")) == 0;
    json_decref(answer);
    return status == CLI_FINE && !is_fine ? CLI_FINDING : status;
}
