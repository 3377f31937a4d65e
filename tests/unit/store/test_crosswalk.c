// SPDX-License-Identifier: Apache-2.0
//
// The crosswalk as its users see it: mapping, the guard, normalisation, studies and their pins, effective
// times, the log, another master key, a lost key, and a process that is killed at every commit.
#include "base/log.h"
#include "crosswalk_support.h"

#include <stdio.h>
#include <string.h>

static int begin(void **state)
{
    static struct walk_bench bench;
    bench_init(&bench);
    *state = &bench;
    return 0;
}

static int end(void **state)
{
    bench_fini(*state);
    return 0;
}

// ---- map

static void test_map(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_verdict verdict;
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\nLEGACY,2,ENTERPRISE,E-1\nOTHER,1,ENTERPRISE,E-9\n");
    assert_maps(bench, "1", "E-1");
    assert_maps(bench, "2", "E-1");
    assert_maps(bench, " 1 ", "E-1"); // padding
    assert_maps(bench, "01", NULL);   // LEGACY keeps its zeros
    assert_maps(bench, "3", NULL);
    // Number spaces overlap: an ID that is in the target domain already is never mapped.
    assert_int_equal(crosswalk_map(bench->reader, bench->enterprise, slice_of_text("1"), bench->enterprise,
                                   NULL, &verdict),
                     OK);
    assert_int_equal(verdict.outcome, CROSSWALK_SAME);
    assert_string_equal(verdict.id.text, "1");
    // A domain that nobody knows maps nothing.
    assert_int_equal(crosswalk_map(bench->reader, 0, slice_of_text("1"), bench->enterprise, NULL, &verdict),
                     OK);
    assert_int_equal(verdict.outcome, CROSSWALK_UNMAPPED);
    assert_int_equal(
        crosswalk_map(bench->reader, bench->legacy, slice_of_text("a\\b"), bench->enterprise, NULL, &verdict),
        ERR_ARGUMENT);
    enum crosswalk_direction direction;
    assert_int_equal(crosswalk_direction_get(bench->reader, bench->legacy, bench->enterprise, &direction),
                     OK);
    assert_int_equal(direction, CROSSWALK_MAPS);
    assert_int_equal(crosswalk_direction_get(bench->reader, bench->enterprise, bench->other, &direction), OK);
    assert_int_equal(direction, CROSSWALK_UNMAPS);
    assert_int_equal(crosswalk_direction_get(bench->reader, bench->legacy, bench->other, &direction), OK);
    assert_int_equal(direction, CROSSWALK_NOTHING);
}

static void test_normalisation(void **state)
{
    struct walk_bench *bench = *state;
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,00ab7\n");
    assert_string_equal(bench_map(bench, "1").id.text, "00ab7"); // written as the file has it
    assert_string_equal(bench_unmap(bench, "AB7", "").id.text, "1");
    assert_string_equal(bench_unmap(bench, "000aB7", "").id.text, "1");
    assert_int_equal(bench_unmap(bench, "ab70", "").outcome, CROSSWALK_UNMAPPED);
    assert_int_equal(bench_unmap(bench, "00 ab7", "").outcome, CROSSWALK_UNMAPPED); // not padding
}

static struct crosswalk_verdict map_person(struct walk_bench *bench, const char *name, const char *birth,
                                           const char *sex)
{
    struct crosswalk_verdict verdict;
    struct crosswalk_person person = {
        .name = slice_of_text(name), .birth_date = slice_of_text(birth), .sex = slice_of_text(sex)};
    assert_int_equal(
        crosswalk_map(bench->reader, bench->legacy, slice_of_text("1"), bench->enterprise, &person, &verdict),
        OK);
    return verdict;
}

static void assert_contradicts(struct walk_bench *bench, unsigned flags, const char *name, const char *birth,
                               const char *sex)
{
    struct crosswalk_verdict verdict = map_person(bench, name, birth, sex);
    assert_int_equal(verdict.outcome, CROSSWALK_CONTRADICTED);
    assert_int_equal(verdict.flags, flags);
    assert_int_equal(verdict.id.length, 0); // nobody can use it by mistake
}

static void test_guard(void **state)
{
    struct walk_bench *bench = *state;
    bench_load(bench, "source_domain,source_id,target_domain,target_id,name,birth_date,sex\n"
                      "LEGACY,1,ENTERPRISE,E-1,Müller^Anna Maria,1970-01-31,F\n");
    assert_int_equal(map_person(bench, "", "", "").outcome, CROSSWALK_MAPPED);
    assert_int_equal(map_person(bench, "Müller^Anna", "19700131", "F").outcome, CROSSWALK_MAPPED);
    assert_int_equal(map_person(bench, "MüLLER^ANNA^^Dr=x=y", "19700131", "O").outcome, CROSSWALK_MAPPED);
    assert_int_equal(map_person(bench, "Müller", "", "").outcome, CROSSWALK_MAPPED);
    assert_contradicts(bench, CROSSWALK_BY_NAME, "Meier^Anna", "19700131", "F");
    assert_contradicts(bench, CROSSWALK_BY_NAME, "Müller^Otto", "", "");
    assert_contradicts(bench, CROSSWALK_BY_BIRTH_DATE, "Müller^Anna", "19700130", "F");
    assert_contradicts(bench, CROSSWALK_BY_SEX, "", "", "M");
    assert_contradicts(bench, CROSSWALK_BY_NAME | CROSSWALK_BY_BIRTH_DATE | CROSSWALK_BY_SEX, "A^B",
                       "20000101", "M");
}

