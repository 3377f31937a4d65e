// SPDX-License-Identifier: Apache-2.0
//
// Message boundaries: PROTOCOL 66, 69 to 74, 78, 79, in every split of fragments and pieces.
#include "dimse/reader.h"

#include <stdio.h>
#include <string.h>

#include "support.h"

struct record {
    char words[4096];
    size_t length;
};

static struct record R;
static struct dimse_reader READER;

static void say(const char *word)
{
    R.length += (size_t)snprintf(R.words + R.length, sizeof R.words - R.length, "%s%s",
                                 R.length > 0 ? " " : "", word);
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    assert_ptr_equal(arg, &R);
    char word[64];
    snprintf(word, sizeof word, "%u:%s", context_id, dimse_command_name(command->command_field));
    say(word);
}

static void on_data(void *arg, struct slice piece)
{
    (void)arg;
    assert_true(piece.length > 0);
    for (size_t i = 0; i < piece.length; i++) // pieces joined: "d" per byte
        R.length += (size_t)snprintf(R.words + R.length, sizeof R.words - R.length, "d");
}

static void on_data_end(void *arg)
{
    (void)arg;
    say("end");
}

static void on_error(void *arg, enum dimse_reason reason)
{
    (void)arg;
    say(dimse_reason_row(reason)->name);
}

static const struct dimse_handler HANDLER = {on_command, on_data, on_data_end, on_error};

static void start(size_t limit)
{
    memset(&R, 0, sizeof R);
    dimse_reader_init(&READER, limit, &HANDLER, &R);
}

static void finish(const char *words, bool is_idle)
{
    assert_string_equal(R.words, words);
    assert_int_equal(dimse_reader_is_idle(&READER), is_idle);
    dimse_reader_fini(&READER);
}

static void pdv_slice(uint8_t context_id, uint8_t control, struct slice bytes, size_t step)
{
    dimse_reader_pdv_begin(&READER, context_id, control, (uint32_t)bytes.length);
    for (size_t at = 0; at < bytes.length; at += step)
        dimse_reader_pdv_data(&READER, slice_first(slice_from(bytes, at), step));
    dimse_reader_pdv_end(&READER);
}

static void pdv(uint8_t context_id, uint8_t control, const char *notation)
{
    static struct bytes bytes;
    bytes.length = 0;
    bytes_put(&bytes, notation);
    pdv_slice(context_id, control, bytes_slice(&bytes), SIZE_MAX / 2);
}

static void whole_messages(void **unused)
{
    (void)unused;
    start(0);
    assert_true(dimse_reader_is_idle(&READER));
    pdv(1, 3, ECHO_RQ);
    assert_true(dimse_reader_is_idle(&READER));
    pdv(3, 3, STORE_RQ);
    assert_false(dimse_reader_is_idle(&READER));
    pdv(3, 0, "0102");
    pdv(3, 0, "");
    assert_false(dimse_reader_is_idle(&READER));
    pdv(3, 2, "03");
    pdv(1, 3, ECHO_RQ);
    finish("1:C-ECHO-RQ 3:C-STORE-RQddd end 1:C-ECHO-RQ", true);
}

static void every_split(void **unused)
{
    (void)unused;
    static struct bytes store;
    store.length = 0;
    bytes_put(&store, STORE_RQ);
    struct slice command = bytes_slice(&store);
    for (size_t at = 0; at <= command.length; at++) { // in two fragments, byte by byte
        start(0);
        pdv_slice(5, 1, slice_first(command, at), 1);
        assert_false(dimse_reader_is_idle(&READER));
        pdv_slice(5, 3, slice_from(command, at), 1);
        assert_text(READER.command.affected_sop_instance_uid, "1.2.3.45");
        pdv(5, 2, "");
        finish("5:C-STORE-RQ end", true);
    }
    for (size_t fragment = 1; fragment < 5; fragment++) { // in many small fragments
        start(0);
        for (size_t at = 0; at < command.length; at += fragment)
            pdv_slice(5, 1, slice_first(slice_from(command, at), fragment), 7);
        pdv(5, 3, ""); // a last fragment of no bytes
        pdv(5, 0xFE, "00");
        finish("5:C-STORE-RQd end", true);
    }
}

