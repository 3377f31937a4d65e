// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger`: facts as blocks of text for people, JSON, JSON lines and CSV for programs.
// Thread: the command line's only one.
#include "cli/ledger.h"
#include "base/text.h"
#include "base/units.h"
#include "store/ledger.h"
#include "store/ledger_reader.h"
#include "store/lmdb.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define JSON_VERSION 1 // of every answer; goes up when a field changes its meaning or goes away

enum exit_status {
    EXIT_FINE = 0,
    EXIT_FINDING = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIGURATION = 3,
    EXIT_REFUSED = 5,
    EXIT_INTERNAL = 6
};

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_JSON_LINES, FORMAT_CSV };

struct request {
    const char *verb;
    const char *argument; // NULL: none
    enum format format;
    bool has_format;
    const struct cli_ledger_name *names;
    size_t name_count;
};

// What the configuration calls an archive; empty if it does not know the number any more.
static const char *archive_name(const struct request *request, unsigned id)
{
    for (size_t i = 0; i < request->name_count; i++)
        if (request->names[i].id == id)
            return request->names[i].name;
    return "";
}

// ---- texts of values

#define TIME_SIZE   32
#define DIGEST_SIZE (2 * RECORD_DIGEST_SIZE + 1)
#define DAY_SECONDS 86400

// "2026-11-21T20:13:00.125Z"; empty for 0.
static const char *time_text(uint64_t time, char text[TIME_SIZE])
{
    struct tm parts;
    char seconds[TIME_SIZE];
    time_t whole = (time_t)(time / NSEC_PER_SEC);
    text[0] = 0;
    if (time == 0 || gmtime_r(&whole, &parts) == NULL)
        return text;
    if (strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts) > 0)
        (void)text_format(text, TIME_SIZE, "%s.%03uZ", seconds, (unsigned)(time / NSEC_PER_MS % 1000));
    return text;
}

static const char *day_text(uint32_t day, char text[TIME_SIZE])
{
    struct tm parts;
    time_t whole = (time_t)day * DAY_SECONDS;
    text[0] = 0;
    if (gmtime_r(&whole, &parts) != NULL)
        (void)strftime(text, TIME_SIZE, "%Y-%m-%d", &parts);
    return text;
}

static const char *digest_text(const uint8_t digest[RECORD_DIGEST_SIZE], char text[DIGEST_SIZE])
{
    text_hex(text, DIGEST_SIZE, slice_of(digest, RECORD_DIGEST_SIZE));
    return text;
}

static bool digest_is_zero(const uint8_t digest[RECORD_DIGEST_SIZE])
{
    static const uint8_t zeros[RECORD_DIGEST_SIZE];
    return memcmp(digest, zeros, sizeof zeros) == 0;
}

static const char *settled_by_text(uint8_t remark)
{
    switch ((enum record_settle_remark)remark) {
    case RECORD_REMARK_NONE:
        return "";
    case RECORD_BY_ANSWER_ONLY:
        return "by answer only";
    case RECORD_SETTLE_ON_ANSWER:
        return "on answer, as configured";
    case RECORD_BY_COMMITMENT:
        return "by commitment";
    case RECORD_BY_QUERY:
        return "by query";
    case RECORD_BY_DUPLICATE:
        return "as duplicate";
    case RECORD_CONTENT_UNPROVEN:
        return "content unproven";
    case RECORD_BY_LOOP:
        return "by loop";
    }
    return "unknown";
}

static const char *drop_text(uint8_t reason)
{
    switch ((enum record_drop_reason)reason) {
    case RECORD_DROP_ABORTED:
        return "association ended before the last fragment";
    case RECORD_DROP_REFUSED:
        return "refused";
    case RECORD_DROP_SPACE:
        return "no space";
    case RECORD_DROP_IO:
        return "disk error";
    case RECORD_DROP_INCOMPLETE:
        return "found incomplete after a crash";
    }
    return reason == 0 ? "" : "unknown";
}

static const char *algorithm_text(uint8_t algorithm)
{
    return algorithm == RECORD_SHA256       ? "SHA-256"
           : algorithm == RECORD_SHA512_256 ? "SHA-512/256"
                                            : "unknown";
}

// ---- JSON

