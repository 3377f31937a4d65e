// SPDX-License-Identifier: Apache-2.0
//
// What decoder and encoder share with the builder of association parameters and nobody else needs.
#pragma once

#include "ul/parameters.h"

// As received: an id may be even here (an AC is judged by ul_parameters_agreed). ERR_EXISTS, ERR_LIMIT,
// ERR_NOMEM.
MUST_USE enum result ul_parameters_append_context(struct ul_parameters *parameters, uint8_t id,
                                                  uint8_t result);
// Counts every one, keeps the first.
MUST_USE enum result ul_parameters_add_abstract_syntax(struct ul_parameters *parameters, struct slice uid);
// Role bytes as received.
MUST_USE enum result ul_parameters_append_role(struct ul_parameters *parameters, struct slice sop_class,
                                               uint8_t scu, uint8_t scp);
MUST_USE enum result ul_parameters_set_implementation_class(struct ul_parameters *parameters,
                                                            struct slice uid);
MUST_USE enum result ul_parameters_set_implementation_version(struct ul_parameters *parameters,
                                                              struct slice name);
