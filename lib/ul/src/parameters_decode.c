// SPDX-License-Identifier: Apache-2.0
//
// A-ASSOCIATE-RQ and -AC from bytes (PS3.8 9.3.2, 9.3.3, annex D; PS3.7 D.3.3). Reserved fields are not
// tested. An item that overruns what encloses it ends the association (PROTOCOL 36); an unknown one is
// skipped by its length.
#include <string.h>

#include "base/cursor.h"
#include "parameters_private.h"

struct decoding {
    struct ul_parameters *parameters;
    bool is_request;
    bool has_user_information_item;
    enum ul_reason reason; // the first fault found
    enum result result;    // ERR_FORMAT with a reason, or ERR_NOMEM
};

static void fault(struct decoding *d, enum ul_reason reason)
{
    if (d->result != OK)
        return;
    d->result = ERR_FORMAT;
    d->reason = reason;
}

// Turns what an add function said into the decoder's verdict.
static void note(struct decoding *d, enum result result)
{
    if (result == ERR_LIMIT)
        fault(d, UL_REASON_TOO_MANY_ITEMS);
    else if (result == ERR_EXISTS)
        fault(d, UL_REASON_CONTEXT_ID);
    else if (result != OK && d->result == OK)
        d->result = result;
}

struct item {
    uint8_t type;
    uint8_t second; // reserved, but the version in item 57H
    struct slice body;
};

// False at the end and on a fault.
static bool next_item(struct decoding *d, struct cursor *c, struct item *item)
{
    if (d->result != OK || (!c->failed && cursor_left(c) == 0))
        return false;
    item->type = cursor_u8(c);
    item->second = cursor_u8(c);
    item->body = cursor_take(c, cursor_u16be(c));
    if (c->failed)
        fault(d, UL_REASON_ITEM_LENGTH);
    return !c->failed;
}

static struct slice take_field(struct cursor *c)
{
    return cursor_take(c, cursor_u16be(c));
}

// PS3.8 tables 9-13, 9-14, 9-15 (RQ), 9-18, 9-19 (AC).
static void decode_context(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    uint8_t id = cursor_u8(&c);
    cursor_skip(&c, 1);
    uint8_t result = cursor_u8(&c);
    cursor_skip(&c, 1);
    if (c.failed) {
        fault(d, UL_REASON_ITEM_LENGTH);
        return;
    }
    if (d->is_request && id % 2 == 0) {
        fault(d, UL_REASON_CONTEXT_ID);
        return;
    }
    note(d, ul_parameters_append_context(d->parameters, id, d->is_request ? 0 : result));
    struct item item;
    while (next_item(d, &c, &item)) {
        struct slice uid = slice_trimmed(item.body);
        if (item.type == UL_ITEM_TRANSFER_SYNTAX)
            note(d, ul_parameters_add_transfer_syntax(d->parameters, uid));
        else if (item.type == UL_ITEM_ABSTRACT_SYNTAX && d->is_request)
            note(d, ul_parameters_add_abstract_syntax(d->parameters, uid));
        else
            d->parameters->skipped_items++;
    }
}

static void decode_role(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    struct slice uid = slice_trimmed(take_field(&c));
    uint8_t scu = cursor_u8(&c);
    uint8_t scp = cursor_u8(&c);
    if (c.failed)
        fault(d, UL_REASON_ITEM_LENGTH);
    else
        note(d, ul_parameters_append_role(d->parameters, uid, scu, scp));
}

static void decode_extended(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    struct slice uid = slice_trimmed(take_field(&c));
    if (c.failed) {
        fault(d, UL_REASON_ITEM_LENGTH);
        return;
    }
    note(d, ul_parameters_add_extended(d->parameters, uid, cursor_take(&c, cursor_left(&c))));
}

// PS3.7 tables D.3-12 and D.3-13.
static void decode_common_extended(struct decoding *d, uint8_t version, struct slice body)
{
    struct cursor c = cursor_of(body);
    struct slice sop_class = slice_trimmed(take_field(&c));
    struct slice service_class = slice_trimmed(take_field(&c));
    struct slice related = take_field(&c);
    if (c.failed) {
        fault(d, UL_REASON_ITEM_LENGTH);
        return;
    }
    note(d, ul_parameters_add_common_extended(d->parameters, version, sop_class, service_class));
    struct cursor inner = cursor_of(related);
    while (d->result == OK && cursor_left(&inner) > 0) {
        struct slice uid = slice_trimmed(take_field(&inner));
        if (inner.failed)
            fault(d, UL_REASON_ITEM_LENGTH);
        else
            note(d, ul_parameters_add_related_class(d->parameters, uid));
    }
}

static void decode_identity(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    struct ul_user_identity identity = {0};
    identity.type = cursor_u8(&c);
    identity.response_requested = cursor_u8(&c) != 0;
    identity.primary = take_field(&c);
    identity.secondary = take_field(&c);
    if (c.failed)
        fault(d, UL_REASON_ITEM_LENGTH);
    else
        note(d, ul_parameters_set_identity(d->parameters, &identity));
}

