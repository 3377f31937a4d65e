// SPDX-License-Identifier: Apache-2.0
#include "cli/prove.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"
#include "cli/prove_plan.h"
#include "dcm/scanner.h"
#include "dcm/splice.h"
#include "dcm/syntax.h"

#define TAG_BITS_ALLOCATED 0x00280100u
#define TAG_FLOAT_PIXELS   0x7fe00008u
#define TAG_DOUBLE_PIXELS  0x7fe00009u
#define TAG_PIXELS         0x7fe00010u

struct proof {
    const struct prove_question *question;
    struct prove_answer *answer;
    struct dcm_scanner *scanner;
    struct dcm_splice *splice;
    struct prove_planner *planner;
    enum dcm_digest_algorithm algorithm;
    struct dcm_scan_report as_is, undone;
    bool is_header_sent;      // the copy's is the one that was sent
    bool has_pixels;          // the value of Pixel Data is that received
    bool is_undone;           // by the undo plan: `undone` tells what came of it
    bool is_put_back;         // the old values could be put back
    bool has_content;         // with some way to do so, the canonical digest is that received
    bool has_private_content; // and that of private elements too
};

// ---- digests of the copy

static enum result scan_begin(struct proof *proof)
{
    static const uint32_t named[] = {
        DCM_SOP_CLASS_UID,  DCM_SOP_INSTANCE_UID, DCM_STUDY_INSTANCE_UID, DCM_SERIES_INSTANCE_UID,
        TAG_BITS_ALLOCATED, TAG_FLOAT_PIXELS,     TAG_DOUBLE_PIXELS,      TAG_PIXELS};
    struct dcm_scan_options options = {
        .transfer_syntax = proof->question->transfer_syntax,
        .algorithm = proof->algorithm,
        .named = named,
        .named_count = sizeof named / sizeof named[0],
        .digest_received = true,
    };
    return dcm_scanner_begin(proof->scanner, &options);
}

// What splicing gives goes to the scanner. ERR_FORMAT: one of them can not follow.
static enum result spliced_feed(struct proof *proof)
{
    struct slice run;
    enum result result = dcm_splice_put(proof->splice, proof->question->data_set);
    for (int round = 0; round < 2 && result == OK; round++) {
        while ((result = dcm_splice_next(proof->splice, &run)) == OK) {
            enum result fed = dcm_scanner_feed(proof->scanner, run);
            if (fed != OK && fed != ERR_FORMAT) // it goes on, for the digest of all bytes
                return fed;
        }
        if (round == 0 && result == AGAIN)
            result = dcm_splice_finish(proof->splice);
    }
    return result == CLOSED ? OK : result;
}

// Of the copy with these changes; NULL: none.
static enum result scan(struct proof *proof, const struct dcm_plan *plan, struct dcm_scan_report *report)
{
    enum result result = dcm_splice_begin(proof->splice, plan, proof->question->transfer_syntax, false);
    *report = (struct dcm_scan_report){.flags = 0};
    if (result == OK)
        result = scan_begin(proof);
    if (result == OK)
        result = spliced_feed(proof);
    return result == OK ? dcm_scanner_finish(proof->scanner, report) : result;
}

static bool is_fatal(enum result result)
{
    return result != OK && result != ERR_FORMAT;
}

// ---- comparing

static bool digest_is(const struct dcm_digest *made, const uint8_t *received)
{
    return made->algorithm != DCM_DIGEST_ABSENT && memcmp(made->bytes, received, RECORD_DIGEST_SIZE) == 0;
}

static bool range_is(const struct proof *proof, const struct dcm_scan_report *report, enum dcm_range range)
{
    const struct record_range *received = &proof->question->fact->digests.range[range];
    return report->digests.length[range] == received->length &&
           digest_is(&report->digests.range[range], received->digest);
}

static bool has(const struct proof *proof, uint8_t bit)
{
    return (proof->question->fact->digests.present & bit) != 0;
}

static bool is_same_bytes(const struct proof *proof, const struct dcm_scan_report *report)
{
    return has(proof, RECORD_HAS_RANGES) && range_is(proof, report, DCM_RANGE_HEADER) &&
           range_is(proof, report, DCM_RANGE_PIXELS) && range_is(proof, report, DCM_RANGE_REST);
}

static bool is_same_header(const struct proof *proof, const struct dcm_scan_report *report)
{
    return has(proof, RECORD_HAS_CANONICAL) &&
           digest_is(&report->digests.canonical, proof->question->fact->digests.canonical);
}

