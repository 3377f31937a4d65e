// SPDX-License-Identifier: Apache-2.0
//
// The control socket as a client sees it: every path, what is refused, late answers, callers that hang up,
// limits, and the socket itself.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "admin/admin.h"

static struct {
    char folder[32];
    char path[64];
    struct event_base *base;
    struct admin_server *server;
    struct admin_reply *held; // an answer that comes later
    char called[512];         // what the action was asked, as text
} the;

static void on_status(void *arg, struct admin_reply *reply)
{
    assert_ptr_equal(arg, &the);
    the.held = reply;
}

static void on_list(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "list %s %s after %llu limit %u",
                   filter->archive != NULL ? filter->archive : "*", admin_state_text(filter->state),
                   (unsigned long long)filter->after, filter->limit);
    if (filter->receipt != 0 || filter->uid != NULL)
        (void)snprintf(the.called, sizeof the.called, "show %llu %s", (unsigned long long)filter->receipt,
                       filter->uid != NULL ? filter->uid : "-");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:[], s:b}", "items", "more", 0));
}

static void on_change(void *arg, enum admin_queue_change change, const struct admin_selection *selection,
                      struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "change %d %s n=%zu first=%llu uid=%s all=%d by %s for %s",
                   (int)change, selection->archive != NULL ? selection->archive : "*",
                   selection->receipt_count,
                   selection->receipt_count > 0 ? (unsigned long long)selection->receipts[0] : 0ULL,
                   selection->uid != NULL ? selection->uid : "-", selection->is_all,
                   selection->person != NULL ? selection->person : "-",
                   selection->reason != NULL ? selection->reason : "-");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:i, s:i}", "changed", 1, "unchanged", 0));
}

static void on_summary(void *arg, const char *archive, struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "summary %s", archive != NULL ? archive : "*");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:[]}", "archives"));
}

static void on_holds(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "holds %s %s",
                   filter->archive != NULL ? filter->archive : "*",
                   filter->study != NULL ? filter->study : "*");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:[], s:i}", "groups", "more", 0));
}

static void on_hold(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "hold %s %llu %s",
                   filter->archive != NULL ? filter->archive : "*", (unsigned long long)filter->receipt,
                   filter->uid != NULL ? filter->uid : "-");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:[]}", "items"));
}

static void on_hold_change(void *arg, enum admin_hold_change change, const struct admin_selection *selection,
                           struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(
        the.called, sizeof the.called, "%s %s n=%zu uid=%s study=%s all=%d held for %s by %s for %s",
        change == ADMIN_RELEASE ? "release" : "reject", selection->archive != NULL ? selection->archive : "*",
        selection->receipt_count, selection->uid != NULL ? selection->uid : "-",
        selection->study != NULL ? selection->study : "-", selection->is_all,
        selection->held_for != NULL ? selection->held_for : "-", selection->person, selection->reason);
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:i, s:i}", "changed", 1, "unchanged", 0));
}

static void on_archives(void *arg, struct admin_reply *reply)
{
    (void)arg;
    admin_reply_send(reply, ADMIN_FINE, NULL); // as if there were no memory
}

static void on_archive(void *arg, enum admin_archive_change change, const char *name, const char *person,
                       const char *reason, struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "archive %d %s by %s for %s", (int)change, name,
                   person != NULL ? person : "-", reason != NULL ? reason : "-");
    if (strcmp(name, "none") == 0)
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%s\"", name);
    else
        admin_reply_send(reply, ADMIN_FINE, json_pack("{s:s}", "archive", name));
}

static void on_capabilities(void *arg, const char *name, const struct admin_capability_query *query,
                            struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "capabilities %s %s %s %s", name,
                   query->sop_class != NULL ? query->sop_class : "-",
                   query->transfer_syntax != NULL ? query->transfer_syntax : "-",
                   query->client != NULL ? query->client : "-");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:s}", "archive", name));
}

static void on_crosswalk(void *arg, const char *kind, struct slice body, struct admin_reply *reply)
{
    (void)arg;
    (void)snprintf(the.called, sizeof the.called, "crosswalk %s %.*s", kind, (int)body.length,
                   body.length > 0 ? (const char *)body.data : "");
    admin_reply_send(reply, ADMIN_FINE, json_pack("{s:i}", "generation", 7));
}

