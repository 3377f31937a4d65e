// SPDX-License-Identifier: Apache-2.0
//
// Option tables as Markdown for people. Role: `dicomgate config reference`, and the test that
// conf/REFERENCE.md is what it would write.
#pragma once

#include <stdio.h>

#include "conf/option.h"

// Writes one section for `table` and one for each table below it, in order.
void conf_reference_write(FILE *stream, const struct conf_table *table);
