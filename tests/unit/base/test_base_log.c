// SPDX-License-Identifier: Apache-2.0
//
// The log: every event is counted, rings drop and count when full, and a field that the table marks never
// leaves the caller.
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

static const struct {
    const char *name;
    const char *fields;
    unsigned patient;
} TABLE[] = {
#define LOG_EVENT(id, level, name, text, fields, patient) {name, fields, patient},
#include "base/log_events.def"
#undef LOG_EVENT
};

static char captured[1024 * 1024];
static int saved_stderr;
static FILE *capture_file;

static void capture_begin(void)
{
    capture_file = tmpfile();
    assert_non_null(capture_file);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(capture_file), STDERR_FILENO) >= 0);
}

static const char *capture_end(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    rewind(capture_file);
    size_t length = fread(captured, 1, sizeof captured - 1, capture_file);
    captured[length] = 0;
    fclose(capture_file);
    return captured;
}

static uint64_t clock_fixed(void)
{
    return 1767225600123000000u; // 2026-01-01T00:00:00.123Z
}

static int set_up(void **state)
{
    (void)state;
    log_set_clock(clock_fixed);
    log_configure(LOG_OUTPUT_STDERR, LOG_LEVEL_DEBUG);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_set_clock(NULL);
    log_configure(LOG_OUTPUT_STDERR, LOG_LEVEL_NOTICE);
    return 0;
}

static size_t fields_of(const char *fields)
{
    size_t count = fields[0] != 0;
    for (const char *c = fields; *c != 0; c++)
        count += *c == ' ';
    return count;
}

// The table itself: names once only, no mask without a field, no more fields than an entry holds.
static void test_table(void **state)
{
    (void)state;
    assert_int_equal(COUNT_OF(TABLE), LOG_EVENT_COUNT);
    for (size_t i = 0; i < COUNT_OF(TABLE); i++) {
        size_t fields = fields_of(TABLE[i].fields);
        assert_true(fields <= LOG_FIELDS_MAX);
        assert_int_equal(TABLE[i].patient >> fields, 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(TABLE[i].name, TABLE[j].name);
    }
}

static void test_line(void **state)
{
    (void)state;
    capture_begin();
    log_event(LOG_NET_CLOSED, log_text("10.0.0.1:104"));
    assert_string_equal(capture_end(), "2026-01-01T00:00:00.123Z info net.closed peer=10.0.0.1:104: the peer "
                                       "closed the connection\n");
    log_configure(LOG_OUTPUT_JOURNALD, LOG_LEVEL_DEBUG);
    capture_begin();
    log_event(LOG_NET_CLOSED, log_text("a\nb\x1b[31m")); // a peer can not write lines of its own
    assert_string_equal(capture_end(), "<6>net.closed peer=a?b?[31m: the peer closed the connection\n");
}

static void test_counters(void **state)
{
    (void)state;
    uint64_t before = log_event_count(LOG_NET_RESET);
    capture_begin();
    log_event(LOG_NET_RESET, log_text("x"));
    log_configure(LOG_OUTPUT_STDERR, LOG_LEVEL_ALERT); // below the level: counted all the same
    log_event(LOG_NET_RESET, log_text("x"));
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_DEBUG);
    log_event(LOG_NET_RESET, log_text("x"));
    const char *text = capture_end();
    assert_int_equal(log_event_count(LOG_NET_RESET), before + 3);
    assert_non_null(strstr(text, "net.reset"));
    assert_null(strstr(strstr(text, "net.reset") + 1, "net.reset"));
}

// Every field of every event in turn: a marked one is never written, whether number or text, at once or by
// ring.
static void masked_fields_check(void)
{
    for (unsigned id = 0; id < LOG_EVENT_COUNT; id++) {
        struct log_value values[LOG_FIELDS_MAX];
        size_t count = fields_of(TABLE[id].fields);
        for (size_t i = 0; i < count; i++)
            values[i] = TABLE[id].patient & 1u << i ? log_text("SECRET^PATIENT") : log_number(i);
        log_write((enum log_id)id, count, values);
        log_drain();
    }
}

static void test_masked_fields(void **state)
{
    (void)state;
    capture_begin();
    masked_fields_check();
    assert_null(strstr(capture_end(), "SECRET"));
    capture_begin();
    assert_int_equal(log_thread_begin(), OK);
    masked_fields_check();
    log_thread_end();
    assert_null(strstr(capture_end(), "SECRET"));
}

static void test_ring_full(void **state)
{
    (void)state;
    uint64_t dropped = log_event_count(LOG_DROPPED);
    uint64_t counted = log_event_count(LOG_NET_CLOSED);
    assert_int_equal(log_thread_begin(), OK);
    capture_begin();
    for (unsigned i = 0; i < 1030; i++)
        log_event(LOG_NET_CLOSED, log_number(i));
    size_t first = log_drain(); // nothing was written before, nothing blocked
    size_t second = log_drain();
    log_event(LOG_NET_CLOSED, log_number(4711));
    size_t third = log_drain();
    log_thread_end();
    const char *text = capture_end();
    assert_int_equal(first, 1024);
    assert_int_equal(second, 0);
    assert_int_equal(third, 1);
    assert_int_equal(log_event_count(LOG_NET_CLOSED), counted + 1031);
    assert_int_equal(log_event_count(LOG_DROPPED), dropped + 1);
    assert_non_null(strstr(text, "peer=0:"));
    assert_non_null(strstr(text, "peer=1023:"));
    assert_null(strstr(text, "peer=1024:"));
    assert_non_null(strstr(text, "log.dropped count=6:"));
    assert_non_null(strstr(text, "peer=4711:"));
}

enum { THREADS = 4, EACH = 2000 };
static atomic_bool has_ended[THREADS];

static void *log_writer(void *arg)
{
    atomic_bool *ended = arg;
    assert_int_equal(log_thread_begin(), OK);
    for (unsigned i = 0; i < EACH; i++)
        log_event(LOG_NET_CLOSED, log_text("10.0.0.1:104"));
    log_thread_end();
    atomic_store(ended, true);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint64_t counted = log_event_count(LOG_NET_CLOSED);
    capture_begin();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_writer, &has_ended[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        while (!atomic_load(&has_ended[i]))
            log_drain();
        pthread_join(threads[i], NULL);
    }
    log_drain();
    capture_end();
    assert_int_equal(log_event_count(LOG_NET_CLOSED), counted + THREADS * EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_masked_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ring_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
