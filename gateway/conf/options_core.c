// SPDX-License-Identifier: Apache-2.0
//
// Option tables of the gateway itself: `gateway`, `journal`, `memory`, `ledger`, `limits`. Each row is the
// one place where the option's unit, range, default and help stand; conf/REFERENCE.md is written from them.
#include "raw.h"

#include "base/units.h"

#define SECONDS(n) ((n)*NSEC_PER_SEC)
#define MINUTES(n) SECONDS((n)*60)
#define HOURS(n)   MINUTES((n)*60)
#define TIB        (1024 * GIB)

static const struct conf_choice LOG_TARGETS[] = {
    {.name = "stderr", .value = CONFIGURATION_LOG_STDERR},
    {.name = "journald", .value = CONFIGURATION_LOG_JOURNALD},
    {.name = NULL},
};

static const struct conf_choice LOG_LEVELS[] = {
    {.name = "debug", .value = CONFIGURATION_LOG_DEBUG},
    {.name = "info", .value = CONFIGURATION_LOG_INFO},
    {.name = "notice", .value = CONFIGURATION_LOG_NOTICE},
    {.name = "warning", .value = CONFIGURATION_LOG_WARNING},
    {.name = "error", .value = CONFIGURATION_LOG_ERROR},
    {.name = NULL},
};

static const struct conf_choice DIGESTS[] = {
    {.name = "sha256", .value = CONFIGURATION_DIGEST_SHA256},
    {.name = "sha512-256", .value = CONFIGURATION_DIGEST_SHA512_256},
    {.name = NULL},
};

static const struct conf_choice NEVER[] = {{.name = "never", .value = 0}, {.name = NULL}};

static const struct conf_choice AUTO[] = {{.name = "auto", .value = 0}, {.name = NULL}};

static const struct conf_option GATEWAY[] = {
    {.key = "ae_title",
     .type = CONF_TITLE,
     .is_required = true,
     CONF_MEMBER(struct raw_gateway, value.ae_title),
     .help = "The gateway's own AE title: the calling title of its own echoes, and what it answers to if "
             "`titles` is "
             "not given."},
    {.key = "data",
     .type = CONF_PATH,
     .is_required = true,
     CONF_MEMBER(struct raw_gateway, value.data),
     .help =
         "Folder of the journal, the ledger and the key file. Back it up as one; never share it between two "
         "gateways."},
    {.key = "keyring",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_gateway, keyring),
     .least = 1,
     .most = 255,
     .standard = "keyring",
     .shape = "a path, relative to the data folder",
     .help = "The key file. Without it the journal can not be read; `dicomgate key init` makes it."},
    {.key = "master_key_file",
     .type = CONF_PATH,
     CONF_MEMBER(struct raw_gateway, value.master_key_file),
     .unset = "`master.key` beside this file, unless `master_key_credential` is given",
     .help = "File of 32 bytes, mode 0600, that unlocks the key file. Keep a copy off this machine."},
    {.key = "master_key_credential",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_gateway, value.master_key_credential),
     .least = 1,
     .most = 255,
     .shape = "the name of a systemd credential",
     .help = "Takes the master key from $CREDENTIALS_DIRECTORY instead (systemd LoadCredential=)."},
    {.key = "control_socket",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_gateway, control_socket),
     .least = 1,
     .most = 107,
     .standard = "control.sock",
     .shape = "a path, relative to the data folder; at most 107 bytes in all",
     .help = "Unix socket on which the daemon answers `dicomgate`; mode 0600."},
    {.key = "workers",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_gateway, value.workers),
     .least = 1,
     .most = 64,
     .choices = AUTO,
     .standard = "auto",
     .help = "Threads that carry associations; auto: one for each processor that the process may use, at "
             "most 16."},
    {.key = "max_associations",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_gateway, value.max_associations),
     .least = 1,
     .most = 10000,
     .standard = "400",
     .help = "Front associations of the whole gateway at the same time; more are rejected as a local limit "
             "(2,3,2)."},
    {.key = "max_pdu",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_gateway, value.max_pdu),
     .least = 4 * KIB,
     .most = MIB,
     .standard = "128KiB",
     .help = "Longest P-DATA-TF that the gateway offers to receive, on both sides."},
    {.key = "digest",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_gateway, value.digest),
     .standard = "sha256",
     .choices = DIGESTS,
     .help = "Algorithm of the instance digests (docs/digests.md)."},
    {.key = "watch_certificates",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_gateway, value.watch_certificates_ns),
     .least = SECONDS(1),
     .most = HOURS(24),
     .choices = NEVER,
     .standard = "1min",
     .help = "How often the files named under `tls` are looked at; if one has changed, all are read again "
             "for new "
             "connections. `never`: only by `dicomgate config reload` or SIGHUP."},
    {.key = "log_target",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_gateway, value.log_target),
     .standard = "stderr",
     .choices = LOG_TARGETS,
     .help = "Where log lines go; a service of systemd has its standard error in the journal either way."},
    {.key = "log_level",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_gateway, value.log_level),
     .standard = "info",
     .choices = LOG_LEVELS,
     .reload = CONF_RELOAD_LIVE,
     .help = "Events below this level are counted but not written."},
};
const struct conf_table options_gateway = CONF_ROWS(GATEWAY, struct raw_gateway, "The gateway as a whole.");

