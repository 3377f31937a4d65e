// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a data set under rules of every kind: there is always a verdict, the same one twice, and what
// passes can be planned or is held. The first byte chooses the transfer syntax.
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "rules/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char pack_text[] =
    "pack: p\nversion: 1\ndescription: d\n"
    "tables: { t: { file: t.csv, from: found, to: name, ignore-case: yes } }\n"
    "rules:\n"
    "  - { rule: a, do: [ { map: Manufacturer, table: t, unmapped: flag } ] }\n"
    "  - { rule: b, when: { element: PatientName, matches: '(a|b)+c', ignore-case: yes },"
    " do: [ { case: PatientName, to: upper } ] }\n"
    "  - { rule: c, do: [ { trim: [StudyDescription, OtherPatientIDs] }, { truncate: StudyID } ] }\n"
    "  - { rule: d, do: [ { replace: 'ProcedureCodeSequence[*].CodeValue', pattern: '^(.)', with: '$1$1' } ] "
    "}\n"
    "  - { rule: e, do: [ { set: 'RequestAttributesSequence[0].AccessionNumber', to: X1 } ] }\n"
    "  - { rule: f, when: { element: Rows, number: { from: 1, to: 100 } }, do: [ { remove: "
    "ProcedureCodeSequence } ],"
    " after: d }\n"
    "  - { rule: g, do: [ { set: '(0019,\"ACME\",10)', to: y, vr: LO }, { pad: AccessionNumber, to: 4, with: "
    "é } ] }\n"
    "  - { rule: h, do: [ { date-format: [StudyDate, StudyTime] } ] }\n"
    "  - { rule: i, do: [ { uid: [malformed, too-long] }, { burned-in: [yes, missing] } ] }\n"
    "  - { rule: j, do: [ { require: 'RequestAttributesSequence[*].ScheduledProcedureStepID', type: 1 } ] }\n"
    "  - { rule: k, do: [ { copy: InstitutionName, from: StationName, missing: flag } ] }\n"
    "  - { rule: l, when: { any: [ { element: PatientComments, exists: no }, { element: PatientID, empty: "
    "yes } ]"
    " }, do: [ { flag: seen } ] }\n"
    "  - { rule: m, when: [ { element: Modality, in: [CT, 'é'], ignore-case: yes }, { none: [ { element:"
    " StudyDate, date: { from: '20100101', to: '20201231' } } ] } ], do: [ { hold: seen } ] }\n"
    "  - { rule: n, when: { all: [ { element: 'ProcedureCodeSequence[*].CodeMeaning', equals: x },"
    " { element: PatientSex, in: [F, O] } ] }, do: [ { flag: seen } ] }\n"
    "  - { rule: o, when: { element: SliceThickness, number: { to: 3 } }, do: [ { set-if-empty: ProtocolName,"
    " to: z } ] }\n"
    "  - { rule: q, when: [ { calling: { matches: '^C' } }, { address: [10.0.0.0/8] }, { sop-class:"
    " 1.2.840.10008.5.1.4.1.1.7 } ], do: [ { reject: seen } ] }\n";

static enum result table_read(void *arg, const char *name, struct slice *bytes, const char **file)
{
    (void)arg;
    (void)name;
    *bytes = slice_of_text("found,name\nge,GE\nacme,Acmé\n");
    *file = "t.csv";
    return OK;
}

struct rig {
    struct rules_library *library;
    struct rules_program *program;
    struct rules_match *match;
    struct dcm_survey *survey;
    struct dcm_text *text;
};

static void rig_make(struct rig *rig)
{
    static const char *const packs[] = {"p"};
    struct conf_errors errors;
    struct rules_tables tables = {.read = table_read};
    struct rules_setting setting = {.archive = "new", .packs = packs, .pack_count = 1};
    conf_errors_init(&errors);
    ensure(rules_library_new(&rig->library) == OK);
    ensure(rules_library_add(rig->library, "p.yaml", slice_of_text(pack_text), &tables, &errors) == OK);
    ensure(rules_program_new(rig->library, &setting, &errors, &rig->program) == OK);
    ensure(rules_match_new(&rig->match) == OK);
    ensure(dcm_survey_new(&rig->survey) == OK);
    ensure(dcm_text_new(&rig->text) == OK);
    conf_errors_fini(&errors);
}

static void check_plan(struct rig *rig, struct rules_verdict *verdict)
{
    struct dcm_plan *plan = NULL;
    struct dcm_problem problem;
    enum result result =
        dcm_plan_make(rig->survey, rig->text, verdict->edit, verdict->edit_count, &plan, NULL, &problem);
    ensure(result == OK || result == ERR_ARGUMENT);
    if (result == ERR_ARGUMENT) {
        rules_match_refuse(rig->match, &problem, verdict);
        ensure(verdict->outcome == RULES_HOLD && verdict->edit_count == 0);
    }
    dcm_plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const syntaxes[] = {"1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"};
    struct rules_facts facts = {.sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.7")};
    struct rules_verdict verdict;
    static struct rig rig; // made once: a match must leave nothing behind
    if (size == 0)
        return 0;
    if (rig.program == NULL)
        rig_make(&rig);
    ensure(dcm_survey_begin(rig.survey, rules_program_interest(rig.program),
                            slice_of_text(syntaxes[data[0] % 3]), 0) == OK);
    enum result result = dcm_survey_feed(rig.survey, slice_of(data + 1, size - 1));
    if (result == OK && !dcm_survey_header_is_complete(rig.survey))
        result = dcm_survey_finish(rig.survey);
    rules_match_run(rig.match, rig.program, &facts, rig.survey, &verdict);
    enum rules_outcome outcome = verdict.outcome;
    size_t changes = verdict.change_count;
    size_t findings = verdict.finding_count;
    ensure(result == OK || outcome == RULES_HOLD);
    rules_match_run(rig.match, rig.program, &facts, rig.survey, &verdict);
    ensure(outcome == verdict.outcome && changes == verdict.change_count &&
           findings == verdict.finding_count);
    if (verdict.outcome <= RULES_FLAG && verdict.edit_count > 0)
        check_plan(&rig, &verdict);
    return 0;
}
