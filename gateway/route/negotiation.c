// SPDX-License-Identifier: Apache-2.0
#include "route/negotiation.h"
#include "dimse/message.h"

#define APPLICATION_CONTEXT "1.2.840.10008.3.1.1.1"
#define IMPLICIT_LE         "1.2.840.10008.1.2"
#define EXPLICIT_LE         "1.2.840.10008.1.2.1"

static bool has_prefix(struct slice uid, const char *prefix)
{
    return slice_is_equal(slice_first(uid, strlen(prefix)), slice_of_text(prefix));
}

// PS3.4 annex B.5 (storage), GG.3 (non-patient object storage).
bool negotiation_is_storage(struct slice abstract)
{
    static const char *const others[] = {
        "1.2.840.10008.5.1.4.34.7",   // RT Beams Delivery Instruction
        "1.2.840.10008.5.1.4.34.10",  // RT Brachy Application Setup Delivery Instruction
        "1.2.840.10008.5.1.4.38.1",   // Hanging Protocol
        "1.2.840.10008.5.1.4.39.1",   // Color Palette
        "1.2.840.10008.5.1.4.43.1",   // Generic Implant Template
        "1.2.840.10008.5.1.4.44.1",   // Implant Assembly Template
        "1.2.840.10008.5.1.4.45.1",   // Implant Template Group
        "1.2.840.10008.5.1.4.1.1.27", // Stored Print (retired)
    };
    if (!has_prefix(abstract, "1.2.840.10008."))
        return abstract.length > 0;
    if (has_prefix(abstract, "1.2.840.10008.5.1.4.1.1."))
        return true;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (slice_is_text(abstract, others[i]))
            return true;
    return false;
}

bool negotiation_is_lossless(struct slice transfer)
{
    static const char *const lossless[] = {
        IMPLICIT_LE,
        EXPLICIT_LE,
        "1.2.840.10008.1.2.2",     // explicit VR big endian
        "1.2.840.10008.1.2.1.99",  // deflated
        "1.2.840.10008.1.2.8.1",   // deflated image frame
        "1.2.840.10008.1.2.5",     // RLE
        "1.2.840.10008.1.2.4.57",  // JPEG lossless, process 14
        "1.2.840.10008.1.2.4.70",  // JPEG lossless, first-order prediction
        "1.2.840.10008.1.2.4.80",  // JPEG-LS lossless
        "1.2.840.10008.1.2.4.90",  // JPEG 2000 lossless
        "1.2.840.10008.1.2.4.92",  // JPEG 2000 part 2 lossless
        "1.2.840.10008.1.2.4.110", // JPEG XL lossless
        "1.2.840.10008.1.2.4.201", // HTJ2K lossless
        "1.2.840.10008.1.2.4.202", // HTJ2K RPCL lossless
    };
    for (size_t i = 0; i < sizeof lossless / sizeof lossless[0]; i++)
        if (slice_is_text(transfer, lossless[i]))
            return true;
    return false;
}

static bool may_store(const struct negotiation *negotiation, const struct ul_context *context)
{
    return context->abstract_count == 1 && negotiation->route != NULL &&
           (negotiation->services & CONFIGURATION_SERVICE_STORE) && negotiation_is_storage(context->abstract);
}

static enum capability known(const struct negotiation *negotiation, struct slice abstract,
                             struct slice transfer)
{
    return capability_get(negotiation->capabilities, negotiation->route->to[0]->id, abstract, transfer);
}

static bool is_worth_asking(const struct negotiation *negotiation, struct negotiation_pair pair)
{
    return capability_is_worth_asking(negotiation->capabilities, negotiation->route->to[0]->id, pair.abstract,
                                      pair.transfer, negotiation->now);
}

static bool pair_is_listed(const struct negotiation_pair *pairs, size_t count, struct negotiation_pair pair)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is_equal(pairs[i].abstract, pair.abstract) &&
            slice_is_equal(pairs[i].transfer, pair.transfer))
            return true;
    return false;
}

bool negotiation_wants_archive(const struct negotiation *negotiation)
{
    if (negotiation->route == NULL || negotiation->route->negotiate == CONFIGURATION_NEGOTIATE_FIXED)
        return false;
    for (size_t i = 0; i < negotiation->request->context_count; i++)
        if (may_store(negotiation, &negotiation->request->contexts[i]))
            return true;
    return false;
}

