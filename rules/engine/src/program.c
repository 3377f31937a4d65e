// SPDX-License-Identifier: Apache-2.0
//
// See rules/program.h.
#include "program.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/magic.h"
#include "base/text.h"
#include "digest.h"

#define PROGRAM_MAGIC 0x50524F47u // PROG

__attribute__((format(printf, 4, 5))) static void
refuse_at(const char *file, struct conf_mark mark, struct conf_errors *errors, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    conf_errors_add(errors, file, mark.line, mark.column, NULL, NULL, format, arguments);
    va_end(arguments);
}

static const struct pack *pack_find(const struct rules_library *library, const char *name)
{
    for (size_t i = 0; i < library->pack_count; i++)
        if (strcmp(library->pack[i]->info.name, name) == 0)
            return library->pack[i];
    return NULL;
}

// ---- the elements that rules look at ----

// The place of a path in the interest; it is added where it is not there yet.
static enum result path_add(struct rules_program *program, const struct dcm_path *path, size_t *place)
{
    for (*place = 0; *place < program->path_count; ++*place)
        if (dcm_path_compare(&program->path[*place], path) == 0)
            return OK;
    if (program->path_count == DCM_INTEREST_PATHS)
        return ERR_LIMIT;
    program->path[program->path_count++] = *path;
    return OK;
}

static enum result watch_paths_add(struct rules_program *program, struct watch *watch)
{
    const struct dcm_path *path = &watch->element->path;
    for (uint32_t depth = 0; depth < path->depth; depth++) {
        struct dcm_path parent = {.depth = depth};
        memcpy(parent.step, path->step, (depth + 1) * sizeof *path->step);
        parent.step[depth].item = 0;
        enum result result = path_add(program, &parent, &watch->parent[depth]);
        if (result != OK)
            return result;
    }
    if (path->is_item) { // the value of the sequence, too, as it is before the item goes
        struct dcm_path sequence = *path;
        size_t place;
        sequence.is_item = false;
        sequence.step[path->depth].item = 0;
        enum result result = path_add(program, &sequence, &place);
        if (result != OK)
            return result;
    }
    return path_add(program, path, &watch->path);
}

static enum result element_add(struct rules_program *program, const struct element *element, bool is_written)
{
    struct watch *watch = NULL;
    for (size_t i = 0; i < program->watch_count; i++)
        if (program->watch[i].element == element)
            watch = &program->watch[i];
    if (element == NULL)
        return OK;
    if (watch == NULL) {
        if (program->watch_count == RULES_ELEMENTS)
            return ERR_LIMIT;
        watch = &program->watch[program->watch_count++];
        watch->element = element;
        enum result result = watch_paths_add(program, watch);
        if (result != OK)
            return result;
    }
    watch->is_written = watch->is_written || is_written;
    return OK;
}

static enum result condition_elements_add(struct rules_program *program, const struct condition *condition)
{
    enum result result = condition != NULL ? element_add(program, condition->element, false) : OK;
    if (condition == NULL || result != OK)
        return result;
    for (const struct condition *at = condition->first; at != NULL && result == OK; at = at->next)
        result = condition_elements_add(program, at);
    return result;
}

static enum result rule_elements_add(struct rules_program *program, const struct rule *rule)
{
    enum result result = condition_elements_add(program, rule->when);
    for (size_t i = 0; i < rule->step_count && result == OK; i++) {
        result = element_add(program, rule->step[i].element, step_writes(&rule->step[i]));
        if (result == OK)
            result = element_add(program, rule->step[i].source, false);
    }
    return result;
}

static const struct conf_mark *condition_mark(const struct condition *condition,
                                              const struct element *element)
{
    if (condition->element == element)
        return &condition->mark;
    const struct conf_mark *mark = NULL;
    for (const struct condition *at = condition->first; at != NULL && mark == NULL; at = at->next)
        mark = condition_mark(at, element);
    return mark;
}

// Where the rule first names the element.
static struct conf_mark element_mark(const struct rule *rule, const struct element *element)
{
    const struct conf_mark *mark = rule->when != NULL ? condition_mark(rule->when, element) : NULL;
    for (size_t i = 0; i < rule->step_count && mark == NULL; i++)
        if (rule->step[i].element == element || rule->step[i].source == element)
            mark = &rule->step[i].mark;
    return mark != NULL ? *mark : rule->mark;
}

