// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_flagged.h"
#include "base/sorted.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/cli.h"
#include "store/ledger_reader.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUPS_MOST = 20000, // at a time; the older half gives way
    GROUPS_SHOWN = 500,
};

// By archive, study and reason.
struct group {
    uint32_t archive;
    uint64_t count;      // deliveries
    uint64_t unanswered; // of these
    uint64_t receipt;    // the one that was sent last,
    uint64_t sent_at;    // and when
    char study[65];
    char reason[RECORD_REASON_MAX + 1];
};

struct flagged {
    const struct ledger_flagged_order *order;
    bool has_archive;
    uint32_t archive;
    uint64_t since;
    struct group **groups; // in order
    size_t count;
    uint64_t more; // deliveries of groups that found no room
};

static int group_compare(const struct group *a, const struct group *b)
{
    if (a->archive != b->archive)
        return a->archive < b->archive ? -1 : 1;
    int study = strcmp(a->study, b->study);
    return study != 0 ? study : strcmp(a->reason, b->reason);
}

static int by_key(const void *a, const void *b)
{
    return group_compare(*(struct group *const *)a, *(struct group *const *)b);
}

static int newest_first(const void *a, const void *b)
{
    const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;
    if (one->sent_at != other->sent_at)
        return one->sent_at > other->sent_at ? -1 : 1;
    return group_compare(one, other);
}

// Where the group is, or would be.
static size_t group_place(const struct flagged *flagged, const struct group *group)
{
    return sorted_place(flagged->groups, flagged->count, sizeof *flagged->groups, &group, by_key);
}

// Newest first, and not more than so many.
static void groups_cut(struct flagged *flagged, size_t most)
{
    qsort(flagged->groups, flagged->count, sizeof *flagged->groups, newest_first);
    while (flagged->count > most) {
        struct group *oldest = flagged->groups[--flagged->count];
        flagged->more += oldest->count;
        free(oldest);
    }
}

static enum result group_add(struct flagged *flagged, const struct group *one)
{
    size_t at = group_place(flagged, one);
    if (at < flagged->count && group_compare(flagged->groups[at], one) == 0) {
        struct group *group = flagged->groups[at];
        group->count++;
        group->unanswered += one->unanswered;
        if (one->sent_at >= group->sent_at) {
            group->sent_at = one->sent_at;
            group->receipt = one->receipt;
        }
        return OK;
    }
    if (flagged->count == GROUPS_MOST) {
        groups_cut(flagged, GROUPS_MOST / 2);
        qsort(flagged->groups, flagged->count, sizeof *flagged->groups, by_key);
        at = group_place(flagged, one);
    }
    struct group *group = malloc(sizeof *group);
    if (group == NULL)
        return ERR_NOMEM;
    *group = *one;
    memmove(flagged->groups + at + 1, flagged->groups + at, (flagged->count - at) * sizeof *flagged->groups);
    flagged->groups[at] = group;
    flagged->count++;
    return OK;
}

// SENT stands in the journal before the first byte leaves: where no answer came and the delivery was held,
// parked or given up since, it may have arrived or not. What a rejection note rejects (nobody's name is there
// then), or a person after it had settled, the archive had taken.
static bool is_answered(const struct fact_delivery *delivery)
{
    return delivery->state == DELIVERY_ANSWERED || delivery->state == DELIVERY_SETTLED ||
           (delivery->has_status && delivery->state != DELIVERY_SENT) || // else it is of an earlier try
           (delivery->state == DELIVERY_REJECTED && (delivery->person == NULL || delivery->settled_by != 0));
}

static enum result delivery_take(struct flagged *flagged, const struct ledger_fact *fact,
                                 const struct fact_delivery *delivery)
{
    enum result result = OK;
    for (size_t i = 0; result == OK && i < RECORD_REASONS_MAX && delivery->flag_reason[i] != NULL; i++) {
        const char *reason = delivery->flag_reason[i];
        if (flagged->order->reason_has != NULL && strstr(reason, flagged->order->reason_has) == NULL)
            continue;
        struct group one = {
            .archive = delivery->archive,
            .count = 1,
            .unanswered = !is_answered(delivery),
            .receipt = fact->receipt,
            .sent_at = delivery->sent_at,
        };
        text_copy(one.reason, sizeof one.reason, slice_of_text(reason));
        if (fact->study != NULL)
            text_printable(one.study, sizeof one.study, slice_of_text(fact->study));
        result = group_add(flagged, &one);
    }
    return result;
}

static enum result fact_take(void *argument, const struct ledger_fact *fact)
{
    struct flagged *flagged = argument;
    enum result result = OK;
    for (size_t i = 0; result == OK && i < fact->delivery_count; i++) {
        const struct fact_delivery *delivery = &fact->deliveries[i];
        if (delivery->flags > 0 && delivery->sent_at >= flagged->since &&
            (!flagged->has_archive || delivery->archive == flagged->archive))
            result = delivery_take(flagged, fact, delivery);
    }
    return result;
}

