// SPDX-License-Identifier: Apache-2.0
//
// Opening the crosswalk: its schema, keys, state, and domains; see store/crosswalk.h. Thread: main, or the
// one that writes.
#include "crosswalk_act.h"

#include "base/cursor.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "cbor/writer.h"

#include <stdlib.h>

#define STATE_KEY  "state"
#define SCHEMA     1
#define CHECK_TEXT "dicomgate crosswalk"
#define HASH_LABEL "crosswalk"

enum { ATTEMPTS_MAX = 3 }; // of a transaction that met a full map

enum state_field {
    STATE_SCHEMA = 1,
    STATE_GENERATION = 2,
    STATE_LOAD = 3,
    STATE_LAST_LOAD = 4,
    STATE_HORIZON = 5,
    STATE_ACTS = 6,
    STATE_IMPORTED_AT = 7,
    STATE_ROWS = 8,
    STATE_CHECK = 9,
};

enum domain_field { DOMAIN_NUMBER = 1, DOMAIN_LEADING_ZEROS = 2, DOMAIN_CASE = 3 };

static const struct kv_database databases[] = {
    [DB_META] = {.name = "meta"},     [DB_DOMAIN] = {.name = "domain"}, [DB_WRITER] = {.name = "writer"},
    [DB_SOURCE] = {.name = "source"}, [DB_TARGET] = {.name = "target"}, [DB_PAIR] = {.name = "pair"},
    [DB_MERGE] = {.name = "merge"},   [DB_MERGED] = {.name = "merged"}, [DB_PIN] = {.name = "pin"},
    [DB_MOVE] = {.name = "move"},     [DB_FUTURE] = {.name = "future"}, [DB_ACT] = {.name = "act"},
};

const struct kv_schema crosswalk_schema = {
    .name = "crosswalk",
    .databases = databases,
    .count = sizeof databases / sizeof databases[0],
};

// ---- keys

static struct key key_make(struct writer *writer, struct key *key)
{
    ensure(!writer->failed);
    key->length = writer->length;
    return *key;
}

struct key source_key(uint32_t load, uint16_t to, const id_hash source)
{
    struct key key;
    struct writer writer = writer_of(key.bytes, sizeof key.bytes);
    writer_u32be(&writer, load);
    writer_put(&writer, source, HASH_SIZE);
    writer_u16be(&writer, to);
    return key_make(&writer, &key);
}

struct key target_prefix(uint32_t load, uint16_t from, const id_hash target)
{
    return source_key(load, from, target); // the same shape
}

struct key target_key(uint32_t load, uint16_t from, const id_hash target, const id_hash source)
{
    struct key key = target_prefix(load, from, target);
    memcpy(key.bytes + key.length, source, HASH_SIZE);
    key.length += HASH_SIZE;
    return key;
}

struct key pair_key(uint32_t load, uint16_t from, uint16_t to)
{
    struct key key;
    struct writer writer = writer_of(key.bytes, sizeof key.bytes);
    writer_u32be(&writer, load);
    writer_u16be(&writer, from);
    writer_u16be(&writer, to);
    return key_make(&writer, &key);
}

struct key merge_key(uint16_t domain, const id_hash id)
{
    struct key key;
    struct writer writer = writer_of(key.bytes, sizeof key.bytes);
    writer_u16be(&writer, domain);
    writer_put(&writer, id, HASH_SIZE);
    return key_make(&writer, &key);
}

struct key merged_prefix(uint16_t domain, const id_hash into)
{
    return merge_key(domain, into);
}

struct key merged_key(uint16_t domain, const id_hash into, const id_hash id)
{
    struct key key = merged_prefix(domain, into);
    memcpy(key.bytes + key.length, id, HASH_SIZE);
    key.length += HASH_SIZE;
    return key;
}

struct key pin_key(const id_hash study, uint32_t archive)
{
    struct key key;
    struct writer writer = writer_of(key.bytes, sizeof key.bytes);
    writer_put(&writer, study, HASH_SIZE);
    writer_u32be(&writer, archive);
    return key_make(&writer, &key);
}

struct key move_key(const id_hash study, uint16_t domain)
{
    struct key key;
    struct writer writer = writer_of(key.bytes, sizeof key.bytes);
    writer_put(&writer, study, HASH_SIZE);
    writer_u16be(&writer, domain);
    return key_make(&writer, &key);
}

struct key number_key(uint64_t number)
{
    struct key key;
    struct writer writer = writer_of(key.bytes, sizeof key.bytes);
    writer_u64be(&writer, number);
    return key_make(&writer, &key);
}

