// SPDX-License-Identifier: Apache-2.0
//
// The import; see store/crosswalk_import.h. Three passes: rows are read, sealed and given to two sorters, by
// source and by target; the first sorter is read in order and fills DB_SOURCE, the second DB_TARGET; then one
// transaction switches. Conflicts show where equal keys meet. After the first one nothing is written any
// more, but all are still found. Thread: the one that writes.
#include "store/crosswalk_import.h"

#include "base/grow.h"
#include "base/hash.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crosswalk_act.h"
#include "crosswalk_rows.h"
#include "sorter.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define IMPORT_MAGIC 0x43494d50u // "CIMP"

enum {
    MEMORY_DEFAULT = 64 << 20,
    BATCH_DEFAULT = 20000,
    BATCH_BYTES = 4 << 20,
    ENTRY_MAX = 8 + KEY_SIZE_MAX + SEALED_MAX,
    // The part by which records order: key, then line.
    SOURCE_KEY = HASH_SIZE + 2,
    TARGET_KEY = 2 * HASH_SIZE + 2,
    LINE_SIZE = 8,
};

enum phase { PHASE_READING, PHASE_SOURCES, PHASE_TARGETS, PHASE_SWITCH, PHASE_DONE, PHASE_FAILED };

// What the file says so far of rows from one domain to another.
struct direction {
    uint64_t first_line; // 0: none
    uint64_t rows;       // that go into the store
};

// A record of one of the sorters, decoded.
struct source_record {
    id_hash source;
    uint16_t to;
    uint64_t line;
    uint16_t from;
    id_hash target;
    uint64_t print; // of all that the row says
    struct slice sealed;
};

struct target_record {
    id_hash target;
    uint16_t from;
    id_hash source;
    uint64_t line;
    uint64_t print; // of the target ID as it is written
    bool is_preferred;
};

struct crosswalk_import {
    uint32_t magic;
    struct crosswalk *crosswalk;
    struct fs *fs;
    bool is_dry;
    uint32_t batch;
    struct crosswalk_order order;
    char person[CROSSWALK_PERSON_BYTES + 1];
    char reason[CROSSWALK_REASON_BYTES + 1];
    enum phase phase;
    uint32_t load;
    struct csv *csv;
    EVP_MD_CTX *digest;
    uint8_t sum[32]; // of the file
    struct columns columns;
    bool has_header;
    struct sorter *sources;
    struct sorter *targets;
    struct hash_seed seed;
    struct direction directions[CROSSWALK_DOMAINS_MAX + 1][CROSSWALK_DOMAINS_MAX + 1];
    uint64_t times[CROSSWALK_TIMES_MAX];
    size_t time_count;
    struct crosswalk_conflict *conflicts;
    size_t conflict_capacity;
    size_t listed;
    uint64_t conflict_count;
    struct crosswalk_import_figures figures;
    // The first record of those with the same key, in the phase that runs.
    bool has_first;
    struct source_record first_source;
    struct target_record first_target; // of this target, whatever the domain
    struct target_record last_target;  // the one before
    uint64_t preferred_line;           // of this target and domain; 0: none
    uint8_t *entries;                  // one batch, see entry_add()
    size_t entry_bytes;
    uint32_t entry_count;
};

// ---- conflicts

static enum result conflict_add(struct crosswalk_import *import, uint64_t line, enum crosswalk_fault fault,
                                uint64_t other)
{
    import->conflict_count++;
    if (import->listed == CROSSWALK_CONFLICTS_MAX)
        return OK;
    if (ARRAY_GROW(import->conflicts, import->conflict_capacity, import->listed + 1) != OK)
        return ERR_NOMEM;
    import->conflicts[import->listed++] =
        (struct crosswalk_conflict){.line = line, .other = other, .fault = fault};
    return OK;
}

// Between two lines of which either may come first: equal targets meet in the order of their sources' hashes.
static enum result conflict_between(struct crosswalk_import *import, enum crosswalk_fault fault, uint64_t a,
                                    uint64_t b)
{
    return conflict_add(import, a > b ? a : b, fault, a > b ? b : a);
}

