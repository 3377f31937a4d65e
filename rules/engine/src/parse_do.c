// SPDX-License-Identifier: Apache-2.0
//
// The `do` of a rule: actions and checks, each a mapping that begins with its name. One that names a list of
// elements becomes one step for each.
#include "parse.h"

#include "base/check.h"
#include "base/text.h"
#include "letters.h"
#include "value.h"

#define ACTIONS                                                                                              \
    "set, set-if-empty, replace, map, copy, case, trim, pad, truncate, remove, crosswalk, require, "         \
    "date-format, burned-in, uid, flag, hold, reject"

typedef enum result step_read_fn(struct parse *parse, const struct conf_node *node, struct step *step);

// What an action takes: its name (the value: elements to write or to look at, or something else), and keys.
struct action {
    const char *name;
    enum step_kind kind;
    enum { TARGET_NONE, TARGET_READ, TARGET_WRITE } target;
    step_read_fn *read; // NULL: nothing more
    const char *keys[5];
};

static enum result text_keep(struct parse *parse, const char *text, const char **kept)
{
    *kept = conf_arena_text(&parse->library->arena, text, strlen(text));
    return *kept != NULL ? OK : ERR_NOMEM;
}

// `outcome:` or `unmapped:` and the like.
static void outcome_read(const struct parse *parse, const struct conf_node *node, const char *key,
                         enum rules_outcome standard, struct step *step)
{
    static const char *const words[] = {"keep", "flag", "hold", "reject", NULL};
    const struct conf_node *at = conf_node_member(node, key);
    step->outcome = standard;
    if (at == NULL)
        return;
    bool may_keep = step->kind == STEP_MAP || step->kind == STEP_COPY;
    size_t place = parse_choice(parse, at, may_keep ? words : words + 1);
    if (place != SIZE_MAX)
        step->outcome = RULES_PASS + (enum rules_outcome)(may_keep ? place : place + 1);
}

// ---- actions ----

// One value, or several for an element that may have them.
static enum result set_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    const struct conf_node *to = conf_node_member(node, "to");
    uint8_t bytes[RULES_VALUE_BYTES];
    struct writer writer = writer_of(bytes, sizeof bytes);
    if (to == NULL || to->kind == CONF_MAPPING || (to->kind == CONF_SEQUENCE && to->count == 0)) {
        conf_error_missing(&parse->document, node, "to", "a value, or a list of values");
        return OK;
    }
    if (to->kind == CONF_SEQUENCE && to->count > 1 && !value_vr_is_multiple(step->vr))
        conf_error_at(&parse->document, to, dcm_vr_info(step->vr)->name,
                      "the VR of this element takes one value");
    for (const struct conf_node *at = parse_next(to, NULL); at != NULL; at = parse_next(to, at)) {
        const char *text = parse_text(parse, at, CONF_SCALAR_BYTES);
        if (text == NULL)
            continue;
        const char *allowed = value_check(step->vr, slice_of_text(text));
        if (allowed != NULL)
            conf_error_at(&parse->document, at, allowed, "`%s` is no value for %s", text,
                          step->element->text);
        if (writer.length > 0)
            writer_u8(&writer, '\\');
        writer_slice_put(&writer, slice_of_text(text));
    }
    if (writer.failed) {
        conf_error_at(&parse->document, to, "65536 bytes", "the values are too long");
        return OK;
    }
    const char *kept = conf_arena_text(&parse->library->arena, (const char *)bytes, writer.length);
    step->text = slice_of(kept, writer.length);
    return kept != NULL ? OK : ERR_NOMEM;
}

static enum result replace_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    char problem[REGEX_PROBLEM_BYTES];
    const struct conf_node *pattern = conf_node_member(node, "pattern");
    const struct conf_node *with = conf_node_member(node, "with");
    const struct conf_node *fold = conf_node_member(node, "ignore-case");
    if (pattern == NULL || with == NULL || with->kind != CONF_SCALAR) {
        conf_error_missing(&parse->document, node, pattern == NULL ? "pattern" : "with",
                           pattern == NULL ? "a regular expression" : "a text, which may be empty");
        return OK;
    }
    enum result result = parse_regex(parse, pattern, fold != NULL && parse_bool(parse, fold), &step->regex);
    if (result != OK || step->regex == NULL)
        return result;
    if (regex_replacement_check(step->regex, with->text, problem) != OK) {
        conf_error_at(&parse->document, with, "$1, ${name}; $$ for a dollar sign", "%s", problem);
        return OK;
    }
    return text_keep(parse, with->text, &step->replacement);
}