// ---- unmap

static void test_unmap_order(void **state)
{
    struct walk_bench *bench = *state;
    bench_load(bench, "source_domain,source_id,target_domain,target_id,preferred\n"
                      "LEGACY,1,ENTERPRISE,E-1,no\nLEGACY,2,ENTERPRISE,E-1,yes\nLEGACY,3,ENTERPRISE,E-1,\n"
                      "LEGACY,4,ENTERPRISE,E-2,\nLEGACY,5,ENTERPRISE,E-2,\nLEGACY,6,ENTERPRISE,E-3,\n");
    struct crosswalk_verdict verdict = bench_unmap(bench, "E-1", "3");
    assert_string_equal(verdict.id.text, "3");
    assert_true((verdict.flags & CROSSWALK_ASKED) != 0);
    verdict = bench_unmap(bench, "E-1", "4"); // asked for somebody else
    assert_string_equal(verdict.id.text, "2");
    assert_true((verdict.flags & CROSSWALK_PREFERRED) != 0);
    verdict = bench_unmap(bench, "E-2", "");
    assert_int_equal(verdict.outcome, CROSSWALK_UNMAPPED);
    assert_true((verdict.flags & CROSSWALK_AMBIGUOUS) != 0);
    assert_string_equal(verdict.id.text, "E-2");
    assert_string_equal(bench_unmap(bench, "E-3", "").id.text, "6"); // the only one
    verdict = bench_unmap(bench, "E-4", "");
    assert_int_equal(verdict.outcome, CROSSWALK_UNMAPPED);
    assert_int_equal(verdict.flags, 0);
    // The source recorded for the study comes before all that.
    struct crosswalk_study study = {.study = slice_of_text("1.2.3"), .archive = 2};
    struct crosswalk_pin pin = {.study = study,
                                .from = bench->legacy,
                                .to = bench->enterprise,
                                .source = slice_of_text("3"),
                                .target = slice_of_text("E-1"),
                                .when = T0};
    assert_int_equal(crosswalk_pins_put(bench->crosswalk, &pin, 1), OK);
    assert_int_equal(crosswalk_unmap(bench->reader, &study, bench->enterprise, slice_of_text("E-1"),
                                     bench->legacy, slice_of_text("1"), &verdict),
                     OK);
    assert_string_equal(verdict.id.text, "3");
    assert_true((verdict.flags & CROSSWALK_RECORDED) != 0);
    // But not where the archive says that it is another patient's now.
    assert_int_equal(crosswalk_unmap(bench->reader, &study, bench->enterprise, slice_of_text("E-3"),
                                     bench->legacy, slice_of_text(""), &verdict),
                     OK);
    assert_string_equal(verdict.id.text, "6");
    study.archive = 3; // nothing recorded at this one
    assert_int_equal(crosswalk_unmap(bench->reader, &study, bench->enterprise, slice_of_text("E-1"),
                                     bench->legacy, slice_of_text(""), &verdict),
                     OK);
    assert_string_equal(verdict.id.text, "2");
}

static void test_too_many_sources(void **state)
{
    struct walk_bench *bench = *state;
    static char text[32768] = HEADER;
    static struct crosswalk_id list[CROSSWALK_SOURCES_MAX];
    size_t count;
    size_t length = strlen(text);
    for (unsigned i = 0; i < CROSSWALK_SOURCES_MAX + 1; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "LEGACY,%u,ENTERPRISE,%s\n", i,
                                   i < CROSSWALK_SOURCES_MAX ? "E-1" : "E-2");
    bench_load(bench, text);
    assert_int_equal(crosswalk_sources(bench->reader, bench->enterprise, slice_of_text("E-1"), bench->legacy,
                                       list, &count),
                     OK);
    assert_int_equal(count, CROSSWALK_SOURCES_MAX);
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-2", "E-1"), OK);
    // Never silently fewer.
    assert_int_equal(crosswalk_sources(bench->reader, bench->enterprise, slice_of_text("E-1"), bench->legacy,
                                       list, &count),
                     ERR_LIMIT);
}

// ---- studies

static struct crosswalk_verdict map_study(struct walk_bench *bench, const char *study, uint32_t archive,
                                          uint16_t from, const char *id)
{
    struct crosswalk_verdict verdict;
    struct crosswalk_study at = {.study = slice_of_text(study), .archive = archive};
    assert_int_equal(
        crosswalk_map_study(bench->reader, &at, from, slice_of_text(id), bench->enterprise, NULL, &verdict),
        OK);
    return verdict;
}

