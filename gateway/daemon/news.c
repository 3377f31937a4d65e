// SPDX-License-Identifier: Apache-2.0
//
// One wake and one word of kinds for each worker: nothing is made on the way, and nothing can be full.
#include "daemon/news.h"
#include "base/magic.h"
#include "daemon/worker.h"
#include <stdlib.h>

#define NEWS_MAGIC 0x4e455753u

struct reader {
    struct worker *worker;
    _Atomic unsigned kinds; // not heard yet
    struct ev_wake wake;    // on the worker's loop
};

struct news {
    uint32_t magic;
    unsigned count;
    struct reader readers[];
};

static void on_wake(void *arg)
{
    struct reader *reader = arg;
    unsigned kinds = atomic_exchange(&reader->kinds, 0);
    if (kinds != 0)
        news_take(reader->worker, kinds);
}

enum result news_new(struct gateway *gateway, struct news **out)
{
    unsigned count = gateway->platform.workers;
    struct news *news = calloc(1, sizeof *news + count * sizeof news->readers[0]);
    if (news == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(news, NEWS_MAGIC);
    news->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct reader *reader = &news->readers[i];
        reader->worker = gateway->workers[i];
        atomic_init(&reader->kinds, 0);
        ev_wake_init(&reader->wake, reader->worker->loop, on_wake, reader);
    }
    *out = news;
    return OK;
}

void news_free(struct news *news)
{
    if (news == NULL)
        return;
    MAGIC_CHECK(news, NEWS_MAGIC);
    for (unsigned i = 0; i < news->count; i++)
        ev_wake_fini(&news->readers[i].wake);
    MAGIC_CLEAR(news);
    free(news);
}

void news_tell(struct news *news, unsigned kinds)
{
    MAGIC_CHECK(news, NEWS_MAGIC);
    for (unsigned i = 0; i < news->count; i++) {
        (void)atomic_fetch_or(&news->readers[i].kinds, kinds);
        ev_wake_signal(&news->readers[i].wake);
    }
}