static int conflict_compare(const void *a, const void *b)
{
    const struct crosswalk_conflict *left = a, *right = b;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return (int)left->fault - (int)right->fault;
}

const struct crosswalk_conflict *crosswalk_import_conflicts(const struct crosswalk_import *import,
                                                            size_t *listed, uint64_t *count)
{
    *listed = import->listed;
    *count = import->conflict_count;
    return import->conflicts;
}

void crosswalk_import_figures_get(const struct crosswalk_import *import,
                                  struct crosswalk_import_figures *figures)
{
    *figures = import->figures;
}

static bool is_loading(const struct crosswalk_import *import)
{
    return !import->is_dry && import->conflict_count == 0;
}

// ---- reading

static enum result time_note(struct crosswalk_import *import, uint64_t line, uint64_t time)
{
    if (time <= import->order.now)
        return OK;
    for (size_t i = 0; i < import->time_count; i++)
        if (import->times[i] == time)
            return OK;
    if (import->time_count == CROSSWALK_TIMES_MAX)
        return conflict_add(import, line, CROSSWALK_FAULT_TIMES, 0);
    import->times[import->time_count++] = time;
    return OK;
}

// Domains have numbers from 1 to CROSSWALK_DOMAINS_MAX.
static enum result direction_note(struct crosswalk_import *import, const struct crosswalk_row *row,
                                  uint64_t line)
{
    struct direction *there = &import->directions[row->from][row->to];
    const struct direction *back = &import->directions[row->to][row->from];
    if (there->first_line == 0)
        there->first_line = line;
    return back->first_line != 0 ? conflict_add(import, line, CROSSWALK_FAULT_BOTH_WAYS, back->first_line)
                                 : OK;
}

static enum result source_add(struct crosswalk_import *import, const struct crosswalk_row *row, uint64_t line,
                              const id_hash source, const id_hash target)
{
    uint8_t memory[SORTER_RECORD_MAX];
    uint8_t plain[PLAIN_MAX];
    struct slice encoded = row_encode(row, plain);
    struct writer writer = writer_of(memory, sizeof memory);
    size_t sealed = 0;
    enum result result = OK;
    writer_put(&writer, source, HASH_SIZE);
    writer_u16be(&writer, row->to);
    writer_u64be(&writer, line);
    writer_u16be(&writer, row->from);
    writer_put(&writer, target, HASH_SIZE);
    writer_u64be(&writer, hash_bytes(&import->seed, encoded));
    ensure(!writer.failed);
    if (is_loading(import)) {
        struct key key = source_key(import->load, row->to, source);
        result =
            value_seal(import->crosswalk->own, DB_SOURCE, &key, encoded, memory + writer.length, &sealed);
    }
    wipe(plain, encoded.length);
    return result == OK ? sorter_add(import->sources, slice_of(memory, writer.length + sealed)) : result;
}

static enum result target_add(struct crosswalk_import *import, const struct crosswalk_row *row, uint64_t line,
                              const id_hash source, const id_hash target)
{
    uint8_t memory[TARGET_KEY + LINE_SIZE + 9];
    struct writer writer = writer_of(memory, sizeof memory);
    writer_put(&writer, target, HASH_SIZE);
    writer_u16be(&writer, row->from);
    writer_put(&writer, source, HASH_SIZE);
    writer_u64be(&writer, line);
    writer_u64be(&writer, hash_bytes(&import->seed, id_slice(&row->target)));
    writer_u8(&writer, row->is_preferred);
    ensure(!writer.failed);
    return sorter_add(import->targets, writer_slice(&writer));
}

static enum result row_add(struct crosswalk_import *import, const struct crosswalk_row *row, uint64_t line)
{
    id_hash source, target;
    struct crosswalk_reader *reader = import->crosswalk->own;
    enum result result = direction_note(import, row, line);
    if (result == OK)
        result = time_note(import, line, row->effective);
    if (result == OK)
        result = id_hash_make(reader, row->from, id_slice(&row->source), source);
    if (result == OK)
        result = id_hash_make(reader, row->to, id_slice(&row->target), target);
    if (result == OK)
        result = source_add(import, row, line, source, target);
    if (result == OK)
        result = target_add(import, row, line, source, target);
    return result;
}

