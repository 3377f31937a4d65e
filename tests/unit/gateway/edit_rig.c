// SPDX-License-Identifier: Apache-2.0
#include "edit_rig.h"

#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

struct asked asked;

// ---- the crosswalk ----

static enquiry_answered_fn *answered;
static void *answered_arg;

struct crosswalk {
    const char *name[8];
    size_t count;
};
static struct crosswalk domains;

uint16_t crosswalk_domain_find(const struct crosswalk *crosswalk, const char *name)
{
    for (size_t i = 0; i < crosswalk->count; i++)
        if (strcmp(crosswalk->name[i], name) == 0)
            return (uint16_t)(i + 1);
    return 0;
}

static void text_take(char *to, size_t size, struct slice from)
{
    assert_true(from.length < size);
    memcpy(to, from.data != NULL ? (const char *)from.data : "", from.length);
    to[from.length] = 0;
}

enum result enquiry_ask(struct worker *worker, const struct enquiry_question *question,
                        enquiry_answered_fn *on_answer, void *arg, struct enquiry **out)
{
    (void)worker;
    struct asked now = {.count = asked.count + 1,
                        .cancelled = asked.cancelled,
                        .archive = question->archive,
                        .when = question->when,
                        .wants_pin = question->wants_pin,
                        .unmatched_goes = question->unmatched_goes};
    asked = now;
    assert_true(question->from > 0 && question->to > 0);
    text_take(asked.from, sizeof asked.from, slice_of_text(domains.name[question->from - 1]));
    text_take(asked.to, sizeof asked.to, slice_of_text(domains.name[question->to - 1]));
    text_take(asked.id, sizeof asked.id, question->id);
    text_take(asked.name, sizeof asked.name, question->person.name);
    text_take(asked.birth_date, sizeof asked.birth_date, question->person.birth_date);
    text_take(asked.sex, sizeof asked.sex, question->person.sex);
    text_take(asked.study, sizeof asked.study, question->study);
    answered = on_answer;
    answered_arg = arg;
    *out = (struct enquiry *)(uintptr_t)&asked;
    return OK;
}

static study_answered_fn *studied;
static void *studied_arg;
struct study_asked study_asked;

enum result enquiry_ask_study(struct worker *worker, const struct study_question *question,
                              study_answered_fn *on_answer, void *arg, struct enquiry **out)
{
    (void)worker;
    study_asked = (struct study_asked){.count = study_asked.count + 1, .question = *question};
    studied = on_answer;
    studied_arg = arg;
    *out = (struct enquiry *)(uintptr_t)&study_asked;
    return OK;
}

void answer_study(struct bench *bench, enum result result, bool has_other)
{
    assert_int_equal(edit_stage(bench->edit), EDIT_ASKS);
    studied(studied_arg, result, has_other);
}

void enquiry_cancel(struct enquiry **enquiry)
{
    asked.cancelled += *enquiry != NULL;
    *enquiry = NULL;
}

void answer_once(enum crosswalk_outcome outcome, unsigned flags, const char *id, bool is_pinned)
{
    struct crosswalk_verdict verdict = {.outcome = outcome,
                                        .flags = flags,
                                        .generation = 7,
                                        .is_pinned = is_pinned,
                                        .id = {.length = strlen(id)}};
    memcpy(verdict.id.text, id, verdict.id.length);
    answered(answered_arg, OK, &verdict);
}

void answer_quietly(enum crosswalk_outcome outcome, unsigned flags, const char *id)
{
    unsigned count = asked.count;
    answer_once(outcome, flags, id, false);
    if (asked.count == count) // held, or before Success
        return;
    assert_true(asked.count == count + 1 && asked.wants_pin);
    answer_once(outcome, flags, id, true);
}

void answer(struct bench *bench, enum crosswalk_outcome outcome, unsigned flags, const char *id)
{
    unsigned before = bench->changes;
    assert_int_equal(edit_stage(bench->edit), EDIT_ASKS);
    answer_quietly(outcome, flags, id);
    assert_int_equal(bench->changes, before + 1);
}

void answer_failure(struct bench *bench, enum result result)
{
    assert_int_equal(edit_stage(bench->edit), EDIT_ASKS);
    answered(answered_arg, result, NULL);
}

// ---- data sets ----

static void integer(struct writer *to, size_t at, uint32_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        to->bytes[at + (to->encoding == EXPLICIT_BIG ? width - 1 - i : i)] = (uint8_t)(number >> 8 * i);
}

static void number(struct writer *to, uint32_t value, unsigned width)
{
    integer(to, to->length, value, width);
    to->length += width;
}

void writer_begin(struct writer *to, enum encoding encoding)
{
    to->encoding = encoding;
    to->length = 0;
    to->depth = 0;
}

