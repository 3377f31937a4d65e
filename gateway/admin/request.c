// SPDX-License-Identifier: Apache-2.0
//
// Query and body of a request to checked structs; see request.h. What is not known is refused, so that a
// mistyped key never widens a selection.
#include "request.h"

#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const STATES[] = {
    [ADMIN_ANY] = "any",   [ADMIN_WAITING] = "waiting", [ADMIN_SENDING] = "sending",
    [ADMIN_HELD] = "held", [ADMIN_PARKED] = "parked",   [ADMIN_ANSWERED] = "answered",
};
enum { STATE_COUNT = sizeof STATES / sizeof *STATES };

const char *admin_state_text(enum admin_state state)
{
    return STATES[state];
}

__attribute__((format(printf, 2, 3))) static enum result refuse(struct admin_problem *problem,
                                                                const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    problem->status = ADMIN_BAD_REQUEST;
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
    return ERR_FORMAT;
}

bool admin_name_is_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    return length > 0 && name[length] == 0 && length < ADMIN_TEXT;
}

static bool is_plain_text(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] == 0x7F)
            return false;
    return length > 0 && length < ADMIN_TEXT;
}

static enum result state_parse(const char *text, enum admin_state *out, struct admin_problem *problem)
{
    for (size_t i = 0; i < STATE_COUNT; i++) {
        if (strcmp(STATES[i], text) != 0)
            continue;
        *out = (enum admin_state)i;
        return OK;
    }
    return refuse(problem, "state is one of any, waiting, sending, held, parked, answered");
}

static enum result uid_take(char to[ADMIN_TEXT], const char **out, const char *key, const char *value,
                            struct admin_problem *problem)
{
    if (!is_plain_text(value))
        return refuse(problem, "%s is empty, too long or has control characters", key);
    (void)text_copy(to, ADMIN_TEXT, slice_of_text(value));
    *out = to;
    return OK;
}

static enum result filter_take(void *to, const char *key, const char *value, struct admin_problem *problem)
{
    struct admin_filter_request *out = to;
    struct admin_filter *filter = &out->filter;
    uint64_t number;
    if (strcmp(key, "archive") == 0) {
        if (!admin_name_is_valid(value))
            return refuse(problem, "archive is the name of a node");
        (void)text_copy(out->archive, sizeof out->archive, slice_of_text(value));
        filter->archive = out->archive;
        return OK;
    }
    if (strcmp(key, "state") == 0)
        return state_parse(value, &filter->state, problem);
    if (strcmp(key, "after") == 0)
        return text_number(slice_of_text(value), UINT64_MAX, &filter->after) == OK
                   ? OK
                   : refuse(problem, "after is a receipt number");
    if (strcmp(key, "receipt") == 0)
        return text_number(slice_of_text(value), INT64_MAX, &filter->receipt) == OK && filter->receipt != 0
                   ? OK
                   : refuse(problem, "receipt is a receipt number");
    if (strcmp(key, "uid") == 0)
        return uid_take(out->uid, &filter->uid, key, value, problem);
    if (strcmp(key, "limit") == 0) {
        if (text_number(slice_of_text(value), ADMIN_LIST_MOST, &number) != OK || number == 0)
            return refuse(problem, "limit is a number from 1 to %d", ADMIN_LIST_MOST);
        filter->limit = (uint32_t)number;
        return OK;
    }
    return refuse(problem, "only archive, state, after, limit, receipt and uid may be asked for");
}

typedef enum result query_take(void *out, const char *key, const char *value, struct admin_problem *problem);

// Each parameter of a query goes to `take`; NULL: there is none.
static enum result query_each(const char *query, query_take *take, void *out, struct admin_problem *problem)
{
    struct evkeyvalq parameters;
    enum result result = OK;
    if (query == NULL)
        return OK;
    if (evhttp_parse_query_str(query, &parameters) != 0)
        return refuse(problem, "the query of the URL can not be read");
    for (struct evkeyval *pair = parameters.tqh_first; pair != NULL && result == OK;
         pair = pair->next.tqe_next)
        result = take(out, pair->key, pair->value, problem);
    evhttp_clear_headers(&parameters);
    return result;
}

