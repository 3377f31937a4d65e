// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate rules check`: packs, tables and golden cases, without the daemon.
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "edit/policy.h"
#include "rules_setup.h"

enum cli_exit rules_setup_init(struct rules_setup *setup, const struct cli *cli, const char *packs,
                               const char *golden)
{
    *setup = (struct rules_setup){.packs = packs, .golden = golden};
    conf_errors_init(&setup->errors);
    if (packs == NULL) {
        enum cli_exit status = cli_configuration(cli, &setup->configuration);
        if (status != CLI_FINE)
            return status;
        setup->packs = setup->configuration->rules.packs;
        setup->golden = setup->configuration->rules.golden;
    }
    if (setup->packs == NULL)
        return cli_complain(cli, CLI_CONFIGURATION,
                            "the configuration names no folder of packs (`rules: packs:`)");
    if (rules_library_new(&setup->library) != OK)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    enum result result = rules_folder_load(setup->packs, setup->library, &setup->errors);
    if (result == OK || result == ERR_FORMAT)
        return CLI_FINE; // the errors speak
    return cli_complain(cli, CLI_INTERNAL, "the packs can not be read: %s", result_text(result));
}

void rules_setup_fini(struct rules_setup *setup)
{
    rules_library_free(setup->library);
    configuration_free(setup->configuration);
    conf_errors_fini(&setup->errors);
}

// ---- check ----

struct check {
    struct rules_setup setup;
    struct rules_golden_report report;
    json_t *differences; // texts
};

static void differs(void *arg, const char *file, size_t line, const char *name, const char *difference)
{
    struct check *check = arg;
    char text[2048];
    (void)text_format(text, sizeof text, "%s:%zu: %s: %s", file, line, name, difference);
    (void)json_array_append_new(check->differences, json_string(text));
}

static enum result archives_check(struct check *check)
{
    struct rules_setup *setup = &check->setup;
    if (setup->configuration == NULL)
        return OK;
    return edit_policies_check(setup->configuration, setup->library, &setup->errors);
}

static void check_print(const struct check *check)
{
    static const char *const titles[] = {"PACK", "VERSION", ">RULES", "SHA-256"};
    struct cli_table table;
    size_t index;
    json_t *text;
    cli_table_init(&table, 4, titles);
    for (size_t i = 0; i < rules_library_count(check->setup.library); i++) {
        const struct rules_pack_info *pack = rules_library_pack(check->setup.library, i);
        char rules[24];
        char digest[2 * RULES_DIGEST_BYTES + 1];
        (void)text_format(rules, sizeof rules, "%zu", pack->rules);
        text_hex(digest, sizeof digest, slice_of(pack->digest, RULES_DIGEST_BYTES));
        cli_table_add(&table, pack->name);
        cli_table_add(&table, pack->version);
        cli_table_add(&table, rules);
        cli_table_add(&table, digest);
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
    json_array_foreach(check->differences, index, text)(void) printf("%s\n", json_string_value(text));
    if (check->setup.golden != NULL && check->setup.errors.count == 0)
        (void)printf("golden cases: %zu, %zu came out otherwise\n", check->report.cases,
                     check->report.failed);
}

static void check_print_json(const struct check *check)
{
    json_t *packs = json_array();
    json_t *errors = json_array();
    for (size_t i = 0; i < rules_library_count(check->setup.library); i++) {
        const struct rules_pack_info *pack = rules_library_pack(check->setup.library, i);
        char digest[2 * RULES_DIGEST_BYTES + 1];
        text_hex(digest, sizeof digest, slice_of(pack->digest, RULES_DIGEST_BYTES));
        (void)json_array_append_new(packs, json_pack("{s:s, s:s, s:s, s:I}", "name", pack->name, "version",
                                                     pack->version, "sha256", digest, "rules",
                                                     (json_int_t)pack->rules));
    }
    for (size_t i = 0; i < check->setup.errors.count; i++)
        (void)json_array_append_new(errors, json_string(check->setup.errors.item[i].text));
    bool is_fine = check->setup.errors.count == 0 && check->report.failed == 0;
    json_t *answer = json_pack("{s:i, s:b, s:o, s:o, s:O, s:I, s:I}", "version", 1, "ok", is_fine, "packs",
                               packs, "errors", errors, "differences", check->differences, "cases",
                               (json_int_t)check->report.cases, "failed", (json_int_t)check->report.failed);
    if (answer != NULL)
        (void)cli_print_json(answer);
    json_decref(answer);
}

enum cli_exit cli_rules_check(struct cli *cli)
{
    struct check check = {.report = {.differs = differs, .arg = &check}, .differences = json_array()};
    enum cli_exit status =
        rules_setup_init(&check.setup, cli, cli->argument_count > 0 ? cli->arguments[0] : NULL,
                         cli->argument_count > 1 ? cli->arguments[1] : NULL);
    enum result result = OK;
    if (status == CLI_FINE && check.setup.errors.count == 0)
        result = archives_check(&check);
    if (status == CLI_FINE && result == OK && check.setup.errors.count == 0 && check.setup.golden != NULL)
        result =
            rules_folder_golden(check.setup.golden, check.setup.library, &check.report, &check.setup.errors);
    if (status == CLI_FINE && result != OK && result != ERR_FORMAT)
        status = cli_complain(cli, CLI_INTERNAL, "%s", result_text(result));
    if (status == CLI_FINE && cli->is_json)
        check_print_json(&check);
    else if (status == CLI_FINE)
        check_print(&check);
    if (status == CLI_FINE && check.setup.errors.count > 0) {
        if (!cli->is_json)
            cli_print_errors(&check.setup.errors);
        status = CLI_CONFIGURATION;
    } else if (status == CLI_FINE && check.report.failed > 0) {
        status = CLI_FINDING;
    }
    json_decref(check.differences);
    rules_setup_fini(&check.setup);
    return status;
}
