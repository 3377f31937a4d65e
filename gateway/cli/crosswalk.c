// SPDX-License-Identifier: Apache-2.0
//
// Opening the crosswalk for the verbs, and orders: through the daemon when it runs, else here.
#include "cli/crosswalk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "crosswalk/job.h"

enum { PATH_BYTES = 4096, DAY_SECONDS = 86400, URL_BYTES = 64 };

#define CHECK_FOLDER "crosswalk.check" // below the data folder

static enum cli_exit store_open(const struct cli *cli, bool is_readonly, struct cli_crosswalk *out)
{
    struct seal_source keys;
    struct seal_problem problem = {.text = ""};
    struct crosswalk_problem why = {.text = ""};
    enum cli_exit status = cli_data_open(cli, &out->configuration->gateway, &out->fs, &keys);
    if (status != CLI_FINE)
        return status;
    enum result result =
        is_readonly ? seal_keys_open_readonly(&keys, &out->keyring, &problem)
                    : seal_keys_open(&keys, (uint32_t)(time(NULL) / DAY_SECONDS), &out->keyring, &problem);
    if (result != OK)
        return cli_key_refuse(cli, result, &problem);
    result = crosswalk_store_open(out->configuration, out->keyring, is_readonly, &out->store, &why);
    if (result == OK)
        result = crosswalk_reader_new(out->store.crosswalk, &out->reader);
    if (result == OK)
        return CLI_FINE;
    return cli_complain(cli, CLI_REFUSED, "%s", why.text[0] != 0 ? why.text : result_text(result));
}

enum cli_exit cli_crosswalk_open(const struct cli *cli, bool is_readonly, struct cli_crosswalk *out)
{
    *out = (struct cli_crosswalk){.lock = -1};
    enum cli_exit status = cli_configuration(cli, &out->configuration);
    return status == CLI_FINE ? store_open(cli, is_readonly, out) : status;
}

enum cli_exit cli_crosswalk_attach(const struct cli *cli, struct cli_crosswalk *out)
{
    return store_open(cli, true, out);
}

void cli_crosswalk_close(struct cli_crosswalk *crosswalk)
{
    crosswalk_reader_free(crosswalk->reader);
    crosswalk_store_close(&crosswalk->store);
    seal_keyring_free(crosswalk->keyring);
    fs_free(crosswalk->fs);
    if (crosswalk->lock >= 0)
        (void)close(crosswalk->lock);
    configuration_free(crosswalk->configuration);
}

enum cli_exit cli_crosswalk_result(const struct cli *cli, enum result result)
{
    if (result == OK)
        return CLI_FINE;
    if (result == CLOSED)
        return cli_complain(cli, CLI_REFUSED, "another import came in between: give the command again");
    return cli_complain(cli, result == ERR_CRYPTO || result == ERR_FORMAT ? CLI_FINDING : CLI_INTERNAL,
                        result == ERR_CRYPTO || result == ERR_FORMAT
                            ? "the crosswalk is damaged: see `dicomgate crosswalk check`"
                            : "the crosswalk can not be read: %s",
                        result_text(result));
}

// ---- orders

uint64_t cli_crosswalk_now(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    return (uint64_t)at.tv_sec * NSEC_PER_SEC + (uint64_t)at.tv_nsec;
}

static enum cli_exit job_run(const struct cli *cli, struct cli_crosswalk *crosswalk, const char *folder,
                             const struct crosswalk_task *task, json_t **answer)
{
    struct crosswalk_problem problem;
    struct crosswalk_job *job =
        crosswalk_job_new(crosswalk->store.crosswalk, crosswalk->fs, folder, task, cli_crosswalk_now());
    if (job == NULL)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    while (!crosswalk_job_step(job))
        ;
    enum admin_status status = crosswalk_job_end(job, answer, &problem);
    for (enum result result = AGAIN; result == AGAIN && folder == NULL;)
        result = crosswalk_purge(crosswalk->store.crosswalk); // else the next one does
    if (status == ADMIN_FINE) {
        (void)json_object_set_new(*answer, "version", json_integer(1));
        return CLI_FINE;
    }
    return cli_complain(cli, status == ADMIN_FAILED ? CLI_INTERNAL : CLI_REFUSED, "refused: %s",
                        problem.text);
}

