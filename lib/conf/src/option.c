// SPDX-License-Identifier: Apache-2.0
//
// What an option allows, in words; see conf/option.h.
#include "conf/option.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "scalar.h"

static void unit_text(const struct conf_unit *units, uint64_t value, char *to, size_t capacity)
{
    const struct conf_unit *best = units;
    for (const struct conf_unit *unit = units; unit->name != NULL; unit++)
        if (value != 0 && value % unit->scale == 0)
            best = unit; // units grow, so the last that divides is the largest
    const char *name = best->name != NULL ? best->name : "";
    (void)text_format(to, capacity, "%" PRIu64 "%s", value / best->scale, name);
}

void conf_size_text(uint64_t bytes, char *to, size_t capacity)
{
    unit_text(conf_size_units, bytes, to, capacity);
}

void conf_duration_text(uint64_t nanoseconds, char *to, size_t capacity)
{
    unit_text(conf_duration_units, nanoseconds, to, capacity);
}

static void append(char *to, size_t capacity, const char *before, const char *text)
{
    size_t used = strlen(to);
    (void)text_format(to + used, capacity - used, "%s%s", used > 0 ? before : "", text);
}

static void append_choices(const struct conf_choice *choices, char *to, size_t capacity)
{
    for (const struct conf_choice *choice = choices; choice != NULL && choice->name != NULL; choice++)
        if (choice->refused == NULL)
            append(to, capacity, ", ", choice->name);
}

static void append_range(const struct conf_option *option, const char *noun, const char *end, char *to,
                         size_t capacity)
{
    char least[32], most[32];
    if (option->least == 0 && option->most == 0) {
        append(to, capacity, " or ", noun);
        append(to, capacity, "", end);
        return;
    }
    if (option->type == CONF_SIZE) {
        conf_size_text(option->least, least, sizeof least);
        conf_size_text(option->most, most, sizeof most);
    } else if (option->type == CONF_DURATION) {
        conf_duration_text(option->least, least, sizeof least);
        conf_duration_text(option->most, most, sizeof most);
    } else {
        (void)text_format(least, sizeof least, "%" PRIu64, option->least);
        (void)text_format(most, sizeof most, "%" PRIu64, option->most);
    }
    char range[128];
    (void)text_format(range, sizeof range, "%s%s%s to %s%s", noun, noun[0] != 0 ? " " : "", least, most, end);
    append(to, capacity, " or ", range);
}

// Types whose words do not depend on the row.
static const char *const WORDS[] = {
    [CONF_TITLE] = "an AE title: 1 to 16 characters, no backslash",
    [CONF_PATH] = "a path, relative to the folder of this file",
    [CONF_BOOL] = "yes, no",
    [CONF_ADDRESS] = "HOST:PORT, \"[IPV6]:PORT\"; port 1 to 65535",
    [CONF_NUMERIC] = "IPV4:PORT, \"[IPV6]:PORT\"; port 1 to 65535",
    [CONF_TEXTS] = "a list of texts",
    [CONF_TITLES] = "a list of AE titles: 1 to 16 characters each, no backslash",
    [CONF_PATHS] = "a path, or a list of paths, relative to the folder of this file",
    [CONF_NETWORKS] = "a list of addresses and ranges such as 10.1.0.0/16 or \"2001:db8::/32\"",
    [CONF_TITLE_MAP] = "a mapping of AE titles to AE titles: 1 to 16 characters each, no backslash",
    [CONF_TABLE] = "a mapping (`key: value`)",
    [CONF_LIST] = "a list of mappings",
    [CONF_MAP] = "a mapping of names to mappings", // the last type
};

void conf_option_allowed(const struct conf_option *option, char *to, size_t capacity)
{
    enum conf_type type = option->type;
    const char *words = option->shape != NULL ? option->shape : WORDS[type];
    char names[CONF_ALLOWED_BYTES] = "";
    to[0] = 0;
    if (words != NULL) {
        append(to, capacity, "", words);
    } else if (type == CONF_TEXT) {
        append_range(option, "a text of", " characters", to, capacity);
    } else if (type == CONF_FLAGS) {
        append_choices(option->choices, names, sizeof names);
        (void)text_format(to, capacity, "a list of: %s", names);
    } else {
        append_choices(option->choices, to, capacity);
        if (type != CONF_ENUM)
            append_range(option, "", "", to, capacity);
        if (type == CONF_SIZE)
            append(to, capacity, " ", "(B, KiB, MiB, GiB, TiB)");
        if (type == CONF_DURATION)
            append(to, capacity, " ", "(ms, s, min, h, d)");
    }
}
