// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate rules try`: what the rules of an archive would make of a DICOM file. Values are patient data and
// shown on demand only.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/wipe.h"
#include "dcm/file.h"
#include "dcm/splice.h"
#include "rules/match.h"
#include "rules_setup.h"

#define FILE_MOST ((size_t)1 << 30)

struct trial {
    struct cli *cli;
    struct rules_setup setup;
    const struct configuration_node *node; // the archive
    struct rules_program *program;
    uint8_t *bytes; // of the file
    size_t length;
    struct dcm_file file;
    struct rules_match *match;
    struct dcm_survey *survey;
    struct dcm_text *text;
    struct dcm_plan *plan; // NULL: nothing is edited
    struct rules_verdict verdict;
};

static enum cli_exit file_read(struct trial *trial, const char *path)
{
    FILE *stream = fopen(path, "rb");
    long size = -1;
    if (stream != NULL && fseek(stream, 0, SEEK_END) == 0)
        size = ftell(stream);
    if (size >= 0 && (size_t)size <= FILE_MOST && fseek(stream, 0, SEEK_SET) == 0) {
        trial->bytes = malloc((size_t)size + 1);
        if (trial->bytes != NULL)
            trial->length = fread(trial->bytes, 1, (size_t)size, stream);
    }
    if (stream != NULL)
        (void)fclose(stream);
    if (trial->bytes == NULL || trial->length != (size_t)size)
        return cli_complain(trial->cli, CLI_USAGE, "%s can not be read, or is larger than 1 GiB", path);
    if (dcm_file_parse(slice_of(trial->bytes, trial->length), &trial->file) != OK)
        return cli_complain(trial->cli, CLI_USAGE, "%s is not a DICOM file", path);
    return CLI_FINE;
}

static enum cli_exit program_make(struct trial *trial)
{
    if (trial->cli->archive == NULL)
        return cli_complain(trial->cli, CLI_USAGE, "--archive NAME is missing");
    const struct configuration_node *node =
        configuration_node_by_name(trial->setup.configuration, trial->cli->archive);
    if (node == NULL)
        return cli_complain(trial->cli, CLI_USAGE, "there is no archive \"%.60s\"", trial->cli->archive);
    trial->node = node;
    enum result result = trial->setup.errors.count == 0
                             ? rules_setup_program(&trial->setup, node, &trial->program)
                             : ERR_FORMAT;
    cli_print_errors(&trial->setup.errors);
    if (result == ERR_FORMAT)
        return cli_complain(trial->cli, CLI_CONFIGURATION, "the packs are not right");
    return result == OK ? CLI_FINE : cli_complain(trial->cli, CLI_INTERNAL, "%s", result_text(result));
}

static enum result survey_run(struct trial *trial)
{
    enum result result = dcm_survey_new(&trial->survey);
    if (result == OK)
        result = dcm_text_new(&trial->text);
    if (result == OK)
        result = rules_match_new(&trial->match);
    if (result == OK)
        result = dcm_survey_begin(trial->survey, rules_program_interest(trial->program),
                                  trial->file.transfer_syntax, 0);
    if (result == OK)
        result = dcm_survey_feed(trial->survey, trial->file.data_set);
    if (result == OK && !dcm_survey_header_is_complete(trial->survey))
        result = dcm_survey_finish(trial->survey);
    return result;
}

static enum result match_run(struct trial *trial)
{
    struct dcm_problem problem;
    struct rules_facts facts = {.phase = slice_of_text(trial->setup.configuration->start_phase->name),
                                .sop_class = trial->file.sop_class,
                                .transfer_syntax = trial->file.transfer_syntax,
                                .may_reject = true};
    if (trial->cli->client != NULL)
        facts.calling = slice_of_text(trial->cli->client);
    rules_match_run(trial->match, trial->program, &facts, trial->survey, &trial->verdict);
    if (trial->verdict.outcome > RULES_FLAG || trial->verdict.edit_count == 0)
        return OK;
    enum result result = dcm_plan_make(trial->survey, trial->text, trial->verdict.edit,
                                       trial->verdict.edit_count, &trial->plan, NULL, &problem);
    if (result != ERR_ARGUMENT)
        return result;
    rules_match_refuse(trial->match, &problem, &trial->verdict);
    return OK;
}

