// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate crosswalk import|merge|unmerge|move-study`: orders, with person and reason, for the only writer
// of the crosswalk; and `crosswalk init --lost`, for when there is none any more.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/wipe.h"
#include "cli/crosswalk.h"
#include "crosswalk/task.h"

static json_t *body_new(const struct cli *cli)
{
    return json_pack("{s:s, s:s}", "person", cli->person, "reason", cli->reason);
}

// ---- import

static void conflicts_print(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "conflicts");
    json_int_t count = json_integer_value(json_object_get(answer, "conflict_count"));
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        const json_t *other = json_object_get(item, "other");
        (void)printf("line %lld: %s", (long long)cli_number(item, "line"), cli_text(item, "text"));
        if (json_is_integer(other))
            (void)printf(" %lld", (long long)json_integer_value(other));
        (void)printf("\n");
    }
    if ((json_int_t)json_array_size(list) < count)
        (void)printf("... and %lld more\n", (long long)(count - (json_int_t)json_array_size(list)));
}

static enum cli_exit imported_report(const struct cli *cli, const json_t *answer)
{
    bool is_dry = (cli->given & CLI_OPTION_DRY_RUN) != 0;
    json_int_t conflicts = json_integer_value(json_object_get(answer, "conflict_count"));
    long long rows = cli_number(answer, "rows"), repeated = cli_number(answer, "repeated");
    if (cli->is_json)
        (void)cli_print_json(answer);
    else
        conflicts_print(answer);
    if (conflicts > 0 && is_dry)
        return cli_complain(cli, CLI_FINDING, "%lld conflicts: an import would be refused",
                            (long long)conflicts);
    if (conflicts > 0)
        return cli_complain(cli, CLI_REFUSED, "refused for %lld conflicts; nothing was changed",
                            (long long)conflicts);
    if (cli->is_json)
        return CLI_FINE;
    if (is_dry)
        (void)printf("%lld rows, %lld of them repeated; no conflict; nothing was changed\n", rows, repeated);
    else
        (void)printf("%lld rows, %lld of them repeated: in force as generation %lld\n", rows, repeated,
                     (long long)cli_number(answer, "generation"));
    return CLI_FINE;
}

enum cli_exit cli_crosswalk_import(struct cli *cli)
{
    char path[PATH_MAX];
    json_t *answer;
    enum cli_exit status = cli_crosswalk_blame(cli);
    if (status != CLI_FINE)
        return status;
    if (realpath(cli->arguments[0], path) == NULL)
        return cli_complain(cli, CLI_USAGE, "there is no file %s", cli->arguments[0]);
    json_t *body = body_new(cli);
    (void)json_object_set_new(body, "file", json_string(path));
    (void)json_object_set_new(body, "dry_run", json_boolean((cli->given & CLI_OPTION_DRY_RUN) != 0));
    status = cli_crosswalk_order(cli, "import", body, &answer);
    if (status == CLI_FINE)
        status = imported_report(cli, answer);
    json_decref(answer);
    return status;
}

// ---- merge, unmerge, move-study

static bool effective_read(const char *text, json_t *body)
{
    int64_t when = cli_time_read(text);
    return when > 0 && json_object_set_new(body, "effective", json_integer((json_int_t)when)) == 0;
}

// One ID to each key, a line each, from the file or standard input.
static enum cli_exit ids_read(const struct cli *cli, const char *const *keys, size_t count, json_t *body)
{
    char line[CROSSWALK_ID_BYTES + 2];
    bool is_file = cli->argument_count > 0 && strcmp(cli->arguments[0], "-") != 0;
    FILE *stream = is_file ? fopen(cli->arguments[0], "re") : stdin;
    enum cli_exit status = CLI_FINE;
    if (stream == NULL)
        return cli_complain(cli, CLI_USAGE, "%s can not be opened", cli->arguments[0]);
    for (size_t i = 0; i < count && status == CLI_FINE; i++) {
        if (!cli_line_read(stream, line, sizeof line) || line[0] == 0)
            status = cli_complain(cli, CLI_USAGE, "line %zu of the input is to be a patient ID", i + 1);
        else if (json_object_set_new(body, keys[i], json_string(line)) != 0)
            status = cli_complain(cli, CLI_USAGE, "line %zu of the input is not UTF-8", i + 1);
    }
    while (status == CLI_FINE && cli_line_read(stream, line, sizeof line))
        if (line[0] != 0)
            status = cli_complain(cli, CLI_USAGE, "the input has more than %zu line%s; nothing was changed",
                                  count, count == 1 ? "" : "s");
    wipe(line, sizeof line);
    if (is_file)
        (void)fclose(stream);
    return status;
}