// JSON is UTF-8; bytes that are not are shown as ISO 8859-1, so that nothing is lost.
static json_t *json_text(const char *text)
{
    json_t *plain = json_string(text);
    if (plain != NULL)
        return plain;
    size_t length = strlen(text);
    char *wide = malloc(2 * length + 1);
    size_t used = 0;
    if (wide == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned byte = (unsigned char)text[i];
        if (byte >= 0x80)
            wide[used++] = (char)(0xc0 | byte >> 6);
        wide[used++] = (char)(byte >= 0x80 ? 0x80 | (byte & 0x3f) : byte);
    }
    wide[used] = 0;
    plain = json_string(wide);
    free(wide);
    return plain;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != 0)
        json_object_set_new(object, name, json_text(text));
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void set_time(json_t *object, const char *name, uint64_t time)
{
    char text[TIME_SIZE];
    set_text(object, name, time_text(time, text));
}

static void set_digest(json_t *object, const char *name, const uint8_t digest[RECORD_DIGEST_SIZE])
{
    char text[DIGEST_SIZE];
    if (!digest_is_zero(digest))
        set_text(object, name, digest_text(digest, text));
}

static json_t *json_digests(const struct fact_digests *digests)
{
    static const char *const names[3] = {"header", "pixels", "rest"};
    json_t *object = json_object();
    set_text(object, "algorithm", algorithm_text(digests->algorithm));
    set_number(object, "version", digests->version);
    if (digests->present & RECORD_HAS_RANGES) {
        for (unsigned i = 0; i < 3; i++) {
            json_t *range = json_object();
            set_number(range, "length", digests->range[i].length);
            set_digest(range, "digest", digests->range[i].digest);
            json_object_set_new(object, names[i], range);
        }
    }
    if (digests->present & RECORD_HAS_INSTANCE)
        set_digest(object, "instance", digests->instance);
    if (digests->present & RECORD_HAS_RECEIVED)
        set_digest(object, "received", digests->received);
    if (digests->present & RECORD_HAS_CANONICAL)
        set_digest(object, "canonical", digests->canonical);
    if (digests->present & RECORD_HAS_CANONICAL_UNKNOWN)
        set_digest(object, "canonical_unknown", digests->canonical_unknown);
    return object;
}

static json_t *json_delivery(const struct fact_delivery *delivery)
{
    char status[5];
    json_t *object = json_object();
    set_number(object, "archive", delivery->archive);
    json_object_set_new(object, "owed", json_boolean(delivery->owed));
    set_text(object, "state", delivery_state_text(delivery->state));
    if (delivery->has_status) {
        (void)text_format(status, sizeof status, "%04x", (unsigned)delivery->status);
        set_text(object, "status", status);
    }
    set_text(object, "settled_by", settled_by_text(delivery->settled_by));
    set_number(object, "attempts", delivery->attempts);
    set_number(object, "failures", delivery->failures);
    json_object_set_new(object, "resent", json_boolean(delivery->resent));
    set_time(object, "sent_at", delivery->sent_at);
    set_time(object, "outcome_at", delivery->outcome_at);
    set_text(object, "remark", delivery->remark);
    set_text(object, "person", delivery->person);
    if (delivery->has_header) {
        set_digest(object, "header_as_sent", delivery->header);
        set_digest(object, "edits", delivery->edits);
        set_digest(object, "pack", delivery->pack);
    }
    return object;
}

static void set_texts(json_t *object, const struct ledger_fact *fact)
{
    set_text(object, "sop_instance", fact->sop_instance);
    set_text(object, "sop_class", fact->sop_class);
    set_text(object, "study", fact->study);
    set_text(object, "series", fact->series);
    set_text(object, "modality", fact->modality);
    set_text(object, "transfer_syntax", fact->transfer_syntax);
    set_text(object, "calling", fact->calling);
    set_text(object, "called", fact->called);
    set_text(object, "address", fact->address);
    set_text(object, "certificate", fact->certificate);
    set_text(object, "listener", fact->listener);
    set_text(object, "implementation", fact->implementation);
}

