// SPDX-License-Identifier: Apache-2.0
//
// A file against every receipt of its instance that the archive was sent: the one that proves most is told.
#include "cli/ledger_prove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/wipe.h"
#include "cli/exit.h"
#include "cli/prove.h"
#include "dcm/file.h"
#include "store/ledger_reader.h"

struct search {
    const struct ledger_prove_order *order;
    uint32_t archive;
    struct dcm_file file;
    bool has_instance;
    bool has_study; // the UID is that of a study
    // The best so far.
    bool is_found;
    unsigned rank;
    uint64_t receipt_order;
    uint64_t receipt;
    enum delivery_state state;
    uint8_t instance[RECORD_DIGEST_SIZE]; // of what was received
    struct prove_answer answer;
    // The newest that the archive has accepted, and its content (FIELD 5: it may hold an older one all the
    // same). Order 0: none.
    uint64_t accepted_order;
    uint64_t accepted;
    uint8_t accepted_instance[RECORD_DIGEST_SIZE];
    json_t *edits; // JSON of its evidence, as it may be shown; NULL: sent as it came
};

// ---- one receipt

// What the archive says that it has goes before what it may have.
static unsigned rank_of(const struct fact_delivery *delivery, enum prove_verdict verdict)
{
    bool is_accepted = delivery->state == DELIVERY_ANSWERED || delivery->state == DELIVERY_SETTLED;
    unsigned likely = is_accepted ? 2 : delivery->attempts > 0 ? 1 : 0;
    return (unsigned)verdict * 4 + likely;
}

// NULL: none.
static json_t *edits_told(const struct search *search, const struct evidence *evidence)
{
    if (evidence == NULL)
        return NULL;
    json_t *edits = ledger_evidence_json(evidence, search->order->edits->shows_phi);
    for (size_t i = 0; i < evidence->count; i++)
        json_object_set_new(json_array_get(edits, i), "compared",
                            json_boolean(!search->answer.is_uncompared[i]));
    return edits;
}

static enum result question_ask(struct search *search, const struct ledger_fact *fact,
                                const struct fact_delivery *delivery, struct prove_question *question)
{
    struct prove_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        return ERR_NOMEM;
    question->fact = fact;
    question->transfer_syntax = search->file.transfer_syntax;
    question->data_set = search->file.data_set;
    enum result result = prove(question, answer);
    unsigned rank = rank_of(delivery, answer->verdict);
    bool is_better = !search->is_found || rank > search->rank ||
                     (rank == search->rank && fact->order > search->receipt_order);
    if (result == OK && is_better) {
        search->is_found = true;
        search->rank = rank;
        search->receipt = fact->receipt;
        search->receipt_order = fact->order;
        search->state = delivery->state;
        memcpy(search->instance, fact->digests.instance, sizeof search->instance);
        search->answer = *answer;
        json_decref(search->edits);
        search->edits = edits_told(search, question->evidence);
    }
    free(answer);
    return result;
}

static bool is_zero(const uint8_t digest[RECORD_DIGEST_SIZE])
{
    static const uint8_t zeros[RECORD_DIGEST_SIZE];
    return memcmp(digest, zeros, sizeof zeros) == 0;
}

static enum result version_ask(struct search *search, const struct ledger_fact *fact,
                               const struct fact_delivery *delivery, const uint8_t edits[RECORD_DIGEST_SIZE])
{
    struct evidence evidence;
    bool is_last = delivery->has_header && memcmp(edits, delivery->edits, RECORD_DIGEST_SIZE) == 0;
    struct prove_question question = {.header =
                                          is_last && !is_zero(delivery->header) ? delivery->header : NULL};
    enum result result =
        ledger_edits_get(search->order->edits, fact->receipt, delivery->archive, edits, &evidence);
    if (result == ERR_REFUSED || result == ERR_NOMEM || result == ERR_IO)
        return result;
    if (result == OK)
        question.evidence = &evidence;
    else
        question.is_evidence_lost = true;
    return question_ask(search, fact, delivery, &question);
}

// Every version that was sent: that of the last SENT, as it came, and those before.
static enum result versions_ask(struct search *search, const struct ledger_fact *fact,
                                const struct fact_delivery *delivery)
{
    uint8_t edits[LEDGER_EVIDENCE_VERSIONS][RECORD_DIGEST_SIZE];
    size_t count = 0;
    bool is_edited = delivery->has_header && !is_zero(delivery->edits);
    struct prove_question plain = {.evidence = NULL};
    enum result result = is_edited ? version_ask(search, fact, delivery, delivery->edits)
                                   : question_ask(search, fact, delivery, &plain);
    if (result != OK || delivery->attempts < 2)
        return result;
    struct ledger_evidence_reader *reader = ledger_edits_reader(search->order->edits);
    result = reader == NULL
                 ? ERR_REFUSED
                 : ledger_evidence_versions(reader, fact->receipt, delivery->archive, edits, &count);
    for (size_t i = 0; result == OK && i < count; i++)
        if (!is_edited || memcmp(edits[i], delivery->edits, RECORD_DIGEST_SIZE) != 0)
            result = version_ask(search, fact, delivery, edits[i]);
    return result;
}

