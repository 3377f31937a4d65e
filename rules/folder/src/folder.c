// SPDX-License-Identifier: Apache-2.0
//
// See rules/folder.h.
#include "rules/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/document.h"

#define PATH_BYTES 4096

// The files that one pack has asked for, freed when it has been read.
struct loading {
    const char *folder;
    uint8_t *bytes[RULES_TABLES];
    char name[RULES_TABLES][PATH_BYTES];
    size_t count;
};

__attribute__((format(printf, 3, 4))) static enum result refuse(struct conf_errors *errors, const char *file,
                                                                const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    conf_errors_add(errors, file, 0, 0, NULL, NULL, format, arguments);
    va_end(arguments);
    return ERR_FORMAT;
}

static enum result descriptor_read(int file, size_t most, uint8_t **bytes, size_t *length)
{
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        return ERR_IO;
    if (status.st_size < 0 || (uint64_t)status.st_size > most)
        return ERR_LIMIT;
    size_t size = (size_t)status.st_size;
    uint8_t *read_into = malloc(size + 1);
    if (read_into == NULL)
        return ERR_NOMEM;
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(file, read_into + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(read_into);
            return ERR_IO;
        }
        done += (size_t)got;
    }
    *bytes = read_into;
    *length = size;
    return OK;
}

static enum result file_read(const char *path, size_t most, uint8_t **bytes, size_t *length)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return errno == ENOENT ? ERR_MISSING : ERR_IO;
    enum result result = descriptor_read(file, most, bytes, length);
    (void)close(file);
    return result;
}

// A table stands beside its pack: a name with a path in it could read any file of the machine.
static enum result table_read(void *arg, const char *name, struct slice *bytes, const char **file)
{
    struct loading *loading = arg;
    size_t length = 0;
    if (loading->count == RULES_TABLES || strchr(name, '/') != NULL || name[0] == '.')
        return ERR_ARGUMENT;
    char *path = loading->name[loading->count];
    if (!text_format(path, PATH_BYTES, "%s/%s", loading->folder, name))
        return ERR_ARGUMENT;
    enum result result = file_read(path, RULES_TABLE_BYTES, &loading->bytes[loading->count], &length);
    if (result != OK)
        return result;
    *bytes = slice_of(loading->bytes[loading->count], length);
    *file = path;
    loading->count++;
    return OK;
}

static int is_yaml(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

typedef enum result file_fn(void *arg, const char *path, struct slice text, struct conf_errors *errors);

static enum result each_file(const char *folder, file_fn *file, void *arg, struct conf_errors *errors)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_yaml, alphasort);
    enum result worst = OK;
    if (count < 0)
        return errno == ENOMEM ? ERR_NOMEM : refuse(errors, folder, "the folder can not be read");
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES];
        uint8_t *bytes = NULL;
        size_t length = 0;
        enum result result = text_format(path, sizeof path, "%s/%s", folder, entries[i]->d_name)
                                 ? file_read(path, CONF_FILE_BYTES, &bytes, &length)
                                 : ERR_LIMIT;
        if (result == OK)
            result = file(arg, path, slice_of(bytes, length), errors);
        else if (result != ERR_NOMEM)
            result = refuse(errors, path, "the file can not be read: %s", result_text(result));
        if (result != OK && worst != ERR_NOMEM)
            worst = result;
        free(bytes);
        free(entries[i]);
    }
    free(entries);
    return worst;
}

struct packs {
    struct rules_library *library;
    const char *folder;
};

static enum result pack_add(void *arg, const char *path, struct slice text, struct conf_errors *errors)
{
    const struct packs *packs = arg;
    struct loading *loading = calloc(1, sizeof *loading);
    if (loading == NULL)
        return ERR_NOMEM;
    loading->folder = packs->folder;
    struct rules_tables tables = {.read = table_read, .arg = loading};
    enum result result = rules_library_add(packs->library, path, text, &tables, errors);
    for (size_t i = 0; i < loading->count; i++)
        free(loading->bytes[i]);
    free(loading);
    return result;
}

enum result rules_folder_load(const char *path, struct rules_library *library, struct conf_errors *errors)
{
    struct packs packs = {.library = library, .folder = path};
    return each_file(path, pack_add, &packs, errors);
}

struct golden {
    const struct rules_library *library;
    struct rules_golden_report *report;
};

static enum result golden_run(void *arg, const char *path, struct slice text, struct conf_errors *errors)
{
    const struct golden *golden = arg;
    return rules_golden_run(path, text, golden->library, golden->report, errors);
}

enum result rules_folder_golden(const char *path, const struct rules_library *library,
                                struct rules_golden_report *report, struct conf_errors *errors)
{
    struct golden golden = {.library = library, .report = report};
    return each_file(path, golden_run, &golden, errors);
}