static json_t *json_fact(const struct ledger_fact *fact)
{
    char receipt[20];
    json_t *object = json_object();
    json_t *deliveries = json_array();
    ledger_receipt_text(fact->receipt, receipt, sizeof receipt);
    set_text(object, "receipt", receipt);
    set_text(object, "state", fact_state_text(fact->state));
    set_number(object, "order", fact->order);
    set_number(object, "epoch", fact->epoch);
    set_time(object, "opened_at", fact->opened_at);
    set_time(object, "closed_at", fact->closed_at);
    set_time(object, "settled_at", fact->settled_at);
    set_number(object, "length", fact->length);
    set_texts(object, fact);
    json_object_set_new(object, "unscanned", json_boolean((fact->flags & RECORD_CLOSE_UNSCANNED) != 0));
    if (fact->digests.present != 0)
        json_object_set_new(object, "digests", json_digests(&fact->digests));
    for (size_t i = 0; i < fact->delivery_count; i++)
        json_array_append_new(deliveries, json_delivery(&fact->deliveries[i]));
    json_object_set_new(object, "archives", deliveries);
    set_text(object, "dropped", drop_text(fact->drop_reason));
    set_text(object, "remark", fact->remark);
    if (fact->damaged > 0)
        set_number(object, "damaged_records", fact->damaged);
    return object;
}

static int json_print(json_t *object, size_t indent)
{
    size_t flags = JSON_PRESERVE_ORDER | (indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT);
    int failed = object == NULL || json_dumpf(object, stdout, flags) != 0 || putchar('\n') == EOF;
    json_decref(object);
    return failed ? EXIT_INTERNAL : EXIT_FINE;
}

// ---- text for people

static void line_print(const char *name, const char *text)
{
    if (text == NULL || text[0] == 0)
        return;
    printf("  %-16s", name);
    // What a terminal could take for a command is not shown; names of persons keep their letters.
    json_t *valid = json_string(text); // NULL if it is not UTF-8
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        bool is_control = *c < 0x20 || *c == 0x7f || (*c == 0xC2 && c[1] < 0xA0); // C0, DEL, C1
        putchar(is_control || (*c >= 0x80 && valid == NULL) ? '?' : *c);
        if (*c == 0xC2 && is_control && valid != NULL)
            c++;
    }
    json_decref(valid);
    putchar('\n');
}

static void digests_print(const struct fact_digests *digests)
{
    char text[DIGEST_SIZE];
    if (digests->present == 0)
        return;
    line_print("digests", algorithm_text(digests->algorithm));
    if (digests->present & RECORD_HAS_INSTANCE)
        line_print("  instance", digest_text(digests->instance, text));
    if (digests->present & RECORD_HAS_RANGES) {
        static const char *const names[3] = {"  header", "  pixels", "  rest"};
        for (unsigned i = 0; i < 3; i++)
            if (digests->range[i].length > 0)
                line_print(names[i], digest_text(digests->range[i].digest, text));
    }
    if (digests->present & RECORD_HAS_RECEIVED)
        line_print("  as received", digest_text(digests->received, text));
    if (digests->present & RECORD_HAS_CANONICAL)
        line_print("  canonical", digest_text(digests->canonical, text));
}

static void delivery_print(const struct fact_delivery *delivery, const char *called)
{
    char name[32];
    char status[16] = "";
    char line[240];
    char time[TIME_SIZE];
    const char *by = settled_by_text(delivery->settled_by);
    (void)text_format(name, sizeof name, "archive %u", (unsigned)delivery->archive);
    if (delivery->has_status)
        (void)text_format(status, sizeof status, ", status %04x", (unsigned)delivery->status);
    (void)text_format(line, sizeof line, "%s%s%s%s%s%s, sent %u time%s%s%s", called,
                      called[0] != 0 ? ": " : "", delivery_state_text(delivery->state), by[0] != 0 ? " " : "",
                      by, status, (unsigned)delivery->attempts, delivery->attempts == 1 ? "" : "s",
                      delivery->resent ? ", resent" : "", delivery->owed ? "" : ", not owed");
    line_print(name, line);
    line_print("  last sent", time_text(delivery->sent_at, time));
    line_print("  last outcome", time_text(delivery->outcome_at, time));
    line_print("  remark", delivery->remark);
    line_print("  person", delivery->person);
}

