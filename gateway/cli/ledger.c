// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger`: facts as blocks of text for people, JSON, JSON lines and CSV for programs.
// Thread: the command line's only one.
#include "cli/ledger.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/exit.h"
#include "cli/ledger_fact.h"
#include "cli/ledger_flagged.h"
#include "cli/ledger_prove.h"
#include "cli/recipient.h"
#include "store/ledger.h"
#include "store/ledger_reader.h"
#include "store/lmdb.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define JSON_VERSION 1 // of every answer; goes up when a field changes its meaning or goes away

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_JSON_LINES, FORMAT_CSV };

struct request {
    const char *verb;
    const char *argument; // NULL: none
    enum format format;
    bool has_format;
    bool shows_phi;
    const char *archive; // of prove, flagged
    const char *file;
    const char *to; // of export
    const char *person;
    const char *reason;
    const char *since; // of flagged
    const char *reason_has;
    struct cli_ledger_names names;
    struct ledger_edits *edits;
};

// ---- answers

#define DAY_SIZE    32
#define DAY_SECONDS 86400

static const char *day_text(uint32_t day, char text[DAY_SIZE])
{
    struct tm parts;
    time_t whole = (time_t)day * DAY_SECONDS;
    text[0] = 0;
    if (gmtime_r(&whole, &parts) != NULL)
        (void)strftime(text, DAY_SIZE, "%Y-%m-%d", &parts);
    return text;
}

// ---- verbs

static int failure_tell(enum result result)
{
    fprintf(stderr, "dicomgate: the ledger could not be read: %s\n", result_text(result));
    return CLI_INTERNAL;
}

struct show {
    const struct request *request;
    json_t *facts;
    unsigned count;
};

static enum result show_visit(void *argument, const struct ledger_fact *fact)
{
    struct show *show = argument;
    if (show->facts != NULL) {
        json_array_append_new(show->facts, ledger_fact_json(fact, show->request->edits));
    } else {
        if (show->count > 0)
            putchar('\n');
        ledger_fact_print(fact, &show->request->names, show->request->edits);
    }
    show->count++;
    return OK;
}

static int show_run(struct kv_env *env, const struct request *request)
{
    struct show show = {.request = request};
    if (request->format == FORMAT_JSON)
        show.facts = json_array();
    enum result result = request->argument != NULL
                             ? ledger_find_text(env, request->argument, show_visit, &show)
                             : ledger_conflicts(env, show_visit, &show);
    if (result != OK && result != ERR_MISSING) {
        json_decref(show.facts);
        return failure_tell(result);
    }
    if (show.facts != NULL) {
        json_t *answer = json_object();
        ledger_json_number(answer, "version", JSON_VERSION);
        json_object_set_new(answer, "facts", show.facts);
        if (ledger_json_print(stdout, answer, 2) != CLI_FINE)
            return CLI_INTERNAL;
    }
    if (request->argument == NULL)
        return show.count > 0 ? CLI_FINDING : CLI_FINE;
    if (result == ERR_MISSING)
        fprintf(stderr, "dicomgate: the ledger knows no instance, study or receipt %s\n", request->argument);
    return result == OK ? CLI_FINE : CLI_FINDING;
}

static json_t *json_stats(const struct ledger_stats *stats)
{
    json_t *answer = json_object();
    json_t *archives = json_array();
    json_t *days = json_array();
    char day[DAY_SIZE];
    ledger_json_number(answer, "version", JSON_VERSION);
    ledger_json_number(answer, "schema", stats->schema_version);
    ledger_json_number(answer, "received", stats->totals.received);
    ledger_json_number(answer, "bytes", stats->totals.bytes);
    ledger_json_number(answer, "open", stats->totals.open);
    ledger_json_number(answer, "settled", stats->totals.settled);
    ledger_json_number(answer, "dropped", stats->totals.dropped);
    ledger_json_number(answer, "orphans", stats->totals.orphans);
    for (size_t i = 0; i < stats->archive_count; i++) {
        json_t *object = json_object();
        ledger_json_number(object, "archive", stats->archives[i].archive);
        ledger_json_number(object, "attempts", stats->archives[i].attempts);
        for (unsigned state = DELIVERY_OWED; state < DELIVERY_STATES; state++)
            ledger_json_number(object, delivery_state_text((enum delivery_state)state),
                               stats->archives[i].states[state]);
        json_array_append_new(archives, object);
    }
    json_object_set_new(answer, "archives", archives);
    for (size_t i = 0; i < stats->day_count; i++) {
        json_t *object = json_object();
        ledger_json_text(object, "day", day_text(stats->days[i].day, day));
        ledger_json_number(object, "received", stats->days[i].received);
        ledger_json_number(object, "bytes", stats->days[i].bytes);
        ledger_json_number(object, "settled", stats->days[i].settled);
        ledger_json_number(object, "dropped", stats->days[i].dropped);
        json_array_append_new(days, object);
    }
    json_object_set_new(answer, "days", days);
    return answer;
}