// The first syntax of the context for which `allowed` holds, a lossless one before any lossy one.
static const struct slice *choose(const struct negotiation *negotiation, const struct ul_context *context,
                                  bool (*allowed)(const struct negotiation *, struct slice, struct slice))
{
    const struct slice *lossy = NULL;
    for (size_t t = 0; t < context->transfer_count; t++) {
        const struct slice *transfer = &context->transfer[t];
        if (!allowed(negotiation, context->abstract, *transfer))
            continue;
        if (negotiation_is_lossless(*transfer))
            return transfer;
        if (lossy == NULL)
            lossy = transfer;
    }
    return lossy;
}

static bool is_accepted(const struct negotiation *negotiation, struct slice abstract, struct slice transfer)
{
    return known(negotiation, abstract, transfer) == CAPABILITY_ACCEPTED;
}

static bool is_not_refused(const struct negotiation *negotiation, struct slice abstract,
                           struct slice transfer)
{
    return known(negotiation, abstract, transfer) != CAPABILITY_REFUSED;
}

// Ignorance never rejects (FIELD 6): what the primary is known to take goes first, then what is not known.
static const struct slice *choose_learned(const struct negotiation *negotiation,
                                          const struct ul_context *context)
{
    const struct slice *transfer = choose(negotiation, context, is_accepted);
    return transfer != NULL ? transfer : choose(negotiation, context, is_not_refused);
}

static const struct slice *choose_fixed(const struct negotiation *negotiation,
                                        const struct ul_context *context)
{
    const struct configuration_route *route = negotiation->route;
    bool has_class = route->classes.count == 0;
    for (size_t i = 0; i < route->classes.count; i++)
        has_class |= slice_is_text(context->abstract, route->classes.item[i]);
    for (size_t i = 0; has_class && i < route->transfer_syntaxes.count; i++)
        for (size_t t = 0; t < context->transfer_count; t++)
            if (slice_is_text(context->transfer[t], route->transfer_syntaxes.item[i]))
                return &context->transfer[t];
    return NULL;
}

static const struct slice *choose_verification(const struct ul_context *context)
{
    for (size_t t = 0; t < context->transfer_count; t++)
        if (slice_is_text(context->transfer[t], IMPLICIT_LE) ||
            slice_is_text(context->transfer[t], EXPLICIT_LE))
            return &context->transfer[t];
    return NULL;
}

// What the primary answered to this proposal, if that is known: exactly that.
static enum ul_context_result decide_by_archive(const struct negotiation *negotiation, size_t index,
                                                const struct slice **transfer)
{
    const struct ul_context *context = &negotiation->request->contexts[index];
    const struct proposal_answer *answered = negotiation->answered;
    if (answered == NULL || index >= answered->count || answered->result[index] == PROPOSAL_NOT_ASKED ||
        (answered->result[index] == UL_CONTEXT_ACCEPTED &&
         answered->transfer[index] >= context->transfer_count)) {
        *transfer = choose_learned(negotiation, context);
        return *transfer != NULL ? UL_CONTEXT_ACCEPTED : UL_CONTEXT_TRANSFER_SYNTAXES;
    }
    if (answered->result[index] == UL_CONTEXT_ACCEPTED)
        *transfer = &context->transfer[answered->transfer[index]];
    return (enum ul_context_result)answered->result[index];
}

// Result of one context (PS3.8 table 9-18); on acceptance *transfer is borrowed from the request.
static enum ul_context_result decide(const struct negotiation *negotiation, size_t index,
                                     const struct slice **transfer)
{
    const struct ul_context *context = &negotiation->request->contexts[index];
    *transfer = NULL;
    if (context->abstract_count != 1 || context->transfer_count == 0)
        return UL_CONTEXT_NO_REASON;
    if (slice_is_text(context->abstract, DIMSE_VERIFICATION)) {
        if (!(negotiation->services & CONFIGURATION_SERVICE_ECHO))
            return UL_CONTEXT_USER_REJECTED;
        *transfer = choose_verification(context);
    } else if (!negotiation_is_storage(context->abstract)) {
        return UL_CONTEXT_ABSTRACT_SYNTAX;
    } else if (!may_store(negotiation, context)) {
        return UL_CONTEXT_USER_REJECTED;
    } else if (negotiation->route->negotiate == CONFIGURATION_NEGOTIATE_FIXED) {
        *transfer = choose_fixed(negotiation, context);
    } else {
        return decide_by_archive(negotiation, index, transfer);
    }
    return *transfer != NULL ? UL_CONTEXT_ACCEPTED : UL_CONTEXT_TRANSFER_SYNTAXES;
}