bool key_has_prefix(struct slice key, const struct key *prefix)
{
    return key.length >= prefix->length && memcmp(key.data, prefix->bytes, prefix->length) == 0;
}

// ---- state

enum result state_get(struct kv_transaction *transaction, struct state *state)
{
    struct slice value;
    struct cbor_reader reader;
    int64_t field;
    uint64_t schema = 0;
    enum result result = kv_get(transaction, DB_META, slice_of_text(STATE_KEY), &value);
    if (result != OK)
        return result;
    struct state found = {0};
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == STATE_SCHEMA)
            schema = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == STATE_GENERATION)
            found.generation = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == STATE_LOAD)
            found.load = (uint32_t)cbor_take_uint(&reader, UINT32_MAX);
        else if (field == STATE_LAST_LOAD)
            found.last_load = (uint32_t)cbor_take_uint(&reader, UINT32_MAX);
        else if (field == STATE_HORIZON)
            found.horizon = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == STATE_ACTS)
            found.acts = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == STATE_IMPORTED_AT)
            found.imported_at = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == STATE_ROWS)
            found.rows = cbor_take_uint(&reader, UINT64_MAX);
        else if (field == STATE_CHECK)
            cbor_take_exact(&reader, found.check, sizeof found.check);
    }
    result = cbor_reader_result(&reader);
    if (result == OK && schema != SCHEMA)
        result = ERR_FORMAT;
    if (result == OK)
        *state = found;
    return result;
}

enum result state_put(struct kv_transaction *transaction, const struct state *state)
{
    uint8_t memory[256];
    struct cbor_writer writer;
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, STATE_SCHEMA, SCHEMA);
    cbor_put_uint(&writer, STATE_GENERATION, state->generation);
    cbor_put_uint(&writer, STATE_LOAD, state->load);
    cbor_put_uint(&writer, STATE_LAST_LOAD, state->last_load);
    cbor_put_uint(&writer, STATE_HORIZON, state->horizon);
    cbor_put_uint(&writer, STATE_ACTS, state->acts);
    cbor_put_uint(&writer, STATE_IMPORTED_AT, state->imported_at);
    cbor_put_uint(&writer, STATE_ROWS, state->rows);
    cbor_put_bytes(&writer, STATE_CHECK, slice_of(state->check, sizeof state->check));
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, DB_META, slice_of_text(STATE_KEY), cbor_writer_slice(&writer), KV_PLAIN);
}

// ---- domains

static struct domain *domain_by_name(struct crosswalk *crosswalk, const char *name)
{
    for (size_t i = 0; i < crosswalk->domain_count; i++)
        if (strcmp(crosswalk->domains[i].name, name) == 0)
            return &crosswalk->domains[i];
    return NULL;
}

static enum result domain_load(struct crosswalk *crosswalk, struct slice name, struct slice value)
{
    struct cbor_reader reader;
    int64_t field;
    if (crosswalk->domain_count == CROSSWALK_DOMAINS_MAX)
        return ERR_LIMIT;
    struct domain *domain = &crosswalk->domains[crosswalk->domain_count];
    *domain = (struct domain){.number = 0};
    if (!text_copy(domain->name, sizeof domain->name, name))
        return ERR_FORMAT;
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == DOMAIN_NUMBER)
            domain->number = (uint16_t)cbor_take_uint(&reader, CROSSWALK_DOMAINS_MAX);
        else if (field == DOMAIN_LEADING_ZEROS)
            domain->strips_leading_zeros = cbor_take_bool(&reader);
        else if (field == DOMAIN_CASE)
            domain->folds_case = cbor_take_bool(&reader);
    }
    if (cbor_reader_result(&reader) != OK || domain->number == 0)
        return ERR_FORMAT;
    crosswalk->domain_count++;
    return OK;
}

static enum result domains_load(struct crosswalk *crosswalk, struct kv_transaction *transaction)
{
    struct kv_cursor cursor = {0};
    enum result result = kv_cursor_init(&cursor, transaction, DB_DOMAIN);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK) {
        result = domain_load(crosswalk, cursor.key, cursor.value);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result domain_put(struct kv_transaction *transaction, const struct domain *domain)
{
    uint8_t memory[64];
    struct cbor_writer writer;
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, DOMAIN_NUMBER, domain->number);
    cbor_put_bool(&writer, DOMAIN_LEADING_ZEROS, domain->strips_leading_zeros);
    cbor_put_bool(&writer, DOMAIN_CASE, domain->folds_case);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, DB_DOMAIN, slice_of_text(domain->name), cbor_writer_slice(&writer), KV_PLAIN);
}

