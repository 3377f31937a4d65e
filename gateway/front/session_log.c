// SPDX-License-Identifier: Apache-2.0
#include "front/session_log.h"
#include "base/text.h"

#define TITLE_TEXT 17

// The row of the machine, of the message layer, of the transport or of our deadlines: exactly one tells why.
static void log_reason(const struct session_facts *facts, const char *calling, const struct leg_end *end,
                       const struct transport_peer *peer)
{
    char address[NET_ADDRESS_TEXT_MAX];
    net_address_format(&peer->address, address, sizeof address);
    switch (end->cause) {
    case LEG_MESSAGE_FAULT:
        log_event(dimse_reason_row(end->dimse)->event, log_number(facts->number), log_text(address));
        return;
    case LEG_TRANSPORT_ENDED:
        transport_reason_log(end->transport, peer);
        if (end->ul != UL_REASON_NONE) // else it ended before there was an association: a failed handshake
            log_event(ul_reason_row(end->ul)->event, log_number(facts->number), log_text(address));
        return;
    case LEG_IDLE_TIMEOUT:
    case LEG_STALL_TIMEOUT:
    case LEG_RELEASE_TIMEOUT:
    case LEG_CONNECT_TIMEOUT:
        log_event(LOG_FRONT_TIMEOUT, log_number(facts->number), log_text(calling),
                  log_text(leg_cause_name(end->cause)));
        return;
    case LEG_ARTIM_EXPIRED:
    case LEG_ABORTED:
    case LEG_REFUSED:
    case LEG_RELEASED:
    case LEG_REJECTED:
    case LEG_CLOSED_BY_US:
    case LEG_CAUSE_COUNT:
        log_event(ul_reason_row(end->ul)->event, log_number(facts->number), log_text(address));
        return;
    }
}

void session_log_end(const struct session_facts *facts, const struct leg_end *end,
                     const struct transport_peer *peer, uint64_t instances)
{
    char calling[TITLE_TEXT];
    text_printable(calling, sizeof calling, facts->calling);
    log_reason(facts, calling, end, peer);
    log_event(LOG_FRONT_ENDED, log_number(facts->number), log_text(calling),
              log_text(leg_cause_name(end->cause)), log_number(instances));
}
