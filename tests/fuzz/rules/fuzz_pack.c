// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a pack and its table: it either becomes a pack that compiles, or there is at least one
// complaint, each of one line. A line of five equals signs divides the pack from the table that every `file:`
// gets.
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "rules/program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum result table_read(void *arg, const char *name, struct slice *bytes, const char **file)
{
    (void)name;
    *bytes = *(struct slice *)arg;
    *file = "t.csv";
    return OK;
}

static void check_errors(const struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        ensure(strchr(errors->item[i].text, '\n') == NULL);
}

static void check_program(const struct rules_library *library, struct conf_errors *errors)
{
    const struct rules_pack_info *pack = rules_library_pack(library, 0);
    const char *packs[] = {pack->name};
    struct rules_setting setting = {.archive = "new", .packs = packs, .pack_count = 1};
    struct rules_program *program = NULL;
    ensure(pack->name[0] != 0 && pack->version[0] != 0 && pack->rules > 0);
    enum result result = rules_program_new(library, &setting, errors, &program);
    ensure(result == OK || result == ERR_FORMAT);
    ensure((result == OK) == (errors->count == 0));
    if (result == OK)
        ensure(rules_program_interest(program) != NULL);
    rules_program_free(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char divider[] = "\n=====\n";
    struct rules_library *library = NULL;
    struct conf_errors errors;
    struct slice pack = slice_of(data, size);
    struct slice table = slice_of(NULL, 0);
    const uint8_t *at = size > 0 ? memmem(data, size, divider, sizeof divider - 1) : NULL;
    if (at != NULL) {
        pack = slice_of(data, (size_t)(at - data) + 1);
        table = slice_from(slice_of(data, size), (size_t)(at - data) + sizeof divider - 1);
    }
    struct rules_tables tables = {.read = table_read, .arg = &table};
    conf_errors_init(&errors);
    ensure(rules_library_new(&library) == OK);
    enum result result = rules_library_add(library, "f.yaml", pack, &tables, &errors);
    ensure(result == OK || result == ERR_FORMAT);
    ensure((result == OK) == (errors.count == 0));
    if (result == OK)
        check_program(library, &errors);
    check_errors(&errors);
    rules_library_free(library);
    conf_errors_fini(&errors);
    return 0;
}