// ---- what is said ----

static uint64_t bytes_same(const struct trial *trial)
{
    uint64_t same = trial->file.data_set.length;
    for (size_t i = 0; trial->plan != NULL && i < dcm_plan_count(trial->plan); i++)
        same -= dcm_plan_change(trial->plan, i).old_length;
    return same;
}

static json_t *value_json(const struct trial *trial, struct slice value)
{
    if (!trial->cli->shows_phi)
        return json_null();
    json_t *text = json_stringn((const char *)value.data, value.length);
    return text != NULL ? text : json_string("");
}

static void print_json(const struct trial *trial)
{
    const struct rules_verdict *verdict = &trial->verdict;
    json_t *changes = json_array();
    json_t *findings = json_array();
    for (size_t i = 0; i < verdict->change_count; i++) {
        const struct rules_change *change = &verdict->change[i];
        char path[DCM_PATH_TEXT_SIZE];
        dcm_path_print(change->path, path);
        (void)json_array_append_new(changes,
                                    json_pack("{s:s, s:s, s:b, s:o, s:o, s:s, s:s, s:s}", "path", path, "vr",
                                              dcm_vr_info(change->vr)->name, "removed", change->is_removed,
                                              "before", value_json(trial, change->before), "after",
                                              value_json(trial, change->after), "pack", change->pack->name,
                                              "pack_version", change->pack->version, "rule", change->rule));
    }
    for (size_t i = 0; i < verdict->finding_count; i++) {
        const struct rules_finding *finding = &verdict->finding[i];
        (void)json_array_append_new(findings, json_pack("{s:s, s:s?, s:s?, s:s?, s:s}", "outcome",
                                                        rules_outcome_text(finding->outcome), "pack",
                                                        finding->pack != NULL ? finding->pack->name : NULL,
                                                        "rule", finding->rule, "element", finding->element,
                                                        "reason", finding->reason));
    }
    json_t *answer = json_pack(
        "{s:i, s:s, s:o, s:o, s:s?, s:I, s:I}", "version", 1, "outcome", rules_outcome_text(verdict->outcome),
        "changes", changes, "findings", findings, "crosswalk", verdict->crosswalk_rule, "bytes",
        (json_int_t)trial->file.data_set.length, "bytes_same", (json_int_t)bytes_same(trial));
    if (answer != NULL)
        (void)cli_print_json(answer);
    json_decref(answer);
}

static void cell_value(const struct trial *trial, struct cli_table *table, struct slice value, bool is_there)
{
    char text[256];
    (void)text_copy(text, sizeof text, value);
    cli_table_add(table, !is_there ? "(absent)" : trial->cli->shows_phi ? text : "(hidden)");
    wipe(text, sizeof text);
}

