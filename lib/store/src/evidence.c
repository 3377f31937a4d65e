// SPDX-License-Identifier: Apache-2.0
//
// Evidence as a CBOR map; LEDGER.md lists the keys for readers without this program. Pure; thread: any.
#include "store/evidence.h"
#include "base/check.h"
#include "base/wipe.h"
#include "cbor/reader.h"
#include "cbor/writer.h"
#include <stdlib.h>

// Stored numbers: never change or use again.
enum evidence_key { KEY_EDITS = 1, KEY_UNDO = 2 };

enum edit_key {
    EDIT_PACK = 1,
    EDIT_VERSION = 2,
    EDIT_RULE = 3,
    EDIT_PATH = 4,
    EDIT_VR = 5,
    EDIT_WAS_PRESENT = 6,
    EDIT_IS_REMOVED = 7,
    EDIT_BEFORE = 8,
    EDIT_AFTER = 9,
};

// More than the keys, heads and flags of one edit, or of the map around them, take.
#define OVERHEAD 80

// ---- writing

static void put_text(struct cbor_writer *writer, int64_t key, struct slice text)
{
    if (text.length > 0)
        cbor_put_text(writer, key, text);
}

static void put_flag(struct cbor_writer *writer, int64_t key, bool flag)
{
    if (flag)
        cbor_put_bool(writer, key, true);
}

static void edit_write(struct cbor_writer *writer, const struct evidence_edit *edit)
{
    cbor_add_map(writer);
    put_text(writer, EDIT_PACK, edit->pack);
    put_text(writer, EDIT_VERSION, edit->version);
    put_text(writer, EDIT_RULE, edit->rule);
    put_text(writer, EDIT_PATH, edit->path);
    if (edit->vr[0] != 0)
        cbor_put_text(writer, EDIT_VR, slice_of(edit->vr, sizeof edit->vr));
    put_flag(writer, EDIT_WAS_PRESENT, edit->was_present);
    put_flag(writer, EDIT_IS_REMOVED, edit->is_removed);
    put_text(writer, EDIT_BEFORE, edit->before);
    put_text(writer, EDIT_AFTER, edit->after);
    cbor_end(writer);
}

// Room that is enough, or EVIDENCE_BYTES_MAX if that is less.
static size_t capacity_of(const struct evidence *evidence)
{
    size_t capacity = OVERHEAD;
    for (size_t i = 0; i <= evidence->count; i++) {
        const struct evidence_edit *edit = i < evidence->count ? &evidence->edit[i] : NULL;
        const struct slice parts[] = {
            edit != NULL ? edit->pack : evidence->undo,      edit != NULL ? edit->version : slice_of(NULL, 0),
            edit != NULL ? edit->rule : slice_of(NULL, 0),   edit != NULL ? edit->path : slice_of(NULL, 0),
            edit != NULL ? edit->before : slice_of(NULL, 0), edit != NULL ? edit->after : slice_of(NULL, 0),
        };
        capacity += OVERHEAD;
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            if (parts[p].length > EVIDENCE_BYTES_MAX)
                return EVIDENCE_BYTES_MAX;
            capacity += parts[p].length;
        }
    }
    return capacity < EVIDENCE_BYTES_MAX ? capacity : EVIDENCE_BYTES_MAX;
}

enum result evidence_encode(const struct evidence *evidence, uint8_t **bytes, size_t *length)
{
    struct cbor_writer writer;
    if (evidence->count > EVIDENCE_EDITS_MAX)
        return ERR_LIMIT;
    size_t capacity = capacity_of(evidence);
    uint8_t *memory = malloc(capacity);
    if (memory == NULL)
        return ERR_NOMEM;
    cbor_writer_init(&writer, memory, capacity);
    cbor_add_map(&writer);
    cbor_put_array(&writer, KEY_EDITS);
    for (size_t i = 0; i < evidence->count; i++)
        edit_write(&writer, &evidence->edit[i]);
    cbor_end(&writer);
    if (evidence->undo.length > 0)
        cbor_put_bytes(&writer, KEY_UNDO, evidence->undo);
    cbor_end(&writer);
    enum result result = cbor_writer_result(&writer);
    if (result != OK) {
        wipe(memory, capacity);
        free(memory);
        return result;
    }
    *bytes = memory;
    *length = cbor_writer_slice(&writer).length;
    return OK;
}

// ---- reading

static struct slice take_text(struct cbor_reader *reader)
{
    return cbor_take_text(reader, EVIDENCE_BYTES_MAX);
}

static void vr_take(struct cbor_reader *reader, struct evidence_edit *edit)
{
    struct slice vr = cbor_take_text(reader, sizeof edit->vr);
    if (vr.length == sizeof edit->vr)
        memcpy(edit->vr, vr.data, sizeof edit->vr);
    else if (reader->error == OK)
        reader->error = ERR_FORMAT;
}

static void field_take(struct cbor_reader *reader, int64_t key, struct evidence_edit *edit)
{
    switch (key) {
    case EDIT_PACK:
        edit->pack = take_text(reader);
        break;
    case EDIT_VERSION:
        edit->version = take_text(reader);
        break;
    case EDIT_RULE:
        edit->rule = take_text(reader);
        break;
    case EDIT_PATH:
        edit->path = take_text(reader);
        break;
    case EDIT_VR:
        vr_take(reader, edit);
        break;
    case EDIT_WAS_PRESENT:
        edit->was_present = cbor_take_bool(reader);
        break;
    case EDIT_IS_REMOVED:
        edit->is_removed = cbor_take_bool(reader);
        break;
    case EDIT_BEFORE:
        edit->before = take_text(reader);
        break;
    case EDIT_AFTER:
        edit->after = take_text(reader);
        break;
    default:
        break;
    }
}

static void edits_take(struct cbor_reader *reader, struct evidence_edit *edits, size_t *count)
{
    int64_t key;
    cbor_enter_array(reader);
    while (cbor_next_item(reader)) {
        if (*count == EVIDENCE_EDITS_MAX) {
            reader->error = ERR_FORMAT;
            return;
        }
        struct evidence_edit *edit = &edits[(*count)++];
        *edit = (struct evidence_edit){.is_removed = false};
        cbor_enter_map(reader);
        while (cbor_next_key(reader, &key))
            field_take(reader, key, edit);
    }
}

enum result evidence_decode(struct slice bytes, struct evidence_edit *edits, struct evidence *evidence)
{
    struct evidence read = {.edit = edits};
    struct cbor_reader reader;
    int64_t key;
    if (bytes.length > EVIDENCE_BYTES_MAX)
        return ERR_FORMAT;
    cbor_reader_init(&reader, bytes);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &key)) {
        if (key == KEY_EDITS)
            edits_take(&reader, edits, &read.count);
        else if (key == KEY_UNDO)
            read.undo = cbor_take_bytes(&reader, EVIDENCE_BYTES_MAX);
    }
    if (cbor_reader_result(&reader) != OK || cbor_reader_rest(&reader) != 0)
        return ERR_FORMAT;
    *evidence = read;
    return OK;
}