// A role proposal is answered for what we are: acceptor of stores, never the SCU of one (PS3.7 D.3.3.4).
static enum result roles_answer(const struct ul_parameters *request, struct ul_parameters *answer)
{
    for (size_t i = 0; i < request->role_count; i++) {
        enum result result =
            ul_parameters_add_role(answer, request->roles[i].sop_class, request->roles[i].scu == 1, false);
        if (result != OK)
            return result;
    }
    return OK;
}

// `mirror`: the primary's own words, as far as they answer something that was asked (PROTOCOL 37, 40, 42): it
// may only turn a proposed role off.
static enum result user_items_relay(const struct negotiation *negotiation, struct ul_parameters *answer)
{
    const struct ul_parameters *asked = negotiation->request;
    const struct ul_parameters *said = negotiation->relayed;
    enum result result = OK;
    for (size_t i = 0; result == OK && i < said->role_count; i++)
        for (size_t k = 0; k < asked->role_count; k++)
            if (slice_is_equal(asked->roles[k].sop_class, said->roles[i].sop_class)) {
                result = ul_parameters_add_role(answer, said->roles[i].sop_class,
                                                asked->roles[k].scu == 1 && said->roles[i].scu == 1,
                                                asked->roles[k].scp == 1 && said->roles[i].scp == 1);
                break;
            }
    for (size_t i = 0; result == OK && i < said->extended_count; i++)
        for (size_t k = 0; k < asked->extended_count; k++)
            if (slice_is_equal(asked->extended[k].sop_class, said->extended[i].sop_class)) {
                result = ul_parameters_add_extended(answer, said->extended[i].sop_class,
                                                    said->extended[i].information);
                break;
            }
    if (result == OK && said->has_identity_response && asked->has_user_identity &&
        asked->identity.response_requested)
        result = ul_parameters_set_identity_response(answer, said->identity_response);
    return result;
}

static enum result user_information_set(struct ul_parameters *parameters, uint32_t max_pdu)
{
    ul_parameters_set_maximum_length(parameters, max_pdu);
    return ul_parameters_set_implementation(parameters, slice_of_text(NEGOTIATION_IMPLEMENTATION_CLASS),
                                            slice_of_text(NEGOTIATION_IMPLEMENTATION_VERSION));
}

// PS3.7 D.3.3.3: what was asked for, at most ours; zero asks without limit. We invoke nothing on a client.
static void window_answer(const struct negotiation *negotiation, struct ul_parameters *answer)
{
    uint32_t asked = negotiation->request->operations_invoked;
    if (!negotiation->request->has_asynchronous_window)
        return;
    if (asked == 0 || asked > negotiation->window)
        asked = negotiation->window;
    ul_parameters_set_asynchronous_window(answer, (uint16_t)asked, 1);
}

enum result negotiation_answer(const struct negotiation *negotiation, struct ul_parameters **out)
{
    struct ul_parameters *answer;
    enum result result = ul_parameters_new_answer(negotiation->request, &answer);
    if (result != OK)
        return result;
    result = user_information_set(answer, negotiation->max_pdu);
    window_answer(negotiation, answer);
    for (size_t i = 0; result == OK && i < negotiation->request->context_count; i++) {
        const struct ul_context *context = &negotiation->request->contexts[i];
        const struct slice *transfer;
        enum ul_context_result decision = decide(negotiation, i, &transfer);
        if (decision == UL_CONTEXT_ACCEPTED)
            result = ul_parameters_add_accepted(answer, context->id, *transfer);
        else
            result = ul_parameters_add_refused(answer, context->id, decision);
    }
    if (result == OK)
        result = negotiation->relayed != NULL ? user_items_relay(negotiation, answer)
                                              : roles_answer(negotiation->request, answer);
    if (result != OK) {
        ul_parameters_free(answer);
        return result;
    }
    *out = answer;
    return OK;
}