static void fact_print(const struct ledger_fact *fact, const struct request *request)
{
    char text[TIME_SIZE];
    ledger_receipt_text(fact->receipt, text, sizeof text);
    // Both ways to write the number: that of the ledger, and that of `queue`.
    printf("receipt %s (%llu): %s\n", text, (unsigned long long)fact->receipt, fact_state_text(fact->state));
    line_print("SOP instance", fact->sop_instance);
    line_print("SOP class", fact->sop_class);
    line_print("study", fact->study);
    line_print("series", fact->series);
    line_print("modality", fact->modality);
    line_print("transfer syntax", fact->transfer_syntax);
    line_print("calling", fact->calling);
    line_print("called", fact->called);
    line_print("address", fact->address);
    line_print("listener", fact->listener);
    line_print("opened", time_text(fact->opened_at, text));
    line_print("closed", time_text(fact->closed_at, text));
    line_print("settled", time_text(fact->settled_at, text));
    (void)text_format(text, sizeof text, "%llu bytes", (unsigned long long)fact->length);
    line_print("length", fact->order != 0 ? text : NULL);
    line_print("dropped", drop_text(fact->drop_reason));
    line_print("remark", fact->remark);
    if (fact->damaged > 0)
        line_print("damaged", "records of it were found bad in the journal");
    digests_print(&fact->digests);
    for (size_t i = 0; i < fact->delivery_count; i++)
        delivery_print(&fact->deliveries[i], archive_name(request, fact->deliveries[i].archive));
}

// ---- CSV (RFC 4180): one row per receipt and archive

static const char csv_header[] =
    "receipt,state,order,epoch,opened_at,closed_at,settled_at,length,sop_instance,sop_class,study,series,"
    "modality,"
    "transfer_syntax,calling,called,address,certificate,listener,digest_algorithm,digest_version,digest_"
    "header,"
    "digest_pixels,digest_rest,digest_instance,digest_received,digest_canonical,dropped,remark,archive,"
    "archive_state,"
    "archive_status,archive_settled_by,archive_attempts,archive_failures,archive_resent,archive_sent_at,"
    "archive_outcome_at,archive_header,archive_edits,archive_remark,archive_person\r\n";

// The quoted text, and `behind` it: a comma, or the end of the line.
static void csv_put(const char *text, const char *behind)
{
    if (text != NULL && strpbrk(text, ",\"\r\n") != NULL) {
        putchar('"');
        for (const char *c = text; *c != 0; c++) {
            if (*c == '"')
                putchar('"');
            putchar(*c);
        }
        putchar('"');
    } else if (text != NULL) {
        fputs(text, stdout);
    }
    fputs(behind, stdout);
}

static void csv_text(const char *text)
{
    csv_put(text, ",");
}

static void csv_number(uint64_t value)
{
    printf("%llu,", (unsigned long long)value);
}

static void csv_time(uint64_t time)
{
    char text[TIME_SIZE];
    csv_text(time_text(time, text));
}

static void csv_digest(bool present, const uint8_t digest[RECORD_DIGEST_SIZE])
{
    char text[DIGEST_SIZE];
    csv_text(present && !digest_is_zero(digest) ? digest_text(digest, text) : NULL);
}

static void csv_fact(const struct ledger_fact *fact)
{
    char receipt[20];
    const struct fact_digests *digests = &fact->digests;
    const char *texts[] = {fact->sop_instance, fact->sop_class,       fact->study,   fact->series,
                           fact->modality,     fact->transfer_syntax, fact->calling, fact->called,
                           fact->address,      fact->certificate,     fact->listener};
    ledger_receipt_text(fact->receipt, receipt, sizeof receipt);
    csv_text(receipt);
    csv_text(fact_state_text(fact->state));
    csv_number(fact->order);
    csv_number(fact->epoch);
    csv_time(fact->opened_at);
    csv_time(fact->closed_at);
    csv_time(fact->settled_at);
    csv_number(fact->length);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        csv_text(texts[i]);
    csv_text(digests->present != 0 ? algorithm_text(digests->algorithm) : NULL);
    csv_number(digests->version);
    for (unsigned i = 0; i < 3; i++)
        csv_digest((digests->present & RECORD_HAS_RANGES) != 0, digests->range[i].digest);
    csv_digest((digests->present & RECORD_HAS_INSTANCE) != 0, digests->instance);
    csv_digest((digests->present & RECORD_HAS_RECEIVED) != 0, digests->received);
    csv_digest((digests->present & RECORD_HAS_CANONICAL) != 0, digests->canonical);
    csv_text(drop_text(fact->drop_reason));
    csv_text(fact->remark);
}

