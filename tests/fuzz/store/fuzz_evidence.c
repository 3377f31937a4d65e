// SPDX-License-Identifier: Apache-2.0
// Evidence of edits from arbitrary bytes: what decodes stays within its bytes, can be encoded again, and then
// says the same.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "store/evidence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct evidence_edit edits[2][EVIDENCE_EDITS_MAX];

static void slice_touch(struct slice part, struct slice whole)
{
    ensure(part.length == 0 || (part.data >= whole.data && part.length <= whole.length &&
                                (size_t)(part.data - whole.data) <= whole.length - part.length));
}

static void edit_compare(const struct evidence_edit *a, const struct evidence_edit *b)
{
    ensure(slice_is_equal(a->pack, b->pack) && slice_is_equal(a->version, b->version));
    ensure(slice_is_equal(a->rule, b->rule) && slice_is_equal(a->path, b->path));
    ensure(slice_is_equal(a->before, b->before) && slice_is_equal(a->after, b->after));
    ensure(a->was_present == b->was_present && a->is_removed == b->is_removed);
    ensure(a->vr[0] == 0 || memcmp(a->vr, b->vr, sizeof a->vr) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = slice_of(data, size);
    struct evidence first, second;
    uint8_t *bytes;
    size_t length;
    if (evidence_decode(body, edits[0], &first) != OK)
        return 0;
    ensure(first.count <= EVIDENCE_EDITS_MAX);
    slice_touch(first.undo, body);
    for (size_t i = 0; i < first.count; i++) {
        slice_touch(first.edit[i].path, body);
        slice_touch(first.edit[i].before, body);
        slice_touch(first.edit[i].after, body);
    }
    enum result result = evidence_encode(&first, &bytes, &length);
    if (result == ERR_LIMIT) // indefinite lengths take more room than some came with
        return 0;
    ensure(result == OK && length <= EVIDENCE_BYTES_MAX);
    ensure(evidence_decode(slice_of(bytes, length), edits[1], &second) == OK);
    ensure(second.count == first.count && slice_is_equal(first.undo, second.undo));
    for (size_t i = 0; i < first.count; i++)
        edit_compare(&first.edit[i], &second.edit[i]);
    free(bytes);
    return 0;
}
