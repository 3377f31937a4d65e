// SPDX-License-Identifier: Apache-2.0
#include "front/census.h"
#include "daemon/hash.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct address_key {
    uint8_t family;
    uint8_t bytes[16];
};

struct address_count {
    struct address_key key;
    unsigned associations;
    unsigned silent;
    UT_hash_handle hh;
};

struct client_count {
    const struct configuration_client *client; // as a key only: a reload makes other entries
    unsigned associations;
    UT_hash_handle hh;
};

struct census {
    pthread_mutex_t lock;
    const struct configuration *configuration;
    struct configuration_limits limits;
    unsigned total;
    unsigned silent;
    struct client_count *clients;
    struct address_count *addresses;
};

enum result census_new(const struct configuration *configuration, struct census **out)
{
    struct census *census = calloc(1, sizeof *census);
    if (census == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&census->lock, NULL);
    census->configuration = configuration;
    census->limits = configuration->limits;
    *out = census;
    return OK;
}

void census_free(struct census *census)
{
    if (census == NULL)
        return;
    struct address_count *entry;
    struct address_count *next;
    HASH_ITER(hh, census->addresses, entry, next)
    {
        HASH_DEL(census->addresses, entry);
        free(entry);
    }
    struct client_count *client;
    struct client_count *other;
    HASH_ITER(hh, census->clients, client, other)
    {
        HASH_DEL(census->clients, client);
        free(client);
    }
    pthread_mutex_destroy(&census->lock);
    free(census);
}

void census_limits_set(struct census *census, const struct configuration_limits *limits)
{
    pthread_mutex_lock(&census->lock);
    census->limits = *limits;
    pthread_mutex_unlock(&census->lock);
}

static struct address_count *entry_of(struct census *census, const struct net_address *address, bool makes)
{
    struct address_key key = {.family = address->family};
    memcpy(key.bytes, address->bytes, sizeof key.bytes);
    struct address_count *entry;
    HASH_FIND(hh, census->addresses, &key, sizeof key, entry);
    if (entry != NULL || !makes)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->key = key;
    HASH_ADD(hh, census->addresses, key, sizeof entry->key, entry);
    if (!HASH_HAS(entry)) {
        free(entry);
        return NULL;
    }
    return entry;
}

static void entry_settle(struct census *census, struct address_count *entry)
{
    if (entry->associations > 0 || entry->silent > 0)
        return;
    HASH_DEL(census->addresses, entry);
    free(entry);
}

static struct client_count *client_of(struct census *census, const struct configuration_client *client,
                                      bool makes)
{
    struct client_count *entry;
    HASH_FIND_PTR(census->clients, &client, entry);
    if (entry != NULL || !makes)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->client = client;
    HASH_ADD_PTR(census->clients, client, entry);
    if (!HASH_HAS(entry)) {
        free(entry);
        return NULL;
    }
    return entry;
}

static void client_settle(struct census *census, struct client_count *entry)
{
    if (entry->associations > 0)
        return;
    HASH_DEL(census->clients, entry);
    free(entry);
}

enum result census_enter(struct census *census, const struct net_address *address,
                         const struct configuration_client *client)
{
    enum result result = ERR_NOMEM;
    pthread_mutex_lock(&census->lock);
    struct address_count *entry = entry_of(census, address, true);
    struct client_count *of_client = client_of(census, client, true);
    if (entry != NULL && of_client != NULL) {
        bool is_full =
            census->total >= census->configuration->gateway.max_associations ||
            entry->associations >= census->limits.client_associations ||
            (client != NULL && client->associations > 0 && of_client->associations >= client->associations);
        result = is_full ? ERR_LIMIT : OK;
        if (!is_full) {
            census->total++;
            entry->associations++;
            of_client->associations++;
        }
    }
    if (entry != NULL)
        entry_settle(census, entry);
    if (of_client != NULL)
        client_settle(census, of_client);
    pthread_mutex_unlock(&census->lock);
    return result;
}

void census_leave(struct census *census, const struct net_address *address,
                  const struct configuration_client *client)
{
    pthread_mutex_lock(&census->lock);
    struct address_count *entry = entry_of(census, address, false);
    struct client_count *of_client = client_of(census, client, false);
    census->total--;
    if (entry != NULL) {
        entry->associations--;
        entry_settle(census, entry);
    }
    if (of_client != NULL) {
        of_client->associations--;
        client_settle(census, of_client);
    }
    pthread_mutex_unlock(&census->lock);
}

enum result census_knock(struct census *census, const struct net_address *address)
{
    enum result result = OK;
    pthread_mutex_lock(&census->lock);
    struct address_count *entry = address != NULL ? entry_of(census, address, true) : NULL;
    if (address != NULL && entry == NULL)
        result = ERR_NOMEM;
    else if (census->silent >= census->limits.silent ||
             (entry != NULL && entry->silent >= census->limits.client_silent))
        result = ERR_LIMIT;
    if (result == OK) {
        census->silent++;
        if (entry != NULL)
            entry->silent++;
    }
    if (entry != NULL)
        entry_settle(census, entry);
    pthread_mutex_unlock(&census->lock);
    return result;
}

void census_knock_over(struct census *census, const struct net_address *address)
{
    pthread_mutex_lock(&census->lock);
    struct address_count *entry = address != NULL ? entry_of(census, address, false) : NULL;
    census->silent--;
    if (entry != NULL) {
        entry->silent--;
        entry_settle(census, entry);
    }
    pthread_mutex_unlock(&census->lock);
}

unsigned census_total(struct census *census)
{
    pthread_mutex_lock(&census->lock);
    unsigned total = census->total;
    pthread_mutex_unlock(&census->lock);
    return total;
}
