// SPDX-License-Identifier: Apache-2.0
#include "daemon/news.h"
#include "daemon/worker.h"

void news_take(struct worker *worker, unsigned kinds)
{
    // Nothing is held yet.
    (void)worker;
    (void)kinds;
}