static const struct admin_actions ACTIONS = {
    .status = on_status,
    .queue_list = on_list,
    .queue_summary = on_summary,
    .queue_change = on_change,
    .hold_list = on_holds,
    .hold_show = on_hold,
    .hold_change = on_hold_change,
    .archive_list = on_archives,
    .archive_change = on_archive,
    .archive_capabilities = on_capabilities,
    .crosswalk_change = on_crosswalk,
};

static int setup(void **state)
{
    (void)state;
    memset(&the, 0, sizeof the);
    (void)snprintf(the.folder, sizeof the.folder, "/tmp/dg-admin-XXXXXX");
    assert_non_null(mkdtemp(the.folder));
    (void)snprintf(the.path, sizeof the.path, "%s/control.sock", the.folder);
    the.base = event_base_new();
    assert_non_null(the.base);
    assert_int_equal(admin_server_new(the.base, the.path, &ACTIONS, &the, &the.server), OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    admin_server_free(the.server);
    event_base_free(the.base);
    assert_int_equal(access(the.path, F_OK), -1);
    assert_int_equal(rmdir(the.folder), 0);
    return 0;
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", the.path);
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(file >= 0);
    assert_int_equal(connect(file, (const struct sockaddr *)&address, sizeof address), 0);
    return file;
}

static void turn(void)
{
    struct timeval pause = {.tv_usec = 2000};
    assert_int_equal(event_base_loopexit(the.base, &pause), 0);
    assert_int_equal(event_base_dispatch(the.base), 0);
}

static void request_send(int file, const char *method, const char *path, const char *body)
{
    char text[2048];
    int length = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                          method, path, strlen(body), body);
    assert_true(length > 0 && (size_t)length < sizeof text);
    assert_int_equal(write(file, text, (size_t)length), length);
}

// Reads until the body is there or the server has closed; returns the HTTP status. `body` gets the body.
static int answer_read(int file, char *body, size_t capacity)
{
    char text[8192];
    size_t used = 0;
    for (int turns = 0; turns < 500; turns++) {
        turn();
        ssize_t count = recv(file, text + used, sizeof text - 1 - used, MSG_DONTWAIT);
        if (count > 0)
            used += (size_t)count;
        text[used] = 0;
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (count == 0 || (end != NULL && length != NULL &&
                           used >= (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10)))
            break;
    }
    const char *end = strstr(text, "\r\n\r\n");
    (void)snprintf(body, capacity, "%s", end != NULL ? end + 4 : "");
    body[strcspn(body, "\n")] = 0;
    return used > 12 ? (int)strtol(text + 9, NULL, 10) : 0;
}

static void expect(const char *method, const char *path, const char *body, int status, const char *called,
                   const char *answer)
{
    char found[8192];
    int file = dial();
    the.called[0] = 0;
    request_send(file, method, path, body);
    assert_int_equal(answer_read(file, found, sizeof found), status);
    assert_string_equal(the.called, called);
    assert_string_equal(found, answer);
    (void)close(file);
    turn();
}

#define LIST_ANSWER   "{\"items\":[],\"more\":false,\"version\":1}"
#define CHANGE_ANSWER "{\"changed\":1,\"unchanged\":0,\"version\":1}"
#define BAD(message)  "{\"error\":\"bad-request\",\"message\":\"" message "\",\"version\":1}"

static void test_capabilities(void **state)
{
    (void)state;
    expect("GET", "/v1/archives/legacy/capabilities", "", 200, "capabilities legacy - - -",
           "{\"archive\":\"legacy\",\"version\":1}");
    expect("GET",
           "/v1/archives/legacy/capabilities?sop_class=CTImageStorage&transfer_syntax=1.2&client=CT%201", "",
           200, "capabilities legacy CTImageStorage 1.2 CT 1", "{\"archive\":\"legacy\",\"version\":1}");
    expect("GET", "/v1/archives/legacy/capabilities?class=1.2", "", 400, "",
           BAD("only sop_class, transfer_syntax and client may be asked for"));
    expect("GET", "/v1/archives/legacy/capabilities?client=", "", 400, "",
           BAD("client is empty, too long or has control characters"));
    expect("POST", "/v1/archives/legacy/capabilities", "", 405, "",
           "{\"error\":\"not-allowed\",\"message\":\"this path takes GET only\",\"version\":1}");
}

