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

static void put_header(struct maker *maker, uint32_t tag, const char *vr, size_t length)
{
    put_number(maker, tag >> 16, 2);
    put_number(maker, tag & 0xFFFF, 2);
    if (maker->is_implicit) {
        put_number(maker, length, 4);
        return;
    }
    put(maker, vr, 2);
    if (strcmp(vr, "OW") == 0) {
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
    put_text(&maker, 0x00100010, "PN", "Simulated^Patient");
    put_text(&maker, 0x00100020, "LO", "SIM-1");
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
