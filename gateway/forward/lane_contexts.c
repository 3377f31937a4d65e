// SPDX-License-Identifier: Apache-2.0
//
// Titles and presentation contexts of a lane's association: those of the instance that it is opened for, and
// of what waits behind it under the same titles, so that one association serves them all.
#include "back/titles.h"
#include "base/text.h"
#include "dimse/message.h"
#include "forward/lane_private.h"

enum { PAIR_SCAN_DEPTH = 512 };

static int pair_find(const struct lane *lane, const struct record_open *open)
{
    for (size_t i = 0; i < lane->pair_count; i++)
        if (slice_is_text(open->sop_class, lane->pairs[i].abstract) &&
            slice_is_text(open->transfer_syntax, lane->pairs[i].transfer))
            return (int)i;
    return -1;
}

static void pair_add(struct lane *lane, const struct record_open *open)
{
    if (lane->pair_count == LANE_PAIRS_MAX - 1 || pair_find(lane, open) >= 0)
        return;
    struct lane_pair *pair = &lane->pairs[lane->pair_count];
    if (text_copy(pair->abstract, sizeof pair->abstract, open->sop_class) &&
        text_copy(pair->transfer, sizeof pair->transfer, open->transfer_syntax))
        lane->pair_count++;
}

bool lane_serves(const struct lane *lane, const struct record_open *open)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    return slice_is_text(titles_calling(conf, open->calling), lane->calling) &&
           slice_is_text(titles_called(conf, open->called), lane->called);
}

bool lane_context_find(const struct lane *lane, const struct record_open *open, uint8_t *context_id)
{
    int pair = lane_serves(lane, open) ? pair_find(lane, open) : -1;
    if (pair >= 0)
        *context_id = (uint8_t)(2 * pair + 1);
    return pair >= 0;
}

static void pairs_gather(struct lane *lane)
{
    unsigned depth = 0;
    LIST_EACH(&lane->archive->waiting, node)
    {
        if (depth++ == PAIR_SCAN_DEPTH)
            break;
        const struct content *content = CONTAINER_OF(node, struct delivery, node)->receipt->content;
        if (content != NULL && lane_serves(lane, &content->open))
            pair_add(lane, &content->open);
    }
}

static enum result contexts_propose(const struct lane *lane, struct ul_parameters *request)
{
    for (size_t i = 0; i < lane->pair_count; i++) {
        enum result result = ul_parameters_add_context(request, (uint8_t)(2 * i + 1), 0,
                                                       slice_of_text(lane->pairs[i].abstract));
        if (result == OK)
            result = ul_parameters_add_transfer_syntax(request, slice_of_text(lane->pairs[i].transfer));
        if (result != OK)
            return result;
    }
    return OK;
}

static uint8_t verification_id(const struct lane *lane)
{
    return (uint8_t)(2 * lane->pair_count + 1);
}

static enum result verification_propose(const struct lane *lane, struct ul_parameters *request)
{
    enum result result =
        ul_parameters_add_context(request, verification_id(lane), 0, slice_of_text(DIMSE_VERIFICATION));
    if (result == OK)
        result = ul_parameters_add_transfer_syntax(request, slice_of_text("1.2.840.10008.1.2"));
    return result;
}

bool lane_probe_begin(struct lane *lane)
{
    struct slice abstract;
    struct slice transfer;
    struct dimse_command command;
    lane->message_id = 1;
    dimse_echo_request(&command, lane->message_id);
    return ul_association_context(leg_association(lane->leg), verification_id(lane), &abstract, &transfer) &&
           leg_send_command(lane->leg, verification_id(lane), &command) == OK;
}

static enum result request_make(const struct lane *lane, struct ul_parameters **out)
{
    struct ul_parameters *request;
    enum result result = negotiation_request(slice_of_text(lane->called), slice_of_text(lane->calling),
                                             lane->worker->gateway->configuration->gateway.max_pdu, &request);
    if (result != OK)
        return result;
    result = contexts_propose(lane, request);
    if (result == OK && lane->is_probing)
        result = verification_propose(lane, request);
    if (result != OK) {
        ul_parameters_free(request);
        return result;
    }
    unsigned window = lane->archive->node->conf->window;
    if (window > 1) // PS3.7 D.3.3.3: without the item it is 1
        ul_parameters_set_asynchronous_window(request, (uint16_t)window, 1);
    *out = request;
    return OK;
}

enum result lane_associate(struct lane *lane)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    const struct record_open *open = &lane->content->open;
    text_copy(lane->calling, sizeof lane->calling, titles_calling(conf, open->calling));
    text_copy(lane->called, sizeof lane->called, titles_called(conf, open->called));
    lane->pair_count = 0;
    lane->is_probing = lane->archive->failures > 0;
    pair_add(lane, open);
    if (lane->delivery == NULL || !delivery_is_tried_alone(lane->delivery))
        pairs_gather(lane);
    if (lane->pair_count == 0)
        return ERR_LIMIT;
    struct net_address address;
    struct ul_parameters *request;
    if (!node_address_get(lane->archive->node, &address))
        return ERR_MISSING;
    enum result result = request_make(lane, &request);
    if (result != OK)
        return result == ERR_LIMIT ? ERR_NOMEM : result;
    struct leg_timeouts timeouts = {conf->connect_ns, conf->tls_ns, conf->release_ns, 0, conf->stall_ns};
    return leg_connect(&lane->worker->legs, &timeouts, lane->archive->node->dialer, &address, &request,
                       &lane_leg_handler, lane, &lane->leg);
}

// PS3.7 D.3.3.3: the answer is at most what was asked; one that is more, or without limit, means that.
static unsigned window_granted(const struct lane *lane)
{
    const struct ul_parameters *answer = ul_association_peer(leg_association(lane->leg));
    unsigned asked = lane->archive->node->conf->window;
    if (asked <= 1 || !answer->has_asynchronous_window)
        return 1;
    unsigned granted = answer->operations_invoked;
    return granted == 0 || granted > asked ? asked : granted;
}

void lane_contexts_learn(struct lane *lane)
{
    struct archive *archive = lane->archive;
    uint64_t now = ev_wall_now(lane->worker->loop);
    for (size_t i = 0; i < lane->pair_count; i++)
        capability_put(lane->worker->gateway->capabilities, archive->node->conf->id,
                       slice_of_text(lane->pairs[i].abstract), slice_of_text(lane->pairs[i].transfer),
                       leg_context_result(lane->leg, (uint8_t)(2 * i + 1)), now);
    lane->window = window_granted(lane);
    refusals_forget(&archive->refusals, slice_of_text(lane->calling), slice_of_text(lane->called));
}
