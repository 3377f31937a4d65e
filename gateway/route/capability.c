// SPDX-License-Identifier: Apache-2.0
#include "route/capability.h"
#include "base/text.h"
#include "daemon/hash.h"
#include <pthread.h>
#include <stdlib.h>

// A peer chooses the keys, but the table is bounded and an entry needs an answer of our own archive.
struct entry_key {
    uint32_t node;
    char abstract[CONTROL_UID_MAX + 1];
    char transfer[CONTROL_UID_MAX + 1];
};

struct entry {
    struct entry_key key; // zero-filled behind the texts: compared as bytes
    uint8_t result;
    uint64_t when;
    bool is_dirty;
    UT_hash_handle hh;
};

// Clients share a counter with those of the same number; a restart forgets it.
enum { CLIENTS = 1024, FOR_CLIENTS = CAPABILITY_LIMIT / 4 * 3, NO_CLIENT = -1 };

struct capability_cache {
    pthread_mutex_t lock;
    struct entry *entries;
    uint16_t new_of[CLIENTS];
    void (*on_change)(void *arg);
    void *arg;
};

enum result capability_cache_new(void (*on_change)(void *arg), void *arg, struct capability_cache **out)
{
    struct capability_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&cache->lock, NULL);
    cache->on_change = on_change;
    cache->arg = arg;
    *out = cache;
    return OK;
}

