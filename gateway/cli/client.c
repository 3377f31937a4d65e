// SPDX-License-Identifier: Apache-2.0
//
// One HTTP call over the control socket, by libcurl; see cli.h.
#include "cli.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "base/wipe.h"

enum {
    ANSWER_BYTES = 64 << 20, // longest answer: 10,000 rows of a queue are a few MiB
    CONNECT_SECONDS = 5,
    IMPORT_SECONDS = 7200, // a crosswalk of any size
    CALL_SECONDS = 120     // an echo may wait for connect, TLS and ARTIM of an archive
};

struct answer {
    char *text;
    size_t length;
    size_t capacity;
};

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    size_t bytes = size * count; // libcurl: size is 1
    if (bytes > ANSWER_BYTES - answer->length)
        return 0;
    if (answer->length + bytes > answer->capacity) {
        size_t capacity = answer->capacity * 2 + bytes;
        char *text = realloc(answer->text, capacity);
        if (text == NULL)
            return 0;
        answer->text = text;
        answer->capacity = capacity;
    }
    memcpy(answer->text + answer->length, data, bytes);
    answer->length += bytes;
    return bytes;
}

// The socket as told, else that of the configuration.
static enum cli_exit socket_path(const struct cli *cli, char *to, size_t capacity)
{
    struct configuration *configuration;
    if (cli->socket != NULL)
        return text_copy(to, capacity, slice_of_text(cli->socket))
                   ? CLI_FINE
                   : cli_complain(cli, CLI_USAGE, "the path of the socket is too long");
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    (void)text_copy(to, capacity, slice_of_text(configuration->gateway.control_socket));
    configuration_free(configuration);
    return CLI_FINE;
}

static enum cli_exit complain_unreachable(const struct cli *cli, const char *path, CURLcode code, CURL *curl)
{
    long reason = 0;
    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return cli_complain(cli, CLI_UNREACHABLE, "the daemon at %s did not answer in time", path);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return cli_complain(cli, CLI_UNREACHABLE,
                            "there is no socket %s: the daemon is not running, or uses another "
                            "data folder",
                            path);
    if (reason == EACCES || access(path, W_OK) != 0)
        return cli_complain(cli, CLI_REFUSED,
                            "no permission for %s: run this as the user of the gateway, or as root", path);
    return cli_complain(cli, CLI_UNREACHABLE, "the daemon does not answer at %s: %s", path,
                        reason != 0 ? strerror((int)reason) : curl_easy_strerror(code));
}

// The daemon's own words, mapped to an exit status by the HTTP status.
static enum cli_exit complain_answer(const struct cli *cli, long status, const json_t *answer)
{
    const char *message = json_string_value(json_object_get(answer, "message"));
    if (message == NULL)
        message = "no reason given";
    if (status == 400 || status == 405 || status == 413)
        return cli_complain(cli, CLI_USAGE, "the daemon does not take this: %s", message);
    if (status == 404 || status == 409 || status == 503)
        return cli_complain(cli, CLI_REFUSED, "refused: %s", message);
    return cli_complain(cli, CLI_INTERNAL, "the daemon failed (HTTP %ld): %s", status, message);
}

static enum cli_exit answer_read(const struct cli *cli, CURL *curl, const struct answer *raw, json_t **out)
{
    long status = 0;
    json_error_t error;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *answer = json_loadb(raw->text != NULL ? raw->text : "", raw->length, 0, &error);
    enum cli_exit result = CLI_FINE;
    if (status != 200)
        result = complain_answer(cli, status, answer);
    else if (!json_is_object(answer))
        result = cli_complain(cli, CLI_INTERNAL, "the daemon's answer is not JSON");
    if (result == CLI_FINE)
        *out = answer;
    else
        json_decref(answer);
    return result;
}

static void prepare(CURL *curl, const char *socket, const char *url, const char *body,
                    struct curl_slist *headers, struct answer *raw)
{
    (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, ""); // whatever the environment says
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)CALL_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, raw);
    if (body != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

enum cli_exit cli_call(const struct cli *cli, const char *path, json_t *body, json_t **answer)
{
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)], url[1024];
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    bool is_complete = body == NULL || text != NULL;
    struct answer raw = {0};
    json_decref(body);
    CURL *curl = curl_easy_init();
    // "Expect: 100-continue" would only cost a turn.
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    enum cli_exit status = socket_path(cli, socket, sizeof socket);
    if (status != CLI_FINE)
        goto out;
    if (curl == NULL || headers == NULL || !is_complete ||
        !text_format(url, sizeof url, "http://dicomgate%s", path)) {
        status = cli_complain(cli, CLI_INTERNAL, "the call can not be prepared");
        goto out;
    }
    prepare(curl, socket, url, text, headers, &raw);
    if (strcmp(path, "/v1/crosswalk/import") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)IMPORT_SECONDS);
    CURLcode code = curl_easy_perform(curl);
    status = code == CURLE_OK ? answer_read(cli, curl, &raw, answer)
                              : complain_unreachable(cli, socket, code, curl);
out:
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(raw.text);
    if (text != NULL)
        wipe(text, strlen(text)); // it may hold a patient's ID
    free(text);
    return status;
}

bool cli_query_add(char *path, size_t capacity, const char *key, const char *value)
{
    size_t used = strlen(path);
    if (value == NULL)
        return true;
    char *encoded = curl_easy_escape(NULL, value, 0);
    if (encoded == NULL)
        return false;
    bool fits = text_format(path + used, capacity - used, "%c%s=%s", strchr(path, '?') == NULL ? '?' : '&',
                            key, encoded);
    curl_free(encoded);
    return fits;
}
