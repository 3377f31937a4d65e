// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate config check|reference`. Needs no daemon.
#include "cli.h"

#include <stdlib.h>

static void print_check(const char *file, const struct conf_errors *errors)
{
    json_t *list = json_array();
    for (size_t i = 0; i < errors->count; i++)
        (void)json_array_append_new(list, json_string(errors->item[i].text));
    json_t *answer = json_pack("{s:i, s:s, s:b, s:I, s:o}", "version", 1, "file", file, "ok",
                               errors->count == 0, "more", (json_int_t)errors->dropped, "errors", list);
    if (answer != NULL)
        (void)cli_print_json(answer);
    json_decref(answer);
}

// DESIGN 3: what is not encrypted is flagged everywhere.
static void print_plain(const struct configuration *configuration)
{
    for (size_t i = 0; i < configuration->listener_count; i++)
        if (configuration->listener[i].tls == NULL)
            (void)printf("note: listener %s is plain: not encrypted\n", configuration->listener[i].name);
    for (size_t i = 0; i < configuration->node_count; i++)
        if (configuration->node[i].tls == NULL)
            (void)printf("note: node %s is plain: not encrypted\n", configuration->node[i].name);
}

enum cli_exit cli_config_check(struct cli *cli)
{
    const char *file = cli->argument_count > 0 ? cli->arguments[0] : cli->config;
    struct configuration *configuration = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = configuration_load(file, &configuration, &errors);
    if (cli->is_json) {
        print_check(file, &errors);
    } else if (result == OK) {
        (void)printf("%s: fine: %zu listeners, %zu nodes, %zu phases, starts in %s\n", file,
                     configuration->listener_count, configuration->node_count, configuration->phase_count,
                     configuration->start_phase->name);
        print_plain(configuration);
    } else {
        cli_print_errors(&errors);
    }
    configuration_free(configuration);
    conf_errors_fini(&errors);
    if (result == ERR_NOMEM)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    return result == OK ? CLI_FINE : CLI_CONFIGURATION;
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
