// SPDX-License-Identifier: Apache-2.0
//
// Object magic: the first member of every long-lived object is `uint32_t magic`, set when it is made, cleared
// when it is freed, checked at every callback entry, so that a stale pointer stops the program instead of
// mixing data.
#pragma once

#include "base/check.h"
#include <stdint.h>

#define MAGIC_INIT(object, value)  ((object)->magic = (value))
#define MAGIC_CHECK(object, value) ensure((object) != NULL && (object)->magic == (value))
#define MAGIC_CLEAR(object)        ((object)->magic = 0)