static const struct conf_option JOURNAL[] = {
    {.key = "segment_size",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.segment_bytes),
     .least = MIB,
     .most = 4 * GIB,
     .standard = "256MiB",
     .help = "Size of one journal file; a multiple of 4KiB. Each worker keeps one or two open ahead."},
    {.key = "quota",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.quota_bytes),
     .least = 16 * MIB,
     .most = 1024 * TIB,
     .unset = "what the disk has",
     .help =
         "Bytes that all journal files may take together. The watermarks count what is left of it, or what "
         "is free on the disk if that is less."},
    {.key = "association_watermark",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.association_watermark_bytes),
     .least = MIB,
     .most = 1024 * TIB,
     .unset = "one and a half times the watermark",
     .help =
         "Free space below which new store associations are rejected (2,3,1); those that are open go on."},
    {.key = "watermark",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.watermark_bytes),
     .least = MIB,
     .most = 1024 * TIB,
     .standard = "4GiB",
     .help = "Free space below which new instances are answered A700 (out of resources)."},
    {.key = "reserve",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.reserve_bytes),
     // What a start on a full disk needs before it can deliver: segments of its own, and a margin for the
     // stores.
     .least = 3 * MIB,
     .most = 1024 * TIB,
     .standard = "1GiB",
     .help = "Free space that is kept for outcomes, copies forward and administration; less than the "
             "watermark."},
    {.key = "segment_age",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_journal, value.segment_age_ns),
     .least = NSEC_PER_SEC,
     .most = SECONDS(30 * 86400),
     .standard = "1h",
     .help = "How long after its first record a journal file is closed, full or not, so that it can go."},
    {.key = "copy_after",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_journal, value.copy_after_ns),
     .least = NSEC_PER_SEC,
     .most = SECONDS(30 * 86400),
     .standard = "10min",
     .help =
         "How long a closed journal file is left alone before the few instances in it that are still owed "
         "are copied forward, so that the file can go."},
    {.key = "copy_rate",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.copy_rate_bytes),
     .least = MIB,
     .most = 10 * GIB,
     .standard = "16MiB",
     .help = "Bytes copied forward in one second at most, so that it does not disturb the intake."},
    {.key = "scrub_rate",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.scrub_rate_bytes),
     .least = 0,
     .most = 10 * GIB,
     .standard = "4MiB",
     .help =
         "Bytes of the journal that are read again and authenticated in one second, to find damage early; "
         "0B: never."},
    {.key = "scrub_pause",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_journal, value.scrub_pause_ns),
     .least = NSEC_PER_SEC,
     .most = SECONDS(30 * 86400),
     .standard = "6h",
     .help = "How long that rests when it has been through the journal."},
    {.key = "unsynced",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.unsynced_bytes),
     .least = MIB,
     .most = 10 * MIB,
     .standard = "8MiB",
     .help = "Bytes of one stream that may wait for a sync before its front sockets are no longer read."},
    {.key = "writeback",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.writeback_bytes),
     .least = 256 * KIB,
     .most = 64 * MIB,
     .standard = "1MiB",
     .help = "After how many bytes the system is told to begin writing to the disk."},
    {.key = "cached",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.cached_bytes),
     .least = MIB,
     .most = 10 * GIB,
     .standard = "64MiB",
     .help = "Bytes of one stream, the newest, that stay in the system's page cache for archives that lag; "
             "what is "
             "older makes room, and is read from the disk."},
    {.key = "disk_queue",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_journal, value.disk_queue_bytes),
     .least = 512 * KIB,
     .most = 4 * MIB,
     .standard = "1MiB",
     .help = "Bytes of one stream that may wait for its disk thread."},
    {.key = "lazy_sync",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_journal, value.lazy_sync_ns),
     .least = NSEC_PER_MS,
     .most = SECONDS(10),
     .standard = "200ms",
     .help = "After this, records that nobody waits for are synced too. Receipts never wait for it."},
    {.key = "failures",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_journal, value.failures),
     .least = 1,
     .most = 100,
     .standard = "3",
     .help =
         "Failed writes or syncs in a row after which a stream takes no instances and readiness turns red."},
};
const struct conf_table options_journal =
    CONF_ROWS(JOURNAL, struct raw_journal,
              "The journal in which every instance is made durable before it is acknowledged.");

