// SPDX-License-Identifier: Apache-2.0
//
// What an archive wants done to the instances that it gets: its rules, its patient-ID domain, and what is
// noted in an instance that was edited. One for each node, made at start and on reload, immutable, shared by
// all workers.
#pragma once

#include "conf/configuration.h"
#include "rules/program.h"

struct edit_policy;

// All policies of one configuration, with the rule packs that they stand on. Reference-counted (atomic): what
// is on its way keeps the policies that it began with, whatever is loaded meanwhile. Thread: any.
struct edit_policies;

// Reads the packs of `rules.packs` and compiles a program for each node. Blocks on the disk. ERR_FORMAT:
// errors were added, with file and line; ERR_NOMEM, ERR_CRYPTO. One reference, the caller's; `configuration`
// must outlive the policies.
MUST_USE enum result edit_policies_new(const struct configuration *configuration, struct conf_errors *errors,
                                       struct edit_policies **out);
// The same of a library that has been read: it is taken on OK (`*library` is NULL then).
MUST_USE enum result edit_policies_of(const struct configuration *configuration,
                                      struct rules_library **library, struct conf_errors *errors,
                                      struct edit_policies **out);
// And nothing is kept: whether `configuration` can be put into
// force with it. Every node is looked at before ERR_FORMAT is told.
MUST_USE enum result edit_policies_check(const struct configuration *configuration,
                                         const struct rules_library *library, struct conf_errors *errors);
struct edit_policies *edit_policies_ref(struct edit_policies *policies);
void edit_policies_unref(struct edit_policies **policies); // NULL inside is fine

// Of the node with this id. NULL: it gets everything as it came (no packs, no domain, nothing to note), or
// there is no such node.
const struct edit_policy *edit_policies_find(const struct edit_policies *policies, uint32_t node);

// Over all that can change what becomes of an instance: packs and tables of all nodes, domains, options. Two
// equal digests need not hold anything back for another look.
const uint8_t *edit_policies_digest(const struct edit_policies *policies);

// Something of it may refuse an instance before Success (FIELD 3).
bool edit_policy_may_reject(const struct edit_policy *policy);
