// SPDX-License-Identifier: Apache-2.0
#include "instance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define UID_ROOT "1.2.826.0.1.3680043.10.1112"

enum {
    PERIOD = 1024 * 1024, // the pixels repeat after this
    PIXELS = 0x7FE00010,
    INSTANCES_OF_A_STUDY = 500,
    INSTANCES_OF_A_SHORT_STUDY = 4,
    PATIENT_ID = 0x00100020,
    FIRST_NUMBER = 1000000000, // so that all UIDs have the same length
};

// Elements of a plain CT image that say nothing about anybody; UIDs and sizes are put in where they belong.
static const struct {
    uint32_t tag;
    char vr[3];
    const char *value;
} elements[] = {
    {0x00080005, "CS", "ISO_IR 100"},
    {0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"},
    {0x00080016, "UI", INSTANCE_CLASS},
    {0x00080018, "UI", "instance"},
    {0x00080020, "DA", "20240102"},
    {0x00080021, "DA", "20240102"},
    {0x00080022, "DA", "20240102"},
    {0x00080023, "DA", "20240102"},
    {0x00080030, "TM", "101112"},
    {0x00080031, "TM", "101112.5"},
    {0x00080032, "TM", "101113"},
    {0x00080033, "TM", "101113"},
    {0x00080050, "SH", "ACC0000001"},
    {0x00080060, "CS", "CT"},
    {0x00080070, "LO", "Maker of scanners"},
    {0x00080080, "LO", "Hospital of the bench"},
    {0x00080090, "PN", "Referring^Doctor"},
    {0x00081010, "SH", "CT-ROOM-1"},
    {0x00081030, "LO", "Thorax with contrast"},
    {0x0008103E, "LO", "1.0 mm soft"},
    {0x00081090, "LO", "Model 64"},
    {0x00090010, "LO", "BENCH PRIVATE 1"},
    {0x00091001, "LO", "a private value"},
    {0x00091002, "DS", "0.125"},
    {0x00100010, "PN", "Bench^Patient"},
    {0x00100020, "LO", "BENCH-1"},
    {0x00100030, "DA", "19700101"},
    {0x00100040, "CS", "O"},
    {0x00101010, "AS", "054Y"},
    {0x00180015, "CS", "CHEST"},
    {0x00180050, "DS", "1.0"},
    {0x00180060, "DS", "120"},
    {0x00181020, "LO", "V 7.1"},
    {0x00181030, "LO", "Protocol 17"},
    {0x00181151, "IS", "250"},
    {0x00181210, "SH", "B30f"},
    {0x0020000D, "UI", "study"},
    {0x0020000E, "UI", "series"},
    {0x00200010, "SH", "1"},
    {0x00200011, "IS", "2"},
    {0x00200013, "IS", "1"},
    {0x00200032, "DS", "-180\\-180\\25.5"},
    {0x00200037, "DS", "1\\0\\0\\0\\1\\0"},
    {0x00280004, "CS", "MONOCHROME2"},
    {0x00280008, "IS", "1"},
    {0x00281050, "DS", "40"},
    {0x00281051, "DS", "400"},
    {0x00281052, "DS", "-1024"},
    {0x00281053, "DS", "1"},
};

static uint8_t *put_little(uint8_t *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *to++ = (uint8_t)(value >> (8 * i));
    return to;
}

static uint8_t *put_tag(uint8_t *to, uint32_t tag, const char *vr)
{
    to = put_little(put_little(to, tag >> 16, 2), tag & 0xFFFF, 2);
    *to++ = (uint8_t)vr[0];
    *to++ = (uint8_t)vr[1];
    return to;
}

static uint8_t *put_text(uint8_t *to, uint32_t tag, const char *vr, const char *value)
{
    size_t length = strlen(value);
    to = put_little(put_tag(to, tag, vr), (length + 1) & ~(size_t)1, 2);
    memcpy(to, value, length);
    to += length;
    if (length % 2 != 0)
        *to++ = vr[0] == 'U' ? 0 : ' ';
    return to;
}

static uint32_t study_number(const struct instance_kind *kind, uint32_t number)
{
    return number / (kind->patients > 0 ? INSTANCES_OF_A_SHORT_STUDY : INSTANCES_OF_A_STUDY);
}

// Far apart, so that one page of a store seldom serves two studies.
static uint64_t patient_number(const struct instance_kind *kind, uint32_t number)
{
    uint64_t study = kind->run * 1000003u + study_number(kind, number);
    return study * 2654435761u % kind->patients;
}

// The patient of a study has the number; a crosswalk for these runs (dgbench/rows.py) maps source to target
// IDs.
enum { ID_SIZE = 16 };

static void source_id(uint64_t patient, char id[ID_SIZE])
{
    snprintf(id, ID_SIZE, "%09" PRIu64, patient % 1000000000u);
}

static void target_id(uint64_t patient, char id[ID_SIZE])
{
    snprintf(id, ID_SIZE, "E%012" PRIu64, patient * 7919u % 1000000000000u);
}

static size_t header_write(const struct instance_kind *kind, uint32_t number, uint64_t pixels,
                           struct instance_header *out)
{
    uint8_t *to = out->bytes;
    char study[INSTANCE_UID_MAX + 1], series[INSTANCE_UID_MAX + 1], patient[ID_SIZE];
    unsigned of_study = FIRST_NUMBER + study_number(kind, number);
    snprintf(out->uid, sizeof out->uid, UID_ROOT ".%010" PRIu64 ".%u", kind->run, FIRST_NUMBER + number);
    snprintf(study, sizeof study, UID_ROOT ".%010" PRIu64 ".%u", kind->run, of_study);
    snprintf(series, sizeof series, UID_ROOT ".%010" PRIu64 ".%u.1", kind->run, of_study);
    if (kind->patients > 0)
        source_id(patient_number(kind, number), patient);
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        const char *value = elements[i].value;
        if (elements[i].tag == 0x00080018)
            value = out->uid;
        else if (elements[i].tag == 0x0020000D)
            value = study;
        else if (elements[i].tag == 0x0020000E)
            value = series;
        else if (elements[i].tag == PATIENT_ID && kind->patients > 0)
            value = patient;
        to = put_text(to, elements[i].tag, elements[i].vr, value);
    }
    to = put_little(put_tag(to, PIXELS, "OW"), 0, 2);
    to = put_little(to, pixels, 4);
    return (size_t)(to - out->bytes);
}

