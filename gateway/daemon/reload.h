// SPDX-License-Identifier: Apache-2.0
//
// Reads configuration and certificates again while the gateway runs: asked for by `dicomgate config reload`
// or SIGHUP, or because certificate files have changed on the disk. Files are read on a thread that may
// block; what they say is put into force on main. A configuration file that is not right changes nothing; a
// TLS section whose files are no good keeps those that it has. Options that need a restart are named.
//
// Thread: main.
#pragma once

#include <jansson.h>

#include "daemon/gateway.h"
#include "daemon/secure.h"

struct reload;

// `done` is called once for each request that was taken, with the body of an answer: {"ok": bool, "errors":
// [TEXT], "changed": [PATH], "restart": [PATH], "tls": [{"name", "problem": TEXT or null}]}. NULL: no memory,
// or the gateway ends.
typedef void reload_done_fn(void *arg, json_t *body);
// Called when certificates have changed.
typedef void reload_changed_fn(void *arg);

// Borrows all; `files_loop` runs on a thread that may block.
MUST_USE enum result reload_new(struct gateway *gateway, struct secure *secure, struct ev_loop *files_loop,
                                reload_changed_fn *changed, void *arg, struct reload **out);
// After the thread of `files_loop` has ended, and after gateway_free(): sessions refer to what was loaded.
void reload_free(struct reload *reload);

// Where log lines go, and which.
void reload_log_configure(const struct configuration_gateway *conf);

// ERR_LIMIT: somebody waits for one already. `done` may be NULL.
MUST_USE enum result reload_ask(struct reload *reload, reload_done_fn *done, void *arg);
