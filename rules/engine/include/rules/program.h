// SPDX-License-Identifier: Apache-2.0
//
// The rules of one archive, compiled: packs in the order in which the archive names them, rules in the order
// of their files, and the elements that they look at. Immutable. Role: made at start and on reload, read by
// every worker. Thread: one to make it, then any.
#pragma once

#include "dcm/path.h"
#include "dcm/survey.h"
#include "rules/library.h"

struct rules_program;

struct rules_setting {
    const char *archive;      // the node's name
    const char *const *packs; // names, in order
    size_t pack_count;
    const struct dcm_path *extra; // what else the caller wants surveyed, and may edit: paths 0, 1... of the
    size_t extra_count;           // interest
};

// ERR_FORMAT: errors were added (a pack that is not there, two rules that write the same element without an
// order), with the file and line of the rule; ERR_NOMEM, ERR_CRYPTO, ERR_LIMIT (extra). Texts and paths are
// copied; the library is borrowed. No packs make a program that lets everything pass.
MUST_USE enum result rules_program_new(const struct rules_library *library,
                                       const struct rules_setting *setting, struct conf_errors *errors,
                                       struct rules_program **program);
void rules_program_free(struct rules_program *program); // NULL is allowed

// What the survey of an instance has to look at; lives as long as the program.
const struct dcm_interest *rules_program_interest(const struct rules_program *program);

// The number of a path in the interest (dcm_survey_next()); false: it is not in it.
bool rules_program_place(const struct rules_program *program, const struct dcm_path *path, size_t *place);

// Some rule may say reject.
bool rules_program_may_reject(const struct rules_program *program);

// Some rule wants to know whether the study is known under another patient.
bool rules_program_asks_patient(const struct rules_program *program);

// Over the digests of its packs, in order: what SENT records name. Zero without packs.
const uint8_t *rules_program_digest(const struct rules_program *program);

// Adds an error at each condition that names an archive or phase that there is not, as it could never match.
// Over all packs of the library; NULL leaves a kind out.
void rules_library_check_names(const struct rules_library *library, const char *const *archives,
                               size_t archive_count, const char *const *phases, size_t phase_count,
                               struct conf_errors *errors);
