// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_edits.h"
#include "base/text.h"
#include "base/wipe.h"
#include "cli/ledger_fact.h"
#include "store/ledger_reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ledger_edits_fini(struct ledger_edits *edits)
{
    ledger_evidence_reader_free(edits->reader);
    seal_keyring_free(edits->keyring);
    edits->reader = NULL;
    edits->keyring = NULL;
}

static void reader_open(struct ledger_edits *edits)
{
    char why[256] = "";
    edits->is_open = true;
    enum result result = edits->keys == NULL
                             ? ERR_REFUSED
                             : edits->keys->open(edits->keys->argument, &edits->keyring, why, sizeof why);
    if (result == OK)
        result = ledger_evidence_reader_new(edits->env, edits->keyring, &edits->reader);
    if (result == OK)
        return;
    edits->has_failed = true;
    fprintf(stderr, "dicomgate: what was edited can not be read without the keys: %s\n",
            why[0] != 0 ? why : result_text(result));
}

struct ledger_evidence_reader *ledger_edits_reader(struct ledger_edits *edits)
{
    if (!edits->is_open)
        reader_open(edits);
    return edits->reader;
}

enum result ledger_edits_get(struct ledger_edits *edits, uint64_t receipt, uint32_t archive,
                             const uint8_t digest[RECORD_DIGEST_SIZE], struct evidence *evidence)
{
    char text[20];
    struct slice bytes;
    struct ledger_evidence_reader *reader = ledger_edits_reader(edits);
    if (reader == NULL)
        return ERR_REFUSED;
    enum result result = ledger_evidence_get(reader, receipt, archive, digest, &bytes);
    if (result == OK)
        result = evidence_decode(bytes, edits->edit, evidence);
    if (result == OK || result == ERR_MISSING)
        return result;
    edits->has_failed = true;
    ledger_receipt_text(receipt, text, sizeof text);
    fprintf(stderr, "dicomgate: the edits of receipt %s for archive %u can not be read: %s\n", text,
            (unsigned)archive, result_text(result));
    return result;
}

static bool is_edited(const struct fact_delivery *delivery)
{
    static const uint8_t zeros[RECORD_DIGEST_SIZE];
    return delivery->has_header && memcmp(delivery->edits, zeros, sizeof zeros) != 0;
}

// With a NUL behind it; the caller wipes and frees. NULL: no memory.
static char *text_of(struct slice text)
{
    char *copy = malloc(text.length + 1);
    if (copy == NULL)
        return NULL;
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    copy[text.length] = 0;
    return copy;
}

// ---- for people

static void text_put(struct slice text, bool is_there)
{
    char *copy = is_there ? text_of(text) : NULL;
    if (copy == NULL) {
        fputs(is_there ? "?" : "(absent)", stdout);
        return;
    }
    putchar('"');
    ledger_text_put(copy);
    putchar('"');
    wipe(copy, text.length);
    free(copy);
}

static void slice_put(struct slice text)
{
    char copy[2048]; // more than any path
    (void)text_copy(copy, sizeof copy, text);
    ledger_text_put(copy);
}

const char *ledger_edit_text(bool was_present, bool is_removed)
{
    return is_removed ? "removed" : was_present ? "changed" : "added";
}

void ledger_evidence_print(const struct evidence *evidence, bool shows_phi)
{
    for (size_t i = 0; i < evidence->count; i++) {
        const struct evidence_edit *edit = &evidence->edit[i];
        printf("    E%-4zu ", i + 1);
        slice_put(edit->path);
        printf(" %s by ", ledger_edit_text(edit->was_present, edit->is_removed));
        slice_put(edit->pack);
        if (edit->version.length > 0)
            putchar(' ');
        slice_put(edit->version);
        putchar('/');
        slice_put(edit->rule);
        if (shows_phi && memcmp(edit->vr, "SQ", 2) != 0) {
            fputs(": ", stdout);
            text_put(edit->before, edit->was_present);
            fputs(" -> ", stdout);
            text_put(edit->after, !edit->is_removed);
        }
        putchar('\n');
    }
}

void ledger_edits_print(struct ledger_edits *edits, uint64_t receipt, const struct fact_delivery *delivery)
{
    struct evidence evidence;
    if (!is_edited(delivery))
        return;
    enum result result = ledger_edits_get(edits, receipt, delivery->archive, delivery->edits, &evidence);
    if (result == ERR_MISSING)
        puts("    edited; what was edited is not on record any more");
    if (result == OK)
        ledger_evidence_print(&evidence, edits->shows_phi);
}

// ---- for programs

static void set_slice(json_t *object, const char *name, struct slice text, bool is_there)
{
    char *copy = is_there ? text_of(text) : NULL;
    if (copy == NULL) {
        json_object_set_new(object, name, json_null());
        return;
    }
    json_object_set_new(object, name, ledger_json_string(copy));
    wipe(copy, text.length);
    free(copy);
}

json_t *ledger_evidence_json(const struct evidence *evidence, bool shows_phi)
{
    json_t *array = json_array();
    for (size_t i = 0; i < evidence->count; i++) {
        const struct evidence_edit *edit = &evidence->edit[i];
        json_t *object = json_object();
        ledger_json_number(object, "edit", i + 1);
        set_slice(object, "path", edit->path, true);
        set_slice(object, "vr", slice_of(edit->vr, edit->vr[0] != 0 ? 2 : 0), true);
        set_slice(object, "pack", edit->pack, true);
        set_slice(object, "pack_version", edit->version, true);
        set_slice(object, "rule", edit->rule, true);
        json_object_set_new(object, "was_present", json_boolean(edit->was_present));
        json_object_set_new(object, "removed", json_boolean(edit->is_removed));
        if (shows_phi) {
            set_slice(object, "before", edit->before, edit->was_present);
            set_slice(object, "after", edit->after, !edit->is_removed);
        }
        json_array_append_new(array, object);
    }
    return array;
}

json_t *ledger_edits_json(struct ledger_edits *edits, uint64_t receipt, const struct fact_delivery *delivery)
{
    struct evidence evidence;
    if (!is_edited(delivery) ||
        ledger_edits_get(edits, receipt, delivery->archive, delivery->edits, &evidence) != OK)
        return NULL;
    return ledger_evidence_json(&evidence, edits->shows_phi);
}