static void test_crosswalk(void **state)
{
    (void)state;
    expect("POST", "/v1/crosswalk/merge", "{\"id\":\"1\"}", 200, "crosswalk merge {\"id\":\"1\"}",
           "{\"generation\":7,\"version\":1}");
    expect("POST", "/v1/crosswalk/unmerge", "", 200, "crosswalk unmerge ",
           "{\"generation\":7,\"version\":1}");
    expect("GET", "/v1/crosswalk/merge", "", 405, "",
           "{\"error\":\"not-allowed\",\"message\":\"this path takes POST only\",\"version\":1}");
}

static void test_queue_list(void **state)
{
    (void)state;
    expect("GET", "/v1/queue", "", 200, "list * any after 0 limit 100", LIST_ANSWER);
    expect("GET", "/v1/queue?archive=legacy&state=parked&after=281474976710657&limit=5", "", 200,
           "list legacy parked after 281474976710657 limit 5", LIST_ANSWER);
    expect("GET", "/v1/queue?state=held", "", 200, "list * held after 0 limit 100", LIST_ANSWER);
    expect("GET", "/v1/queue?limit=0", "", 400, "", BAD("limit is a number from 1 to 10000"));
    expect("GET", "/v1/queue?limit=10001", "", 400, "", BAD("limit is a number from 1 to 10000"));
    expect("GET", "/v1/queue?after=x", "", 400, "", BAD("after is a receipt number"));
    expect("GET", "/v1/queue?state=lost", "", 400, "",
           BAD("state is one of any, waiting, sending, held, parked, answered"));
    expect("GET", "/v1/queue?archive=a%20b", "", 400, "", BAD("archive is the name of a node"));
    expect("GET", "/v1/queue?patient=1", "", 400, "",
           BAD("only archive, state, after, limit, receipt and uid may be asked for"));
    expect("GET", "/v1/queue?receipt=281474976710657", "", 200, "show 281474976710657 -", LIST_ANSWER);
    expect("GET", "/v1/queue?uid=1.2.840.1", "", 200, "show 0 1.2.840.1", LIST_ANSWER);
    expect("GET", "/v1/queue?receipt=0", "", 400, "", BAD("receipt is a receipt number"));
    expect("GET", "/v1/queue?receipt=1.2", "", 400, "", BAD("receipt is a receipt number"));
    expect("GET", "/v1/queue?uid=1%0A2", "", 400, "",
           BAD("uid is empty, too long or has control characters"));
}

static void test_queue_summary(void **state)
{
    (void)state;
    expect("GET", "/v1/queue/summary", "", 200, "summary *", "{\"archives\":[],\"version\":1}");
    expect("GET", "/v1/queue/summary?archive=legacy", "", 200, "summary legacy",
           "{\"archives\":[],\"version\":1}");
    expect("GET", "/v1/queue/summary?archive=a%20b", "", 400, "", BAD("archive is the name of a node"));
    expect("GET", "/v1/queue/summary?state=parked", "", 400, "", BAD("only archive may be asked for"));
    expect("POST", "/v1/queue/summary", "", 405, "",
           "{\"error\":\"not-allowed\",\"message\":\"this path takes GET only\",\"version\":1}");
}

static void test_queue_change(void **state)
{
    (void)state;
    expect("POST", "/v1/queue/retry", "{\"receipts\":[7,8]}", 200,
           "change 0 * n=2 first=7 uid=- all=0 by - for -", CHANGE_ANSWER);
    expect("POST", "/v1/queue/retry", "{\"all\":true,\"archive\":\"legacy\"}", 200,
           "change 0 legacy n=0 first=0 uid=- all=1 by - for -", CHANGE_ANSWER);
    expect("POST", "/v1/queue/park", "{\"uid\":\"1.2.3\",\"person\":\"J. Doe\",\"reason\":\"why not\"}", 200,
           "change 1 * n=0 first=0 uid=1.2.3 all=0 by J. Doe for why not", CHANGE_ANSWER);
    expect("POST", "/v1/queue/drop",
           "{\"receipts\":[9],\"archive\":\"new\",\"person\":\"A\",\"reason\":\"B\"}", 200,
           "change 2 new n=1 first=9 uid=- all=0 by A for B", CHANGE_ANSWER);
}

