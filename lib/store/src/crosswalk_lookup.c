// SPDX-License-Identifier: Apache-2.0
//
// map and unmap (FIELD 1 and 2); see store/crosswalk.h. Thread: the reader's.
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crosswalk_internal.h"

#include <stdlib.h>

// One question, while it is being answered.
struct question {
    struct view view;
    uint16_t from;
    uint16_t to;
    struct crosswalk_id id; // as written
    id_hash hash;
    bool is_known; // both domains are
};

static enum result question_begin(struct question *question, struct crosswalk_reader *reader, uint16_t from,
                                  struct slice id, uint16_t to)
{
    *question = (struct question){.from = from, .to = to};
    enum result result = id_copy(id, &question->id);
    if (result != OK)
        return result;
    question->is_known =
        domain_get(reader->crosswalk, from) != NULL && domain_get(reader->crosswalk, to) != NULL;
    if (question->is_known)
        result = id_hash_make(reader, from, id, question->hash);
    if (result == OK)
        result = view_begin(&question->view, reader);
    if (result != OK)
        wipe(&question->id, sizeof question->id);
    return result;
}

static void question_end(struct question *question)
{
    view_end(&question->view);
    wipe(&question->id, sizeof question->id);
}

static struct crosswalk_verdict verdict_of(const struct question *question, enum crosswalk_outcome outcome)
{
    return (struct crosswalk_verdict){
        .outcome = outcome, .generation = question->view.state.generation, .id = question->id};
}

// ---- map

static enum result same_domain(struct question *question, struct crosswalk_verdict *verdict)
{
    struct merge merge;
    *verdict = verdict_of(question, CROSSWALK_SAME);
    if (!question->is_known)
        return OK;
    enum result result = merge_get(&question->view, question->from, question->hash, &merge);
    if (result == OK)
        verdict->flags |= CROSSWALK_MERGED_AWAY;
    wipe(&merge, sizeof merge);
    return result == ERR_MISSING ? OK : result;
}

static enum result map_table(struct question *question, const struct crosswalk_person *person,
                             struct crosswalk_verdict *verdict)
{
    struct mapped mapped;
    if (question->from == question->to)
        return same_domain(question, verdict);
    *verdict = verdict_of(question, CROSSWALK_UNMAPPED);
    if (!question->is_known)
        return OK;
    enum result result = view_map(&question->view, question->from, question->hash, question->to, &mapped);
    if (result == ERR_MISSING && mapped.is_ambiguous)
        verdict->flags |= CROSSWALK_AMBIGUOUS;
    if (result == OK) {
        unsigned against = person_compare(&mapped.row, person);
        verdict->outcome = against != 0 ? CROSSWALK_CONTRADICTED : CROSSWALK_MAPPED;
        verdict->flags = against | (mapped.has_followed ? CROSSWALK_FOLLOWED_MERGE : 0u);
        verdict->id = against != 0 ? (struct crosswalk_id){.length = 0} : mapped.target;
    }
    wipe(&mapped, sizeof mapped);
    return result == ERR_MISSING ? OK : result;
}

// ---- a study at an archive

// To whom the study belongs at the archive by a move or its pin, merges followed. ERR_MISSING: neither, or it
// is there under the ID of another domain.
struct belonging {
    struct crosswalk_id id;
    id_hash hash;
    struct pin pin; // `to` 0: none
    unsigned flags;
};

static bool pin_is_unmapped(const struct pin *pin)
{
    return pin->to != 0 && pin->to == pin->from;
}

static enum result belonging_get(struct view *view, const struct crosswalk_study *study, uint16_t domain,
                                 struct belonging *out)
{
    id_hash hash;
    bool has_followed;
    *out = (struct belonging){.flags = 0};
    enum result result = study_hash_make(view->reader, study->study, hash);
    if (result == OK)
        result = pin_get(view, hash, study->archive, &out->pin);
    if (result == OK || result == ERR_MISSING)
        result = move_get(view, hash, domain, &out->id);
    if (result == OK) {
        out->flags = CROSSWALK_FROM_MOVE;
    } else if (result == ERR_MISSING && out->pin.to == domain) {
        out->id = out->pin.target;
        out->flags = CROSSWALK_FROM_PIN;
        result = OK;
    }
    if (result == OK)
        result = id_hash_make(view->reader, domain, id_slice(&out->id), out->hash);
    if (result == OK)
        result = merges_follow(view, domain, &out->id, out->hash, &has_followed);
    if (result == OK && has_followed)
        out->flags |= CROSSWALK_FOLLOWED_MERGE;
    return result;
}

