// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate queue quarantine`: which records of the journal were found damaged, what they belong to, and who
// is still owed it. Reads the stores itself, with the daemon up or down.
#include "data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "journal/format.h"
#include "store/control.h"
#include "store/ledger.h"
#include "store/ledger_reader.h"
#include "store/lmdb.h"

struct report {
    const struct cli *cli;
    const struct configuration *configuration;
    struct kv_env *ledger;
    struct fs *fs;
    struct control_damage *list;
    size_t count;
    size_t capacity;
    size_t present; // whose segment is still there
    json_t *items;
};

static enum result collect(void *argument, const struct control_damage *damage)
{
    struct report *report = argument;
    enum result result = ARRAY_GROW(report->list, report->capacity, report->count + 1);
    if (result == OK)
        report->list[report->count++] = *damage;
    return result;
}

static const char *type_text(uint8_t type)
{
    static const char *const texts[] = {"-",    "OPEN",    "DATA",  "CLOSE", "DROP",
                                        "SENT", "OUTCOME", "EPOCH", "DEATH"};
    return texts[type < sizeof texts / sizeof texts[0] ? type : 0];
}

static const char *node_name(const struct report *report, uint32_t id, char *to, size_t capacity)
{
    const struct configuration_node *node =
        id <= UINT16_MAX ? configuration_node_by_id(report->configuration, (uint16_t)id) : NULL;
    if (node != NULL)
        return node->name;
    (void)text_format(to, capacity, "node %u", (unsigned)id);
    return to;
}

// The archives that have not settled it.
static json_t *owed_list(const struct report *report, const struct ledger_fact *fact)
{
    json_t *owed = json_array();
    for (size_t i = 0; i < fact->delivery_count; i++) {
        const struct fact_delivery *delivery = &fact->deliveries[i];
        char name[32];
        if (delivery->owed && !delivery_state_settles(delivery->state) &&
            delivery->state != DELIVERY_ANSWERED)
            (void)json_array_append_new(owed,
                                        json_string(node_name(report, delivery->archive, name, sizeof name)));
    }
    return owed;
}

static void receipt_add(const struct report *report, json_t *item, uint64_t receipt)
{
    struct ledger_fact fact;
    char number[32], uid[80] = "";
    fact_init(&fact);
    ledger_receipt_text(receipt, number, sizeof number);
    (void)json_object_set_new(item, "receipt", receipt == 0 ? json_null() : json_string(number));
    (void)json_object_set_new(item, "number", receipt == 0 ? json_null() : json_integer((json_int_t)receipt));
    if (receipt != 0 && ledger_find_receipt(report->ledger, receipt, &fact) == OK) {
        if (fact.sop_instance != NULL)
            text_printable(uid, sizeof uid, slice_of_text(fact.sop_instance));
        (void)json_object_set_new(item, "state", json_string(fact_state_text(fact.state)));
        (void)json_object_set_new(item, "owed", owed_list(report, &fact));
    }
    (void)json_object_set_new(item, "uid", uid[0] == 0 ? json_null() : json_string(uid));
    fact_fini(&fact);
}

static json_t *item_make(struct report *report, const struct control_damage *damage)
{
    char segment[JOURNAL_NAME_SIZE], path[64];
    journal_segment_name(damage->position.stream, damage->position.segment, segment);
    (void)text_format(path, sizeof path, "journal/%s", segment);
    bool is_there = fs_path_exists(report->fs, path) == OK;
    report->present += is_there;
    json_t *item =
        json_pack("{s:s, s:I, s:I, s:s, s:s, s:I, s:b}", "segment", segment, "offset",
                  (json_int_t)damage->position.offset, "bytes", (json_int_t)damage->bytes, "record",
                  type_text(damage->type), "found_by", control_damage_finder_text(damage->finder), "found",
                  (json_int_t)(damage->when / 1000000000u), "segment_present", is_there);
    if (item != NULL)
        receipt_add(report, item, damage->receipt);
    return item;
}

static void owed_text(const json_t *owed, char *to, size_t capacity)
{
    size_t length = 0;
    to[0] = 0;
    for (size_t i = 0; i < json_array_size(owed); i++) {
        const char *name = json_string_value(json_array_get(owed, i));
        (void)text_format(to + length, capacity - length, "%s%s", i > 0 ? "," : "", name);
        length += strlen(to + length);
    }
    if (length == 0)
        (void)text_copy(to, capacity, slice_of_text("-"));
}