// Every value of the table must fit where it would be written.
static void table_check(const struct parse *parse, const struct step *step)
{
    for (size_t i = 0; i < step->table->count; i++) {
        const struct table_row *row = &step->table->row[i];
        const char *allowed = value_check(step->vr, row->to);
        if (allowed != NULL)
            table_error(step->table, parse->errors, row->line, row->to_column, allowed, "no value for %s",
                        step->element->text);
    }
}

static enum result map_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    const struct conf_node *table = conf_node_member(node, "table");
    const char *name = parse_member(parse, node, "table", true);
    outcome_read(parse, node, "unmapped", RULES_PASS, step);
    if (name == NULL)
        return OK;
    for (size_t i = 0; i < parse->pack->table_count; i++)
        if (strcmp(parse->pack->table[i].name, name) == 0)
            step->table = &parse->pack->table[i];
    if (step->table == NULL)
        conf_error_at(&parse->document, table, "a table of this pack", "there is no table `%s`", name);
    else
        table_check(parse, step);
    return OK;
}

static enum result copy_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    const struct conf_node *from = conf_node_member(node, "from");
    outcome_read(parse, node, "missing", RULES_PASS, step);
    enum result result = OK;
    if (from == NULL)
        conf_error_missing(&parse->document, node, "from", "an element");
    else
        result = element_read(parse, from, ELEMENT_READ, &step->source);
    if (step->source == step->element && step->source != NULL)
        conf_error_at(&parse->document, from, "another element", "copies the element to itself");
    return result;
}

static enum result case_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    static const char *const words[] = {"lower", "upper", NULL};
    const struct conf_node *to = conf_node_member(node, "to");
    if (to == NULL)
        conf_error_missing(&parse->document, node, "to", "upper, lower");
    else
        step->is_upper = parse_choice(parse, to, words) == 1;
    return OK;
}

static enum result pad_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    const struct conf_node *to = conf_node_member(node, "to");
    const char *with = parse_member(parse, node, "with", true);
    uint64_t width = 0;
    if (to == NULL || to->kind != CONF_SCALAR || text_number(slice_of_text(to->text), 64, &width) != OK ||
        width == 0)
        conf_error_at(&parse->document, to != NULL ? to : node, "1 to 64 characters", "no `to`");
    if (with != NULL && letters_count(slice_of_text(with)) != 1)
        conf_error_at(&parse->document, conf_node_member(node, "with"), "one character", "`%s`", with);
    step->width = (size_t)width;
    if (with == NULL)
        return OK;
    const char *kept;
    enum result result = text_keep(parse, with, &kept);
    if (result == OK)
        step->text = slice_of_text(kept);
    return result;
}

static enum result crosswalk_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    static const char *const words[] = {"patient", NULL};
    (void)step;
    (void)parse_choice(parse, node->first, words);
    return OK;
}

// ---- checks ----

static enum result require_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    static const char *const words[] = {"1", "2", NULL};
    const struct conf_node *type = conf_node_member(node, "type");
    outcome_read(parse, node, "outcome", RULES_FLAG, step);
    if (type == NULL)
        conf_error_missing(&parse->document, node, "type", "1 (present with a value), 2 (present)");
    else
        step->type = parse_choice(parse, type, words) == 0 ? 1 : 2;
    return OK;
}

static enum result date_format_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    const struct conf_node *formats = conf_node_member(node, "normalise");
    enum dcm_vr vr = step->vr;
    outcome_read(parse, node, "outcome", RULES_FLAG, step);
    if (vr != DCM_VR_DA && vr != DCM_VR_TM && vr != DCM_VR_DT)
        conf_error_at_key(&parse->document, node->first, "elements of VR DA, TM or DT", "%s is none",
                          step->element->text);
    if (formats == NULL)
        return OK;
    size_t most = formats->kind == CONF_SEQUENCE ? formats->count : 1;
    step->formats.item = conf_arena_alloc(&parse->library->arena, most + 1, sizeof *step->formats.item);
    if (step->formats.item == NULL)
        return ERR_NOMEM;
    for (const struct conf_node *at = parse_next(formats, NULL); at != NULL; at = parse_next(formats, at)) {
        const char *text = parse_text(parse, at, 15);
        const char *kept;
        if (text == NULL)
            continue;
        if (vr == DCM_VR_DT || !value_format_is_known(vr, text)) {
            conf_error_at(&parse->document, at, vr == DCM_VR_TM ? "such as HH:MM:SS" : "such as MM/DD/YYYY",
                          "`%s` is not a way to write %s", text, step->element->text);
            continue;
        }
        enum result result = text_keep(parse, text, &kept);
        if (result != OK)
            return result;
        step->formats.item[step->formats.count++] = (char *)(uintptr_t)kept;
    }
    return OK;
}