static void test_first_delivery_fixes_the_target(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_pin pins[2] = {{.study = {.study = slice_of_text("1.2.3"), .archive = 2},
                                     .from = bench->legacy,
                                     .to = bench->enterprise,
                                     .source = slice_of_text("1"),
                                     .target = slice_of_text("E-1"),
                                     .when = T0}};
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\nLEGACY,2,ENTERPRISE,E-2\n");
    assert_int_equal(crosswalk_pins_put(bench->crosswalk, pins, 1), OK);
    // A new import says otherwise: what begins now goes there, the study does not.
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-5\nLEGACY,2,ENTERPRISE,E-2\n");
    assert_maps(bench, "1", "E-5");
    struct crosswalk_verdict verdict = map_study(bench, "1.2.3", 2, bench->legacy, "1");
    assert_string_equal(verdict.id.text, "E-1");
    assert_int_equal(verdict.flags, CROSSWALK_FROM_PIN);
    assert_string_equal(map_study(bench, "1.2.3", 3, bench->legacy, "1").id.text, "E-5"); // another archive
    assert_string_equal(map_study(bench, "1.2.4", 2, bench->legacy, "1").id.text, "E-5"); // another study
    // A second pin changes nothing; the same study under another source ID is told.
    pins[1] = pins[0];
    pins[1].source = slice_of_text("2");
    pins[1].target = slice_of_text("E-2");
    assert_int_equal(crosswalk_pins_put(bench->crosswalk, pins, 2), OK);
    verdict = map_study(bench, "1.2.3", 2, bench->legacy, "2");
    assert_string_equal(verdict.id.text, "E-1");
    assert_int_equal(verdict.flags, CROSSWALK_FROM_PIN | CROSSWALK_OTHER_SOURCE);
    // So is one whose ID is of another domain.
    verdict = map_study(bench, "1.2.3", 2, bench->other, "1");
    assert_string_equal(verdict.id.text, "E-1");
    assert_int_equal(verdict.flags, CROSSWALK_FROM_PIN | CROSSWALK_OTHER_SOURCE);
    // A merge of the target moves it.
    assert_int_equal(bench_merge(bench, bench->enterprise, "e-1", "E-7"), OK);
    verdict = map_study(bench, "1.2.3", 2, bench->legacy, "1");
    assert_string_equal(verdict.id.text, "E-7");
    assert_int_equal(verdict.flags, CROSSWALK_FROM_PIN | CROSSWALK_FOLLOWED_MERGE);
}

static void pin_study(struct walk_bench *bench, const char *study, uint16_t from, const char *source,
                      uint16_t to, const char *target)
{
    struct crosswalk_pin pin = {.study = {.study = slice_of_text(study), .archive = 2},
                                .from = from,
                                .to = to,
                                .source = slice_of_text(source),
                                .target = slice_of_text(target),
                                .when = T0};
    assert_int_equal(crosswalk_pins_put(bench->crosswalk, &pin, 1), OK);
}

static void assert_study(struct walk_bench *bench, uint16_t from, const char *id,
                         enum crosswalk_outcome outcome, const char *expected, unsigned flags)
{
    struct crosswalk_verdict verdict = map_study(bench, "1.2.3", 2, from, id);
    assert_int_equal(verdict.outcome, outcome);
    assert_string_equal(verdict.id.text, expected);
    assert_int_equal(verdict.flags, flags);
    assert_true(verdict.is_pinned);
}

// The first half of a study went out with its own ID, as nobody knew the patient. The second half does too,
// whatever an import says meanwhile.
static void test_unmatched_study_is_not_split(void **state)
{
    struct walk_bench *bench = *state;
    assert_false(map_study(bench, "1.2.3", 2, bench->legacy, "1").is_pinned);
    pin_study(bench, "1.2.3", bench->legacy, "1", bench->legacy, "1");
    assert_study(bench, bench->legacy, "1", CROSSWALK_UNMAPPED, "1", CROSSWALK_FROM_PIN);
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\nLEGACY,2,ENTERPRISE,E-2\nOTHER,1,ENTERPRISE,E-5\n");
    assert_study(bench, bench->legacy, "1", CROSSWALK_UNMAPPED, "1", CROSSWALK_FROM_PIN);
    // Other studies, other archives.
    assert_string_equal(map_study(bench, "1.2.4", 2, bench->legacy, "1").id.text, "E-1");
    assert_string_equal(map_study(bench, "1.2.3", 3, bench->legacy, "1").id.text, "E-1");
    // Another patient in the study: as the table says, and told.
    assert_study(bench, bench->legacy, "2", CROSSWALK_MAPPED, "E-2", CROSSWALK_OTHER_SOURCE);
    assert_study(bench, bench->legacy, "3", CROSSWALK_UNMAPPED, "3", CROSSWALK_OTHER_SOURCE);
    assert_study(bench, bench->other, "1", CROSSWALK_MAPPED, "E-5", CROSSWALK_OTHER_SOURCE);
    assert_study(bench, bench->enterprise, "E-1", CROSSWALK_SAME, "E-1", CROSSWALK_OTHER_SOURCE);
    // An ID that has become the patient's is the patient's.
    assert_int_equal(bench_merge(bench, bench->legacy, "4", "1"), OK);
    assert_study(bench, bench->legacy, "4", CROSSWALK_UNMAPPED, "4", CROSSWALK_FROM_PIN);
    // A person puts it right.
    struct crosswalk_order order = bench_order(bench);
    assert_int_equal(crosswalk_move_study(bench->crosswalk, slice_of_text("1.2.3"), bench->enterprise,
                                          slice_of_text("E-1"), &order, NULL),
                     OK);
    assert_study(bench, bench->legacy, "1", CROSSWALK_MAPPED, "E-1", CROSSWALK_FROM_MOVE);
}

