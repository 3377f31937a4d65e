// SPDX-License-Identifier: Apache-2.0
//
// One scalar's text to one value. No I/O, no errors of its own: the caller knows where the text stood.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "conf/arena.h"
#include "conf/network.h"
#include "conf/values.h"

struct conf_unit {
    const char *name;
    uint64_t scale;
};

extern const struct conf_unit conf_size_units[];     // growing, ends with a NULL name
extern const struct conf_unit conf_duration_units[]; // the same

// A whole decimal number without sign, spaces, fraction or leading zero. ERR_FORMAT, ERR_LIMIT (over 64
// bits).
MUST_USE enum result conf_scalar_number(const char *text, uint64_t *value);
// A number and, without a space, a unit. ERR_MISSING: a number without any unit.
MUST_USE enum result conf_scalar_measure(const char *text, const struct conf_unit *units, uint64_t *value);
// An AE title, trimmed (PS3.5 6.2: spaces at both ends are not significant). ERR_NOMEM.
MUST_USE enum result conf_scalar_title(const char *text, struct conf_arena *arena, char **title);
// HOST:PORT. ERR_MISSING: no port.
MUST_USE enum result conf_scalar_address(const char *text, bool is_numeric, struct conf_arena *arena,
                                         struct conf_address *address);
