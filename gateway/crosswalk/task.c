// SPDX-License-Identifier: Apache-2.0
#include "crosswalk/task.h"

#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"

enum { PATH_BYTES = 4096 };

enum member {
    DOMAIN = 1,
    ID = 2,
    INTO = 4,
    STUDY = 8,
    WHEN = 16,
    IMPORTED = 32,
    RECIPIENT = 64,
    NO_ORDER = 128 // for an open crosswalk
};

static const struct {
    const char *text;
    unsigned members; // that it may have
    unsigned needed;
} kinds[] = {
    [CROSSWALK_ACT_IMPORT] = {"import", IMPORTED, IMPORTED},
    [CROSSWALK_ACT_MERGE] = {"merge", DOMAIN | ID | INTO | WHEN, DOMAIN | ID | INTO},
    [CROSSWALK_ACT_UNMERGE] = {"unmerge", DOMAIN | ID | WHEN, DOMAIN | ID},
    [CROSSWALK_ACT_MOVE_STUDY] = {"move-study", DOMAIN | ID | STUDY | WHEN, DOMAIN | ID | STUDY},
    [CROSSWALK_ACT_EXPORT] = {"export", RECIPIENT, 0},
    [CROSSWALK_ACT_LEDGER_EXPORT] = {"ledger-export", RECIPIENT, 0},
    [CROSSWALK_ACT_CLEAR_LOG] = {"clear-log", 0, 0},
    [CROSSWALK_ACT_INIT] = {"init", NO_ORDER, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *crosswalk_kind_text(enum crosswalk_act_kind kind)
{
    return (size_t)kind < KINDS ? kinds[kind].text : NULL;
}

static enum result refuse(struct crosswalk_problem *problem, const char *what)
{
    (void)text_copy(problem->text, sizeof problem->text, slice_of_text(what));
    return ERR_FORMAT;
}

static bool text_take(const json_t *value, size_t most, const char **out)
{
    size_t length = json_string_length(value);
    *out = json_string_value(value);
    return *out != NULL && length > 0 && length <= most && strlen(*out) == length;
}

static bool effective_take(struct crosswalk_task *task, const json_t *value)
{
    json_int_t seconds = json_integer_value(value);
    task->effective = (uint64_t)seconds * NSEC_PER_SEC;
    return json_is_integer(value) && seconds > 0 && seconds < (json_int_t)(INT64_MAX / NSEC_PER_SEC);
}

static bool recipient_take(struct crosswalk_task *task, const json_t *value)
{
    task->has_recipient = json_is_string(value) &&
                          text_unhex(json_string_value(value), task->recipient, sizeof task->recipient) == OK;
    return task->has_recipient;
}

static enum result member_take(struct crosswalk_task *task, const char *key, const json_t *value,
                               unsigned *seen, struct crosswalk_problem *problem)
{
    const struct {
        const char *key;
        unsigned member;
        size_t most;
        const char **out;
    } texts[] = {
        {"person", 0, CROSSWALK_PERSON_BYTES, &task->person},
        {"reason", 0, CROSSWALK_REASON_BYTES, &task->reason},
        {"domain", DOMAIN, CROSSWALK_DOMAIN_BYTES, &task->domain},
        {"id", ID, CROSSWALK_ID_BYTES, &task->id},
        {"into", INTO, CROSSWALK_ID_BYTES, &task->into},
        {"study", STUDY, 64, &task->study},
        {"file", IMPORTED, PATH_BYTES, &task->file},
    };
    unsigned allowed = kinds[task->kind].members;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].key, key) != 0 || (texts[i].member & ~allowed) != 0)
            continue;
        *seen |= texts[i].member;
        if (text_take(value, texts[i].most, texts[i].out))
            return OK;
        (void)text_format(problem->text, sizeof problem->text, "%s is a text of 1 to %zu bytes", key,
                          texts[i].most);
        return ERR_FORMAT;
    }
    if (strcmp(key, "dry_run") == 0 && (allowed & IMPORTED) != 0) {
        task->is_dry = json_is_true(value);
        return json_is_boolean(value) ? OK : refuse(problem, "dry_run is true or false");
    }
    if (strcmp(key, "effective") == 0 && (allowed & WHEN) != 0)
        return effective_take(task, value) ? OK
                                           : refuse(problem, "effective is a number of seconds since 1970");
    if (strcmp(key, "recipient") == 0 && (allowed & RECIPIENT) != 0)
        return recipient_take(task, value) ? OK : refuse(problem, "recipient is a SHA-256 in hexadecimal");
    (void)text_format(problem->text, sizeof problem->text, "\"%.60s\" is not known here", key);
    return ERR_FORMAT;
}

// The first of them.
static const char *missing_name(unsigned missing)
{
    static const struct {
        unsigned member;
        const char *name;
    } all[] = {{DOMAIN, "domain"}, {ID, "id"}, {INTO, "into"}, {STUDY, "study"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if ((missing & all[i].member) != 0)
            return all[i].name;
    return "file";
}

static enum result members_take(struct crosswalk_task *task, struct crosswalk_problem *problem)
{
    const char *key;
    json_t *value;
    unsigned seen = 0;
    enum result result = OK;
    if (!json_is_object(task->body))
        return refuse(problem, "the body is not a JSON object");
    json_object_foreach(task->body, key, value)
    {
        result = member_take(task, key, value, &seen, problem);
        if (result != OK)
            return result;
    }
    unsigned missing = kinds[task->kind].needed & ~seen;
    if (missing != 0) {
        (void)text_format(problem->text, sizeof problem->text, "%s is missing", missing_name(missing));
        return ERR_FORMAT;
    }
    if (task->person == NULL || task->reason == NULL)
        return refuse(problem, "person and reason are needed: they are recorded");
    if (task->file != NULL && task->file[0] != '/')
        return refuse(problem, "file is an absolute path");
    return OK;
}

enum result crosswalk_task_parse(const char *kind, struct slice body, struct crosswalk_task *out,
                                 struct crosswalk_problem *problem)
{
    struct crosswalk_task task = {.body = NULL};
    for (size_t i = 1; i < KINDS; i++)
        if ((kinds[i].members & NO_ORDER) == 0 && strcmp(kinds[i].text, kind) == 0)
            task.kind = (enum crosswalk_act_kind)i;
    if (task.kind == 0)
        return ERR_MISSING;
    task.body = json_loadb((const char *)body.data, body.length, JSON_REJECT_DUPLICATES, NULL);
    enum result result = members_take(&task, problem);
    if (result == OK)
        *out = task;
    else
        crosswalk_task_fini(&task);
    return result;
}

void crosswalk_json_free(json_t *object)
{
    const char *key;
    json_t *value;
    if (object == NULL)
        return;
    json_object_foreach(object, key, value) if (json_is_string(value))
        wipe((void *)(uintptr_t)json_string_value(value), json_string_length(value));
    json_decref(object);
}

void crosswalk_task_fini(struct crosswalk_task *task)
{
    crosswalk_json_free(task->body);
    *task = (struct crosswalk_task){.body = NULL};
}