static enum result checks_read(struct parse *parse, const struct conf_node *node, const char *const *words,
                               struct step *step)
{
    outcome_read(parse, node, "outcome", RULES_FLAG, step);
    for (const struct conf_node *at = parse_next(node->first, NULL); at != NULL;
         at = parse_next(node->first, at)) {
        size_t place = parse_choice(parse, at, words);
        if (place != SIZE_MAX)
            step->checks |= 1u << place;
    }
    return OK;
}

static enum result burned_in_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    static const char *const words[] = {"yes", "missing", NULL};
    enum result result = element_of(parse, "BurnedInAnnotation", &step->element);
    return result == OK ? checks_read(parse, node, words, step) : result;
}

// The UIDs that name an object and its place. Each becomes a step of its own; the first step has no element
// and looks at what the caller knows.
static const char *const uid_elements[] = {"SOPClassUID", "SOPInstanceUID", "StudyInstanceUID",
                                           "SeriesInstanceUID"};

static enum result uid_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    static const char *const words[] = {"malformed", "too-long", "other-digest", "other-patient", NULL};
    return checks_read(parse, node, words, step);
}

static enum result say_read(struct parse *parse, const struct conf_node *node, struct step *step)
{
    static const char *const words[] = {"flag", "hold", "reject"};
    const char *text = parse_text(parse, node->first, RULES_REASON_BYTES - 1);
    for (size_t i = 0; i < 3; i++)
        if (strcmp(node->first->key, words[i]) == 0)
            step->outcome = RULES_FLAG + (enum rules_outcome)i;
    return text != NULL ? text_keep(parse, text, &step->message) : OK;
}

static const struct action actions[] = {
    {"set", STEP_SET, TARGET_WRITE, set_read, {"to", "vr"}},
    {"set-if-empty", STEP_SET_IF_EMPTY, TARGET_WRITE, set_read, {"to", "vr"}},
    {"replace", STEP_REPLACE, TARGET_WRITE, replace_read, {"pattern", "with", "ignore-case", "vr"}},
    {"map", STEP_MAP, TARGET_WRITE, map_read, {"table", "unmapped", "vr"}},
    {"copy", STEP_COPY, TARGET_WRITE, copy_read, {"from", "missing", "vr"}},
    {"case", STEP_CASE, TARGET_WRITE, case_read, {"to", "vr"}},
    {"trim", STEP_TRIM, TARGET_WRITE, NULL, {"vr"}},
    {"pad", STEP_PAD, TARGET_WRITE, pad_read, {"to", "with", "vr"}},
    {"truncate", STEP_TRUNCATE, TARGET_WRITE, NULL, {"vr"}},
    {"remove", STEP_REMOVE, TARGET_WRITE, NULL, {NULL}},
    {"crosswalk", STEP_CROSSWALK, TARGET_NONE, crosswalk_read, {NULL}},
    {"require", STEP_REQUIRE, TARGET_READ, require_read, {"type", "outcome"}},
    {"date-format", STEP_DATE_FORMAT, TARGET_READ, date_format_read, {"outcome", "normalise"}},
    {"burned-in", STEP_BURNED_IN, TARGET_NONE, burned_in_read, {"outcome"}},
    {"uid", STEP_UID, TARGET_NONE, uid_read, {"outcome"}},
    {"flag", STEP_SAY, TARGET_NONE, say_read, {NULL}},
    {"hold", STEP_SAY, TARGET_NONE, say_read, {NULL}},
    {"reject", STEP_SAY, TARGET_NONE, say_read, {NULL}},
};

bool step_writes(const struct step *step)
{
    return step->kind <= STEP_REMOVE || (step->kind == STEP_DATE_FORMAT && step->formats.count > 0);
}

static void keys_check(const struct parse *parse, const struct conf_node *node, const struct action *action)
{
    for (const struct conf_node *at = node->first->next; at != NULL; at = at->next) {
        bool is_known = false;
        for (size_t i = 0; i < 5 && action->keys[i] != NULL; i++)
            is_known = is_known || strcmp(action->keys[i], at->key) == 0;
        if (!is_known)
            conf_error_at_key(&parse->document, at, NULL, "`%s` does not take this", action->name);
    }
}

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

