// SPDX-License-Identifier: Apache-2.0
//
// `status` and the list of archives: figures that live on the workers are added up over all of them; the rest
// is read where it stands.
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "daemon/damage.h"
#include "daemon/scrub.h"
#include "forward/archive.h"
#include "forward/lane.h"
#include "front/census.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Resting deliveries lie by the time of their next try: so many are looked at for the oldest one.
enum { RESTING_LOOKS = 10000 };
#define OWED_ALARM_NS (24 * 3600 * NSEC_PER_SEC) // FIELD 7: nothing is owed for longer

struct archive_figures {
    size_t lanes;
    size_t lanes_open; // with an association
    size_t lanes_limit;
    uint64_t owed; // waiting for any reason, or being sent
    uint64_t parked;
    uint64_t held; // of those owed
    uint64_t answered;
    uint64_t oldest; // of the owed ones: when it came in; 0: none
    uint64_t last_success;
    unsigned failures; // in a row; the most of any worker
    char problem[96];
    struct archive_refused refused;
    uint64_t refused_most; // of any worker, whose text it is
    struct archive_counters counters;
};

struct worker_figures {
    uint64_t unsettled; // receipts
    struct archive_figures archives[];
};

struct figures_round {
    struct round round;
    bool is_status; // else the list of archives
};

// ---- on the worker ----

static void oldest_take(uint64_t *oldest, const struct list_node *node)
{
    uint64_t received = CONTAINER_OF(node, struct delivery, node)->receipt->closed_at;
    if (*oldest == 0 || received < *oldest)
        *oldest = received;
}

static uint64_t oldest_get(struct archive *archive)
{
    uint64_t oldest = 0;
    if (!list_is_empty(&archive->waiting))
        oldest_take(&oldest, list_first(&archive->waiting)); // by order of receipt
    if (!list_is_empty(&archive->gated))
        oldest_take(&oldest, list_first(&archive->gated));
    if (!list_is_empty(&archive->held))
        oldest_take(&oldest, list_first(&archive->held));
    LIST_EACH(&archive->sending, node)
    {
        oldest_take(&oldest, node);
    }
    unsigned looks = 0;
    LIST_EACH(&archive->resting, node)
    {
        if (looks++ == RESTING_LOOKS)
            break;
        oldest_take(&oldest, node);
    }
    uint64_t asleep = backlog_oldest(archive);
    if (asleep != 0 && (oldest == 0 || asleep < oldest))
        oldest = asleep;
    return oldest;
}

static void archive_figures_fill(struct archive *archive, struct archive_figures *figures)
{
    figures->lanes = archive->lanes.count;
    LIST_EACH(&archive->lanes, node)
    {
        figures->lanes_open += !lane_is_opening(lane_of(node));
    }
    figures->lanes_limit = archive->lane_limit;
    figures->owed = archive_count(archive, STAGE_WAITING) + archive_count(archive, STAGE_RESTING) +
                    archive_count(archive, STAGE_GATED) + archive_count(archive, STAGE_SENDING) +
                    archive_count(archive, STAGE_HELD);
    figures->held = archive_count(archive, STAGE_HELD);
    figures->parked = archive_count(archive, STAGE_PARKED);
    figures->answered = archive_count(archive, STAGE_ANSWERED);
    figures->oldest = oldest_get(archive);
    figures->last_success = archive->last_success;
    if (figures->owed > 0) { // else nobody tries any more, and what was the matter may be over
        figures->failures = archive->failures;
        text_copy(figures->problem, sizeof figures->problem, slice_of_text(archive->last_failure));
    }
    archive_refused_get(archive, &figures->refused);
    figures->counters = archive->counters;
}

static void figures_work(struct part *part)
{
    struct worker *worker = part->worker;
    size_t count = worker->gateway->node_count;
    struct worker_figures *figures = calloc(1, sizeof *figures + count * sizeof figures->archives[0]);
    if (figures == NULL) {
        part_refuse(part);
        return;
    }
    figures->unsettled = worker_unsettled(worker);
    for (size_t i = 0; i < count; i++)
        archive_figures_fill(&worker->archives[i], &figures->archives[i]);
    part->answer = figures;
    part_done(part);
}

// ---- on main: adding up ----