static bool has_study(const struct crosswalk_study *study)
{
    return study != NULL && slice_trimmed(study->study).length > 0;
}

// Whether two IDs of a domain are, by now, one patient.
static enum result is_one_patient(struct view *view, uint16_t domain, const struct crosswalk_id *a,
                                  const struct crosswalk_id *b, bool *is_one)
{
    struct crosswalk_id id[2] = {*a, *b};
    id_hash hash[2];
    bool has_followed;
    enum result result = OK;
    for (unsigned i = 0; result == OK && i < 2; i++) {
        result = id_hash_make(view->reader, domain, id_slice(&id[i]), hash[i]);
        if (result == OK)
            result = merges_follow(view, domain, &id[i], hash[i], &has_followed);
    }
    *is_one = result == OK && memcmp(hash[0], hash[1], HASH_SIZE) == 0;
    wipe(id, sizeof id);
    return result;
}

// Whether the study was first delivered for this patient: by the source ID, or where that is of the archive's
// own domain by the ID that the study has there.
static enum result is_pinned_patient(struct question *question, const struct belonging *belonging,
                                     bool *is_one)
{
    const struct pin *pin = &belonging->pin;
    bool is_same = question->from == question->to;
    *is_one = false;
    if (is_same && (belonging->flags & CROSSWALK_FROM_PIN) != 0)
        return is_one_patient(&question->view, question->to, &belonging->id, &question->id, is_one);
    if (pin->from == question->from)
        return is_one_patient(&question->view, question->from, &pin->source, &question->id, is_one);
    return OK;
}

// The verdict by the table is there; what the study is tied to takes its place. An ID of the archive's own
// domain is never changed by a pin, but by a move, which a person has ordered for this study.
static enum result study_apply(struct question *question, const struct crosswalk_study *study,
                               struct crosswalk_verdict *verdict)
{
    struct belonging belonging;
    bool is_one = true;
    enum result result = belonging_get(&question->view, study, question->to, &belonging);
    bool has_id = result == OK;
    result = result == ERR_MISSING ? OK : result;
    verdict->is_pinned = belonging.pin.to != 0;
    if (result == OK && verdict->is_pinned)
        result = is_pinned_patient(question, &belonging, &is_one);
    if (has_id && ((belonging.flags & CROSSWALK_FROM_MOVE) != 0 || verdict->outcome != CROSSWALK_SAME)) {
        verdict->outcome = CROSSWALK_MAPPED;
        verdict->id = belonging.id;
        verdict->flags = belonging.flags;
    } else if (is_one && pin_is_unmapped(&belonging.pin) && verdict->outcome != CROSSWALK_SAME) {
        verdict->outcome = CROSSWALK_UNMAPPED;
        verdict->id = question->id;
        verdict->flags = CROSSWALK_FROM_PIN;
    }
    verdict->flags |= is_one ? 0u : CROSSWALK_OTHER_SOURCE;
    wipe(&belonging, sizeof belonging);
    return result;
}

enum result crosswalk_map_study(struct crosswalk_reader *reader, const struct crosswalk_study *study,
                                uint16_t from, struct slice id, uint16_t to,
                                const struct crosswalk_person *person, struct crosswalk_verdict *verdict)
{
    struct question question;
    struct crosswalk_verdict found;
    enum result result = question_begin(&question, reader, from, id, to);
    if (result != OK)
        return result;
    result = map_table(&question, person, &found);
    if (result == OK && has_study(study) && question.is_known && found.outcome != CROSSWALK_CONTRADICTED)
        result = study_apply(&question, study, &found);
    if (result == OK)
        *verdict = found;
    wipe(&found, sizeof found);
    question_end(&question);
    return result;
}

enum result crosswalk_map(struct crosswalk_reader *reader, uint16_t from, struct slice id, uint16_t to,
                          const struct crosswalk_person *person, struct crosswalk_verdict *verdict)
{
    return crosswalk_map_study(reader, NULL, from, id, to, person, verdict);
}

