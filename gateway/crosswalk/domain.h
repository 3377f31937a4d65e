// SPDX-License-Identifier: Apache-2.0
//
// A domain of the configuration as the crosswalk has it. Its name is borrowed.
#pragma once

#include "conf/configuration.h"
#include "store/crosswalk.h"

static inline struct crosswalk_domain crosswalk_domain_of(const struct configuration_domain *from)
{
    return (struct crosswalk_domain){.name = from->name,
                                     .strips_leading_zeros = from->leading_zeros == CONFIGURATION_IGNORE,
                                     .folds_case = from->letters == CONFIGURATION_IGNORE};
}