static void counters_add(struct archive_counters *to, const struct archive_counters *from)
{
    to->answered += from->answered;
    to->failed += from->failed;
    to->lost += from->lost;
    to->opened += from->opened;
    to->refused += from->refused;
    to->bytes += from->bytes;
    to->flagged += from->flagged;
}

static void archive_figures_add(struct archive_figures *to, const struct archive_figures *from)
{
    to->lanes += from->lanes;
    to->lanes_open += from->lanes_open;
    to->lanes_limit = from->lanes_limit; // the archive's, whichever worker uses it
    to->owed += from->owed;
    to->parked += from->parked;
    to->held += from->held;
    to->answered += from->answered;
    if (from->oldest != 0 && (to->oldest == 0 || from->oldest < to->oldest))
        to->oldest = from->oldest;
    if (from->last_success > to->last_success)
        to->last_success = from->last_success;
    if (from->failures > to->failures) {
        to->failures = from->failures;
        text_copy(to->problem, sizeof to->problem, slice_of_text(from->problem));
    }
    to->refused.count += from->refused.count;
    if (from->refused.count > to->refused_most) {
        to->refused_most = from->refused.count;
        memcpy(to->refused.text, from->refused.text, sizeof to->refused.text);
    }
    counters_add(&to->counters, &from->counters);
}

// NULL: no memory. The caller frees it.
static struct worker_figures *figures_sum(const struct round *round)
{
    size_t count = round->actions->gateway->node_count;
    struct worker_figures *sum = calloc(1, sizeof *sum + count * sizeof sum->archives[0]);
    if (sum == NULL)
        return NULL;
    for (size_t i = 0; i < round->part_count; i++) {
        const struct worker_figures *figures = round->parts[i]->answer;
        sum->unsettled += figures->unsettled;
        for (size_t n = 0; n < count; n++)
            archive_figures_add(&sum->archives[n], &figures->archives[n]);
    }
    return sum;
}

// ---- on main: archives ----

static bool is_down(const struct archive_figures *figures)
{
    return figures->failures > 0 && figures->lanes_open == 0;
}

static const char *archive_state(struct node *node, const struct archive_figures *figures)
{
    if (atomic_load(&node->is_paused))
        return "paused";
    if (is_down(figures))
        return "down";
    return figures->counters.opened > 0 ? "up" : "unknown";
}

static void set_address(json_t *object, const struct conf_address *address)
{
    char text[320];
    bool has_colons = strchr(address->host, ':') != NULL;
    text_format(text, sizeof text, has_colons ? "[%s]:%u" : "%s:%u", address->host, address->port);
    set_text(object, "address", text);
}

static json_t *pause_json(struct node *node)
{
    if (!atomic_load(&node->is_paused))
        return json_null();
    json_t *object = json_object();
    set_text(object, "person", node->pause.who);
    set_text(object, "reason", node->pause.why);
    set_time(object, "since", node->pause.when);
    return object;
}

static json_t *archive_json(struct node *node, const struct archive_figures *figures)
{
    json_t *row = json_object();
    set_number(row, "id", node->conf->id);
    set_text(row, "name", node->conf->name);
    set_text(row, "ae_title", node->conf->ae_title);
    set_address(row, &node->conf->address);
    set_flag(row, "tls", node->conf->tls != NULL);
    set_flag(row, "plain", node->conf->tls == NULL);
    set_text(row, "state", archive_state(node, figures));
    (void)json_object_set_new(row, "pause", pause_json(node));
    set_number(row, "lanes", figures->lanes);
    set_number(row, "lanes_limit", figures->lanes_limit);
    set_number(row, "owed", figures->owed);
    set_number(row, "parked", figures->parked);
    set_number(row, "held", figures->held);
    set_number(row, "answered", figures->answered);
    set_time(row, "oldest", figures->oldest);
    set_time(row, "last_success", figures->last_success);
    set_number(row, "titles_rejected", figures->refused.count);
    set_text(row, "problem", figures->problem[0] != 0 ? figures->problem : figures->refused.text);
    json_t *counters = json_object();
    set_number(counters, "answered", figures->counters.answered);
    set_number(counters, "failed", figures->counters.failed);
    set_number(counters, "lost", figures->counters.lost);
    set_number(counters, "opened", figures->counters.opened);
    set_number(counters, "refused", figures->counters.refused);
    set_number(counters, "bytes", figures->counters.bytes);
    set_number(counters, "flagged", figures->counters.flagged);
    (void)json_object_set_new(row, "counters", counters);
    return row;
}

