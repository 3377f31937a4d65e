// SPDX-License-Identifier: Apache-2.0
//
// Command sets from and to bytes: Implicit VR Little Endian (PS3.7 6.3.1, PS3.5 7.1.3), tag order, group
// length first.
#include "dimse/command.h"

#include "base/check.h"
#include "base/cursor.h"
#include "elements.h"

enum { ELEMENT_HEADER = 8, GROUP_LENGTH_ELEMENT = 12, GROUP_LENGTH_TAG = 0x00000000 };

static const struct {
    uint16_t field;
    const char *name;
} NAMES[] = {
    {DIMSE_C_STORE_RQ, "C-STORE-RQ"},
    {DIMSE_C_STORE_RSP, "C-STORE-RSP"},
    {DIMSE_C_GET_RQ, "C-GET-RQ"},
    {DIMSE_C_GET_RSP, "C-GET-RSP"},
    {DIMSE_C_FIND_RQ, "C-FIND-RQ"},
    {DIMSE_C_FIND_RSP, "C-FIND-RSP"},
    {DIMSE_C_MOVE_RQ, "C-MOVE-RQ"},
    {DIMSE_C_MOVE_RSP, "C-MOVE-RSP"},
    {DIMSE_C_ECHO_RQ, "C-ECHO-RQ"},
    {DIMSE_C_ECHO_RSP, "C-ECHO-RSP"},
    {DIMSE_N_EVENT_REPORT_RQ, "N-EVENT-REPORT-RQ"},
    {DIMSE_N_EVENT_REPORT_RSP, "N-EVENT-REPORT-RSP"},
    {DIMSE_N_GET_RQ, "N-GET-RQ"},
    {DIMSE_N_GET_RSP, "N-GET-RSP"},
    {DIMSE_N_SET_RQ, "N-SET-RQ"},
    {DIMSE_N_SET_RSP, "N-SET-RSP"},
    {DIMSE_N_ACTION_RQ, "N-ACTION-RQ"},
    {DIMSE_N_ACTION_RSP, "N-ACTION-RSP"},
    {DIMSE_N_CREATE_RQ, "N-CREATE-RQ"},
    {DIMSE_N_CREATE_RSP, "N-CREATE-RSP"},
    {DIMSE_N_DELETE_RQ, "N-DELETE-RQ"},
    {DIMSE_N_DELETE_RSP, "N-DELETE-RSP"},
    {DIMSE_C_CANCEL_RQ, "C-CANCEL-RQ"},
};

const char *dimse_command_name(uint16_t command_field)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (NAMES[i].field == command_field)
            return NAMES[i].name;
    return "unknown";
}

// ---- decode ----

// Kept in tag order by insertion; there are few.
static enum result keep_unknown(struct dimse_command *command, uint32_t tag, struct slice value)
{
    size_t at = command->unknown_count;
    while (at > 0 && command->unknown[at - 1].tag > tag)
        at--;
    if (at > 0 && command->unknown[at - 1].tag == tag) {
        command->findings |= DIMSE_FINDING_REPEATED;
        return OK;
    }
    if (command->unknown_count == DIMSE_UNKNOWN_LIMIT)
        return ERR_LIMIT;
    for (size_t i = command->unknown_count; i > at; i--)
        command->unknown[i] = command->unknown[i - 1];
    command->unknown[at] = (struct dimse_unknown){tag, value};
    command->unknown_count++;
    command->findings |= DIMSE_FINDING_UNKNOWN;
    return OK;
}

static bool fits(enum dimse_value_kind kind, size_t length)
{
    if (kind == DIMSE_VALUE_US)
        return length == 2;
    return kind != DIMSE_VALUE_AT || length % 4 == 0;
}

static enum result take_element(struct dimse_command *command, uint32_t tag, struct slice value)
{
    enum dimse_element element = dimse_element_find(tag);
    if (element == DIMSE_ELEMENT_COUNT)
        return keep_unknown(command, tag, value);
    if (dimse_command_has(command, element)) {
        command->findings |= DIMSE_FINDING_REPEATED;
        return OK;
    }
    const struct dimse_element_row *row = dimse_element_row(element);
    if (!fits(row->kind, value.length)) {
        command->findings |= DIMSE_FINDING_VALUE_LENGTH;
        return keep_unknown(command, tag, value);
    }
    if (value.length % 2 != 0 ||
        (row->kind == DIMSE_VALUE_UI && value.length > 0 && value.data[value.length - 1] == ' '))
        command->findings |= DIMSE_FINDING_PADDING;
    if (row->kind == DIMSE_VALUE_US)
        dimse_command_set_number(command, element, (uint16_t)(value.data[0] | value.data[1] << 8));
    else if (row->kind == DIMSE_VALUE_AT)
        dimse_command_set_text(command, element, value);
    else
        dimse_command_set_text(command, element, slice_trimmed(value));
    return OK;
}

// (0000,0000) counts the bytes of its group that follow it.
static bool group_length_is_right(struct slice value, size_t group_left)
{
    struct cursor c = cursor_of(value);
    return value.length == 4 && cursor_u32le(&c) == group_left;
}

