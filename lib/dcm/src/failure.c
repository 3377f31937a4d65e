// SPDX-License-Identifier: Apache-2.0
//
// Says in 64 characters where a data set could not be followed, without a byte of its values. Called by
// intake for the Error Comment, and by tools. Any thread.
#include "base/check.h"
#include "base/text.h"
#include "dcm/scanner.h"
#include <string.h>

const char *dcm_scan_reason_text(enum dcm_scan_reason reason)
{
    static const char *const texts[DCM_SCAN_REASON_COUNT] = {
        [DCM_SCAN_FINE] = "fine",
        [DCM_SCAN_TRUNCATED] = "truncated",
        [DCM_SCAN_OVERRUN] = "overrun",
        [DCM_SCAN_TOO_DEEP] = "nested too deep",
        [DCM_SCAN_STRAY_ITEM] = "stray item tag",
        [DCM_SCAN_NOT_AN_ITEM] = "not an item",
        [DCM_SCAN_NOT_A_VR] = "not a VR",
        [DCM_SCAN_WRONG_SYNTAX] = "not in its transfer syntax",
        [DCM_SCAN_BAD_LENGTH] = "bad length",
        [DCM_SCAN_COMMAND_GROUP] = "group 0000 in data set",
        [DCM_SCAN_BAD_DEFLATE] = "bad deflate stream",
        [DCM_SCAN_INFLATES_TOO_FAR] = "inflates too far",
    };
    ensure(reason < DCM_SCAN_REASON_COUNT);
    return texts[reason];
}

static void append(char comment[DCM_COMMENT_SIZE], const char *text)
{
    size_t length = strlen(comment);
    (void)text_copy(comment + length, DCM_COMMENT_SIZE - length, slice_of_text(text));
}

static void append_step(char comment[DCM_COMMENT_SIZE], uint32_t tag, uint32_t item)
{
    char step[32];
    if (item > 0)
        (void)text_format(step, sizeof step, " (%04X,%04X)[%u]", dcm_tag_group(tag), dcm_tag_element(tag),
                          item);
    else
        (void)text_format(step, sizeof step, " (%04X,%04X)", dcm_tag_group(tag), dcm_tag_element(tag));
    if (strlen(comment) + strlen(step) < DCM_COMMENT_SIZE)
        append(comment, step);
}

void dcm_scan_failure_text(const struct dcm_scan_failure *failure, char comment[DCM_COMMENT_SIZE])
{
    (void)text_format(comment, DCM_COMMENT_SIZE, "%s at %llu", dcm_scan_reason_text(failure->reason),
                      (unsigned long long)failure->offset);
    // The last element matters more than the middle of the way: it is shown only if its tag is a standard
    // one.
    bool shows_tag = failure->tag != 0 && dcm_dictionary_vr(failure->tag) != DCM_VR_NONE;
    if (failure->depth > 0 || shows_tag)
        append(comment, " in");
    if (failure->depth > 0)
        append_step(comment, failure->path[0], failure->item[0]);
    if (failure->depth == 2)
        append_step(comment, failure->path[1], failure->item[1]);
    else if (failure->depth > 2)
        append(comment, " ..");
    if (shows_tag)
        append_step(comment, failure->tag, 0);
}