static json_t *archives_json(struct gateway *gateway, const struct worker_figures *sum)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < gateway->node_count; i++)
        (void)json_array_append_new(rows, archive_json(&gateway->nodes[i], &sum->archives[i]));
    return rows;
}

// ---- on main: status ----

struct totals {
    uint64_t accepted, refused;             // associations
    uint64_t acknowledged, declined, bytes; // instances
    uint64_t findings;                      // archives that have what the client was told to have failed
};

static struct totals totals_get(const struct gateway *gateway)
{
    struct totals totals = {0};
    for (unsigned i = 0; i < gateway->platform.workers; i++) {
        struct worker_counters *counters = &gateway->workers[i]->counters;
        totals.accepted += atomic_load(&counters->associations_accepted);
        totals.refused += atomic_load(&counters->associations_refused);
        totals.acknowledged += atomic_load(&counters->instances_acknowledged);
        totals.declined += atomic_load(&counters->instances_refused);
        totals.bytes += atomic_load(&counters->bytes_received);
        totals.findings += atomic_load(&counters->acknowledge_findings);
    }
    return totals;
}

static json_t *figures_json(const struct totals *totals)
{
    json_t *object = json_object();
    set_number(object, "associations_accepted", totals->accepted);
    set_number(object, "associations_refused", totals->refused);
    set_number(object, "instances_acknowledged", totals->acknowledged);
    set_number(object, "instances_refused", totals->declined);
    set_number(object, "bytes_received", totals->bytes);
    set_number(object, "acknowledge_findings", totals->findings);
    return object;
}

static json_t *receipts_json(const struct gateway *gateway, const struct worker_figures *sum,
                             const struct totals *totals)
{
    json_t *object = json_object();
    uint64_t owed = 0, parked = 0, held = 0, answered = 0;
    for (size_t i = 0; i < gateway->node_count; i++) {
        owed += sum->archives[i].owed;
        parked += sum->archives[i].parked;
        held += sum->archives[i].held;
        answered += sum->archives[i].answered;
    }
    uint64_t known = totals->acknowledged + gateway->recovery.queued;
    set_number(object, "accepted", gateway->recovery.received + totals->acknowledged);
    set_number(object, "owed", owed);
    set_number(object, "parked", parked);
    set_number(object, "held", held);
    set_number(object, "answered", answered);
    // Between an instance's admission and its count, one may be missing.
    set_number(object, "settled",
               gateway->recovery.settled + (known > sum->unsettled ? known - sum->unsettled : 0));
    return object;
}

static json_t *journal_json(const struct journal_health *health, const struct configuration_journal *conf)
{
    json_t *object = json_object();
    set_number(object, "segments", health->segments);
    set_number(object, "dead_segments", health->dead_segments);
    set_number(object, "bytes", health->bytes);
    if (health->free_bytes != UINT64_MAX)
        set_number(object, "free", health->free_bytes);
    else
        (void)json_object_set_new(object, "free", json_null());
    if (health->room != UINT64_MAX)
        set_number(object, "room", health->room);
    else
        (void)json_object_set_new(object, "room", json_null());
    if (health->quota != 0)
        set_number(object, "quota", health->quota);
    else
        (void)json_object_set_new(object, "quota", json_null());
    set_number(object, "association_watermark", conf->association_watermark_bytes);
    set_number(object, "watermark", conf->watermark_bytes);
    set_number(object, "reserve", conf->reserve_bytes);
    set_flag(object, "welcoming", health->streams_unwelcoming == 0);
    set_flag(object, "accepting", health->streams_refused == 0);
    return object;
}

