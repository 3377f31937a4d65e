// SPDX-License-Identifier: Apache-2.0
//
// Small generated data sets (PS3.5 7.1): every variant of an instance has bytes of its own, told apart
// by length and content, so that each copy in an archive can be traced to the requests that may have brought
// it.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "history.h"
#include "hospital.h"

struct maker {
    uint8_t *bytes;
    size_t length;
    bool is_implicit;
};

static void put(struct maker *maker, const void *bytes, size_t length)
{
    memcpy(maker->bytes + maker->length, bytes, length);
    maker->length += length;
}

static void put_number(struct maker *maker, uint64_t number, size_t width)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    put(maker, bytes, width);
}

static bool is_long(const char *vr)
{
    return memcmp(vr, "OW", 2) == 0 || memcmp(vr, "SQ", 2) == 0;
}

static void put_header(struct maker *maker, uint32_t tag, const char *vr, size_t length)
{
    put_number(maker, tag >> 16, 2);
    put_number(maker, tag & 0xFFFF, 2);
    if (maker->is_implicit) {
        put_number(maker, length, 4);
        return;
    }
    put(maker, vr, 2);
    if (is_long(vr)) {
        put_number(maker, 0, 2);
        put_number(maker, length, 4);
    } else {
        put_number(maker, length, 2);
    }
}

static void put_text(struct maker *maker, uint32_t tag, const char *vr, const char *text)
{
    size_t length = strlen(text);
    put_header(maker, tag, vr, length + length % 2);
    put(maker, text, length);
    if (length % 2 != 0)
        put(maker, strcmp(vr, "UI") == 0 ? "\0" : " ", 1);
}

static void put_pixels(struct maker *maker, uint64_t seed, size_t length)
{
    put_header(maker, 0x7FE00010, "OW", length);
    for (size_t done = 0; done < length; done += 8) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); // Knuth, MMIX
        uint64_t word = seed ^ seed >> 29;
        put(maker, &word, length - done < 8 ? length - done : 8); // in the machine's order: any bytes will do
    }
}

const char *dataset_class(unsigned index)
{
    static const char *const classes[DATASET_CLASSES] = {
        "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"};
    return classes[index];
}

static void put_patient(const struct history *history, struct maker *maker, const struct instance *instance)
{
    char id[HOSPITAL_ID_BYTES];
    if (history->hospital == NULL) {
        put_text(maker, 0x00100020, "LO", "SIM-1");
        return;
    }
    const struct patient *patient = &history->hospital->patients[instance->patient];
    hospital_own_id(instance->patient, id);
    put_text(maker, 0x00100020, "LO", id);
    if (patient->issuer != NULL)
        put_text(maker, 0x00100021, "LO", patient->issuer);
    put_text(maker, 0x00100030, "DA", HOSPITAL_BIRTH_DATE);
}

uint8_t *dataset_make(const struct history *history, const struct instance *instance, uint32_t variant,
                      bool is_implicit, size_t *length)
{
    size_t pixels = instance->pixels + 16 * (size_t)variant; // more than the syntaxes differ by
    struct maker maker = {.bytes = malloc(pixels + 1024), .is_implicit = is_implicit};
    char text[96];
    ensure(maker.bytes != NULL);
    put_text(&maker, 0x00080016, "UI", dataset_class(instance->sop_class));
    (void)text_format(text, sizeof text, "%s%s", instance->uid, instance->is_bad ? ".9" : "");
    put_text(&maker, 0x00080018, "UI", text);
    put_text(&maker, 0x00080060, "CS", "OT");
    if (history->hospital != NULL && instance->sop_class != 0)
        put_text(&maker, 0x00080080, "LO", "Old House");
    put_text(&maker, 0x00100010, "PN", "Simulated^Patient");
    put_patient(history, &maker, instance);
    put_text(&maker, 0x0020000D, "UI", instance->study);
    (void)text_format(text, sizeof text, "%s.1", instance->study);
    put_text(&maker, 0x0020000E, "UI", text);
    (void)text_format(text, sizeof text, "variant %u", variant);
    put_text(&maker, 0x00204000, "LT", text);
    put_pixels(&maker, history->seed * 1000003 + instance->pixels * 31 + variant, pixels);
    *length = maker.length;
    return maker.bytes;
}