static void header(struct writer *to, uint32_t tag, const char *vr, size_t length)
{
    assert_true(to->length + length + 16 < sizeof to->bytes);
    number(to, tag >> 16, 2);
    number(to, tag & 0xFFFF, 2);
    bool is_long = strstr("OB OD OF OL OV OW SQ SV UC UN UR UT UV", vr) != NULL;
    if (to->encoding != IMPLICIT_LITTLE) {
        memcpy(to->bytes + to->length, vr, 2);
        to->length += 2;
        if (is_long)
            number(to, 0, 2);
    }
    number(to, (uint32_t)length, to->encoding == IMPLICIT_LITTLE || is_long ? 4 : 2);
}

void put_bytes(struct writer *to, uint32_t tag, const char *vr, struct slice value)
{
    header(to, tag, vr, value.length);
    if (value.length > 0)
        memcpy(to->bytes + to->length, value.data, value.length);
    to->length += value.length;
}

void put_raw(struct writer *to, struct slice bytes)
{
    memcpy(to->bytes + to->length, bytes.data, bytes.length);
    to->length += bytes.length;
}

void put(struct writer *to, uint32_t tag, const char *vr, const char *text)
{
    char padded[1024];
    size_t length = strlen(text);
    memcpy(padded, text, length);
    if (length % 2 != 0)
        padded[length++] = strcmp(vr, "UI") == 0 ? 0 : ' ';
    put_bytes(to, tag, vr, slice_of(padded, length));
}

void put_tags(struct writer *to, uint32_t tag, uint32_t value)
{
    header(to, tag, "AT", 4);
    number(to, value >> 16, 2);
    number(to, value & 0xFFFF, 2);
}

void open_sequence(struct writer *to, uint32_t tag)
{
    header(to, tag, "SQ", 0);
    to->open[to->depth++] = to->length;
}

void open_item(struct writer *to)
{
    number(to, 0xFFFE, 2);
    number(to, 0xE000, 2);
    number(to, 0, 4);
    to->open[to->depth++] = to->length;
}

void shut(struct writer *to)
{
    size_t at = to->open[--to->depth];
    integer(to, at - 4, (uint32_t)(to->length - at), 4);
}

// ---- the bench ----

static const char head[] = "gateway: { ae_title: GATE, data: /d }\n"
                           "listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes } ]\n"
                           "titles: [GATE]\n"
                           "domains: { LEGACY: { issuers: [OLD, OLDER] }, NEW: { issuers: [GROUP] }, BARE: { "
                           "issuers: [BAREISS] } }\n";