// A private element has one name in all that a survey looks for, by tag or by creator: two could not be told
// apart, and every data set that has it would be held.
static void names_check(const struct rules_program *program, size_t first_watch, const struct rule *rule,
                        struct conf_errors *errors)
{
    for (size_t i = first_watch; i < program->watch_count; i++) {
        const struct watch *watch = &program->watch[i];
        for (size_t j = 0; j < watch->path; j++) {
            char other[DCM_PATH_TEXT_SIZE];
            if (!dcm_path_is_ambiguous(&program->path[j], &watch->element->path))
                continue;
            dcm_path_print(&program->path[j], other);
            refuse_at(rule->pack->info.file, element_mark(rule, watch->element), errors,
                      "%s can be the same private element as %s, which is looked at too: name it one way",
                      watch->element->text, other);
            break;
        }
    }
}

// Edits of single items of a [*] need paths of their own: those of the first items.
static enum result numbered_paths_add(struct rules_program *program, const struct watch *watch)
{
    struct dcm_path path = watch->element->path;
    uint32_t many = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < path.depth; i++) {
        if (path.step[i].item != DCM_ITEM_ALL)
            continue;
        many = i;
        count++;
    }
    for (uint32_t item = 0; count == 1 && watch->is_written && item < RULES_ITEMS; item++) {
        size_t place;
        path.step[many].item = item;
        enum result result = path_add(program, &path, &place);
        if (result != OK)
            return result;
    }
    return OK;
}

static void aliases_find(struct rules_program *program)
{
    for (size_t i = 0; i < program->watch_count; i++) {
        for (size_t j = 0; j < program->watch_count; j++) {
            const struct dcm_path *one = &program->watch[i].element->path;
            const struct dcm_path *other = &program->watch[j].element->path;
            if (i != j && one->depth == other->depth && dcm_path_overlaps(one, other))
                program->watch[i].has_alias = true;
        }
    }
}

static enum result interest_make(struct rules_program *program)
{
    for (size_t i = 0; i < program->watch_count; i++) {
        enum result result = numbered_paths_add(program, &program->watch[i]);
        if (result != OK)
            return result;
    }
    aliases_find(program);
    return dcm_interest_new(program->path, program->path_count, &program->interest);
}

// ---- the program ----

static enum result packs_add(struct rules_program *program, const struct rules_library *library,
                             const struct rules_setting *setting, struct conf_errors *errors)
{
    const char *const *packs = setting->packs;
    size_t count = setting->pack_count;
    uint8_t digests[RULES_PACKS * RULES_DIGEST_BYTES];
    char place[RULES_NAME_BYTES + 16];
    (void)text_format(place, sizeof place, "archive %s", program->archive);
    size_t before = errors->count + errors->dropped;
    for (size_t i = 0; i < count; i++) {
        const struct pack *pack = pack_find(library, packs[i]);
        if (pack == NULL)
            refuse_at(place, (struct conf_mark){0}, errors, "there is no pack `%s`", packs[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(packs[j], packs[i]) == 0)
                refuse_at(place, (struct conf_mark){0}, errors, "pack `%s` is named twice", packs[i]);
        if (pack == NULL || errors->count + errors->dropped > before)
            continue;
        memcpy(digests + i * RULES_DIGEST_BYTES, pack->info.digest, RULES_DIGEST_BYTES);
        for (size_t j = 0; j < pack->rule_count; j++) {
            size_t watch_count = program->watch_count;
            if (rule_elements_add(program, &pack->rule[j]) != OK || program->rule_count == RULES_MOST) {
                refuse_at(pack->info.file, pack->rule[j].mark, errors,
                          "too many rules or elements for one archive (at most %d and %d)", RULES_MOST,
                          RULES_ELEMENTS);
                return ERR_FORMAT;
            }
            names_check(program, watch_count, &pack->rule[j], errors);
            program->rule[program->rule_count++] = &pack->rule[j];
        }
    }
    if (errors->count + errors->dropped > before)
        return ERR_FORMAT;
    return count > 0 ? digest_of(slice_of(digests, count * RULES_DIGEST_BYTES), program->digest) : OK;
}

static enum result program_make(const struct rules_setting *setting, struct rules_program **program)
{
    struct rules_program *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, PROGRAM_MAGIC);
    made->archive = strdup(setting->archive);
    made->rule = calloc(RULES_MOST, sizeof *made->rule);
    made->watch = calloc(RULES_ELEMENTS, sizeof *made->watch);
    made->path = calloc(DCM_INTEREST_PATHS, sizeof *made->path);
    *program = made;
    if (made->archive == NULL || made->rule == NULL || made->watch == NULL || made->path == NULL)
        return ERR_NOMEM;
    if (setting->extra_count > DCM_INTEREST_PATHS / 2)
        return ERR_LIMIT;
    if (setting->extra_count > 0)
        memcpy(made->path, setting->extra, setting->extra_count * sizeof *made->path);
    made->path_count = setting->extra_count;
    return OK;
}