// ---- the sources of a target

struct source {
    struct crosswalk_id id;
    id_hash hash;
    bool is_merged_away;
    bool is_preferred;
    bool is_direct; // its row names the patient's present ID
};

struct sources {
    id_hash target; // merges followed
    size_t count;
    struct source *list; // CROSSWALK_SOURCES_MAX, on the heap
};

static bool sources_have(const struct sources *sources, const id_hash hash)
{
    for (size_t i = 0; i < sources->count; i++)
        if (memcmp(sources->list[i].hash, hash, HASH_SIZE) == 0)
            return true;
    return false;
}

// The ID behind a hash: its merge has it, or its row.
static enum result source_read(struct question *question, const id_hash hash, struct source *source)
{
    struct merge merge;
    struct crosswalk_row row;
    id_hash target;
    *source = (struct source){.is_merged_away = false};
    memcpy(source->hash, hash, HASH_SIZE);
    enum result merged = merge_get(&question->view, question->to, hash, &merge);
    enum result result = row_get(&question->view, hash, question->from, &row);
    if (result == OK) {
        source->id = row.source;
        source->is_preferred = row.is_preferred;
        result = id_hash_make(question->view.reader, question->from, id_slice(&row.target), target);
        source->is_direct = result == OK && memcmp(target, question->hash, HASH_SIZE) == 0;
    }
    if (merged == OK) {
        source->is_merged_away = true;
        source->id = merge.id;
        result = result == ERR_MISSING ? OK : result;
    }
    wipe(&merge, sizeof merge);
    wipe(&row, sizeof row);
    return merged != OK && merged != ERR_MISSING ? merged : result;
}

// A root has neither row nor merge of its own if only IDs that became it have rows: a merge names it.
static enum result root_read(struct question *question, const struct hashes *all, struct source *source)
{
    struct merge merge;
    enum result result = source_read(question, all->hash[0], source);
    if (result != ERR_MISSING || all->count < 2)
        return result;
    result = merge_get(&question->view, question->to, all->hash[1], &merge); // directly below it
    if (result == OK)
        source->id = merge.into;
    wipe(&merge, sizeof merge);
    return result;
}

// All IDs that are the patient of this row's source and map to the target.
static enum result sources_of_row(struct question *question, const id_hash source, struct sources *sources)
{
    struct crosswalk_id id = {.length = 0};
    struct hashes all;
    struct mapped mapped;
    struct source found;
    id_hash root;
    bool has_followed;
    memcpy(root, source, HASH_SIZE);
    enum result result = merges_follow(&question->view, question->to, &id, root, &has_followed);
    if (result == OK)
        result = merges_below(&question->view, question->to, root, &all);
    for (size_t i = 0; result == OK && i < all.count; i++) {
        if (sources_have(sources, all.hash[i]))
            continue;
        result = view_map(&question->view, question->to, all.hash[i], question->from, &mapped);
        if (result == ERR_MISSING ||
            (result == OK && memcmp(mapped.target_hash, sources->target, HASH_SIZE) != 0)) {
            result = OK;
            continue;
        }
        if (result == OK)
            result = i == 0 ? root_read(question, &all, &found) : source_read(question, all.hash[i], &found);
        if (result == OK && sources->count == CROSSWALK_SOURCES_MAX)
            result = ERR_LIMIT;
        if (result == OK)
            sources->list[sources->count++] = found;
    }
    wipe(&id, sizeof id);
    wipe(&mapped, sizeof mapped);
    wipe(&found, sizeof found);
    return result;
}

