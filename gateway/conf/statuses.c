// SPDX-License-Identifier: Apache-2.0
//
// What an archive's C-STORE status means for what it is owed (FIELD 7): the rows of `nodes: NAME: statuses:`,
// and behind them the default table, which has a row for every status.
#include "raw.h"

#include <string.h>
#include <strings.h>

// PS3.7 annex C, PS3.4 table B.2-1. The first row that fits counts.
static const struct configuration_status DEFAULTS[] = {
    {.first = 0x0000, .last = 0x0000, .means = CONFIGURATION_MEANS_SUCCESS},
    {.first = 0xB000, .last = 0xB000, .means = CONFIGURATION_MEANS_WARNING}, // coercion of elements
    {.first = 0xB006, .last = 0xB007, .means = CONFIGURATION_MEANS_WARNING}, // elements discarded; mismatch
    {.first = 0xB000, .last = 0xBFFF, .means = CONFIGURATION_MEANS_WARNING},
    {.first = 0x0001, .last = 0x0001, .means = CONFIGURATION_MEANS_WARNING},
    {.first = 0x0107, .last = 0x0107, .means = CONFIGURATION_MEANS_WARNING},
    {.first = 0x0116, .last = 0x0116, .means = CONFIGURATION_MEANS_WARNING},
    {.first = 0x0111, .last = 0x0111, .means = CONFIGURATION_MEANS_DUPLICATE},
    {.first = 0xA700, .last = 0xA7FF, .means = CONFIGURATION_MEANS_TRANSIENT}, // out of resources
    {.first = 0x0213, .last = 0x0213, .means = CONFIGURATION_MEANS_TRANSIENT}, // resource limitation
    // With some archives these are no judgement of the object.
    {.first = 0x0110, .last = 0x0110, .means = CONFIGURATION_MEANS_HICCUP},
    {.first = 0xC000, .last = 0xC000, .means = CONFIGURATION_MEANS_HICCUP},
    {.first = 0x0100, .last = 0x02FF, .means = CONFIGURATION_MEANS_PERMANENT},
    {.first = 0xA000, .last = 0xAFFF, .means = CONFIGURATION_MEANS_PERMANENT},
    {.first = 0xC000, .last = 0xCFFF, .means = CONFIGURATION_MEANS_PERMANENT},
    {.first = 0x0000, .last = 0xFFFF, .means = CONFIGURATION_MEANS_HICCUP}, // in no table
};

const struct configuration_status *configuration_status_defaults(size_t *count)
{
    *count = sizeof DEFAULTS / sizeof DEFAULTS[0];
    return DEFAULTS;
}

const char *configuration_meaning_name(enum configuration_meaning means)
{
    static const char *const names[] = {"success",   "warning", "duplicate",
                                        "transient", "hiccup",  "permanent"};
    return names[means];
}

// ASCII letters in either case; everything else byte for byte.
static bool contains(struct slice text, const char *part)
{
    size_t length = strlen(part);
    for (size_t at = 0; at + length <= text.length; at++)
        if (strncasecmp((const char *)text.data + at, part, length) == 0)
            return true;
    return false;
}

static bool fits(const struct configuration_status *row, uint16_t status, struct slice comment)
{
    return status >= row->first && status <= row->last &&
           (row->comment == NULL || contains(comment, row->comment));
}

const struct configuration_status *configuration_status_find(const struct configuration_node *node,
                                                             uint16_t status, struct slice comment)
{
    for (size_t i = 0; i < node->status_count; i++)
        if (fits(&node->status[i], status, comment))
            return &node->status[i];
    const struct configuration_status *row = DEFAULTS;
    while (!fits(row, status, comment))
        row++; // the last one fits all
    return row;
}

// ---- reading ----

// Four hexadecimal digits, trailing ones may be "x" for any.
static bool pattern_read(const char *text, size_t length, uint16_t *first, uint16_t *last)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t low = 0;
    uint32_t high = 0;
    bool is_open = false;
    if (length != 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
        const char *digit = memchr(digits, c, sizeof digits - 1);
        if (c != 'x' && (digit == NULL || is_open))
            return false;
        is_open = c == 'x';
        low = low << 4 | (is_open ? 0 : (uint32_t)(digit - digits));
        high = high << 4 | (is_open ? 15 : (uint32_t)(digit - digits));
    }
    *first = (uint16_t)low;
    *last = (uint16_t)high;
    return true;
}

bool status_range_read(const char *text, uint16_t *first, uint16_t *last)
{
    const char *dash = strchr(text, '-');
    uint16_t ignored;
    if (dash == NULL)
        return pattern_read(text, strlen(text), first, last);
    return pattern_read(text, (size_t)(dash - text), first, &ignored) &&
           pattern_read(dash + 1, strlen(dash + 1), &ignored, last) && *first <= *last;
}