static void stats_print(const struct ledger_stats *stats, const struct request *request)
{
    char day[DAY_SIZE];
    printf("received %llu (%llu bytes), settled %llu, open %llu, dropped %llu, orphans %llu\n",
           (unsigned long long)stats->totals.received, (unsigned long long)stats->totals.bytes,
           (unsigned long long)stats->totals.settled, (unsigned long long)stats->totals.open,
           (unsigned long long)stats->totals.dropped, (unsigned long long)stats->totals.orphans);
    printf("\n%-8s", "archive");
    for (unsigned state = DELIVERY_OWED; state < DELIVERY_STATES; state++)
        printf(" %11s", delivery_state_text((enum delivery_state)state));
    printf(" %11s\n", "attempts");
    for (size_t i = 0; i < stats->archive_count; i++) {
        printf("%-8u", (unsigned)stats->archives[i].archive);
        for (unsigned state = DELIVERY_OWED; state < DELIVERY_STATES; state++)
            printf(" %11llu", (unsigned long long)stats->archives[i].states[state]);
        const char *called = ledger_archive_name(&request->names, stats->archives[i].archive);
        printf(" %11llu%s%s\n", (unsigned long long)stats->archives[i].attempts, called[0] != 0 ? "  " : "",
               called);
    }
    printf("\n%-10s %11s %17s %11s %11s\n", "day (UTC)", "received", "bytes", "settled", "dropped");
    for (size_t i = 0; i < stats->day_count; i++)
        printf("%-10s %11llu %17llu %11llu %11llu\n", day_text(stats->days[i].day, day),
               (unsigned long long)stats->days[i].received, (unsigned long long)stats->days[i].bytes,
               (unsigned long long)stats->days[i].settled, (unsigned long long)stats->days[i].dropped);
}

static int stats_run(struct kv_env *env, const struct request *request)
{
    struct ledger_stats stats;
    int status = CLI_FINE;
    enum result result = ledger_stats_get(env, &stats);
    if (result != OK)
        return failure_tell(result);
    if (request->format == FORMAT_JSON)
        status = ledger_json_print(stdout, json_stats(&stats), 2);
    else
        stats_print(&stats, request);
    ledger_stats_fini(&stats);
    return status;
}

struct export
{
    const struct request *request;
    FILE *out;
    uint64_t damaged;
};

static enum result export_visit(void *argument, const struct ledger_fact *fact)
{
    const struct export *export = argument;
    const struct request *request = export->request;
    if (request->format == FORMAT_CSV) {
        ledger_csv_rows(export->out, fact);
    } else {
        json_t *line = json_object();
        json_t *object = ledger_fact_json(fact, request->edits);
        ledger_json_number(line, "version", JSON_VERSION);
        json_object_update(line, object);
        json_decref(object);
        if (ledger_json_print(export->out, line, 0) != CLI_FINE)
            return ERR_IO;
    }
    return ferror(export->out) ? ERR_IO : OK;
}

static enum result export_write(struct kv_env *env, struct export *export, struct cli_recipient *recipient)
{
    enum result result = cli_recipient_begin(recipient, &export->out);
    if (result == OK && export->request->format == FORMAT_CSV)
        ledger_csv_header(export->out);
    if (result == OK)
        result = ledger_each(env, export_visit, export, &export->damaged);
    return result == OK ? cli_recipient_end(recipient) : result;
}

// What shows patient data, or goes to somebody, is recorded before it begins.
static int export_note(const struct request *request, const struct cli_ledger_keys *keys,
                       const struct cli_recipient *recipient)
{
    if (!request->shows_phi && request->to == NULL)
        return CLI_FINE;
    if (keys != NULL && keys->note != NULL)
        return keys->note(keys->argument, request->person, request->reason, cli_recipient_digest(recipient));
    fprintf(stderr, "dicomgate: it can not be recorded here, so nothing is shown\n");
    return CLI_REFUSED;
}

