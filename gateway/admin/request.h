// SPDX-License-Identifier: Apache-2.0
//
// What a request's query and body say, checked. Private to gateway/admin; main thread.
#pragma once

#include <event2/http.h>

#include "admin/admin.h"

enum { ADMIN_PROBLEM = 256 };

// Why a request can not be served; `text` is for the operator.
struct admin_problem {
    enum admin_status status;
    char text[ADMIN_PROBLEM];
};

// A filter and the memory that it points into.
struct admin_filter_request {
    struct admin_filter filter;
    char archive[ADMIN_TEXT];
    char uid[ADMIN_TEXT];
    char study[ADMIN_TEXT];
};

// A selection and the memory that it points into.
struct admin_change_request {
    struct admin_selection selection;
    json_t *body; // owner of the texts; NULL = none was given
    uint64_t *receipts;
};

// From the query part of a URI; NULL = none. ERR_FORMAT: *problem says why.
MUST_USE enum result admin_filter_parse(const char *query, struct admin_filter_request *out,
                                        struct admin_problem *problem);
// The same, with `archive` only.
MUST_USE enum result admin_summary_parse(const char *query, struct admin_filter_request *out,
                                         struct admin_problem *problem);
// The same, with `archive` and `study` only.
MUST_USE enum result admin_holds_parse(const char *query, struct admin_filter_request *out,
                                       struct admin_problem *problem);
// The same, with `archive` and exactly one of `receipt` and `uid`.
MUST_USE enum result admin_hold_parse(const char *query, struct admin_filter_request *out,
                                      struct admin_problem *problem);

// A query about capabilities and the memory that it points into.
struct admin_capability_request {
    struct admin_capability_query query;
    char texts[3][ADMIN_TEXT];
};
// From the query part of a URI; NULL = none. ERR_FORMAT: *problem says why.
MUST_USE enum result admin_capability_parse(const char *query, struct admin_capability_request *out,
                                            struct admin_problem *problem);

// What a body is about: of an archive's only "person" and "reason" are known, and it may be empty.
enum admin_about { ADMIN_ABOUT_ARCHIVE, ADMIN_ABOUT_QUEUE, ADMIN_ABOUT_HOLDS };

// From a body. ERR_FORMAT, ERR_NOMEM: *problem says why. On OK the caller ends it with admin_change_fini().
MUST_USE enum result admin_change_parse(const char *text, size_t length, enum admin_about about,
                                        struct admin_change_request *out, struct admin_problem *problem);
void admin_change_fini(struct admin_change_request *request);

// Whether the selection says enough for this change. ERR_FORMAT: *problem says what is missing.
MUST_USE enum result admin_change_check(enum admin_queue_change change,
                                        const struct admin_selection *selection,
                                        struct admin_problem *problem);
MUST_USE enum result admin_hold_check(const struct admin_selection *selection, struct admin_problem *problem);

// A node's name as it may stand in a configuration: letters, digits and _ . -.
bool admin_name_is_valid(const char *name);
