// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate rules try`: what the daemon would make of a DICOM file for an archive, crosswalk included; with
// the daemon up or down. Values are patient data and shown on demand only.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "cli/try_desk.h"
#include "dcm/splice.h"
#include "edit/policy_private.h"
#include "rules/match.h"
#include "store/evidence.h"

#define FILE_MOST ((size_t)1 << 30)

struct trial {
    struct cli *cli;
    struct cli_crosswalk crosswalk; // and the configuration
    struct edit_policies *policies;
    const struct edit_policy *policy; // NULL: the archive gets everything as it came
    uint8_t *bytes;                   // of the file
    size_t length;
    struct dcm_file file;
    struct record_open open;
    // The rules by themselves, for what they find.
    struct rules_match *match;
    struct dcm_survey *survey;
    struct rules_verdict verdict;
    // The whole.
    struct try_desk desk;
    bool has_desk;
    struct edit *edit;
    enum rules_outcome outcome;
    char flags[TRY_FLAGS_MOST][EDIT_REASON_BYTES]; // that are no rule's
    size_t flag_count;
    struct evidence_edit changes[EVIDENCE_EDITS_MAX];
    size_t change_count;
    char (*paths)[DCM_PATH_TEXT_SIZE]; // of changes that stay unmade
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

// ---- what is tried ----

static enum cli_exit policies_make(struct trial *trial)
{
    struct configuration *configuration = trial->crosswalk.configuration;
    struct conf_errors errors;
    if (trial->cli->archive == NULL)
        return cli_complain(trial->cli, CLI_USAGE, "--archive NAME is missing");
    const struct configuration_node *node = configuration_node_by_name(configuration, trial->cli->archive);
    if (node == NULL)
        return cli_complain(trial->cli, CLI_USAGE, "there is no archive \"%.60s\"", trial->cli->archive);
    conf_errors_init(&errors);
    enum result result = edit_policies_new(configuration, &errors, &trial->policies);
    cli_print_errors(&errors);
    conf_errors_fini(&errors);
    if (result == ERR_FORMAT)
        return cli_complain(trial->cli, CLI_CONFIGURATION, "the packs are not right");
    if (result != OK)
        return cli_complain(trial->cli, CLI_INTERNAL, "%s", result_text(result));
    trial->policy = edit_policies_find(trial->policies, node->id);
    return CLI_FINE;
}

// The first of that title that the configuration has; NULL: none.
static const struct configuration_client *client_find(const struct trial *trial)
{
    const struct configuration *configuration = trial->crosswalk.configuration;
    for (size_t i = 0; trial->cli->client != NULL && i < configuration->client_count; i++) {
        const struct configuration_client *client = &configuration->client[i];
        if (strcmp(client->ae_title, "*") == 0 || strcmp(client->ae_title, trial->cli->client) == 0)
            return client;
    }
    return NULL;
}

// As for an association from there; without a called title no row of `store` is meant.
static const struct configuration_domain *default_domain(const struct trial *trial)
{
    const struct cli *cli = trial->cli;
    const struct configuration_phase *phase = trial->crosswalk.configuration->start_phase;
    const struct configuration_route *route =
        cli->called != NULL
            ? configuration_phase_route(phase, cli->called, cli->client != NULL ? cli->client : "")
            : NULL;
    return configuration_default_domain(client_find(trial), route);
}

static bool answers_to(const struct configuration *configuration, const char *called)
{
    for (size_t i = 0; i < configuration->titles.count; i++)
        if (strcmp(configuration->titles.item[i], called) == 0)
            return true;
    return false;
}

static enum cli_exit open_fill(struct trial *trial)
{
    const struct cli *cli = trial->cli;
    const struct configuration_domain *domain = default_domain(trial);
    if (cli->called != NULL && !answers_to(trial->crosswalk.configuration, cli->called))
        return cli_complain(cli, CLI_USAGE, "the gateway does not answer to \"%.60s\"", cli->called);
    if (cli->domain != NULL)
        domain = configuration_domain_by_name(trial->crosswalk.configuration, slice_of_text(cli->domain));
    if (cli->domain != NULL && domain == NULL)
        return cli_complain(cli, CLI_USAGE, "there is no domain \"%.60s\"", cli->domain);
    trial->open = (struct record_open){
        .calling = slice_of_text(cli->client != NULL ? cli->client : ""),
        .called = slice_of_text(cli->called != NULL ? cli->called : ""),
        .transfer_syntax = trial->file.transfer_syntax,
        .sop_class = trial->file.sop_class,
        .sop_instance = trial->file.sop_instance,
        .domain = slice_of_text(domain != NULL ? domain->name : ""),
        .time = (uint64_t)time(NULL) * NSEC_PER_SEC,
    };
    return CLI_FINE;
}

// What can not be opened has been complained about; the instance is then held, as by the daemon.
static void crosswalk_open(struct trial *trial)
{
    struct cli beside = *trial->cli; // the answer comes all the same
    beside.is_json = false;
    if (trial->policy != NULL && trial->policy->node->domain != NULL &&
        cli_crosswalk_attach(&beside, &trial->crosswalk) != CLI_FINE)
        (void)cli_complain(&beside, CLI_REFUSED, "there is no crosswalk to look the patient up in");
}

static enum result survey_run(struct trial *trial)
{
    enum result result = dcm_survey_new(&trial->survey);
    if (result == OK)
        result = rules_match_new(&trial->match);
    if (result == OK)
        result = dcm_survey_begin(trial->survey, rules_program_interest(trial->policy->program),
                                  trial->file.transfer_syntax,
                                  trial->crosswalk.configuration->limits.inflated_bytes);
    if (result != OK)
        return result;
    result = dcm_survey_feed(trial->survey, trial->file.data_set);
    if (result == OK && !dcm_survey_header_is_complete(trial->survey))
        result = dcm_survey_finish(trial->survey);
    return result == ERR_NOMEM ? result : OK; // what can not be followed is the edit's to tell
}

static void rules_run(struct trial *trial)
{
    struct rules_facts facts = {
        .calling = trial->open.calling,
        .called = trial->open.called,
        .phase = slice_of_text(trial->crosswalk.configuration->start_phase->name),
        .sop_class = trial->open.sop_class,
        .transfer_syntax = trial->open.transfer_syntax,
        .may_reject = true,
    };
    rules_match_run(trial->match, trial->policy->program, &facts, trial->survey, &trial->verdict);
}

static void on_flag(void *arg, const char *text)
{
    struct trial *trial = arg;
    if (trial->flag_count < TRY_FLAGS_MOST)
        (void)text_copy(trial->flags[trial->flag_count++], EDIT_REASON_BYTES, slice_of_text(text));
}

static enum result edit_run(struct trial *trial, bool may_reject)
{
    struct edit_origin origin = {
        .open = &trial->open, .may_reject = may_reject, .on_flag = on_flag, .flag_arg = trial};
    trial->flag_count = 0;
    edit_free(&trial->edit);
    return try_desk_run(&trial->desk, trial->policies, trial->policy, &origin, trial->file.data_set,
                        &trial->edit);
}

// Of what goes: what is recorded of it. Of what does not: what its rules would have changed.
static enum result changes_take(struct trial *trial)
{
    const struct rules_verdict *verdict = &trial->verdict;
    struct record_sent sent;
    struct evidence evidence;
    if (edit_stage(trial->edit) == EDIT_GOES) {
        enum result result = edit_sent_fill(trial->edit, NULL, &sent);
        if (result == OK && sent.evidence.length > 0)
            result = evidence_decode(sent.evidence, trial->changes, &evidence);
        if (result == OK && sent.evidence.length > 0)
            trial->change_count = evidence.count;
        return result;
    }
    trial->paths = calloc(verdict->change_count + 1, sizeof *trial->paths);
    if (trial->paths == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < verdict->change_count && i < EVIDENCE_EDITS_MAX; i++) {
        const struct rules_change *change = &verdict->change[i];
        dcm_path_print(change->path, trial->paths[i]);
        trial->changes[trial->change_count++] =
            (struct evidence_edit){.pack = slice_of_text(change->pack->name),
                                   .version = slice_of_text(change->pack->version),
                                   .rule = slice_of_text(change->rule),
                                   .path = slice_of_text(trial->paths[i]),
                                   .was_present = change->was_present,
                                   .is_removed = change->is_removed,
                                   .before = change->before,
                                   .after = change->after};
        memcpy(trial->changes[i].vr, dcm_vr_info(change->vr)->name, sizeof trial->changes[i].vr);
    }
    return OK;
}

static enum result trial_run(struct trial *trial)
{
    if (trial->policy == NULL)
        return OK;
    enum result result = survey_run(trial);
    if (result == OK)
        result = try_desk_init(&trial->desk, &trial->crosswalk);
    trial->has_desk = result == OK;
    if (result != OK)
        return result;
    rules_run(trial);
    trial->outcome = trial->verdict.outcome;
    result = edit_run(trial, true);
    if (result == OK && edit_stage(trial->edit) == EDIT_REFUSES)
        trial->outcome = RULES_REJECT;
    else if (result == OK)
        result = edit_run(trial, false);
    if (result != OK)
        return result;
    if (edit_stage(trial->edit) == EDIT_HOLDS && trial->outcome < RULES_HOLD)
        trial->outcome = RULES_HOLD;
    if (trial->flag_count > 0 && trial->outcome < RULES_FLAG)
        trial->outcome = RULES_FLAG;
    return changes_take(trial);
}

// Why it does not go; NULL: it goes, or a finding of a rule says it.
static const char *hold_reason(const struct trial *trial)
{
    bool goes = trial->edit == NULL || edit_stage(trial->edit) == EDIT_GOES;
    return goes || trial->verdict.outcome > RULES_FLAG ? NULL : edit_hold(trial->edit)->reason;
}

static const struct dcm_plan *plan_of(const struct trial *trial)
{
    return trial->edit != NULL && edit_stage(trial->edit) == EDIT_GOES ? edit_plan(trial->edit) : NULL;
}

static size_t finding_count(const struct trial *trial)
{
    return trial->verdict.finding_count + trial->flag_count + (hold_reason(trial) != NULL);
}

// ---- what is said ----

static uint64_t bytes_same(const struct trial *trial)
{
    const struct dcm_plan *plan = plan_of(trial);
    uint64_t same = trial->file.data_set.length;
    for (size_t i = 0; plan != NULL && i < dcm_plan_count(plan); i++)
        same -= dcm_plan_change(plan, i).old_length;
    return same;
}

static json_t *slice_json(struct slice text)
{
    json_t *made = json_stringn(text.length > 0 ? (const char *)text.data : "", text.length);
    return made != NULL ? made : json_string("");
}

static json_t *value_json(const struct trial *trial, struct slice value)
{
    return trial->cli->shows_phi ? slice_json(value) : json_null();
}

static json_t *changes_json(const struct trial *trial)
{
    json_t *changes = json_array();
    for (size_t i = 0; i < trial->change_count; i++) {
        const struct evidence_edit *change = &trial->changes[i];
        (void)json_array_append_new(
            changes,
            json_pack("{s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "path", slice_json(change->path), "vr",
                      slice_json(slice_of(change->vr, sizeof change->vr)), "was_present", change->was_present,
                      "removed", change->is_removed, "before", value_json(trial, change->before), "after",
                      value_json(trial, change->after), "pack", slice_json(change->pack), "pack_version",
                      slice_json(change->version), "rule", slice_json(change->rule)));
    }
    return changes;
}

static json_t *findings_json(const struct trial *trial)
{
    json_t *findings = json_array();
    for (size_t i = 0; i < trial->verdict.finding_count; i++) {
        const struct rules_finding *finding = &trial->verdict.finding[i];
        (void)json_array_append_new(findings, json_pack("{s:s, s:s?, s:s?, s:s?, s:s}", "outcome",
                                                        rules_outcome_text(finding->outcome), "pack",
                                                        finding->pack != NULL ? finding->pack->name : NULL,
                                                        "rule", finding->rule, "element", finding->element,
                                                        "reason", finding->reason));
    }
    for (size_t i = 0; i < trial->flag_count; i++)
        (void)json_array_append_new(
            findings,
            json_pack("{s:s, s:s}", "outcome", rules_outcome_text(RULES_FLAG), "reason", trial->flags[i]));
    if (hold_reason(trial) != NULL)
        (void)json_array_append_new(findings,
                                    json_pack("{s:s, s:s}", "outcome", rules_outcome_text(trial->outcome),
                                              "reason", hold_reason(trial)));
    return findings;
}

static void print_json(const struct trial *trial)
{
    json_t *answer = json_pack("{s:i, s:s, s:o, s:o, s:s?, s:b, s:I, s:I}", "version", 1, "outcome",
                               rules_outcome_text(trial->outcome), "changes", changes_json(trial), "findings",
                               findings_json(trial), "crosswalk", trial->verdict.crosswalk_rule, "looked_up",
                               trial->desk.was_asked, "bytes", (json_int_t)trial->file.data_set.length,
                               "bytes_same", (json_int_t)bytes_same(trial));
    if (answer != NULL)
        (void)cli_print_json(answer);
    json_decref(answer);
}

static void cell_slice(struct cli_table *table, struct slice value)
{
    char text[256];
    (void)text_copy(text, sizeof text, value);
    cli_table_add(table, text);
    wipe(text, sizeof text);
}

static void cell_value(const struct trial *trial, struct cli_table *table, struct slice value, bool is_there)
{
    if (!is_there)
        cli_table_add(table, "(absent)");
    else if (!trial->cli->shows_phi)
        cli_table_add(table, "(hidden)");
    else
        cell_slice(table, value);
}

static void print_changes(const struct trial *trial)
{
    static const char *const titles[] = {"ELEMENT", "VR", "BEFORE", "AFTER", "RULE"};
    struct cli_table table;
    cli_table_init(&table, 5, titles);
    for (size_t i = 0; i < trial->change_count; i++) {
        const struct evidence_edit *change = &trial->changes[i];
        char rule[256];
        (void)text_format(rule, sizeof rule, "%.*s%s%.*s/%.*s", (int)change->pack.length,
                          (const char *)change->pack.data, change->version.length > 0 ? " " : "",
                          (int)change->version.length, (const char *)change->version.data,
                          (int)change->rule.length, (const char *)change->rule.data);
        cell_slice(&table, change->path);
        cell_slice(&table, slice_of(change->vr, sizeof change->vr));
        cell_value(trial, &table, change->before, change->was_present);
        cell_value(trial, &table, change->after, !change->is_removed);
        cli_table_add(&table, rule);
    }
    if (trial->change_count > 0)
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
    for (size_t i = 0; i < trial->flag_count; i++)
        (void)printf("%s: %s\n", rules_outcome_text(RULES_FLAG), trial->flags[i]);
    if (hold_reason(trial) != NULL)
        (void)printf("%s: %s\n", rules_outcome_text(trial->outcome), hold_reason(trial));
    if (trial->policy == NULL)
        (void)printf("the archive gets everything as it comes\n");
    if (verdict->crosswalk_rule != NULL && !trial->desk.was_asked)
        (void)printf(
            "crosswalk: the patient is not looked up, as the domain is the archive's or not known (%s)\n",
            verdict->crosswalk_rule);
    (void)printf("outcome: %s; %zu edits; %llu of %zu bytes of the data set stay as they are\n",
                 rules_outcome_text(trial->outcome), trial->change_count,
                 (unsigned long long)bytes_same(trial), trial->file.data_set.length);
}

// ---- the edited file ----

static bool write_edited(const struct trial *trial, struct dcm_splice *splice, FILE *stream)
{
    struct slice run;
    enum result result = dcm_splice_begin(splice, plan_of(trial), trial->file.transfer_syntax, false);
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
    if (trial->outcome > RULES_FLAG)
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
    edit_free(&trial->edit);
    if (trial->has_desk)
        try_desk_fini(&trial->desk);
    rules_match_free(trial->match);
    dcm_survey_free(trial->survey);
    edit_policies_unref(&trial->policies);
    cli_crosswalk_close(&trial->crosswalk);
    if (trial->bytes != NULL)
        wipe(trial->bytes, trial->length);
    free(trial->bytes);
    free(trial->paths);
    free(trial);
}

static enum cli_exit trial_make(struct trial *trial)
{
    enum cli_exit status = cli_configuration(trial->cli, &trial->crosswalk.configuration);
    if (status == CLI_FINE)
        status = policies_make(trial);
    if (status == CLI_FINE)
        status = file_read(trial, trial->cli->arguments[0]);
    if (status == CLI_FINE)
        status = open_fill(trial);
    if (status != CLI_FINE)
        return status;
    crosswalk_open(trial);
    enum result result = trial_run(trial);
    return result == OK ? CLI_FINE : cli_complain(trial->cli, CLI_INTERNAL, "%s", result_text(result));
}

enum cli_exit cli_rules_try(struct cli *cli)
{
    struct trial *trial = calloc(1, sizeof *trial);
    if (trial == NULL)
        return cli_complain(cli, CLI_INTERNAL, "out of memory");
    trial->cli = cli;
    trial->crosswalk.lock = -1;
    enum cli_exit status = trial_make(trial);
    if (status == CLI_FINE) {
        if (cli->is_json)
            print_json(trial);
        else
            print_text(trial);
        status = file_write(trial);
    }
    if (status == CLI_FINE && finding_count(trial) > 0)
        status = CLI_FINDING;
    trial_free(trial);
    return status;
}
