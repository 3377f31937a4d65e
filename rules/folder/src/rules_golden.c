// SPDX-License-Identifier: Apache-2.0
//
// rules_golden PACKS GOLDEN [--every-rule]: runs a folder of golden cases against a folder of packs. With
// --every-rule each rule of each pack must do something in some case. Exit status 0: all came out as
// expected.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/folder.h"

// "PACK/RULE" of what has been seen at work.
struct seen {
    char (*name)[2 * RULES_NAME_BYTES + 2];
    size_t count;
};

static void differs(void *arg, const char *file, size_t line, const char *name, const char *difference)
{
    (void)arg;
    printf("%s:%zu: %s: %s\n", file, line, name, difference);
}

static int has_seen(const struct seen *seen, const char *name)
{
    for (size_t i = 0; i < seen->count; i++)
        if (strcmp(seen->name[i], name) == 0)
            return 1;
    return 0;
}

static void used(void *arg, const char *pack, const char *rule)
{
    struct seen *seen = arg;
    char name[sizeof *seen->name];
    (void)snprintf(name, sizeof name, "%s/%s", pack, rule);
    if (has_seen(seen, name))
        return;
    void *grown = realloc(seen->name, (seen->count + 1) * sizeof *seen->name);
    if (grown == NULL)
        abort();
    seen->name = grown;
    memcpy(seen->name[seen->count++], name, sizeof name);
}

static size_t unused_print(const struct rules_library *library, const struct seen *seen)
{
    size_t count = 0;
    for (size_t i = 0; i < rules_library_count(library); i++) {
        const struct rules_pack_info *pack = rules_library_pack(library, i);
        for (size_t j = 0; j < pack->rules; j++) {
            char name[2 * RULES_NAME_BYTES + 2];
            (void)snprintf(name, sizeof name, "%s/%s", pack->name, rules_library_rule(library, i, j));
            if (has_seen(seen, name))
                continue;
            printf("%s: no case shows what this rule does\n", name);
            count++;
        }
    }
    return count;
}

static int run(const char *packs, const char *golden, int every_rule)
{
    struct seen seen = {.count = 0};
    struct rules_golden_report report = {.differs = differs, .used = used, .arg = &seen};
    struct rules_library *library = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = rules_library_new(&library);
    if (result == OK)
        result = rules_folder_load(packs, library, &errors);
    if (result == OK)
        result = rules_folder_golden(golden, library, &report, &errors);
    for (size_t i = 0; i < errors.count; i++)
        printf("%s\n", errors.item[i].text);
    if (result != OK && errors.count == 0)
        printf("%s\n", result_text(result));
    size_t unused = result == OK && every_rule ? unused_print(library, &seen) : 0;
    printf("%zu cases, %zu came out otherwise\n", report.cases, report.failed);
    int status = result == OK && report.failed == 0 && unused == 0 && report.cases > 0 ? 0 : 1;
    rules_library_free(library);
    conf_errors_fini(&errors);
    free(seen.name);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: rules_golden PACKS GOLDEN [--every-rule]\n");
        return 2;
    }
    return run(argv[1], argv[2], argc > 3 && strcmp(argv[3], "--every-rule") == 0);
}