static void test_queue_change_refused(void **state)
{
    (void)state;
    expect("POST", "/v1/queue/retry", "{}", 400, "", BAD("say which: exactly one of receipts, uid and all"));
    expect("POST", "/v1/queue/retry", "{\"all\":true,\"receipts\":[1]}", 400, "",
           BAD("say which: exactly one of receipts, uid and all"));
    expect("POST", "/v1/queue/retry", "{\"all\":1}", 400, "", BAD("all is true or false"));
    expect("POST", "/v1/queue/retry", "{\"receipts\":[]}", 400, "",
           BAD("receipts is a list of 1 to 1000 receipt numbers"));
    expect("POST", "/v1/queue/retry", "{\"receipts\":[\"1\"]}", 400, "",
           BAD("receipts is a list of 1 to 1000 receipt numbers"));
    expect("POST", "/v1/queue/retry", "{\"receipts\":[0]}", 400, "",
           BAD("receipts is a list of 1 to 1000 receipt numbers"));
    expect("POST", "/v1/queue/retry", "{\"all\":true,\"patient\":\"x\"}", 400, "",
           BAD("\\\"patient\\\" is not known here"));
    expect("POST", "/v1/queue/retry", "[]", 400, "", BAD("the body is not an object"));
    expect("POST", "/v1/queue/retry", "", 400, "", BAD("the body is empty: say which"));
    expect("POST", "/v1/queue/retry", "{\"all\":true,\"all\":false}", 400, "",
           BAD("the body is not JSON: line 1: duplicate object key near '\\\"all\\\"'"));
    expect("POST", "/v1/queue/retry", "{\"all\":true,\"reason\":\"a\\nb\"}", 400, "",
           BAD("reason is a text of 1 to 255 bytes in one line"));
    expect("POST", "/v1/queue/drop", "{\"all\":true,\"archive\":\"new\",\"person\":\"x\"}", 400, "",
           BAD("person and reason are needed: they are recorded"));
    expect("POST", "/v1/queue/drop", "{\"all\":true,\"person\":\"x\",\"reason\":\"y\"}", 400, "",
           BAD("archive is needed: an instance is dropped for one archive at a time"));
}

#define HOLDS_ANSWER "{\"groups\":[],\"more\":0,\"version\":1}"
#define BY_WHOM      "\"person\":\"J. Doe\",\"reason\":\"why not\""

static void test_holds(void **state)
{
    (void)state;
    expect("GET", "/v1/holds", "", 200, "holds * *", HOLDS_ANSWER);
    expect("GET", "/v1/holds?archive=new&study=1.2.3", "", 200, "holds new 1.2.3", HOLDS_ANSWER);
    expect("GET", "/v1/holds?patient=x", "", 400, "", BAD("only archive and study may be asked for"));
    expect("GET", "/v1/holds?study=", "", 400, "", BAD("study is empty, too long or has control characters"));
    expect("GET", "/v1/holds/show?receipt=7&archive=new", "", 200, "hold new 7 -",
           "{\"items\":[],\"version\":1}");
    expect("GET", "/v1/holds/show?uid=1.2", "", 200, "hold * 0 1.2", "{\"items\":[],\"version\":1}");
    expect("GET", "/v1/holds/show", "", 400, "", BAD("say which: one of receipt and uid"));
    expect("GET", "/v1/holds/show?uid=1&receipt=2", "", 400, "", BAD("say which: one of receipt and uid"));
    expect("GET", "/v1/holds/show?study=1", "", 400, "",
           BAD("only receipt, uid and archive may be asked for"));
}

