// SPDX-License-Identifier: Apache-2.0
//
// Routes, replies, and evhttp on the Unix socket; see admin.h. evhttp keeps a request whose caller has hung
// up until it is answered, so a reply may always be ended.
#include "admin/admin.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "request.h"
#include "socket.h"

#define SERVER_MAGIC 0x41444D53u
#define REPLY_MAGIC  0x41444D52u

enum { READ_TIMEOUT_SECONDS = 60 };

struct admin_server {
    uint32_t magic;
    struct evhttp *http;
    const struct admin_actions *actions;
    void *arg;
    struct list pending; // of admin_reply
    char *path;
};

struct admin_reply {
    uint32_t magic;
    struct admin_server *server;    // NULL: gone, and with it the request
    struct evhttp_request *request; // evhttp's
    struct list_node node;
};

static struct admin_reply *reply_new(struct admin_server *server, struct evhttp_request *request)
{
    struct admin_reply *reply = calloc(1, sizeof *reply);
    if (reply == NULL)
        return NULL;
    MAGIC_INIT(reply, REPLY_MAGIC);
    reply->server = server;
    reply->request = request;
    list_append(&server->pending, &reply->node);
    return reply;
}

static void request_answer(struct evhttp_request *request, int status, const char *text)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    (void)evhttp_add_header(headers, "Content-Type", "application/json");
    (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    if (body != NULL)
        (void)evbuffer_add_printf(body, "%s\n", text);
    evhttp_send_reply(request, status, NULL, body);
    if (body != NULL)
        evbuffer_free(body);
}

