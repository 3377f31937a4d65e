// SPDX-License-Identifier: Apache-2.0
// See rig.h.
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "forward/receipt.h"
#include "order/gate.h"
#include "seal/keyring.h"
#include "store/control.h"

static const char CONFIGURATION[] =
    "gateway:   { ae_title: DICOMGATE, data: /var/lib/dicomgate, workers: 2 }\n"
    "listeners: [ { name: bench, address: \"127.0.0.1:11112\", plain: yes } ]\n"
    "titles:    [DICOMGATE]\n"
    "nodes:\n"
    "  legacy:  { id: 1, kind: archive, ae_title: OLD, address: \"10.0.0.5:104\", plain: yes }\n"
    "  new:     { id: 2, kind: archive, ae_title: NEW, address: \"10.0.0.9:104\", plain: yes }\n"
    "phases:\n"
    "  coexist: { store: [ { to: [legacy, new], acknowledge: durable, negotiate: learned } ] }\n"
    "start_phase: coexist\n";

static struct configuration *configuration_make(void)
{
    struct configuration *configuration = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = configuration_parse("/etc/gate/g.yaml", CONFIGURATION, strlen(CONFIGURATION), false,
                                             &configuration, &errors);
    if (result != OK)
        fail_msg("%s", errors.count > 0 ? errors.item[0].text : "not read");
    conf_errors_fini(&errors);
    assert_int_equal(result, OK);
    return configuration;
}

static void stores_make(struct rig *rig)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};
    struct fs_sim_options options = {.seed = 1};
    assert_int_equal(fs_sim_new(&options, &rig->disk), OK);
    assert_int_equal(fs_sim_mount(rig->disk, &rig->fs), OK);
    assert_int_equal(seal_master_from_bytes(key, &rig->master), OK);
    assert_int_equal(seal_keyring_create(rig->fs, "keyring", rig->master, NULL), OK);
    assert_int_equal(seal_keyring_open(rig->fs, "keyring", rig->master, 20000, &rig->keyring, NULL), OK);
    assert_int_equal(kv_sim_disk_new(&rig->ledger_disk), OK);
    assert_int_equal(kv_sim_disk_new(&rig->control_disk), OK);
    assert_int_equal(kv_sim_open(rig->ledger_disk, &ledger_schema, &rig->ledger), OK);
    assert_int_equal(kv_sim_open(rig->control_disk, &control_schema, &rig->control), OK);
}

static void loops_make(struct rig *rig)
{
    rig->world = sim_world_new(7);
    rig->main_loop = sim_loop_new(rig->world, "main");
    rig->ledger_loop = sim_loop_new(rig->world, "ledger");
    rig->lookup_loop = sim_loop_new(rig->world, "lookup");
    for (unsigned i = 0; i < RIG_WORKERS; i++) {
        rig->worker_loops[i] = sim_loop_new(rig->world, "worker");
        rig->disk_loops[i] = sim_loop_new(rig->world, "disk");
    }
    rig->network = memory_network_new(rig->world);
}

struct rig *rig_new(bool is_paused)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    rig->configuration = configuration_make();
    stores_make(rig);
    loops_make(rig);
    rig->dialers[0] = rig->dialers[1] = memory_network_dialer(rig->network);
    struct platform platform = {.fs = rig->fs,
                                .keyring = rig->keyring,
                                .ledger = rig->ledger,
                                .control = rig->control,
                                .dialers = rig->dialers,
                                .main_loop = rig->main_loop,
                                .ledger_loop = rig->ledger_loop,
                                .lookup_loop = rig->lookup_loop,
                                .worker_loops = rig->worker_loops,
                                .disk_loops = rig->disk_loops,
                                .workers = RIG_WORKERS};
    assert_int_equal(gateway_new(&platform, rig->configuration, &rig->gateway), OK);
    assert_int_equal(gateway_recover(rig->gateway), OK);
    assert_int_equal(gateway_start(rig->gateway), OK);
    for (size_t i = 0; i < rig->gateway->node_count; i++)
        rig->gateway->nodes[i].is_paused = is_paused;
    assert_int_equal(actions_new(rig->gateway, &rig->actions), OK);
    rig_run(rig, 1000);
    return rig;
}

void rig_free(struct rig *rig)
{
    actions_free(rig->actions);
    gateway_free(rig->gateway);
    memory_network_free(&rig->network);
    for (unsigned i = 0; i < RIG_WORKERS; i++) {
        ev_loop_free(&rig->worker_loops[i]);
        ev_loop_free(&rig->disk_loops[i]);
    }
    ev_loop_free(&rig->main_loop);
    ev_loop_free(&rig->ledger_loop);
    ev_loop_free(&rig->lookup_loop);
    sim_world_free(&rig->world);
    kv_env_free(&rig->ledger);
    kv_env_free(&rig->control);
    kv_sim_disk_free(&rig->ledger_disk);
    kv_sim_disk_free(&rig->control_disk);
    seal_keyring_free(rig->keyring);
    seal_master_free(rig->master);
    fs_free(rig->fs);
    fs_sim_free(rig->disk);
    configuration_free(rig->configuration);
    free(rig);
}

void rig_run(struct rig *rig, uint64_t milliseconds)
{
    (void)sim_world_run_until(rig->world, NULL, NULL, sim_world_now(rig->world) + milliseconds * NSEC_PER_MS);
}