// The archive has it under the ID of its own domain, and there that number is somebody else.
static void test_unmatched_study_comes_back(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_verdict verdict;
    struct crosswalk_study study = {.study = slice_of_text("1.2.3"), .archive = 2};
    bench_load(bench, HEADER "LEGACY,9,ENTERPRISE,1\nLEGACY,8,ENTERPRISE,E-8\n");
    pin_study(bench, "1.2.3", bench->legacy, "1", bench->legacy, "1");
    assert_int_equal(crosswalk_unmap(bench->reader, &study, bench->enterprise, slice_of_text("1"),
                                     bench->legacy, slice_of_text(""), &verdict),
                     OK);
    assert_int_equal(verdict.outcome, CROSSWALK_MAPPED);
    assert_string_equal(verdict.id.text, "1");
    assert_int_equal(verdict.flags, CROSSWALK_RECORDED);
    // Moved by the archive meanwhile.
    assert_int_equal(crosswalk_unmap(bench->reader, &study, bench->enterprise, slice_of_text("E-8"),
                                     bench->legacy, slice_of_text(""), &verdict),
                     OK);
    assert_string_equal(verdict.id.text, "8");
    // Another study of that number.
    study.study = slice_of_text("1.2.4");
    assert_int_equal(crosswalk_unmap(bench->reader, &study, bench->enterprise, slice_of_text("1"),
                                     bench->legacy, slice_of_text(""), &verdict),
                     OK);
    assert_string_equal(verdict.id.text, "9");
}

// An unmatched study goes out with the ID that it came with, whatever that has become in its own domain: so
// it has it in an archive of its own domain too, and a merge there is for whoever ordered it to tell the
// archives.
static void test_unmatched_id_that_was_merged(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_verdict verdict;
    assert_int_equal(bench_merge(bench, bench->legacy, "5", "6"), OK);
    assert_int_equal(
        crosswalk_map(bench->reader, bench->legacy, slice_of_text("5"), bench->enterprise, NULL, &verdict),
        OK);
    assert_int_equal(verdict.outcome, CROSSWALK_UNMAPPED);
    assert_string_equal(verdict.id.text, "5");
    pin_study(bench, "1.2.3", bench->legacy, "5", bench->legacy, "5");
    assert_study(bench, bench->legacy, "5", CROSSWALK_UNMAPPED, "5", CROSSWALK_FROM_PIN);
    assert_study(bench, bench->legacy, "6", CROSSWALK_UNMAPPED, "6", CROSSWALK_FROM_PIN); // one patient
}

// More IDs that are one than are followed: an answer would be a guess.
static void test_more_merges_than_are_followed(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_verdict verdict;
    char id[16];
    for (unsigned i = 0; i < CROSSWALK_SOURCES_MAX + 1; i++) {
        (void)snprintf(id, sizeof id, "M%u", i);
        assert_int_equal(bench_merge(bench, bench->legacy, id, "5"), OK);
    }
    assert_int_equal(
        crosswalk_map(bench->reader, bench->legacy, slice_of_text("5"), bench->enterprise, NULL, &verdict),
        ERR_LIMIT);
}

// An ID of the archive's own domain is never changed by a pin; that the study is another patient's is told.
static void test_same_domain_and_another_patient(void **state)
{
    struct walk_bench *bench = *state;
    pin_study(bench, "1.2.3", bench->legacy, "1", bench->enterprise, "E-1");
    assert_study(bench, bench->enterprise, "e-01", CROSSWALK_SAME, "e-01", CROSSWALK_OTHER_SOURCE);
    assert_study(bench, bench->enterprise, "e-1", CROSSWALK_SAME, "e-1", 0);
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-1", "E-7"), OK);
    assert_study(bench, bench->enterprise, "E-7", CROSSWALK_SAME, "E-7", 0);
    assert_study(bench, bench->enterprise, "E-1", CROSSWALK_SAME, "E-1", CROSSWALK_MERGED_AWAY);
    assert_study(bench, bench->enterprise, "E-2", CROSSWALK_SAME, "E-2", CROSSWALK_OTHER_SOURCE);
}

static void test_move_study(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_problem problem;
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\nLEGACY,2,ENTERPRISE,E-2\n");
    struct crosswalk_order order = bench_order(bench);
    struct slice study = slice_of_text("1.2.3");
    assert_int_equal(crosswalk_move_study(bench->crosswalk, study, bench->enterprise, slice_of_text("E-2"),
                                          &order, &problem),
                     OK);
    struct crosswalk_verdict verdict = map_study(bench, "1.2.3", 2, bench->legacy, "1");
    assert_string_equal(verdict.id.text, "E-2");
    assert_int_equal(verdict.flags, CROSSWALK_FROM_MOVE);
    // Also where it comes with an ID of the archive's own domain.
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->enterprise, "E-1").id.text, "E-2");
    // A second one that is effective later leaves the first in force until then.
    order = bench_order(bench);
    order.effective = order.now + DAY;
    assert_int_equal(crosswalk_move_study(bench->crosswalk, study, bench->enterprise, slice_of_text("E-3"),
                                          &order, &problem),
                     OK);
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->legacy, "1").id.text, "E-2");
    assert_int_equal(crosswalk_advance(bench->crosswalk, order.effective - 1), OK);
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->legacy, "1").id.text, "E-2");
    assert_int_equal(crosswalk_advance(bench->crosswalk, order.effective), OK);
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->legacy, "1").id.text, "E-3");
    assert_int_equal(crosswalk_move_study(bench->crosswalk, slice_of_text(""), bench->enterprise,
                                          slice_of_text("E-3"), &order, &problem),
                     ERR_ARGUMENT);
}

