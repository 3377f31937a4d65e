// SPDX-License-Identifier: Apache-2.0
#include "front/peers.h"
#include "base/log.h"
#include "base/text.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_SECONDS = 86400 };

struct peers {
    pthread_mutex_t lock;
    size_t count;
    struct peer_seen seen[PEERS_MOST];
};

unsigned expiry_level(uint64_t expires, uint64_t now)
{
    static const unsigned days[] = {EXPIRY_FIRST_DAYS, 30, 7, 0};
    unsigned level = 0;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++)
        if (expires <= now + (uint64_t)days[i] * DAY_SECONDS)
            level = (unsigned)i + 1;
    return level;
}

enum result peers_new(struct peers **out)
{
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&peers->lock, NULL);
    *out = peers;
    return OK;
}

void peers_free(struct peers *peers)
{
    if (peers == NULL)
        return;
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

// The entry of this certificate, or one that is free for it (level 0).
static struct peer_seen *entry_of(struct peers *peers, const struct transport_peer *peer)
{
    struct peer_seen *oldest = &peers->seen[0];
    for (size_t i = 0; i < peers->count; i++) {
        struct peer_seen *seen = &peers->seen[i];
        if (memcmp(seen->fingerprint, peer->fingerprint, sizeof seen->fingerprint) == 0)
            return seen;
        if (seen->seen < oldest->seen)
            oldest = seen;
    }
    struct peer_seen *entry = peers->count < PEERS_MOST ? &peers->seen[peers->count++] : oldest;
    *entry = (struct peer_seen){.expires = peer->expires};
    memcpy(entry->fingerprint, peer->fingerprint, sizeof entry->fingerprint);
    text_copy(entry->subject, sizeof entry->subject, slice_of_text(peer->subject_dn));
    return entry;
}

void peers_note(struct peers *peers, const struct transport_peer *peer, uint64_t now)
{
    if (!peer->has_certificate || peer->expires == 0)
        return;
    unsigned level = expiry_level(peer->expires, now);
    if (level == 0)
        return;
    pthread_mutex_lock(&peers->lock);
    struct peer_seen *seen = entry_of(peers, peer);
    bool is_news = seen->level < level;
    seen->level = level;
    seen->seen = now;
    pthread_mutex_unlock(&peers->lock);
    if (is_news)
        log_event(LOG_PEER_EXPIRES, log_text(peer->subject_dn),
                  log_number(peer->expires > now ? (peer->expires - now) / DAY_SECONDS : 0));
}

void peers_visit(struct peers *peers, peer_seen_fn *visit, void *arg)
{
    pthread_mutex_lock(&peers->lock);
    for (size_t i = 0; i < peers->count; i++)
        visit(arg, &peers->seen[i]);
    pthread_mutex_unlock(&peers->lock);
}
