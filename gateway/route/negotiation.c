// SPDX-License-Identifier: Apache-2.0
#include "route/negotiation.h"

#define APPLICATION_CONTEXT "1.2.840.10008.3.1.1.1"
#define VERIFICATION        "1.2.840.10008.1.1"
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

size_t negotiation_unknown(const struct negotiation *negotiation, struct negotiation_pair *pairs,
                           size_t capacity)
{
    size_t count = 0;
    if (negotiation->route == NULL || negotiation->route->negotiate != CONFIGURATION_NEGOTIATE_LEARNED)
        return 0;
    for (size_t i = 0; i < negotiation->request->context_count; i++) {
        const struct ul_context *context = &negotiation->request->contexts[i];
        if (!may_store(negotiation, context))
            continue;
        for (size_t t = 0; t < context->transfer_count && count < capacity; t++) {
            struct negotiation_pair pair = {context->abstract, context->transfer[t]};
            if (is_worth_asking(negotiation, pair) && !pair_is_listed(pairs, count, pair))
                pairs[count++] = pair;
        }
    }
    return count;
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

// Result of one context (PS3.8 table 9-18); on acceptance *transfer is borrowed from the request.
static enum ul_context_result decide(const struct negotiation *negotiation, const struct ul_context *context,
                                     const struct slice **transfer)
{
    *transfer = NULL;
    if (context->abstract_count != 1 || context->transfer_count == 0)
        return UL_CONTEXT_NO_REASON;
    if (slice_is_text(context->abstract, VERIFICATION)) {
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
        *transfer = choose_learned(negotiation, context);
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
        enum ul_context_result decision = decide(negotiation, context, &transfer);
        if (decision == UL_CONTEXT_ACCEPTED)
            result = ul_parameters_add_accepted(answer, context->id, *transfer);
        else
            result = ul_parameters_add_refused(answer, context->id, decision);
    }
    if (result == OK)
        result = roles_answer(negotiation->request, answer);
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
