// SPDX-License-Identifier: Apache-2.0
//
// A-ASSOCIATE-RQ and -AC to bytes, items in the order in which PS3.8 9.3.2, 9.3.3 and annex D list them.
#include <stdlib.h>

#include "base/cursor.h"
#include "base/wipe.h"
#include "parameters_private.h"

enum { FIRST_SIZE = 8 * 1024, LAST_SIZE = 16 * 1024 * 1024 };

struct encoding {
    struct writer w;
    bool is_too_long; // an item passes what its 16-bit length can say
};

static size_t begin_item(struct encoding *e, uint8_t type, uint8_t second)
{
    writer_u8(&e->w, type);
    writer_u8(&e->w, second);
    writer_u16be(&e->w, 0);
    return e->w.length;
}

static void end_item(struct encoding *e, size_t start)
{
    if (e->w.failed)
        return;
    size_t length = e->w.length - start;
    if (length > UINT16_MAX)
        e->is_too_long = true;
    else
        writer_patch_u16be(&e->w, start - 2, (uint16_t)length);
}

static void put_item(struct encoding *e, uint8_t type, struct slice body)
{
    size_t start = begin_item(e, type, 0);
    writer_slice_put(&e->w, body);
    end_item(e, start);
}

static void put_field(struct encoding *e, struct slice field)
{
    if (field.length > UINT16_MAX)
        e->is_too_long = true;
    writer_u16be(&e->w, (uint16_t)field.length);
    writer_slice_put(&e->w, field);
}

static void put_context(struct encoding *e, bool is_request, const struct ul_context *context)
{
    size_t start = begin_item(e, is_request ? UL_ITEM_CONTEXT_RQ : UL_ITEM_CONTEXT_AC, 0);
    writer_u8(&e->w, context->id);
    writer_u8(&e->w, 0);
    writer_u8(&e->w, is_request ? 0 : context->result);
    writer_u8(&e->w, 0);
    if (is_request && context->abstract_count > 0)
        put_item(e, UL_ITEM_ABSTRACT_SYNTAX, context->abstract);
    for (size_t i = 0; i < context->transfer_count; i++)
        put_item(e, UL_ITEM_TRANSFER_SYNTAX, context->transfer[i]);
    end_item(e, start);
}

static void put_role(struct encoding *e, const struct ul_role_selection *role)
{
    size_t start = begin_item(e, UL_ITEM_ROLE_SELECTION, 0);
    put_field(e, role->sop_class);
    writer_u8(&e->w, role->scu);
    writer_u8(&e->w, role->scp);
    end_item(e, start);
}

static void put_extended(struct encoding *e, const struct ul_extended *extended)
{
    size_t start = begin_item(e, UL_ITEM_EXTENDED, 0);
    put_field(e, extended->sop_class);
    writer_slice_put(&e->w, extended->information);
    end_item(e, start);
}

static void put_common_extended(struct encoding *e, const struct ul_common_extended *common)
{
    size_t start = begin_item(e, UL_ITEM_COMMON_EXTENDED, common->version);
    put_field(e, common->sop_class);
    put_field(e, common->service_class);
    size_t list = e->w.length + 2;
    writer_u16be(&e->w, 0);
    for (size_t i = 0; i < common->related_count; i++)
        put_field(e, common->related[i]);
    end_item(e, list); // the list has a 16-bit length before it, as an item has
    end_item(e, start);
}

static void put_identity(struct encoding *e, const struct ul_user_identity *identity)
{
    size_t start = begin_item(e, UL_ITEM_USER_IDENTITY_RQ, 0);
    writer_u8(&e->w, identity->type);
    writer_u8(&e->w, identity->response_requested ? 1 : 0);
    put_field(e, identity->primary);
    put_field(e, identity->secondary);
    end_item(e, start);
}

static void put_identity_response(struct encoding *e, struct slice response)
{
    size_t start = begin_item(e, UL_ITEM_USER_IDENTITY_AC, 0);
    put_field(e, response);
    end_item(e, start);
}

static void put_fixed_sub_items(struct encoding *e, const struct ul_parameters *p)
{
    if (p->has_maximum_length) {
        size_t start = begin_item(e, UL_ITEM_MAXIMUM_LENGTH, 0);
        writer_u32be(&e->w, p->maximum_length);
        end_item(e, start);
    }
    if (p->has_implementation_class)
        put_item(e, UL_ITEM_IMPLEMENTATION_CLASS, p->implementation_class);
    if (p->has_asynchronous_window) {
        size_t start = begin_item(e, UL_ITEM_ASYNCHRONOUS_WINDOW, 0);
        writer_u16be(&e->w, p->operations_invoked);
        writer_u16be(&e->w, p->operations_performed);
        end_item(e, start);
    }
}

static void put_user_information(struct encoding *e, bool is_request, const struct ul_parameters *p)
{
    size_t start = begin_item(e, UL_ITEM_USER_INFORMATION, 0);
    put_fixed_sub_items(e, p);
    for (size_t i = 0; i < p->role_count; i++)
        put_role(e, &p->roles[i]);
    if (p->has_implementation_version)
        put_item(e, UL_ITEM_IMPLEMENTATION_VERSION, p->implementation_version);
    for (size_t i = 0; i < p->extended_count; i++)
        put_extended(e, &p->extended[i]);
    for (size_t i = 0; is_request && i < p->common_extended_count; i++)
        put_common_extended(e, &p->common_extended[i]);
    if (is_request && p->has_user_identity)
        put_identity(e, &p->identity);
    if (!is_request && p->has_identity_response)
        put_identity_response(e, p->identity_response);
    end_item(e, start);
}

static void put_pdu(struct encoding *e, enum ul_pdu_type type, const struct ul_parameters *p)
{
    const bool is_request = type == UL_PDU_ASSOCIATE_RQ;
    writer_u8(&e->w, (uint8_t)type);
    writer_u8(&e->w, 0);
    writer_u32be(&e->w, 0);
    writer_u16be(&e->w, p->protocol_version);
    writer_u16be(&e->w, 0);
    writer_put(&e->w, p->called, sizeof p->called);
    writer_put(&e->w, p->calling, sizeof p->calling);
    writer_put(&e->w, p->reserved, sizeof p->reserved);
    if (p->has_application_context)
        put_item(e, UL_ITEM_APPLICATION_CONTEXT, p->application_context);
    for (size_t i = 0; i < p->context_count; i++)
        put_context(e, is_request, &p->contexts[i]);
    if (p->has_user_information)
        put_user_information(e, is_request, p);
    writer_patch_u32be(&e->w, 2, (uint32_t)(e->w.length - UL_PDU_HEADER_LENGTH));
}

enum result ul_parameters_encode(enum ul_pdu_type type, const struct ul_parameters *parameters,
                                 struct byte_queue *queue)
{
    enum result result = ERR_LIMIT;
    for (size_t size = FIRST_SIZE; size <= LAST_SIZE; size *= 4) {
        uint8_t *buffer = malloc(size);
        if (buffer == NULL)
            return ERR_NOMEM;
        struct encoding e = {.w = writer_of(buffer, size)};
        put_pdu(&e, type, parameters);
        const bool is_done = e.is_too_long || !e.w.failed;
        if (is_done && !e.is_too_long)
            result = byte_queue_append(queue, writer_slice(&e.w));
        wipe(buffer, e.w.length); // it may hold a passcode
        free(buffer);
        if (is_done)
            return result;
    }
    return result;
}