// ---- the answer

static int groups_json(const struct flagged *flagged)
{
    char receipt[20];
    json_t *rows = json_array(), *answer = json_object();
    for (size_t i = 0; i < flagged->count; i++) {
        const struct group *group = flagged->groups[i];
        json_t *row = json_object();
        ledger_receipt_text(group->receipt, receipt, sizeof receipt);
        ledger_json_number(row, "archive", group->archive);
        ledger_json_text(row, "name", ledger_archive_name(flagged->order->names, group->archive));
        ledger_json_text(row, "study", group->study);
        ledger_json_text(row, "reason", group->reason);
        ledger_json_number(row, "count", group->count);
        ledger_json_number(row, "unanswered", group->unanswered);
        ledger_json_text(row, "receipt", receipt);
        ledger_json_time(row, "sent_at", group->sent_at);
        json_array_append_new(rows, row);
    }
    ledger_json_number(answer, "version", 1);
    json_object_set_new(answer, "groups", rows);
    ledger_json_number(answer, "more", flagged->more);
    return ledger_json_print(stdout, answer, 2);
}

static void groups_print(const struct flagged *flagged)
{
    static const char *const TITLES[] = {"ARCHIVE",      ">HOW MANY", ">UNANSWERED", "LAST SENT",
                                         "LAST RECEIPT", "STUDY",     "WHY"};
    struct cli_table table;
    char text[LEDGER_TIME_SIZE];
    if (flagged->count == 0) {
        (void)puts("nothing that went is flagged");
        return;
    }
    cli_table_init(&table, sizeof TITLES / sizeof *TITLES, TITLES);
    for (size_t i = 0; i < flagged->count; i++) {
        const struct group *group = flagged->groups[i];
        const char *name = ledger_archive_name(flagged->order->names, group->archive);
        (void)text_format(text, sizeof text, "%" PRIu32, group->archive);
        cli_table_add(&table, name[0] != 0 ? name : text);
        (void)text_format(text, sizeof text, "%" PRIu64, group->count);
        cli_table_add(&table, text);
        (void)text_format(text, sizeof text, "%" PRIu64, group->unanswered);
        cli_table_add(&table, text);
        cli_table_add(&table, ledger_time_text(group->sent_at, text));
        ledger_receipt_text(group->receipt, text, sizeof text);
        cli_table_add(&table, text);
        cli_table_add(&table, group->study);
        cli_table_add(&table, group->reason);
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
    if (flagged->more > 0)
        (void)printf("%" PRIu64 " more, older: narrow it down with --archive, --since or --reason-has\n",
                     flagged->more);
}

// ---- the order

static int order_read(const struct ledger_flagged_order *order, struct flagged *flagged)
{
    const struct cli_ledger_names *names = order->names;
    int64_t since = order->since != NULL ? cli_time_read(order->since) : 0;
    if (since < 0) {
        (void)fprintf(stderr, "dicomgate: --since is to be 2026-11-28 or 2026-11-28T15:04:05\n");
        return CLI_USAGE;
    }
    flagged->since = (uint64_t)since * NSEC_PER_SEC;
    for (size_t i = 0; order->archive != NULL && !flagged->has_archive && i < names->count; i++) {
        flagged->has_archive = strcmp(names->rows[i].name, order->archive) == 0;
        flagged->archive = names->rows[i].id;
    }
    if (order->archive != NULL && !flagged->has_archive) {
        (void)fprintf(stderr, "dicomgate: \"%.60s\" is not the name of an archive\n", order->archive);
        return CLI_USAGE;
    }
    return CLI_FINE;
}

static int groups_show(struct flagged *flagged, uint64_t damaged)
{
    groups_cut(flagged, GROUPS_SHOWN);
    int status = CLI_FINE;
    if (flagged->order->is_json)
        status = groups_json(flagged);
    else
        groups_print(flagged);
    if (damaged > 0)
        (void)fprintf(stderr, "dicomgate: %" PRIu64 " entries of the ledger can not be read\n", damaged);
    return status == CLI_FINE && (flagged->count > 0 || damaged > 0) ? CLI_FINDING : status;
}

int ledger_flagged_run(const struct ledger_flagged_order *order)
{
    struct flagged flagged = {.order = order};
    uint64_t damaged = 0;
    int status = order_read(order, &flagged);
    if (status != CLI_FINE)
        return status;
    flagged.groups = calloc(GROUPS_MOST, sizeof(struct group *));
    enum result result =
        flagged.groups == NULL ? ERR_NOMEM : ledger_each(order->env, fact_take, &flagged, &damaged);
    if (result == OK) {
        status = groups_show(&flagged, damaged);
    } else {
        (void)fprintf(stderr, "dicomgate: the ledger could not be read: %s\n", result_text(result));
        status = CLI_INTERNAL;
    }
    for (size_t i = 0; i < flagged.count; i++)
        free(flagged.groups[i]);
    free(flagged.groups);
    return status;
}
