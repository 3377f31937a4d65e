// SPDX-License-Identifier: Apache-2.0
//
// File to configuration: read, parse, fill by tables, resolve names, cross-check; see configuration.h.
#include "conf/configuration.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/magic.h"
#include "conf/reference.h"
#include "raw.h"

#define CONFIGURATION_MAGIC 0x434F4E46u

// What is really allocated: the public part and the memory of everything in it.
struct whole {
    struct configuration public;
    struct conf_arena values;
    const struct raw *raw; // as loaded, for comparison; the tree that its entries point into is gone
};

__attribute__((format(printf, 3, 4))) static enum result
refuse_file(struct conf_errors *errors, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    conf_errors_add(errors, path, 0, 0, NULL, NULL, format, arguments);
    va_end(arguments);
    return ERR_IO;
}

// The absolute path; of a file that does not exist (text from memory) the path below the working directory.
static char *absolute_of(struct conf_arena *arena, const char *path)
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved) != NULL)
        return conf_arena_text(arena, resolved, strlen(resolved));
    if (path[0] == '/' || realpath(".", resolved) == NULL)
        return conf_arena_text(arena, path, strlen(path));
    return conf_arena_format(arena, "%s/%s", resolved, path);
}

static char *directory_of(struct conf_arena *arena, const char *file)
{
    char *copy = file != NULL ? conf_arena_text(arena, file, strlen(file)) : NULL;
    return copy != NULL ? dirname(copy) : NULL;
}

static enum result whole_fill(struct whole *whole, struct conf_document *document, const char *text,
                              size_t length, bool check_files)
{
    struct raw *raw = conf_arena_alloc(&whole->values, 1, sizeof *raw);
    whole->raw = raw;
    whole->public.file = absolute_of(&whole->values, document->file);
    document->directory = directory_of(&whole->values, whole->public.file);
    if (raw == NULL || document->directory == NULL)
        return ERR_NOMEM;
    enum result result = conf_document_parse(document, text, length);
    if (result != OK)
        return result;
    result = conf_load(document, &options_root, document->root, &whole->values, raw);
    if (result != OK)
        return result;
    raw_resolve(document, raw, &whole->values, &whole->public);
    raw_check(document, raw, &whole->public, check_files);
    if (whole->values.failed)
        return ERR_NOMEM;
    return document->errors->count > 0 || document->errors->dropped > 0 ? ERR_FORMAT : OK;
}

enum result configuration_parse(const char *path, const char *text, size_t length, bool check_files,
                                struct configuration **out, struct conf_errors *errors)
{
    struct conf_arena tree;
    struct conf_document document = {.file = path, .arena = &tree, .errors = errors};
    struct whole *whole = calloc(1, sizeof *whole);
    if (whole == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(&whole->public, CONFIGURATION_MAGIC);
    conf_arena_init(&tree);
    conf_arena_init(&whole->values);
    enum result result = whole_fill(whole, &document, text, length, check_files);
    conf_errors_sort(errors);
    conf_arena_fini(&tree);
    if (result == OK)
        *out = &whole->public;
    else
        configuration_free(&whole->public);
    return result;
}

static enum result file_read(const char *path, char **text, size_t *length, struct conf_errors *errors)
{
    enum result result = OK;
    struct stat status;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return refuse_file(errors, path, "%s", strerror(errno));
    // One byte more than allowed is enough for the parser to say that it is too large.
    char *buffer = malloc(CONF_FILE_BYTES + 1);
    if (buffer == NULL)
        result = ERR_NOMEM;
    else if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode))
        result = refuse_file(errors, path, "a folder, not a file");
    else
        *length = fread(buffer, 1, CONF_FILE_BYTES + 1, file);
    if (result == OK && ferror(file) != 0)
        result = refuse_file(errors, path, "it can not be read");
    (void)fclose(file);
    if (result == OK)
        *text = buffer;
    else
        free(buffer);
    return result;
}

static enum result load(const char *path, bool check_files, struct configuration **out,
                        struct conf_errors *errors)
{
    char *text;
    size_t length;
    enum result result = file_read(path, &text, &length, errors);
    if (result != OK)
        return result;
    result = configuration_parse(path, text, length, check_files, out, errors);
    free(text);
    return result;
}

enum result configuration_load(const char *path, struct configuration **out, struct conf_errors *errors)
{
    return load(path, true, out, errors);
}

