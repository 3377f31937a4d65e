// SPDX-License-Identifier: Apache-2.0
#include "daemon/secure.h"
#include "base/log.h"
#include <stdlib.h>

// A union of both kinds: which one a node has follows from its configuration.
struct secure_node {
    struct plain_dialer plain;
    struct tls_dialer tls;
    struct tls_session_slot *slot;
    struct tls_context *context;
};

struct secure {
    const struct configuration *configuration;
    struct tls_tickets *tickets;
    struct tls_context **listeners;
    struct secure_node *nodes;
    const struct net_dialer **dialers;
};

const struct net_tcp_options secure_tcp_options = {
    .keep_alive = true, .keep_alive_idle = 60, .keep_alive_period = 20};

static const enum tls_profile profiles[] = {
    [CONFIGURATION_TLS_BCP195_RFC8996] = TLS_PROFILE_BCP195_RFC8996,
    [CONFIGURATION_TLS_MODIFIED_BCP195_RFC8996] = TLS_PROFILE_MODIFIED_BCP195_RFC8996,
};

static const enum tls_verify verifications[] = {
    [CONFIGURATION_PEERS_REQUIRED] = TLS_VERIFY_REQUIRED,
    [CONFIGURATION_PEERS_OPTIONAL] = TLS_VERIFY_OPTIONAL,
    [CONFIGURATION_PEERS_NONE] = TLS_VERIFY_NONE,
};

static enum result context_make(const struct configuration_tls *conf, enum tls_role role,
                                struct tls_tickets *tickets, uint64_t now, char *error,
                                struct tls_context **out)
{
    struct tls_options options = {
        .role = role,
        .profile = profiles[conf->profile],
        .verify = verifications[conf->peers],
        .ca_file = conf->ca,
        .crls = (const char *const *)conf->crl.item,
        .crl_count = conf->crl.count,
        .crl_scope = conf->crl_check == CONFIGURATION_CRL_LEAF ? TLS_CRL_LEAF : TLS_CRL_CHAIN,
        .crl_expired_refuses = conf->crl_expired == CONFIGURATION_CRL_EXPIRED_REFUSE,
        .now = now,
        .tickets = tickets,
    };
    for (size_t i = 0; i < conf->identity_count && i < TLS_KEY_PAIRS_MAX; i++) {
        const struct configuration_tls_identity *identity = &conf->identity[i];
        options.pairs[options.pair_count++] =
            (struct tls_key_pair){.certificate = identity->certificate,
                                  .key = identity->key,
                                  .passphrase_file = identity->passphrase_file,
                                  .passphrase_credential = identity->passphrase_credential};
    }
    return tls_context_new(&options, error, out);
}

static enum result node_make(struct secure *secure, size_t index, uint64_t now, char *error)
{
    const struct configuration_node *conf = &secure->configuration->node[index];
    struct secure_node *node = &secure->nodes[index];
    if (conf->tls == NULL) {
        plain_dialer_init(&node->plain, &secure_tcp_options);
        secure->dialers[index] = &node->plain.dialer;
        return OK;
    }
    enum result result = context_make(conf->tls, TLS_CLIENT, NULL, now, error, &node->context);
    if (result == OK)
        result = tls_session_slot_new(&node->slot);
    if (result != OK)
        return result;
    const char *name = conf->tls_name != NULL ? conf->tls_name : conf->address.host;
    struct tls_client_options options = {.context = node->context,
                                         .slot = node->slot,
                                         .verify_name = conf->tls->check_name ? name : NULL,
                                         .tcp = secure_tcp_options};
    tls_dialer_init(&node->tls, &options);
    secure->dialers[index] = &node->tls.dialer;
    return OK;
}

enum result secure_new(const struct configuration *configuration, uint64_t now, char *error,
                       struct secure **out)
{
    struct secure *secure = calloc(1, sizeof *secure);
    if (secure == NULL)
        return ERR_NOMEM;
    error[0] = 0;
    secure->configuration = configuration;
    secure->listeners = calloc(configuration->listener_count, sizeof *secure->listeners);
    secure->nodes = calloc(configuration->node_count, sizeof *secure->nodes);
    secure->dialers = calloc(configuration->node_count, sizeof *secure->dialers);
    enum result result = secure->listeners != NULL && secure->nodes != NULL && secure->dialers != NULL
                             ? tls_tickets_new(&secure->tickets)
                             : ERR_NOMEM;
    for (size_t i = 0; result == OK && i < configuration->listener_count; i++)
        if (configuration->listener[i].tls != NULL)
            result = context_make(configuration->listener[i].tls, TLS_SERVER, secure->tickets, now, error,
                                  &secure->listeners[i]);
    for (size_t i = 0; result == OK && i < configuration->node_count; i++)
        result = node_make(secure, i, now, error);
    if (result != OK) {
        secure_free(secure);
        return result;
    }
    *out = secure;
    return OK;
}

void secure_free(struct secure *secure)
{
    if (secure == NULL)
        return;
    for (size_t i = 0; secure->listeners != NULL && i < secure->configuration->listener_count; i++)
        tls_context_unref(&secure->listeners[i]);
    for (size_t i = 0; secure->nodes != NULL && i < secure->configuration->node_count; i++) {
        tls_context_unref(&secure->nodes[i].context);
        tls_session_slot_unref(&secure->nodes[i].slot);
    }
    tls_tickets_unref(&secure->tickets);
    free(secure->listeners);
    free(secure->nodes);
    free(secure->dialers);
    free(secure);
}

void secure_tickets_rotate(struct secure *secure)
{
    if (tls_tickets_rotate(secure->tickets) != OK)
        log_event0(LOG_TICKETS_KEPT);
}

struct tls_context *secure_listener_context(const struct secure *secure, size_t listener)
{
    return secure->listeners[listener];
}

const struct net_dialer *const *secure_dialers(const struct secure *secure)
{
    return secure->dialers;
}