static enum element_use use_of(enum step_kind kind, bool is_write)
{
    if (kind == STEP_REMOVE)
        return ELEMENT_REMOVE;
    if (kind == STEP_REQUIRE)
        return ELEMENT_EXISTS;
    return is_write ? ELEMENT_WRITE : ELEMENT_READ;
}

// A private element has its VR from the rule, as no dictionary has it.
static void vr_read(const struct parse *parse, const struct conf_node *node, bool is_needed,
                    struct step *step)
{
    const struct conf_node *vr = conf_node_member(node, "vr");
    step->vr = step->element->vr;
    if (step->vr != DCM_VR_NONE && vr != NULL)
        conf_error_at_key(&parse->document, vr, "for private elements alone", "the VR of %s is known",
                          step->element->text);
    if (step->vr != DCM_VR_NONE || !is_needed)
        return;
    if (vr != NULL && vr->kind == CONF_SCALAR && strlen(vr->text) == 2)
        step->vr = dcm_vr_from_letters((uint8_t)vr->text[0], (uint8_t)vr->text[1]);
    if (!value_vr_is_text(step->vr) && !value_vr_is_number(step->vr))
        conf_error_at(&parse->document, vr != NULL ? vr : node,
                      "`vr:` and a VR of text or numbers, such as LO",
                      "the VR of a private element is not known");
}

static enum result step_add(struct parse *parse, const struct conf_node *node, const struct action *action,
                            const struct conf_node *target, struct rule *rule)
{
    bool is_write = action->target == TARGET_WRITE || conf_node_member(node, "normalise") != NULL;
    struct step step = {.kind = action->kind, .mark = node->mark};
    enum result result = OK;
    if (rule->step_count == RULES_STEPS) {
        conf_error_at(&parse->document, target, "64", "too many steps in one rule");
        return OK;
    }
    if (action->target != TARGET_NONE) {
        result = element_read(parse, target, use_of(action->kind, is_write), &step.element);
        if (result != OK || step.element == NULL)
            return result;
        vr_read(parse, node, is_write && action->kind != STEP_REMOVE, &step);
    }
    if (action->read != NULL)
        result = action->read(parse, node, &step);
    if (result == OK)
        rule->step[rule->step_count++] = step;
    return result;
}

static enum result uid_steps_add(struct parse *parse, const struct conf_node *node,
                                 const struct action *action, struct rule *rule)
{
    enum result result = step_add(parse, node, action, node, rule);
    size_t count = sizeof uid_elements / sizeof *uid_elements;
    for (size_t i = 0; i < count && result == OK && rule->step_count > 0; i++) {
        struct step step = rule->step[rule->step_count - 1];
        if (rule->step_count == RULES_STEPS)
            break;
        result = element_of(parse, uid_elements[i], &step.element);
        rule->step[rule->step_count++] = step;
    }
    return result;
}

static enum result step_read(struct parse *parse, const struct conf_node *node, struct rule *rule)
{
    const struct action *action =
        node->kind == CONF_MAPPING && node->first != NULL ? action_find(node->first->key) : NULL;
    if (action == NULL) {
        conf_error_at(&parse->document, node, ACTIONS, "not an action or check");
        return OK;
    }
    keys_check(parse, node, action);
    if (action->kind == STEP_UID)
        return uid_steps_add(parse, node, action, rule);
    if (action->target == TARGET_NONE)
        return step_add(parse, node, action, node, rule);
    const struct conf_node *targets = node->first;
    if (targets->kind == CONF_MAPPING || (targets->kind == CONF_SEQUENCE && targets->count == 0)) {
        conf_error_at(&parse->document, targets, "an element or a list of elements", "no element");
        return OK;
    }
    for (const struct conf_node *at = parse_next(targets, NULL); at != NULL; at = parse_next(targets, at)) {
        enum result result = step_add(parse, node, action, at, rule);
        if (result != OK)
            return result;
    }
    return OK;
}

enum result parse_do(struct parse *parse, const struct conf_node *node, struct rule *rule)
{
    if (node->kind != CONF_SEQUENCE || node->count == 0) {
        conf_error_at(&parse->document, node, "a list of actions and checks", "nothing to do");
        return OK;
    }
    rule->step = conf_arena_alloc(&parse->library->arena, RULES_STEPS, sizeof *rule->step);
    if (rule->step == NULL)
        return ERR_NOMEM;
    for (const struct conf_node *at = node->first; at != NULL; at = at->next) {
        enum result result = step_read(parse, at, rule);
        if (result != OK)
            return result;
    }
    return OK;
}