static json_t *listeners_json(const struct configuration *conf)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < conf->listener_count; i++) {
        json_t *row = json_object();
        set_text(row, "name", conf->listener[i].name);
        set_address(row, &conf->listener[i].address);
        set_flag(row, "tls", conf->listener[i].tls != NULL);
        set_flag(row, "plain", conf->listener[i].tls == NULL);
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

static json_t *scrub_json(struct gateway *gateway)
{
    struct scrub_figures figures = {0};
    json_t *object = json_object();
    for (unsigned i = 0; i < gateway->platform.workers; i++)
        scrub_figures_add(gateway->scrubs[i], &figures);
    set_number(object, "passes", figures.passes);
    set_number(object, "records", figures.records);
    set_number(object, "bytes", figures.bytes);
    set_number(object, "damaged", damage_count(gateway->damage));
    return object;
}

static json_t *recovery_json(const struct journal_recovery_figures *recovery)
{
    json_t *object = json_object();
    set_number(object, "torn", recovery->torn);
    set_number(object, "corrupt", recovery->corrupt);
    set_number(object, "dropped", recovery->dropped);
    set_number(object, "unfinished", recovery->unfinished);
    set_number(object, "owed", recovery->owed);
    return object;
}

static json_t *events_json(void)
{
    json_t *object = json_object();
    for (int i = 0; i < LOG_EVENT_COUNT; i++) {
        uint64_t count = log_event_count((enum log_id)i);
        if (count > 0)
            set_number(object, log_event_name((enum log_id)i), count);
    }
    return object;
}

__attribute__((format(printf, 2, 3))) static void alarm_add(json_t *alarms, const char *format, ...)
{
    char text[1024]; // a pause has two texts of a person
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)json_array_append_new(alarms, json_printable(text));
}

static void archive_alarms_add(const struct gateway *gateway, json_t *alarms, struct node *node,
                               const struct archive_figures *figures, uint64_t now)
{
    const char *name = node->conf->name;
    if (atomic_load(&node->is_paused))
        alarm_add(alarms,
                  node->pause.why[0] != 0 ? "archive %s is paused by %s: %s" : "archive %s is paused by %s%s",
                  name, node->pause.who, node->pause.why);
    else if (is_down(figures))
        alarm_add(alarms, "archive %s is down: %s", name, figures->problem);
    if (figures->refused.count > 0)
        alarm_add(alarms, "archive %s %s: %llu instances rest", name, figures->refused.text,
                  (unsigned long long)figures->refused.count);
    if (figures->held > 0 && actions_node_is_primary(gateway, node->conf)) // FIELD 4: at once
        alarm_add(alarms, "%llu held for archive %s, the primary of a route: see `dicomgate hold list`",
                  (unsigned long long)figures->held, name);
    if (figures->parked > 0)
        alarm_add(alarms, "%llu parked for archive %s: a person must decide",
                  (unsigned long long)figures->parked, name);
    if (figures->oldest != 0 && now > figures->oldest && now - figures->oldest > OWED_ALARM_NS)
        alarm_add(alarms, "archive %s has been owed an instance for %llu hours", name,
                  (unsigned long long)((now - figures->oldest) / (3600 * NSEC_PER_SEC)));
}

static void removed_alarms_add(const struct journal_recovery_figures *figures, json_t *alarms)
{
    for (size_t i = 0; i < figures->removed_count; i++) {
        unsigned id = figures->removed[i].id;
        if (figures->removed[i].receipts > 0)
            alarm_add(alarms,
                      "node %u is not in the configuration any more, but has not settled %llu receipts: see "
                      "`dicomgate queue list --archive %u`, "
                      "`queue drop --all --archive %u --person WHO --reason WHY`",
                      id, (unsigned long long)figures->removed[i].receipts, id, id);
    }
    if (figures->removed_more > 0)
        alarm_add(alarms,
                  "further nodes that are not in the configuration any more have not settled %llu receipts: "
                  "settle those of the others, and the next start names them",
                  (unsigned long long)figures->removed_more);
}

