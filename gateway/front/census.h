// SPDX-License-Identifier: Apache-2.0
//
// How many front associations there are: of the process, of one address, of one client entry; and how many
// connections that say nothing. One peer that
// opens without end must not take the room of all others.
//
// Thread: any; a mutex held for a look-up. Bounded: an address is in the table only while it has
// associations or connections.
#pragma once

#include "conf/configuration.h"
#include "net/address.h"

struct census;

MUST_USE enum result census_new(const struct configuration *configuration, struct census **out); // ERR_NOMEM
void census_free(struct census *census);
// Other limits, for what comes from now on.
void census_limits_set(struct census *census, const struct configuration_limits *limits);

// Counts one more; ERR_LIMIT, ERR_NOMEM: it was not counted. `client`: entry of the configuration, or NULL.
MUST_USE enum result census_enter(struct census *census, const struct net_address *address,
                                  const struct configuration_client *client);
// Takes back what census_enter() counted with the same arguments.
void census_leave(struct census *census, const struct net_address *address,
                  const struct configuration_client *client);
unsigned census_total(struct census *census);

// One more connection that has not asked for an association; `address` NULL: it is not known yet whose.
// ERR_LIMIT, ERR_NOMEM: it was not counted, and must be closed.
MUST_USE enum result census_knock(struct census *census, const struct net_address *address);
// Takes back what census_knock() counted with the same argument: it has asked, or is gone.
void census_knock_over(struct census *census, const struct net_address *address);