static int export_run(struct kv_env *env, const struct request *request, const struct cli_ledger_keys *keys)
{
    struct cli_recipient *recipient;
    struct export export = {.request = request};
    enum result result = cli_recipient_new(request->to, &recipient);
    if (result == ERR_ARGUMENT) {
        fprintf(stderr, "dicomgate: %s is not a certificate in PEM\n", request->to);
        return CLI_USAGE;
    }
    if (result != OK)
        return failure_tell(result);
    int status = export_note(request, keys, recipient);
    if (status == CLI_FINE)
        result = export_write(env, &export, recipient);
    cli_recipient_free(recipient);
    if (status != CLI_FINE)
        return status;
    if (result == ERR_REFUSED) {
        fprintf(stderr, "dicomgate: nothing can be encrypted to this certificate\n");
        return CLI_REFUSED;
    }
    if (result != OK)
        return failure_tell(result);
    if (export.damaged > 0)
        fprintf(stderr, "dicomgate: %llu entries of the ledger can not be read\n",
                (unsigned long long)export.damaged);
    return export.damaged > 0 ? CLI_FINDING : CLI_FINE;
}

// ---- command line

static const char usage_text[] = "usage: dicomgate ledger show UID|RECEIPT [--json]\n"
                                 "       dicomgate ledger prove UID --archive NAME --file COPY.dcm [--json]\n"
                                 "       dicomgate ledger conflicts [--json]\n"
                                 "       dicomgate ledger flagged [--archive NAME] [--since TIME] "
                                 "[--reason-has TEXT] [--json]\n"
                                 "       dicomgate ledger stats [--json]\n"
                                 "       dicomgate ledger export [--jsonl|--csv]\n"
                                 "       dicomgate ledger export [--jsonl|--csv] [--show-phi] [--to "
                                 "CERTIFICATE.pem] --person WHO --reason WHY\n"
                                 "       dicomgate ledger backup FOLDER\n"
                                 "       dicomgate ledger rebuild\n"
                                 "show, prove, export: --show-phi shows the values of edits\n";

void cli_ledger_help(void)
{
    fputs(usage_text, stdout);
    fputs("\nwhat became of what was received; with the daemon up or down.\n"
          "show: UID is that of an instance or of a study.\n"
          "prove compares a copy that the archive holds with what was received: identical, or different only "
          "by\nthe edits on record, or where it differs (exit status 1).\n"
          "conflicts shows all receipts of instances that came with different content under one UID (exit "
          "status 1\nif there are any).\n"
          "flagged lists by archive, study and reason what went, or is on its way, although rules or the "
          "crosswalk say that it "
          "should be\nlooked at, newest first (exit status 1 if there is any). Unanswered are those that the "
          "archive may have or not:\non their way, or held, parked or given up after a try that broke off. "
          "Reasons are those of the last time it was sent.\nTIME is 2026-11-28 or 2026-11-28T15:04:05.\n"
          "export writes one line of JSON for each receipt (the default), or CSV with one row for each "
          "receipt and\narchive. With the values of edits, or encrypted to a recipient (CMS with AES-256; "
          "`openssl "
          "cms -decrypt\n-inform DER -inkey KEY` opens it), it is recorded in the crosswalk's log of acts "
          "before "
          "it begins.\n"
          "backup and rebuild: see `dicomgate ledger backup --help`, `dicomgate ledger rebuild --help`.\n"
          "The ledger of a running daemon lags by a fraction of a second.\n\n"
          "Example:  dicomgate ledger show 1.2.826.0.1.3680043.8.498.1\n"
          "          dicomgate ledger prove 1.2.826.0.1.3680043.8.498.1 --archive new --file copy.dcm\n"
          "          dicomgate ledger flagged --archive new --since 2026-11-28 --reason-has burned-in\n"
          "          dicomgate ledger export --csv > ledger.csv\n"
          "          dicomgate ledger export --show-phi --to auditor.pem --person 'J. Doe' --reason 'audit "
          "2026' "
          "> ledger.cms\n",
          stdout);
}

static int usage(void)
{
    fputs(usage_text, stderr);
    return CLI_USAGE;
}

static bool format_parse(const char *word, struct request *request)
{
    static const struct {
        const char *word;
        enum format format;
    } words[] = {{"--json", FORMAT_JSON}, {"--jsonl", FORMAT_JSON_LINES}, {"--csv", FORMAT_CSV}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i].word) != 0 || (request->has_format && request->format != words[i].format))
            continue;
        request->format = words[i].format;
        request->has_format = true;
        return true;
    }
    return false;
}

// The option at `*at`, and its value. False: there is none such.
static bool option_parse(int argc, char **argv, int *at, struct request *request)
{
    const char *word = argv[*at];
    const struct {
        const char *word;
        const char **value;
    } texts[] = {{"--archive", &request->archive}, {"--file", &request->file},
                 {"--since", &request->since},     {"--reason-has", &request->reason_has},
                 {"--to", &request->to},           {"--person", &request->person},
                 {"--reason", &request->reason}};
    if (strcmp(word, "--show-phi") == 0) {
        request->shows_phi = true;
        return true;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(word, texts[i].word) != 0)
            continue;
        if (++*at == argc)
            return false;
        *texts[i].value = argv[*at];
        return true;
    }
    return format_parse(word, request);
}