enum result admin_filter_parse(const char *query, struct admin_filter_request *out,
                               struct admin_problem *problem)
{
    *out = (struct admin_filter_request){.filter = {.limit = ADMIN_LIST_DEFAULT}};
    return query_each(query, filter_take, out, problem);
}

static enum result summary_take(void *out, const char *key, const char *value, struct admin_problem *problem)
{
    return strcmp(key, "archive") == 0 ? filter_take(out, key, value, problem)
                                       : refuse(problem, "only archive may be asked for");
}

enum result admin_summary_parse(const char *query, struct admin_filter_request *out,
                                struct admin_problem *problem)
{
    *out = (struct admin_filter_request){0};
    return query_each(query, summary_take, out, problem);
}

static enum result holds_take(void *to, const char *key, const char *value, struct admin_problem *problem)
{
    struct admin_filter_request *out = to;
    if (strcmp(key, "study") == 0)
        return uid_take(out->study, &out->filter.study, key, value, problem);
    return strcmp(key, "archive") == 0 ? filter_take(out, key, value, problem)
                                       : refuse(problem, "only archive and study may be asked for");
}

enum result admin_holds_parse(const char *query, struct admin_filter_request *out,
                              struct admin_problem *problem)
{
    *out = (struct admin_filter_request){0};
    return query_each(query, holds_take, out, problem);
}

static enum result hold_take(void *out, const char *key, const char *value, struct admin_problem *problem)
{
    bool is_known = strcmp(key, "archive") == 0 || strcmp(key, "receipt") == 0 || strcmp(key, "uid") == 0;
    return is_known ? filter_take(out, key, value, problem)
                    : refuse(problem, "only receipt, uid and archive may be asked for");
}

enum result admin_hold_parse(const char *query, struct admin_filter_request *out,
                             struct admin_problem *problem)
{
    *out = (struct admin_filter_request){0};
    enum result result = query_each(query, hold_take, out, problem);
    if (result == OK && (out->filter.receipt != 0) == (out->filter.uid != NULL))
        return refuse(problem, "say which: one of receipt and uid");
    return result;
}

static enum result capability_take(void *to, const char *key, const char *value,
                                   struct admin_problem *problem)
{
    struct admin_capability_request *out = to;
    static const char *const KEYS[] = {"sop_class", "transfer_syntax", "client"};
    const char **members[] = {&out->query.sop_class, &out->query.transfer_syntax, &out->query.client};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        if (strcmp(KEYS[i], key) != 0)
            continue;
        if (!is_plain_text(value))
            return refuse(problem, "%s is empty, too long or has control characters", key);
        (void)text_copy(out->texts[i], sizeof out->texts[i], slice_of_text(value));
        *members[i] = out->texts[i];
        return OK;
    }
    return refuse(problem, "only sop_class, transfer_syntax and client may be asked for");
}

enum result admin_capability_parse(const char *query, struct admin_capability_request *out,
                                   struct admin_problem *problem)
{
    *out = (struct admin_capability_request){0};
    return query_each(query, capability_take, out, problem);
}

static enum result receipts_take(struct admin_change_request *out, const json_t *list,
                                 struct admin_problem *problem)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > ADMIN_RECEIPTS)
        return refuse(problem, "receipts is a list of 1 to %d receipt numbers", ADMIN_RECEIPTS);
    out->receipts = calloc(count, sizeof *out->receipts);
    if (out->receipts == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, i);
        if (!json_is_integer(number) || json_integer_value(number) <= 0)
            return refuse(problem, "receipts is a list of 1 to %d receipt numbers", ADMIN_RECEIPTS);
        out->receipts[i] = (uint64_t)json_integer_value(number);
    }
    out->selection.receipts = out->receipts;
    out->selection.receipt_count = count;
    return OK;
}

static enum result text_take(const json_t *value, const char *key, const char **out,
                             struct admin_problem *problem)
{
    if (!json_is_string(value) || !is_plain_text(json_string_value(value)))
        return refuse(problem, "%s is a text of 1 to %d bytes in one line", key, ADMIN_TEXT - 1);
    *out = json_string_value(value);
    return OK;
}

