// SPDX-License-Identifier: Apache-2.0
#include "front/access.h"
#include "tls/binding.h"
#include <stdlib.h>
#include <sys/socket.h>

struct access {
    const struct configuration *configuration;
    struct tls_binding *bindings; // one for each client, used where it has a certificate rule
    struct access *former;
};

enum result access_new(const struct configuration *configuration, struct access **out)
{
    struct access *access = calloc(1, sizeof *access);
    if (access == NULL)
        return ERR_NOMEM;
    access->configuration = configuration;
    access->bindings = calloc(configuration->client_count + 1, sizeof *access->bindings);
    enum result result = access->bindings == NULL ? ERR_NOMEM : OK;
    for (size_t i = 0; result == OK && i < configuration->client_count; i++)
        if (configuration->client[i].certificate != NULL)
            result = tls_binding_parse(configuration->client[i].certificate, &access->bindings[i]);
    if (result != OK) {
        access_free(access);
        return result;
    }
    *out = access;
    return OK;
}

void access_free(struct access *access)
{
    while (access != NULL) {
        struct access *former = access->former;
        free(access->bindings);
        free(access);
        access = former;
    }
}

void access_follow(struct access *access, struct access *former)
{
    access->former = former;
}

static bool network_has(const struct conf_network *from, const struct net_address *address)
{
    struct net_network network = {.base.family = from->family == AF_INET ? NET_IPV4 : NET_IPV6,
                                  .prefix = from->prefix};
    memcpy(network.base.bytes, from->address, sizeof network.base.bytes);
    return net_network_has(&network, address);
}

bool access_is_from(const struct conf_networks *networks, const struct net_address *address)
{
    for (size_t i = 0; i < networks->count; i++)
        if (network_has(&networks->item[i], address))
            return true;
    return networks->count == 0;
}

static struct access_verdict refuse(uint8_t reason, enum log_id event)
{
    return (struct access_verdict){.reject = {UL_REJECT_PERMANENT, UL_REJECT_BY_USER, reason},
                                   .event = event};
}

static bool title_matches(const struct configuration_client *client, struct slice calling)
{
    if (calling.length == 0)
        return (client->quirks & CONFIGURATION_QUIRK_BLANK_CALLING) != 0;
    return slice_is_text(slice_of_text(client->ae_title), "*") || slice_is_text(calling, client->ae_title);
}

struct access_verdict access_decide(const struct access *access, struct slice called, struct slice calling,
                                    const struct transport_peer *peer)
{
    const struct configuration *configuration = access->configuration;
    bool is_ours = false;
    for (size_t i = 0; i < configuration->titles.count; i++)
        is_ours |= slice_is_text(called, configuration->titles.item[i]);
    if (!is_ours)
        return refuse(UL_REJECT_USER_CALLED_TITLE, LOG_FRONT_CALLED_UNKNOWN);
    if (configuration->client_count == 0) {
        if (calling.length == 0)
            return refuse(UL_REJECT_USER_CALLING_TITLE, LOG_FRONT_CALLING_UNKNOWN);
        return (struct access_verdict){.is_allowed = true,
                                       .services = CONFIGURATION_SERVICE_ECHO | CONFIGURATION_SERVICE_STORE};
    }
    enum log_id event = LOG_FRONT_CALLING_UNKNOWN;
    for (size_t i = 0; i < configuration->client_count; i++) {
        const struct configuration_client *client = &configuration->client[i];
        if (!title_matches(client, calling) || !access_is_from(&client->from, &peer->address))
            continue;
        if (client->certificate != NULL && !tls_binding_matches(&access->bindings[i], peer)) {
            event = LOG_FRONT_CERTIFICATE_UNBOUND;
            continue;
        }
        return (struct access_verdict){.is_allowed = true,
                                       .client = client,
                                       .client_index = i,
                                       .services = client->services,
                                       .quirks = client->quirks};
    }
    return refuse(UL_REJECT_USER_CALLING_TITLE, event);
}