static void decode_identity_response(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    struct slice response = take_field(&c);
    if (c.failed)
        fault(d, UL_REASON_ITEM_LENGTH);
    else
        note(d, ul_parameters_set_identity_response(d->parameters, response));
}

static void decode_maximum_length(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    uint32_t value = cursor_u32be(&c);
    if (c.failed)
        fault(d, UL_REASON_ITEM_LENGTH);
    else
        ul_parameters_set_maximum_length(d->parameters, value);
}

static void decode_window(struct decoding *d, struct slice body)
{
    struct cursor c = cursor_of(body);
    uint16_t invoked = cursor_u16be(&c);
    uint16_t performed = cursor_u16be(&c);
    if (c.failed)
        fault(d, UL_REASON_ITEM_LENGTH);
    else
        ul_parameters_set_asynchronous_window(d->parameters, invoked, performed);
}

// Sub-items that may come once. False: not one of them, not of this PDU, or a repetition.
static bool decode_single(struct decoding *d, const struct item *item)
{
    struct ul_parameters *p = d->parameters;
    if (item->type == UL_ITEM_MAXIMUM_LENGTH && !p->has_maximum_length)
        decode_maximum_length(d, item->body);
    else if (item->type == UL_ITEM_IMPLEMENTATION_CLASS && !p->has_implementation_class)
        note(d, ul_parameters_set_implementation_class(p, slice_trimmed(item->body)));
    else if (item->type == UL_ITEM_IMPLEMENTATION_VERSION && !p->has_implementation_version)
        note(d, ul_parameters_set_implementation_version(p, slice_trimmed(item->body)));
    else if (item->type == UL_ITEM_ASYNCHRONOUS_WINDOW && !p->has_asynchronous_window)
        decode_window(d, item->body);
    else if (item->type == UL_ITEM_USER_IDENTITY_RQ && d->is_request && !p->has_user_identity)
        decode_identity(d, item->body);
    else if (item->type == UL_ITEM_USER_IDENTITY_AC && !d->is_request && !p->has_identity_response)
        decode_identity_response(d, item->body);
    else
        return false;
    return true;
}

static void decode_user_information(struct decoding *d, struct slice body)
{
    d->parameters->has_user_information = true;
    struct cursor c = cursor_of(body);
    struct item item;
    while (next_item(d, &c, &item)) {
        if (item.type == UL_ITEM_ROLE_SELECTION)
            decode_role(d, item.body);
        else if (item.type == UL_ITEM_EXTENDED)
            decode_extended(d, item.body);
        else if (item.type == UL_ITEM_COMMON_EXTENDED && d->is_request)
            decode_common_extended(d, item.second, item.body);
        else if (!decode_single(d, &item))
            d->parameters->skipped_items++;
    }
}

static void decode_items(struct decoding *d, struct cursor *c)
{
    const uint8_t context_type = d->is_request ? UL_ITEM_CONTEXT_RQ : UL_ITEM_CONTEXT_AC;
    struct item item;
    while (next_item(d, c, &item)) {
        if (item.type == context_type) {
            decode_context(d, item.body);
        } else if (item.type == UL_ITEM_APPLICATION_CONTEXT) {
            if (d->parameters->has_application_context)
                fault(d, UL_REASON_ITEM_REPEATED);
            else
                note(d, ul_parameters_set_application_context(d->parameters, slice_trimmed(item.body)));
        } else if (item.type == UL_ITEM_USER_INFORMATION) {
            if (d->has_user_information_item)
                fault(d, UL_REASON_ITEM_REPEATED);
            d->has_user_information_item = true;
            decode_user_information(d, item.body);
        } else {
            d->parameters->skipped_items++;
        }
    }
}

enum result ul_parameters_decode(enum ul_pdu_type type, struct slice body, struct ul_parameters **out,
                                 enum ul_reason *reason)
{
    struct decoding d = {.is_request = type == UL_PDU_ASSOCIATE_RQ, .result = OK};
    enum result result = ul_parameters_new(&d.parameters);
    if (result != OK)
        return result;
    // PS3.8 table 9-11: version, reserved, called, calling, 32 reserved bytes.
    struct cursor c = cursor_of(body);
    d.parameters->protocol_version = cursor_u16be(&c);
    cursor_skip(&c, 2);
    struct slice titles = cursor_take(&c, 2 * UL_TITLE_LENGTH + sizeof d.parameters->reserved);
    if (c.failed) {
        fault(&d, UL_REASON_PDU_LENGTH);
    } else {
        memcpy(d.parameters->called, titles.data, UL_TITLE_LENGTH);
        memcpy(d.parameters->calling, titles.data + UL_TITLE_LENGTH, UL_TITLE_LENGTH);
        memcpy(d.parameters->reserved, titles.data + 2 * UL_TITLE_LENGTH, sizeof d.parameters->reserved);
        decode_items(&d, &c);
    }
    if (d.result != OK) {
        if (d.result == ERR_FORMAT)
            *reason = d.reason;
        ul_parameters_free(d.parameters);
        return d.result;
    }
    *out = d.parameters;
    return OK;
}
