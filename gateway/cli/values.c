// SPDX-License-Identifier: Apache-2.0
//
// Complaints, the configuration, and members of answers as people read them; see cli.h.
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "base/text.h"

static const char *exit_name(enum cli_exit status)
{
    switch (status) {
    case CLI_FINE:
        return "fine";
    case CLI_FINDING:
        return "finding";
    case CLI_USAGE:
        return "usage";
    case CLI_CONFIGURATION:
        return "configuration";
    case CLI_UNREACHABLE:
        return "unreachable";
    case CLI_REFUSED:
        return "refused";
    case CLI_INTERNAL:
        return "internal";
    }
    return "internal";
}

enum cli_exit cli_print_json(const json_t *answer)
{
    if (json_dumpf(answer, stdout, JSON_INDENT(2)) != 0)
        return CLI_INTERNAL;
    return fputc('\n', stdout) == '\n' ? CLI_FINE : CLI_INTERNAL;
}

enum cli_exit cli_show(const struct cli *cli, const char *path,
                       void (*show)(const struct cli *cli, const json_t *answer))
{
    json_t *answer;
    enum cli_exit status = cli_call(cli, path, NULL, &answer);
    if (status != CLI_FINE)
        return status;
    if (cli->is_json)
        status = cli_print_json(answer);
    else
        show(cli, answer);
    json_decref(answer);
    return status;
}

enum cli_exit cli_complain(const struct cli *cli, enum cli_exit status, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "dicomgate: %s\n", text);
    if (cli->is_json) {
        json_t *answer =
            json_pack("{s:i, s:s, s:s}", "version", 1, "error", exit_name(status), "message", text);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
    }
    return status;
}

void cli_print_errors(const struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        (void)fprintf(stderr, "%s\n", errors->item[i].text);
    if (errors->dropped > 0)
        (void)fprintf(stderr, "and %zu more\n", errors->dropped);
}

enum cli_exit cli_configuration(const struct cli *cli, struct configuration **out)
{
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = configuration_load_for_tools(cli->config, out, &errors);
    cli_print_errors(&errors);
    conf_errors_fini(&errors);
    if (result == OK)
        return CLI_FINE;
    return cli_complain(cli, CLI_CONFIGURATION, "the configuration %s can not be used", cli->config);
}

const char *cli_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "-";
}

const char *cli_name_or_uid(const json_t *item, const char *name, const char *uid)
{
    return json_is_string(json_object_get(item, name)) ? cli_text(item, name) : cli_text(item, uid);
}

int64_t cli_number(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

// False, and "-", if the member is no number.
static bool number_of(const json_t *object, const char *key, char to[CLI_TEXT], int64_t *out)
{
    const json_t *number = json_object_get(object, key);
    (void)text_format(to, CLI_TEXT, "-");
    *out = (int64_t)json_integer_value(number);
    return json_is_integer(number);
}

const char *cli_count(const json_t *object, const char *key, char to[CLI_TEXT])
{
    int64_t number;
    if (number_of(object, key, to, &number))
        (void)text_format(to, CLI_TEXT, "%" PRId64, number);
    return to;
}

const char *cli_size(const json_t *object, const char *key, char to[CLI_TEXT])
{
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    int64_t number;
    if (!number_of(object, key, to, &number))
        return to;
    double amount = (double)number;
    for (; amount >= 1024 && unit + 1 < sizeof UNITS / sizeof *UNITS; unit++)
        amount /= 1024;
    (void)text_format(to, CLI_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", amount, UNITS[unit]);
    return to;
}

const char *cli_age(const json_t *object, const char *key, char to[CLI_TEXT])
{
    int64_t then;
    if (!number_of(object, key, to, &then))
        return to;
    int64_t seconds = (int64_t)time(NULL) - then;
    if (seconds < 0) // a time to come, or clocks that differ
        seconds = -seconds;
    if (seconds < 120)
        (void)text_format(to, CLI_TEXT, "%" PRId64 " s", seconds);
    else if (seconds < 7200)
        (void)text_format(to, CLI_TEXT, "%" PRId64 " min", seconds / 60);
    else if (seconds < 172800)
        (void)text_format(to, CLI_TEXT, "%" PRId64 " h", seconds / 3600);
    else
        (void)text_format(to, CLI_TEXT, "%" PRId64 " d", seconds / 86400);
    return to;
}

const char *cli_time(const json_t *object, const char *key, char to[CLI_TEXT])
{
    int64_t seconds;
    if (!number_of(object, key, to, &seconds))
        return to;
    time_t then = (time_t)seconds;
    struct tm local;
    if (localtime_r(&then, &local) == NULL || strftime(to, CLI_TEXT, "%Y-%m-%d %H:%M:%S", &local) == 0)
        (void)text_format(to, CLI_TEXT, "-");
    return to;
}