static enum result sources_of_target(struct question *question, const id_hash target, struct sources *sources)
{
    struct kv_cursor cursor = {0};
    struct key prefix = target_prefix(question->view.state.load, question->to, target);
    enum result result = kv_cursor_init(&cursor, question->view.in, DB_TARGET);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key_slice(&prefix));
    while (result == OK && key_has_prefix(cursor.key, &prefix)) {
        id_hash source;
        if (cursor.key.length != prefix.length + HASH_SIZE) {
            result = ERR_FORMAT;
            break;
        }
        memcpy(source, cursor.key.data + prefix.length, HASH_SIZE);
        result = sources_of_row(question, source, sources);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static void sources_fini(struct sources *sources)
{
    if (sources->list != NULL)
        wipe(sources->list, CROSSWALK_SOURCES_MAX * sizeof *sources->list);
    free(sources->list);
}

// `question->hash` and `->id` become those of the patient's present ID. On OK end with sources_fini().
static enum result sources_find(struct question *question, struct sources *sources)
{
    struct hashes targets = {.count = 0};
    bool has_followed = false;
    *sources = (struct sources){.list = calloc(CROSSWALK_SOURCES_MAX, sizeof *sources->list)};
    enum result result = sources->list != NULL ? OK : ERR_NOMEM;
    if (result == OK && question->is_known)
        result = merges_follow(&question->view, question->from, &question->id, question->hash, &has_followed);
    memcpy(sources->target, question->hash, HASH_SIZE);
    if (result == OK && question->is_known)
        result = merges_below(&question->view, question->from, question->hash, &targets);
    for (size_t i = 0; result == OK && i < targets.count; i++)
        result = sources_of_target(question, targets.hash[i], sources);
    if (result != OK)
        sources_fini(sources);
    return result;
}

enum result crosswalk_sources(struct crosswalk_reader *reader, uint16_t from, struct slice id, uint16_t to,
                              struct crosswalk_id *list, size_t *count)
{
    struct question question;
    struct sources sources;
    enum result result = question_begin(&question, reader, from, id, to);
    if (result != OK)
        return result;
    result = sources_find(&question, &sources);
    if (result == OK) {
        for (size_t i = 0; i < sources.count; i++)
            list[i] = sources.list[i].id;
        *count = sources.count;
        sources_fini(&sources);
    }
    question_end(&question);
    return result;
}

// ---- unmap

// The study went out unmapped and is asked about by the ID that it has had ever since; the domain of the
// archive may have another patient with that number.
static enum result recorded_unmapped_get(struct question *question, const struct pin *pin,
                                         const struct crosswalk_id *given, struct crosswalk_id *source)
{
    id_hash hash[2];
    if (!pin_is_unmapped(pin) || pin->from != question->to)
        return ERR_MISSING;
    enum result result = id_hash_make(question->view.reader, pin->to, id_slice(given), hash[0]);
    if (result == OK)
        result = id_hash_make(question->view.reader, pin->to, id_slice(&pin->target), hash[1]);
    if (result == OK && memcmp(hash[0], hash[1], HASH_SIZE) != 0)
        result = ERR_MISSING;
    if (result == OK)
        *source = pin->source;
    return result;
}

// The source that the study was delivered with, if it still belongs to the patient asked about and was not
// moved there from another one.
static enum result recorded_get(struct question *question, const struct crosswalk_study *study,
                                const id_hash patient, const struct crosswalk_id *given,
                                struct crosswalk_id *source)
{
    struct belonging belonging;
    id_hash hash;
    bool has_followed;
    bool is_one = false;
    enum result result = belonging_get(&question->view, study, question->from, &belonging);
    const struct pin *pin = &belonging.pin;
    if (result == ERR_MISSING) {
        result = recorded_unmapped_get(question, pin, given, source);
        goto out;
    }
    if (result == OK && pin->to == question->from)
        result = is_one_patient(&question->view, question->from, &pin->target, &belonging.id, &is_one);
    if (result == OK &&
        (!is_one || pin->from != question->to || memcmp(belonging.hash, patient, HASH_SIZE) != 0))
        result = ERR_MISSING;
    if (result == OK) {
        *source = pin->source;
        result = id_hash_make(question->view.reader, question->to, id_slice(source), hash);
    }
    if (result == OK)
        result = merges_follow(&question->view, question->to, source, hash, &has_followed);
out:
    wipe(&belonging, sizeof belonging);
    return result;
}

static const struct source *asked_find(struct question *question, const struct sources *sources,
                                       struct slice asked)
{
    id_hash hash;
    if (slice_trimmed(asked).length == 0 ||
        id_hash_make(question->view.reader, question->to, asked, hash) != OK)
        return NULL;
    for (size_t i = 0; i < sources->count; i++)
        if (memcmp(sources->list[i].hash, hash, HASH_SIZE) == 0)
            return &sources->list[i];
    return NULL;
}

// The only one that fulfils `is_wanted`.
static const struct source *only_one(const struct sources *sources, bool (*is_wanted)(const struct source *))
{
    const struct source *found = NULL;
    for (size_t i = 0; i < sources->count; i++) {
        if (!is_wanted(&sources->list[i]))
            continue;
        if (found != NULL)
            return NULL;
        found = &sources->list[i];
    }
    return found;
}

static bool is_first_choice(const struct source *source)
{
    return source->is_preferred && source->is_direct && !source->is_merged_away;
}

static bool is_second_choice(const struct source *source)
{
    return source->is_preferred && !source->is_merged_away;
}

static bool is_present(const struct source *source)
{
    return !source->is_merged_away;
}

static void choose(struct question *question, const struct sources *sources, struct slice asked,
                   struct crosswalk_verdict *verdict)
{
    const struct source *found = asked_find(question, sources, asked);
    unsigned flag = CROSSWALK_ASKED;
    if (found == NULL) {
        flag = CROSSWALK_PREFERRED;
        found = only_one(sources, is_first_choice);
    }
    if (found == NULL)
        found = only_one(sources, is_second_choice);
    if (found == NULL)
        found = only_one(sources, is_present);
    if (found == NULL) {
        verdict->flags |= sources->count > 0 ? CROSSWALK_AMBIGUOUS : 0u;
        return;
    }
    verdict->outcome = CROSSWALK_MAPPED;
    verdict->flags |= flag;
    verdict->id = found->id;
    if (flag == CROSSWALK_ASKED)
        (void)!id_copy(asked, &verdict->id); // as the client writes it
}

static enum result unmap(struct question *question, const struct crosswalk_study *study, struct slice asked,
                         struct crosswalk_verdict *verdict)
{
    struct sources sources;
    struct crosswalk_id source;
    if (question->from == question->to)
        return same_domain(question, verdict);
    *verdict = verdict_of(question, CROSSWALK_UNMAPPED); // with the ID as it was given
    if (!question->is_known)
        return OK;
    enum result result = sources_find(question, &sources);
    if (result != OK)
        return result;
    result =
        has_study(study) ? recorded_get(question, study, sources.target, &verdict->id, &source) : ERR_MISSING;
    if (result == OK) {
        verdict->outcome = CROSSWALK_MAPPED;
        verdict->flags |= CROSSWALK_RECORDED;
        verdict->id = source;
    } else if (result == ERR_MISSING) {
        choose(question, &sources, asked, verdict);
        result = OK;
    }
    wipe(&source, sizeof source);
    sources_fini(&sources);
    return result;
}

enum result crosswalk_unmap(struct crosswalk_reader *reader, const struct crosswalk_study *study,
                            uint16_t from, struct slice id, uint16_t to, struct slice asked,
                            struct crosswalk_verdict *verdict)
{
    struct question question;
    struct crosswalk_verdict found;
    enum result result = question_begin(&question, reader, from, id, to);
    if (result != OK)
        return result;
    result = unmap(&question, study, asked, &found);
    if (result == OK)
        *verdict = found;
    wipe(&found, sizeof found);
    question_end(&question);
    return result;
}

enum result crosswalk_generation_get(struct crosswalk_reader *reader, uint64_t *generation)
{
    struct view view;
    enum result result = view_begin(&view, reader);
    if (result != OK)
        return result;
    *generation = view.state.generation;
    view_end(&view);
    return OK;
}

enum result crosswalk_direction_get(struct crosswalk_reader *reader, uint16_t from, uint16_t to,
                                    enum crosswalk_direction *direction)
{
    struct view view;
    struct slice value;
    enum result result = view_begin(&view, reader);
    if (result != OK)
        return result;
    struct key there = pair_key(view.state.load, from, to);
    struct key back = pair_key(view.state.load, to, from);
    *direction = CROSSWALK_NOTHING;
    result = kv_get(view.in, DB_PAIR, key_slice(&there), &value);
    if (result == OK)
        *direction = CROSSWALK_MAPS;
    else if (result == ERR_MISSING)
        result = kv_get(view.in, DB_PAIR, key_slice(&back), &value);
    if (result == OK && *direction == CROSSWALK_NOTHING)
        *direction = CROSSWALK_UNMAPS;
    view_end(&view);
    return result == ERR_MISSING ? OK : result;
}
