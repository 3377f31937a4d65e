// SPDX-License-Identifier: Apache-2.0
//
// When two patient IDs are one (FIELD 1). A file of its own, for whoever needs nothing else of the crosswalk.
// Thread: any.
#include "store/crosswalk.h"

struct slice crosswalk_id_fold(const struct crosswalk_domain *domain, uint8_t *text, size_t length)
{
    size_t zeros = 0;
    while (domain->strips_leading_zeros && zeros + 1 < length && text[zeros] == '0')
        zeros++;
    for (size_t i = zeros; domain->folds_case && i < length; i++)
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (uint8_t)(text[i] - 'a' + 'A');
    return slice_of(text + zeros, length - zeros);
}