// One that was not sent, as the archive had its content, is no other content.
static void accepted_note(struct search *search, const struct ledger_fact *fact,
                          const struct fact_delivery *delivery)
{
    bool is_accepted = delivery->state == DELIVERY_ANSWERED || delivery->state == DELIVERY_SETTLED;
    if (!is_accepted || delivery->attempts == 0 || fact->order <= search->accepted_order ||
        (fact->digests.present & RECORD_HAS_INSTANCE) == 0)
        return;
    search->accepted_order = fact->order;
    search->accepted = fact->receipt;
    memcpy(search->accepted_instance, fact->digests.instance, sizeof search->accepted_instance);
}

// The archive has accepted other content since.
static bool is_overtaken(const struct search *search)
{
    return search->answer.verdict != PROVE_DIFFERS && search->accepted_order > search->receipt_order &&
           memcmp(search->accepted_instance, search->instance, sizeof search->instance) != 0;
}

static enum result on_fact(void *argument, const struct ledger_fact *fact)
{
    struct search *search = argument;
    const char *wanted = search->order->instance;
    const struct fact_delivery *delivery = fact_delivery_find(fact, search->archive);
    search->has_instance = true;
    if (fact->study != NULL && strcmp(fact->study, wanted) == 0) {
        search->has_study = true;
        return OK;
    }
    if (delivery == NULL || fact->digests.present == 0)
        return OK;
    accepted_note(search, fact, delivery);
    return versions_ask(search, fact, delivery);
}

// ---- what is said

static const char *verdict_text(enum prove_verdict verdict)
{
    switch (verdict) {
    case PROVE_IDENTICAL:
        return "identical";
    case PROVE_EDITS:
        return "edits";
    case PROVE_DIFFERS:
        break;
    }
    return "differs";
}

static const char *comparison_text(enum prove_comparison comparison)
{
    return comparison == PROVE_BY_BYTES ? "bytes" : "content";
}

static int answer_json(struct search *search, const char *receipt)
{
    json_t *differences = json_array();
    json_t *answer = json_object();
    for (size_t i = 0; i < search->answer.difference_count; i++) {
        json_t *difference = json_object();
        ledger_json_text(difference, "at", search->answer.difference[i].at);
        ledger_json_text(difference, "what", search->answer.difference[i].what);
        json_array_append_new(differences, difference);
    }
    ledger_json_number(answer, "version", 1);
    ledger_json_text(answer, "instance", search->order->instance);
    ledger_json_text(answer, "receipt", receipt);
    ledger_json_number(answer, "archive", search->archive);
    ledger_json_text(answer, "state", delivery_state_text(search->state));
    ledger_json_text(answer, "verdict", verdict_text(search->answer.verdict));
    if (search->answer.verdict != PROVE_DIFFERS)
        ledger_json_text(answer, "compared", comparison_text(search->answer.comparison));
    json_object_set_new(answer, "edits", search->edits != NULL ? json_incref(search->edits) : json_array());
    json_object_set_new(answer, "differs", differences);
    if (is_overtaken(search)) {
        char accepted[20];
        ledger_receipt_text(search->accepted, accepted, sizeof accepted);
        ledger_json_text(answer, "overtaken_by", accepted);
    }
    int failed =
        json_dumpf(answer, stdout, JSON_PRESERVE_ORDER | JSON_INDENT(2)) != 0 || putchar('\n') == EOF;
    json_decref(answer);
    return failed ? CLI_INTERNAL : CLI_FINE;
}

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static void value_print(const json_t *edit, const char *name)
{
    if (!json_is_string(json_object_get(edit, name))) {
        fputs("(absent)", stdout);
        return;
    }
    putchar('"');
    ledger_text_put(member(edit, name));
    putchar('"');
}

// As `ledger show` says it.
static void edits_print(const json_t *edits, bool shows_phi)
{
    for (size_t i = 0; i < json_array_size(edits); i++) {
        const json_t *edit = json_array_get(edits, i);
        const char *version = member(edit, "pack_version");
        printf("  E%-4zu ", i + 1);
        ledger_text_put(member(edit, "path"));
        printf(" %s by ", ledger_edit_text(json_is_true(json_object_get(edit, "was_present")),
                                           json_is_true(json_object_get(edit, "removed"))));
        ledger_text_put(member(edit, "pack"));
        if (version[0] != 0)
            putchar(' ');
        ledger_text_put(version);
        putchar('/');
        ledger_text_put(member(edit, "rule"));
        if (shows_phi && strcmp(member(edit, "vr"), "SQ") != 0) {
            fputs(": ", stdout);
            value_print(edit, "before");
            fputs(" -> ", stdout);
            value_print(edit, "after");
        }
        if (json_is_false(json_object_get(edit, "compared")))
            fputs(" (its content could not be compared)", stdout);
        putchar('\n');
    }
}

