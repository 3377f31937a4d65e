// SPDX-License-Identifier: Apache-2.0
#include "back/titles.h"
#include "base/check.h"

struct slice titles_calling(const struct configuration_node *node, struct slice calling)
{
    switch (node->calling) {
    case CONFIGURATION_CALLING_PRESERVE:
        return calling;
    case CONFIGURATION_CALLING_REPLACE:
        return slice_of_text(node->calling_title);
    case CONFIGURATION_CALLING_MAP:
        for (size_t i = 0; i < node->calling_map.count; i++)
            if (slice_is_text(calling, node->calling_map.item[i].from))
                return slice_of_text(node->calling_map.item[i].to);
        return node->calling_title != NULL ? slice_of_text(node->calling_title) : calling;
    }
    unreachable_state();
}

struct slice titles_called(const struct configuration_node *node, struct slice called)
{
    return node->called == CONFIGURATION_CALLED_PRESERVE ? called : slice_of_text(node->ae_title);
}
