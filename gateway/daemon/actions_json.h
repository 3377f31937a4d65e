// SPDX-License-Identifier: Apache-2.0
//
// Members of JSON answers. Times are given in nanoseconds and shown in seconds since 1970 UTC, 0 as null. A
// member for which there is no memory is left out. Thread: any, one object on one thread at a time.
#pragma once

#include <jansson.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"

static inline void set_number(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static inline void set_flag(json_t *object, const char *key, bool value)
{
    (void)json_object_set_new(object, key, json_boolean(value));
}

// What is no UTF-8, as of a peer or cut by bytes, is shown with a ? for each bad byte.
static inline json_t *json_printable(const char *text)
{
    if (utf8_is_valid(slice_of_text(text)))
        return json_string(text);
    char copy[1024];
    size_t length = 0, used;
    for (struct slice left = slice_of_text(text); left.length > 0; left = slice_from(left, used)) {
        bool is_bad = utf8_first(left, &used) == UTF8_BAD;
        if (length + used >= sizeof copy)
            break;
        memcpy(copy + length, is_bad ? "?" : (const char *)left.data, used);
        length += used;
    }
    return json_stringn(copy, length);
}

// NULL and "" are null.
static inline void set_text(json_t *object, const char *key, const char *value)
{
    (void)json_object_set_new(object, key,
                              value != NULL && value[0] != 0 ? json_printable(value) : json_null());
}

static inline void set_time(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key,
                              value != 0 ? json_integer((json_int_t)(value / NSEC_PER_SEC)) : json_null());
}
