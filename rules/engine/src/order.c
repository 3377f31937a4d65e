// SPDX-License-Identifier: Apache-2.0
//
// Rules run in the order of the packs and of the files. Where two of them write the same element that order
// decides what an archive gets, so the later one must say that it stands there on purpose (`after`).
#include <stdarg.h>
#include <stdlib.h>

#include "base/text.h"
#include "program.h"
#include "satisfy.h"

// Which earlier rules each rule is after, directly or through others: one bit for each.
struct order {
    const struct rules_program *program;
    struct conf_errors *errors;
    uint8_t *bits;
    size_t row; // bytes
};

__attribute__((format(printf, 4, 5))) static void refuse(const struct order *order, const struct rule *rule,
                                                         const char *allowed, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    conf_errors_add(order->errors, rule->pack->info.file, rule->mark.line, rule->mark.column, rule->name,
                    allowed, format, arguments);
    va_end(arguments);
}

static bool is_after(const struct order *order, size_t later, size_t earlier)
{
    return (order->bits[later * order->row + earlier / 8] >> (earlier % 8) & 1) != 0;
}

static void after_set(struct order *order, size_t later, size_t earlier)
{
    uint8_t *row = order->bits + later * order->row;
    const uint8_t *before = order->bits + earlier * order->row;
    for (size_t i = 0; i < order->row; i++)
        row[i] |= before[i];
    row[earlier / 8] |= (uint8_t)(1u << (earlier % 8));
}

// Does the name in `after` mean this rule? RULE of the same pack, or PACK/RULE.
static bool names_rule(const char *name, const struct rule *from, const struct rule *rule)
{
    const char *slash = strchr(name, '/');
    const char *pack = rule->pack->info.name;
    if (slash != NULL)
        return slice_is_text(slice_of(name, (size_t)(slash - name)), pack) &&
               strcmp(slash + 1, rule->name) == 0;
    return rule->pack == from->pack && strcmp(name, rule->name) == 0;
}

static bool has_pack(const struct rules_program *program, const char *name)
{
    size_t length = strcspn(name, "/");
    for (size_t i = 0; i < program->rule_count; i++)
        if (slice_is_text(slice_of(name, length), program->rule[i]->pack->info.name))
            return true;
    return false;
}

static void after_read(struct order *order, size_t place)
{
    const struct rules_program *program = order->program;
    const struct rule *rule = program->rule[place];
    for (size_t i = 0; i < rule->after.count; i++) {
        const char *name = rule->after.item[i];
        size_t found = 0;
        bool is_late = false;
        for (size_t j = 0; j < program->rule_count; j++) {
            if (!names_rule(name, rule, program->rule[j]))
                continue;
            found++;
            is_late = is_late || j >= place;
            if (j < place)
                after_set(order, place, j);
        }
        // Another pack need not be in use for this archive.
        bool is_elsewhere = strchr(name, '/') != NULL && !has_pack(program, name);
        if (is_late)
            refuse(order, rule, NULL, "is after `%s`, which does not stand before it", name);
        else if (found == 0 && strchr(name, '/') == NULL)
            refuse(order, rule, "a rule of this pack, or PACK/RULE", "is after `%s`, which there is not",
                   name);
        else if (found == 0 && !is_elsewhere)
            refuse(order, rule, NULL, "is after `%s`, which there is not", name);
    }
}

// An element that both write, or NULL.
static const struct element *common_element(const struct rule *a, const struct rule *b)
{
    for (size_t i = 0; i < a->step_count; i++) {
        if (!step_writes(&a->step[i]))
            continue;
        for (size_t j = 0; j < b->step_count; j++)
            if (step_writes(&b->step[j]) &&
                dcm_path_overlaps(&a->step[i].element->path, &b->step[j].element->path))
                return a->step[i].element;
    }
    return NULL;
}

static void order_check(struct order *order, size_t place)
{
    const struct rule *rule = order->program->rule[place];
    for (size_t i = 0; i < place; i++) {
        const struct rule *earlier = order->program->rule[i];
        const struct element *element = common_element(rule, earlier);
        if (element == NULL || is_after(order, place, i) || condition_is_apart(rule->when, earlier->when))
            continue;
        bool is_near = rule->pack == earlier->pack;
        char allowed[2 * RULES_NAME_BYTES + 16];
        (void)text_format(allowed, sizeof allowed, "after: %s%s%s", is_near ? "" : earlier->pack->info.name,
                          is_near ? "" : "/", earlier->name);
        refuse(order, rule, allowed, "writes %s, as `%s` does, and does not say that it comes after",
               element->text, earlier->name);
    }
}

enum result program_order_check(const struct rules_program *program, struct conf_errors *errors)
{
    struct order order = {.program = program, .errors = errors, .row = program->rule_count / 8 + 1};
    order.bits = calloc(program->rule_count + 1, order.row);
    if (order.bits == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < program->rule_count; i++) {
        after_read(&order, i);
        order_check(&order, i);
    }
    free(order.bits);
    return OK;
}