static enum result on_record(void *argument, uint64_t line, const struct slice *fields, size_t count)
{
    struct crosswalk_import *import = argument;
    struct crosswalk_row row;
    if (!import->has_header) {
        import->has_header = true;
        if (columns_read(fields, count, &import->columns))
            return OK;
        enum result result = conflict_add(import, line, CROSSWALK_FAULT_COLUMNS, 0);
        return result == OK ? ERR_FORMAT : result; // stops the reader
    }
    import->figures.rows++;
    enum crosswalk_fault fault = row_read(import->crosswalk, &import->columns, fields, count, &row);
    enum result result =
        fault == CROSSWALK_FAULT_NONE ? row_add(import, &row, line) : conflict_add(import, line, fault, 0);
    wipe(&row, sizeof row);
    return result;
}

static enum result on_fault(void *argument, uint64_t line, enum csv_fault what)
{
    static const enum crosswalk_fault faults[] = {
        [CSV_QUOTE] = CROSSWALK_FAULT_QUOTE,
        [CSV_NUL] = CROSSWALK_FAULT_NUL,
        [CSV_ENCODING] = CROSSWALK_FAULT_ENCODING,
        [CSV_LONG] = CROSSWALK_FAULT_LONG,
    };
    struct crosswalk_import *import = argument;
    import->figures.rows += import->has_header;
    enum result result = conflict_add(import, line, faults[what], 0);
    if (result == OK && !import->has_header) { // whatever stands behind a header that can not be read
        import->has_header = true;
        result = ERR_FORMAT;
    }
    return result;
}

// ---- beginning

static enum result folder_clear(struct crosswalk_import *import, const char *folder)
{
    struct fs_names names;
    char path[FS_PATH_MAX + 1];
    enum result result = fs_dir_make(import->fs, folder);
    if (result == OK || result != ERR_EXISTS)
        return result;
    result = fs_dir_list(import->fs, folder, &names);
    if (result != OK)
        return result;
    for (size_t i = 0; result == OK && i < names.count; i++)
        result = text_format(path, sizeof path, "%s/%s", folder, names.name[i])
                     ? fs_path_unlink(import->fs, path)
                     : ERR_ARGUMENT;
    fs_names_fini(&names);
    return result;
}

// A number for the load that no other ever has, and the key that its rows are sealed with.
static enum result load_reserve(struct crosswalk_import *import)
{
    struct change change;
    enum result result = change_begin(&change, import->crosswalk, NULL);
    if (result == OK && change.view.state.last_load == UINT32_MAX)
        result = ERR_LIMIT;
    if (result == OK)
        result = life_put(import->crosswalk, &change.transaction);
    uint32_t load = ++change.view.state.last_load;
    result = change_commit(&change, result);
    if (result == OK)
        import->load = import->crosswalk->importing = load;
    return result;
}

static enum result parts_make(struct crosswalk_import *import, const struct crosswalk_import_options *options)
{
    struct csv_visitor visitor = {.record = on_record, .fault = on_fault, .argument = import};
    const char *folder = options->folder != NULL ? options->folder : CROSSWALK_IMPORT_FOLDER;
    size_t memory = options->memory > 0 ? options->memory : MEMORY_DEFAULT;
    enum result result = folder_clear(import, folder);
    if (result == OK)
        result = seal_random((uint8_t *)&import->seed, sizeof import->seed);
    if (result == OK)
        result = csv_new(&visitor, &import->csv);
    if (result == OK)
        result = sorter_new(import->fs, folder, "source", SOURCE_KEY + LINE_SIZE, memory / 3 * 2,
                            &import->sources);
    if (result == OK)
        result =
            sorter_new(import->fs, folder, "target", TARGET_KEY + LINE_SIZE, memory / 3, &import->targets);
    if (result != OK)
        return result;
    import->entries = malloc(BATCH_BYTES + ENTRY_MAX);
    import->digest = EVP_MD_CTX_new();
    if (import->entries == NULL || import->digest == NULL)
        return ERR_NOMEM;
    return EVP_DigestInit_ex(import->digest, EVP_sha256(), NULL) == 1 ? OK : ERR_CRYPTO;
}

