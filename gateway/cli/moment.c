// SPDX-License-Identifier: Apache-2.0
//
// Times as people write them; see cli.h.
#include "cli.h"

#include <time.h>

int64_t cli_time_read(const char *text)
{
    struct tm parts = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%d", &parts);
    if (end != NULL && *end == 'T')
        end = strptime(end, "T%H:%M:%S", &parts);
    return end != NULL && *end == 0 ? (int64_t)mktime(&parts) : -1;
}
