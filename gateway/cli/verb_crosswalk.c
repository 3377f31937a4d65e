// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate crosswalk lookup|check|stats|log`: reads the crosswalk, with the daemon up or down.
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "cli/crosswalk.h"
#include "crosswalk/task.h"

// ---- lookup

struct lookup {
    const struct cli *cli;
    struct cli_crosswalk *crosswalk;
    uint16_t from;
    uint16_t to;
    enum crosswalk_direction direction;
    size_t unmapped;
    json_t *items;
};

static const struct {
    unsigned flag;
    const char *text;
} remarks[] = {
    {CROSSWALK_FOLLOWED_MERGE, "merge followed"},
    {CROSSWALK_PREFERRED, "preferred or only source"},
    {CROSSWALK_AMBIGUOUS, "several answers"},
    {CROSSWALK_MERGED_AWAY, "has become another ID"},
};

static void remarks_print(unsigned flags, char *to, size_t capacity)
{
    to[0] = 0;
    for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++) {
        size_t length = strlen(to);
        if ((flags & remarks[i].flag) != 0)
            (void)text_format(to + length, capacity - length, "%s%s", length > 0 ? ", " : "",
                              remarks[i].text);
    }
}

static const char *outcome_text(enum crosswalk_outcome outcome)
{
    switch (outcome) {
    case CROSSWALK_SAME:
        return "same domain";
    case CROSSWALK_MAPPED:
        return "mapped";
    case CROSSWALK_UNMAPPED:
        return "unmapped";
    case CROSSWALK_CONTRADICTED:
        break; // nothing to contradict is asked
    }
    return "contradicted";
}

static enum result one_ask(struct lookup *lookup, const char *id, struct crosswalk_verdict *verdict)
{
    struct crosswalk_reader *reader = lookup->crosswalk->reader;
    if (lookup->direction == CROSSWALK_UNMAPS)
        return crosswalk_unmap(reader, NULL, lookup->from, slice_of_text(id), lookup->to, slice_of(NULL, 0),
                               verdict);
    return crosswalk_map(reader, lookup->from, slice_of_text(id), lookup->to, NULL, verdict);
}

static enum cli_exit one_look_up(struct lookup *lookup, const char *id)
{
    struct crosswalk_verdict verdict;
    char text[128];
    enum result result = one_ask(lookup, id, &verdict);
    if (result == ERR_ARGUMENT)
        return cli_complain(lookup->cli, CLI_USAGE, "one of the lines is not a patient ID");
    if (result != OK)
        return cli_crosswalk_result(lookup->cli, result);
    remarks_print(verdict.flags, text, sizeof text);
    lookup->unmapped += verdict.outcome == CROSSWALK_UNMAPPED;
    if (lookup->cli->is_json)
        (void)json_array_append_new(lookup->items, json_pack("{s:s, s:s, s:s, s:s}", "asked", id, "outcome",
                                                             outcome_text(verdict.outcome), "id",
                                                             verdict.id.text, "remark", text));
    else
        (void)printf("%s -> %s (%s%s%s)\n", id, verdict.id.text, outcome_text(verdict.outcome),
                     text[0] != 0 ? ", " : "", text);
    wipe(&verdict, sizeof verdict);
    return CLI_FINE;
}

static enum cli_exit all_look_up(struct lookup *lookup, FILE *stream)
{
    char line[CROSSWALK_ID_BYTES + 2];
    enum cli_exit status = CLI_FINE;
    while (status == CLI_FINE && cli_line_read(stream, line, sizeof line))
        if (line[0] != 0)
            status = one_look_up(lookup, line);
    wipe(line, sizeof line);
    return status;
}

static enum cli_exit domain_get(const struct cli *cli, const struct cli_crosswalk *crosswalk,
                                const char *name, uint16_t *domain)
{
    *domain = crosswalk_domain_find(crosswalk->store.crosswalk, name);
    return *domain != 0 ? CLI_FINE
                        : cli_complain(cli, CLI_USAGE, "the crosswalk has no domain \"%.64s\"", name);
}

static enum cli_exit lookup_run(struct lookup *lookup)
{
    const struct cli *cli = lookup->cli;
    bool is_file = cli->argument_count > 0 && strcmp(cli->arguments[0], "-") != 0;
    enum cli_exit status = domain_get(cli, lookup->crosswalk, cli->from, &lookup->from);
    if (status == CLI_FINE)
        status = domain_get(cli, lookup->crosswalk, cli->to, &lookup->to);
    if (status == CLI_FINE)
        status = cli_crosswalk_result(cli, crosswalk_direction_get(lookup->crosswalk->reader, lookup->from,
                                                                   lookup->to, &lookup->direction));
    if (status != CLI_FINE)
        return status;
    FILE *stream = is_file ? fopen(cli->arguments[0], "re") : stdin;
    if (stream == NULL)
        return cli_complain(cli, CLI_USAGE, "%s can not be opened", cli->arguments[0]);
    status = all_look_up(lookup, stream);
    if (is_file)
        (void)fclose(stream);
    if (status == CLI_FINE && cli->is_json) {
        json_t *answer = json_pack("{s:i, s:O}", "version", 1, "items", lookup->items);
        (void)cli_print_json(answer);
        json_decref(answer);
    }
    return status == CLI_FINE && lookup->unmapped > 0 ? CLI_FINDING : status;
}

