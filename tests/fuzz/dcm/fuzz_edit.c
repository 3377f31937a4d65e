// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the editor. First byte: transfer syntax; second: seed of the splits; third: how many edits;
// for each edit: operation and kind, VR, number of the path, length of the value, value; the rest is the data
// set. Whatever they are: no crash; the outcome does not depend on the splits; a plan reads back from its
// bytes; what the splicer makes is what the plan says; undoing it gives the data set back; what came out can
// be followed again, and DCMTK reads in it what it read before, but for the edits. DCMTK_TALLY set in the
// environment: says how many inputs came so far.
#include "base/check.h"
#include "base/cursor.h"
#include "dcm/splice.h"
#include "dcmtk_reading.h"
#include "structure.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EDIT_MOST     8
#define OUT_MOST      (1 << 22)
#define INFLATED_MOST (1 << 20)

static const char *const syntaxes[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2",
                                       "1.2.840.10008.1.2.1.99"};

static const char *const path_texts[] = {
    "PatientID",
    "PatientName",
    "PatientComments",
    "SpecificCharacterSet",
    "InstitutionName",
    "StudyDate",
    "(0028,0010)",
    "ReferencedImageSequence",
    "ReferencedImageSequence[0]",
    "ReferencedImageSequence[*]",
    "ReferencedImageSequence[*].PatientID",
    "ReferencedImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeMeaning",
    "ReferencedImageSequence[+].PurposeOfReferenceCodeSequence[0].CodeMeaning",
    "ReferencedImageSequence[1].ReferencedImageSequence[*].ReferencedImageSequence[+].PatientID",
    "(0029,\"DICOMGATE\",10)",
    "(0029,\"DICOMGATE\",11)[0].(0029,\"DICOMGATE\",12)",
    "(0029,\"OTHER\",10)",
    "(0029,1010)[*].PatientID",
    "OriginalAttributesSequence[+].ModifiedAttributesSequence[0].PatientName",
    "OriginalAttributesSequence[+].SpecificCharacterSet",
};

#define PATH_COUNT (sizeof path_texts / sizeof path_texts[0])

struct buffer {
    uint8_t *data;
    size_t length;
};

static struct dcm_path paths[PATH_COUNT];
static struct dcm_interest *interest;
static struct dcm_text *text;
static struct dcm_survey *survey;
static struct dcm_survey *again;
static struct dcm_splice *splice;
static uint8_t *out_memory[2];

static void setup(void)
{
    for (size_t i = 0; i < PATH_COUNT; i++)
        ensure(dcm_path_parse(slice_of_text(path_texts[i]), &paths[i], NULL) == OK);
    ensure(dcm_interest_new(paths, PATH_COUNT, &interest) == OK);
    ensure(dcm_text_new(&text) == OK);
    ensure(dcm_survey_new(&survey) == OK && dcm_survey_new(&again) == OK && dcm_splice_new(&splice) == OK);
    for (unsigned i = 0; i < 2; i++) {
        out_memory[i] = malloc(OUT_MOST);
        ensure(out_memory[i] != NULL);
    }
}

static size_t piece_size(uint32_t *seed)
{
    *seed = *seed * UINT32_C(1103515245) + 12345;
    uint32_t draw = *seed >> 16;
    return (draw & 1) != 0 ? 1 + draw / 2 % 4 : 1 + draw / 2 % 300;
}

static enum result survey_run(struct dcm_survey *s, struct slice syntax, struct slice bytes, uint32_t *seed)
{
    enum result result = dcm_survey_begin(s, interest, syntax, INFLATED_MOST);
    ensure(result == OK);
    while (result == OK && bytes.length > 0) {
        struct slice piece = slice_first(bytes, seed != NULL ? piece_size(seed) : bytes.length);
        result = dcm_survey_feed(s, piece);
        bytes = slice_from(bytes, piece.length);
    }
    if (result == OK)
        result = dcm_survey_finish(s);
    ensure(result == OK || result == ERR_FORMAT || result == ERR_LIMIT || result == ERR_EXISTS);
    ensure(dcm_survey_header_is_complete(s) == (result == OK));
    return result;
}