enum result negotiation_request(struct slice called, struct slice calling, uint32_t max_pdu,
                                struct ul_parameters **out)
{
    struct ul_parameters *request;
    enum result result = ul_parameters_new(&request);
    if (result != OK)
        return result;
    result = ul_title_write(request->called, called);
    if (result == OK)
        result = ul_title_write(request->calling, calling);
    if (result == OK)
        result = ul_parameters_set_application_context(request, slice_of_text(APPLICATION_CONTEXT));
    if (result == OK)
        result = user_information_set(request, max_pdu);
    if (result != OK) {
        ul_parameters_free(request);
        return result;
    }
    *out = request;
    return OK;
}

// ---- the primary's answer ----

static bool is_proposed(const struct ul_parameters *proposal, struct slice sop_class)
{
    for (size_t i = 0; i < proposal->context_count; i++)
        if (slice_is_equal(proposal->contexts[i].abstract, sop_class))
            return true;
    return false;
}

static enum result common_extended_relay(const struct ul_common_extended *item,
                                         struct ul_parameters *proposal)
{
    enum result result =
        ul_parameters_add_common_extended(proposal, item->version, item->sop_class, item->service_class);
    for (size_t i = 0; result == OK && i < item->related_count; i++)
        result = ul_parameters_add_related_class(proposal, item->related[i]);
    return result;
}

// PROTOCOL 37, 40, 42, 43: only for classes that go to the archive.
static enum result user_items_propose(const struct ul_parameters *asked, struct ul_parameters *proposal)
{
    enum result result = OK;
    for (size_t i = 0; result == OK && i < asked->role_count; i++)
        if (is_proposed(proposal, asked->roles[i].sop_class))
            result = ul_parameters_add_role(proposal, asked->roles[i].sop_class, asked->roles[i].scu == 1,
                                            asked->roles[i].scp == 1);
    for (size_t i = 0; result == OK && i < asked->extended_count; i++)
        if (is_proposed(proposal, asked->extended[i].sop_class))
            result = ul_parameters_add_extended(proposal, asked->extended[i].sop_class,
                                                asked->extended[i].information);
    for (size_t i = 0; result == OK && i < asked->common_extended_count; i++)
        if (is_proposed(proposal, asked->common_extended[i].sop_class))
            result = common_extended_relay(&asked->common_extended[i], proposal);
    if (result == OK && asked->has_user_identity)
        result = ul_parameters_set_identity(proposal, &asked->identity);
    return result;
}

enum result negotiation_proposal(const struct negotiation *negotiation, struct slice called,
                                 struct slice calling, struct ul_parameters **out)
{
    const struct ul_parameters *asked = negotiation->request;
    struct ul_parameters *proposal;
    enum result result = negotiation_request(called, calling, negotiation->max_pdu, &proposal);
    if (result != OK)
        return result;
    for (size_t i = 0; result == OK && i < asked->context_count; i++) {
        const struct ul_context *context = &asked->contexts[i];
        if (!may_store(negotiation, context) || context->transfer_count == 0)
            continue;
        result = ul_parameters_add_context(proposal, context->id, 0, context->abstract);
        for (size_t t = 0; result == OK && t < context->transfer_count; t++)
            result = ul_parameters_add_transfer_syntax(proposal, context->transfer[t]);
    }
    if (result == OK && negotiation->route->negotiate == CONFIGURATION_NEGOTIATE_MIRROR)
        result = user_items_propose(asked, proposal);
    if (result != OK) {
        ul_parameters_free(proposal);
        return result;
    }
    *out = proposal;
    return OK;
}

// PROTOCOL 25 to 27: what is not sound, or not answered, counts as refused.
static uint8_t refusal_of(const struct ul_parameters *ac, uint8_t id)
{
    const struct ul_context *context = ul_parameters_context_get(ac, id);
    bool is_known = context != NULL && context->result >= UL_CONTEXT_USER_REJECTED &&
                    context->result <= UL_CONTEXT_TRANSFER_SYNTAXES;
    return is_known ? context->result : UL_CONTEXT_NO_REASON;
}

void negotiation_answered(const struct negotiation *negotiation, const struct ul_parameters *proposal,
                          const struct ul_parameters *ac, struct proposal_answer *answered)
{
    const struct ul_parameters *asked = negotiation->request;
    *answered = (struct proposal_answer){.when = negotiation->now, .count = asked->context_count};
    for (size_t i = 0; i < asked->context_count; i++) {
        const struct ul_context *context = &asked->contexts[i];
        struct slice abstract;
        struct slice transfer;
        answered->result[i] = PROPOSAL_NOT_ASKED;
        if (ul_parameters_context_get(proposal, context->id) == NULL)
            continue;
        if (!ul_parameters_agreed(proposal, ac, context->id, &abstract, &transfer)) {
            answered->result[i] = refusal_of(ac, context->id);
            continue;
        }
        answered->result[i] = UL_CONTEXT_ACCEPTED;
        while (!slice_is_equal(context->transfer[answered->transfer[i]], transfer))
            answered->transfer[i]++;
    }
}