enum cli_exit cli_crosswalk_lookup(struct cli *cli)
{
    struct cli_crosswalk crosswalk;
    if (cli->from == NULL || cli->to == NULL)
        return cli_complain(cli, CLI_USAGE, "say between which domains, with --from and --to");
    struct lookup lookup = {.cli = cli, .crosswalk = &crosswalk, .items = json_array()};
    enum cli_exit status = cli_crosswalk_open(cli, true, &crosswalk);
    if (status == CLI_FINE)
        status = lookup_run(&lookup);
    cli_crosswalk_close(&crosswalk);
    json_decref(lookup.items);
    return status;
}

// ---- check

static enum cli_exit check_report(const struct cli *cli, const struct cli_crosswalk *crosswalk,
                                  const struct crosswalk_findings *findings)
{
    const char *differing = crosswalk_domain_differing(crosswalk->store.crosswalk);
    uint64_t bad = findings->damaged + findings->lost + findings->cycles;
    if (cli->is_json) {
        json_t *answer =
            json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:s?}", "version", 1, "rows",
                      (json_int_t)findings->rows, "merges", (json_int_t)findings->merges, "damaged",
                      (json_int_t)findings->damaged, "lost", (json_int_t)findings->lost, "cycles",
                      (json_int_t)findings->cycles, "differing_domain", differing);
        (void)cli_print_json(answer);
        json_decref(answer);
    } else {
        (void)printf(
            "%llu rows and %llu merges read: %llu damaged, %llu missing in an index, %llu in a circle\n",
            (unsigned long long)findings->rows, (unsigned long long)findings->merges,
            (unsigned long long)findings->damaged, (unsigned long long)findings->lost,
            (unsigned long long)findings->cycles);
        if (differing != NULL)
            (void)printf(
                "Domain %s: the configuration asks for another comparison of IDs than its rows were stored "
                "with,\nwhich stays in force: import a file without rows, undo its merges, restart, "
                "import.\n",
                differing);
    }
    return bad == 0 && differing == NULL ? CLI_FINE : CLI_FINDING;
}

enum cli_exit cli_crosswalk_check(struct cli *cli)
{
    struct cli_crosswalk crosswalk;
    struct crosswalk_findings findings;
    enum cli_exit status = cli_crosswalk_open(cli, true, &crosswalk);
    if (status == CLI_FINE)
        status = cli_crosswalk_result(cli, crosswalk_check(crosswalk.reader, &findings));
    if (status == CLI_FINE)
        status = check_report(cli, &crosswalk, &findings);
    cli_crosswalk_close(&crosswalk);
    return status;
}

// ---- stats

static json_t *stats_json(const struct crosswalk *crosswalk, const struct crosswalk_figures *figures)
{
    json_t *pairs = json_array();
    for (size_t i = 0; i < figures->pair_count; i++) {
        const struct crosswalk_pair *pair = &figures->pairs[i];
        (void)json_array_append_new(
            pairs, json_pack("{s:s, s:s, s:I}", "from", crosswalk_domain_name(crosswalk, pair->from), "to",
                             crosswalk_domain_name(crosswalk, pair->to), "rows", (json_int_t)pair->rows));
    }
    return json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "version", 1, "generation",
                     (json_int_t)figures->generation, "rows", (json_int_t)figures->rows, "imported",
                     (json_int_t)(figures->imported_at / NSEC_PER_SEC), "merges", (json_int_t)figures->merges,
                     "moves", (json_int_t)figures->moves, "pins", (json_int_t)figures->pins, "acts",
                     (json_int_t)figures->acts, "leftover", (json_int_t)figures->leftover, "next_effective",
                     (json_int_t)(figures->next_effective / NSEC_PER_SEC), "pairs", pairs);
}

static void stats_print(const json_t *answer)
{
    static const char *const lines[] = {"generation", "rows", "merges", "moves", "pins", "acts", "leftover"};
    char text[CLI_TEXT];
    size_t index;
    const json_t *pair;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        (void)printf("%-16s%lld\n", lines[i], (long long)cli_number(answer, lines[i]));
    if (cli_number(answer, "imported") != 0)
        (void)printf("%-16s%s\n", "imported", cli_time(answer, "imported", text));
    if (cli_number(answer, "next_effective") != 0)
        (void)printf("%-16s%s\n", "next effective", cli_time(answer, "next_effective", text));
    json_array_foreach(json_object_get(answer, "pairs"), index, pair)(void)
        printf("%s to %s: %lld rows\n", cli_text(pair, "from"), cli_text(pair, "to"),
               (long long)cli_number(pair, "rows"));
}