void capability_cache_free(struct capability_cache *cache)
{
    if (cache == NULL)
        return;
    struct entry *entry;
    struct entry *next;
    HASH_ITER(hh, cache->entries, entry, next)
    {
        HASH_DEL(cache->entries, entry);
        free(entry);
    }
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bool key_fill(struct entry_key *key, uint16_t node, struct slice abstract, struct slice transfer)
{
    memset(key, 0, sizeof *key);
    key->node = node;
    return text_copy(key->abstract, sizeof key->abstract, abstract) &&
           text_copy(key->transfer, sizeof key->transfer, transfer);
}

static struct entry *entry_find(struct capability_cache *cache, const struct entry_key *key)
{
    struct entry *entry;
    HASH_FIND(hh, cache->entries, key, sizeof *key, entry);
    return entry;
}

static struct entry *entry_make(struct capability_cache *cache, const struct entry_key *key)
{
    if (HASH_COUNT(cache->entries) >= CAPABILITY_LIMIT)
        return NULL;
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->key = *key;
    entry->result = UINT8_MAX;
    HASH_ADD(hh, cache->entries, key, sizeof entry->key, entry);
    if (!HASH_HAS(entry)) {
        free(entry);
        return NULL;
    }
    return entry;
}

static void entry_copy(const struct entry *entry, struct control_capability *to)
{
    *to =
        (struct control_capability){.archive = entry->key.node, .answer = entry->result, .when = entry->when};
    memcpy(to->abstract_syntax, entry->key.abstract, sizeof to->abstract_syntax);
    memcpy(to->transfer_syntax, entry->key.transfer, sizeof to->transfer_syntax);
}

enum result capability_list(struct capability_cache *cache, uint16_t node, struct control_capability **list,
                            size_t *count)
{
    size_t found = 0;
    pthread_mutex_lock(&cache->lock);
    struct control_capability *copy = calloc(HASH_COUNT(cache->entries) + 1, sizeof *copy);
    for (struct entry *entry = cache->entries; copy != NULL && entry != NULL; entry = entry->hh.next)
        if (entry->key.node == node)
            entry_copy(entry, &copy[found++]);
    pthread_mutex_unlock(&cache->lock);
    if (copy == NULL)
        return ERR_NOMEM;
    *list = copy;
    *count = found;
    return OK;
}

int capability_compare(const void *one, const void *other)
{
    const struct control_capability *a = one, *b = other;
    int order = strcmp(a->abstract_syntax, b->abstract_syntax);
    return order != 0 ? order : strcmp(a->transfer_syntax, b->transfer_syntax);
}

enum capability capability_get(struct capability_cache *cache, uint16_t node, struct slice abstract,
                               struct slice transfer)
{
    struct entry_key key;
    if (!key_fill(&key, node, abstract, transfer))
        return CAPABILITY_UNKNOWN;
    enum capability capability = CAPABILITY_UNKNOWN;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = entry_find(cache, &key);
    if (entry != NULL)
        capability = entry->result == 0 ? CAPABILITY_ACCEPTED : CAPABILITY_REFUSED;
    pthread_mutex_unlock(&cache->lock);
    return capability;
}

bool capability_is_worth_asking(struct capability_cache *cache, uint16_t node, struct slice abstract,
                                struct slice transfer, uint64_t now)
{
    struct entry_key key;
    if (!key_fill(&key, node, abstract, transfer))
        return true;
    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = entry_find(cache, &key);
    bool is_worth = entry == NULL;
    if (entry != NULL && entry->result != 0) // a clock that was set back makes everything old
        is_worth = entry->when > now || now - entry->when >= CAPABILITY_REFUSAL_AGE;
    pthread_mutex_unlock(&cache->lock);
    return is_worth;
}

bool capability_is_refused_since(struct capability_cache *cache, uint16_t node, struct slice abstract,
                                 struct slice transfer, uint64_t since)
{
    struct entry_key key;
    if (!key_fill(&key, node, abstract, transfer))
        return false;
    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = entry_find(cache, &key);
    bool is_refused = entry != NULL && entry->result != 0 && entry->when > since;
    pthread_mutex_unlock(&cache->lock);
    return is_refused;
}

// The lock is held. False: this client has had its share.
static bool client_may_add(struct capability_cache *cache, int64_t client)
{
    if (client == NO_CLIENT)
        return true;
    uint16_t *count = &cache->new_of[client % CLIENTS];
    if (*count >= CAPABILITY_CLIENT_LIMIT || HASH_COUNT(cache->entries) >= FOR_CLIENTS)
        return false;
    (*count)++;
    return true;
}

static void put(struct capability_cache *cache, int64_t client, uint16_t node, struct slice abstract,
                struct slice transfer, uint8_t result, uint64_t when)
{
    struct entry_key key;
    if (!key_fill(&key, node, abstract, transfer))
        return;
    bool has_changed = false;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = entry_find(cache, &key);
    if (entry == NULL && client_may_add(cache, client))
        entry = entry_make(cache, &key);
    if (entry != NULL)
        entry->when = when; // written to the store with the next change only
    if (entry != NULL && entry->result != result) {
        entry->result = result;
        has_changed = !entry->is_dirty;
        entry->is_dirty = true;
    }
    pthread_mutex_unlock(&cache->lock);
    if (has_changed && cache->on_change != NULL)
        cache->on_change(cache->arg);
}

void capability_put(struct capability_cache *cache, uint16_t node, struct slice abstract,
                    struct slice transfer, uint8_t result, uint64_t when)
{
    put(cache, NO_CLIENT, node, abstract, transfer, result, when);
}

void capability_put_for(struct capability_cache *cache, uint32_t client, uint16_t node, struct slice abstract,
                        struct slice transfer, uint8_t result, uint64_t when)
{
    put(cache, client, node, abstract, transfer, result, when);
}

static enum result load_one(void *arg, const struct control_capability *capability)
{
    struct capability_cache *cache = arg;
    struct entry_key key;
    if (!key_fill(&key, (uint16_t)capability->archive, slice_of_text(capability->abstract_syntax),
                  slice_of_text(capability->transfer_syntax)))
        return OK;
    struct entry *entry = entry_find(cache, &key);
    if (entry == NULL)
        entry = entry_make(cache, &key);
    if (entry != NULL) {
        entry->result = capability->answer;
        entry->when = capability->when;
    }
    return OK;
}

enum result capability_load(struct capability_cache *cache, struct kv_env *control)
{
    return control_capabilities_each(control, load_one, cache);
}

enum { PERSIST_BATCH = 256 };

static size_t dirty_collect(struct capability_cache *cache, struct control_capability *list)
{
    size_t count = 0;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry;
    struct entry *next;
    HASH_ITER(hh, cache->entries, entry, next)
    {
        if (!entry->is_dirty)
            continue;
        if (count == PERSIST_BATCH)
            break;
        entry_copy(entry, &list[count++]);
        entry->is_dirty = false;
    }
    pthread_mutex_unlock(&cache->lock);
    return count;
}

static void dirty_restore(struct capability_cache *cache, const struct control_capability *list, size_t count)
{
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < count; i++) {
        struct entry_key key;
        (void)key_fill(&key, (uint16_t)list[i].archive, slice_of_text(list[i].abstract_syntax),
                       slice_of_text(list[i].transfer_syntax));
        struct entry *entry = entry_find(cache, &key);
        if (entry != NULL)
            entry->is_dirty = true;
    }
    pthread_mutex_unlock(&cache->lock);
}

enum result capability_persist(struct capability_cache *cache, struct kv_env *control)
{
    struct control_capability *list = malloc(PERSIST_BATCH * sizeof *list);
    if (list == NULL)
        return ERR_NOMEM;
    enum result result = OK;
    for (;;) {
        size_t count = dirty_collect(cache, list);
        if (count == 0)
            break;
        result = control_capabilities_put(control, list, count);
        if (result != OK) {
            dirty_restore(cache, list, count);
            break;
        }
    }
    free(list);
    return result;
}