bool negotiation_is_stale(const struct negotiation *negotiation, const struct proposal_answer *answered)
{
    uint64_t now = negotiation->now; // a clock that was set back makes everything old
    bool is_old = answered->when > now || now - answered->when >= CAPABILITY_REFUSAL_AGE;
    for (size_t i = 0; i < answered->count && i < negotiation->request->context_count; i++) {
        const struct ul_context *context = &negotiation->request->contexts[i];
        uint8_t result = answered->result[i];
        if (result != UL_CONTEXT_ACCEPTED && result != PROPOSAL_NOT_ASKED && is_old)
            return true;
        if (result == UL_CONTEXT_ACCEPTED && answered->transfer[i] < context->transfer_count &&
            capability_is_refused_since(negotiation->capabilities, negotiation->route->to[0]->id,
                                        context->abstract, context->transfer[answered->transfer[i]],
                                        answered->when))
            return true;
    }
    return false;
}

// A lossy syntax was chosen for this context, and there may be a lossless one instead.
static bool is_lossy(const struct negotiation *negotiation, const struct proposal_answer *answered,
                     size_t index)
{
    const struct ul_context *context = &negotiation->request->contexts[index];
    return negotiation->route->prefer_lossless && answered->result[index] == UL_CONTEXT_ACCEPTED &&
           !negotiation_is_lossless(context->transfer[answered->transfer[index]]);
}

size_t negotiation_lossless_unknown(const struct negotiation *negotiation,
                                    const struct proposal_answer *answered, struct negotiation_pair *pairs,
                                    size_t capacity)
{
    size_t count = 0;
    for (size_t i = 0; i < answered->count; i++) {
        const struct ul_context *context = &negotiation->request->contexts[i];
        if (!is_lossy(negotiation, answered, i))
            continue;
        for (size_t t = 0; t < context->transfer_count && count < capacity; t++) {
            struct negotiation_pair pair = {context->abstract, context->transfer[t]};
            if (negotiation_is_lossless(pair.transfer) && is_worth_asking(negotiation, pair) &&
                !pair_is_listed(pairs, count, pair))
                pairs[count++] = pair;
        }
    }
    return count;
}

void negotiation_lossless_prefer(const struct negotiation *negotiation, struct proposal_answer *answered)
{
    for (size_t i = 0; i < answered->count; i++) {
        const struct ul_context *context = &negotiation->request->contexts[i];
        if (!is_lossy(negotiation, answered, i))
            continue;
        for (size_t t = 0; t < context->transfer_count; t++)
            if (negotiation_is_lossless(context->transfer[t]) &&
                is_accepted(negotiation, context->abstract, context->transfer[t])) {
                answered->transfer[i] = (uint8_t)t;
                break;
            }
    }
}

struct ul_reject negotiation_reject(const struct ul_reject *by_archive)
{
    struct ul_reject busy = {UL_REJECT_TRANSIENT, UL_REJECT_BY_PRESENTATION,
                             UL_REJECT_PRESENTATION_CONGESTION};
    if (by_archive == NULL ||
        (by_archive->result != UL_REJECT_PERMANENT && by_archive->result != UL_REJECT_TRANSIENT))
        return busy;
    uint8_t reason = by_archive->reason;
    switch (by_archive->source) {
    case UL_REJECT_BY_USER:
        return reason == UL_REJECT_USER_NO_REASON || reason == UL_REJECT_USER_CALLING_TITLE ||
                       reason == UL_REJECT_USER_CALLED_TITLE
                   ? *by_archive
                   : busy;
    case UL_REJECT_BY_ACSE:
        return reason == UL_REJECT_ACSE_NO_REASON ? *by_archive : busy;
    case UL_REJECT_BY_PRESENTATION:
        return reason == UL_REJECT_PRESENTATION_CONGESTION || reason == UL_REJECT_PRESENTATION_LOCAL_LIMIT
                   ? *by_archive
                   : busy;
    default:
        return busy;
    }
}