static const struct conf_option MEMORY[] = {
    {.key = "hot_window",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_memory, value.hot_window_bytes),
     .least = MIB,
     .most = 64 * GIB,
     .standard = "32MiB",
     .help = "Fresh data of all receipts that is kept in memory for the archives; beyond it they read from "
             "disk."},
    {.key = "hot_receipt",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_memory, value.hot_receipt_bytes),
     .least = 512 * KIB,
     .most = GIB,
     .standard = "2MiB",
     .help = "The same, of one receipt."},
    {.key = "awake_receipts",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_memory, value.awake_receipts),
     .least = 1,
     .most = 10000000,
     .standard = "16384",
     .help =
         "Owed receipts that are kept whole (about half a kilobyte each), near the front of the archives' "
         "queues; in a longer backlog each of the others takes 64 bytes."},
};
const struct conf_table options_memory =
    CONF_ROWS(MEMORY, struct raw_memory,
              "Bounds of memory. The defaults suit a gateway that keeps up with its archives.");

static const struct conf_option LEDGER[] = {
    {.key = "map",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_ledger, value.map_bytes),
     .least = 16 * MIB,
     .most = 16 * TIB,
     .standard = "256MiB",
     .help = "Address space that the ledger begins with; it doubles when it fills up."},
    {.key = "batch",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_ledger, value.batch),
     .least = 1,
     .most = 100000,
     .standard = "1000",
     .help = "Receipts in one commit at most."},
};
const struct conf_table options_ledger = CONF_ROWS(
    LEDGER, struct raw_ledger, "The ledger: the facts about every receipt, kept after its data is gone.");

static const struct conf_choice NO_LIMIT[] = {{.name = "unlimited", .value = 0}, {.name = NULL}};

static const struct conf_option RULES[] = {
    {.key = "packs",
     .type = CONF_PATH,
     CONF_MEMBER(struct raw_rules, value.packs),
     .help = "Folder of the rule packs (*.yaml) and their tables (docs/rules.md). What stands in it is read "
             "again "
             "on reload."},
    {.key = "golden",
     .type = CONF_PATH,
     CONF_MEMBER(struct raw_rules, value.golden),
     .reload = CONF_RELOAD_NEW,
     .help = "Folder of golden cases that `rules check` runs."},
};
const struct conf_table options_rules =
    CONF_ROWS(RULES, struct raw_rules, "Rules: what is changed on the way to an archive.");

