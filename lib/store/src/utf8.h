// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 (RFC 3629): shortest forms only, no surrogates, nothing above U+10FFFF. Private to lib/store.
#pragma once

#include "base/slice.h"

bool utf8_is_valid(struct slice text);
// Characters of valid text.
size_t utf8_length(struct slice text);