// The length of the header is the same for all of a kind.
static size_t header_length(uint64_t patients)
{
    static size_t lengths[2];
    struct instance_header header;
    struct instance_kind kind = {.run = 1, .patients = patients};
    size_t *length = &lengths[patients > 0];
    if (*length == 0)
        *length = header_write(&kind, 0, 0, &header);
    return *length;
}

uint64_t instance_pixel_length(const struct instance_kind *kind)
{
    size_t header = header_length(kind->patients);
    return kind->size > header + 2 ? (kind->size - header) & ~(uint64_t)1 : 2;
}

void instance_header_make(const struct instance_kind *kind, uint32_t number, struct instance_header *out)
{
    out->length = header_write(kind, number, instance_pixel_length(kind), out);
}

// Does not compress, and is the same in every process.
static const uint8_t *pixel_block(void)
{
    static uint8_t *block;
    if (block != NULL)
        return block;
    block = malloc(PERIOD + INSTANCE_PIECE_MAX);
    if (block == NULL)
        abort();
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < PERIOD; i += sizeof state) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(block + i, &state, sizeof state);
    }
    memcpy(block + PERIOD, block, INSTANCE_PIECE_MAX);
    return block;
}

struct slice instance_pixels(const struct instance_kind *kind, uint64_t offset, size_t most)
{
    uint64_t left = instance_pixel_length(kind) - offset;
    if (most > INSTANCE_PIECE_MAX)
        most = INSTANCE_PIECE_MAX;
    return slice_of(pixel_block() + offset % PERIOD, left < most ? (size_t)left : most);
}