enum cli_exit cli_crosswalk_stats(struct cli *cli)
{
    struct cli_crosswalk crosswalk;
    struct crosswalk_figures figures;
    enum cli_exit status = cli_crosswalk_open(cli, true, &crosswalk);
    if (status == CLI_FINE)
        status = cli_crosswalk_result(cli, crosswalk_figures_get(crosswalk.reader, &figures));
    if (status == CLI_FINE) {
        json_t *answer = stats_json(crosswalk.store.crosswalk, &figures);
        if (cli->is_json)
            (void)cli_print_json(answer);
        else
            stats_print(answer);
        json_decref(answer);
    }
    cli_crosswalk_close(&crosswalk);
    return status;
}

// ---- log: without patient IDs unless asked for

struct log {
    const struct cli *cli;
    json_t *items;
};

static json_t *act_json(const struct crosswalk_act *act, bool is_clear)
{
    json_t *item =
        json_pack("{s:I, s:s, s:I, s:s, s:s, s:I}", "act", (json_int_t)act->number, "kind",
                  crosswalk_kind_text(act->kind), "when", (json_int_t)(act->when / NSEC_PER_SEC), "person",
                  act->person, "reason", act->reason, "generation", (json_int_t)act->generation);
    if (act->domain[0] != 0)
        (void)json_object_set_new(item, "domain", json_string(act->domain));
    if (act->study[0] != 0)
        (void)json_object_set_new(item, "study", json_string(act->study));
    if (act->effective != 0)
        (void)json_object_set_new(item, "effective",
                                  json_integer((json_int_t)(act->effective / NSEC_PER_SEC)));
    bool has_rows = act->kind == CROSSWALK_ACT_IMPORT || act->kind == CROSSWALK_ACT_EXPORT;
    if (has_rows)
        (void)json_object_set_new(item, "rows", json_integer((json_int_t)act->rows));
    if (has_rows || act->kind == CROSSWALK_ACT_LEDGER_EXPORT) {
        char digest[2 * sizeof act->digest + 1];
        text_hex(digest, sizeof digest, slice_of(act->digest, sizeof act->digest));
        (void)json_object_set_new(item, "sha256", json_string(digest));
    }
    if (is_clear && act->id.length > 0)
        (void)json_object_set_new(item, "id", json_string(act->id.text));
    if (is_clear && act->into.length > 0)
        (void)json_object_set_new(item, "into", json_string(act->into.text));
    return item;
}

static enum result on_act(void *argument, const struct crosswalk_act *act)
{
    struct log *log = argument;
    char when[CLI_TEXT];
    json_t *item = act_json(act, (log->cli->given & CLI_OPTION_CLEAR) != 0);
    if (item == NULL)
        return ERR_NOMEM;
    if (log->cli->is_json)
        return json_array_append_new(log->items, item) == 0 ? OK : ERR_NOMEM;
    (void)printf("%lld  %s  %-13s  generation %lld  by %s: %s", (long long)cli_number(item, "act"),
                 cli_time(item, "when", when), cli_text(item, "kind"),
                 (long long)cli_number(item, "generation"), cli_text(item, "person"),
                 cli_text(item, "reason"));
    for (size_t i = 0; i < 4; i++) {
        static const char *const keys[] = {"domain", "id", "into", "study"};
        if (json_object_get(item, keys[i]) != NULL)
            (void)printf("  %s %s", keys[i], cli_text(item, keys[i]));
    }
    (void)printf("\n");
    crosswalk_json_free(item);
    return OK;
}

static enum cli_exit log_show(const struct cli *cli, uint64_t after)
{
    struct cli_crosswalk crosswalk;
    struct log log = {.cli = cli, .items = json_array()};
    enum cli_exit status = cli_crosswalk_open(cli, true, &crosswalk);
    if (status == CLI_FINE)
        status = cli_crosswalk_result(cli, crosswalk_acts_each(crosswalk.reader, after, on_act, &log));
    if (status == CLI_FINE && cli->is_json) {
        json_t *answer = json_pack("{s:i, s:O}", "version", 1, "items", log.items);
        (void)cli_print_json(answer);
        json_decref(answer);
    }
    cli_crosswalk_close(&crosswalk);
    json_decref(log.items);
    return status;
}

enum cli_exit cli_crosswalk_log(struct cli *cli)
{
    uint64_t after = 0;
    if (cli->after != NULL && text_number(slice_of_text(cli->after), UINT64_MAX, &after) != OK)
        return cli_complain(cli, CLI_USAGE, "--after is the number of an act");
    if ((cli->given & CLI_OPTION_CLEAR) == 0)
        return log_show(cli, after);
    enum cli_exit status = cli_crosswalk_note(cli, "clear-log", NULL);
    return status == CLI_FINE ? log_show(cli, after) : status;
}