static enum result move_at(struct walk_bench *bench, const char *id, uint64_t effective)
{
    struct crosswalk_order order = bench_order(bench);
    order.effective = effective;
    return crosswalk_move_study(bench->crosswalk, slice_of_text("1.2.3"), bench->enterprise,
                                slice_of_text(id), &order, NULL);
}

// The time of the first has come, and nobody has told the crosswalk yet.
static void test_move_behind_one_that_is_due(void **state)
{
    struct walk_bench *bench = *state;
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    assert_int_equal(move_at(bench, "E-2", bench->now + DAY), OK);
    bench->now += 2 * DAY;
    assert_int_equal(move_at(bench, "E-3", bench->now + DAY), OK);
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->legacy, "1").id.text, "E-2");
}

// A move that waits is not lost behind a later one; one at once takes its place.
static void test_moves_that_wait(void **state)
{
    struct walk_bench *bench = *state;
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    uint64_t time = bench->now + DAY;
    assert_int_equal(move_at(bench, "E-2", time), OK);
    assert_int_equal(move_at(bench, "E-3", time + DAY), ERR_EXISTS);
    assert_int_equal(crosswalk_advance(bench->crosswalk, time), OK);
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->legacy, "1").id.text, "E-2");
    assert_int_equal(move_at(bench, "E-4", time + 2 * DAY), OK);
    assert_int_equal(move_at(bench, "E-5", 0), OK);
    assert_int_equal(crosswalk_advance(bench->crosswalk, time + 3 * DAY), OK);
    assert_string_equal(map_study(bench, "1.2.3", 2, bench->legacy, "1").id.text, "E-5");
}

// ---- merges

static void test_merge_refusals(void **state)
{
    struct walk_bench *bench = *state;
    char id[8], into[8];
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-1", "e-1"), ERR_ARGUMENT); // the same one
    assert_int_equal(bench_merge(bench, 0, "1", "2"), ERR_ARGUMENT);
    assert_int_equal(bench_merge(bench, bench->legacy, "1", "2"), OK);
    assert_int_equal(bench_merge(bench, bench->legacy, "1", "3"), ERR_EXISTS);
    assert_int_equal(bench_merge(bench, bench->legacy, "2", "3"), OK);
    assert_int_equal(bench_merge(bench, bench->legacy, "3", "1"), ERR_REFUSED);
    assert_int_equal(bench_unmerge(bench, bench->legacy, "9"), ERR_MISSING);
    assert_int_equal(bench_unmerge(bench, bench->legacy, "2"), OK);
    assert_int_equal(bench_merge(bench, bench->legacy, "3", "1"), OK);
    // A chain has an end, whether it is made longer above or below.
    for (int i = 0; i < CROSSWALK_CHAIN_MAX; i++) {
        (void)snprintf(id, sizeof id, "a%d", i);
        (void)snprintf(into, sizeof into, "a%d", i + 1);
        assert_int_equal(bench_merge(bench, bench->legacy, id, into), OK);
    }
    (void)snprintf(into, sizeof into, "a%d", CROSSWALK_CHAIN_MAX);
    assert_int_equal(bench_merge(bench, bench->legacy, into, "z"), ERR_LIMIT);
    assert_int_equal(bench_merge(bench, bench->legacy, "z", "a0"), ERR_LIMIT);
    assert_int_equal(bench_merge(bench, bench->legacy, "z", "a1"), OK);
}

static void test_effective_times(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_figures figures;
    struct crosswalk_order order;
    bench_load(bench, "source_domain,source_id,target_domain,target_id,effective\n"
                      "LEGACY,1,ENTERPRISE,E-1,\n"
                      "LEGACY,2,ENTERPRISE,E-2,2020-01-01\n"
                      "LEGACY,3,ENTERPRISE,E-3,2023-11-16T00:00:00Z\n"); // T0 is 2023-11-14 22:13:20
    assert_maps(bench, "2", "E-2");
    assert_maps(bench, "3", NULL);
    assert_int_equal(bench_unmap(bench, "E-3", "").outcome, CROSSWALK_UNMAPPED);
    uint64_t generation = bench_map(bench, "1").generation;
    // An advance in which nothing happens is no new generation.
    assert_int_equal(crosswalk_advance(bench->crosswalk, T0 + DAY), OK);
    assert_int_equal(bench_map(bench, "1").generation, generation);
    // Merge and unmerge that are effective later.
    order = bench_order(bench);
    order.effective = T0 + 3 * DAY;
    assert_int_equal(crosswalk_merge(bench->crosswalk, bench->enterprise, slice_of_text("E-1"),
                                     slice_of_text("E-8"), &order, NULL),
                     OK);
    order = bench_order(bench);
    order.effective = T0 + 4 * DAY;
    assert_int_equal(
        crosswalk_unmerge(bench->crosswalk, bench->enterprise, slice_of_text("E-1"), &order, NULL), OK);
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-8", "E-1"),
                     ERR_REFUSED); // it would be a circle then
    assert_maps(bench, "1", "E-1");
    assert_int_equal(bench_map(bench, "1").generation, generation);
    assert_int_equal(crosswalk_figures_get(bench->reader, &figures), OK);
    assert_int_equal(figures.next_effective, (uint64_t)1700092800 * 1000000000);
    assert_int_equal(crosswalk_advance(bench->crosswalk, T0 + 2 * DAY), OK);
    assert_maps(bench, "3", "E-3");
    assert_int_equal(bench_map(bench, "1").generation, generation + 1);
    assert_maps(bench, "1", "E-1");
    assert_int_equal(crosswalk_advance(bench->crosswalk, T0 + 3 * DAY), OK);
    assert_maps(bench, "1", "E-8");
    assert_int_equal(crosswalk_advance(bench->crosswalk, T0 + 5 * DAY), OK);
    assert_maps(bench, "1", "E-1");
    bench->now = T0 + 5 * DAY;
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-1", "E-9"), OK); // the old one is over
    assert_maps(bench, "1", "E-9");
    assert_int_equal(crosswalk_figures_get(bench->reader, &figures), OK);
    assert_int_equal(figures.next_effective, 0);
}

