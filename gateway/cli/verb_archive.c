// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate archive list|echo|pause|resume`.
#include "verb_tables.h"

#include <string.h>

#include "base/text.h"

enum cli_exit cli_archive_list(struct cli *cli)
{
    json_t *answer;
    enum cli_exit status = cli_call(cli, "/v1/archives", NULL, &answer);
    if (status != CLI_FINE)
        return status;
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        cli_print_archives(json_object_get(answer, "archives"));
    json_decref(answer);
    return status;
}

// POST /v1/archives/NAME/`verb`. The name goes into a path, so only what a node may be called is let through.
static enum cli_exit change(struct cli *cli, const char *verb, json_t **answer)
{
    char path[128];
    const char *name = cli->arguments[0];
    if (name[0] == 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(name))
        return cli_complain(cli, CLI_USAGE, "\"%.60s\" is not the name of an archive", name);
    if (!text_format(path, sizeof path, "/v1/archives/%s/%s", name, verb))
        return cli_complain(cli, CLI_USAGE, "the name is too long");
    json_t *body = json_object();
    if (cli->person != NULL)
        (void)json_object_set_new(body, "person", json_string(cli->person));
    if (cli->reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(cli->reason));
    return cli_call(cli, path, body, answer);
}

enum cli_exit cli_archive_echo(struct cli *cli)
{
    json_t *answer;
    char time[CLI_TEXT];
    enum cli_exit status = change(cli, "echo", &answer);
    if (status != CLI_FINE)
        return status;
    bool is_fine = json_is_true(json_object_get(answer, "ok"));
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        (void)printf("%s: %s after %s ms: %s\n", cli_text(answer, "archive"), is_fine ? "fine" : "FAILED",
                     cli_count(answer, "milliseconds", time), cli_text(answer, "message"));
    json_decref(answer);
    return status == CLI_FINE && !is_fine ? CLI_FINDING : status;
}

static enum cli_exit pause_or_resume(struct cli *cli, const char *verb)
{
    json_t *answer;
    enum cli_exit status = change(cli, verb, &answer);
    if (status != CLI_FINE)
        return status;
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        (void)printf("%s: %s\n", cli_text(answer, "archive"),
                     json_is_true(json_object_get(answer, "paused"))
                         ? "paused; what is owed to it is kept until `archive resume`"
                         : "sending");
    json_decref(answer);
    return status;
}

enum cli_exit cli_archive_pause(struct cli *cli)
{
    return pause_or_resume(cli, "pause");
}

enum cli_exit cli_archive_resume(struct cli *cli)
{
    return pause_or_resume(cli, "resume");
}
