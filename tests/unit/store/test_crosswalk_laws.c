// SPDX-License-Identifier: Apache-2.0
//
// The laws of FIELD 2 on random crosswalks with merges on both sides, against a model that is nothing but
// arrays and exhaustive search: map(unmap(y)) = y; x is in unmap(map(x)); the sources of y are exactly those
// IDs that map to it; a chain of merges is followed, a circle refused. Then the same of studies that are
// delivered, and so pinned, and moved, while all that goes on. The seed is printed on failure.
#include "crosswalk_support.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS = 10, ROUNDS = 120, STEPS = 14, NONE = -1, MANY = -2 };

struct model {
    int row[IDS]; // target of a source
    bool is_preferred[IDS];
    int into[2][IDS]; // merges: 0 legacy, 1 enterprise
};

static uint64_t random_state;
static uint64_t last_seed;

static unsigned draw(unsigned below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % below;
}

// ---- the model

static int root(const int *into, int id)
{
    while (into[id] != NONE)
        id = into[id];
    return id;
}

static int model_map(const struct model *model, int id)
{
    int last = NONE;
    int answer = NONE;
    for (int at = id; at != NONE; at = model->into[0][at])
        if (model->row[at] != NONE)
            last = at;
    if (last != NONE)
        return root(model->into[1], model->row[last]);
    for (int at = 0; at < IDS; at++) {
        if (model->row[at] == NONE || root(model->into[0], at) != root(model->into[0], id))
            continue;
        int target = root(model->into[1], model->row[at]);
        answer = answer == NONE || answer == target ? target : MANY;
        if (answer == MANY)
            break;
    }
    return answer;
}

static bool model_merge_is_legal(const struct model *model, unsigned side, int id, int into)
{
    return id != into && model->into[side][id] == NONE && root(model->into[side], into) != id;
}

// ---- texts: a legacy ID is L and a digit; an enterprise ID is written with zeros and in either case

static const char *name(unsigned side, int id)
{
    static char texts[8][16];
    static unsigned next;
    char *text = texts[next++ % 8];
    if (side == 0)
        (void)text_format(text, 16, "L%d", id);
    else
        (void)text_format(text, 16, "%d", id + 100);
    return text;
}

static void model_load(struct walk_bench *bench, struct model *model)
{
    char text[4096] = "source_domain,source_id,target_domain,target_id,preferred\n";
    size_t length = strlen(text);
    bool has_preferred[IDS] = {false};
    for (int i = 0; i < IDS; i++) {
        model->row[i] = draw(4) == 0 ? NONE : (int)draw(IDS);
        if (model->row[i] == NONE)
            continue;
        model->is_preferred[i] = draw(2) == 0 && !has_preferred[model->row[i]];
        has_preferred[model->row[i]] |= model->is_preferred[i];
        length += (size_t)snprintf(text + length, sizeof text - length, "LEGACY,%s,ENTERPRISE,%s,%s\n",
                                   name(0, i), name(1, model->row[i]), model->is_preferred[i] ? "yes" : "");
    }
    bench_load(bench, text);
}

// ---- both

static void assert_map_equal(struct walk_bench *bench, const struct model *model, int id)
{
    struct crosswalk_verdict verdict = bench_map(bench, name(0, id));
    int expected = model_map(model, id);
    if (expected < 0) {
        assert_int_equal(verdict.outcome, CROSSWALK_UNMAPPED);
        assert_int_equal((verdict.flags & CROSSWALK_AMBIGUOUS) != 0, expected == MANY);
        assert_string_equal(verdict.id.text, name(0, id));
        return;
    }
    assert_int_equal(verdict.outcome, CROSSWALK_MAPPED);
    assert_string_equal(verdict.id.text, name(1, expected));
}

static void assert_sources_equal(struct walk_bench *bench, const struct model *model, int target)
{
    static struct crosswalk_id list[CROSSWALK_SOURCES_MAX];
    size_t count, expected = 0;
    assert_int_equal(crosswalk_sources(bench->reader, bench->enterprise, slice_of_text(name(1, target)),
                                       bench->legacy, list, &count),
                     OK);
    for (int id = 0; id < IDS; id++) {
        if (model_map(model, id) != root(model->into[1], target))
            continue;
        bool is_listed = false;
        for (size_t i = 0; i < count; i++)
            is_listed |= strcmp(list[i].text, name(0, id)) == 0;
        assert_true(is_listed);
        expected++;
    }
    assert_int_equal(count, expected);
}

// Which source unmap may choose without being asked; NONE: it must not.
static int model_unmap(const struct model *model, int target)
{
    int patient = root(model->into[1], target);
    int first[3] = {NONE, NONE, NONE}; // by preference: direct, of a merged target, the only one
    for (int id = 0; id < IDS; id++) {
        if (model_map(model, id) != patient || model->into[0][id] != NONE)
            continue;
        bool is_preferred = model->row[id] != NONE && model->is_preferred[id];
        bool fits[3] = {is_preferred && model->row[id] == patient, is_preferred, true};
        for (int i = 0; i < 3; i++)
            if (fits[i])
                first[i] = first[i] == NONE ? id : MANY;
    }
    for (int i = 0; i < 3; i++)
        if (first[i] >= 0)
            return first[i];
    return NONE;
}

