// SPDX-License-Identifier: Apache-2.0
#include "support.h"

#include <stdio.h>
#include <string.h>

static void say(void *arg, const char *format, ...)
{
    struct record *record = arg;
    char word[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    assert_true(length > 0 && (size_t)length < sizeof word);
    if (record->is_in_data)
        record->words[record->length++] = ')';
    record->is_in_data = false;
    assert_true(record->length + (size_t)length + 2 < sizeof record->words);
    if (record->length > 0)
        record->words[record->length++] = ' ';
    memcpy(record->words + record->length, word, (size_t)length + 1);
    record->length += (size_t)length;
    if (record->hook != NULL)
        record->hook(record, word);
}

static void on_associate_rq(void *arg, const struct ul_parameters *request)
{
    struct slice called = ul_title_read(request->called);
    say(arg, "rq(%.*s)", (int)called.length, (const char *)called.data);
}

static void on_associate_ac(void *arg, const struct ul_parameters *answer)
{
    say(arg, "ac(%zu)", answer->context_count);
}

static void on_associate_rj(void *arg, struct ul_reject reject)
{
    say(arg, "rj(%u,%u,%u)", reject.result, reject.source, reject.reason);
}

static void on_refused(void *arg, struct ul_reject reject)
{
    say(arg, "refused(%u,%u,%u)", reject.result, reject.source, reject.reason);
}

static void on_abort(void *arg, const struct ul_abort_indication *indication)
{
    static const char *const ORIGINS[] = {"user", "provider", "transport", "us"};
    say(arg, "abort(%s,%u,%u,%s)", ORIGINS[indication->origin], indication->source, indication->code,
        ul_reason_row(indication->reason)->name);
}

static void on_release_rq(void *arg, bool is_collision)
{
    say(arg, is_collision ? "release-rq(collision)" : "release-rq");
}

static void on_release_rp(void *arg)
{
    say(arg, "release-rp");
}

static void on_pdv_begin(void *arg, const struct ul_pdv *pdv)
{
    say(arg, "pdv(%u,%u,%u)", pdv->context_id, pdv->control, pdv->length);
}

// Pieces of one fragment are joined, so that the record does not depend on how the bytes were split.
static void on_pdv_data(void *arg, struct slice piece)
{
    struct record *record = arg;
    assert_true(piece.length > 0);
    if (!record->is_in_data) {
        say(arg, "data(");
        record->is_in_data = true;
    }
    for (size_t i = 0; i < piece.length && record->length + 8 < sizeof record->words; i++)
        record->length += (size_t)snprintf(record->words + record->length, 3, "%02x", piece.data[i]);
}

static void on_pdv_end(void *arg)
{
    say(arg, "end");
}

static void on_artim_start(void *arg)
{
    say(arg, "artim+");
}

static void on_artim_stop(void *arg)
{
    say(arg, "artim-");
}

static void on_transport_connect(void *arg)
{
    say(arg, "connect");
}

static void on_transport_close(void *arg)
{
    say(arg, "close");
}

const struct ul_handler RECORDER = {
    .on_associate_rq = on_associate_rq,
    .on_associate_ac = on_associate_ac,
    .on_associate_rj = on_associate_rj,
    .on_refused = on_refused,
    .on_abort = on_abort,
    .on_release_rq = on_release_rq,
    .on_release_rp = on_release_rp,
    .on_pdv_begin = on_pdv_begin,
    .on_pdv_data = on_pdv_data,
    .on_pdv_end = on_pdv_end,
    .on_artim_start = on_artim_start,
    .on_artim_stop = on_artim_stop,
    .on_transport_connect = on_transport_connect,
    .on_transport_close = on_transport_close,
};

void record_clear(struct record *record)
{
    record->length = 0;
    record->words[0] = 0;
    record->is_in_data = false;
}

// PS3.8 tables 9-11 to 9-16, D.1-1.
const char REQUEST[] = "01 00 0000009b 0001 0000 'ARCHIVE         ' 'MODALITY        '"
                       "0000000000000000 0000000000000000 0000000000000000 0000000000000000"
                       "10 00 0015 '1.2.840.10008.3.1.1.1'"
                       "20 00 002e 01 00 00 00 30 00 0011 '1.2.840.10008.1.1' 40 00 0011 '1.2.840.10008.1.2'"
                       "50 00 0008 51 00 0004 00004000";

// PS3.8 tables 9-17 to 9-20.
const char ANSWER[] = "02 00 00000086 0001 0000 'ARCHIVE         ' 'MODALITY        '"
                      "0000000000000000 0000000000000000 0000000000000000 0000000000000000"
                      "10 00 0015 '1.2.840.10008.3.1.1.1'"
                      "21 00 0019 01 00 00 00 40 00 0011 '1.2.840.10008.1.2'"
                      "50 00 0008 51 00 0004 00004000";

struct ul_parameters *own_request(void)
{
    struct ul_parameters *parameters;
    assert_int_equal(OK, ul_parameters_new(&parameters));
    assert_int_equal(OK, ul_title_write(parameters->called, slice_of_text("ARCHIVE")));
    assert_int_equal(OK, ul_title_write(parameters->calling, slice_of_text("MODALITY")));
    assert_int_equal(
        OK, ul_parameters_set_application_context(parameters, slice_of_text("1.2.840.10008.3.1.1.1")));
    assert_int_equal(OK, ul_parameters_add_context(parameters, 1, 0, slice_of_text("1.2.840.10008.1.1")));
    assert_int_equal(OK, ul_parameters_add_transfer_syntax(parameters, slice_of_text("1.2.840.10008.1.2")));
    ul_parameters_set_maximum_length(parameters, 16384);
    return parameters;
}

struct ul_parameters *own_answer(const struct ul_parameters *request)
{
    struct ul_parameters *parameters;
    assert_int_equal(OK, ul_parameters_new_answer(request, &parameters));
    assert_int_equal(OK, ul_parameters_add_accepted(parameters, 1, slice_of_text("1.2.840.10008.1.2")));
    ul_parameters_set_maximum_length(parameters, 16384);
    return parameters;
}

struct slice drain(struct ul_association *association, struct bytes *out)
{
    struct slice waiting = byte_queue_peek(ul_association_output(association));
    assert_true(waiting.length <= sizeof out->data);
    if (waiting.length > 0)
        memcpy(out->data, waiting.data, waiting.length);
    out->length = waiting.length;
    byte_queue_consume(ul_association_output(association), waiting.length);
    return bytes_slice(out);
}

enum result feed(struct ul_association *association, const char *notation)
{
    static struct bytes bytes;
    bytes.length = 0;
    bytes_put(&bytes, notation);
    size_t consumed;
    return ul_association_input(association, bytes_slice(&bytes), &consumed);
}