static struct content *content_make(struct worker *worker, uint64_t number, const char *sop_instance)
{
    uint8_t body[1024];
    size_t length;
    struct content *content;
    const struct record_open open = {.called = slice_of_text("DICOMGATE"),
                                     .calling = slice_of_text("CT1"),
                                     .peer_address = slice_of_text("10.1.2.3:4"),
                                     .listener = slice_of_text("bench"),
                                     .transfer_syntax = slice_of_text("1.2.840.10008.1.2"),
                                     .sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.7"),
                                     .sop_instance = slice_of_text(sop_instance)};
    assert_int_equal(record_open_encode(&open, body, sizeof body, &length), OK);
    assert_int_equal(content_new(&worker->window, number, slice_of(body, length), &content), OK);
    struct chunk *chunk = chunk_take(&worker->window, 0);
    assert_non_null(chunk);
    chunk->length = 100;
    assert_int_equal(content_add(content, (struct journal_position){0}, &chunk), OK);
    content_end(content, 100);
    content_complete(content);
    return content;
}

static bool is_asked(void *arg)
{
    const struct worker *worker = arg;
    return order_gate_asked(worker->gate) == 0;
}

uint64_t rig_admit(struct rig *rig, unsigned worker_index, uint64_t counter, const char *sop_instance)
{
    const struct record_close close = {.archives = {1, 2}, .archive_count = 2};
    char unknown[40];
    struct worker *worker = rig->gateway->workers[worker_index];
    uint64_t number = (uint64_t)worker_index << 48 | counter;
    (void)text_format(unknown, sizeof unknown, "1.2.3.%llu", (unsigned long long)number);
    struct receipt_origin origin = {.number = number,
                                    .order = ++rig->order,
                                    .closed_at = ev_wall_now(worker->loop),
                                    .sop_instance =
                                        slice_of_text(sop_instance != NULL ? sop_instance : unknown)};
    struct content *content = sop_instance != NULL ? content_make(worker, number, sop_instance) : NULL;
    assert_int_equal(receipt_admit(worker, &origin, &close, content), OK);
    content_unref(&content);
    assert_true(sim_world_run_until(rig->world, is_asked, worker, sim_world_now(rig->world) + NSEC_PER_SEC));
    return number;
}

// ---- replies ----

const char *admin_state_text(enum admin_state state)
{
    static const char *const texts[] = {"any", "waiting", "sending", "held", "parked", "answered"};
    return texts[state];
}

struct admin_reply *reply_new(void)
{
    struct admin_reply *reply = calloc(1, sizeof *reply);
    assert_non_null(reply);
    return reply;
}

void reply_free(struct admin_reply *reply)
{
    json_decref(reply->body);
    free(reply);
}

void admin_reply_send(struct admin_reply *reply, enum admin_status status, json_t *body)
{
    assert_int_equal(reply->answers++, 0);
    assert_non_null(body);
    reply->status = status;
    reply->body = body;
}

void admin_reply_fail(struct admin_reply *reply, enum admin_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    admin_reply_send(reply, status, json_pack("{s:s}", "message", text));
}

static bool is_answered(void *arg)
{
    return ((const struct admin_reply *)arg)->answers > 0;
}

void reply_wait(struct rig *rig, struct admin_reply *reply, enum admin_status status)
{
    if (!is_answered(reply))
        assert_true(sim_world_run_until(rig->world, is_answered, reply,
                                        sim_world_now(rig->world) + 30 * NSEC_PER_SEC));
    assert_int_equal(reply->status, status);
}

static json_t *body_take(struct rig *rig, struct admin_reply *reply, enum admin_status status)
{
    reply_wait(rig, reply, status);
    json_t *body = json_incref(reply->body);
    reply_free(reply);
    return body;
}

json_t *ask_status(struct rig *rig)
{
    struct admin_reply *reply = reply_new();
    actions_table.status(rig->actions, reply);
    return body_take(rig, reply, ADMIN_FINE);
}

json_t *ask_queue(struct rig *rig, const struct admin_filter *filter)
{
    struct admin_reply *reply = reply_new();
    actions_table.queue_list(rig->actions, filter, reply);
    return body_take(rig, reply, ADMIN_FINE);
}

json_t *ask_summary(struct rig *rig, const char *archive)
{
    struct admin_reply *reply = reply_new();
    actions_table.queue_summary(rig->actions, archive, reply);
    return body_take(rig, reply, ADMIN_FINE);
}

json_t *ask_archive(struct rig *rig, enum admin_archive_change change, const char *name,
                    enum admin_status status)
{
    struct admin_reply *reply = reply_new();
    actions_table.archive_change(rig->actions, change, name, "anna", "upgrade", reply);
    return body_take(rig, reply, status);
}

void ask_change(struct rig *rig, enum admin_queue_change change, const struct admin_selection *selection,
                int64_t changed, int64_t unchanged)
{
    struct admin_reply *reply = reply_new();
    actions_table.queue_change(rig->actions, change, selection, reply);
    json_t *body = body_take(rig, reply, ADMIN_FINE);
    assert_int_equal(number_of(body, "changed"), changed);
    assert_int_equal(number_of(body, "unchanged"), unchanged);
    assert_true(json_is_true(json_object_get(body, "durable")));
    for (unsigned i = 0; i < RIG_WORKERS && changed > 0; i++) // a power cut takes nothing back
        assert_true(notes_are_empty(&rig->gateway->workers[i]->notes));
    json_decref(body);
}

int64_t number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const json_t *archive_of(const json_t *answer, const char *name)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "archives"), index, row)
    {
        if (strcmp(text_of(row, "name"), name) == 0)
            return row;
    }
    fail_msg("no archive %s", name);
    return NULL;
}