// ---- the log

struct seen {
    size_t count;
    struct crosswalk_act acts[8];
};

static enum result on_act(void *argument, const struct crosswalk_act *act)
{
    struct seen *seen = argument;
    assert_true(seen->count < 8);
    seen->acts[seen->count++] = *act;
    return OK;
}

static void test_log(void **state)
{
    struct walk_bench *bench = *state;
    struct seen seen = {.count = 0};
    uint8_t recipient[32] = {1};
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    assert_int_equal(bench_merge(bench, bench->legacy, "1", "2"), OK);
    assert_int_equal(bench_merge(bench, bench->legacy, "1", "2"), ERR_EXISTS); // not an act
    assert_int_equal(bench_unmerge(bench, bench->legacy, "1"), OK);
    struct crosswalk_order order = bench_order(bench);
    assert_int_equal(crosswalk_move_study(bench->crosswalk, slice_of_text("1.2"), bench->enterprise,
                                          slice_of_text("E-2"), &order, NULL),
                     OK);
    assert_int_equal(crosswalk_export_note(bench->crosswalk, CROSSWALK_ACT_EXPORT, recipient, &order), OK);
    order.reason = "";
    assert_int_equal(crosswalk_export_note(bench->crosswalk, CROSSWALK_ACT_CLEAR_LOG, NULL, &order),
                     ERR_ARGUMENT); // says why
    bench_close(bench);
    bench_open(bench);
    assert_int_equal(crosswalk_acts_each(bench->reader, 0, on_act, &seen), OK);
    assert_int_equal(seen.count, 5);
    static const enum crosswalk_act_kind kinds[] = {CROSSWALK_ACT_IMPORT, CROSSWALK_ACT_MERGE,
                                                    CROSSWALK_ACT_UNMERGE, CROSSWALK_ACT_MOVE_STUDY,
                                                    CROSSWALK_ACT_EXPORT};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(seen.acts[i].number, i + 1);
        assert_int_equal(seen.acts[i].kind, kinds[i]);
        assert_string_equal(seen.acts[i].person, "Ada");
        assert_string_equal(seen.acts[i].reason, "test");
        assert_true(seen.acts[i].when > T0);
    }
    assert_int_equal(seen.acts[0].rows, 1);
    assert_string_equal(seen.acts[1].domain, "LEGACY");
    assert_string_equal(seen.acts[1].id.text, "1");
    assert_string_equal(seen.acts[1].into.text, "2");
    assert_string_equal(seen.acts[3].study, "1.2");
    assert_memory_equal(seen.acts[4].digest, recipient, 32);
    seen.count = 0;
    assert_int_equal(crosswalk_acts_each(bench->reader, 3, on_act, &seen), OK);
    assert_int_equal(seen.count, 2);
}

// ---- keys

static void test_another_master_key(void **state)
{
    struct walk_bench *bench = *state;
    struct seal_master *fresh;
    uint8_t bytes[32] = {9};
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    bench_close(bench);
    assert_int_equal(seal_master_from_bytes(bytes, &fresh), OK);
    assert_int_equal(seal_keyring_rotate(bench->fs, "keys", bench->master, fresh, NULL), OK);
    seal_master_free(bench->master);
    bench->master = fresh;
    bench_open(bench);
    assert_maps(bench, "1", "E-1");
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-1", "E-2"), OK); // sealed in another life
    assert_maps(bench, "1", "E-2");
}

static void test_lost_key_is_noticed(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk *crosswalk;
    struct crosswalk_problem problem = {.text = ""};
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    bench_close(bench);
    assert_int_equal(fs_path_unlink(bench->fs, "keys"), OK);
    assert_int_equal(seal_keyring_create(bench->fs, "keys", bench->master, NULL), OK);
    assert_int_equal(seal_keyring_open(bench->fs, "keys", bench->master, 20000, &bench->ring, NULL), OK);
    assert_int_equal(kv_sim_open(bench->disk, &crosswalk_schema, &bench->env), OK);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, NULL, 0, &crosswalk, &problem), ERR_CRYPTO);
    assert_non_null(strstr(problem.text, "key restore"));
}