static void csv_delivery(const struct fact_delivery *delivery)
{
    char status[5] = "";
    csv_number(delivery->archive);
    csv_text(delivery_state_text(delivery->state));
    if (delivery->has_status)
        (void)text_format(status, sizeof status, "%04x", (unsigned)delivery->status);
    csv_text(status);
    csv_text(settled_by_text(delivery->settled_by));
    csv_number(delivery->attempts);
    csv_number(delivery->failures);
    csv_text(delivery->resent ? "yes" : "no");
    csv_time(delivery->sent_at);
    csv_time(delivery->outcome_at);
    csv_digest(delivery->has_header, delivery->header);
    csv_digest(delivery->has_header, delivery->edits);
    csv_text(delivery->remark);
    csv_put(delivery->person, "\r\n");
}

static void csv_rows(const struct ledger_fact *fact)
{
    if (fact->delivery_count == 0) {
        csv_fact(fact);
        fputs(",,,,,,,,,,,,\r\n", stdout);
    }
    for (size_t i = 0; i < fact->delivery_count; i++) {
        csv_fact(fact);
        csv_delivery(&fact->deliveries[i]);
    }
}

// ---- verbs

static int failure_tell(enum result result)
{
    fprintf(stderr, "dicomgate: the ledger could not be read: %s\n", result_text(result));
    return EXIT_INTERNAL;
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
        json_array_append_new(show->facts, json_fact(fact));
    } else {
        if (show->count > 0)
            putchar('\n');
        fact_print(fact, show->request);
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
        set_number(answer, "version", JSON_VERSION);
        json_object_set_new(answer, "facts", show.facts);
        if (json_print(answer, 2) != EXIT_FINE)
            return EXIT_INTERNAL;
    }
    if (request->argument == NULL)
        return show.count > 0 ? EXIT_FINDING : EXIT_FINE;
    if (result == ERR_MISSING)
        fprintf(stderr, "dicomgate: the ledger knows no instance, study or receipt %s\n", request->argument);
    return result == OK ? EXIT_FINE : EXIT_FINDING;
}

static json_t *json_stats(const struct ledger_stats *stats)
{
    json_t *answer = json_object();
    json_t *archives = json_array();
    json_t *days = json_array();
    char day[TIME_SIZE];
    set_number(answer, "version", JSON_VERSION);
    set_number(answer, "schema", stats->schema_version);
    set_number(answer, "received", stats->totals.received);
    set_number(answer, "bytes", stats->totals.bytes);
    set_number(answer, "open", stats->totals.open);
    set_number(answer, "settled", stats->totals.settled);
    set_number(answer, "dropped", stats->totals.dropped);
    set_number(answer, "orphans", stats->totals.orphans);
    for (size_t i = 0; i < stats->archive_count; i++) {
        json_t *object = json_object();
        set_number(object, "archive", stats->archives[i].archive);
        set_number(object, "attempts", stats->archives[i].attempts);
        for (unsigned state = DELIVERY_OWED; state < DELIVERY_STATES; state++)
            set_number(object, delivery_state_text((enum delivery_state)state),
                       stats->archives[i].states[state]);
        json_array_append_new(archives, object);
    }
    json_object_set_new(answer, "archives", archives);
    for (size_t i = 0; i < stats->day_count; i++) {
        json_t *object = json_object();
        set_text(object, "day", day_text(stats->days[i].day, day));
        set_number(object, "received", stats->days[i].received);
        set_number(object, "bytes", stats->days[i].bytes);
        set_number(object, "settled", stats->days[i].settled);
        set_number(object, "dropped", stats->days[i].dropped);
        json_array_append_new(days, object);
    }
    json_object_set_new(answer, "days", days);
    return answer;
}