static enum result member_take(struct admin_change_request *out, enum admin_about about, const char *key,
                               const json_t *value, struct admin_problem *problem)
{
    struct admin_selection *selection = &out->selection;
    if (strcmp(key, "person") == 0)
        return text_take(value, key, &selection->person, problem);
    if (strcmp(key, "reason") == 0)
        return text_take(value, key, &selection->reason, problem);
    if (about == ADMIN_ABOUT_HOLDS && strcmp(key, "study") == 0)
        return text_take(value, key, &selection->study, problem);
    if (about == ADMIN_ABOUT_HOLDS && strcmp(key, "held_for") == 0)
        return text_take(value, key, &selection->held_for, problem);
    if (about != ADMIN_ABOUT_ARCHIVE && strcmp(key, "archive") == 0)
        return text_take(value, key, &selection->archive, problem);
    if (about != ADMIN_ABOUT_ARCHIVE && strcmp(key, "uid") == 0)
        return text_take(value, key, &selection->uid, problem);
    if (about != ADMIN_ABOUT_ARCHIVE && strcmp(key, "receipts") == 0)
        return receipts_take(out, value, problem);
    if (about != ADMIN_ABOUT_ARCHIVE && strcmp(key, "all") == 0) {
        if (!json_is_boolean(value))
            return refuse(problem, "all is true or false");
        selection->is_all = json_is_true(value);
        return OK;
    }
    return refuse(problem, "\"%.60s\" is not known here", key);
}

static enum result members_take(struct admin_change_request *out, enum admin_about about,
                                struct admin_problem *problem)
{
    const char *key;
    json_t *value;
    enum result result = OK;
    json_object_foreach(out->body, key, value)
    {
        result = member_take(out, about, key, value, problem);
        if (result != OK)
            break;
    }
    return result;
}

enum result admin_change_parse(const char *text, size_t length, enum admin_about about,
                               struct admin_change_request *out, struct admin_problem *problem)
{
    json_error_t error;
    *out = (struct admin_change_request){0};
    if (length == 0 && about == ADMIN_ABOUT_ARCHIVE)
        return OK;
    if (length == 0)
        return refuse(problem, "the body is empty: say which");
    out->body = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (out->body == NULL)
        return refuse(problem, "the body is not JSON: line %d: %.120s", error.line, error.text);
    enum result result = json_is_object(out->body) ? members_take(out, about, problem)
                                                   : refuse(problem, "the body is not an object");
    if (result == ERR_NOMEM)
        *problem = (struct admin_problem){.status = ADMIN_FAILED, .text = "out of memory"};
    if (result != OK)
        admin_change_fini(out);
    return result;
}

void admin_change_fini(struct admin_change_request *request)
{
    json_decref(request->body);
    free(request->receipts);
    *request = (struct admin_change_request){0};
}

enum result admin_change_check(enum admin_queue_change change, const struct admin_selection *selection,
                               struct admin_problem *problem)
{
    int ways = (selection->receipt_count > 0) + (selection->uid != NULL) + selection->is_all;
    if (ways != 1)
        return refuse(problem, "say which: exactly one of receipts, uid and all");
    if (change == ADMIN_DROP && (selection->person == NULL || selection->reason == NULL))
        return refuse(problem, "person and reason are needed: they are recorded");
    if (change == ADMIN_DROP && selection->archive == NULL)
        return refuse(problem, "archive is needed: an instance is dropped for one archive at a time");
    return OK;
}

enum result admin_hold_check(const struct admin_selection *selection, struct admin_problem *problem)
{
    int ways = (selection->receipt_count > 0) + (selection->uid != NULL) + (selection->study != NULL) +
               selection->is_all;
    if (ways != 1)
        return refuse(problem, "say which: exactly one of receipts, uid, study and all");
    if (selection->person == NULL || selection->reason == NULL)
        return refuse(problem, "person and reason are needed: they are recorded");
    return OK;
}