// Whether rows in force were hashed by the options of this domain.
static enum result rows_use(struct kv_transaction *transaction, const struct state *state, uint16_t number,
                            bool *is_used)
{
    struct kv_cursor cursor = {0};
    struct key pair = pair_key(state->load, 0, 0);
    enum result result = kv_cursor_init(&cursor, transaction, DB_PAIR);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key_slice(&pair));
    while (result == OK && cursor.key.length == 8 && memcmp(cursor.key.data, pair.bytes, 4) == 0) {
        struct cursor at = cursor_of(slice_from(cursor.key, 4));
        *is_used |= cursor_u16be(&at) == number || cursor_u16be(&at) == number;
        result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

// The same of merges that are not over. Those that are go: with other options they would not be in their
// place.
static enum result merges_use(struct view *view, uint16_t number, bool *is_used)
{
    struct kv_cursor cursor = {0};
    struct merge merge;
    struct key prefix = {.length = 2, .bytes = {(uint8_t)(number >> 8), (uint8_t)number}};
    enum result result = OK;
    while (result == OK && !*is_used) {
        id_hash id;
        result = kv_cursor_init(&cursor, view->in, DB_MERGE);
        if (result == OK)
            result = kv_cursor_seek(&cursor, key_slice(&prefix));
        if (result == OK && !key_has_prefix(cursor.key, &prefix))
            result = ERR_MISSING;
        if (result == OK && cursor.key.length != prefix.length + HASH_SIZE)
            result = ERR_FORMAT;
        if (result == OK)
            memcpy(id, cursor.key.data + prefix.length, HASH_SIZE);
        kv_cursor_fini(&cursor);
        if (result == OK)
            result = merge_find(view, number, id, &merge);
        if (result == OK && merge_is_over(&merge, view->state.horizon))
            result = merge_delete(view, number, id, &merge);
        else if (result == OK)
            *is_used = true;
    }
    wipe(&merge, sizeof merge);
    return result == ERR_MISSING ? OK : result;
}

// Whether what counts in the store was hashed by the options of this domain.
static enum result domain_is_used(struct crosswalk *crosswalk, struct kv_transaction *transaction,
                                  const struct state *state, uint16_t number, bool *is_used)
{
    struct view view;
    enum result result = rows_use(transaction, state, number, is_used);
    if (result == OK && !*is_used)
        result = view_over(&view, crosswalk->own, transaction);
    return result == OK && !*is_used ? merges_use(&view, number, is_used) : result;
}

static bool domain_says(const struct domain *domain, const struct crosswalk_domain *wanted)
{
    return domain->strips_leading_zeros == wanted->strips_leading_zeros &&
           domain->folds_case == wanted->folds_case;
}

// A domain of the configuration: new, with other options, or as it was.
static enum result domain_meet(struct crosswalk *crosswalk, struct kv_transaction *transaction,
                               const struct state *state, const struct crosswalk_domain *wanted)
{
    struct domain *domain = domain_by_name(crosswalk, wanted->name);
    bool is_used = false;
    if (strlen(wanted->name) >= CROSSWALK_DOMAIN_BYTES)
        return ERR_LIMIT;
    if (domain != NULL && domain_says(domain, wanted))
        return OK;
    if (domain != NULL) {
        enum result result = crosswalk->env->read_only
                                 ? OK
                                 : domain_is_used(crosswalk, transaction, state, domain->number, &is_used);
        domain->is_differing = is_used || crosswalk->env->read_only;
        if (result != OK || domain->is_differing)
            return result;
    } else if (crosswalk->env->read_only) {
        return OK;
    } else if (crosswalk->domain_count == CROSSWALK_DOMAINS_MAX) {
        return ERR_LIMIT;
    } else {
        domain = &crosswalk->domains[crosswalk->domain_count++];
        *domain = (struct domain){.number = (uint16_t)crosswalk->domain_count}; // none is ever removed
        (void)text_copy(domain->name, sizeof domain->name, slice_of_text(wanted->name));
    }
    domain->strips_leading_zeros = wanted->strips_leading_zeros;
    domain->folds_case = wanted->folds_case;
    return domain_put(transaction, domain);
}

uint16_t crosswalk_domain_find(const struct crosswalk *crosswalk, const char *name)
{
    MAGIC_CHECK(crosswalk, CROSSWALK_MAGIC);
    for (size_t i = 0; i < crosswalk->domain_count; i++)
        if (strcmp(crosswalk->domains[i].name, name) == 0)
            return crosswalk->domains[i].number;
    return 0;
}

const struct domain *domain_get(const struct crosswalk *crosswalk, uint16_t number)
{
    for (size_t i = 0; i < crosswalk->domain_count; i++)
        if (crosswalk->domains[i].number == number)
            return &crosswalk->domains[i];
    return NULL;
}

const char *crosswalk_domain_name(const struct crosswalk *crosswalk, uint16_t number)
{
    const struct domain *domain = domain_get(crosswalk, number);
    return domain != NULL ? domain->name : "";
}

const char *crosswalk_domain_differing(const struct crosswalk *crosswalk)
{
    for (size_t i = 0; i < crosswalk->domain_count; i++)
        if (crosswalk->domains[i].is_differing)
            return crosswalk->domains[i].name;
    return NULL;
}

// ---- opening

// The key file is the one that the store was made with, or the store is new.
static enum result key_check(struct crosswalk *crosswalk, struct kv_transaction *transaction,
                             struct state *state)
{
    uint8_t check[SEAL_HASH_SIZE];
    enum result result = seal_hash_of(crosswalk->own->hash, slice_of_text(CHECK_TEXT), check);
    if (result == OK)
        result = state_get(transaction, state);
    if (result == OK)
        return memcmp(check, state->check, sizeof check) == 0 ? OK : ERR_CRYPTO;
    if (result != ERR_MISSING)
        return result;
    *state = (struct state){.generation = 0};
    memcpy(state->check, check, sizeof check);
    crosswalk->is_fresh = crosswalk->env->read_only;
    return crosswalk->is_fresh ? OK : state_put(transaction, state);
}

// One transaction. With an order, which needs the life to have begun, the store is a new one by that order.
static enum result store_load(struct crosswalk *crosswalk, const struct crosswalk_domain *domains,
                              size_t count, const struct crosswalk_order *order)
{
    struct change change = {.crosswalk = crosswalk, .order = order};
    struct kv_transaction *transaction = &change.transaction;
    struct state *state = &change.view.state;
    crosswalk->domain_count = 0;
    enum result result =
        kv_begin(crosswalk->env, crosswalk->env->read_only ? KV_READ : KV_WRITE, transaction);
    if (result == OK)
        result = key_check(crosswalk, transaction, state);
    if (result == OK)
        result = domains_load(crosswalk, transaction);
    for (size_t i = 0; result == OK && i < count; i++)
        result = domain_meet(crosswalk, transaction, state, &domains[i]);
    if (result == OK && order != NULL)
        result = change_log(&change, CROSSWALK_ACT_INIT);
    if (result == OK && order != NULL)
        result = state_put(transaction, state);
    if (result == OK)
        return kv_commit(transaction);
    kv_abort(transaction);
    return result;
}

static enum result store_load_again(struct crosswalk *crosswalk, const struct crosswalk_domain *domains,
                                    size_t count, const struct crosswalk_order *order)
{
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < ATTEMPTS_MAX; attempt++)
        result = store_load(crosswalk, domains, count, order);
    return result;
}

