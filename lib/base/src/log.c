// SPDX-License-Identifier: Apache-2.0
//
// The log's rings and its formatter. Each thread owns a ring of fixed entries; the log thread (or, without
// one, the caller itself) formats and writes. See log.h.
#include "base/log.h"
#include "base/check.h"
#include "base/text.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEBUG   LOG_LEVEL_DEBUG
#define INFO    LOG_LEVEL_INFO
#define NOTICE  LOG_LEVEL_NOTICE
#define WARNING LOG_LEVEL_WARNING
#define ERROR   LOG_LEVEL_ERROR
#define ALERT   LOG_LEVEL_ALERT

struct log_row {
    enum log_level level;
    const char *name;
    const char *text;
    const char *fields;
    unsigned patient_mask;
};

static const struct log_row rows[LOG_EVENT_COUNT] = {
#define LOG_EVENT(id, level, name, text, fields, patient) {level, name, text, fields, patient},
#include "base/log_events.def"
#undef LOG_EVENT
};

enum { LOG_RING_ENTRIES = 1024, LOG_THREADS_MAX = 128, LOG_TEXT_MAX = 96 };

struct log_entry {
    uint64_t time; // ns since 1970
    uint16_t id;
    uint8_t count;
    uint8_t text_mask;
    union {
        uint64_t number;
        char text[LOG_TEXT_MAX + 1];
    } values[LOG_FIELDS_MAX];
};

struct log_ring {
    _Atomic size_t in;
    _Atomic size_t out;
    _Atomic uint64_t dropped;
    _Atomic bool in_use;
    struct log_entry entries[LOG_RING_ENTRIES];
};

static _Atomic uint64_t counts[LOG_EVENT_COUNT];
static _Atomic int current_output = LOG_OUTPUT_STDERR;
static _Atomic int current_level = LOG_LEVEL_NOTICE;
static uint64_t (*_Atomic current_clock)(void);
static struct log_ring *_Atomic rings[LOG_THREADS_MAX];
static _Thread_local struct log_ring *own_ring;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER; // formatting threads only

static uint64_t time_now(void)
{
    uint64_t (*clock)(void) = atomic_load(&current_clock);
    if (clock != NULL)
        return clock();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void log_configure(enum log_output output, enum log_level level)
{
    atomic_store(&current_output, (int)output);
    atomic_store(&current_level, (int)level);
}

void log_set_clock(uint64_t (*clock)(void))
{
    atomic_store(&current_clock, clock);
}

const char *log_event_name(enum log_id id)
{
    return rows[id].name;
}

uint64_t log_event_count(enum log_id id)
{
    return atomic_load_explicit(&counts[id], memory_order_relaxed);
}

// journald reads the priority from a "<n>" prefix on standard error (sd-daemon(3)).
static const char *level_prefix(enum log_level level)
{
    static const char *const people[] = {"debug", "info", "notice", "warning", "error", "alert"};
    static const char *const journald[] = {"<7>", "<6>", "<5>", "<4>", "<3>", "<1>"};
    return atomic_load(&current_output) == LOG_OUTPUT_JOURNALD ? journald[level] : people[level];
}

static size_t format_fields(char *line, size_t capacity, size_t at, const struct log_entry *entry)
{
    const struct log_row *row = &rows[entry->id];
    const char *name = row->fields;
    for (unsigned i = 0; i < entry->count && at + 1 < capacity; i++) {
        size_t length = strcspn(name, " ");
        if (row->patient_mask & 1u << i)
            text_format(line + at, capacity - at, " %.*s=(withheld)", (int)length, name);
        else if (entry->text_mask & 1u << i)
            text_format(line + at, capacity - at,
                        strchr(entry->values[i].text, ' ') ? " %.*s=\"%s\"" : " %.*s=%s", (int)length, name,
                        entry->values[i].text);
        else
            text_format(line + at, capacity - at, " %.*s=%llu", (int)length, name,
                        (unsigned long long)entry->values[i].number);
        at += strlen(line + at);
        name += length + (name[length] == ' ');
    }
    return at;
}

static void write_entry(const struct log_entry *entry)
{
    char line[1024];
    const struct log_row *row = &rows[entry->id];
    size_t at = 0;
    if (atomic_load(&current_output) == LOG_OUTPUT_JOURNALD) {
        text_format(line, sizeof line, "%s", level_prefix(row->level));
    } else {
        time_t seconds = (time_t)(entry->time / 1000000000u);
        struct tm parts;
        gmtime_r(&seconds, &parts);
        at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &parts);
        text_format(line + at, sizeof line - at, ".%03uZ %s ", (unsigned)(entry->time / 1000000u % 1000u),
                    level_prefix(row->level));
    }
    at = strlen(line);
    text_format(line + at, sizeof line - at, "%s", row->name);
    at = format_fields(line, sizeof line, strlen(line), entry);
    text_format(line + at, sizeof line - at, ": %s", row->text);
    at = strlen(line);
    if (at > sizeof line - 2)
        at = sizeof line - 2;
    line[at] = '\n';
    pthread_mutex_lock(&write_lock);
    ssize_t written = write(STDERR_FILENO, line, at + 1);
    (void)written; // a log that can not be written must not stop the gateway
    pthread_mutex_unlock(&write_lock);
}