static json_t *alarms_json(struct gateway *gateway, const struct worker_figures *sum,
                           const struct journal_health *health)
{
    json_t *alarms = json_array();
    uint64_t now = ev_wall_now(gateway->platform.main_loop);
    if (health->streams_failed > 0)
        alarm_add(alarms, "the journal has failed: %u of %u streams can not be written",
                  health->streams_failed, health->streams);
    if (health->streams_refused > health->streams_failed)
        alarm_add(alarms, "no space: no new instances are taken");
    else if (health->streams_unwelcoming > health->streams_failed)
        alarm_add(alarms, "space runs short: new store associations are rejected");
    size_t damaged = damage_count(gateway->damage);
    if (damaged > 0)
        alarm_add(alarms,
                  "%zu journal records that were durable are damaged: see `dicomgate queue quarantine`",
                  damaged);
    removed_alarms_add(&gateway->recovery, alarms);
    if (gateway->platform.crosswalk == NULL && gateway->configuration->domain_count > 0)
        alarm_add(alarms, "%s",
                  gateway->platform.crosswalk_is_lost
                      ? "the crosswalk could not be opened: it is lost, and nothing is sent whose patient ID "
                        "has to be mapped; put its folder back, or see `dicomgate crosswalk init --help`"
                      : "the crosswalk could not be opened: nothing is sent whose patient ID has to be "
                        "mapped; see the log of the start");
    uint64_t conflicts = log_event_count(LOG_ORDER_CONFLICT);
    if (conflicts > 0)
        alarm_add(alarms, "%llu instances came again with other content: see dicomgate ledger conflicts",
                  (unsigned long long)conflicts);
    if (atomic_load(&gateway->ledger_is_stuck))
        alarm_add(
            alarms,
            "the ledger can not be written: its facts are old, and nothing is removed from the journal");
    for (size_t i = 0; i < gateway->node_count; i++)
        archive_alarms_add(gateway, alarms, &gateway->nodes[i], &sum->archives[i], now);
    return alarms;
}

static const char *life_text(enum gateway_phase_of_life life)
{
    return life == GATEWAY_STARTING ? "starting" : life == GATEWAY_RUNNING ? "running" : "stopping";
}

static json_t *status_json(const struct actions *actions, const struct worker_figures *sum)
{
    struct gateway *gateway = actions->gateway;
    const struct configuration *conf = gateway->configuration;
    struct journal_health health;
    journal_health_get(gateway->journal, &health);
    struct totals totals = totals_get(gateway);
    enum gateway_phase_of_life life = atomic_load(&gateway->life);
    json_t *body = json_object();
    set_text(body, "life", life_text(life));
    set_flag(body, "ready", life == GATEWAY_RUNNING && health.streams_failed == 0);
    set_time(body, "since", gateway->started_at);
    set_text(body, "program", DG_VERSION);
    set_text(body, "phase", conf->start_phase->name);
    set_number(body, "epoch", gateway->epoch);
    set_number(body, "associations", census_total(gateway->census));
    set_number(body, "associations_limit", conf->gateway.max_associations);
    (void)json_object_set_new(body, "listeners", listeners_json(conf));
    (void)json_object_set_new(body, "archives", archives_json(gateway, sum));
    (void)json_object_set_new(body, "receipts", receipts_json(gateway, sum, &totals));
    (void)json_object_set_new(body, "figures", figures_json(&totals));
    (void)json_object_set_new(body, "journal", journal_json(&health, &conf->journal));
    (void)json_object_set_new(body, "scrub", scrub_json(gateway));
    (void)json_object_set_new(body, "recovery", recovery_json(&gateway->recovery));
    (void)json_object_set_new(body, "events", events_json());
    json_t *alarms = alarms_json(gateway, sum, &health);
    actions_certificates_add(actions, body, alarms);
    (void)json_object_set_new(body, "alarms", alarms);
    return body;
}

static void figures_finish(struct round *round)
{
    struct gateway *gateway = round->actions->gateway;
    bool is_status = CONTAINER_OF(round, struct figures_round, round)->is_status;
    struct worker_figures *sum = figures_sum(round);
    json_t *body = NULL;
    if (sum != NULL && is_status) {
        body = status_json(round->actions, sum);
    } else if (sum != NULL) {
        body = json_object();
        (void)json_object_set_new(body, "archives", archives_json(gateway, sum));
    }
    free(sum);
    round_end(round, ADMIN_FINE, body);
}

static const struct round_kind figures_kind = {
    .size = sizeof(struct figures_round),
    .work = figures_work,
    .finish = figures_finish,
};

static void figures_ask(struct actions *actions, bool is_status, struct admin_reply *reply)
{
    struct round *round = round_new(actions, &figures_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    CONTAINER_OF(round, struct figures_round, round)->is_status = is_status;
    round_begin(round);
}

void actions_status(void *arg, struct admin_reply *reply)
{
    figures_ask(arg, true, reply);
}

void actions_archive_list(void *arg, struct admin_reply *reply)
{
    figures_ask(arg, false, reply);
}
