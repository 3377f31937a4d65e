// SPDX-License-Identifier: Apache-2.0
#include "route/proposal.h"
#include "daemon/hash.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum entry_change { ENTRY_CLEAN, ENTRY_DIRTY, ENTRY_GONE };

struct entry {
    struct control_proposal stored;
    enum entry_change change; // towards the control store; GONE: only its key is kept, until that is deleted
    UT_hash_handle hh;
};

struct proposal_cache {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t live;
    void (*on_change)(void *arg);
    void *arg;
};

enum result proposal_cache_new(void (*on_change)(void *arg), void *arg, struct proposal_cache **out)
{
    struct proposal_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&cache->lock, NULL);
    cache->on_change = on_change;
    cache->arg = arg;
    *out = cache;
    return OK;
}

void proposal_cache_free(struct proposal_cache *cache)
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

// ---- keys ----

static bool digest_text(EVP_MD_CTX *digest, struct slice text)
{
    uint8_t length[4] = {(uint8_t)(text.length >> 24), (uint8_t)(text.length >> 16),
                         (uint8_t)(text.length >> 8), (uint8_t)text.length};
    return EVP_DigestUpdate(digest, length, sizeof length) == 1 &&
           (text.length == 0 || EVP_DigestUpdate(digest, text.data, text.length) == 1);
}

enum result proposal_key_make(uint16_t node, struct slice called, struct slice calling,
                              const struct ul_parameters *request, struct proposal_key *key)
{
    uint8_t id[2] = {(uint8_t)(node >> 8), (uint8_t)node};
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_fine = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                   digest_text(digest, slice_of(id, sizeof id)) && digest_text(digest, called) &&
                   digest_text(digest, calling);
    for (size_t i = 0; is_fine && i < request->context_count; i++) {
        const struct ul_context *context = &request->contexts[i];
        uint8_t counts[2] = {context->abstract_count, context->transfer_count};
        is_fine =
            digest_text(digest, slice_of(counts, sizeof counts)) && digest_text(digest, context->abstract);
        for (size_t t = 0; is_fine && t < context->transfer_count; t++)
            is_fine = digest_text(digest, context->transfer[t]);
    }
    is_fine = is_fine && EVP_DigestFinal_ex(digest, key->digest, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return is_fine ? OK : ERR_NOMEM;
}

// FNV-1a: it only shares out room, and whoever collides shares.
uint32_t proposal_client(struct slice address, struct slice calling)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < address.length; i++)
        hash = (hash ^ address.data[i]) * 16777619u;
    for (size_t i = 0; i < calling.length; i++)
        hash = (hash ^ calling.data[i]) * 16777619u;
    return hash;
}

// ---- entries; the lock is held ----

static struct entry *entry_find(struct proposal_cache *cache, const uint8_t *digest)
{
    struct entry *entry;
    HASH_FIND(hh, cache->entries, digest, CONTROL_PROPOSAL_DIGEST, entry);
    return entry;
}

static struct entry *entry_make(struct proposal_cache *cache, const uint8_t *digest)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    memcpy(entry->stored.digest, digest, sizeof entry->stored.digest);
    HASH_ADD(hh, cache->entries, stored.digest, CONTROL_PROPOSAL_DIGEST, entry);
    if (!HASH_HAS(entry)) {
        free(entry);
        return NULL;
    }
    cache->live++;
    return entry;
}

static void entry_bury(struct proposal_cache *cache, struct entry *entry)
{
    entry->change = ENTRY_GONE;
    cache->live--;
}

// Room for one more of this client: its own oldest goes first, then the oldest of all.
static void room_make(struct proposal_cache *cache, uint32_t client)
{
    struct entry *oldest = NULL;
    struct entry *own = NULL;
    size_t own_count = 0;
    for (struct entry *entry = cache->entries; entry != NULL; entry = entry->hh.next) {
        if (entry->change == ENTRY_GONE)
            continue;
        if (oldest == NULL || entry->stored.when < oldest->stored.when)
            oldest = entry;
        if (entry->stored.client != client)
            continue;
        own_count++;
        if (own == NULL || entry->stored.when < own->stored.when)
            own = entry;
    }
    if (own_count >= PROPOSAL_CLIENT_LIMIT)
        entry_bury(cache, own);
    else if (cache->live >= PROPOSAL_LIMIT)
        entry_bury(cache, oldest);
}

// ---- asking and learning ----

