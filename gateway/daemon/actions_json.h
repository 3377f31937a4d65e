// SPDX-License-Identifier: Apache-2.0
//
// Members of JSON answers. Times are given in nanoseconds and shown in seconds since 1970 UTC, 0 as null. A
// member for which there is no memory is left out. Thread: any, one object on one thread at a time.
#pragma once

#include <jansson.h>

#include "base/units.h"

static inline void set_number(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static inline void set_flag(json_t *object, const char *key, bool value)
{
    (void)json_object_set_new(object, key, json_boolean(value));
}

// NULL and "" are null.
static inline void set_text(json_t *object, const char *key, const char *value)
{
    (void)json_object_set_new(object, key, value != NULL && value[0] != 0 ? json_string(value) : json_null());
}

static inline void set_time(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key,
                              value != 0 ? json_integer((json_int_t)(value / NSEC_PER_SEC)) : json_null());
}
