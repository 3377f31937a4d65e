// SPDX-License-Identifier: Apache-2.0
//
// Which titles an archive sees (FIELD 14): the calling one preserved, replaced or mapped, the called one
// fixed or preserved. Pure. Thread: any.
#pragma once

#include "base/slice.h"
#include "conf/configuration.h"

// Borrowed from the configuration or from the argument.
struct slice titles_calling(const struct configuration_node *node, struct slice calling);
struct slice titles_called(const struct configuration_node *node, struct slice called);