static bool is_same_private(const struct proof *proof, const struct dcm_scan_report *report)
{
    return !has(proof, RECORD_HAS_CANONICAL_UNKNOWN) ||
           digest_is(&report->digests.canonical_apart, proof->question->fact->digests.canonical_unknown);
}

// ---- pixels

static bool is_turned_round(const struct proof *proof)
{
    const char *received = proof->question->fact->transfer_syntax;
    return received != NULL && dcm_syntax_by_uid(slice_of_text(received)).big_endian !=
                                   dcm_syntax_by_uid(proof->question->transfer_syntax).big_endian;
}

static bool has_wide_pixels(const struct proof *proof)
{
    struct dcm_named bits;
    if (dcm_scanner_named(proof->scanner, TAG_BITS_ALLOCATED, &bits) != OK || bits.value.length != 2)
        return true;
    return bits.value.data[0] > 8 || bits.value.data[1] > 8;
}

// Bytes of a word of the pixels that stands the other way round than it came (PS3.5 7.3, A.2); 1: nothing
// does. In implicit VR it is not written whether 8 bits were words.
static size_t turned_size(const struct proof *proof)
{
    struct dcm_named pixels;
    if (!is_turned_round(proof) || (proof->as_is.flags & DCM_FLAG_ENCAPSULATED) != 0)
        return 1;
    if (dcm_scanner_named(proof->scanner, TAG_FLOAT_PIXELS, &pixels) == OK)
        return 4;
    if (dcm_scanner_named(proof->scanner, TAG_DOUBLE_PIXELS, &pixels) == OK)
        return 8;
    if (dcm_scanner_named(proof->scanner, TAG_PIXELS, &pixels) != OK)
        return 1;
    if (dcm_syntax_by_uid(proof->question->transfer_syntax).implicit_vr)
        return has_wide_pixels(proof) ? 2 : 1;
    return pixels.vr == DCM_VR_OB ? 1 : 2;
}

// The digest of pixels whose words of this size are turned round.
static bool words_are(const struct proof *proof, struct slice pixels, size_t size, const uint8_t *received)
{
    uint8_t digest[EVP_MAX_MD_SIZE], words[4096];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_fine =
        context != NULL &&
        EVP_DigestInit_ex(context, proof->algorithm == DCM_DIGEST_SHA256 ? EVP_sha256() : EVP_sha512_256(),
                          NULL) == 1;
    for (size_t at = 0; is_fine && at < pixels.length; at += sizeof words) {
        struct slice part = slice_first(slice_from(pixels, at), sizeof words);
        for (size_t i = 0; i < part.length; i++) {
            size_t turned = i ^ (size - 1);
            words[i] = part.data[turned < part.length ? turned : i];
        }
        is_fine = EVP_DigestUpdate(context, words, part.length) == 1;
    }
    is_fine = is_fine && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return is_fine && memcmp(digest, received, RECORD_DIGEST_SIZE) == 0;
}

// Only the first is in the digest of pixels, and no canonical digest has the value of another one.
static bool has_more_pixels(const struct proof *proof)
{
    static const uint32_t tags[] = {TAG_FLOAT_PIXELS, TAG_DOUBLE_PIXELS, TAG_PIXELS};
    unsigned count = 0;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        struct dcm_named named;
        if (dcm_scanner_named(proof->scanner, tags[i], &named) == OK)
            count += named.is_repeated ? 2 : 1;
    }
    return count > 1;
}

// Encoded anew, native pixels may stand in the other byte order, and an odd length has been made even.
static bool pixels_check(const struct proof *proof)
{
    const struct dcm_scan_report *report = &proof->as_is;
    const struct record_range *received = &proof->question->fact->digests.range[DCM_RANGE_PIXELS];
    size_t size = turned_size(proof);
    if (has_more_pixels(proof) && !range_is(proof, report, DCM_RANGE_REST))
        return false;
    if (size == 1 && range_is(proof, report, DCM_RANGE_PIXELS))
        return true;
    if ((report->flags & DCM_FLAG_PIXEL_DATA) == 0 || report->pixel_length == DCM_LENGTH_UNDEFINED ||
        dcm_syntax_by_uid(proof->question->transfer_syntax).deflated)
        return false;
    struct slice pixels =
        slice_first(slice_from(proof->question->data_set, report->pixel_value_offset), report->pixel_length);
    bool is_padded = received->length % 2 == 1 && pixels.length == received->length + 1 &&
                     pixels.data[pixels.length - 1] == 0;
    if (is_padded)
        pixels.length--;
    return pixels.length == received->length && words_are(proof, pixels, size, received->digest);
}

