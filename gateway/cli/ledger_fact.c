// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_fact.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/exit.h"
#include "store/ledger_reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *ledger_archive_name(const struct cli_ledger_names *names, unsigned id)
{
    for (size_t i = 0; i < names->count; i++)
        if (names->rows[i].id == id)
            return names->rows[i].name;
    return "";
}

// ---- texts of values

#define DIGEST_SIZE (2 * RECORD_DIGEST_SIZE + 1)

const char *ledger_time_text(uint64_t time, char text[LEDGER_TIME_SIZE])
{
    struct tm parts;
    char seconds[LEDGER_TIME_SIZE];
    time_t whole = (time_t)(time / NSEC_PER_SEC);
    text[0] = 0;
    if (time == 0 || gmtime_r(&whole, &parts) == NULL)
        return text;
    if (strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts) > 0)
        (void)text_format(text, LEDGER_TIME_SIZE, "%s.%03uZ", seconds, (unsigned)(time / NSEC_PER_MS % 1000));
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
json_t *ledger_json_string(const char *text)
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

void ledger_json_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != 0)
        json_object_set_new(object, name, ledger_json_string(text));
}

void ledger_json_number(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

void ledger_json_time(json_t *object, const char *name, uint64_t time)
{
    char text[LEDGER_TIME_SIZE];
    ledger_json_text(object, name, ledger_time_text(time, text));
}

int ledger_json_print(FILE *out, json_t *object, size_t indent)
{
    size_t flags = JSON_PRESERVE_ORDER | (indent > 0 ? JSON_INDENT(indent) : JSON_COMPACT);
    int failed = object == NULL || json_dumpf(object, out, flags) != 0 || fputc('\n', out) == EOF;
    json_decref(object);
    return failed ? CLI_INTERNAL : CLI_FINE;
}

static void set_digest(json_t *object, const char *name, const uint8_t digest[RECORD_DIGEST_SIZE])
{
    char text[DIGEST_SIZE];
    if (!digest_is_zero(digest))
        ledger_json_text(object, name, digest_text(digest, text));
}

static json_t *json_digests(const struct fact_digests *digests)
{
    static const char *const names[3] = {"header", "pixels", "rest"};
    json_t *object = json_object();
    ledger_json_text(object, "algorithm", algorithm_text(digests->algorithm));
    ledger_json_number(object, "version", digests->version);
    if (digests->present & RECORD_HAS_RANGES) {
        for (unsigned i = 0; i < 3; i++) {
            json_t *range = json_object();
            ledger_json_number(range, "length", digests->range[i].length);
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

static json_t *json_delivery(uint64_t receipt, const struct fact_delivery *delivery,
                             struct ledger_edits *edits)
{
    char status[5];
    json_t *object = json_object();
    ledger_json_number(object, "archive", delivery->archive);
    json_object_set_new(object, "owed", json_boolean(delivery->owed));
    ledger_json_text(object, "state", delivery_state_text(delivery->state));
    if (delivery->has_status) {
        (void)text_format(status, sizeof status, "%04x", (unsigned)delivery->status);
        ledger_json_text(object, "status", status);
    }
    ledger_json_text(object, "settled_by", settled_by_text(delivery->settled_by));
    ledger_json_number(object, "attempts", delivery->attempts);
    ledger_json_number(object, "failures", delivery->failures);
    json_object_set_new(object, "resent", json_boolean(delivery->resent));
    if (delivery->is_released)
        json_object_set_new(object, "released", json_true());
    ledger_json_time(object, "sent_at", delivery->sent_at);
    ledger_json_time(object, "outcome_at", delivery->outcome_at);
    ledger_json_text(object, "remark", delivery->remark);
    ledger_json_text(object, "person", delivery->person);
    if (delivery->has_header) {
        set_digest(object, "header_as_sent", delivery->header);
        set_digest(object, "edits", delivery->edits);
        set_digest(object, "pack", delivery->pack);
        if (delivery->crosswalk != 0)
            ledger_json_number(object, "crosswalk", delivery->crosswalk);
    }
    if (delivery->flags > 0) {
        json_t *reasons = json_array();
        for (size_t i = 0; i < RECORD_REASONS_MAX && delivery->flag_reason[i] != NULL; i++)
            json_array_append_new(reasons, ledger_json_string(delivery->flag_reason[i]));
        ledger_json_number(object, "flags", delivery->flags);
        json_object_set_new(object, "flag_reasons", reasons);
    }
    json_t *edited = ledger_edits_json(edits, receipt, delivery);
    if (edited != NULL)
        json_object_set_new(object, "edited", edited);
    return object;
}

static void set_texts(json_t *object, const struct ledger_fact *fact)
{
    ledger_json_text(object, "sop_instance", fact->sop_instance);
    ledger_json_text(object, "sop_class", fact->sop_class);
    ledger_json_text(object, "study", fact->study);
    ledger_json_text(object, "series", fact->series);
    ledger_json_text(object, "modality", fact->modality);
    ledger_json_text(object, "transfer_syntax", fact->transfer_syntax);
    ledger_json_text(object, "calling", fact->calling);
    ledger_json_text(object, "called", fact->called);
    ledger_json_text(object, "address", fact->address);
    ledger_json_text(object, "certificate", fact->certificate);
    ledger_json_text(object, "listener", fact->listener);
    ledger_json_text(object, "implementation", fact->implementation);
}

json_t *ledger_fact_json(const struct ledger_fact *fact, struct ledger_edits *edits)
{
    char receipt[20];
    json_t *object = json_object();
    json_t *deliveries = json_array();
    ledger_receipt_text(fact->receipt, receipt, sizeof receipt);
    ledger_json_text(object, "receipt", receipt);
    ledger_json_text(object, "state", fact_state_text(fact->state));
    ledger_json_number(object, "order", fact->order);
    ledger_json_number(object, "epoch", fact->epoch);
    ledger_json_time(object, "opened_at", fact->opened_at);
    ledger_json_time(object, "closed_at", fact->closed_at);
    ledger_json_time(object, "settled_at", fact->settled_at);
    ledger_json_number(object, "length", fact->length);
    set_texts(object, fact);
    json_object_set_new(object, "unscanned", json_boolean((fact->flags & RECORD_CLOSE_UNSCANNED) != 0));
    if (fact->digests.present != 0)
        json_object_set_new(object, "digests", json_digests(&fact->digests));
    for (size_t i = 0; i < fact->delivery_count; i++)
        json_array_append_new(deliveries, json_delivery(fact->receipt, &fact->deliveries[i], edits));
    json_object_set_new(object, "archives", deliveries);
    ledger_json_text(object, "dropped", drop_text(fact->drop_reason));
    ledger_json_text(object, "remark", fact->remark);
    if (fact->damaged > 0)
        ledger_json_number(object, "damaged_records", fact->damaged);
    return object;
}

// ---- text for people

void ledger_text_put(const char *text)
{
    json_t *valid = json_string(text); // NULL if it is not UTF-8
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        bool is_control = *c < 0x20 || *c == 0x7f || (*c == 0xC2 && c[1] < 0xA0); // C0, DEL, C1
        putchar(is_control || (*c >= 0x80 && valid == NULL) ? '?' : *c);
        if (*c == 0xC2 && is_control && valid != NULL)
            c++;
    }
    json_decref(valid);
}

static void line_print(const char *name, const char *text)
{
    if (text == NULL || text[0] == 0)
        return;
    printf("  %-16s", name);
    ledger_text_put(text);
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

static void flags_print(const struct fact_delivery *delivery)
{
    size_t known = 0;
    char more[48];
    for (; known < RECORD_REASONS_MAX && delivery->flag_reason[known] != NULL; known++)
        line_print("  flagged", delivery->flag_reason[known]);
    (void)text_format(more, sizeof more, "%u findings in all", (unsigned)delivery->flags);
    line_print("  flagged", delivery->flags > known ? more : NULL);
}

static void delivery_print(uint64_t receipt, const struct fact_delivery *delivery, const char *called,
                           struct ledger_edits *edits)
{
    char name[32];
    char status[16] = "";
    char line[240];
    char time[LEDGER_TIME_SIZE];
    const char *by = settled_by_text(delivery->settled_by);
    (void)text_format(name, sizeof name, "archive %u", (unsigned)delivery->archive);
    if (delivery->has_status)
        (void)text_format(status, sizeof status, ", status %04x", (unsigned)delivery->status);
    (void)text_format(line, sizeof line, "%s%s%s%s%s%s, sent %u time%s%s%s%s", called,
                      called[0] != 0 ? ": " : "", delivery_state_text(delivery->state), by[0] != 0 ? " " : "",
                      by, status, (unsigned)delivery->attempts, delivery->attempts == 1 ? "" : "s",
                      delivery->resent ? ", resent" : "", delivery->is_released ? ", released" : "",
                      delivery->owed ? "" : ", not owed");
    line_print(name, line);
    line_print("  last sent", ledger_time_text(delivery->sent_at, time));
    line_print("  last outcome", ledger_time_text(delivery->outcome_at, time));
    line_print("  remark", delivery->remark);
    line_print("  person", delivery->person);
    if (delivery->has_header && !digest_is_zero(delivery->pack))
        line_print("  rule packs", digest_text(delivery->pack, line));
    (void)text_format(name, sizeof name, "generation %llu", (unsigned long long)delivery->crosswalk);
    line_print("  crosswalk", delivery->crosswalk != 0 ? name : NULL);
    if (delivery->has_header && !digest_is_zero(delivery->edits))
        line_print("  edits", digest_text(delivery->edits, line));
    flags_print(delivery);
    ledger_edits_print(edits, receipt, delivery);
}

void ledger_fact_print(const struct ledger_fact *fact, const struct cli_ledger_names *names,
                       struct ledger_edits *edits)
{
    char text[LEDGER_TIME_SIZE];
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
    line_print("opened", ledger_time_text(fact->opened_at, text));
    line_print("closed", ledger_time_text(fact->closed_at, text));
    line_print("settled", ledger_time_text(fact->settled_at, text));
    (void)text_format(text, sizeof text, "%llu bytes", (unsigned long long)fact->length);
    line_print("length", fact->order != 0 ? text : NULL);
    line_print("dropped", drop_text(fact->drop_reason));
    line_print("remark", fact->remark);
    if (fact->damaged > 0)
        line_print("damaged", "records of it were found bad in the journal");
    digests_print(&fact->digests);
    for (size_t i = 0; i < fact->delivery_count; i++)
        delivery_print(fact->receipt, &fact->deliveries[i],
                       ledger_archive_name(names, fact->deliveries[i].archive), edits);
}

// ---- CSV (RFC 4180): one row per receipt and archive

void ledger_csv_header(FILE *out)
{
    fputs(
        "receipt,state,order,epoch,opened_at,closed_at,settled_at,length,sop_instance,sop_class,study,series,"
        "modality,"
        "transfer_syntax,calling,called,address,certificate,listener,digest_algorithm,digest_version,digest_"
        "header,"
        "digest_pixels,digest_rest,digest_instance,digest_received,digest_canonical,dropped,remark,archive,"
        "archive_state,"
        "archive_status,archive_settled_by,archive_attempts,archive_failures,archive_resent,archive_sent_at,"
        "archive_outcome_at,archive_header,archive_edits,archive_remark,archive_person\r\n",
        out);
}

// The quoted text, and `behind` it: a comma, or the end of the line.
static void csv_put(FILE *out, const char *text, const char *behind)
{
    if (text != NULL && strpbrk(text, ",\"\r\n") != NULL) {
        fputc('"', out);
        for (const char *c = text; *c != 0; c++) {
            if (*c == '"')
                fputc('"', out);
            fputc(*c, out);
        }
        fputc('"', out);
    } else if (text != NULL) {
        fputs(text, out);
    }
    fputs(behind, out);
}

static void csv_text(FILE *out, const char *text)
{
    csv_put(out, text, ",");
}

static void csv_number(FILE *out, uint64_t value)
{
    fprintf(out, "%llu,", (unsigned long long)value);
}

static void csv_time(FILE *out, uint64_t time)
{
    char text[LEDGER_TIME_SIZE];
    csv_text(out, ledger_time_text(time, text));
}

static void csv_digest(FILE *out, bool present, const uint8_t digest[RECORD_DIGEST_SIZE])
{
    char text[DIGEST_SIZE];
    csv_text(out, present && !digest_is_zero(digest) ? digest_text(digest, text) : NULL);
}

static void csv_fact(FILE *out, const struct ledger_fact *fact)
{
    char receipt[20];
    const struct fact_digests *digests = &fact->digests;
    const char *texts[] = {fact->sop_instance, fact->sop_class,       fact->study,   fact->series,
                           fact->modality,     fact->transfer_syntax, fact->calling, fact->called,
                           fact->address,      fact->certificate,     fact->listener};
    ledger_receipt_text(fact->receipt, receipt, sizeof receipt);
    csv_text(out, receipt);
    csv_text(out, fact_state_text(fact->state));
    csv_number(out, fact->order);
    csv_number(out, fact->epoch);
    csv_time(out, fact->opened_at);
    csv_time(out, fact->closed_at);
    csv_time(out, fact->settled_at);
    csv_number(out, fact->length);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        csv_text(out, texts[i]);
    csv_text(out, digests->present != 0 ? algorithm_text(digests->algorithm) : NULL);
    csv_number(out, digests->version);
    for (unsigned i = 0; i < 3; i++)
        csv_digest(out, (digests->present & RECORD_HAS_RANGES) != 0, digests->range[i].digest);
    csv_digest(out, (digests->present & RECORD_HAS_INSTANCE) != 0, digests->instance);
    csv_digest(out, (digests->present & RECORD_HAS_RECEIVED) != 0, digests->received);
    csv_digest(out, (digests->present & RECORD_HAS_CANONICAL) != 0, digests->canonical);
    csv_text(out, drop_text(fact->drop_reason));
    csv_text(out, fact->remark);
}

static void csv_delivery(FILE *out, const struct fact_delivery *delivery)
{
    char status[5] = "";
    csv_number(out, delivery->archive);
    csv_text(out, delivery_state_text(delivery->state));
    if (delivery->has_status)
        (void)text_format(status, sizeof status, "%04x", (unsigned)delivery->status);
    csv_text(out, status);
    csv_text(out, settled_by_text(delivery->settled_by));
    csv_number(out, delivery->attempts);
    csv_number(out, delivery->failures);
    csv_text(out, delivery->resent ? "yes" : "no");
    csv_time(out, delivery->sent_at);
    csv_time(out, delivery->outcome_at);
    csv_digest(out, delivery->has_header, delivery->header);
    csv_digest(out, delivery->has_header, delivery->edits);
    csv_text(out, delivery->remark);
    csv_put(out, delivery->person, "\r\n");
}

void ledger_csv_rows(FILE *out, const struct ledger_fact *fact)
{
    if (fact->delivery_count == 0) {
        csv_fact(out, fact);
        fputs(",,,,,,,,,,,,\r\n", out);
    }
    for (size_t i = 0; i < fact->delivery_count; i++) {
        csv_fact(out, fact);
        csv_delivery(out, &fact->deliveries[i]);
    }
}