static enum cli_exit change(struct cli *cli, const char *kind, size_t ids, const char *study,
                            const char *done)
{
    static const char *const keys[] = {"id", "into"};
    json_t *answer;
    enum cli_exit status = cli_crosswalk_blame(cli);
    if (status == CLI_FINE && cli->domain == NULL)
        status = cli_complain(cli, CLI_USAGE, "say of which domain the ID is, with --domain");
    if (status != CLI_FINE)
        return status;
    json_t *body = body_new(cli);
    (void)json_object_set_new(body, "domain", json_string(cli->domain));
    if (study != NULL)
        (void)json_object_set_new(body, "study", json_string(study));
    if (cli->effective != NULL && !effective_read(cli->effective, body))
        status = cli_complain(cli, CLI_USAGE, "--effective is YYYY-MM-DD or YYYY-MM-DDThh:mm:ss");
    if (status == CLI_FINE)
        status = ids_read(cli, keys, ids, body);
    if (status != CLI_FINE) {
        crosswalk_json_free(body);
        return status;
    }
    status = cli_crosswalk_order(cli, kind, body, &answer);
    if (status == CLI_FINE && cli->is_json)
        (void)cli_print_json(answer);
    else if (status == CLI_FINE)
        (void)printf("%s; generation %lld\n", done, (long long)cli_number(answer, "generation"));
    json_decref(answer);
    return status;
}

enum cli_exit cli_crosswalk_merge(struct cli *cli)
{
    return change(cli, "merge", 2, NULL, "merged");
}

enum cli_exit cli_crosswalk_unmerge(struct cli *cli)
{
    return change(cli, "unmerge", 1, NULL, "the merge is taken back");
}

enum cli_exit cli_crosswalk_move_study(struct cli *cli)
{
    if (cli->uid == NULL)
        return cli_complain(cli, CLI_USAGE, "say which study, with --uid");
    return change(cli, "move-study", 1, cli->uid, "the study is moved");
}

// ---- init --lost

static enum cli_exit renew(const struct cli *cli, const struct configuration *configuration)
{
    struct fs *fs;
    struct seal_source keys;
    struct seal_keyring *ring;
    struct seal_problem trouble = {.text = ""};
    struct crosswalk_problem problem = {.text = ""};
    struct crosswalk_order order = {.now = cli_crosswalk_now(), .person = cli->person, .reason = cli->reason};
    enum cli_exit status = cli_data_open(cli, &configuration->gateway, &fs, &keys);
    if (status != CLI_FINE)
        return status;
    enum result result = seal_keys_open_readonly(&keys, &ring, &trouble);
    if (result == OK) {
        result = crosswalk_store_renew(configuration, ring, &order, &problem);
        if (result != OK)
            status = cli_complain(cli, result == ERR_ARGUMENT ? CLI_USAGE : CLI_REFUSED, "%s", problem.text);
        seal_keyring_free(ring);
    } else {
        status = cli_key_refuse(cli, result, &trouble);
    }
    fs_free(fs);
    return status;
}

static void renewed_report(const struct cli *cli)
{
    if (cli->is_json) {
        json_t *answer = json_pack("{s:i, s:b}", "version", 1, "empty", 1);
        (void)cli_print_json(answer);
        json_decref(answer);
        return;
    }
    (void)printf(
        "a new crosswalk has begun, empty but for this in its log\n"
        "Before the gateway starts: `dicomgate crosswalk import`, then the merges and moves of studies "
        "again.\nUnder which ID a study was first delivered is not known any more.\n");
}

enum cli_exit cli_crosswalk_init(struct cli *cli)
{
    struct configuration *configuration;
    int lock;
    enum cli_exit status = cli_crosswalk_blame(cli);
    if (status == CLI_FINE && (cli->given & CLI_OPTION_LOST) == 0)
        status =
            cli_complain(cli, CLI_USAGE,
                         "the first start makes the crosswalk; if it is lost for good, say so with --lost");
    if (status == CLI_FINE)
        status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    status = cli_data_lock(cli, &configuration->gateway, &lock);
    if (status == CLI_FINE) {
        status = renew(cli, configuration);
        (void)close(lock);
    }
    if (status == CLI_FINE)
        renewed_report(cli);
    configuration_free(configuration);
    return status;
}
