// SPDX-License-Identifier: Apache-2.0
//
// Address ranges as text. Role: the loader of options, rule packs, and whoever compares an address with them.
// Thread: any.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"
#include "conf/values.h"

// An address or range; an IPv4-mapped one becomes IPv4. ERR_FORMAT; ERR_ARGUMENT: bits are set below the
// prefix; then *network has them cleared.
MUST_USE enum result conf_scalar_network(const char *text, struct conf_network *network);
// ADDRESS/PREFIX as text.
void conf_network_text(const struct conf_network *network, char *to, size_t capacity);
// Does the range hold the address (a network of full prefix) or range?
bool conf_network_has(const struct conf_network *network, const struct conf_network *address);