static void test_hold_change(void **state)
{
    (void)state;
    expect("POST", "/v1/holds/release", "{\"receipts\":[7,8]," BY_WHOM "}", 200,
           "release * n=2 uid=- study=- all=0 held for - by J. Doe for why not", CHANGE_ANSWER);
    expect("POST", "/v1/holds/reject", "{\"study\":\"1.2\",\"archive\":\"new\"," BY_WHOM "}", 200,
           "reject new n=0 uid=- study=1.2 all=0 held for - by J. Doe for why not", CHANGE_ANSWER);
    expect("POST", "/v1/holds/release", "{\"all\":true,\"held_for\":\"dates\"," BY_WHOM "}", 200,
           "release * n=0 uid=- study=- all=1 held for dates by J. Doe for why not", CHANGE_ANSWER);
    expect("POST", "/v1/holds/release", "{\"all\":true,\"person\":\"x\"}", 400, "",
           BAD("person and reason are needed: they are recorded"));
    expect("POST", "/v1/holds/reject", "{\"held_for\":\"dates\"," BY_WHOM "}", 400, "",
           BAD("say which: exactly one of receipts, uid, study and all"));
    expect("POST", "/v1/holds/reject", "{\"study\":\"1\",\"uid\":\"1\"," BY_WHOM "}", 400, "",
           BAD("say which: exactly one of receipts, uid, study and all"));
    // What only holds can be chosen by must not widen what is done to the queue.
    expect("POST", "/v1/queue/drop", "{\"all\":true,\"held_for\":\"x\",\"archive\":\"new\"," BY_WHOM "}", 400,
           "", BAD("\\\"held_for\\\" is not known here"));
    expect("GET", "/v1/holds/reject", "", 405, "",
           "{\"error\":\"not-allowed\",\"message\":\"this path takes POST only\",\"version\":1}");
}

static void test_archives(void **state)
{
    (void)state;
    expect("POST", "/v1/archives/legacy/echo", "", 200, "archive 0 legacy by - for -",
           "{\"archive\":\"legacy\",\"version\":1}");
    expect("POST", "/v1/archives/legacy/pause", "{\"person\":\"A\",\"reason\":\"B\"}", 200,
           "archive 1 legacy by A for B", "{\"archive\":\"legacy\",\"version\":1}");
    expect("POST", "/v1/archives/none/resume", "{}", 404, "archive 2 none by - for -",
           "{\"error\":\"not-found\",\"message\":\"there is no archive \\\"none\\\"\",\"version\":1}");
    expect("POST", "/v1/archives/legacy/echo", "{\"person\":\"A\"}", 400, "",
           BAD("person and reason are not known here: nothing records them"));
    expect("POST", "/v1/archives/legacy/probe", "{\"reason\":\"A\"}", 400, "",
           BAD("person and reason are not known here: nothing records them"));
    expect("POST", "/v1/archives/legacy/pause", "{\"archive\":\"x\"}", 400, "",
           BAD("\\\"archive\\\" is not known here"));
    // An action that ran out of memory.
    expect("GET", "/v1/archives", "", 500, "",
           "{\"version\":1,\"error\":\"failed\",\"message\":\"out of memory\"}");
}

#define NO_PATH "{\"error\":\"not-found\",\"message\":\"there is no such path\",\"version\":1}"
#define ONLY(method)                                                                                         \
    "{\"error\":\"not-allowed\",\"message\":\"this path takes " method " only\",\"version\":1}"

static void test_paths(void **state)
{
    (void)state;
    expect("GET", "/", "", 404, "", NO_PATH);
    expect("GET", "/v1/queue/", "", 404, "", NO_PATH);
    expect("POST", "/v1/archives/legacy", "", 404, "", NO_PATH);
    expect("POST", "/v1/archives/legacy/explode", "", 404, "", NO_PATH);
    expect("POST", "/v1/archives/a%2Fb/echo", "", 404, "", NO_PATH);
    expect("POST", "/v1/archives//echo", "", 404, "", NO_PATH);
    expect("POST", "/v1/status", "", 405, "", ONLY("GET"));
    expect("GET", "/v1/queue/drop", "", 405, "", ONLY("POST"));
    expect("GET", "/v1/archives/legacy/echo", "", 405, "", ONLY("POST"));
}

