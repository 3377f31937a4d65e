// SPDX-License-Identifier: Apache-2.0
//
// IDs and persons: what is a patient ID, how it is normalised and hashed, when two persons contradict each
// other (FIELD 1). Thread: any.
#include "base/cursor.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/wipe.h"
#include "crosswalk_internal.h"

enum { ID_CHARACTERS = 64 }; // PS3.5 6.2, VR LO

struct slice id_slice(const struct crosswalk_id *id)
{
    return slice_of(id->text, id->length);
}

bool text_is_clean(struct slice text, size_t characters, size_t bytes)
{
    if (text.length > bytes || !utf8_is_valid(text) || utf8_length(text) > characters)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7F || text.data[i] == '\\')
            return false;
    return true;
}

enum result id_copy(struct slice id, struct crosswalk_id *to)
{
    id = slice_trimmed(id);
    if (id.length == 0 || !text_is_clean(id, ID_CHARACTERS, CROSSWALK_ID_BYTES))
        return ERR_ARGUMENT;
    (void)text_copy(to->text, sizeof to->text, id);
    to->length = id.length;
    return OK;
}

enum result id_normalise(const struct domain *domain, struct slice id, struct crosswalk_id *to)
{
    struct crosswalk_domain how = {.strips_leading_zeros = domain->strips_leading_zeros,
                                   .folds_case = domain->folds_case};
    enum result result = id_copy(id, to);
    if (result != OK)
        return result;
    struct slice folded = crosswalk_id_fold(&how, (uint8_t *)to->text, to->length);
    memmove(to->text, folded.data, folded.length);
    to->text[folded.length] = 0;
    to->length = folded.length;
    return OK;
}

static enum result hash_take(struct crosswalk_reader *reader, const struct writer *input, id_hash hash)
{
    uint8_t whole[SEAL_HASH_SIZE];
    enum result result =
        input->failed ? ERR_ARGUMENT : seal_hash_of(reader->hash, writer_slice(input), whole);
    if (result == OK)
        memcpy(hash, whole, HASH_SIZE);
    return result;
}

// The domain by its name, so that the same hash is made of the same ID wherever the crosswalk is made.
enum result id_hash_make(struct crosswalk_reader *reader, uint16_t number, struct slice id, id_hash hash)
{
    uint8_t input[1 + CROSSWALK_DOMAIN_BYTES + CROSSWALK_ID_BYTES];
    struct crosswalk_id normal;
    const struct domain *domain = domain_get(reader->crosswalk, number);
    if (domain == NULL)
        return ERR_ARGUMENT;
    enum result result = id_normalise(domain, id, &normal);
    if (result != OK)
        return result;
    struct writer writer = writer_of(input, sizeof input);
    writer_u8(&writer, 'I');
    writer_put(&writer, domain->name, strlen(domain->name) + 1);
    writer_slice_put(&writer, id_slice(&normal));
    result = hash_take(reader, &writer, hash);
    wipe(input, sizeof input);
    wipe(&normal, sizeof normal);
    return result;
}

enum result study_hash_make(struct crosswalk_reader *reader, struct slice study, id_hash hash)
{
    uint8_t input[1024];
    struct writer writer = writer_of(input, sizeof input);
    study = slice_trimmed(study);
    if (study.length == 0)
        return ERR_ARGUMENT;
    writer_u8(&writer, 'S');
    writer_slice_put(&writer, study);
    return hash_take(reader, &writer, hash);
}

// ---- the guard

static uint8_t upper(uint8_t byte)
{
    return byte >= 'a' && byte <= 'z' ? (uint8_t)(byte - 'a' + 'A') : byte;
}

static bool is_same_word(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return false;
    for (size_t i = 0; i < a.length; i++)
        if (upper(a.data[i]) != upper(b.data[i]))
            return false;
    return true;
}

// Component `index` of the first group of a person's name (PS3.5 6.2.1).
static struct slice name_component(struct slice name, unsigned index)
{
    const uint8_t *group = name.length > 0 ? memchr(name.data, '=', name.length) : NULL;
    if (group != NULL)
        name.length = (size_t)(group - name.data);
    for (; index > 0; index--) {
        const uint8_t *caret = name.length > 0 ? memchr(name.data, '^', name.length) : NULL;
        if (caret == NULL)
            return slice_of(NULL, 0);
        name = slice_from(name, (size_t)(caret - name.data) + 1);
    }
    const uint8_t *end = name.length > 0 ? memchr(name.data, '^', name.length) : NULL;
    return slice_trimmed(end != NULL ? slice_first(name, (size_t)(end - name.data)) : name);
}

static struct slice first_word(struct slice text)
{
    const uint8_t *space = text.length > 0 ? memchr(text.data, ' ', text.length) : NULL;
    return space != NULL ? slice_first(text, (size_t)(space - text.data)) : text;
}

// Family names and the first given names must agree where both are said; middle names, prefixes and suffixes
// are written as people like.
static bool names_contradict(struct slice a, struct slice b)
{
    struct slice family[2] = {name_component(a, 0), name_component(b, 0)};
    struct slice given[2] = {first_word(name_component(a, 1)), first_word(name_component(b, 1))};
    if (family[0].length > 0 && family[1].length > 0 && !is_same_word(family[0], family[1]))
        return true;
    return given[0].length > 0 && given[1].length > 0 && !is_same_word(given[0], given[1]);
}

static bool is_male_or_female(struct slice sex)
{
    return sex.length == 1 && (upper(sex.data[0]) == 'M' || upper(sex.data[0]) == 'F');
}

unsigned person_compare(const struct crosswalk_row *row, const struct crosswalk_person *person)
{
    unsigned flags = 0;
    if (person == NULL)
        return 0;
    struct slice name = slice_of_text(row->name);
    struct slice sex = slice_trimmed(person->sex);
    struct slice birth_date = slice_trimmed(person->birth_date);
    if (names_contradict(name, slice_trimmed(person->name)))
        flags |= CROSSWALK_BY_NAME;
    if (row->birth_date[0] != 0 && birth_date.length > 0 && !slice_is_text(birth_date, row->birth_date))
        flags |= CROSSWALK_BY_BIRTH_DATE;
    // O says "other", and many consoles send it where nobody knew.
    if (is_male_or_female(slice_of_text(row->sex)) && is_male_or_female(sex) &&
        !is_same_word(sex, slice_of_text(row->sex)))
        flags |= CROSSWALK_BY_SEX;
    return flags;
}
