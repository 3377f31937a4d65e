// SPDX-License-Identifier: Apache-2.0
//
// Tables as Markdown; see conf/reference.h.
#include "conf/reference.h"

#include <string.h>

#include "base/text.h"

#define HEADING_BYTES 128

static const char *reload_text(enum conf_reload reload)
{
    switch (reload) {
    case CONF_RELOAD_RESTART:
        return "restart";
    case CONF_RELOAD_NEW:
        return "new";
    case CONF_RELOAD_LIVE:
        return "live";
    }
    return "restart";
}

static bool has_rows(const struct conf_option *option)
{
    return option->type == CONF_TABLE || option->type == CONF_LIST || option->type == CONF_MAP;
}

// A bar would end the cell.
static void cell(FILE *stream, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '|')
            (void)fputc('\\', stream);
        (void)fputc(*text, stream);
    }
}

static void write_default(FILE *stream, const struct conf_option *option)
{
    if (option->is_required)
        (void)fprintf(stream, "**required**");
    else if (option->unset != NULL)
        cell(stream, option->unset);
    else if (option->standard != NULL)
        (void)fprintf(stream, "`%s`", option->standard);
    else
        (void)fprintf(stream, "none");
}

// `most`: what the list or mapping around it allows at most.
static void write_row(FILE *stream, const struct conf_option *option, enum conf_reload most)
{
    char allowed[CONF_ALLOWED_BYTES];
    conf_option_allowed(option, allowed, sizeof allowed);
    (void)fprintf(stream, "| `%s` | ", option->key);
    cell(stream, allowed);
    (void)fprintf(stream, " | ");
    write_default(stream, option);
    (void)fprintf(stream, " | %s | ",
                  option->type == CONF_TABLE ? "see there"
                                             : reload_text(option->reload < most ? option->reload : most));
    cell(stream, option->help);
    (void)fprintf(stream, " |\n");
}

static void write_table(FILE *stream, const struct conf_table *table, const char *heading,
                        enum conf_reload most)
{
    (void)fprintf(stream, "\n## %s\n\n%s\n\n", heading[0] != 0 ? heading : "The whole file", table->help);
    (void)fprintf(stream, "| option | allowed | default | change | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++)
        if (table->options[i].refused == NULL)
            write_row(stream, &table->options[i], most);
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_option *option = &table->options[i];
        const char *entry = option->type == CONF_MAP ? ".NAME" : option->type == CONF_LIST ? "[]" : "";
        char below[HEADING_BYTES];
        if (!has_rows(option))
            continue;
        (void)text_format(below, sizeof below, "%s%s%s%s", heading, heading[0] != 0 ? "." : "", option->key,
                          entry);
        bool is_capped = option->type != CONF_TABLE && option->reload < most;
        write_table(stream, option->table, below, is_capped ? option->reload : most);
    }
}

void conf_reference_write(FILE *stream, const struct conf_table *table)
{
    write_table(stream, table, "", CONF_RELOAD_LIVE);
}