static const struct conf_option LIMITS[] = {
    {.key = "artim",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_limits, value.artim_ns),
     .least = SECONDS(1),
     .most = MINUTES(10),
     .standard = "30s",
     .reload = CONF_RELOAD_NEW,
     .help = "ARTIM timer of PS3.8: association request after connecting, close after a reject or abort; "
             "also the TLS "
             "handshake."},
    {.key = "release",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_limits, value.release_ns),
     .least = SECONDS(1),
     .most = MINUTES(10),
     .standard = "30s",
     .reload = CONF_RELOAD_NEW,
     .help = "Waiting for the answer to a release."},
    {.key = "idle",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_limits, value.idle_ns),
     .least = SECONDS(10),
     .most = HOURS(168),
     .standard = "60min",
     .reload = CONF_RELOAD_NEW,
     .help = "Silence between messages; ultrasound keeps one association for a whole examination."},
    {.key = "stall",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_limits, value.stall_ns),
     .least = SECONDS(1),
     .most = HOURS(1),
     .standard = "5min",
     .reload = CONF_RELOAD_NEW,
     .help = "Silence inside a message."},
    {.key = "stop",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_limits, value.stop_ns),
     .least = SECONDS(0),
     .most = HOURS(1),
     .standard = "30s",
     .reload = CONF_RELOAD_LIVE,
     .help = "How long a graceful stop lets open associations finish what they began."},
    {.key = "max_associate",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_limits, value.max_associate_bytes),
     .least = 64 * KIB,
     .most = 16 * MIB,
     .standard = "1MiB",
     .reload = CONF_RELOAD_NEW,
     .help = "Longest association PDU that is read; 128 contexts exceed 16 KiB."},
    {.key = "client_associations",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_limits, value.client_associations),
     .least = 1,
     .most = 10000,
     .standard = "100",
     .reload = CONF_RELOAD_NEW,
     .help = "Front associations from one address at the same time."},
    {.key = "window",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_limits, value.window),
     .least = 1,
     .most = 1000,
     .standard = "64",
     .reload = CONF_RELOAD_NEW,
     .help =
         "Requests that a client may send without waiting for the answers, if it asks for an asynchronous "
         "operations window (PS3.7 D.3.3.3); one that does not ask has 1."},
    {.key = "silent",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_limits, value.silent),
     .least = 1,
     .most = 100000,
     .standard = "512",
     .reload = CONF_RELOAD_NEW,
     .help =
         "Connections of all addresses that have not asked for an association yet; more are closed at once. "
         "`artim` ends each of them."},
    {.key = "client_silent",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_limits, value.client_silent),
     .least = 1,
     .most = 10000,
     .standard = "128",
     .reload = CONF_RELOAD_NEW,
     .help = "The same, from one address: one that only knocks must not keep all others out."},
    {.key = "keep_alive",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_limits, value.keep_alive_ns),
     .least = SECONDS(1),
     .most = HOURS(2),
     .choices = NEVER,
     .standard = "60s",
     .reload = CONF_RELOAD_NEW,
     .help = "TCP keep-alive of clients' connections: silence before the first probe; three more follow, a "
             "third of "
             "it apart. Finds modalities that were switched off long before `idle` does."},
    {.key = "inflated",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_limits, value.inflated_bytes),
     .least = MIB,
     .most = TIB,
     .choices = NO_LIMIT,
     .standard = "16GiB",
     .reload = CONF_RELOAD_NEW,
     .help = "What a deflated data set may inflate to before it is refused."},
    {.key = "hops",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_limits, value.hops),
     .least = 1,
     .most = 1000,
     .standard = "8",
     .help =
         "Gateways of this kind, by the items of Contributing Equipment Sequence, that an instance may have "
         "come through. With as many it is stored and sent to nobody: it goes round."},
};
const struct conf_table options_limits =
    CONF_ROWS(LIMITS, struct raw_limits, "Time and size limits towards clients.");
