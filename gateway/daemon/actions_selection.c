// SPDX-License-Identifier: Apache-2.0
#include "daemon/actions_selection.h"
#include "base/text.h"
#include "forward/receipt.h"
#include "store/ledger_reader.h"
#include <stdlib.h>
#include <string.h>

static enum result number_add(struct receipt_selection *selection, uint64_t number)
{
    if (selection->count == selection->capacity) {
        size_t capacity = selection->capacity == 0 ? 16 : 2 * selection->capacity;
        uint64_t *larger = realloc(selection->number, capacity * sizeof *larger);
        if (larger == NULL)
            return ERR_NOMEM;
        selection->number = larger;
        selection->capacity = capacity;
    }
    selection->number[selection->count++] = number;
    return OK;
}

// ledger_find_uid() also finds the instances of a study: those are not meant.
static enum result on_fact(void *arg, const struct ledger_fact *fact)
{
    struct receipt_selection *selection = arg;
    if (fact->state != FACT_DURABLE || fact->sop_instance == NULL ||
        strcmp(fact->sop_instance, selection->sop_instance) != 0)
        return OK;
    return number_add(selection, fact->receipt);
}

static int number_compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

struct study_search {
    struct receipt_selection *selection;
    const char *study;
};

static enum result on_study_fact(void *arg, const struct ledger_fact *fact)
{
    const struct study_search *search = arg;
    if (fact->state != FACT_DURABLE || fact->study == NULL || strcmp(fact->study, search->study) != 0)
        return OK;
    return number_add(search->selection, fact->receipt);
}

static void numbers_sort(struct receipt_selection *selection)
{
    if (selection->count > 1)
        qsort(selection->number, selection->count, sizeof *selection->number, number_compare);
}

enum result receipt_selection_find_study(struct receipt_selection *selection, struct gateway *gateway,
                                         const char *study)
{
    struct study_search search = {selection, study};
    enum result result =
        ledger_find_uid(gateway->platform.ledger, slice_of_text(study), on_study_fact, &search);
    if (result != OK && result != ERR_MISSING)
        return result;
    numbers_sort(selection);
    return OK;
}

enum result receipt_selection_find(struct receipt_selection *selection, struct gateway *gateway,
                                   const uint64_t *numbers, size_t count, const char *uid)
{
    enum result result = OK;
    for (size_t i = 0; result == OK && i < count; i++)
        result = number_add(selection, numbers[i]);
    if (result == OK && uid != NULL) {
        text_copy(selection->sop_instance, sizeof selection->sop_instance, slice_of_text(uid));
        result = ledger_find_uid(gateway->platform.ledger, slice_of_text(selection->sop_instance), on_fact,
                                 selection);
    }
    if (result != OK && result != ERR_MISSING)
        return result;
    numbers_sort(selection);
    return OK;
}

void receipt_selection_fini(struct receipt_selection *selection)
{
    free(selection->number);
}

bool receipt_selection_has_number(const struct receipt_selection *selection, uint64_t number)
{
    return selection->count > 0 && bsearch(&number, selection->number, selection->count,
                                           sizeof *selection->number, number_compare) != NULL;
}

bool receipt_selection_has(const struct receipt_selection *selection, const struct receipt *receipt)
{
    return receipt_selection_has_number(selection, receipt->number) ||
           (selection->sop_instance[0] != 0 && receipt->content != NULL &&
            slice_is_text(slice_trimmed(receipt->content->open.sop_instance), selection->sop_instance));
}