static const char *why(enum result result)
{
    if (result == ERR_CRYPTO || result == ERR_MISSING)
        return "the key file is not the one that the crosswalk was made with: put a backup of it back "
               "(`dicomgate key restore`)";
    if (result == ERR_LIMIT)
        return "there are more domains than it can hold, or a name is too long";
    if (result == ERR_FORMAT)
        return "the crosswalk was written by another version, or is damaged";
    if (result == ERR_LOST)
        return "it is empty, but the key file knows that there was one";
    if (result == ERR_EXISTS)
        return "it is there: nothing is lost, and nothing was changed";
    if (result == ERR_ARGUMENT)
        return "person or reason is missing, or too long";
    return result_text(result);
}

// Whether something was ever stored, that is, hashed.
static enum result begun_get(struct kv_env *env, bool *has_begun)
{
    struct kv_transaction transaction;
    struct state state;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = state_get(&transaction, &state);
    kv_abort(&transaction);
    *has_begun = result == OK;
    return result == ERR_MISSING ? OK : result;
}

static enum result reader_make(struct crosswalk *crosswalk, bool makes_key, struct crosswalk_reader **out)
{
    struct crosswalk_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(reader, READER_MAGIC);
    reader->crosswalk = crosswalk;
    enum result result = makes_key ? seal_keyring_hash_new(crosswalk->keyring, HASH_LABEL, &reader->hash)
                                   : seal_keyring_hash_get(crosswalk->keyring, HASH_LABEL, &reader->hash);
    if (result == OK)
        result = seal_cipher_new(&reader->cipher);
    if (result == OK)
        *out = reader;
    else
        crosswalk_reader_free(reader);
    return result;
}