static bool is_native(struct slice syntax)
{
    static const char *const natives[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2",
                                          "1.2.840.10008.1.2.1.99"};
    for (size_t i = 0; i < sizeof natives / sizeof natives[0]; i++)
        if (slice_is_text(syntax, natives[i]))
            return true;
    return false;
}

// The same bytes are another image, or none, where they are said to be coded in another way.
static bool is_coded_otherwise(const struct proof *proof)
{
    const char *text = proof->question->fact->transfer_syntax;
    struct slice copy = slice_trimmed(proof->question->transfer_syntax);
    if (text == NULL || (proof->as_is.flags & DCM_FLAG_PIXEL_DATA) == 0)
        return false;
    struct slice received = slice_trimmed(slice_of_text(text));
    return !slice_is_equal(copy, received) && !(is_native(copy) && is_native(received));
}

static void difference_add(struct proof *proof, const char *at, const char *what)
{
    struct prove_answer *answer = proof->answer;
    if (answer->difference_count == PROVE_DIFFERENCES)
        return;
    struct prove_difference *difference = &answer->difference[answer->difference_count++];
    (void)text_copy(difference->at, sizeof difference->at, slice_of_text(at));
    (void)text_copy(difference->what, sizeof difference->what, slice_of_text(what));
}

static enum result proven(struct proof *proof, enum prove_verdict verdict, enum prove_comparison comparison)
{
    proof->answer->verdict = verdict;
    proof->answer->comparison = comparison;
    proof->answer->difference_count = 0;
    return OK;
}

// ---- are the edits there as they were written?

// Writing them once more must change nothing.
static enum result is_written(struct proof *proof, size_t first, size_t count, bool *is)
{
    struct dcm_plan *plan;
    struct dcm_scan_report report;
    enum result result = prove_plan_written(proof->planner, first, count, &plan);
    *is = result == ERR_MISSING;
    if (result == ERR_ARGUMENT || result == ERR_MISSING)
        return OK;
    if (result != OK)
        return result;
    result = scan(proof, plan, &report);
    dcm_plan_free(plan);
    *is = result == OK && dcm_digest_is_equal(&report.digests.canonical, &proof->as_is.digests.canonical) &&
          dcm_digest_is_equal(&report.digests.canonical_apart, &proof->as_is.digests.canonical_apart);
    return is_fatal(result) ? result : OK;
}

static void edit_name(struct proof *proof, size_t index, const char * or)
{
    char path[DCM_PATH_TEXT_SIZE], what[96];
    (void)text_copy(path, sizeof path, proof->question->evidence->edit[index].path);
    (void)text_format(what, sizeof what, "edit E%zu%s is not as it was written", index + 1, or);
    difference_add(proof, path, what);
}

// One of them at a time, to name those that are not.
static enum result unwritten_name(struct proof *proof)
{
    for (size_t i = 0; i < proof->question->evidence->count; i++) {
        bool is = false;
        enum result result = is_written(proof, i, 1, &is);
        if (result != OK)
            return result;
        if (!is)
            edit_name(proof, i, "");
    }
    return OK;
}

// Those without a value on record. With all else in its place, a header that is not the one that was sent
// tells that it is them.
static bool uncompared_check(struct proof *proof)
{
    struct prove_answer *answer = proof->answer;
    const struct evidence *evidence = proof->question->evidence;
    bool is_theirs =
        proof->question->header != NULL && proof->is_undone && is_same_bytes(proof, &proof->undone);
    for (size_t i = 0; i < evidence->count; i++) {
        answer->is_uncompared[i] = prove_is_open(proof->planner, i);
        answer->uncompared_count += answer->is_uncompared[i];
        if (is_theirs && answer->is_uncompared[i])
            edit_name(proof, i, ", or a length beside it,");
    }
    return !is_theirs || answer->uncompared_count == 0;
}

// Adds a difference for each that is not.
static enum result edits_check(struct proof *proof, bool *are_written)
{
    *are_written = proof->is_header_sent;
    if (proof->is_header_sent)
        return OK;
    enum result result = is_written(proof, 0, proof->question->evidence->count, are_written);
    if (result == OK && !*are_written)
        return unwritten_name(proof);
    if (result == OK)
        *are_written = uncompared_check(proof);
    return result;
}

