// SPDX-License-Identifier: Apache-2.0
//
// See regex.h.
#include "regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "base/text.h"
#include "rules/limits.h"

#define NEST_LIMIT 64

struct regex {
    pcre2_code *code;
    uint32_t groups;
};

struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

enum result regex_compile(const char *pattern, bool is_caseless, struct regex **regex,
                          char problem[REGEX_PROBLEM_BYTES], size_t *offset)
{
    if (strlen(pattern) > RULES_PATTERN_BYTES) {
        (void)text_copy(problem, REGEX_PROBLEM_BYTES, slice_of_text("longer than 1024 bytes"));
        *offset = RULES_PATTERN_BYTES;
        return ERR_FORMAT;
    }
    struct regex *made = calloc(1, sizeof *made);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (made == NULL || context == NULL) {
        free(made);
        pcre2_compile_context_free(context);
        return ERR_NOMEM;
    }
    pcre2_set_parens_nest_limit(context, NEST_LIMIT);
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (is_caseless ? PCRE2_CASELESS : 0);
    int error = 0;
    PCRE2_SIZE where = 0;
    made->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &where, context);
    pcre2_compile_context_free(context);
    if (made->code == NULL) {
        free(made);
        if (pcre2_get_error_message(error, (PCRE2_UCHAR *)problem, REGEX_PROBLEM_BYTES) < 0)
            problem[REGEX_PROBLEM_BYTES - 1] = 0;
        *offset = where;
        return ERR_FORMAT;
    }
    ensure(pcre2_pattern_info(made->code, PCRE2_INFO_CAPTURECOUNT, &made->groups) == 0);
    *regex = made;
    return OK;
}

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_code_free(regex->code);
    free(regex);
}

// The group that "$..." at `text` refers to; the length of the reference, or 0 if it is none.
static size_t reference_read(const char *text, char name[33])
{
    size_t braces = text[1] == '{' ? 1 : 0;
    const char *begin = text + 1 + braces;
    size_t length = strspn(begin, "0123456789");
    if (length == 0 && braces > 0)
        length = strspn(begin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    if (length == 0 || length > 32 || (braces > 0 && begin[length] != '}'))
        return 0;
    (void)text_copy(name, 33, slice_of(begin, length));
    return 1 + length + 2 * braces;
}

enum result regex_replacement_check(const struct regex *regex, const char *replacement,
                                    char problem[REGEX_PROBLEM_BYTES])
{
    for (const char *at = strchr(replacement, '$'); at != NULL; at = strchr(at, '$')) {
        char name[33];
        if (at[1] == '$') {
            at += 2;
            continue;
        }
        size_t length = reference_read(at, name);
        if (length == 0) {
            (void)text_copy(problem, REGEX_PROBLEM_BYTES, slice_of_text("`$` without a group"));
            return ERR_FORMAT;
        }
        uint64_t number;
        bool is_number = text_number(slice_of_text(name), UINT32_MAX, &number) == OK;
        bool is_known = is_number ? number <= regex->groups
                                  : pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name) > 0;
        if (!is_known) {
            (void)text_format(problem, REGEX_PROBLEM_BYTES, "the expression has no group %s", name);
            return ERR_FORMAT;
        }
        at += length;
    }
    return OK;
}

enum result regex_scratch_new(struct regex_scratch **scratch)
{
    struct regex_scratch *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    made->data = pcre2_match_data_create(RULES_PATTERN_BYTES / 2, NULL);
    made->context = pcre2_match_context_create(NULL);
    if (made->data == NULL || made->context == NULL) {
        regex_scratch_free(made);
        return ERR_NOMEM;
    }
    pcre2_set_depth_limit(made->context, RULES_DEPTH_LIMIT);
    pcre2_set_heap_limit(made->context, RULES_HEAP_LIMIT);
    *scratch = made;
    return OK;
}

void regex_scratch_free(struct regex_scratch *scratch)
{
    if (scratch == NULL)
        return;
    pcre2_match_data_free(scratch->data);
    pcre2_match_context_free(scratch->context);
    free(scratch);
}

// A pointer that is never NULL: pcre2 takes NULL for an error even where the length is 0.
static PCRE2_SPTR subject_of(struct slice subject)
{
    return subject.data != NULL ? subject.data : (PCRE2_SPTR) "";
}

// pcre2 counts the steps anew for each letter at which a match may start.
static void match_limit_set(struct regex_scratch *scratch, struct slice subject)
{
    size_t limit = RULES_MATCH_STEPS / (subject.length + 1);
    pcre2_set_match_limit(scratch->context,
                          (uint32_t)(limit < RULES_MATCH_LIMIT ? limit : RULES_MATCH_LIMIT));
}

enum result regex_find(const struct regex *regex, struct regex_scratch *scratch, struct slice subject,
                       bool *is_found)
{
    match_limit_set(scratch, subject);
    int count =
        pcre2_match(regex->code, subject_of(subject), subject.length, 0, 0, scratch->data, scratch->context);
    if (count < 0 && count != PCRE2_ERROR_NOMATCH)
        return ERR_LIMIT;
    *is_found = count >= 0;
    return OK;
}

enum result regex_replace(const struct regex *regex, struct regex_scratch *scratch, struct slice subject,
                          const char *replacement, struct writer *to, bool *is_found)
{
    PCRE2_SIZE length = to->capacity - to->length;
    match_limit_set(scratch, subject);
    int count = pcre2_substitute(regex->code, subject_of(subject), subject.length, 0,
                                 PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_UNSET_EMPTY, scratch->data,
                                 scratch->context, (PCRE2_SPTR)replacement, PCRE2_ZERO_TERMINATED,
                                 to->start + to->length, &length);
    if (count < 0)
        return count == PCRE2_ERROR_NOMEMORY ? ERR_SPACE : ERR_LIMIT;
    to->length += length;
    *is_found = count > 0;
    return OK;
}