void instance_check_begin(struct instance_check *check)
{
    check->received = 0;
    check->differs = false;
    check->header_length = check->is_mapped ? 0 : header_length(check->patients);
}

static uint32_t get_little(const uint8_t *from, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

// Walks explicit little endian elements of defined length. True once the header of Pixel Data is whole: its
// end, and the patient's ID.
static bool header_walk(struct slice bytes, size_t *end, struct slice *patient)
{
    size_t at = 0;
    while (bytes.length >= 12 && at <= bytes.length - 12) {
        const uint8_t *head = bytes.data + at;
        uint32_t tag = get_little(head, 2) << 16 | get_little(head + 2, 2);
        bool is_long = memcmp(head + 4, "OW", 2) == 0 || memcmp(head + 4, "SQ", 2) == 0;
        size_t length = is_long ? get_little(head + 8, 4) : get_little(head + 6, 2);
        at += is_long ? 12 : 8;
        *end = at;
        if (tag == PIXELS)
            return true;
        if (tag == PATIENT_ID)
            *patient = slice_first(slice_from(bytes, at), length);
        at += length;
    }
    return false;
}

// Takes what belongs to the header; returns the rest.
static struct slice header_take(struct instance_check *check, struct slice piece)
{
    size_t had = (size_t)check->received;
    size_t most = check->header_length > 0 ? check->header_length : INSTANCE_HEADER_MAX;
    struct slice part = slice_first(piece, most - had);
    struct slice patient;
    size_t end;
    memcpy(check->header + had, part.data, part.length);
    if (check->header_length == 0 &&
        header_walk(slice_of(check->header, had + part.length), &end, &patient)) {
        check->header_length = end;
        part.length = end > had ? end - had : 0;
    }
    check->received += part.length;
    check->differs = check->differs || (check->header_length == 0 && check->received == INSTANCE_HEADER_MAX);
    return slice_from(piece, part.length);
}

void instance_check_data(struct instance_check *check, struct slice piece)
{
    if (check->differs)
        return;
    if (check->header_length == 0 || check->received < check->header_length)
        piece = header_take(check, piece);
    while (piece.length > 0) {
        uint64_t offset = check->received - check->header_length;
        struct slice part = slice_first(piece, INSTANCE_PIECE_MAX);
        if (memcmp(part.data, pixel_block() + offset % PERIOD, part.length) != 0)
            check->differs = true;
        check->received += part.length;
        piece = slice_from(piece, part.length);
    }
}

static bool is_mapped_well(const struct instance_check *check, const struct instance_kind *kind,
                           uint32_t number)
{
    char id[ID_SIZE];
    struct slice patient = slice_of(NULL, 0);
    size_t end;
    target_id(patient_number(kind, number), id);
    size_t length = strlen(id);
    return check->header_length > 0 &&
           header_walk(slice_of(check->header, check->header_length), &end, &patient) &&
           get_little(check->header + end - 4, 4) == check->received - end && patient.length >= length &&
           memcmp(patient.data, id, length) == 0;
}

bool instance_check_end(struct instance_check *check, struct slice uid)
{
    char text[INSTANCE_UID_MAX + 1] = "";
    struct instance_kind kind = {.size = check->received, .patients = check->patients};
    uint64_t number = 0;
    memcpy(text, uid.data, uid.length < INSTANCE_UID_MAX ? uid.length : INSTANCE_UID_MAX);
    if (check->differs || sscanf(text, UID_ROOT ".%" SCNu64 ".%" SCNu64, &kind.run, &number) != 2 ||
        number < FIRST_NUMBER)
        return false;
    if (check->is_mapped)
        return is_mapped_well(check, &kind, (uint32_t)(number - FIRST_NUMBER));
    struct instance_header expected;
    instance_header_make(&kind, (uint32_t)(number - FIRST_NUMBER), &expected);
    return expected.length + instance_pixel_length(&kind) == check->received &&
           memcmp(expected.bytes, check->header, expected.length) == 0;
}