static void test_late_answer(void **state)
{
    char body[256];
    int file = dial();
    (void)state;
    request_send(file, "GET", "/v1/status", "");
    for (int i = 0; i < 100 && the.held == NULL; i++)
        turn();
    assert_non_null(the.held);
    // Others are served meanwhile.
    expect("GET", "/v1/queue", "", 200, "list * any after 0 limit 100", LIST_ANSWER);
    admin_reply_send(the.held, ADMIN_FINE, json_pack("{s:b}", "ready", 1));
    assert_int_equal(answer_read(file, body, sizeof body), 200);
    assert_string_equal(body, "{\"ready\":true,\"version\":1}");
    (void)close(file);
    turn();
}

static void test_caller_hangs_up(void **state)
{
    int file = dial();
    (void)state;
    request_send(file, "GET", "/v1/status", "");
    for (int i = 0; i < 100 && the.held == NULL; i++)
        turn();
    assert_non_null(the.held);
    (void)close(file);
    turn();
    turn();
    admin_reply_send(the.held, ADMIN_FINE, json_object());
    turn();
    expect("GET", "/v1/queue", "", 200, "list * any after 0 limit 100", LIST_ANSWER);
}

static void test_server_goes_first(void **state)
{
    int file = dial();
    (void)state;
    request_send(file, "GET", "/v1/status", "");
    for (int i = 0; i < 100 && the.held == NULL; i++)
        turn();
    assert_non_null(the.held);
    admin_server_free(the.server);
    the.server = NULL;
    admin_reply_fail(the.held, ADMIN_FAILED, "too late");
    (void)close(file);
}

static void test_limits(void **state)
{
    static char big[ADMIN_BODY_BYTES + 1024];
    char head[256], body[8192];
    int file = dial();
    (void)state;
    memset(big, 'x', sizeof big);
    int length =
        snprintf(head, sizeof head, "POST /v1/queue/retry HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                 sizeof big);
    assert_int_equal(write(file, head, (size_t)length), length);
    assert_int_equal(answer_read(file, body, sizeof body), 413);
    (void)close(file);
    turn();
    file = dial();
    assert_int_equal(write(file, "GET /", 5), 5);
    assert_true(send(file, big, ADMIN_HEADER_BYTES + 1024, MSG_NOSIGNAL) > 0);
    int status = answer_read(file, body, sizeof body);
    assert_true(status == 400 || status == 413);
    (void)close(file);
    turn();
    assert_string_equal(the.called, "");
}

static void test_socket(void **state)
{
    struct stat status;
    struct admin_server *other = NULL;
    char path[128], longer[256];
    (void)state;
    assert_int_equal(stat(the.path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 07777, 0600);
    // Somebody answers there.
    assert_int_equal(admin_server_new(the.base, the.path, &ACTIONS, &the, &other), ERR_EXISTS);
    assert_int_equal(access(the.path, F_OK), 0);
    // Not a socket.
    (void)snprintf(path, sizeof path, "%s/file", the.folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(admin_server_new(the.base, path, &ACTIONS, &the, &other), ERR_EXISTS);
    assert_int_equal(unlink(path), 0);
    // Left behind by a daemon that died.
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/dead", the.folder);
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof address), 0);
    (void)close(dead);
    assert_int_equal(admin_server_new(the.base, address.sun_path, &ACTIONS, &the, &other), OK);
    admin_server_free(other);
    assert_int_equal(access(address.sun_path, F_OK), -1);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(admin_server_new(the.base, longer, &ACTIONS, &the, &other), ERR_LIMIT);
    (void)snprintf(path, sizeof path, "%s/no/folder", the.folder);
    assert_int_equal(admin_server_new(the.base, path, &ACTIONS, &the, &other), ERR_IO);
    admin_server_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_capabilities),
        TEST(test_crosswalk),
        TEST(test_queue_list),
        TEST(test_queue_summary),
        TEST(test_queue_change),
        TEST(test_queue_change_refused),
        TEST(test_holds),
        TEST(test_hold_change),
        TEST(test_archives),
        TEST(test_paths),
        TEST(test_late_answer),
        TEST(test_caller_hangs_up),
        TEST(test_server_goes_first),
        TEST(test_limits),
        TEST(test_socket),
    };
    (void)signal(SIGPIPE, SIG_IGN); // as the daemon does
    return cmocka_run_group_tests(tests, NULL, NULL);
}