static void print_changes(const struct trial *trial)
{
    static const char *const titles[] = {"ELEMENT", "VR", "BEFORE", "AFTER", "RULE"};
    struct cli_table table;
    cli_table_init(&table, 5, titles);
    for (size_t i = 0; i < trial->verdict.change_count; i++) {
        const struct rules_change *change = &trial->verdict.change[i];
        char path[DCM_PATH_TEXT_SIZE];
        char rule[2 * RULES_NAME_BYTES + 64];
        dcm_path_print(change->path, path);
        (void)text_format(rule, sizeof rule, "%s %s/%s", change->pack->name, change->pack->version,
                          change->rule);
        cli_table_add(&table, path);
        cli_table_add(&table, dcm_vr_info(change->vr)->name);
        cell_value(trial, &table, change->before, change->was_present);
        cell_value(trial, &table, change->after, !change->is_removed);
        cli_table_add(&table, rule);
    }
    if (trial->verdict.change_count > 0)
        cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

static void print_text(const struct trial *trial)
{
    const struct rules_verdict *verdict = &trial->verdict;
    print_changes(trial);
    for (size_t i = 0; i < verdict->finding_count; i++) {
        const struct rules_finding *finding = &verdict->finding[i];
        (void)printf("%s: %s%s%s (%s)\n", rules_outcome_text(finding->outcome),
                     finding->element != NULL ? finding->element : "", finding->element != NULL ? ": " : "",
                     finding->reason, finding->rule != NULL ? finding->rule : "the instance itself");
    }
    if (verdict->crosswalk_rule != NULL)
        (void)printf("crosswalk: the patient would be looked up (%s)\n", verdict->crosswalk_rule);
    (void)printf("outcome: %s; %zu edits; %llu of %zu bytes of the data set stay as they are\n",
                 rules_outcome_text(verdict->outcome), verdict->edit_count,
                 (unsigned long long)bytes_same(trial), trial->file.data_set.length);
    if (trial->node->domain != NULL)
        (void)puts("without the crosswalk, which gives patients of other domains the ID of this archive's");
}

// ---- the edited file ----

static bool write_edited(const struct trial *trial, struct dcm_splice *splice, FILE *stream)
{
    struct slice run;
    enum result result = dcm_splice_begin(splice, trial->plan, trial->file.transfer_syntax, false);
    bool is_fine =
        fwrite(trial->bytes, 1, trial->file.data_set_offset, stream) == trial->file.data_set_offset;
    if (result == OK)
        result = dcm_splice_put(splice, trial->file.data_set);
    for (int round = 0; round < 2 && result == OK; round++) {
        while ((result = dcm_splice_next(splice, &run)) == OK)
            is_fine = is_fine && fwrite(run.data, 1, run.length, stream) == run.length;
        if (round == 0 && result == AGAIN)
            result = dcm_splice_finish(splice);
    }
    return is_fine && result == CLOSED;
}

static enum cli_exit file_write(const struct trial *trial)
{
    if (trial->cli->write == NULL)
        return CLI_FINE;
    if (trial->verdict.outcome > RULES_FLAG)
        return cli_complain(trial->cli, CLI_REFUSED, "it would not be sent, so nothing is written");
    struct dcm_splice *splice = NULL;
    FILE *stream = dcm_splice_new(&splice) == OK ? fopen(trial->cli->write, "wbx") : NULL;
    if (stream == NULL) {
        dcm_splice_free(splice);
        return cli_complain(trial->cli, CLI_USAGE, "%s can not be made: %s", trial->cli->write,
                            strerror(errno));
    }
    bool is_fine = write_edited(trial, splice, stream);
    is_fine = fclose(stream) == 0 && is_fine;
    dcm_splice_free(splice);
    return is_fine ? CLI_FINE
                   : cli_complain(trial->cli, CLI_INTERNAL, "%s can not be written", trial->cli->write);
}

static void trial_free(struct trial *trial)
{
    dcm_plan_free(trial->plan);
    rules_match_free(trial->match);
    dcm_text_free(trial->text);
    dcm_survey_free(trial->survey);
    rules_program_free(trial->program);
    rules_setup_fini(&trial->setup);
    if (trial->bytes != NULL)
        wipe(trial->bytes, trial->length);
    free(trial->bytes);
}

enum cli_exit cli_rules_try(struct cli *cli)
{
    struct trial trial = {.cli = cli};
    enum cli_exit status = rules_setup_init(&trial.setup, cli, NULL, NULL);
    if (status == CLI_FINE)
        status = program_make(&trial);
    if (status == CLI_FINE)
        status = file_read(&trial, cli->arguments[0]);
    if (status == CLI_FINE && survey_run(&trial) == ERR_NOMEM)
        status = cli_complain(cli, CLI_INTERNAL, "out of memory");
    if (status == CLI_FINE && match_run(&trial) != OK)
        status = cli_complain(cli, CLI_INTERNAL, "the edits can not be planned");
    if (status == CLI_FINE) {
        if (cli->is_json)
            print_json(&trial);
        else
            print_text(&trial);
        status = file_write(&trial);
    }
    if (status == CLI_FINE && trial.verdict.finding_count > 0)
        status = CLI_FINDING;
    trial_free(&trial);
    return status;
}
