// SPDX-License-Identifier: Apache-2.0
//
// A gateway with one archive, whose edits are fake_edit.h's: what tests of lanes with edits share. Test code:
// a failed call fails the test.
#pragma once

#include "unit.h"

#include "edit/edit.h"
#include "forward/archive.h"
#include "pacs.h"

extern struct rig *rig;
extern struct pacs pacs;
extern uint16_t stored; // instances, the message ID of the last one

int set_up(void **state);
int set_up_primary(void **state); // acknowledge: primary
int tear_down(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

// A client stores it with Success.
void store_one(const char *instance, size_t pixels);
struct archive *archive(void);
// The only one there.
struct delivery *first_of(enum delivery_stage stage);
void settle_down(void);
void hold_all(enum edit_hold_kind kind, const char *reason);
void hold_one(enum edit_hold_kind kind, const char *reason);
void one_is_held(enum edit_hold_kind kind, const char *reason);
// Up to the pixels, with that patient ID. One at a time.
struct slice expected_header(const char *instance, const char *patient_id, size_t pixels);
// What the archive has got is this, with the other patient ID.
void stored_is(const char *instance, const char *patient_id, size_t pixels);