static void receipt_text(const json_t *item, char *to, size_t capacity)
{
    if (json_is_integer(json_object_get(item, "number")))
        (void)text_format(to, capacity, "%s (%" PRId64 ")", cli_text(item, "receipt"),
                          cli_number(item, "number"));
    else
        (void)text_copy(to, capacity, slice_of_text("-"));
}

static void table_print(const struct report *report)
{
    static const char *const titles[] = {"SEGMENT",  ">OFFSET", ">BYTES", "RECORD", "RECEIPT",
                                         "INSTANCE", "OWED TO", "FOUND",  "BY"};
    struct cli_table table;
    cli_table_init(&table, sizeof titles / sizeof titles[0], titles);
    for (size_t i = 0; i < json_array_size(report->items); i++) {
        const json_t *item = json_array_get(report->items, i);
        char text[CLI_TEXT], owed[256], receipt[48];
        cli_table_add(&table, cli_text(item, "segment"));
        cli_table_add(&table, cli_count(item, "offset", text));
        cli_table_add(&table, cli_count(item, "bytes", text));
        cli_table_add(&table, cli_text(item, "record"));
        receipt_text(item, receipt, sizeof receipt);
        cli_table_add(&table, receipt);
        cli_table_add(&table, cli_text(item, "uid"));
        owed_text(json_object_get(item, "owed"), owed, sizeof owed);
        cli_table_add(&table, owed);
        cli_table_add(&table, json_is_true(json_object_get(item, "segment_present"))
                                  ? cli_time(item, "found", text)
                                  : "segment is gone");
        cli_table_add(&table, cli_text(item, "found_by"));
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static enum cli_exit print(struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        json_t *item = item_make(report, &report->list[i]);
        if (item == NULL || json_array_append_new(report->items, item) != 0)
            return cli_complain(report->cli, CLI_INTERNAL, "out of memory");
    }
    enum cli_exit status = report->present > 0 ? CLI_FINDING : CLI_FINE;
    if (report->cli->is_json) {
        json_t *answer = json_pack("{s:i, s:I, s:O}", "version", 1, "present", (json_int_t)report->present,
                                   "items", report->items);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
    } else if (report->count == 0) {
        (void)puts("no damaged records are known");
    } else {
        table_print(report);
    }
    return status;
}

// Complains itself, also where the daemon has never run.
static enum cli_exit store_open(const struct report *report, const char *name, const struct kv_schema *schema,
                                struct kv_env **out)
{
    char folder[4096], why[512] = "";
    struct lmdb_options options = {.read_only = true};
    if (!text_format(folder, sizeof folder, "%s/%s", report->configuration->gateway.data, name))
        return cli_complain(report->cli, CLI_CONFIGURATION, "the path of the data folder is too long");
    enum result result = lmdb_env_open(folder, schema, &options, out, why, sizeof why);
    return result == OK ? CLI_FINE : cli_complain(report->cli, CLI_REFUSED, "%s", why);
}

static enum cli_exit report_run(struct report *report)
{
    struct kv_env *control = NULL;
    struct seal_source keys;
    enum cli_exit status = cli_data_open(report->cli, &report->configuration->gateway, &report->fs, &keys);
    if (status == CLI_FINE)
        status = store_open(report, "control", &control_schema, &control);
    if (status == CLI_FINE)
        status = store_open(report, "ledger", &ledger_schema, &report->ledger);
    if (status == CLI_FINE) {
        enum result result = control_damage_each(control, collect, report);
        status = result == OK ? print(report)
                              : cli_complain(report->cli, CLI_INTERNAL,
                                             "the control store can not be read: %s", result_text(result));
    }
    kv_env_free(&control);
    kv_env_free(&report->ledger);
    fs_free(report->fs);
    return status;
}

enum cli_exit cli_queue_quarantine(struct cli *cli)
{
    struct configuration *configuration;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    struct report report = {.cli = cli, .configuration = configuration, .items = json_array()};
    status = report_run(&report);
    json_decref(report.items);
    free(report.list);
    configuration_free(configuration);
    return status;
}
