// SPDX-License-Identifier: Apache-2.0
//
// The inside of policies, for gateway/edit. Immutable once made.
#pragma once

#include <stdatomic.h>

#include "edit/policy.h"

// What is looked at and written beside what rules name: the first paths of the interest of each program.
enum edit_path {
    EDIT_PATIENT_ID,
    EDIT_ISSUER,
    EDIT_QUALIFIERS,   // Issuer of Patient ID Qualifiers Sequence
    EDIT_QUALIFIER_ID, // Universal Entity ID in each item
    EDIT_NAME,
    EDIT_BIRTH_DATE,
    EDIT_SEX,
    EDIT_STUDY,
    EDIT_SIGNED,    // which elements digital signatures cover
    EDIT_ORIGINALS, // the sequence; an item of it, as its value is not wanted
    EDIT_EQUIPMENT,
    // In one new item of each (PS3.3 C.12.1)
    EDIT_ORIGINALS_TIME,
    EDIT_ORIGINALS_SYSTEM,
    EDIT_ORIGINALS_SOURCE,
    EDIT_ORIGINALS_REASON,
    EDIT_ORIGINALS_MODIFIED,
    EDIT_EQUIPMENT_PURPOSE,
    EDIT_EQUIPMENT_PURPOSE_SCHEME,
    EDIT_EQUIPMENT_PURPOSE_MEANING,
    EDIT_EQUIPMENT_MANUFACTURER,
    EDIT_EQUIPMENT_STATION,
    EDIT_EQUIPMENT_TIME,
    EDIT_PATH_COUNT
};

struct edit_policy {
    const struct configuration_node *node;
    struct rules_program *program;
    // What can not be looked at goes as it came: at most its patient ID would be edited, and the archive lets
    // unmatched patients pass.
    bool passes_unseen;
};

struct edit_policies {
    uint32_t magic;
    _Atomic unsigned references;
    const struct configuration *configuration;
    struct rules_library *library;
    struct dcm_path path[EDIT_PATH_COUNT];
    uint8_t digest[RULES_DIGEST_BYTES];
    size_t count;
    struct edit_policy policy[];
};