static void assert_laws(struct walk_bench *bench, const struct model *model)
{
    for (int y = 0; y < IDS; y++) {
        struct crosswalk_verdict back = bench_unmap(bench, name(1, y), "");
        int expected = model_unmap(model, y);
        assert_int_equal(back.outcome, expected == NONE ? CROSSWALK_UNMAPPED : CROSSWALK_MAPPED);
        if (expected == NONE) {
            assert_string_equal(back.id.text, name(1, y));
            continue;
        }
        assert_string_equal(back.id.text, name(0, expected));
        // map(unmap(y)) = y
        assert_string_equal(bench_map(bench, back.id.text).id.text, name(1, root(model->into[1], y)));
    }
    for (int x = 0; x < IDS; x++) {
        struct crosswalk_verdict there = bench_map(bench, name(0, x));
        if (there.outcome != CROSSWALK_MAPPED)
            continue;
        // x is in unmap(map(x)), so it comes back to who asked by it
        struct crosswalk_verdict back = bench_unmap(bench, there.id.text, name(0, x));
        assert_int_equal(back.outcome, CROSSWALK_MAPPED);
        assert_true((back.flags & CROSSWALK_ASKED) != 0);
        assert_string_equal(back.id.text, name(0, x));
    }
}

static void assert_equal(struct walk_bench *bench, const struct model *model)
{
    for (int i = 0; i < IDS; i++) {
        assert_map_equal(bench, model, i);
        assert_sources_equal(bench, model, i);
    }
    assert_laws(bench, model);
}

static void change(struct walk_bench *bench, struct model *model)
{
    unsigned side = draw(2);
    uint16_t domain = side == 0 ? bench->legacy : bench->enterprise;
    int id = (int)draw(IDS), into = (int)draw(IDS);
    if (draw(4) == 0) {
        enum result result = bench_unmerge(bench, domain, name(side, id));
        assert_int_equal(result, model->into[side][id] != NONE ? OK : ERR_MISSING);
        model->into[side][id] = NONE;
        return;
    }
    bool is_legal = model_merge_is_legal(model, side, id, into);
    enum result result = bench_merge(bench, domain, name(side, id), name(side, into));
    assert_int_equal(result == OK, is_legal);
    if (is_legal)
        model->into[side][id] = into;
}

static void run(uint64_t seed)
{
    struct walk_bench bench;
    struct model model;
    struct crosswalk_findings findings;
    random_state = seed * 77777 + 5;
    bench_init(&bench);
    memset(&model, 0, sizeof model);
    for (int i = 0; i < IDS; i++)
        model.into[0][i] = model.into[1][i] = NONE;
    for (unsigned step = 0; step < STEPS; step++) {
        if (step % 7 == 0)
            model_load(&bench, &model); // merges stay
        else
            change(&bench, &model);
        if (draw(9) == 0) {
            bench_close(&bench);
            bench_open(&bench);
        }
        assert_equal(&bench, &model);
    }
    bench_purge(&bench);
    assert_equal(&bench, &model);
    assert_int_equal(crosswalk_check(bench.reader, &findings), OK);
    assert_int_equal(findings.damaged + findings.lost + findings.cycles, 0);
    bench_fini(&bench);
}

static void test_laws(void **state)
{
    (void)state;
    for (last_seed = 0; last_seed < ROUNDS; last_seed++)
        run(last_seed);
}

// ---- studies at an archive

enum { STUDIES = 4, STUDY_STEPS = 40, STUDY_ROUNDS = 60, UNMAPPED = -3 };

struct model_study {
    int source; // as first delivered; NONE: it was not
    int target; // or UNMAPPED
    int move;   // NONE: it was not
};

static struct crosswalk_study study_of(unsigned index)
{
    static const char *const uids[STUDIES] = {"1.2.1", "1.2.2", "1.2.3", "1.2.4"};
    return (struct crosswalk_study){.study = slice_of_text(uids[index]), .archive = 3};
}

// Index of the target, or NONE: it goes with its own ID.
static int model_map_study(const struct model *model, const struct model_study *study, int id)
{
    int table = model_map(model, id);
    if (study->move != NONE)
        return root(model->into[1], study->move);
    if (study->source == NONE)
        return table < 0 ? NONE : table;
    if (study->target != UNMAPPED)
        return root(model->into[1], study->target);
    bool is_one = root(model->into[0], study->source) == root(model->into[0], id);
    return table < 0 || is_one ? NONE : table;
}

