// SPDX-License-Identifier: Apache-2.0
//
// What the look-up benches share.
#pragma once

#include "figures.h"

// The n-th of the keys, anywhere in an index: splitmix64 (Steele, Lea, Flood 2014).
uint64_t lookup_mixed(uint64_t n);
// Throws the pages of FOLDER/data.mdb, which nobody has mapped, out of the page cache; returns its bytes.
uint64_t lookup_cool(const char *folder);
// The argument, up to 2^32 - 1, or `otherwise` where there is none; ends the program where it is no number.
uint64_t lookup_number(int argc, char **argv, int at, uint64_t otherwise);
// Prints a member of a JSON object and a comma. Empties `times`.
void lookup_print(const char *name, struct times *times);