static void fill_entry(struct log_entry *entry, enum log_id id, size_t count, const struct log_value *values)
{
    entry->time = time_now();
    entry->id = (uint16_t)id;
    entry->count = (uint8_t)count;
    entry->text_mask = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[id].patient_mask & 1u << i) {
            entry->values[i].number = 0; // patient data never enters the ring
        } else if (values[i].is_text) {
            entry->text_mask |= (uint8_t)(1u << i);
            text_printable(entry->values[i].text, sizeof entry->values[i].text, values[i].text);
        } else {
            entry->values[i].number = values[i].number;
        }
    }
}

void log_write(enum log_id id, size_t count, const struct log_value *values)
{
    ensure(id < LOG_EVENT_COUNT && count <= LOG_FIELDS_MAX);
    atomic_fetch_add_explicit(&counts[id], 1, memory_order_relaxed);
    if ((int)rows[id].level < atomic_load_explicit(&current_level, memory_order_relaxed) ||
        atomic_load_explicit(&current_output, memory_order_relaxed) == LOG_OUTPUT_NONE)
        return;
    struct log_ring *ring = own_ring;
    if (ring == NULL) {
        struct log_entry entry;
        fill_entry(&entry, id, count, values);
        write_entry(&entry);
        return;
    }
    size_t in = atomic_load_explicit(&ring->in, memory_order_relaxed);
    if (in - atomic_load_explicit(&ring->out, memory_order_acquire) >= LOG_RING_ENTRIES) {
        atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
        return;
    }
    fill_entry(&ring->entries[in % LOG_RING_ENTRIES], id, count, values);
    atomic_store_explicit(&ring->in, in + 1, memory_order_release);
}

// Rings are never freed: a slot given up by one thread is taken by a later one, so the drainer needs no lock.
enum result log_thread_begin(void)
{
    for (size_t i = 0; i < LOG_THREADS_MAX; i++) {
        struct log_ring *ring = atomic_load(&rings[i]);
        if (ring == NULL) {
            ring = calloc(1, sizeof *ring);
            if (ring == NULL)
                return ERR_NOMEM;
            atomic_store(&ring->in_use, true);
            struct log_ring *expected = NULL;
            if (atomic_compare_exchange_strong(&rings[i], &expected, ring)) {
                own_ring = ring;
                return OK;
            }
            free(ring);
            ring = expected;
        }
        bool expected_use = false;
        if (atomic_compare_exchange_strong(&ring->in_use, &expected_use, true)) {
            own_ring = ring;
            return OK;
        }
    }
    return ERR_LIMIT;
}

void log_thread_end(void)
{
    if (own_ring == NULL)
        return;
    atomic_store(&own_ring->in_use, false);
    own_ring = NULL;
}

size_t log_drain(void)
{
    size_t written = 0;
    for (size_t i = 0; i < LOG_THREADS_MAX; i++) {
        struct log_ring *ring = atomic_load(&rings[i]);
        if (ring == NULL)
            break;
        size_t out = atomic_load_explicit(&ring->out, memory_order_relaxed);
        size_t in = atomic_load_explicit(&ring->in, memory_order_acquire);
        for (; out != in; out++, written++) {
            write_entry(&ring->entries[out % LOG_RING_ENTRIES]);
            atomic_store_explicit(&ring->out, out + 1, memory_order_release);
        }
        uint64_t dropped = atomic_exchange(&ring->dropped, 0);
        if (dropped > 0) {
            struct log_value value = log_number(dropped);
            struct log_entry entry;
            atomic_fetch_add_explicit(&counts[LOG_DROPPED], 1, memory_order_relaxed);
            fill_entry(&entry, LOG_DROPPED, 1, &value);
            write_entry(&entry);
        }
    }
    return written;
}