static void file_write(const char *folder, const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wx");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void folder_remove(const char *folder)
{
    static const char *const names[] = {"p.yaml", "t.csv"};
    char path[128];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

enum result bench_try(struct bench *bench, const char *node, const char *pack, const char *table,
                      char *errors_text, size_t size)
{
    char text[4096];
    struct conf_errors errors;
    memset(bench, 0, sizeof *bench);
    memset(&asked, 0, sizeof asked);
    memset(&study_asked, 0, sizeof study_asked);
    (void)snprintf(bench->folder, sizeof bench->folder, "/tmp/test_edit.XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    if (pack != NULL)
        file_write(bench->folder, "p.yaml", pack);
    if (table != NULL)
        file_write(bench->folder, "t.csv", table);
    (void)snprintf(
        text, sizeof text,
        "%srules: { packs: %s }\n"
        "nodes: { new: { id: 2, kind: archive, ae_title: NEW, address: \"x:104\", plain: yes%s } }\n"
        "phases: { one: { store: [ { to: [new] } ] } }\nstart_phase: one\n",
        strstr(node, "domain:") != NULL
            ? head
            : "gateway: { ae_title: GATE, data: /d }\n"
              "listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes } ]\n"
              "titles: [GATE]\n",
        bench->folder, node);
    conf_errors_init(&errors);
    enum result result =
        configuration_parse("/c.yaml", text, strlen(text), false, &bench->configuration, &errors);
    if (result == OK)
        result = edit_policies_new(bench->configuration, &errors, &bench->policies);
    errors_text[0] = 0;
    for (size_t i = 0; i < errors.count; i++)
        (void)snprintf(errors_text + strlen(errors_text), size - strlen(errors_text), "%s\n",
                       errors.item[i].text);
    conf_errors_fini(&errors);
    return result;
}

void bench_begin(struct bench *bench, const char *node, const char *pack, const char *table)
{
    char errors[4096];
    enum result result = bench_try(bench, node, pack, table, errors, sizeof errors);
    if (result != OK)
        fprintf(stderr, "%s", errors);
    assert_int_equal(result, OK);
    domains = (struct crosswalk){.name = {"BARE", "LEGACY", "NEW"}, .count = 3};
    bench->gateway.platform.crosswalk = &domains;
    bench->worker.gateway = &bench->gateway;
    assert_int_equal(edit_workshop_new(&bench->worker, &bench->workshop), OK);
    bench->open = (struct record_open){
        .called = slice_of_text("GATE"),
        .calling = slice_of_text("CT1 "),
        .peer_address = slice_of_text("10.1.2.3:40112"),
        .transfer_syntax = slice_of_text("1.2.840.10008.1.2.1"),
        .sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.2"),
        .domain = slice_of_text("LEGACY"),
        .time = UINT64_C(1795896351123456789), // 2026-11-28 20:05:51.123456 UTC
    };
    bench->origin = (struct edit_origin){.open = &bench->open};
}

void bench_drop(struct bench *bench)
{
    edit_free(&bench->edit);
}

void bench_end(struct bench *bench)
{
    bench_drop(bench);
    edit_workshop_free(bench->workshop);
    edit_policies_unref(&bench->policies);
    configuration_free(bench->configuration);
    folder_remove(bench->folder);
}

static void on_change(void *arg)
{
    struct bench *bench = arg;
    bench->changes++;
}

static const char *const syntaxes[] = {"1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2",
                                       "1.2.840.10008.1.2.1.99"};

// Raw deflate, as a sender would.
static struct slice deflated(const struct writer *data_set)
{
    static uint8_t to[sizeof data_set->bytes];
    z_stream stream = {.next_in = (z_const Bytef *)data_set->bytes, .avail_in = (uInt)data_set->length};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = to;
    stream.avail_out = sizeof to;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return slice_of(to, length);
}

static struct slice wire(const struct writer *data_set)
{
    return data_set->encoding == DEFLATED ? deflated(data_set) : slice_of(data_set->bytes, data_set->length);
}

enum edit_stage bench_run(struct bench *bench, const struct writer *data_set, size_t piece)
{
    struct slice rest = wire(data_set);
    bench_drop(bench);
    bench->open.transfer_syntax = slice_of_text(syntaxes[data_set->encoding]);
    const struct edit_policy *policy = edit_policies_find(bench->policies, 2);
    assert_non_null(policy);
    assert_int_equal(
        edit_begin(bench->workshop, bench->policies, policy, &bench->origin, on_change, bench, &bench->edit),
        OK);
    while (edit_stage(bench->edit) == EDIT_READS) {
        struct slice part = slice_first(rest, piece);
        rest = slice_from(rest, part.length);
        edit_feed(bench->edit, part, rest.length == 0);
    }
    return edit_stage(bench->edit);
}

const char *reason(const struct bench *bench)
{
    return edit_hold(bench->edit)->reason;
}

static void print(const char *what, struct slice bytes)
{
    fprintf(stderr, "%s ", what);
    for (size_t i = 0; i < bytes.length; i++)
        fprintf(stderr, bytes.data[i] >= 0x20 && bytes.data[i] < 0x7F ? "%c" : "<%02X>", bytes.data[i]);
    fprintf(stderr, "\n");
}

static size_t inflated(struct slice from, uint8_t *to, size_t capacity)
{
    z_stream stream = {.next_in = (z_const Bytef *)from.data, .avail_in = (uInt)from.length};
    assert_int_equal(inflateInit2(&stream, -15), Z_OK);
    stream.next_out = to;
    stream.avail_out = (uInt)capacity;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = stream.total_out;
    assert_int_equal(inflateEnd(&stream), Z_OK);
    return length;
}

static void evidence_check(struct bench *bench, const struct dcm_splice *splice)
{
    static struct evidence_edit edits[EVIDENCE_EDITS_MAX];
    struct dcm_plan *undo;
    struct record_sent sent = {.archive = 2};
    struct evidence evidence;
    assert_int_equal(dcm_splice_undo(splice, &undo), OK);
    assert_int_equal(edit_sent_fill(bench->edit, undo, &sent), OK);
    assert_int_equal(evidence_decode(sent.evidence, edits, &evidence), OK);
    assert_true(evidence.count > 0);
    assert_true(slice_is_equal(evidence.undo, dcm_plan_bytes(undo)));
    dcm_plan_free(undo);
}

void assert_leaves(struct bench *bench, const struct writer *data_set, const struct writer *expected)
{
    static uint8_t out[sizeof data_set->bytes];
    static uint8_t flat[sizeof data_set->bytes];
    size_t length = 0;
    struct dcm_splice *splice;
    struct slice run;
    if (edit_stage(bench->edit) == EDIT_HOLDS)
        fprintf(stderr, "held: %s\n", reason(bench));
    assert_int_equal(edit_stage(bench->edit), EDIT_GOES);
    assert_non_null(edit_plan(bench->edit));
    assert_int_equal(edit_splice_take(bench->workshop, &splice), OK);
    assert_int_equal(dcm_splice_begin(splice, edit_plan(bench->edit), bench->open.transfer_syntax, true), OK);
    assert_int_equal(dcm_splice_put(splice, wire(data_set)), OK);
    for (unsigned round = 0; round < 2; round++) {
        enum result result;
        while ((result = dcm_splice_next(splice, &run)) == OK) {
            memcpy(out + length, run.data, run.length);
            length += run.length;
        }
        if (round == 0)
            assert_int_equal(dcm_splice_finish(splice), OK);
        assert_int_equal(result, round == 0 ? AGAIN : CLOSED);
    }
    evidence_check(bench, splice);
    edit_splice_give(bench->workshop, &splice);
    struct slice got = slice_of(out, length);
    if (data_set->encoding == DEFLATED)
        got = slice_of(flat, inflated(got, flat, sizeof flat));
    if (!slice_is_equal(got, slice_of(expected->bytes, expected->length))) {
        print("found   ", got);
        print("expected", slice_of(expected->bytes, expected->length));
        fail();
    }
}

void assert_untouched(const struct bench *bench)
{
    const char *first;
    struct record_sent sent = {.evidence = slice_of_text("x")};
    if (edit_stage(bench->edit) == EDIT_HOLDS)
        fprintf(stderr, "held: %s\n", reason(bench));
    assert_int_equal(edit_stage(bench->edit), EDIT_GOES);
    assert_null(edit_plan(bench->edit));
    assert_int_equal(edit_sent_fill(bench->edit, NULL, &sent), OK);
    assert_int_equal(sent.evidence.length, 0);
    for (size_t i = 0; i < sizeof sent.edits; i++)
        assert_int_equal(sent.edits[i], 0);
    (void)edit_flags(bench->edit, &first);
}

// ---- what the gateway adds ----

void equipment(struct writer *to)
{
    open_item(to);
    put(to, 0x00080070, "LO", "dicomgate");
    put(to, 0x00081010, "SH", "GATE");
    put(to, 0x0018A002, "DT", MOMENT);
    open_sequence(to, 0x0040A170);
    open_item(to);
    put(to, 0x00080100, "SH", "109103");
    put(to, 0x00080102, "SH", "DCM");
    put(to, 0x00080104, "LO", "Modifying Equipment");
    shut(to);
    shut(to);
    shut(to);
}

void equipment_sequence(struct writer *to)
{
    open_sequence(to, 0x0018A001);
    equipment(to);
    shut(to);
}

void originals_begin(struct writer *to)
{
    open_sequence(to, 0x04000561);
    open_item(to);
    open_sequence(to, 0x04000550);
    open_item(to);
}

void originals_end(struct writer *to, const char *why)
{
    shut(to);
    shut(to);
    put(to, 0x04000562, "DT", MOMENT);
    put(to, 0x04000563, "LO", "GATE");
    put(to, 0x04000564, "LO", "CT1");
    put(to, 0x04000565, "CS", why);
    shut(to);
    shut(to);
}

// ---- a patient ----

void patient(struct writer *to, const char *id, const char *issuer)
{
    put(to, 0x00100010, "PN", "Doe^Jane");
    put(to, 0x00100020, "LO", id);
    if (issuer != NULL)
        put(to, 0x00100021, "LO", issuer);
    put(to, 0x00100030, "DA", "19700102");
    put(to, 0x00100040, "CS", "F");
}

void pixels(struct writer *to)
{
    static const uint8_t samples[64] = {1, 2, 3};
    put_bytes(to, 0x7FE00010, "OW", slice_of(samples, sizeof samples));
}

void instance(struct writer *to, enum encoding encoding, const char *id, const char *issuer)
{
    writer_begin(to, encoding);
    put(to, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    put(to, 0x00080080, "LO", "st mary");
    patient(to, id, issuer);
    put(to, 0x0020000D, "UI", "1.2.3");
    put(to, 0x00200010, "SH", "S1");
    pixels(to);
}

void mapped_instance(struct writer *to, enum encoding encoding)
{
    writer_begin(to, encoding);
    put(to, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    put(to, 0x00080080, "LO", "st mary");
    patient(to, "G-17", "GROUP");
    equipment_sequence(to);
    put(to, 0x0020000D, "UI", "1.2.3");
    put(to, 0x00200010, "SH", "S1");
    originals_begin(to);
    put(to, 0x00100020, "LO", "17");
    put(to, 0x00100021, "LO", "");
    originals_end(to, "COERCE");
    pixels(to);
}