// False if the deflate stream goes wrong behind the header.
static bool splice_run(const struct dcm_plan *plan, struct slice syntax, struct slice bytes, uint32_t *seed,
                       struct buffer *to)
{
    struct slice out;
    enum result result;
    bool is_last = false;
    to->length = 0;
    ensure(dcm_splice_begin(splice, plan, syntax, true) == OK);
    while (!is_last) {
        struct slice piece = slice_first(bytes, piece_size(seed));
        bytes = slice_from(bytes, piece.length);
        is_last = piece.length == 0;
        result = is_last ? dcm_splice_finish(splice) : dcm_splice_put(splice, piece);
        while (result == OK && (result = dcm_splice_next(splice, &out)) == OK) {
            ensure(out.length > 0);
            if (out.length > OUT_MOST - to->length)
                return false;
            memcpy(to->data + to->length, out.data, out.length);
            to->length += out.length;
        }
        if (result < 0)
            return false;
        ensure(result == (is_last ? CLOSED : AGAIN));
    }
    ensure(dcm_splice_is_past_changes(splice));
    return true;
}

static size_t edits_read(struct cursor *c, struct dcm_edit edits[EDIT_MOST])
{
    size_t count = cursor_u8(c) % (EDIT_MOST + 1);
    for (size_t i = 0; i < count; i++) {
        uint8_t choice = cursor_u8(c);
        edits[i] = (struct dcm_edit){.operation = (enum dcm_edit_operation)(choice % 4),
                                     .kind = (enum dcm_edit_kind)(choice / 4 % 3)};
        edits[i].vr = (enum dcm_vr)(cursor_u8(c) % (DCM_VR_UV + 1));
        edits[i].path = &paths[cursor_u8(c) % PATH_COUNT];
        size_t length = cursor_u8(c);
        edits[i].value = cursor_take(c, length < cursor_left(c) ? length : cursor_left(c));
    }
    return count;
}

static void check_expected(const struct dcm_plan *plan, struct slice old, const struct buffer *new)
{
    size_t at = 0;
    size_t made = 0;
    for (size_t i = 0; i <= dcm_plan_count(plan); i++) {
        bool is_end = i == dcm_plan_count(plan);
        struct dcm_change change = {.offset = old.length};
        if (!is_end)
            change = dcm_plan_change(plan, i);
        size_t same = (size_t)change.offset - at;
        ensure(same <= new->length - made &&memcmp(old.data + at, new->data + made, same) == 0);
        made += same;
        ensure(slice_is_equal(change.new_bytes, slice_first(slice_of(new->data + made, new->length - made),
                                                            change.new_bytes.length)));
        made += change.new_bytes.length;
        at = (size_t)(change.offset + change.old_length);
    }
    ensure(made == new->length);
    ensure(dcm_splice_length(plan, old.length) == new->length);
}

// ---- DCMTK's reading
// --------------------------------------------------------------------------------------------

#define SEEN_MOST 20000

struct walk {
    struct structure structure;
    struct dcmtk_seen seen[SEEN_MOST];
    size_t count;
    bool is_past; // Pixel Data
};

static struct walk walk;
static unsigned tally[DCMTK_DIFFERS + 1];

static void seen_add(uint32_t tag, uint32_t length)
{
    walk.is_past = walk.is_past || (walk.structure.depth == 0 && tag >= 0x7FE00008);
    if (!walk.is_past && walk.count < SEEN_MOST)
        walk.seen[walk.count++] = (struct dcmtk_seen){walk.structure.depth, tag, length};
}

static void on_element(void *owner, const struct header *h)
{
    (void)owner;
    seen_add(h->tag, h->kind == STRUCTURE_PLAIN ? h->length : 0);
}

static void on_item(void *owner)
{
    (void)owner;
    seen_add(DCM_ITEM, 0);
}

static void on_bytes(void *owner, const uint8_t *data, size_t length)
{
    (void)owner;
    (void)data;
    (void)length;
}

static void on_end(void *owner)
{
    (void)owner;
}

static void walk_run(struct dcm_syntax syntax, struct slice bytes)
{
    static const struct structure_events events = {on_element, on_bytes, on_bytes, on_end,
                                                   on_item,    on_end,   on_end};
    walk.count = 0;
    walk.is_past = false;
    structure_begin(&walk.structure, syntax, &events, NULL);
    while (bytes.length > 0 && walk.structure.state != STRUCTURE_FAILED)
        bytes = slice_from(bytes, structure_take(&walk.structure, bytes.data, bytes.length));
}

static struct dcmtk_target target_of(const struct dcm_path *path)
{
    struct dcmtk_target target = {.steps = path->depth + 1};
    for (unsigned i = 0; i < target.steps; i++) {
        target.tag[i] = path->step[i].tag;
        target.is_private[i] = path->step[i].creator[0] != '\0';
    }
    return target;
}