// The command stays readable while its data set comes.
static void command_stays(void **unused)
{
    (void)unused;
    start(0);
    pdv(1, 3, STORE_RQ);
    pdv(1, 0, "ffffffffffffffffffffffffffffffff");
    assert_text(READER.command.affected_sop_class_uid, "1.2.840.10008.5.1.4.1.1.2");
    assert_int_equal(READER.command.message_id, 7);
    finish("1:C-STORE-RQdddddddddddddddd", false);
}

static void order_faults(void **unused)
{
    (void)unused;
    start(0);
    pdv(1, 0, "00");
    pdv(1, 3, ECHO_RQ); // dead: nothing more
    finish("data-before-command", false);
    start(0);
    pdv(1, 1, "0000");
    pdv(1, 2, "00");
    finish("data-before-command", false);
    start(0);
    pdv(1, 3, ECHO_RQ);
    pdv(1, 2, "00"); // the echo said that no data set follows
    finish("1:C-ECHO-RQ data-before-command", false);
    start(0);
    pdv(1, 3, STORE_RQ);
    pdv(1, 3, ECHO_RQ);
    finish("1:C-STORE-RQ command-in-data", false);
    start(0);
    pdv(1, 3, STORE_RQ);
    pdv(1, 0, "00");
    pdv(1, 1, "00");
    finish("1:C-STORE-RQd command-in-data", false);
    start(0);
    pdv(1, 3, STORE_RQ);
    pdv(3, 0, "00");
    finish("1:C-STORE-RQ context-changed", false);
    start(0);
    pdv(1, 1, "0000");
    pdv(3, 3, "0000");
    finish("context-changed", false);
    for (int reason = DIMSE_REASON_DATA_BEFORE_COMMAND; reason <= DIMSE_REASON_CONTEXT_CHANGED; reason++) {
        assert_int_equal(dimse_reason_row((enum dimse_reason)reason)->abort_source, 2);
        assert_int_equal(dimse_reason_row((enum dimse_reason)reason)->abort_code, 5);
    }
}

static void command_faults(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        const char *words;
    } CASES[] = {
        {"", "no-command-field"},
        {"00", "command-format"},
        {"0000 0001 02000000 3000", "no-data-set-type"},
        {"0000 1001 02000000 0100 0000 0008 02000000 0101", "no-command-field"},
        {"0000 0001 02000000 3000 0000 0008 02000000 0101", "no-message-id"},
        {"0000 0001 02000000 3080 0000 1001 02000000 0100 0000 0008 02000000 0101", "no-message-id"},
        {"0000 0001 02000000 ff0f 0000 1001 02000000 0100 0000 0008 02000000 0101", "no-message-id"},
        {"0000 0001 02000000 3080 0000 2001 02000000 0100 0000 0008 02000000 0101", "no-status"},
        {"0000 0001 02000000 ff0f 0000 2001 02000000 0100 0000 0008 02000000 0101", "1:C-CANCEL-RQ"},
        {"0000 0001 02000000 3412 0000 1001 02000000 0100 0000 0008 02000000 0101", "1:unknown"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start(0);
        pdv(1, 3, CASES[i].bytes);
        finish(CASES[i].words, strchr(CASES[i].words, ':') != NULL);
    }
}

static void limits(void **unused)
{
    (void)unused;
    start(100);
    dimse_reader_pdv_begin(&READER, 1, 1, 101); // said in the header: nothing is taken
    assert_null(READER.buffer);
    finish("command-too-long", false);
    start(68);
    pdv(1, 3, ECHO_RQ); // exactly
    pdv(1, 1, "00");
    dimse_reader_pdv_begin(&READER, 1, 1, 68);
    finish("1:C-ECHO-RQ command-too-long", false);
    start(0);
    dimse_reader_pdv_begin(&READER, 1, 1, 65536);
    dimse_reader_pdv_end(&READER);
    dimse_reader_pdv_begin(&READER, 1, 1, 65537);
    finish("command-too-long", false);
}

static void reasons_have_rows(void **unused)
{
    (void)unused;
    for (int reason = 1; reason < DIMSE_REASON_COUNT; reason++) {
        const struct dimse_reason_row *row = dimse_reason_row((enum dimse_reason)reason);
        assert_memory_equal(log_event_name(row->event), "dimse.", 6);
        assert_string_equal(log_event_name(row->event) + 6, row->name);
        assert_int_equal(row->abort_source, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages),    cmocka_unit_test(every_split),
        cmocka_unit_test(command_stays),     cmocka_unit_test(order_faults),
        cmocka_unit_test(command_faults),    cmocka_unit_test(limits),
        cmocka_unit_test(reasons_have_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
