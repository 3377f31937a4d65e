// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate config check|reload|reference`. Only reload needs the daemon.
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/secure.h"
#include "edit/policy.h"
#include "front/peers.h"

// ---- check ----

struct check {
    const char *file;
    struct configuration *configuration;
    struct secure *secure; // NULL: not right
    struct conf_errors errors;
    json_t *problems; // texts: sections whose files are no good
    uint64_t now;
    json_t *notes; // texts: what is plain, what ends soon
    bool ends_soon;
};

__attribute__((format(printf, 2, 3))) static void note(struct check *check, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)json_array_append_new(check->notes, json_string(text));
}

// DESIGN 3: what is not encrypted is flagged everywhere.
static void note_plain(struct check *check)
{
    const struct configuration *configuration = check->configuration;
    for (size_t i = 0; i < configuration->listener_count; i++)
        if (configuration->listener[i].tls == NULL)
            note(check, "listener %s is plain: not encrypted", configuration->listener[i].name);
    for (size_t i = 0; i < configuration->node_count; i++)
        if (configuration->node[i].tls == NULL)
            note(check, "node %s is plain: not encrypted", configuration->node[i].name);
}

static void note_document(void *arg, const char *section, const struct tls_document *document)
{
    struct check *check = arg;
    if (document->expires == 0 || expiry_level(document->expires, check->now) == 0)
        return;
    check->ends_soon = true;
    if (document->expires <= check->now)
        note(check, "tls %s: %s (%s) has EXPIRED", section, document->subject, document->file);
    else
        note(check, "tls %s: %s (%s) ends in %llu days", section, document->subject, document->file,
             (unsigned long long)(document->expires - check->now) / 86400);
}

static void note_problem(void *arg, const char *section, const char *problem)
{
    struct check *check = arg;
    char text[TLS_ERROR_MAX + 64];
    if (problem == NULL)
        return;
    (void)snprintf(text, sizeof text, "%s: tls %s: %s", check->file, section, problem);
    (void)json_array_append_new(check->problems, json_string(text));
}

static enum result check_run(struct check *check)
{
    enum result result = configuration_load(check->file, &check->configuration, &check->errors);
    if (result != OK)
        return result;
    struct edit_policies *policies = NULL;
    result = edit_policies_new(check->configuration, &check->errors, &policies);
    edit_policies_unref(&policies);
    if (result != OK)
        return result;
    note_plain(check);
    secure_sections_check(check->configuration, check->now, note_problem, check);
    if (json_array_size(check->problems) > 0)
        return ERR_FORMAT;
    char error[TLS_ERROR_MAX];
    result = secure_new(check->configuration, check->now, error, &check->secure);
    if (result == OK)
        secure_documents_visit(check->secure, note_document, check);
    return result;
}

static void print_check_json(const struct check *check, bool is_fine)
{
    json_t *list = json_array();
    for (size_t i = 0; i < check->errors.count; i++)
        (void)json_array_append_new(list, json_string(check->errors.item[i].text));
    (void)json_array_extend(list, check->problems);
    json_t *answer =
        json_pack("{s:i, s:s, s:b, s:I, s:o, s:O}", "version", 1, "file", check->file, "ok", is_fine, "more",
                  (json_int_t)check->errors.dropped, "errors", list, "notes", check->notes);
    if (answer != NULL)
        (void)cli_print_json(answer);
    json_decref(answer);
}

static void print_check(const struct check *check, bool is_fine)
{
    const struct configuration *configuration = check->configuration;
    size_t index;
    json_t *text;
    json_array_foreach(check->problems, index, text)(void) fprintf(stderr, "%s\n", json_string_value(text));
    if (!is_fine) {
        cli_print_errors(&check->errors);
        return;
    }
    (void)printf("%s: fine: %zu listeners, %zu nodes, %zu phases, starts in %s\n", check->file,
                 configuration->listener_count, configuration->node_count, configuration->phase_count,
                 configuration->start_phase->name);
    json_array_foreach(check->notes, index, text)(void) printf("note: %s\n", json_string_value(text));
}

enum cli_exit cli_config_check(struct cli *cli)
{
    struct check check = {.file = cli->argument_count > 0 ? cli->arguments[0] : cli->config,
                          .now = (uint64_t)time(NULL),
                          .notes = json_array(),
                          .problems = json_array()};
    conf_errors_init(&check.errors);
    enum result result = check_run(&check);
    if (cli->is_json)
        print_check_json(&check, result == OK);
    else
        print_check(&check, result == OK);
    secure_free(check.secure);
    configuration_free(check.configuration);
    conf_errors_fini(&check.errors);
    json_decref(check.notes);
    json_decref(check.problems);
    if (result == ERR_NOMEM)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    return result != OK ? CLI_CONFIGURATION : check.ends_soon ? CLI_FINDING : CLI_FINE;
}

// ---- reload ----

// One line for each text of the list.
static void print_list(FILE *stream, const char *before, const json_t *list)
{
    size_t index;
    json_t *text;
    json_array_foreach(list, index, text)(void) fprintf(stream, "%s%s\n", before, json_string_value(text));
}

static void print_sections(const json_t *sections)
{
    size_t index;
    json_t *row;
    json_array_foreach(sections, index, row)
    {
        const char *problem = json_string_value(json_object_get(row, "problem"));
        if (problem != NULL)
            (void)fprintf(stderr, "tls %s: %s; the former files stay in force\n", cli_text(row, "name"),
                          problem);
        else
            (void)printf("tls %s: in force for new connections\n", cli_text(row, "name"));
    }
}

enum cli_exit cli_config_reload(struct cli *cli)
{
    json_t *answer;
    json_t *body = json_object();
    if (cli->person != NULL)
        (void)json_object_set_new(body, "person", json_string(cli->person));
    enum cli_exit status = cli_call(cli, "/v1/config/reload", body, &answer);
    if (status != CLI_FINE)
        return status;
    bool has_errors = json_array_size(json_object_get(answer, "errors")) > 0;
    bool is_fine = json_is_true(json_object_get(answer, "ok")) &&
                   json_array_size(json_object_get(answer, "restart")) == 0;
    if (cli->is_json) {
        status = cli_print_json(answer);
    } else {
        print_list(stderr, "", json_object_get(answer, "errors"));
        print_list(stdout, "changed: ", json_object_get(answer, "changed"));
        print_list(stdout, "needs a restart: ", json_object_get(answer, "restart"));
        print_sections(json_object_get(answer, "tls"));
        if (has_errors)
            (void)fprintf(stderr, "nothing has changed\n");
    }
    json_decref(answer);
    if (status != CLI_FINE)
        return status;
    return has_errors ? CLI_CONFIGURATION : is_fine ? CLI_FINE : CLI_FINDING;
}

enum cli_exit cli_config_reference(struct cli *cli)
{
    char *text = configuration_reference();
    if (text == NULL)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    bool is_fine = fputs(text, stdout) >= 0;
    free(text);
    return is_fine ? CLI_FINE : CLI_INTERNAL;
}
