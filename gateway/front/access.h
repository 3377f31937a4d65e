// SPDX-License-Identifier: Apache-2.0
//
// Who may associate (DESIGN "Access", PROTOCOL 16, 17): called title, calling title, address and certificate
// against the configuration. Pure once made; shared by all workers, immutable.
#pragma once

#include "base/log.h"
#include "conf/configuration.h"
#include "net/transport.h"
#include "ul/pdu.h"

struct access;

// ERR_FORMAT: a certificate rule that can not be read; ERR_NOMEM.
MUST_USE enum result access_new(const struct configuration *configuration, struct access **out);
void access_free(struct access *access);
// The one that was in force before, which somebody may still read: freed with this one. NULL: none.
void access_follow(struct access *access, struct access *former);

struct access_verdict {
    bool is_allowed;
    const struct configuration_client *client; // NULL: no clients are configured, the defaults hold
    size_t client_index;                       // of it
    uint32_t services;                         // bits of configuration_service
    uint32_t quirks;                           // bits of configuration_quirk
    struct ul_reject reject;                   // where it is not allowed
    enum log_id event;
};

// Whether one of the networks has the address; an empty list has every one.
bool access_is_from(const struct conf_networks *networks, const struct net_address *address);

// Titles without padding.
struct access_verdict access_decide(const struct access *access, struct slice called, struct slice calling,
                                    const struct transport_peer *peer);
