// SPDX-License-Identifier: Apache-2.0
#include "daemon/news.h"
#include "daemon/worker.h"
#include "forward/archive.h"

void news_take(struct worker *worker, unsigned kinds)
{
    for (size_t i = 0; i < worker->gateway->node_count; i++)
        (void)archive_look_again(&worker->archives[i], kinds);
}