static void answer_print(struct search *search, const char *receipt)
{
    const char *how = search->answer.comparison == PROVE_BY_BYTES
                          ? "compared byte by byte"
                          : "encoded anew, compared by content: header values and pixel bytes";
    size_t edits = json_array_size(search->edits);
    switch (search->answer.verdict) {
    case PROVE_IDENTICAL:
        printf("identical: its digests are those received as receipt %s (%s)\n", receipt, how);
        return;
    case PROVE_EDITS:
        printf("differs only by edits E1%s", edits > 1 ? "..." : "");
        if (edits > 1)
            printf("E%zu", edits);
        printf("; with them undone its digests are those received as receipt %s (%s)\n", receipt, how);
        break;
    case PROVE_DIFFERS:
        printf("differs from receipt %s (%s) at\n", receipt, delivery_state_text(search->state));
        for (size_t i = 0; i < search->answer.difference_count; i++) {
            fputs("  ", stdout);
            ledger_text_put(search->answer.difference[i].at);
            printf(": %s\n", search->answer.difference[i].what);
        }
        if (edits > 0)
            puts("the edits on record:");
        break;
    }
    edits_print(search->edits, search->order->edits->shows_phi);
}

static int search_tell(struct search *search)
{
    char receipt[20];
    int status = CLI_FINE;
    if (search->has_study && !search->is_found) {
        fprintf(stderr, "dicomgate: %s is a study: one instance is proved at a time\n",
                search->order->instance);
        return CLI_USAGE;
    }
    if (!search->is_found) {
        fprintf(stderr, "dicomgate: %s %s\n", search->order->instance,
                search->has_instance ? "was never for this archive" : "is not known to the ledger");
        return CLI_FINDING;
    }
    ledger_receipt_text(search->receipt, receipt, sizeof receipt);
    if (search->order->is_json)
        status = answer_json(search, receipt);
    else
        answer_print(search, receipt);
    if (!search->order->is_json && is_overtaken(search)) {
        ledger_receipt_text(search->accepted, receipt, sizeof receipt);
        printf("but the archive has accepted other content since, as receipt %s, which this copy is not\n",
               receipt);
    }
    if (status != CLI_FINE)
        return status;
    return search->answer.verdict == PROVE_DIFFERS || is_overtaken(search) ? CLI_FINDING : CLI_FINE;
}

// ---- the order

static bool archive_find(const struct ledger_prove_order *order, uint32_t *archive)
{
    char *end;
    for (size_t i = 0; i < order->names->count; i++) {
        if (strcmp(order->names->rows[i].name, order->archive) != 0)
            continue;
        *archive = order->names->rows[i].id;
        return true;
    }
    unsigned long number = strtoul(order->archive, &end, 10);
    *archive = (uint32_t)number;
    return order->archive[0] >= '0' && order->archive[0] <= '9' && *end == 0 && number <= UINT32_MAX;
}

static bool file_map(const char *path, struct slice *bytes)
{
    struct stat status;
    void *memory = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        (void)close(fd);
    if (memory == MAP_FAILED)
        return false;
    *bytes = slice_of(memory, (size_t)status.st_size);
    return true;
}

static int search_run(struct search *search)
{
    enum result result = ledger_find_text(search->order->env, search->order->instance, on_fact, search);
    int status = CLI_REFUSED; // it was said why
    if (result == OK || result == ERR_MISSING) {
        status = search_tell(search);
    } else if (result != ERR_REFUSED) {
        fprintf(stderr, "dicomgate: it can not be proved: %s\n", result_text(result));
        status = CLI_INTERNAL;
    }
    json_decref(search->edits);
    return status;
}

int ledger_prove_run(const struct ledger_prove_order *order)
{
    struct slice bytes;
    struct search *search = calloc(1, sizeof *search);
    int status = CLI_USAGE;
    if (search == NULL)
        return CLI_INTERNAL;
    search->order = order;
    if (!archive_find(order, &search->archive)) {
        fprintf(stderr, "dicomgate: there is no archive \"%.60s\"\n", order->archive);
    } else if (!file_map(order->file, &bytes)) {
        fprintf(stderr, "dicomgate: %s can not be read, or is empty\n", order->file);
    } else {
        if (dcm_file_parse(bytes, &search->file) == OK)
            status = search_run(search);
        else
            fprintf(stderr, "dicomgate: %s is not a DICOM file\n", order->file);
        (void)munmap((void *)(uintptr_t)bytes.data, bytes.length);
    }
    free(search);
    return status;
}