static struct crosswalk_verdict map_study(struct walk_bench *bench, unsigned study, int id)
{
    struct crosswalk_verdict verdict;
    struct crosswalk_study at = study_of(study);
    assert_int_equal(crosswalk_map_study(bench->reader, &at, bench->legacy, slice_of_text(name(0, id)),
                                         bench->enterprise, NULL, &verdict),
                     OK);
    return verdict;
}

static struct crosswalk_verdict unmap_study(struct walk_bench *bench, unsigned study, const char *id)
{
    struct crosswalk_verdict verdict;
    struct crosswalk_study at = study_of(study);
    assert_int_equal(crosswalk_unmap(bench->reader, &at, bench->enterprise, slice_of_text(id), bench->legacy,
                                     slice_of_text(""), &verdict),
                     OK);
    return verdict;
}

// As the gateway: what is answered is pinned, and then holds.
static void deliver(struct walk_bench *bench, const struct model *model, struct model_study *study,
                    unsigned index, int id)
{
    int expected = model_map_study(model, study, id);
    struct crosswalk_verdict verdict = map_study(bench, index, id);
    bool is_mapped = verdict.outcome == CROSSWALK_MAPPED;
    struct crosswalk_pin pin = {.study = study_of(index),
                                .from = bench->legacy,
                                .to = is_mapped ? bench->enterprise : bench->legacy,
                                .source = slice_of_text(name(0, id)),
                                .target = slice_of_text(verdict.id.text),
                                .when = T0};
    assert_int_equal(verdict.is_pinned, study->source != NONE);
    assert_int_equal(crosswalk_pins_put(bench->crosswalk, &pin, 1), OK);
    assert_string_equal(map_study(bench, index, id).id.text, verdict.id.text);
    if (study->source != NONE)
        return;
    study->source = id;
    study->target = expected == NONE ? UNMAPPED : expected;
}

static void move(struct walk_bench *bench, struct model_study *study, unsigned index, int target)
{
    struct crosswalk_order order = bench_order(bench);
    assert_int_equal(crosswalk_move_study(bench->crosswalk, study_of(index).study, bench->enterprise,
                                          slice_of_text(name(1, target)), &order, NULL),
                     OK);
    study->move = target;
}

static void assert_study(struct walk_bench *bench, const struct model *model, const struct model_study *study,
                         unsigned index)
{
    for (int x = 0; x < IDS; x++) {
        struct crosswalk_verdict there = map_study(bench, index, x);
        int expected = model_map_study(model, study, x);
        assert_int_equal(there.outcome, expected == NONE ? CROSSWALK_UNMAPPED : CROSSWALK_MAPPED);
        assert_string_equal(there.id.text, expected == NONE ? name(0, x) : name(1, expected));
    }
    if (study->source == NONE || study->move != NONE)
        return;
    // What the archive has the study under comes back as what it was delivered for, and goes there again.
    char sent[16];
    (void)text_copy(sent, sizeof sent, slice_of_text(map_study(bench, index, study->source).id.text));
    struct crosswalk_verdict back = unmap_study(bench, index, sent);
    assert_int_equal(back.outcome, CROSSWALK_MAPPED);
    assert_true((back.flags & CROSSWALK_RECORDED) != 0);
    int source = study->target == UNMAPPED ? study->source : root(model->into[0], study->source);
    assert_string_equal(back.id.text, name(0, source));
    assert_string_equal(map_study(bench, index, source).id.text, sent);
}

static void run_studies(uint64_t seed)
{
    struct walk_bench bench;
    struct model model;
    struct model_study studies[STUDIES];
    random_state = seed * 31337 + 11;
    bench_init(&bench);
    memset(&model, 0, sizeof model);
    for (int i = 0; i < IDS; i++)
        model.row[i] = model.into[0][i] = model.into[1][i] = NONE;
    for (unsigned i = 0; i < STUDIES; i++)
        studies[i] = (struct model_study){.source = NONE, .target = NONE, .move = NONE};
    for (unsigned step = 0; step < STUDY_STEPS; step++) {
        unsigned index = draw(STUDIES);
        switch (draw(8)) {
        case 0:
            model_load(&bench, &model);
            break;
        case 1:
        case 2:
        case 3:
            change(&bench, &model);
            break;
        case 4:
            if (draw(3) == 0)
                move(&bench, &studies[index], index, (int)draw(IDS));
            break;
        default:
            deliver(&bench, &model, &studies[index], index, (int)draw(IDS));
            break;
        }
        for (unsigned i = 0; i < STUDIES; i++)
            assert_study(&bench, &model, &studies[i], i);
    }
    bench_fini(&bench);
}

static void test_laws_of_studies(void **state)
{
    (void)state;
    for (last_seed = 0; last_seed < STUDY_ROUNDS; last_seed++)
        run_studies(last_seed);
}

static int seed_print(void **state)
{
    (void)state;
    print_message("seeds from 0; the last one was %u\n", (unsigned)last_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_laws, seed_print),
                                       cmocka_unit_test_teardown(test_laws_of_studies, seed_print)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
