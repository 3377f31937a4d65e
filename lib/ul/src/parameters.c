// SPDX-License-Identifier: Apache-2.0
//
// The arena of association parameters, and the functions that add to it; see ul/parameters.h.
#include "ul/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wipe.h"
#include "parameters_private.h"

static const char IMPLICIT_LITTLE_ENDIAN[] = "1.2.840.10008.1.2";

enum { ARENA_BLOCK = 4096, ARENA_ALIGNMENT = 8, FIRST_CAPACITY = 4 };

struct ul_arena_block {
    struct ul_arena_block *next;
    size_t used;
    size_t capacity;
    _Alignas(ARENA_ALIGNMENT) uint8_t bytes[];
};

static void *arena_take(struct ul_parameters *parameters, size_t size)
{
    size_t needed = (size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    struct ul_arena_block *block = parameters->arena;
    if (block == NULL || block->capacity - block->used < needed) {
        size_t capacity = needed > ARENA_BLOCK ? needed : ARENA_BLOCK;
        block = malloc(sizeof *block + capacity);
        if (block == NULL)
            return NULL;
        *block = (struct ul_arena_block){.next = parameters->arena, .capacity = capacity};
        parameters->arena = block;
    }
    void *taken = block->bytes + block->used;
    block->used += needed;
    return taken;
}

static enum result arena_copy(struct ul_parameters *parameters, struct slice from, struct slice *to)
{
    if (from.length == 0) {
        *to = slice_of(NULL, 0);
        return OK;
    }
    uint8_t *copy = arena_take(parameters, from.length);
    if (copy == NULL)
        return ERR_NOMEM;
    memcpy(copy, from.data, from.length);
    *to = slice_of(copy, from.length);
    return OK;
}

// Room for one more element. Capacities are powers of two from FIRST_CAPACITY up, so the count tells when one
// is full;
// `*array` may move inside the arena.
static enum result arena_grow(struct ul_parameters *parameters, void *array, size_t count, size_t size,
                              size_t limit)
{
    if (count >= limit)
        return ERR_LIMIT;
    bool is_full = count == 0 || (count >= FIRST_CAPACITY && (count & (count - 1)) == 0);
    if (!is_full)
        return OK;
    size_t capacity = count == 0 ? FIRST_CAPACITY : count * 2;
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = arena_take(parameters, capacity * size);
    if (grown == NULL)
        return ERR_NOMEM;
    if (count > 0)
        memcpy(grown, old, count * size);
    memcpy(array, &grown, sizeof grown);
    return OK;
}

enum result ul_parameters_new(struct ul_parameters **out)
{
    struct ul_parameters *parameters = malloc(sizeof *parameters);
    if (parameters == NULL)
        return ERR_NOMEM;
    *parameters = (struct ul_parameters){
        .protocol_version = UL_PROTOCOL_VERSION, .operations_invoked = 1, .operations_performed = 1};
    memset(parameters->called, ' ', sizeof parameters->called);
    memset(parameters->calling, ' ', sizeof parameters->calling);
    *out = parameters;
    return OK;
}

enum result ul_parameters_new_answer(const struct ul_parameters *request, struct ul_parameters **out)
{
    struct ul_parameters *answer;
    enum result result = ul_parameters_new(&answer);
    if (result != OK)
        return result;
    memcpy(answer->called, request->called, sizeof answer->called);
    memcpy(answer->calling, request->calling, sizeof answer->calling);
    memcpy(answer->reserved, request->reserved, sizeof answer->reserved);
    result = ul_parameters_set_application_context(answer, slice_of_text(UL_APPLICATION_CONTEXT));
    if (result != OK) {
        ul_parameters_free(answer);
        return result;
    }
    *out = answer;
    return OK;
}

void ul_parameters_free(struct ul_parameters *parameters)
{
    if (parameters == NULL)
        return;
    while (parameters->arena != NULL) {
        struct ul_arena_block *block = parameters->arena;
        parameters->arena = block->next;
        wipe(block->bytes, block->capacity);
        free(block);
    }
    wipe(parameters, sizeof *parameters);
    free(parameters);
}

enum result ul_parameters_set_application_context(struct ul_parameters *parameters, struct slice name)
{
    enum result result = arena_copy(parameters, name, &parameters->application_context);
    if (result == OK)
        parameters->has_application_context = true;
    return result;
}

enum result ul_parameters_set_implementation(struct ul_parameters *parameters, struct slice class_uid,
                                             struct slice version_name)
{
    enum result result = ul_parameters_set_implementation_class(parameters, class_uid);
    if (result != OK || version_name.length == 0)
        return result;
    return ul_parameters_set_implementation_version(parameters, version_name);
}

enum result ul_parameters_set_implementation_class(struct ul_parameters *parameters, struct slice uid)
{
    enum result result = arena_copy(parameters, uid, &parameters->implementation_class);
    if (result == OK)
        parameters->has_user_information = parameters->has_implementation_class = true;
    return result;
}

enum result ul_parameters_set_implementation_version(struct ul_parameters *parameters, struct slice name)
{
    enum result result = arena_copy(parameters, name, &parameters->implementation_version);
    if (result == OK)
        parameters->has_user_information = parameters->has_implementation_version = true;
    return result;
}

void ul_parameters_set_maximum_length(struct ul_parameters *parameters, uint32_t maximum_length)
{
    parameters->has_user_information = parameters->has_maximum_length = true;
    parameters->maximum_length = maximum_length;
}

void ul_parameters_set_asynchronous_window(struct ul_parameters *parameters, uint16_t invoked,
                                           uint16_t performed)
{
    parameters->has_user_information = parameters->has_asynchronous_window = true;
    parameters->operations_invoked = invoked;
    parameters->operations_performed = performed;
}

enum result ul_parameters_append_context(struct ul_parameters *parameters, uint8_t id, uint8_t context_result)
{
    if (ul_parameters_context_get(parameters, id) != NULL)
        return ERR_EXISTS;
    enum result result = arena_grow(parameters, &parameters->contexts, parameters->context_count,
                                    sizeof *parameters->contexts, UL_CONTEXT_LIMIT);
    if (result == OK)
        parameters->contexts[parameters->context_count++] =
            (struct ul_context){.id = id, .result = context_result};
    return result;
}

enum result ul_parameters_add_abstract_syntax(struct ul_parameters *parameters, struct slice uid)
{
    if (parameters->context_count == 0)
        return ERR_ARGUMENT;
    struct ul_context *context = &parameters->contexts[parameters->context_count - 1];
    if (context->abstract_count == UINT8_MAX)
        return ERR_LIMIT;
    if (context->abstract_count == 0) {
        enum result result = arena_copy(parameters, uid, &context->abstract);
        if (result != OK)
            return result;
    }
    context->abstract_count++;
    return OK;
}

enum result ul_parameters_add_context(struct ul_parameters *parameters, uint8_t id, uint8_t context_result,
                                      struct slice abstract)
{
    if (id % 2 == 0)
        return ERR_ARGUMENT;
    enum result result = ul_parameters_append_context(parameters, id, context_result);
    if (result != OK || abstract.length == 0)
        return result;
    return ul_parameters_add_abstract_syntax(parameters, abstract);
}

enum result ul_parameters_add_transfer_syntax(struct ul_parameters *parameters, struct slice uid)
{
    if (parameters->context_count == 0)
        return ERR_ARGUMENT;
    struct ul_context *context = &parameters->contexts[parameters->context_count - 1];
    enum result result = arena_grow(parameters, &context->transfer, context->transfer_count,
                                    sizeof *context->transfer, UL_TRANSFER_SYNTAX_LIMIT);
    if (result != OK)
        return result;
    result = arena_copy(parameters, uid, &context->transfer[context->transfer_count]);
    if (result == OK)
        context->transfer_count++;
    return result;
}

enum result ul_parameters_add_accepted(struct ul_parameters *parameters, uint8_t id, struct slice uid)
{
    enum result result = ul_parameters_add_context(parameters, id, UL_CONTEXT_ACCEPTED, slice_of(NULL, 0));
    return result == OK ? ul_parameters_add_transfer_syntax(parameters, uid) : result;
}

enum result ul_parameters_add_refused(struct ul_parameters *parameters, uint8_t id,
                                      enum ul_context_result context_result)
{
    enum result result =
        ul_parameters_add_context(parameters, id, (uint8_t)context_result, slice_of(NULL, 0));
    if (result != OK)
        return result;
    return ul_parameters_add_transfer_syntax(parameters, slice_of_text(IMPLICIT_LITTLE_ENDIAN));
}

enum result ul_parameters_append_role(struct ul_parameters *parameters, struct slice sop_class, uint8_t scu,
                                      uint8_t scp)
{
    enum result result = arena_grow(parameters, &parameters->roles, parameters->role_count,
                                    sizeof *parameters->roles, UL_SUB_ITEM_LIMIT);
    if (result != OK)
        return result;
    struct ul_role_selection *role = &parameters->roles[parameters->role_count];
    *role = (struct ul_role_selection){.scu = scu, .scp = scp};
    result = arena_copy(parameters, sop_class, &role->sop_class);
    if (result != OK)
        return result;
    parameters->role_count++;
    parameters->has_user_information = true;
    return OK;
}

enum result ul_parameters_add_role(struct ul_parameters *parameters, struct slice sop_class, bool scu,
                                   bool scp)
{
    return ul_parameters_append_role(parameters, sop_class, scu, scp);
}

enum result ul_parameters_add_extended(struct ul_parameters *parameters, struct slice sop_class,
                                       struct slice information)
{
    enum result result = arena_grow(parameters, &parameters->extended, parameters->extended_count,
                                    sizeof *parameters->extended, UL_SUB_ITEM_LIMIT);
    if (result != OK)
        return result;
    struct ul_extended *extended = &parameters->extended[parameters->extended_count];
    result = arena_copy(parameters, sop_class, &extended->sop_class);
    if (result == OK)
        result = arena_copy(parameters, information, &extended->information);
    if (result != OK)
        return result;
    parameters->extended_count++;
    parameters->has_user_information = true;
    return OK;
}

enum result ul_parameters_add_common_extended(struct ul_parameters *parameters, uint8_t version,
                                              struct slice sop_class, struct slice service_class)
{
    enum result result =
        arena_grow(parameters, &parameters->common_extended, parameters->common_extended_count,
                   sizeof *parameters->common_extended, UL_SUB_ITEM_LIMIT);
    if (result != OK)
        return result;
    struct ul_common_extended *common = &parameters->common_extended[parameters->common_extended_count];
    *common = (struct ul_common_extended){.version = version};
    result = arena_copy(parameters, sop_class, &common->sop_class);
    if (result == OK)
        result = arena_copy(parameters, service_class, &common->service_class);
    if (result != OK)
        return result;
    parameters->common_extended_count++;
    parameters->has_user_information = true;
    return OK;
}

enum result ul_parameters_add_related_class(struct ul_parameters *parameters, struct slice uid)
{
    if (parameters->common_extended_count == 0)
        return ERR_ARGUMENT;
    struct ul_common_extended *common = &parameters->common_extended[parameters->common_extended_count - 1];
    enum result result = arena_grow(parameters, &common->related, common->related_count,
                                    sizeof *common->related, UL_RELATED_CLASS_LIMIT);
    if (result != OK)
        return result;
    result = arena_copy(parameters, uid, &common->related[common->related_count]);
    if (result == OK)
        common->related_count++;
    return result;
}

enum result ul_parameters_set_identity(struct ul_parameters *parameters,
                                       const struct ul_user_identity *identity)
{
    struct ul_user_identity copy = *identity;
    enum result result = arena_copy(parameters, identity->primary, &copy.primary);
    if (result == OK)
        result = arena_copy(parameters, identity->secondary, &copy.secondary);
    if (result != OK)
        return result;
    parameters->identity = copy;
    parameters->has_user_information = parameters->has_user_identity = true;
    return OK;
}

enum result ul_parameters_set_identity_response(struct ul_parameters *parameters, struct slice response)
{
    enum result result = arena_copy(parameters, response, &parameters->identity_response);
    if (result == OK)
        parameters->has_user_information = parameters->has_identity_response = true;
    return result;
}

enum result ul_title_write(uint8_t *title, struct slice text)
{
    if (text.length > UL_TITLE_LENGTH)
        return ERR_ARGUMENT;
    memset(title, ' ', UL_TITLE_LENGTH);
    if (text.length > 0)
        memcpy(title, text.data, text.length);
    return OK;
}

struct slice ul_title_read(const uint8_t *title)
{
    return slice_trimmed(slice_of(title, UL_TITLE_LENGTH));
}

const struct ul_context *ul_parameters_context_get(const struct ul_parameters *parameters, uint8_t id)
{
    for (size_t i = 0; i < parameters->context_count; i++)
        if (parameters->contexts[i].id == id)
            return &parameters->contexts[i];
    return NULL;
}

bool ul_parameters_maximum_is_usable(const struct ul_parameters *parameters)
{
    return parameters->maximum_length == 0 || parameters->maximum_length >= UL_PDV_HEADER_LENGTH + 2;
}

bool ul_parameters_reject_find(const struct ul_parameters *request, struct ul_reject *reject,
                               enum ul_reason *reason)
{
    // PS3.8 9.3.1: only bit 0 is tested.
    if ((request->protocol_version & UL_PROTOCOL_VERSION) == 0) {
        *reject = (struct ul_reject){UL_REJECT_PERMANENT, UL_REJECT_BY_ACSE, UL_REJECT_ACSE_PROTOCOL_VERSION};
        *reason = UL_REASON_PROTOCOL_VERSION;
        return true;
    }
    if (!request->has_application_context ||
        !slice_is_text(request->application_context, UL_APPLICATION_CONTEXT)) {
        *reject =
            (struct ul_reject){UL_REJECT_PERMANENT, UL_REJECT_BY_USER, UL_REJECT_USER_APPLICATION_CONTEXT};
        *reason = UL_REASON_APPLICATION_CONTEXT;
        return true;
    }
    if (!ul_parameters_maximum_is_usable(request)) {
        *reject = (struct ul_reject){UL_REJECT_PERMANENT, UL_REJECT_BY_USER, UL_REJECT_USER_NO_REASON};
        *reason = UL_REASON_PEER_MAXIMUM;
        return true;
    }
    return false;
}

static bool is_proposed(const struct ul_context *context, struct slice uid)
{
    for (size_t i = 0; i < context->transfer_count; i++)
        if (slice_is_equal(context->transfer[i], uid))
            return true;
    return false;
}

bool ul_parameters_agreed(const struct ul_parameters *request, const struct ul_parameters *answer, uint8_t id,
                          struct slice *abstract, struct slice *transfer)
{
    const struct ul_context *proposed = ul_parameters_context_get(request, id);
    const struct ul_context *answered = ul_parameters_context_get(answer, id);
    if (proposed == NULL || answered == NULL || answered->result != UL_CONTEXT_ACCEPTED)
        return false;
    if (proposed->abstract_count != 1 || answered->transfer_count != 1 ||
        !is_proposed(proposed, answered->transfer[0]))
        return false;
    *abstract = proposed->abstract;
    *transfer = answered->transfer[0];
    return true;
}