// Its digest is SHA-256, whatever those of the receipt are.
static enum result header_check(struct proof *proof)
{
    struct dcm_scan_report report = proof->as_is;
    enum result result = OK;
    if (proof->question->header == NULL)
        return OK;
    if (proof->algorithm != DCM_DIGEST_SHA256) {
        enum dcm_digest_algorithm kept = proof->algorithm;
        proof->algorithm = DCM_DIGEST_SHA256;
        result = scan(proof, NULL, &report);
        proof->algorithm = kept;
    }
    proof->is_header_sent =
        result == OK && digest_is(&report.digests.range[DCM_RANGE_HEADER], proof->question->header);
    return result;
}

// ---- taking the edits back

static enum result bytes_undo(struct proof *proof)
{
    struct dcm_plan *undo;
    enum result result = dcm_plan_parse(proof->question->evidence->undo, &undo);
    if (result == OK) {
        result = scan(proof, undo, &proof->undone);
        dcm_plan_free(undo);
        proof->is_undone = result == OK;
    }
    return result == ERR_FORMAT || result == ERR_LIMIT ? OK : result;
}

// With the items and sequences that were made for what the edits have made, nothing else may go: what stands
// beside it there is no edit.
static enum result made_check(struct proof *proof, unsigned way, uint64_t elements, bool *is_alone)
{
    struct dcm_plan *plan;
    struct dcm_scan_report report;
    unsigned alone = prove_plan_ways(proof->planner) - 1; // the elements alone
    *is_alone = way == alone;
    if (*is_alone)
        return OK;
    enum result result = prove_plan_undo(proof->planner, alone, &plan);
    if (result != OK)
        return result == ERR_ARGUMENT ? OK : result;
    result = scan(proof, plan, &report);
    dcm_plan_free(plan);
    if (result != OK)
        return is_fatal(result) ? result : OK;
    return prove_plan_around(proof->planner, way, report.elements - elements, is_alone);
}

// Elements that edits have made may stand in items and sequences that were made for them: all ways in turn.
static enum result content_undo(struct proof *proof)
{
    enum result result = OK;
    unsigned ways = prove_plan_ways(proof->planner);
    for (unsigned way = 0; result == OK && way < ways && !proof->has_private_content; way++) {
        struct dcm_plan *plan;
        struct dcm_scan_report report;
        result = prove_plan_undo(proof->planner, way, &plan);
        if (result == ERR_ARGUMENT) {
            result = OK;
            continue;
        }
        if (result != OK)
            return result;
        result = scan(proof, plan, &report);
        dcm_plan_free(plan);
        bool is_same = result == OK && is_same_header(proof, &report);
        proof->is_put_back |= result == OK;
        if (is_same)
            result = made_check(proof, way, report.elements, &is_same);
        if (result == OK) {
            proof->has_private_content = is_same && is_same_private(proof, &report);
            proof->has_content |= is_same;
        }
        result = is_fatal(result) ? result : OK;
    }
    return result;
}

// ---- what differs

static void uids_compare(struct proof *proof)
{
    const struct ledger_fact *fact = proof->question->fact;
    const struct {
        uint32_t tag;
        const char *received;
    } uids[] = {{DCM_SOP_CLASS_UID, fact->sop_class},
                {DCM_SOP_INSTANCE_UID, fact->sop_instance},
                {DCM_STUDY_INSTANCE_UID, fact->study},
                {DCM_SERIES_INSTANCE_UID, fact->series}};
    for (size_t i = 0; i < sizeof uids / sizeof uids[0]; i++) {
        struct dcm_named named;
        if (uids[i].received == NULL)
            continue;
        if (dcm_scanner_named(proof->scanner, uids[i].tag, &named) != OK)
            difference_add(proof, dcm_keyword(uids[i].tag), "is not there");
        else if (!slice_is_text(slice_trimmed(named.value), uids[i].received))
            difference_add(proof, dcm_keyword(uids[i].tag), "is another one");
    }
}

static void header_name(struct proof *proof, const struct dcm_scan_report *bytes)
{
    const struct prove_question *question = proof->question;
    bool has_length = bytes != NULL && bytes->digests.length[DCM_RANGE_HEADER] ==
                                           question->fact->digests.range[DCM_RANGE_HEADER].length;
    if (proof->has_private_content || (bytes != NULL && range_is(proof, bytes, DCM_RANGE_HEADER)))
        return;
    if (proof->has_content)
        difference_add(proof, "private elements",
                       "differ, or can not be compared after they were encoded anew");
    else if (question->is_evidence_lost && proof->is_header_sent)
        difference_add(proof, "header", "is what was sent, but what was edited in it is not known any more");
    else if (question->is_evidence_lost)
        difference_add(proof, "header", "it was edited, and how is not known any more");
    else if (question->evidence != NULL && !proof->is_put_back && !has_length)
        difference_add(proof, "header", "was encoded anew, and the edits can not be taken back in that");
    else
        difference_add(proof, "header",
                       question->evidence != NULL ? "differs where nothing was edited"
                                                  : "is not what was received");
}

