// SPDX-License-Identifier: Apache-2.0
//
// Tables that more than one verb prints. Private to gateway/cli.
#pragma once

#include "cli.h"

// The "archives" of an answer.
void cli_print_archives(const json_t *archives);