uint64_t dataset_hash(const uint8_t *bytes, size_t length)
{
    static const struct hash_seed seed = {1, 2};
    return hash_bytes(&seed, slice_of(bytes, length));
}

// ---- reading ----

struct element {
    uint32_t tag;
    const uint8_t *value;
    size_t length;
};

static uint32_t number_get(const uint8_t *bytes, size_t width)
{
    uint32_t number = 0;
    for (size_t i = 0; i < width; i++)
        number |= (uint32_t)bytes[i] << 8 * i;
    return number;
}

// The element at `at`, and where the next one begins. False: it does not fit.
static bool element_get(struct slice bytes, bool is_implicit, size_t *at, struct element *element)
{
    const uint8_t *head = bytes.data + *at;
    if (bytes.length - *at < 8)
        return false;
    bool is_wide = !is_implicit && is_long((const char *)head + 4);
    size_t size = is_wide ? 12 : 8;
    if (bytes.length - *at < size)
        return false;
    element->tag = number_get(head, 2) << 16 | number_get(head + 2, 2);
    element->length = is_implicit || is_wide ? number_get(head + size - 4, 4) : number_get(head + 6, 2);
    element->value = head + size;
    if (bytes.length - *at - size < element->length)
        return false;
    *at += size + element->length;
    return true;
}

static void text_take(const struct element *element, char to[20])
{
    size_t length = element->length;
    while (length > 0 && (element->value[length - 1] == ' ' || element->value[length - 1] == 0))
        length--;
    ensure(length < 20);
    memcpy(to, element->value, length);
    to[length] = 0;
}

// The patient ID in the items of a sequence, wherever it stands.
static void former_take(const struct element *sequence, bool is_implicit, struct dataset_facts *facts)
{
    static const uint8_t tag[4] = {0x10, 0, 0x20, 0};
    struct element found;
    const uint8_t *place = memmem(sequence->value, sequence->length, tag, sizeof tag);
    size_t at = 0;
    struct slice rest = {place, place == NULL ? 0 : sequence->length - (size_t)(place - sequence->value)};
    if (place != NULL && element_get(rest, is_implicit, &at, &found))
        text_take(&found, facts->former);
}

// False: it is none of those that may be edited.
static bool edited_take(const struct element *element, bool is_implicit, struct dataset_facts *facts)
{
    switch (element->tag) {
    case 0x00080080:
        text_take(element, facts->house);
        return true;
    case 0x00100020:
        text_take(element, facts->patient);
        return true;
    case 0x00100021:
        text_take(element, facts->issuer);
        return true;
    case 0x0018A001:
        facts->has_equipment = true;
        return true;
    case 0x04000561:
        facts->has_originals = true;
        former_take(element, is_implicit, facts);
        return true;
    default:
        return false;
    }
}

bool dataset_read(const uint8_t *bytes, size_t length, struct dataset_facts *facts)
{
    struct element element = {0};
    *facts = (struct dataset_facts){0};
    if (length < 8)
        return false;
    bool is_implicit = memcmp(bytes + 4, "UI", 2) != 0;
    uint8_t *core = malloc(length);
    ensure(core != NULL);
    bool is_fine = true;
    for (size_t at = 0; at < length && is_fine;) {
        size_t begin = at;
        uint32_t before = element.tag;
        is_fine = element_get(slice_of(bytes, length), is_implicit, &at, &element) && element.tag > before;
        if (is_fine && !edited_take(&element, is_implicit, facts)) {
            memcpy(core + facts->core_length, bytes + begin, at - begin);
            facts->core_length += at - begin;
        }
    }
    facts->core_hash = dataset_hash(core, facts->core_length);
    free(core);
    return is_fine;
}