static bool order_take(struct crosswalk_import *import, const struct crosswalk_order *order)
{
    import->order =
        (struct crosswalk_order){.now = order->now, .person = import->person, .reason = import->reason};
    return import->is_dry ||
           (order->person != NULL && order->person[0] != 0 && order->reason != NULL &&
            order->reason[0] != 0 &&
            text_copy(import->person, sizeof import->person, slice_of_text(order->person)) &&
            text_copy(import->reason, sizeof import->reason, slice_of_text(order->reason)));
}

enum result crosswalk_import_new(struct crosswalk *crosswalk, struct fs *fs,
                                 const struct crosswalk_import_options *options,
                                 struct crosswalk_import **out)
{
    MAGIC_CHECK(crosswalk, CROSSWALK_MAGIC);
    if (crosswalk->is_importing)
        return ERR_EXISTS;
    if (crosswalk->env->read_only && !options->is_dry)
        return ERR_REFUSED;
    struct crosswalk_import *import = calloc(1, sizeof *import);
    if (import == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(import, IMPORT_MAGIC);
    import->crosswalk = crosswalk;
    import->fs = fs;
    import->is_dry = options->is_dry;
    import->batch = options->batch > 0 ? options->batch : BATCH_DEFAULT;
    crosswalk->is_importing = true;
    enum result result = order_take(import, &options->order) ? OK : ERR_ARGUMENT;
    if (result == OK)
        result = parts_make(import, options);
    if (result == OK && !import->is_dry)
        result = load_reserve(import);
    if (result == OK)
        *out = import;
    else
        crosswalk_import_free(import);
    return result;
}

void crosswalk_import_free(struct crosswalk_import *import)
{
    if (import == NULL)
        return;
    MAGIC_CHECK(import, IMPORT_MAGIC);
    import->crosswalk->importing = 0;
    import->crosswalk->is_importing = false;
    csv_free(import->csv);
    sorter_free(import->sources);
    sorter_free(import->targets);
    EVP_MD_CTX_free(import->digest);
    free(import->conflicts);
    free(import->entries);
    MAGIC_CLEAR(import);
    free(import);
}

static enum result import_fail(struct crosswalk_import *import, enum result result)
{
    if (result != OK && result != AGAIN)
        import->phase = PHASE_FAILED;
    return result;
}

enum result crosswalk_import_feed(struct crosswalk_import *import, struct slice bytes)
{
    MAGIC_CHECK(import, IMPORT_MAGIC);
    ensure(import->phase == PHASE_READING);
    if (EVP_DigestUpdate(import->digest, bytes.data, bytes.length) != 1)
        return import_fail(import, ERR_CRYPTO);
    enum result result = csv_feed(import->csv, bytes);
    // It has stopped at a fault, which is listed.
    return import_fail(import, result == ERR_FORMAT && import->conflict_count > 0 ? OK : result);
}

enum result crosswalk_import_end(struct crosswalk_import *import)
{
    MAGIC_CHECK(import, IMPORT_MAGIC);
    ensure(import->phase == PHASE_READING);
    enum result result = csv_end(import->csv);
    if (EVP_DigestFinal_ex(import->digest, import->sum, NULL) != 1)
        result = ERR_CRYPTO;
    if (result == ERR_FORMAT && import->conflict_count > 0)
        result = OK;
    if (result == OK && !import->has_header)
        result = conflict_add(import, 1, CROSSWALK_FAULT_EMPTY, 0);
    if (result == OK)
        result = sorter_end(import->sources);
    if (result == OK)
        result = sorter_end(import->targets);
    import->phase = PHASE_SOURCES;
    return import_fail(import, result);
}

// ---- a batch: entries of two bytes key length, two bytes value length, key, value

static void entry_add(struct crosswalk_import *import, const struct key *key, struct slice value)
{
    struct writer writer = writer_of(import->entries + import->entry_bytes, ENTRY_MAX);
    if (!is_loading(import))
        return;
    writer_u16be(&writer, (uint16_t)key->length);
    writer_u16be(&writer, (uint16_t)value.length);
    writer_slice_put(&writer, key_slice(key));
    writer_slice_put(&writer, value);
    ensure(!writer.failed);
    import->entry_bytes += writer.length;
    import->entry_count++;
}

static enum result batch_write(struct crosswalk_import *import, enum database database)
{
    struct kv_transaction transaction;
    struct cursor cursor = cursor_of(slice_of(import->entries, import->entry_bytes));
    if (!is_loading(import))
        import->entry_bytes = import->entry_count = 0;
    if (import->entry_count == 0)
        return OK;
    enum result result = kv_begin(import->crosswalk->env, KV_WRITE, &transaction);
    while (result == OK && cursor_left(&cursor) > 0) {
        size_t key_length = cursor_u16be(&cursor);
        size_t value_length = cursor_u16be(&cursor);
        struct slice key = cursor_take(&cursor, key_length);
        struct slice value = cursor_take(&cursor, value_length);
        ensure(!cursor.failed);
        result = kv_put(&transaction, database, key, value, KV_APPEND);
    }
    if (result == OK)
        result = kv_commit(&transaction);
    kv_abort(&transaction);
    if (result == OK)
        import->entry_bytes = import->entry_count = 0;
    return result;
}

// ---- by source

static struct source_record source_decode(struct slice bytes)
{
    struct source_record record;
    struct cursor cursor = cursor_of(bytes);
    memcpy(record.source, cursor_take(&cursor, HASH_SIZE).data, HASH_SIZE);
    record.to = cursor_u16be(&cursor);
    record.line = cursor_u64be(&cursor);
    record.from = cursor_u16be(&cursor);
    memcpy(record.target, cursor_take(&cursor, HASH_SIZE).data, HASH_SIZE);
    record.print = cursor_u64be(&cursor);
    record.sealed = cursor_take(&cursor, cursor_left(&cursor));
    ensure(!cursor.failed);
    return record;
}

static enum result source_meet(struct crosswalk_import *import, const struct source_record *record)
{
    const struct source_record *first = &import->first_source;
    if (!import->has_first || memcmp(first->source, record->source, HASH_SIZE) != 0 ||
        first->to != record->to) {
        struct key key = source_key(import->load, record->to, record->source);
        import->has_first = true;
        import->first_source = *record;
        import->directions[record->from][record->to].rows++;
        entry_add(import, &key, record->sealed);
        return OK;
    }
    if (memcmp(first->target, record->target, HASH_SIZE) != 0)
        return conflict_add(import, record->line, CROSSWALK_FAULT_TWO_TARGETS, first->line);
    if (first->print != record->print)
        return conflict_add(import, record->line, CROSSWALK_FAULT_DIFFERS, first->line);
    import->figures.repeated++;
    return OK;
}

// ---- by target

static struct target_record target_decode(struct slice bytes)
{
    struct target_record record;
    struct cursor cursor = cursor_of(bytes);
    memcpy(record.target, cursor_take(&cursor, HASH_SIZE).data, HASH_SIZE);
    record.from = cursor_u16be(&cursor);
    memcpy(record.source, cursor_take(&cursor, HASH_SIZE).data, HASH_SIZE);
    record.line = cursor_u64be(&cursor);
    record.print = cursor_u64be(&cursor);
    record.is_preferred = cursor_u8(&cursor) != 0;
    ensure(!cursor.failed);
    return record;
}

static enum result target_meet(struct crosswalk_import *import, const struct target_record *record)
{
    const uint8_t preferred[1] = {record->is_preferred};
    bool is_new = !import->has_first || memcmp(import->first_target.target, record->target, HASH_SIZE) != 0;
    bool is_other_domain = is_new || import->last_target.from != record->from;
    bool is_repeated = !is_other_domain && memcmp(import->last_target.source, record->source, HASH_SIZE) == 0;
    enum result result = OK;
    if (is_new)
        import->first_target = *record;
    if (is_other_domain)
        import->preferred_line = 0;
    import->has_first = true;
    import->last_target = *record;
    if (import->first_target.print != record->print)
        result = conflict_between(import, CROSSWALK_FAULT_SPELLING, record->line, import->first_target.line);
    if (result != OK || is_repeated)
        return result;
    if (record->is_preferred && import->preferred_line != 0)
        result =
            conflict_between(import, CROSSWALK_FAULT_TWO_PREFERRED, record->line, import->preferred_line);
    else if (record->is_preferred)
        import->preferred_line = record->line;
    struct key key = target_key(import->load, record->from, record->target, record->source);
    entry_add(import, &key, slice_of(preferred, 1));
    return result;
}

// ---- stepping

static enum result record_meet(struct crosswalk_import *import, struct slice bytes)
{
    if (import->phase == PHASE_SOURCES) {
        struct source_record record = source_decode(bytes);
        return source_meet(import, &record);
    }
    struct target_record record = target_decode(bytes);
    return target_meet(import, &record);
}

// Fills a batch, unless one waits to be written again, and writes it. AGAIN: there is more.
static enum result pass_step(struct crosswalk_import *import, struct sorter *sorter, enum database database,
                             enum phase next)
{
    struct slice bytes;
    enum result result = OK;
    bool is_over = false;
    for (uint32_t i = 0; import->entry_count < import->batch && import->entry_bytes < BATCH_BYTES &&
                         i < import->batch && result == OK && !is_over;
         i++) {
        result = sorter_next(sorter, &bytes);
        is_over = result == ERR_MISSING;
        if (result == OK)
            result = record_meet(import, bytes);
    }
    if (result == OK || is_over)
        result = batch_write(import, database);
    if (result == OK && is_over) {
        import->phase = next;
        import->has_first = false;
    }
    return result == OK ? AGAIN : result;
}

static enum result directions_put(struct crosswalk_import *import, struct kv_transaction *transaction,
                                  uint64_t *rows)
{
    uint8_t memory[8];
    enum result result = OK;
    *rows = 0;
    for (uint16_t from = 1; from <= CROSSWALK_DOMAINS_MAX; from++)
        for (uint16_t to = 1; result == OK && to <= CROSSWALK_DOMAINS_MAX; to++) {
            const struct direction *direction = &import->directions[from][to];
            struct key key = pair_key(import->load, from, to);
            struct writer writer = writer_of(memory, sizeof memory);
            writer_u64be(&writer, direction->rows);
            if (direction->rows > 0)
                result = kv_put(transaction, DB_PAIR, key_slice(&key), writer_slice(&writer), KV_PLAIN);
            *rows += direction->rows;
        }
    return result;
}

// The one small transaction.
static enum result import_switch(struct crosswalk_import *import)
{
    struct change change;
    struct state *state = &change.view.state;
    uint64_t rows = 0;
    enum result result = change_begin(&change, import->crosswalk, &import->order);
    memcpy(change.act.digest, import->sum, sizeof import->sum);
    if (result == OK)
        result = directions_put(import, &change.transaction, &rows);
    for (size_t i = 0; result == OK && i < import->time_count; i++)
        result = future_put(&change.transaction, import->times[i]);
    if (result == OK) {
        state->load = import->load;
        state->rows = change.act.rows = rows;
        state->imported_at = import->order.now;
        state->generation++;
        import->figures.generation = state->generation;
        result = change_log(&change, CROSSWALK_ACT_IMPORT);
    }
    result = change_commit(&change, result);
    if (result == OK)
        import->phase = PHASE_DONE;
    return result;
}

static enum result verdict_get(struct crosswalk_import *import)
{
    if (import->listed > 0)
        qsort(import->conflicts, import->listed, sizeof *import->conflicts, conflict_compare);
    if (import->conflict_count > 0)
        return ERR_REFUSED;
    if (!import->is_dry)
        return import_switch(import);
    import->phase = PHASE_DONE;
    return OK;
}

enum result crosswalk_import_step(struct crosswalk_import *import)
{
    MAGIC_CHECK(import, IMPORT_MAGIC);
    switch (import->phase) {
    case PHASE_SOURCES:
        return import_fail(import, pass_step(import, import->sources, DB_SOURCE, PHASE_TARGETS));
    case PHASE_TARGETS:
        return import_fail(import, pass_step(import, import->targets, DB_TARGET, PHASE_SWITCH));
    case PHASE_SWITCH:
        return import_fail(import, verdict_get(import));
    case PHASE_DONE:
        return OK;
    case PHASE_READING:
    case PHASE_FAILED:
        break;
    }
    return ERR_ARGUMENT;
}