static void stats_print(const struct ledger_stats *stats, const struct request *request)
{
    char day[TIME_SIZE];
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
        const char *called = archive_name(request, stats->archives[i].archive);
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
    int status = EXIT_FINE;
    enum result result = ledger_stats_get(env, &stats);
    if (result != OK)
        return failure_tell(result);
    if (request->format == FORMAT_JSON)
        status = json_print(json_stats(&stats), 2);
    else
        stats_print(&stats, request);
    ledger_stats_fini(&stats);
    return status;
}

static enum result export_visit(void *argument, const struct ledger_fact *fact)
{
    const struct request *request = argument;
    if (request->format == FORMAT_CSV) {
        csv_rows(fact);
    } else {
        json_t *line = json_object();
        json_t *object = json_fact(fact);
        set_number(line, "version", JSON_VERSION);
        json_object_update(line, object);
        json_decref(object);
        if (json_print(line, 0) != EXIT_FINE)
            return ERR_IO;
    }
    return ferror(stdout) ? ERR_IO : OK;
}

static int export_run(struct kv_env *env, const struct request *request)
{
    struct request copy = *request;
    uint64_t damaged = 0;
    if (copy.format == FORMAT_CSV)
        fputs(csv_header, stdout);
    enum result result = ledger_each(env, export_visit, &copy, &damaged);
    if (result == OK && fflush(stdout) != 0)
        result = ERR_IO;
    if (result != OK)
        return failure_tell(result);
    if (damaged > 0)
        fprintf(stderr, "dicomgate: %llu entries of the ledger can not be read\n",
                (unsigned long long)damaged);
    return damaged > 0 ? EXIT_FINDING : EXIT_FINE;
}

// ---- command line

static const char usage_text[] = "usage: dicomgate ledger show UID|RECEIPT [--json]\n"
                                 "       dicomgate ledger conflicts [--json]\n"
                                 "       dicomgate ledger stats [--json]\n"
                                 "       dicomgate ledger export [--jsonl|--csv]\n";

void cli_ledger_help(void)
{
    fputs(usage_text, stdout);
    fputs("\nwhat became of what was received; with the daemon up or down.\n"
          "UID is that of an instance or of a study. conflicts shows all receipts of "
          "instances that came with different content under one UID (exit status 1 if there are any). "
          "export writes one line of JSON for each receipt (the "
          "default), or CSV\nwith one row for each receipt and archive. The ledger of a running daemon lags "
          "by a fraction of a second.\n\n"
          "Example:  dicomgate ledger show 1.2.826.0.1.3680043.8.498.1\n"
          "          dicomgate ledger export --csv > ledger.csv\n",
          stdout);
}

static int usage(void)
{
    fputs(usage_text, stderr);
    return EXIT_USAGE;
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

static bool request_parse(int argc, char **argv, struct request *request)
{
    *request = (struct request){.format = FORMAT_TABLE};
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-') {
            if (!format_parse(argv[i], request))
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
    if (strcmp(request->verb, "show") == 0)
        return request->argument != NULL && !lines;
    if (strcmp(request->verb, "stats") == 0 || strcmp(request->verb, "conflicts") == 0)
        return request->argument == NULL && !lines;
    return strcmp(request->verb, "export") == 0 && request->argument == NULL;
}

int cli_ledger_main(int argc, char **argv, const char *data_folder, const struct cli_ledger_name *names,
                    size_t name_count)
{
    struct request request;
    struct kv_env *env = NULL;
    struct lmdb_options options = {.read_only = true};
    char folder[4096];
    char why[512] = "";
    int status;
    if (!request_parse(argc, argv, &request))
        return usage();
    request.names = names;
    request.name_count = name_count;
    if (!text_format(folder, sizeof folder, "%s/ledger", data_folder))
        return EXIT_CONFIGURATION;
    enum result result = lmdb_env_open(folder, &ledger_schema, &options, &env, why, sizeof why);
    if (result != OK) {
        fprintf(stderr, "dicomgate: %s\n", why);
        return result == ERR_REFUSED ? EXIT_REFUSED : EXIT_CONFIGURATION;
    }
    if (strcmp(request.verb, "show") == 0 || strcmp(request.verb, "conflicts") == 0)
        status = show_run(env, &request);
    else if (strcmp(request.verb, "stats") == 0)
        status = stats_run(env, &request);
    else
        status = export_run(env, &request);
    kv_env_free(&env);
    return status;
}
