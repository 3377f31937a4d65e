// SPDX-License-Identifier: Apache-2.0
//
// The gateway's configuration in one history: small limits, so that each of them is met.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "history.h"
#include "hospital.h"

enum { TEXT_MAX = 8192 };

static const char head[] =
    "gateway: { ae_title: DICOMGATE, data: /data, keyring: keyring, workers: 2, max_pdu: %s }\n"
    "journal: { segment_size: 1MiB, association_watermark: %s, watermark: 16MiB, reserve: 8MiB,\n"
    "    unsynced: 1MiB, segment_age: %s, copy_after: %s, copy_rate: %s%s, scrub_rate: %s, scrub_pause: 5s "
    "}\n"
    "memory: { hot_window: %s, hot_receipt: 512KiB, awake_receipts: %u }\n"
    "ledger: { batch: %u }\n"
    "limits: { artim: 10s, release: 10s, idle: 60s, stall: 20s, stop: 10s, silent: %u, client_silent: %u }\n"
    "clients: [ { ae_title: \"*\"%s%s } ]\n"
    "listeners: [ { name: front, address: \"10.0.0.1:11112\", plain: yes } ]\n"
    "titles: [OLDPACS]\n"
    "%snodes:\n";

static const char node[] =
    "  archive%u: { id: %u, kind: archive, ae_title: PACS%u, address: \"10.0.1.%u:104\", plain: yes, %s,\n"
    "    associations: %u, window: %u, connect: 5s, artim: 10s, response: 20s, stall: 15s, release: 10s,\n"
    "    retry_min: 1s, retry_max: 15s%s }\n";

static void put(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(char *text, const char *format, ...)
{
    va_list arguments;
    size_t at = strlen(text);
    va_start(arguments, format);
    int length = vsnprintf(text + at, TEXT_MAX - at, format, arguments);
    va_end(arguments);
    ensure(length >= 0 && at + (size_t)length < TEXT_MAX);
}

static void head_put(struct history *history, char *text)
{
    bool is_small = history_chance(history, 1, 2);
    put(text, head, is_small ? "16KiB" : "128KiB", history_chance(history, 1, 2) ? "24MiB" : "17MiB",
        history_chance(history, 1, 2) ? "3s" : "15s", history_chance(history, 2, 3) ? "1s" : "10s",
        history_chance(history, 1, 2) ? "1MiB" : "16MiB",
        history_chance(history, 1, 4) ? ", quota: 40MiB" : "", history->seed % 2 == 0 ? "64MiB" : "1MiB",
        history_chance(history, 1, 2) ? "1MiB" : "32MiB",
        history_chance(history, 1, 2) ? 1 + (unsigned)history_below(history, 12) : 16384u,
        history_chance(history, 1, 3) ? 3u : 1000u, 2 + (unsigned)history_below(history, 20),
        1 + (unsigned)history_below(history, 4),
        history_chance(history, 1, 2) ? ", idle: 30s, stall: 12s, release: 5s, max_pdu: 4KiB" : "",
        history->hospital != NULL ? ", domain: OLD" : "", hospital_head(history));
}

// The first one settles by its answer, the second after a while; the others are drawn.
static void node_put(struct history *history, unsigned archive, char *text)
{
    static const char *const kinds[] = {"settle_on: answer", "calling: replace, settle_after: 60s"};
    char options[128];
    hospital_node(history, archive, options, sizeof options);
    unsigned kind = archive < 2 ? archive : (unsigned)history_below(history, 2);
    put(text, node, archive, archive + 1, archive, archive + 1, kinds[kind],
        1 + (unsigned)history_below(history, 6), history->plan.asked[archive], options);
}

void configuration_make(struct history *history)
{
    char text[TEXT_MAX] = "";
    struct conf_errors errors;
    static const char *const acknowledge[] = {"durable", "primary", "all"};
    head_put(history, text);
    for (unsigned i = 0; i < history->plan.archives; i++)
        node_put(history, i, text);
    put(text, "phases: { coexist: { store: [ { to: [");
    for (unsigned i = 0; i < history->plan.archives; i++)
        put(text, "%sarchive%u", i == 0 ? "" : ", ", i);
    put(text, "], acknowledge: %s, acknowledge_within: 25s, negotiate: %s } ] } }\nstart_phase: coexist\n",
        acknowledge[history->plan.acknowledge],
        history->plan.is_mirror ? "mirror"
        : history->plan.is_learned
            ? "learned"
            : "fixed, transfer_syntaxes: [ExplicitVRLittleEndian, ImplicitVRLittleEndian]");
    conf_errors_init(&errors);
    enum result result =
        configuration_parse("/sim/gateway.yaml", text, strlen(text), false, &history->configuration, &errors);
    for (size_t i = 0; i < errors.count; i++)
        history_fail(history, "%s", errors.item[i].text);
    conf_errors_fini(&errors);
    ensure(result == OK || history->failed);
}