// Takes `body`.
static char *body_text(json_t *body)
{
    if (body == NULL)
        return NULL;
    bool has_version = json_object_set_new(body, "version", json_integer(ADMIN_VERSION)) == 0;
    char *text = has_version ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

void admin_reply_send(struct admin_reply *reply, enum admin_status status, json_t *body)
{
    static const char NO_MEMORY[] = "{\"version\":1,\"error\":\"failed\",\"message\":\"out of memory\"}";
    MAGIC_CHECK(reply, REPLY_MAGIC);
    char *text = body_text(body);
    if (reply->server != NULL) {
        list_remove(&reply->server->pending, &reply->node);
        request_answer(reply->request, text != NULL ? (int)status : ADMIN_FAILED,
                       text != NULL ? text : NO_MEMORY);
    }
    free(text);
    MAGIC_CLEAR(reply);
    free(reply);
}

static const char *error_name(enum admin_status status)
{
    switch (status) {
    case ADMIN_FINE:
        break;
    case ADMIN_BAD_REQUEST:
        return "bad-request";
    case ADMIN_NOT_FOUND:
        return "not-found";
    case ADMIN_NOT_ALLOWED:
        return "not-allowed";
    case ADMIN_REFUSED:
        return "refused";
    case ADMIN_TOO_LARGE:
        return "too-large";
    case ADMIN_FAILED:
        return "failed";
    case ADMIN_UNAVAILABLE:
        return "unavailable";
    }
    unreachable_state(); // a success is not a failure
}

void admin_reply_fail(struct admin_reply *reply, enum admin_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_t *body = json_object();
    if (body != NULL && (json_object_set_new(body, "error", json_string(error_name(status))) != 0 ||
                         json_object_set_new(body, "message", json_string(text)) != 0)) {
        json_decref(body);
        body = NULL;
    }
    admin_reply_send(reply, status, body);
}

static void on_status(struct admin_server *server, struct admin_reply *reply)
{
    server->actions->status(server->arg, reply);
}

static void on_queue(struct admin_server *server, struct admin_reply *reply)
{
    struct admin_filter_request filter;
    struct admin_problem problem;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(reply->request));
    if (admin_filter_parse(query, &filter, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->queue_list(server->arg, &filter.filter, reply);
}

static void on_summary(struct admin_server *server, struct admin_reply *reply)
{
    struct admin_filter_request filter;
    struct admin_problem problem;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(reply->request));
    if (admin_summary_parse(query, &filter, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->queue_summary(server->arg, filter.filter.archive, reply);
}

static void on_holds(struct admin_server *server, struct admin_reply *reply)
{
    struct admin_filter_request filter;
    struct admin_problem problem;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(reply->request));
    if (admin_holds_parse(query, &filter, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->hold_list(server->arg, &filter.filter, reply);
}

static void on_hold(struct admin_server *server, struct admin_reply *reply)
{
    struct admin_filter_request filter;
    struct admin_problem problem;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(reply->request));
    if (admin_hold_parse(query, &filter, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->hold_show(server->arg, &filter.filter, reply);
}

static void on_archives(struct admin_server *server, struct admin_reply *reply)
{
    server->actions->archive_list(server->arg, reply);
}

// The body as one piece, borrowed until the request is answered.
static struct slice body_of(struct admin_reply *reply)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(reply->request);
    size_t length = evbuffer_get_length(body);
    const unsigned char *text = length > 0 ? evbuffer_pullup(body, -1) : NULL;
    return slice_of(text, text != NULL ? length : 0);
}

static void queue_change(struct admin_server *server, struct admin_reply *reply,
                         enum admin_queue_change change)
{
    struct admin_change_request request;
    struct admin_problem problem;
    struct slice body = body_of(reply);
    if (admin_change_parse((const char *)body.data, body.length, ADMIN_ABOUT_QUEUE, &request, &problem) !=
        OK) {
        admin_reply_fail(reply, problem.status, "%s", problem.text);
        return;
    }
    if (admin_change_check(change, &request.selection, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->queue_change(server->arg, change, &request.selection, reply);
    admin_change_fini(&request);
}

static void on_retry(struct admin_server *server, struct admin_reply *reply)
{
    queue_change(server, reply, ADMIN_RETRY);
}

static void on_park(struct admin_server *server, struct admin_reply *reply)
{
    queue_change(server, reply, ADMIN_PARK);
}

static void on_drop(struct admin_server *server, struct admin_reply *reply)
{
    queue_change(server, reply, ADMIN_DROP);
}

static void hold_change(struct admin_server *server, struct admin_reply *reply, enum admin_hold_change change)
{
    struct admin_change_request request;
    struct admin_problem problem;
    struct slice body = body_of(reply);
    if (admin_change_parse((const char *)body.data, body.length, ADMIN_ABOUT_HOLDS, &request, &problem) !=
        OK) {
        admin_reply_fail(reply, problem.status, "%s", problem.text);
        return;
    }
    if (admin_hold_check(&request.selection, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->hold_change(server->arg, change, &request.selection, reply);
    admin_change_fini(&request);
}

static void on_hold_release(struct admin_server *server, struct admin_reply *reply)
{
    hold_change(server, reply, ADMIN_RELEASE);
}

static void on_hold_reject(struct admin_server *server, struct admin_reply *reply)
{
    hold_change(server, reply, ADMIN_REJECT);
}

static void on_reload(struct admin_server *server, struct admin_reply *reply)
{
    struct admin_change_request request;
    struct admin_problem problem;
    struct slice body = body_of(reply);
    if (admin_change_parse((const char *)body.data, body.length, ADMIN_ABOUT_ARCHIVE, &request, &problem) !=
        OK) {
        admin_reply_fail(reply, problem.status, "%s", problem.text);
        return;
    }
    server->actions->config_reload(server->arg, request.selection.person, reply);
    admin_change_fini(&request);
}

struct route {
    const char *path;
    enum evhttp_cmd_type method;
    void (*serve)(struct admin_server *server, struct admin_reply *reply);
};

static const struct route ROUTES[] = {
    {"/v1/status", EVHTTP_REQ_GET, on_status},
    {"/v1/queue", EVHTTP_REQ_GET, on_queue},
    {"/v1/queue/summary", EVHTTP_REQ_GET, on_summary},
    {"/v1/queue/retry", EVHTTP_REQ_POST, on_retry},
    {"/v1/queue/park", EVHTTP_REQ_POST, on_park},
    {"/v1/queue/drop", EVHTTP_REQ_POST, on_drop},
    {"/v1/holds", EVHTTP_REQ_GET, on_holds},
    {"/v1/holds/show", EVHTTP_REQ_GET, on_hold},
    {"/v1/holds/release", EVHTTP_REQ_POST, on_hold_release},
    {"/v1/holds/reject", EVHTTP_REQ_POST, on_hold_reject},
    {"/v1/archives", EVHTTP_REQ_GET, on_archives},
    {"/v1/config/reload", EVHTTP_REQ_POST, on_reload},
};

static const char *const ARCHIVE_VERBS[] = {
    [ADMIN_ECHO] = "echo", [ADMIN_PAUSE] = "pause", [ADMIN_RESUME] = "resume", [ADMIN_PROBE] = "probe"};

static void archive_change(struct admin_server *server, struct admin_reply *reply,
                           enum admin_archive_change change, const char *name)
{
    struct admin_change_request request;
    struct admin_problem problem;
    struct slice body = body_of(reply);
    if (admin_change_parse((const char *)body.data, body.length, ADMIN_ABOUT_ARCHIVE, &request, &problem) !=
        OK) {
        admin_reply_fail(reply, problem.status, "%s", problem.text);
        return;
    }
    const struct admin_selection *who = &request.selection;
    bool is_asked_only = change == ADMIN_ECHO || change == ADMIN_PROBE;
    if (is_asked_only && (who->person != NULL || who->reason != NULL))
        admin_reply_fail(reply, ADMIN_BAD_REQUEST,
                         "person and reason are not known here: nothing records them");
    else
        server->actions->archive_change(server->arg, change, name, who->person, who->reason, reply);
    admin_change_fini(&request);
}

static void capabilities_serve(struct admin_server *server, struct admin_reply *reply, const char *name)
{
    struct admin_capability_request request;
    struct admin_problem problem;
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(reply->request));
    if (evhttp_request_get_command(reply->request) != EVHTTP_REQ_GET)
        admin_reply_fail(reply, ADMIN_NOT_ALLOWED, "this path takes GET only");
    else if (admin_capability_parse(query, &request, &problem) != OK)
        admin_reply_fail(reply, problem.status, "%s", problem.text);
    else
        server->actions->archive_capabilities(server->arg, name, &request.query, reply);
}

// "/v1/archives/NAME/VERB"; false if it is another path.
static bool archive_serve(struct admin_server *server, struct admin_reply *reply, const char *path)
{
    static const char PREFIX[] = "/v1/archives/";
    char name[ADMIN_TEXT];
    if (strncmp(path, PREFIX, sizeof PREFIX - 1) != 0)
        return false;
    const char *begin = path + sizeof PREFIX - 1;
    const char *slash = strchr(begin, '/');
    if (slash == NULL || !text_copy(name, sizeof name, slice_of(begin, (size_t)(slash - begin))) ||
        !admin_name_is_valid(name))
        return false;
    if (strcmp(slash + 1, "capabilities") == 0) {
        capabilities_serve(server, reply, name);
        return true;
    }
    for (int change = ADMIN_ECHO; change <= ADMIN_PROBE; change++) {
        if (strcmp(ARCHIVE_VERBS[change], slash + 1) != 0)
            continue;
        if (evhttp_request_get_command(reply->request) != EVHTTP_REQ_POST)
            admin_reply_fail(reply, ADMIN_NOT_ALLOWED, "this path takes POST only");
        else
            archive_change(server, reply, (enum admin_archive_change)change, name);
        return true;
    }
    return false;
}

// "/v1/crosswalk/KIND"; false if it is another path. The body holds patient IDs: evhttp gives its memory back
// without wiping it, so it is wiped here.
static bool crosswalk_serve(struct admin_server *server, struct admin_reply *reply, const char *path)
{
    static const char PREFIX[] = "/v1/crosswalk/";
    char kind[ADMIN_TEXT];
    if (strncmp(path, PREFIX, sizeof PREFIX - 1) != 0 ||
        !text_copy(kind, sizeof kind, slice_of_text(path + sizeof PREFIX - 1)))
        return false;
    if (evhttp_request_get_command(reply->request) != EVHTTP_REQ_POST) {
        admin_reply_fail(reply, ADMIN_NOT_ALLOWED, "this path takes POST only");
        return true;
    }
    struct slice body = body_of(reply);
    char *copy = malloc(body.length + 1);
    if (copy == NULL) {
        admin_reply_fail(reply, ADMIN_UNAVAILABLE, "out of memory");
        return true;
    }
    if (body.length > 0) {
        memcpy(copy, body.data, body.length);
        wipe((void *)(uintptr_t)body.data, body.length);
    }
    server->actions->crosswalk_change(server->arg, kind, slice_of(copy, body.length), reply);
    wipe(copy, body.length);
    free(copy);
    return true;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct admin_server *server = arg;
    MAGIC_CHECK(server, SERVER_MAGIC);
    struct admin_reply *reply = reply_new(server, request);
    if (reply == NULL) {
        evhttp_send_error(request, ADMIN_UNAVAILABLE, NULL);
        return;
    }
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    for (size_t i = 0; path != NULL && i < sizeof ROUTES / sizeof *ROUTES; i++) {
        if (strcmp(ROUTES[i].path, path) != 0)
            continue;
        if (evhttp_request_get_command(request) != ROUTES[i].method)
            admin_reply_fail(reply, ADMIN_NOT_ALLOWED, "this path takes %s only",
                             ROUTES[i].method == EVHTTP_REQ_GET ? "GET" : "POST");
        else
            ROUTES[i].serve(server, reply);
        return;
    }
    if (path == NULL || (!archive_serve(server, reply, path) && !crosswalk_serve(server, reply, path)))
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no such path");
}

enum result admin_server_new(struct event_base *base, const char *path, const struct admin_actions *actions,
                             void *arg, struct admin_server **out)
{
    int listening = -1;
    enum result result = ERR_NOMEM;
    struct admin_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(server, SERVER_MAGIC);
    server->actions = actions;
    server->arg = arg;
    list_init(&server->pending);
    server->http = evhttp_new(base);
    if (server->http == NULL)
        goto out;
    evhttp_set_max_body_size(server->http, ADMIN_BODY_BYTES);
    evhttp_set_max_headers_size(server->http, ADMIN_HEADER_BYTES);
    evhttp_set_timeout(server->http, READ_TIMEOUT_SECONDS);
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_gencb(server->http, on_request, server);
    result = admin_socket_open(path, &listening);
    if (result != OK)
        goto out;
    server->path = strdup(path); // from here on the socket is ours to remove
    result = ERR_NOMEM;
    if (server->path == NULL) {
        (void)unlink(path);
        goto out;
    }
    if (evhttp_accept_socket(server->http, listening) != 0)
        goto out;
    listening = -1; // evhttp closes it
    *out = server;
    return OK;
out:
    if (listening >= 0)
        (void)close(listening);
    admin_server_free(server);
    return result;
}

void admin_server_free(struct admin_server *server)
{
    if (server == NULL)
        return;
    MAGIC_CHECK(server, SERVER_MAGIC);
    if (server->path != NULL)
        (void)unlink(server->path);
    LIST_EACH(&server->pending, node)
    {
        struct admin_reply *reply = CONTAINER_OF(node, struct admin_reply, node);
        list_remove(&server->pending, node);
        request_answer(reply->request, ADMIN_UNAVAILABLE,
                       "{\"version\":1,\"error\":\"unavailable\",\"message\":\"the gateway is stopping\"}");
        reply->server = NULL;
        reply->request = NULL;
    }
    if (server->http != NULL)
        evhttp_free(server->http);
    free(server->path);
    MAGIC_CLEAR(server);
    free(server);
}