static enum cli_exit task_run(const struct cli *cli, struct cli_crosswalk *crosswalk, const char *folder,
                              const char *kind, const json_t *body, json_t **answer)
{
    struct crosswalk_task task;
    struct crosswalk_problem problem = {.text = ""};
    char *text = json_dumps(body, JSON_COMPACT);
    if (text == NULL)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    enum result result = crosswalk_task_parse(kind, slice_of_text(text), &task, &problem);
    wipe(text, strlen(text));
    free(text);
    if (result != OK)
        return cli_complain(cli, CLI_USAGE, "%s", problem.text);
    enum cli_exit status = job_run(cli, crosswalk, folder, &task, answer);
    crosswalk_task_fini(&task);
    return status;
}

// The folder in which a dry run sorts, locked as long as `*lock` is open: what one that was killed has left
// in it is taken away by the next. It stays, empty, so that two never lock two folders of one name.
static enum cli_exit check_folder_lock(const struct cli *cli, const struct configuration_gateway *gateway,
                                       int *lock)
{
    char path[PATH_BYTES];
    if (!text_format(path, sizeof path, "%s/" CHECK_FOLDER, gateway->data))
        return cli_complain(cli, CLI_CONFIGURATION, "the path of the data folder is too long");
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (*lock < 0)
        return cli_complain(cli, CLI_REFUSED, "%s can not be opened: %s", path, strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0)
        return cli_complain(cli, CLI_REFUSED, "another dry run is under way");
    return CLI_FINE;
}

// A dry run beside the daemon: nothing is written but what is sorted, in a folder of its own.
static enum cli_exit dry_run(const struct cli *cli, const json_t *body, json_t **answer)
{
    struct cli_crosswalk crosswalk;
    int lock = -1;
    enum cli_exit status = cli_crosswalk_open(cli, true, &crosswalk);
    if (status == CLI_FINE)
        status = check_folder_lock(cli, &crosswalk.configuration->gateway, &lock);
    if (status == CLI_FINE)
        status = task_run(cli, &crosswalk, CHECK_FOLDER, "import", body, answer);
    cli_crosswalk_close(&crosswalk);
    if (lock >= 0)
        (void)close(lock);
    return status;
}

static enum cli_exit order_here(const struct cli *cli, int lock, const char *kind, const json_t *body,
                                json_t **answer)
{
    struct cli_crosswalk crosswalk;
    enum cli_exit status = cli_crosswalk_open(cli, false, &crosswalk);
    crosswalk.lock = lock;
    if (status == CLI_FINE)
        status = task_run(cli, &crosswalk, NULL, kind, body, answer);
    cli_crosswalk_close(&crosswalk);
    return status;
}

enum cli_exit cli_crosswalk_order(const struct cli *cli, const char *kind, json_t *body, json_t **answer)
{
    struct configuration *configuration;
    char url[URL_BYTES];
    int lock = -1;
    *answer = NULL;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status == CLI_FINE) {
        status = cli_data_lock_try(cli, &configuration->gateway, &lock);
        configuration_free(configuration);
    }
    if (status == CLI_FINE && lock >= 0) {
        status = order_here(cli, lock, kind, body, answer);
    } else if (status == CLI_FINE && json_is_true(json_object_get(body, "dry_run"))) {
        status = dry_run(cli, body, answer);
    } else if (status == CLI_FINE && text_format(url, sizeof url, "/v1/crosswalk/%s", kind)) {
        status = cli_call(cli, url, json_incref(body), answer);
    }
    crosswalk_json_free(body);
    return status;
}

enum cli_exit cli_crosswalk_blame(const struct cli *cli)
{
    if (cli->person != NULL && cli->reason != NULL)
        return CLI_FINE;
    return cli_complain(cli, CLI_USAGE, "say who and why, with --person and --reason: it is recorded");
}

enum cli_exit cli_crosswalk_note(const struct cli *cli, const char *kind, const char *recipient)
{
    json_t *answer;
    enum cli_exit status = cli_crosswalk_blame(cli);
    if (status != CLI_FINE)
        return status;
    json_t *body = json_pack("{s:s, s:s}", "person", cli->person, "reason", cli->reason);
    if (recipient != NULL)
        (void)json_object_set_new(body, "recipient", json_string(recipient));
    status = cli_crosswalk_order(cli, kind, body, &answer);
    json_decref(answer);
    return status;
}

bool cli_line_read(FILE *stream, char *line, size_t capacity)
{
    size_t length = 0;
    bool is_bad = false;
    int byte = getc(stream);
    if (byte == EOF)
        return false;
    for (; byte != EOF && byte != '\n'; byte = getc(stream)) {
        is_bad |= length + 1 == capacity || byte == 0;
        if (!is_bad)
            line[length++] = (char)byte;
    }
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = 0;
    if (is_bad)
        (void)text_copy(line, capacity, slice_of_text("\\"));
    return true;
}