enum result configuration_load_for_tools(const char *path, struct configuration **out,
                                         struct conf_errors *errors)
{
    return load(path, false, out, errors);
}

void configuration_free(struct configuration *configuration)
{
    if (configuration == NULL)
        return;
    MAGIC_CHECK(configuration, CONFIGURATION_MAGIC);
    struct whole *whole = (struct whole *)(void *)configuration; // `public` is its first member
    MAGIC_CLEAR(configuration);
    conf_arena_fini(&whole->values);
    free(whole);
}

void configuration_compare(const struct configuration *one, const struct configuration *other,
                           conf_differs_fn *differs, void *arg)
{
    MAGIC_CHECK(one, CONFIGURATION_MAGIC);
    MAGIC_CHECK(other, CONFIGURATION_MAGIC);
    conf_compare(&options_root, ((const struct whole *)(const void *)one)->raw,
                 ((const struct whole *)(const void *)other)->raw, differs, arg);
}

const struct configuration_node *configuration_node_by_name(const struct configuration *configuration,
                                                            const char *name)
{
    for (size_t i = 0; i < configuration->node_count; i++)
        if (strcmp(configuration->node[i].name, name) == 0)
            return &configuration->node[i];
    return NULL;
}

const struct configuration_node *configuration_node_by_id(const struct configuration *configuration,
                                                          uint16_t id)
{
    for (size_t i = 0; i < configuration->node_count; i++)
        if (configuration->node[i].id == id)
            return &configuration->node[i];
    return NULL;
}

const struct configuration_domain *configuration_domain_by_name(const struct configuration *configuration,
                                                                struct slice name)
{
    for (size_t i = 0; i < configuration->domain_count; i++)
        if (slice_is_text(name, configuration->domain[i].name))
            return &configuration->domain[i];
    return NULL;
}

const struct configuration_domain *configuration_domain_by_issuer(const struct configuration *configuration,
                                                                  struct slice issuer)
{
    for (size_t i = 0; i < configuration->domain_count; i++)
        for (size_t j = 0; j < configuration->domain[i].issuers.count; j++)
            if (slice_is_text(issuer, configuration->domain[i].issuers.item[j]))
                return &configuration->domain[i];
    return NULL;
}

const struct configuration_phase *configuration_phase_by_name(const struct configuration *configuration,
                                                              const char *name)
{
    for (size_t i = 0; i < configuration->phase_count; i++)
        if (strcmp(configuration->phase[i].name, name) == 0)
            return &configuration->phase[i];
    return NULL;
}

// An empty list stands for any title.
static bool matches(const struct conf_texts *titles, const char *title)
{
    for (size_t i = 0; i < titles->count; i++)
        if (strcmp(titles->item[i], title) == 0)
            return true;
    return titles->count == 0;
}

const struct configuration_route *configuration_phase_route(const struct configuration_phase *phase,
                                                            const char *called, const char *calling)
{
    for (size_t i = 0; i < phase->store_count; i++)
        if (matches(&phase->store[i].called, called) && matches(&phase->store[i].calling, calling))
            return &phase->store[i];
    return NULL;
}

const struct configuration_domain *configuration_default_domain(const struct configuration_client *client,
                                                                const struct configuration_route *route)
{
    if (client != NULL && client->domain != NULL)
        return client->domain;
    return route != NULL ? route->domain : NULL;
}

char *configuration_reference(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return NULL;
    (void)fprintf(
        stream,
        "<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
        "<!-- Generated by `dicomgate config reference` from the option tables in gateway/conf; "
        "do not edit. -->\n"
        "# Configuration reference\n\n"
        "Paths are relative to the folder of the configuration file unless it says otherwise. "
        "Sizes and durations need their unit (`64MiB`, `30s`). Keys that are not listed here, keys "
        "given twice, anchors, aliases and tags are errors. `config check FILE` of `dicomgate` says "
        "what is wrong, with line and column.\n\n"
        "`change`: when a changed value counts. `live`: at once when the file is read again (`dicomgate "
        "config "
        "reload` or SIGHUP); `new`: then, for connections that begin after it; `restart`: at the next "
        "start of the daemon; `config reload` names what waits for one. What the certificate files "
        "under `tls` hold is read again in any case.\n");
    conf_reference_write(stream, &options_root);
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
