// SPDX-License-Identifier: Apache-2.0
//
// What stands in the values before they are sealed: CBOR maps, whose keys CROSSWALK.md lists. Thread: any.
#include "base/check.h"
#include "base/text.h"
#include "cbor/writer.h"
#include "crosswalk_internal.h"

enum row_field {
    ROW_FROM = 1,
    ROW_SOURCE = 2,
    ROW_TARGET = 3,
    ROW_NAME = 4,
    ROW_BIRTH_DATE = 5,
    ROW_SEX = 6,
    ROW_PREFERRED = 7,
    ROW_EFFECTIVE = 8,
    ROW_TO = 9,
};

enum merge_field { MERGE_ID = 1, MERGE_INTO = 2, MERGE_EFFECTIVE = 3, MERGE_UNTIL = 4 };
enum pin_field { PIN_FROM = 1, PIN_SOURCE = 2, PIN_TO = 3, PIN_TARGET = 4, PIN_WHEN = 5 };
enum move_field { MOVE_ID = 1, MOVE_EFFECTIVE = 2, MOVE_FORMER = 3 };
enum act_field {
    ACT_KIND = 1,
    ACT_WHEN = 2,
    ACT_EFFECTIVE = 3,
    ACT_GENERATION = 4,
    ACT_PERSON = 5,
    ACT_REASON = 6,
    ACT_DOMAIN = 7,
    ACT_ID = 8,
    ACT_INTO = 9,
    ACT_STUDY = 10,
    ACT_ROWS = 11,
    ACT_DIGEST = 12,
};

// ---- what nothing is said of is left out

static void number_put(struct cbor_writer *writer, int64_t field, uint64_t number)
{
    if (number != 0)
        cbor_put_uint(writer, field, number);
}

static void text_put(struct cbor_writer *writer, int64_t field, const char *text)
{
    if (text[0] != 0)
        cbor_put_text(writer, field, slice_of_text(text));
}

static void text_take(struct cbor_reader *reader, char *to, size_t capacity)
{
    (void)text_copy(to, capacity, cbor_take_text(reader, capacity - 1));
}

static void id_take(struct cbor_reader *reader, struct crosswalk_id *id)
{
    struct slice text = cbor_take_text(reader, CROSSWALK_ID_BYTES);
    (void)text_copy(id->text, sizeof id->text, text);
    id->length = text.length;
}

static void begin(struct cbor_writer *writer, uint8_t *memory)
{
    cbor_writer_init(writer, memory, PLAIN_MAX);
    cbor_add_map(writer);
}

static struct slice end(struct cbor_writer *writer)
{
    cbor_end(writer);
    ensure(cbor_writer_result(writer) == OK);
    return cbor_writer_slice(writer);
}

// ---- rows

struct slice row_encode(const struct crosswalk_row *row, uint8_t *memory)
{
    struct cbor_writer writer;
    begin(&writer, memory);
    cbor_put_uint(&writer, ROW_FROM, row->from);
    text_put(&writer, ROW_SOURCE, row->source.text);
    text_put(&writer, ROW_TARGET, row->target.text);
    text_put(&writer, ROW_NAME, row->name);
    text_put(&writer, ROW_BIRTH_DATE, row->birth_date);
    text_put(&writer, ROW_SEX, row->sex);
    if (row->is_preferred)
        cbor_put_bool(&writer, ROW_PREFERRED, true);
    number_put(&writer, ROW_EFFECTIVE, row->effective);
    cbor_put_uint(&writer, ROW_TO, row->to);
    return end(&writer);
}

static void row_take(struct cbor_reader *reader, int64_t field, struct crosswalk_row *row)
{
    if (field == ROW_FROM)
        row->from = (uint16_t)cbor_take_uint(reader, UINT16_MAX);
    else if (field == ROW_SOURCE)
        id_take(reader, &row->source);
    else if (field == ROW_TARGET)
        id_take(reader, &row->target);
    else if (field == ROW_NAME)
        text_take(reader, row->name, sizeof row->name);
    else if (field == ROW_BIRTH_DATE)
        text_take(reader, row->birth_date, sizeof row->birth_date);
    else if (field == ROW_SEX)
        text_take(reader, row->sex, sizeof row->sex);
    else if (field == ROW_PREFERRED)
        row->is_preferred = cbor_take_bool(reader);
    else if (field == ROW_EFFECTIVE)
        row->effective = cbor_take_uint(reader, UINT64_MAX);
    else if (field == ROW_TO)
        row->to = (uint16_t)cbor_take_uint(reader, UINT16_MAX);
}

enum result row_decode(struct slice plain, struct crosswalk_row *row)
{
    struct cbor_reader reader;
    int64_t field;
    *row = (struct crosswalk_row){.from = 0};
    cbor_reader_init(&reader, plain);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field))
        row_take(&reader, field, row);
    return cbor_reader_result(&reader);
}

// ---- merges

struct slice merge_encode(const struct merge *merge, uint8_t *memory)
{
    struct cbor_writer writer;
    begin(&writer, memory);
    text_put(&writer, MERGE_ID, merge->id.text);
    text_put(&writer, MERGE_INTO, merge->into.text);
    number_put(&writer, MERGE_EFFECTIVE, merge->effective);
    number_put(&writer, MERGE_UNTIL, merge->until);
    return end(&writer);
}

