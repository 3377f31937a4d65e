// SPDX-License-Identifier: Apache-2.0
//
// A simulated modality: opens associations to the gateway, sends its instances one after the other, and
// remembers what was acknowledged. Now and then it gives up inside a data set, sends again what was not
// answered, or sends again what was. Thread: its own loop. Owner: history.
#pragma once

#include "history.h"

struct client *client_new(struct history *history, unsigned index);
// A partition: what it says does not arrive, or what it is told, or both (bits 1 and 2). 0 ends it.
void client_away(struct client *client, unsigned ways);
void client_free(struct client **client);