// One of the two keys, of the hashes and of the values, is damaged: no new one is made, so that the file as
// it was opens everything again.
static void damaged_key_is_noticed(struct walk_bench *bench, unsigned number)
{
    struct crosswalk *crosswalk;
    struct crosswalk_problem problem = {.text = ""};
    struct fs_file *file;
    uint64_t at = (uint64_t)4096 * number; // behind the header, one slot each
    uint8_t slot[128], bad[sizeof slot] = {0xFF};
    size_t got;
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    bench_close(bench);
    assert_int_equal(fs_file_open(bench->fs, "keys", FS_WRITE, &file), OK);
    assert_int_equal(fs_file_read(file, at, slot, sizeof slot, &got), OK);
    assert_int_equal(slot[4], 3); // lib/seal/FORMAT.md
    assert_int_equal(slot[8], number);
    assert_int_equal(fs_file_write(file, at, slice_of(bad, sizeof bad)), OK);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    assert_int_equal(seal_keyring_open(bench->fs, "keys", bench->master, 20000, &bench->ring, NULL), OK);
    assert_int_equal(kv_sim_open(bench->disk, &crosswalk_schema, &bench->env), OK);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, NULL, 0, &crosswalk, &problem), ERR_CRYPTO);
    assert_non_null(strstr(problem.text, "key restore"));
    bench_close(bench);
    assert_int_equal(fs_file_write(file, at, slice_of(slot, sizeof slot)), OK);
    fs_file_close(&file);
    bench_open(bench);
    assert_maps(bench, "1", "E-1");
}

static void test_damaged_hash_key(void **state)
{
    damaged_key_is_noticed(*state, 1);
}

static void test_damaged_sealing_key(void **state)
{
    damaged_key_is_noticed(*state, 2);
}

// ---- domains whose options change

static void test_options_of_a_domain_in_use_stay(void **state)
{
    struct walk_bench *bench = *state;
    static const struct crosswalk_domain changed[] = {{.name = "LEGACY", .strips_leading_zeros = true}};
    struct crosswalk *crosswalk;
    bench_load(bench, HEADER "LEGACY,007,ENTERPRISE,E-1\n");
    crosswalk_reader_free(bench->reader);
    crosswalk_free(bench->crosswalk);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, changed, 1, &crosswalk, NULL), OK);
    assert_string_equal(crosswalk_domain_differing(crosswalk), "LEGACY");
    crosswalk_free(crosswalk);
    // Nothing in it: the configuration has its way.
    assert_int_equal(crosswalk_new(bench->env, bench->ring, NULL, 0, &bench->crosswalk, NULL), OK);
    assert_int_equal(crosswalk_reader_new(bench->crosswalk, &bench->reader), OK);
    bench_load(bench, HEADER);
    crosswalk_reader_free(bench->reader);
    crosswalk_free(bench->crosswalk);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, changed, 1, &bench->crosswalk, NULL), OK);
    assert_int_equal(crosswalk_reader_new(bench->crosswalk, &bench->reader), OK);
    assert_null(crosswalk_domain_differing(bench->crosswalk));
    bench_load(bench, HEADER "LEGACY,007,ENTERPRISE,E-1\n");
    assert_maps(bench, "7", "E-1");
}

// A merge that has ended is no reason to keep them, and is not found under another hash afterwards.
static void test_options_behind_ended_merges(void **state)
{
    struct walk_bench *bench = *state;
    static const struct crosswalk_domain changed[] = {{.name = "LEGACY", .strips_leading_zeros = true}};
    struct crosswalk_findings findings;
    assert_int_equal(bench_merge(bench, bench->legacy, "007", "008"), OK);
    assert_int_equal(bench_merge(bench, bench->legacy, "008", "009"), OK);
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-1", "E-2"), OK);
    for (unsigned i = 7; i < 9; i++) {
        struct crosswalk_order order = bench_order(bench);
        char id[4] = {'0', '0', (char)('0' + i), 0};
        order.effective = T0 + DAY;
        assert_int_equal(crosswalk_unmerge(bench->crosswalk, bench->legacy, slice_of_text(id), &order, NULL),
                         OK);
    }
    for (unsigned pass = 0; pass < 2; pass++) {
        crosswalk_reader_free(bench->reader);
        crosswalk_free(bench->crosswalk);
        assert_int_equal(crosswalk_new(bench->env, bench->ring, changed, 1, &bench->crosswalk, NULL), OK);
        assert_int_equal(crosswalk_reader_new(bench->crosswalk, &bench->reader), OK);
        if (pass == 0) { // still in force
            assert_string_equal(crosswalk_domain_differing(bench->crosswalk), "LEGACY");
            assert_int_equal(crosswalk_advance(bench->crosswalk, T0 + DAY), OK);
        }
    }
    assert_null(crosswalk_domain_differing(bench->crosswalk));
    assert_int_equal(crosswalk_check(bench->reader, &findings), OK);
    assert_int_equal(findings.damaged + findings.lost + findings.cycles, 0);
    assert_int_equal(findings.merges, 1); // of the other domain
    assert_int_equal(bench_merge(bench, bench->legacy, "7", "8"), OK);
    assert_int_equal(bench_merge(bench, bench->legacy, "007", "9"), ERR_EXISTS);
}

// ---- crashes: each call is there wholly or not at all

