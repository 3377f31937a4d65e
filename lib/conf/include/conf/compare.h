// SPDX-License-Identifier: Apache-2.0
//
// What differs between two structs that the same table has filled, and what it takes for the change to count.
// Role: reload of the daemon. Any thread.
#pragma once

#include "conf/option.h"

#define CONF_PATH_BYTES 192

// `path`: "tls.modalities.crl", "listeners[2]"; cut at CONF_PATH_BYTES. `reload`: of the option, or less
// where it stands in a list or mapping whose entries need more.
typedef void conf_differs_fn(void *arg, const char *path, enum conf_reload reload);

// Entries of a mapping are matched by name, those of a list by place.
void conf_compare(const struct conf_table *table, const void *one, const void *other,
                  conf_differs_fn *differs, void *arg);