// Who and why are there if it is recorded, and only then: else somebody would think it were.
static bool export_is_right(const struct request *request)
{
    bool is_recorded = request->shows_phi || request->to != NULL;
    if (is_recorded && (request->person == NULL || request->reason == NULL))
        fprintf(stderr, "dicomgate: say who and why, with --person and --reason: it is recorded\n");
    return request->argument == NULL && is_recorded == (request->person != NULL) &&
           is_recorded == (request->reason != NULL);
}

static bool request_parse(int argc, char **argv, struct request *request)
{
    *request = (struct request){.format = FORMAT_TABLE};
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-') {
            if (!option_parse(argc, argv, &i, request))
                return false;
        } else if (request->verb == NULL) {
            request->verb = argv[i];
        } else if (request->argument == NULL) {
            request->argument = argv[i];
        } else {
            return false;
        }
    }
    if (request->verb == NULL)
        return false;
    bool lines = request->format == FORMAT_JSON_LINES || request->format == FORMAT_CSV;
    if (strcmp(request->verb, "export") == 0 && request->format == FORMAT_JSON)
        request->format = FORMAT_JSON_LINES; // its only kind of JSON
    if (strcmp(request->verb, "export") != 0 &&
        (request->to != NULL || request->person != NULL || request->reason != NULL))
        return false;
    if (strcmp(request->verb, "flagged") == 0)
        return request->argument == NULL && request->file == NULL && !lines;
    if (request->since != NULL || request->reason_has != NULL)
        return false;
    if (strcmp(request->verb, "prove") == 0)
        return request->argument != NULL && request->archive != NULL && request->file != NULL && !lines;
    if (request->archive != NULL || request->file != NULL)
        return false;
    if (strcmp(request->verb, "show") == 0)
        return request->argument != NULL && !lines;
    if (strcmp(request->verb, "stats") == 0 || strcmp(request->verb, "conflicts") == 0)
        return request->argument == NULL && !lines;
    return strcmp(request->verb, "export") == 0 && export_is_right(request);
}

static int prove_run(struct kv_env *env, const struct request *request)
{
    struct ledger_prove_order order = {.env = env,
                                       .edits = request->edits,
                                       .names = &request->names,
                                       .instance = request->argument,
                                       .archive = request->archive,
                                       .file = request->file,
                                       .is_json = request->format == FORMAT_JSON};
    return ledger_prove_run(&order);
}

static int flagged_run(struct kv_env *env, const struct request *request)
{
    struct ledger_flagged_order order = {.env = env,
                                         .names = &request->names,
                                         .archive = request->archive,
                                         .since = request->since,
                                         .reason_has = request->reason_has,
                                         .is_json = request->format == FORMAT_JSON};
    return ledger_flagged_run(&order);
}

static int request_run(struct kv_env *env, struct request *request, const struct cli_ledger_keys *keys)
{
    int status;
    struct ledger_edits *edits = calloc(1, sizeof *edits);
    if (edits == NULL)
        return CLI_INTERNAL;
    edits->env = env;
    edits->keys = keys;
    edits->shows_phi = request->shows_phi;
    request->edits = edits;
    if (strcmp(request->verb, "show") == 0 || strcmp(request->verb, "conflicts") == 0)
        status = show_run(env, request);
    else if (strcmp(request->verb, "stats") == 0)
        status = stats_run(env, request);
    else if (strcmp(request->verb, "flagged") == 0)
        status = flagged_run(env, request);
    else if (strcmp(request->verb, "prove") == 0)
        status = prove_run(env, request);
    else
        status = export_run(env, request, keys);
    if (status == CLI_FINE && edits->has_failed)
        status = CLI_FINDING;
    ledger_edits_fini(edits);
    free(edits);
    return status;
}

int cli_ledger_main(int argc, char **argv, const char *data_folder, const struct cli_ledger_name *names,
                    size_t name_count, const struct cli_ledger_keys *keys)
{
    struct request request;
    struct kv_env *env = NULL;
    struct lmdb_options options = {.read_only = true};
    char folder[4096];
    char why[512] = "";
    int status;
    if (!request_parse(argc, argv, &request))
        return usage();
    request.names = (struct cli_ledger_names){names, name_count};
    if (!text_format(folder, sizeof folder, "%s/ledger", data_folder))
        return CLI_CONFIGURATION;
    enum result result = lmdb_env_open(folder, &ledger_schema, &options, &env, why, sizeof why);
    if (result != OK) {
        fprintf(stderr, "dicomgate: %s\n", why);
        return result == ERR_REFUSED ? CLI_REFUSED : CLI_CONFIGURATION;
    }
    status = request_run(env, &request, keys);
    kv_env_free(&env);
    return status;
}