static void explain(enum result result, struct crosswalk_problem *problem)
{
    if (problem != NULL)
        (void)text_format(problem->text, sizeof problem->text, "crosswalk: %s", why(result));
}

static struct crosswalk *object_new(struct kv_env *env, struct seal_keyring *keyring)
{
    struct crosswalk *crosswalk = calloc(1, sizeof *crosswalk);
    if (crosswalk == NULL)
        return NULL;
    MAGIC_INIT(crosswalk, CROSSWALK_MAGIC);
    crosswalk->env = env;
    crosswalk->keyring = keyring;
    return crosswalk;
}

// The lasting key of its values is made last, when the store's first transaction is durable: a key without a
// store is a store that is lost, and a cut in the first start leaves a store without a key at the worst.
enum result crosswalk_new(struct kv_env *env, struct seal_keyring *keyring,
                          const struct crosswalk_domain *domains, size_t count, struct crosswalk **out,
                          struct crosswalk_problem *problem)
{
    struct crosswalk *crosswalk = object_new(env, keyring);
    bool has_begun = false;
    enum result result = crosswalk != NULL ? begun_get(env, &has_begun) : ERR_NOMEM;
    if (result == OK && !has_begun && seal_keyring_lasting_has(keyring, SEAL_LASTING_CROSSWALK))
        result = ERR_LOST;
    if (result == OK)
        result = reader_make(crosswalk, !has_begun, &crosswalk->own);
    if (result == ERR_MISSING && has_begun)
        result = ERR_CRYPTO; // no other key is made in place of the lost one
    if (result == OK)
        result = store_load_again(crosswalk, domains, count, NULL);
    if (result == OK)
        result = lives_check(crosswalk); // before another key is made: no key file would open everything then
    if (result == OK && !env->read_only)
        result = life_begin(crosswalk); // its lasting key is in every backup of keys from now on
    if (result == OK) {
        *out = crosswalk;
        return OK;
    }
    explain(result, problem);
    crosswalk_free(crosswalk);
    return result;
}

enum result crosswalk_renew(struct kv_env *env, struct seal_keyring *keyring,
                            const struct crosswalk_order *order, struct crosswalk_problem *problem)
{
    struct crosswalk *crosswalk = object_new(env, keyring);
    bool has_begun = false;
    enum result result = crosswalk != NULL ? begun_get(env, &has_begun) : ERR_NOMEM;
    if (result == OK && (has_begun || !seal_keyring_lasting_has(keyring, SEAL_LASTING_CROSSWALK)))
        result = ERR_EXISTS;
    if (result == OK)
        result = reader_make(crosswalk, false, &crosswalk->own);
    if (result == OK)
        result = life_begin(crosswalk);
    if (result == OK)
        result = store_load_again(crosswalk, NULL, 0, order);
    if (result != OK)
        explain(result, problem);
    crosswalk_free(crosswalk);
    return result;
}

void crosswalk_free(struct crosswalk *crosswalk)
{
    if (crosswalk == NULL)
        return;
    MAGIC_CHECK(crosswalk, CROSSWALK_MAGIC);
    ensure(!crosswalk->is_importing);
    crosswalk_reader_free(crosswalk->own);
    seal_key_unref(crosswalk->key);
    MAGIC_CLEAR(crosswalk);
    free(crosswalk);
}

enum result crosswalk_reader_new(struct crosswalk *crosswalk, struct crosswalk_reader **out)
{
    MAGIC_CHECK(crosswalk, CROSSWALK_MAGIC);
    return reader_make(crosswalk, false, out);
}

void crosswalk_reader_free(struct crosswalk_reader *reader)
{
    if (reader == NULL)
        return;
    MAGIC_CHECK(reader, READER_MAGIC);
    for (size_t i = 0; i < KEYS_HELD; i++)
        seal_key_unref(reader->keys[i].key);
    seal_cipher_free(reader->cipher);
    seal_hash_free(reader->hash);
    MAGIC_CLEAR(reader);
    free(reader);
}