static size_t group_zero_left(struct cursor c)
{
    size_t length = 0;
    while (cursor_left(&c) >= ELEMENT_HEADER) {
        uint16_t group = cursor_u16le(&c);
        cursor_skip(&c, 2);
        uint32_t value = cursor_u32le(&c);
        cursor_skip(&c, value);
        if (group != 0 || c.failed)
            break;
        length += ELEMENT_HEADER + (size_t)value;
    }
    return length;
}

enum result dimse_command_decode(struct slice bytes, struct dimse_command *command)
{
    struct dimse_command decoded = {0};
    struct cursor c = cursor_of(bytes);
    bool has_group_length = false;
    bool is_first = true;
    uint32_t last_tag = 0;
    while (cursor_left(&c) > 0) {
        uint32_t group = cursor_u16le(&c);
        uint32_t tag = group << 16 | cursor_u16le(&c);
        struct slice value = cursor_take(&c, cursor_u32le(&c));
        if (c.failed)
            return ERR_FORMAT;
        if (!is_first && tag < last_tag)
            decoded.findings |= DIMSE_FINDING_ORDER;
        enum result result = OK;
        if (tag == GROUP_LENGTH_TAG)
            has_group_length = is_first && group_length_is_right(value, group_zero_left(c));
        else
            result = take_element(&decoded, tag, value);
        if (result != OK)
            return result;
        last_tag = tag;
        is_first = false;
    }
    if (!has_group_length)
        decoded.findings |= DIMSE_FINDING_GROUP_LENGTH;
    *command = decoded;
    return OK;
}

// ---- encode ----

static void put_header(struct writer *w, uint32_t tag, size_t length)
{
    if (length >= UINT32_MAX) {
        w->failed = true;
        return;
    }
    writer_u16le(w, (uint16_t)(tag >> 16));
    writer_u16le(w, (uint16_t)tag);
    writer_u32le(w, (uint32_t)length);
}

static void put_value(struct writer *w, uint32_t tag, struct slice value, uint8_t padding)
{
    const size_t odd = value.length % 2;
    put_header(w, tag, value.length + odd);
    writer_slice_put(w, value);
    writer_fill(w, padding, odd);
}

// As it came, odd length included: padding could turn a malformed number into another one.
static void put_unknown(struct writer *w, const struct dimse_unknown *unknown)
{
    put_header(w, unknown->tag, unknown->value.length);
    writer_slice_put(w, unknown->value);
}

static void put_element(struct writer *w, const struct dimse_command *command,
                        const struct dimse_element_row *row)
{
    const uint8_t *field = (const uint8_t *)command + row->offset;
    if (row->kind == DIMSE_VALUE_US) {
        uint16_t number;
        memcpy(&number, field, sizeof number);
        const uint8_t bytes[2] = {(uint8_t)number, (uint8_t)(number >> 8)};
        put_value(w, row->tag, slice_of(bytes, sizeof bytes), 0);
        return;
    }
    struct slice value;
    memcpy(&value, field, sizeof value);
    put_value(w, row->tag, value, row->kind == DIMSE_VALUE_TEXT ? ' ' : 0);
}

enum result dimse_command_encode(const struct dimse_command *command, uint8_t *buffer, size_t capacity,
                                 size_t *length)
{
    struct writer w = writer_of(buffer, capacity);
    const uint8_t group_length[4] = {0};
    put_value(&w, GROUP_LENGTH_TAG, slice_of(group_length, sizeof group_length), 0);
    size_t group_end = w.length;
    unsigned element = 0;
    size_t unknown = 0;
    // Two ascending runs: known fields and unknown elements.
    while (element < DIMSE_ELEMENT_COUNT || unknown < command->unknown_count) {
        if (element < DIMSE_ELEMENT_COUNT && !dimse_command_has(command, (enum dimse_element)element)) {
            element++;
            continue;
        }
        const struct dimse_element_row *row =
            element < DIMSE_ELEMENT_COUNT ? dimse_element_row((enum dimse_element)element) : NULL;
        const struct dimse_unknown *other =
            unknown < command->unknown_count ? &command->unknown[unknown] : NULL;
        if (other == NULL || (row != NULL && row->tag < other->tag)) {
            put_element(&w, command, row);
            element++;
        } else {
            if (row == NULL || row->tag != other->tag) // a known field wins over a malformed twin
                put_unknown(&w, other);
            unknown++;
        }
        if (row != NULL || other->tag >> 16 == 0)
            group_end = w.length;
    }
    if (w.failed)
        return ERR_SPACE;
    struct writer patch = writer_of(buffer + ELEMENT_HEADER, sizeof group_length);
    writer_u32le(&patch, (uint32_t)(group_end - GROUP_LENGTH_ELEMENT));
    *length = w.length;
    return OK;
}

// ---- AT ----

void dimse_tag_write(uint8_t *out, uint32_t tag)
{
    struct writer w = writer_of(out, 4);
    writer_u16le(&w, (uint16_t)(tag >> 16));
    writer_u16le(&w, (uint16_t)tag);
}