static void ranges_name(struct proof *proof)
{
    const struct dcm_scan_report *bytes = proof->question->evidence == NULL ? &proof->as_is
                                          : proof->is_undone                ? &proof->undone
                                                                            : NULL;
    header_name(proof, bytes);
    if (!proof->has_pixels)
        difference_add(proof, "pixels", "are not those received");
    if (bytes != NULL && range_is(proof, bytes, DCM_RANGE_HEADER) && !range_is(proof, bytes, DCM_RANGE_REST))
        difference_add(proof, "rest", "what stands behind the pixels is not what was received");
    if (proof->answer->difference_count == 0)
        difference_add(proof, "data set", "is not what was received");
}

// ---- the comparison

static enum result with_edits(struct proof *proof, bool *is_done)
{
    bool are_written = false;
    enum result result = bytes_undo(proof);
    if (result == OK)
        result = edits_check(proof, &are_written);
    if (result == OK && proof->is_undone && is_same_bytes(proof, &proof->undone)) {
        *is_done = true;
        return are_written ? proven(proof, PROVE_EDITS, PROVE_BY_BYTES) : OK;
    }
    if (result == OK)
        result = content_undo(proof);
    if (result == OK && proof->has_private_content && proof->has_pixels) {
        *is_done = true;
        return are_written ? proven(proof, PROVE_EDITS, PROVE_BY_CONTENT) : OK;
    }
    return result;
}

static enum result without_structure(struct proof *proof)
{
    char comment[DCM_COMMENT_SIZE] = "can not be followed";
    const struct dcm_scan_failure *failure = dcm_scanner_failure(proof->scanner);
    if (has(proof, RECORD_HAS_RECEIVED) &&
        digest_is(&proof->as_is.digests.received, proof->question->fact->digests.received))
        return proven(proof, PROVE_IDENTICAL, PROVE_BY_BYTES);
    if (failure != NULL)
        dcm_scan_failure_text(failure, comment);
    difference_add(proof, "data set", failure != NULL ? comment : "is not what was received");
    return OK;
}

static enum result compare(struct proof *proof)
{
    bool is_done = false;
    enum result result = scan(proof, NULL, &proof->as_is);
    if (result == ERR_FORMAT || (result == OK && !has(proof, RECORD_HAS_RANGES)))
        return without_structure(proof);
    if (result != OK)
        return result;
    if (is_coded_otherwise(proof)) {
        difference_add(proof, "pixels", "are said to be coded in another transfer syntax than they came in");
        return OK;
    }
    if (!is_turned_round(proof) && is_same_bytes(proof, &proof->as_is))
        return proven(proof, PROVE_IDENTICAL, PROVE_BY_BYTES);
    uids_compare(proof);
    proof->has_pixels = pixels_check(proof);
    result = header_check(proof);
    if (result != OK)
        return result;
    proof->has_content = is_same_header(proof, &proof->as_is);
    proof->has_private_content = proof->has_content && is_same_private(proof, &proof->as_is);
    if (proof->has_private_content && proof->has_pixels)
        return proven(proof, PROVE_IDENTICAL, PROVE_BY_CONTENT);
    if (proof->question->evidence != NULL)
        result = with_edits(proof, &is_done);
    if (result == OK && !is_done)
        ranges_name(proof);
    return result;
}

enum result prove(const struct prove_question *question, struct prove_answer *answer)
{
    struct proof proof = {.question = question,
                          .answer = answer,
                          .algorithm = (enum dcm_digest_algorithm)question->fact->digests.algorithm};
    *answer = (struct prove_answer){.verdict = PROVE_DIFFERS};
    if (question->fact->digests.present == 0) {
        difference_add(&proof, "data set", "no digest of what was received is known");
        return OK;
    }
    enum result result = dcm_scanner_new(&proof.scanner);
    if (result == OK)
        result = dcm_splice_new(&proof.splice);
    if (result == OK && question->evidence != NULL)
        result = prove_planner_new(question->evidence, question->transfer_syntax, question->data_set,
                                   &proof.planner);
    if (result == OK)
        result = compare(&proof);
    prove_planner_free(proof.planner);
    dcm_splice_free(proof.splice);
    dcm_scanner_free(proof.scanner);
    return result;
}