bool proposal_get(struct proposal_cache *cache, const struct proposal_key *key,
                  struct proposal_answer *answer)
{
    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = entry_find(cache, key->digest);
    bool is_known = entry != NULL && entry->change != ENTRY_GONE;
    if (is_known) {
        answer->when = entry->stored.when;
        answer->count = entry->stored.count;
        memcpy(answer->result, entry->stored.result, sizeof answer->result);
        memcpy(answer->transfer, entry->stored.transfer, sizeof answer->transfer);
    }
    pthread_mutex_unlock(&cache->lock);
    return is_known;
}

void proposal_put(struct proposal_cache *cache, const struct proposal_key *key, uint16_t node,
                  uint32_t client, const struct proposal_answer *answer)
{
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = entry_find(cache, key->digest);
    if (entry == NULL) {
        room_make(cache, client);
        entry = entry_make(cache, key->digest);
    } else if (entry->change == ENTRY_GONE) {
        room_make(cache, client);
        cache->live++;
    }
    if (entry != NULL) {
        entry->stored.archive = node;
        entry->stored.client = client;
        entry->stored.when = answer->when;
        entry->stored.count = (uint8_t)answer->count;
        memcpy(entry->stored.result, answer->result, sizeof entry->stored.result);
        memcpy(entry->stored.transfer, answer->transfer, sizeof entry->stored.transfer);
        entry->change = ENTRY_DIRTY;
    }
    pthread_mutex_unlock(&cache->lock);
    if (cache->on_change != NULL)
        cache->on_change(cache->arg);
}

static size_t each_of(struct proposal_cache *cache, uint16_t node, bool buries)
{
    size_t count = 0;
    pthread_mutex_lock(&cache->lock);
    for (struct entry *entry = cache->entries; entry != NULL; entry = entry->hh.next)
        if (entry->change != ENTRY_GONE && entry->stored.archive == node) {
            count++;
            if (buries)
                entry_bury(cache, entry);
        }
    pthread_mutex_unlock(&cache->lock);
    return count;
}

size_t proposal_forget(struct proposal_cache *cache, uint16_t node)
{
    size_t count = each_of(cache, node, true);
    if (count > 0 && cache->on_change != NULL)
        cache->on_change(cache->arg);
    return count;
}

size_t proposal_count(struct proposal_cache *cache, uint16_t node)
{
    return each_of(cache, node, false);
}

// ---- the control store ----

static enum result load_one(void *arg, const struct control_proposal *stored)
{
    struct proposal_cache *cache = arg;
    struct entry *entry = cache->live < PROPOSAL_LIMIT ? entry_make(cache, stored->digest) : NULL;
    if (entry != NULL)
        entry->stored = *stored;
    return OK;
}

enum result proposal_load(struct proposal_cache *cache, struct kv_env *control)
{
    return control_proposals_each(control, load_one, cache);
}

enum { PERSIST_BATCH = 64 };

// Taken as clean; what fails is made dirty again.
static size_t changes_take(struct proposal_cache *cache, struct control_proposal *list)
{
    size_t count = 0;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry;
    struct entry *next;
    HASH_ITER(hh, cache->entries, entry, next)
    {
        if (entry->change == ENTRY_CLEAN)
            continue;
        if (count == PERSIST_BATCH)
            break;
        bool is_gone = entry->change == ENTRY_GONE;
        list[count] = entry->stored;
        list[count++].is_gone = is_gone;
        entry->change = ENTRY_CLEAN;
        if (!is_gone)
            continue;
        HASH_DEL(cache->entries, entry);
        free(entry);
    }
    pthread_mutex_unlock(&cache->lock);
    return count;
}

// What was learned meanwhile counts more.
static void changes_restore(struct proposal_cache *cache, const struct control_proposal *list, size_t count)
{
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = entry_find(cache, list[i].digest);
        if (entry == NULL && list[i].is_gone) {
            entry = entry_make(cache, list[i].digest);
            if (entry != NULL)
                entry_bury(cache, entry);
        } else if (entry != NULL && entry->change == ENTRY_CLEAN) {
            entry->change = ENTRY_DIRTY;
        }
    }
    pthread_mutex_unlock(&cache->lock);
}

enum result proposal_persist(struct proposal_cache *cache, struct kv_env *control)
{
    struct control_proposal *list = malloc(PERSIST_BATCH * sizeof *list);
    if (list == NULL)
        return ERR_NOMEM;
    enum result result = OK;
    for (size_t count = changes_take(cache, list); count > 0; count = changes_take(cache, list)) {
        result = control_proposals_put(control, list, count);
        if (result != OK) {
            changes_restore(cache, list, count);
            break;
        }
    }
    free(list);
    return result;
}