enum call { CALL_MERGE, CALL_UNMERGE, CALL_MOVE, CALL_PIN, CALL_ADVANCE, CALLS };

static enum result call_do(struct walk_bench *bench, enum call call)
{
    struct crosswalk_order order = bench_order(bench);
    struct crosswalk_pin pin = {.study = {.study = slice_of_text("1.9"), .archive = 1},
                                .from = bench->legacy,
                                .to = bench->enterprise,
                                .source = slice_of_text("1"),
                                .target = slice_of_text("E-7")};
    switch (call) {
    case CALL_MERGE:
        return bench_merge(bench, bench->enterprise, "E-1", "E-5");
    case CALL_UNMERGE:
        return bench_unmerge(bench, bench->enterprise, "E-2");
    case CALL_MOVE:
        return crosswalk_move_study(bench->crosswalk, slice_of_text("1.9"), bench->enterprise,
                                    slice_of_text("E-8"), &order, NULL);
    case CALL_PIN:
        return crosswalk_pins_put(bench->crosswalk, &pin, 1);
    case CALL_ADVANCE:
        return crosswalk_advance(bench->crosswalk, T0 + 9 * DAY);
    case CALLS:
        break;
    }
    return ERR_ARGUMENT;
}

// What a user sees before (0) and after (1) the call.
static const char *const views[CALLS][2] = {
    [CALL_MERGE] = {"E-1", "E-5"}, [CALL_UNMERGE] = {"E-6", "E-2"}, [CALL_MOVE] = {"E-1", "E-8"},
    [CALL_PIN] = {"E-1", "E-7"},   [CALL_ADVANCE] = {"3", "E-3"},
};

static const char *call_view(struct walk_bench *bench, enum call call)
{
    static struct crosswalk_verdict verdict;
    if (call == CALL_MOVE || call == CALL_PIN)
        verdict = map_study(bench, "1.9", 1, bench->legacy, "1");
    else
        verdict = bench_map(bench, call == CALL_MERGE ? "1" : call == CALL_UNMERGE ? "2" : "3");
    return verdict.id.text;
}

static void test_crash_in_a_change(void **state)
{
    (void)state;
    for (unsigned call = 0; call < CALLS; call++) {
        for (unsigned after = 0; after < 2; after++) {
            struct walk_bench bench;
            struct crosswalk_figures figures, before;
            struct crosswalk_findings findings;
            bench_init(&bench);
            bench_load(&bench, "source_domain,source_id,target_domain,target_id,effective\n"
                               "LEGACY,1,ENTERPRISE,E-1,\nLEGACY,2,ENTERPRISE,E-2,\n"
                               "LEGACY,3,ENTERPRISE,E-3,2023-11-20\n");
            assert_int_equal(bench_merge(&bench, bench.enterprise, "E-2", "E-6"), OK);
            assert_string_equal(call_view(&bench, call), views[call][0]);
            assert_int_equal(crosswalk_figures_get(bench.reader, &before), OK);
            kv_sim_fault_set(bench.disk, after != 0 ? KV_SIM_CRASH_AFTER_COMMIT : KV_SIM_CRASH_BEFORE_COMMIT,
                             0);
            assert_int_equal(call_do(&bench, call), ERR_IO);
            bench_close(&bench);
            bench_open(&bench);
            assert_string_equal(call_view(&bench, call), views[call][after]);
            assert_int_equal(crosswalk_figures_get(bench.reader, &figures), OK);
            bool is_logged = call == CALL_MERGE || call == CALL_UNMERGE || call == CALL_MOVE;
            assert_int_equal(figures.acts, before.acts + (is_logged ? after : 0));
            assert_int_equal(figures.generation, before.generation + (call != CALL_PIN ? after : 0));
            assert_int_equal(crosswalk_check(bench.reader, &findings), OK);
            assert_int_equal(findings.damaged + findings.lost + findings.cycles, 0);
            if (after == 0)
                assert_int_equal(call_do(&bench, call), OK); // and goes on
            assert_string_equal(call_view(&bench, call), views[call][1]);
            bench_fini(&bench);
        }
    }
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_map),
        WITH_BENCH(test_normalisation),
        WITH_BENCH(test_guard),
        WITH_BENCH(test_unmap_order),
        WITH_BENCH(test_too_many_sources),
        WITH_BENCH(test_first_delivery_fixes_the_target),
        WITH_BENCH(test_unmatched_study_is_not_split),
        WITH_BENCH(test_unmatched_study_comes_back),
        WITH_BENCH(test_unmatched_id_that_was_merged),
        WITH_BENCH(test_more_merges_than_are_followed),
        WITH_BENCH(test_same_domain_and_another_patient),
        WITH_BENCH(test_move_study),
        WITH_BENCH(test_move_behind_one_that_is_due),
        WITH_BENCH(test_moves_that_wait),
        WITH_BENCH(test_merge_refusals),
        WITH_BENCH(test_effective_times),
        WITH_BENCH(test_log),
        WITH_BENCH(test_another_master_key),
        WITH_BENCH(test_lost_key_is_noticed),
        WITH_BENCH(test_damaged_hash_key),
        WITH_BENCH(test_damaged_sealing_key),
        WITH_BENCH(test_options_of_a_domain_in_use_stay),
        WITH_BENCH(test_options_behind_ended_merges),
        cmocka_unit_test(test_crash_in_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
