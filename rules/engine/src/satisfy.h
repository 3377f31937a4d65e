// SPDX-License-Identifier: Apache-2.0
//
// What can be said of a condition without any instance. Cautious: true means proved. Private to rules/engine;
// at load.
#pragma once

#include "pack.h"

// No instance can ever match.
bool condition_is_never(const struct condition *condition);
// No instance can match both, by the facts of its association; NULL matches always.
bool condition_is_apart(const struct condition *one, const struct condition *other);
