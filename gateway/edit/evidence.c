// SPDX-License-Identifier: Apache-2.0
//
// What is recorded of the edits of an instance (store/evidence.h). Texts are patient data.
#include "base/wipe.h"
#include "edit/edit_private.h"
#include <stdlib.h>

// Copies path and texts; names of packs and rules live as long as the policies.
static enum result row_add(struct edit *edit, const struct evidence_edit *from, const struct dcm_path *path)
{
    char text[DCM_PATH_TEXT_SIZE];
    dcm_path_print(path, text);
    struct slice printed = slice_of_text(text);
    size_t length = printed.length + from->before.length + from->after.length;
    if (length > EVIDENCE_BYTES_MAX - edit->row_bytes)
        return ERR_LIMIT;
    struct evidence_row row = {.edit = *from, .block = malloc(length + 1), .length = length};
    if (row.block == NULL)
        return ERR_NOMEM;
    struct slice parts[] = {printed, from->before, from->after};
    struct slice *to[] = {&row.edit.path, &row.edit.before, &row.edit.after};
    uint8_t *at = row.block;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].length > 0)
            memcpy(at, parts[i].data, parts[i].length);
        *to[i] = slice_of(at, parts[i].length);
        at += parts[i].length;
    }
    edit->rows[edit->row_count++] = row;
    edit->row_bytes += length;
    return OK;
}

static bool is_noted(const struct draft *draft, const struct dcm_path *path)
{
    for (size_t i = 0; i < draft->note_count; i++)
        if (note_covers(&draft->note[i], path))
            return true;
    return false;
}

// The edit takes an item out of the sequence that `path` goes through at `depth`.
static bool takes_item(const struct dcm_edit *edit, const struct dcm_path *path, uint32_t depth)
{
    const struct dcm_path *taken = edit->path;
    if (!taken->is_item || taken->depth != depth)
        return false;
    for (uint32_t i = 0; i < depth; i++)
        if (!steps_name_one(&taken->step[i], &path->step[i]) ||
            (taken->step[i].item != DCM_ITEM_ALL && taken->step[i].item != path->step[i].item))
            return false;
    return steps_name_one(&taken->step[depth], &path->step[depth]);
}

// With the numbers that items have in what is sent: those behind items that go move up.
static struct dcm_path path_as_sent(const struct draft *draft, const struct dcm_path *path)
{
    struct dcm_path sent = *path;
    for (uint32_t depth = 0; depth < path->depth; depth++)
        for (size_t i = 0; i < draft->rules; i++)
            if (draft->places[i] > 0 && takes_item(&draft->edit[i], path, depth) &&
                draft->edit[i].path->step[depth].item < path->step[depth].item)
                sent.step[depth].item--;
    return sent;
}

// Every change that a rule made to an element that ends otherwise than it came.
static enum result rules_rows(struct edit *edit, const struct rules_verdict *verdict,
                              const struct draft *draft)
{
    enum result result = OK;
    for (size_t i = 0; i < verdict->change_count && result == OK; i++) {
        const struct rules_change *change = &verdict->change[i];
        if (draft_is_overruled(draft, change->path) || !is_noted(draft, change->path))
            continue;
        struct evidence_edit row = {.pack = slice_of_text(change->pack->name),
                                    .version = slice_of_text(change->pack->version),
                                    .rule = slice_of_text(change->rule),
                                    .was_present = change->was_present,
                                    .is_removed = change->is_removed,
                                    .before = change->before,
                                    .after = change->after};
        memcpy(row.vr, dcm_vr_info(change->vr)->name, sizeof row.vr);
        struct dcm_path path = path_as_sent(draft, change->path);
        result = row_add(edit, &row, &path);
    }
    return result;
}

static enum result patient_rows(struct edit *edit, const struct draft *draft)
{
    char before[DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES)];
    enum result result = OK;
    for (size_t i = draft->rules; i < draft->patient && result == OK; i++) {
        const struct dcm_edit *made = &draft->edit[i];
        enum edit_path place = (enum edit_path)(made->path - edit->policies->path);
        struct dcm_found found;
        struct evidence_edit row = {.pack = slice_of_text("crosswalk"),
                                    .rule = slice_of_text(edit->patient.because),
                                    .was_present = edit_found(edit, place, &found),
                                    .is_removed = made->operation == DCM_EDIT_REMOVE,
                                    .after = made->value};
        if (draft->places[i] == 0)
            continue;
        if (place != EDIT_QUALIFIERS)
            (void)patient_text(edit, place, before, &row.before);
        memcpy(row.vr, dcm_vr_info(dcm_path_vr(made->path))->name, sizeof row.vr);
        result = row_add(edit, &row, made->path);
    }
    wipe(before, sizeof before);
    return result;
}

// The new item of a sequence, if the draft makes one.
static enum result item_row(struct edit *edit, const struct draft *draft, enum edit_path place,
                            const char *rule)
{
    struct dcm_path path = edit->policies->path[place];
    struct dcm_found found;
    bool is_made = false;
    for (size_t i = draft->patient; i < draft->count; i++)
        is_made |= draft->edit[i].path->step[0].tag == path.step[0].tag;
    if (!is_made)
        return OK;
    path.step[0].item = edit_found(edit, place, &found) ? found.items : 0;
    struct evidence_edit row = {
        .pack = slice_of_text("gateway"), .rule = slice_of_text(rule), .vr = {'S', 'Q'}};
    return row_add(edit, &row, &path);
}

enum result evidence_rows_make(struct edit *edit, const struct rules_verdict *verdict,
                               const struct draft *draft)
{
    _Static_assert(RULES_CHANGES + DRAFT_PATIENT + 2 <= EVIDENCE_EDITS_MAX, "all can be recorded");
    edit->rows = calloc(verdict->change_count + DRAFT_PATIENT + 2, sizeof *edit->rows);
    if (edit->rows == NULL)
        return ERR_NOMEM;
    enum result result = rules_rows(edit, verdict, draft);
    if (result == OK)
        result = patient_rows(edit, draft);
    if (result == OK)
        result = item_row(edit, draft, EDIT_ORIGINALS, "original-attributes");
    if (result == OK)
        result = item_row(edit, draft, EDIT_EQUIPMENT, "contributing-equipment");
    return result;
}

static void encoded_free(struct edit *edit)
{
    if (edit->evidence != NULL)
        wipe(edit->evidence, edit->evidence_length);
    free(edit->evidence);
    edit->evidence = NULL;
}

void evidence_rows_free(struct edit *edit)
{
    for (size_t i = 0; i < edit->row_count; i++) {
        wipe(edit->rows[i].block, edit->rows[i].length);
        free(edit->rows[i].block);
    }
    free(edit->rows);
    edit->rows = NULL;
    edit->row_count = 0;
    edit->row_bytes = 0;
    encoded_free(edit);
}

enum result evidence_fill(struct edit *edit, const struct dcm_plan *undo)
{
    struct evidence_edit *edits = calloc(edit->row_count + 1, sizeof *edits);
    if (edits == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < edit->row_count; i++)
        edits[i] = edit->rows[i].edit;
    struct evidence evidence = {.edit = edits, .count = edit->row_count};
    if (undo != NULL)
        evidence.undo = dcm_plan_bytes(undo);
    encoded_free(edit);
    enum result result = evidence_encode(&evidence, &edit->evidence, &edit->evidence_length);
    free(edits);
    return result;
}