enum result rules_program_new(const struct rules_library *library, const struct rules_setting *setting,
                              struct conf_errors *errors, struct rules_program **program)
{
    struct rules_program *made = NULL;
    size_t before = errors->count + errors->dropped;
    enum result result = setting->pack_count <= RULES_PACKS ? program_make(setting, &made) : ERR_LIMIT;
    if (result == OK)
        result = packs_add(made, library, setting, errors);
    if (result == OK)
        result = interest_make(made);
    if (result == OK)
        result = program_order_check(made, errors);
    if (result == OK && errors->count + errors->dropped > before)
        result = ERR_FORMAT;
    if (result == OK)
        *program = made;
    else
        rules_program_free(made);
    return result;
}

void rules_program_free(struct rules_program *program)
{
    if (program == NULL)
        return;
    MAGIC_CHECK(program, PROGRAM_MAGIC);
    MAGIC_CLEAR(program);
    free((void *)(uintptr_t)program->archive);
    free((void *)program->rule);
    dcm_interest_free(program->interest);
    free(program->watch);
    free(program->path);
    free(program);
}

const struct dcm_interest *rules_program_interest(const struct rules_program *program)
{
    return program->interest;
}

bool rules_program_place(const struct rules_program *program, const struct dcm_path *path, size_t *place)
{
    for (size_t i = 0; i < program->path_count; i++) {
        if (dcm_path_compare(&program->path[i], path) != 0)
            continue;
        *place = i;
        return true;
    }
    return false;
}

bool rules_program_asks_patient(const struct rules_program *program)
{
    for (size_t i = 0; i < program->rule_count; i++) {
        const struct rule *rule = program->rule[i];
        for (size_t j = 0; j < rule->step_count; j++)
            if (rule->step[j].kind == STEP_UID && rule->step[j].element == NULL &&
                (rule->step[j].checks & UID_OTHER_PATIENT) != 0)
                return true;
    }
    return false;
}

bool rules_program_may_reject(const struct rules_program *program)
{
    for (size_t i = 0; i < program->rule_count; i++) {
        const struct rule *rule = program->rule[i];
        if (rule->on_error == RULES_REJECT)
            return true;
        for (size_t j = 0; j < rule->step_count; j++)
            if (rule->step[j].outcome == RULES_REJECT)
                return true;
    }
    return false;
}

const uint8_t *rules_program_digest(const struct rules_program *program)
{
    return program->digest;
}

// ---- names that conditions ask for ----

struct names {
    const char *const *item;
    size_t count;
    const char *what;
};

static bool names_have(const struct names *names, struct slice word)
{
    for (size_t i = 0; i < names->count; i++)
        if (slice_is_text(word, names->item[i]))
            return true;
    return false;
}

static void condition_names_check(const struct condition *condition, const struct pack *pack, enum fact fact,
                                  const struct names *names, struct conf_errors *errors)
{
    if (condition == NULL)
        return;
    for (const struct condition *at = condition->first; at != NULL; at = at->next)
        condition_names_check(at, pack, fact, names, errors);
    if (condition->kind != CONDITION_FACT_IN || condition->fact != fact)
        return;
    for (size_t i = 0; i < condition->word_count; i++) {
        struct slice word = condition->word[i];
        if (!names_have(names, word))
            refuse_at(pack->info.file, condition->mark, errors, "can never match: there is no %s `%.*s`",
                      names->what, (int)word.length, (const char *)word.data);
    }
}

void rules_library_check_names(const struct rules_library *library, const char *const *archives,
                               size_t archive_count, const char *const *phases, size_t phase_count,
                               struct conf_errors *errors)
{
    struct names archive_names = {archives, archive_count, "archive"};
    struct names phase_names = {phases, phase_count, "phase"};
    for (size_t i = 0; i < library->pack_count; i++) {
        const struct pack *pack = library->pack[i];
        for (size_t j = 0; j < pack->rule_count; j++) {
            if (archives != NULL)
                condition_names_check(pack->rule[j].when, pack, FACT_ARCHIVE, &archive_names, errors);
            if (phases != NULL)
                condition_names_check(pack->rule[j].when, pack, FACT_PHASE, &phase_names, errors);
        }
    }
}
