// SPDX-License-Identifier: Apache-2.0
//
// Logging by event id. The table log_events.def is the only place where events are made; hot code passes
// numbers and short texts, formatting happens on the log thread. Each event has a counter, read by status and
// by tests. A thread calls log_thread_begin() once; without it entries are written at
// once to standard error (tests, command-line tools). A full ring drops the entry and counts it; logging
// never blocks. No patient data: fields marked in the table are never written.
#pragma once

#include "base/result.h"
#include "base/slice.h"

enum log_id {
#define LOG_EVENT(id, level, name, text, fields, patient) id,
#include "base/log_events.def"
#undef LOG_EVENT
    LOG_EVENT_COUNT
};

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ALERT
};

enum log_output { LOG_OUTPUT_NONE, LOG_OUTPUT_STDERR, LOG_OUTPUT_JOURNALD };

struct log_value {
    bool is_text;
    uint64_t number;
    struct slice text; // cut at 96 bytes, unprintable bytes shown as '?'
};

static inline struct log_value log_number(uint64_t number)
{
    return (struct log_value){false, number, {NULL, 0}};
}
static inline struct log_value log_text(const char *text)
{
    return (struct log_value){true, 0, slice_of_text(text)};
}

#define LOG_FIELDS_MAX 8

// Counts the event and logs it if its level passes. Values in the order of the table's field names, at
// most 8.
void log_write(enum log_id id, size_t count, const struct log_value *values);

#define log_event(id, ...)                                                                                   \
    log_write((id), sizeof((struct log_value[]){__VA_ARGS__}) / sizeof(struct log_value),                    \
              (const struct log_value[]){__VA_ARGS__})
#define log_event0(id) log_write((id), 0, NULL)

const char *log_event_name(enum log_id id);
uint64_t log_event_count(enum log_id id); // since the process began

// Entries below `level` are counted but not written. Default: NOTICE to standard error.
void log_configure(enum log_output output, enum log_level level);
// A clock for time stamps (ns since 1970); the simulator sets its own. NULL = the system's.
void log_set_clock(uint64_t (*clock)(void));

// Gives the calling thread a ring. ERR_NOMEM; ERR_LIMIT: as many threads as there can be have one.
MUST_USE enum result log_thread_begin(void);
void log_thread_end(void);
// The log thread's body: writes what is in all rings; returns the number of entries.
size_t log_drain(void);