enum result merge_decode(struct slice plain, struct merge *merge)
{
    struct cbor_reader reader;
    int64_t field;
    *merge = (struct merge){.effective = 0};
    cbor_reader_init(&reader, plain);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == MERGE_ID)
            id_take(&reader, &merge->id);
        else if (field == MERGE_INTO)
            id_take(&reader, &merge->into);
        else if (field == MERGE_EFFECTIVE)
            merge->effective = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == MERGE_UNTIL)
            merge->until = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

// ---- pins and moves of studies

struct slice pin_encode(const struct pin *pin, uint8_t *memory)
{
    struct cbor_writer writer;
    begin(&writer, memory);
    cbor_put_uint(&writer, PIN_FROM, pin->from);
    text_put(&writer, PIN_SOURCE, pin->source.text);
    cbor_put_uint(&writer, PIN_TO, pin->to);
    text_put(&writer, PIN_TARGET, pin->target.text);
    number_put(&writer, PIN_WHEN, pin->when);
    return end(&writer);
}

enum result pin_decode(struct slice plain, struct pin *pin)
{
    struct cbor_reader reader;
    int64_t field;
    *pin = (struct pin){.from = 0};
    cbor_reader_init(&reader, plain);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == PIN_FROM)
            pin->from = (uint16_t)cbor_take_uint(&reader, UINT16_MAX);
        else if (field == PIN_SOURCE)
            id_take(&reader, &pin->source);
        else if (field == PIN_TO)
            pin->to = (uint16_t)cbor_take_uint(&reader, UINT16_MAX);
        else if (field == PIN_TARGET)
            id_take(&reader, &pin->target);
        else if (field == PIN_WHEN)
            pin->when = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

struct slice move_encode(const struct move *move, uint8_t *memory)
{
    struct cbor_writer writer;
    begin(&writer, memory);
    text_put(&writer, MOVE_ID, move->id.text);
    number_put(&writer, MOVE_EFFECTIVE, move->effective);
    text_put(&writer, MOVE_FORMER, move->former.text);
    return end(&writer);
}

enum result move_decode(struct slice plain, struct move *move)
{
    struct cbor_reader reader;
    int64_t field;
    *move = (struct move){.effective = 0};
    cbor_reader_init(&reader, plain);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == MOVE_ID)
            id_take(&reader, &move->id);
        else if (field == MOVE_EFFECTIVE)
            move->effective = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == MOVE_FORMER)
            id_take(&reader, &move->former);
    }
    return cbor_reader_result(&reader);
}

// ---- acts

struct slice act_encode(const struct crosswalk_act *act, uint8_t *memory)
{
    static const uint8_t zeros[sizeof act->digest];
    struct cbor_writer writer;
    begin(&writer, memory);
    cbor_put_uint(&writer, ACT_KIND, act->kind);
    cbor_put_uint(&writer, ACT_WHEN, act->when);
    number_put(&writer, ACT_EFFECTIVE, act->effective);
    cbor_put_uint(&writer, ACT_GENERATION, act->generation);
    text_put(&writer, ACT_PERSON, act->person);
    text_put(&writer, ACT_REASON, act->reason);
    text_put(&writer, ACT_DOMAIN, act->domain);
    text_put(&writer, ACT_ID, act->id.text);
    text_put(&writer, ACT_INTO, act->into.text);
    text_put(&writer, ACT_STUDY, act->study);
    number_put(&writer, ACT_ROWS, act->rows);
    if (memcmp(act->digest, zeros, sizeof zeros) != 0)
        cbor_put_bytes(&writer, ACT_DIGEST, slice_of(act->digest, sizeof act->digest));
    return end(&writer);
}

static void act_take(struct cbor_reader *reader, int64_t field, struct crosswalk_act *act)
{
    if (field == ACT_KIND)
        act->kind = (enum crosswalk_act_kind)cbor_take_uint(reader, UINT8_MAX);
    else if (field == ACT_WHEN)
        act->when = cbor_take_uint(reader, UINT64_MAX);
    else if (field == ACT_EFFECTIVE)
        act->effective = cbor_take_uint(reader, UINT64_MAX);
    else if (field == ACT_GENERATION)
        act->generation = cbor_take_uint(reader, UINT64_MAX);
    else if (field == ACT_PERSON)
        text_take(reader, act->person, sizeof act->person);
    else if (field == ACT_REASON)
        text_take(reader, act->reason, sizeof act->reason);
    else if (field == ACT_DOMAIN)
        text_take(reader, act->domain, sizeof act->domain);
    else if (field == ACT_ID)
        id_take(reader, &act->id);
    else if (field == ACT_INTO)
        id_take(reader, &act->into);
    else if (field == ACT_STUDY)
        text_take(reader, act->study, sizeof act->study);
    else if (field == ACT_ROWS)
        act->rows = cbor_take_uint(reader, UINT64_MAX);
    else if (field == ACT_DIGEST)
        cbor_take_exact(reader, act->digest, sizeof act->digest);
}

enum result act_decode(struct slice plain, struct crosswalk_act *act)
{
    struct cbor_reader reader;
    int64_t field;
    *act = (struct crosswalk_act){.number = 0};
    cbor_reader_init(&reader, plain);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field))
        act_take(&reader, field, act);
    return cbor_reader_result(&reader);
}
