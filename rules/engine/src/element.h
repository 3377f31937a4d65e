// SPDX-License-Identifier: Apache-2.0
//
// The elements that packs name, each once in the library. Private to rules/engine.
#pragma once

#include <stdbool.h>

#include "base/result.h"
#include "conf/document.h"
#include "dcm/path.h"

struct parse;

struct element {
    struct element *next;
    struct dcm_path path;
    const char *text; // canonical
    enum dcm_vr vr;   // the dictionary's; DCM_VR_NONE: private
};

// What a rule does with it; decides what is refused.
enum element_use {
    ELEMENT_EXISTS, // asks whether it is there, or empty
    ELEMENT_READ,   // looks at its values
    ELEMENT_WRITE,  // gives it values
    ELEMENT_REMOVE
};

// The element that a scalar names. NULL after an error of the document (or if node is NULL, which is an error
// too). ERR_NOMEM.
MUST_USE enum result element_read(struct parse *parse, const struct conf_node *node, enum element_use use,
                                  const struct element **element);
// One that the engine itself names; ERR_NOMEM.
MUST_USE enum result element_of(struct parse *parse, const char *text, const struct element **element);

// Has a [*] in it?
bool element_is_many(const struct element *element);