static void check_dcmtk(unsigned syntax, struct slice bytes, const struct buffer *edited,
                        const struct dcm_edit *edits, size_t count)
{
    struct dcmtk_target targets[EDIT_MOST];
    for (size_t i = 0; i < count; i++)
        targets[i] = target_of(edits[i].path);
    walk_run((struct dcm_syntax){.implicit_vr = syntax == 0, .big_endian = syntax == 2}, bytes);
    const struct dcmtk_case given = {.transfer_syntax = syntaxes[syntax],
                                     .old_bytes = bytes.data,
                                     .old_length = bytes.length,
                                     .new_bytes = edited->data,
                                     .new_length = edited->length,
                                     .seen = walk.seen,
                                     .seen_count = walk.count,
                                     .targets = targets,
                                     .target_count = count};
    enum dcmtk_outcome outcome = dcmtk_compare(&given);
    ensure(outcome != DCMTK_DIFFERS);
    tally[outcome]++;
    if (getenv("DCMTK_TALLY") != NULL)
        fprintf(stderr, "DCMTK: %u equal, %u read otherwise\n", tally[DCMTK_EQUAL], tally[DCMTK_SKIPPED]);
}

// ---- one input
// --------------------------------------------------------------------------------------------------

static struct dcm_plan *recorded(struct dcm_plan *plan)
{
    struct dcm_plan *copy;
    ensure(dcm_plan_parse(dcm_plan_bytes(plan), &copy) == OK);
    ensure(slice_is_equal(dcm_plan_bytes(plan), dcm_plan_bytes(copy)));
    dcm_plan_free(plan);
    return copy;
}

static void apply(struct dcm_plan *plan, unsigned number, struct slice bytes, uint32_t seed,
                  const struct dcm_edit *edits, size_t count)
{
    struct slice syntax = slice_of_text(syntaxes[number]);
    bool is_deflated = number == 3;
    struct buffer edited = {out_memory[0], 0};
    struct buffer undone = {out_memory[1], 0};
    struct dcm_plan *undo;
    plan = recorded(plan);
    if (splice_run(plan, syntax, bytes, &seed, &edited)) {
        ensure(dcm_splice_undo(splice, &undo) == OK);
        undo = recorded(undo);
        if (!is_deflated) {
            check_expected(plan, bytes, &edited);
            check_dcmtk(number, bytes, &edited, edits, count);
        }
        bool is_undone = splice_run(undo, syntax, slice_of(edited.data, edited.length), &seed, &undone);
        ensure(is_undone);
        if (!is_deflated)
            ensure(slice_is_equal(slice_of(undone.data, undone.length), bytes));
        // A new private element may have the tag that another path names.
        enum result followed = survey_run(again, syntax, slice_of(edited.data, edited.length), &seed);
        ensure(followed == OK || followed == ERR_EXISTS || followed == ERR_LIMIT || is_deflated);
        dcm_plan_free(undo);
    }
    dcm_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dcm_edit edits[EDIT_MOST];
    struct dcm_problem problem;
    struct dcm_problem other;
    struct dcm_plan *plan = NULL;
    struct dcm_plan *same = NULL;
    uint32_t places[EDIT_MOST];
    if (interest == NULL)
        setup();
    struct cursor c = cursor_of(slice_of(data, size));
    uint8_t choice = cursor_u8(&c);
    uint32_t seed = cursor_u8(&c);
    size_t count = edits_read(&c, edits);
    if (c.failed)
        return 0;
    struct slice bytes = cursor_take(&c, cursor_left(&c));
    struct slice syntax = slice_of_text(syntaxes[choice % 4]);
    enum result whole = survey_run(survey, syntax, bytes, NULL);
    enum result split = survey_run(again, syntax, bytes, &seed);
    ensure(whole == split);
    if (whole != OK)
        return 0;
    enum result made = dcm_plan_make(survey, text, edits, count, &plan, places, &problem);
    ensure(made == dcm_plan_make(again, text, edits, count, &same, NULL, &other));
    ensure(made == OK || (made == ERR_ARGUMENT && problem.reason != DCM_PROBLEM_NONE));
    ensure(problem.reason == other.reason);
    if (made != OK)
        return 0;
    ensure(slice_is_equal(dcm_plan_bytes(plan), dcm_plan_bytes(same)));
    dcm_plan_free(same);
    apply(plan, choice % 4, bytes, seed, edits, count);
    return 0;
}
