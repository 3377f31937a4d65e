// SPDX-License-Identifier: Apache-2.0
#include "lane_edit_rig.h"

#include "base/cursor.h"
#include "fake_edit.h"
#include "speak.h"

struct rig *rig;
struct pacs pacs;
uint16_t stored;

static void begin(const char *configuration)
{
    fake_edit_reset();
    fake_edit.node = 1;
    fake_edit.verdict = EDIT_GOES;
    fake_edit.patient_id = "NEW-0815";
    rig = rig_new(configuration, 5);
    rig_boot(rig);
    pacs_init(&pacs, rig, 0);
    stored = 0;
}

int set_up(void **state)
{
    (void)state;
    begin(rig_configuration_fixed);
    return 0;
}

int set_up_primary(void **state)
{
    (void)state;
    begin(rig_configuration_primary);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    rig_crash(rig);
    pacs_fini(&pacs);
    rig_free(rig);
    assert_int_equal(fake_edit.alive, 0);
    assert_int_equal(fake_edit.policies, 0);
    return 0;
}

void store_one(const char *instance, size_t pixels)
{
    struct client client;
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = ++stored, .instance = instance, .pixels = pixels});
    assert_int_equal(hear_response(&client, stored), 0);
    client_close(&client);
}

struct archive *archive(void)
{
    return &rig_worker(rig)->archives[0];
}

struct delivery *first_of(enum delivery_stage stage)
{
    struct list *list = archive_list(archive(), stage);
    assert_int_equal(list->count, 1);
    return CONTAINER_OF(list_first(list), struct delivery, node);
}

void settle_down(void)
{
    rig_run(rig, 30 * NSEC_PER_SEC);
}

void hold_all(enum edit_hold_kind kind, const char *reason)
{
    fake_edit.verdict = EDIT_HOLDS;
    fake_edit.kind = kind;
    fake_edit.reason = reason;
}

void hold_one(enum edit_hold_kind kind, const char *reason)
{
    hold_all(kind, reason);
    store_one("1.2.3", 3000);
    settle_down();
}

void one_is_held(enum edit_hold_kind kind, const char *reason)
{
    assert_int_equal(first_of(STAGE_HELD)->hold, DELIVERY_HOLD(kind));
    assert_string_equal(first_of(STAGE_HELD)->reason, reason);
    assert_int_equal(first_of(STAGE_HELD)->attempts, 0);
    assert_int_equal(pacs.complete, 0);
    assert_int_equal(archive()->counters.lost, 0);
    assert_false(archive_is_broken(archive()));
}

// What speak.h says, with the other patient ID.
struct slice expected_header(const char *instance, const char *patient_id, size_t pixels)
{
    static uint8_t bytes[512];
    struct writer w = writer_of(bytes, sizeof bytes);
    const struct {
        uint16_t group, number;
        const char *vr;
        const char *value;
        char padding;
    } elements[] = {{0x0008, 0x0016, "UI", CT_CLASS, 0},
                    {0x0008, 0x0018, "UI", instance, 0},
                    {0x0010, 0x0010, "PN", "SECRET^PATIENT", ' '},
                    {0x0010, 0x0020, "LO", patient_id, ' '}};
    for (size_t i = 0; i < 4; i++) {
        size_t length = strlen(elements[i].value);
        writer_u16le(&w, elements[i].group);
        writer_u16le(&w, elements[i].number);
        writer_put(&w, elements[i].vr, 2);
        writer_u16le(&w, (uint16_t)((length + 1) & ~(size_t)1));
        writer_put(&w, elements[i].value, length);
        if (length % 2 == 1)
            writer_u8(&w, (uint8_t)elements[i].padding);
    }
    writer_put(&w, "\xe0\x7f\x10\x00OW\0", 8);
    writer_u32le(&w, (uint32_t)pixels);
    assert_false(w.failed);
    return writer_slice(&w);
}

void stored_is(const char *instance, const char *patient_id, size_t pixels)
{
    struct slice got = byte_queue_peek(&pacs.stored);
    struct slice header = expected_header(instance, patient_id, pixels);
    assert_int_equal(got.length, header.length + pixels);
    assert_memory_equal(got.data, header.data, header.length);
    for (size_t i = 0; i < pixels; i++)
        if (got.data[header.length + i] != (uint8_t)(i * 31 + i / 257))
            fail_msg("pixel byte %zu differs", i);
}
