// SPDX-License-Identifier: Apache-2.0
//
// TLS contexts and dialers by the configuration: each `tls` section is read once for each role that it is
// used in; its listeners and nodes share the context, which is immutable. On reload new files make new
// contexts, which take the place of the old ones section by section; a section whose files are no good keeps
// what it has. Connections that are open go on with what they began with.
//
// Thread: main, except where a function says otherwise. The dialers may be used by any thread: they hold a
// mutex while a reference is taken, as node_address_get() does.
#pragma once

#include "conf/configuration.h"
#include "net/dial.h"
#include "tls/transport.h"

struct secure;
struct secure_news;

// Start: everything must be right. ERR_*: `error` (TLS_ERROR_MAX bytes) says what is wrong with which file.
// `now`: seconds since 1970.
MUST_USE enum result secure_new(const struct configuration *configuration, uint64_t now, char *error,
                                struct secure **out);
void secure_free(struct secure *secure);

// What is wrong with each section's files, for `config check`; NULL: nothing. Makes nothing.
typedef void secure_outcome_fn(void *arg, const char *section, const char *problem);
void secure_sections_check(const struct configuration *configuration, uint64_t now,
                           secure_outcome_fn *outcome, void *arg);

// A new ticket key; wants to be called every hour or so.
void secure_tickets_rotate(struct secure *secure);

// By index of the configuration; the caller's reference. NULL: a plain listener.
struct tls_context *secure_listener_context(const struct secure *secure, size_t listener);
// One for each node, in the order of the configuration.
const struct net_dialer *const *secure_dialers(const struct secure *secure);

// ---- reload ----

// Reads the files that the sections of `configuration` name; the sections are those of `secure`. Any thread
// that may block. ERR_NOMEM; files that are no good are no error here.
MUST_USE enum result secure_news_read(const struct secure *secure, const struct configuration *configuration,
                                      uint64_t now, struct secure_news **out);
void secure_news_free(struct secure_news *news);

// Puts what was read well into force; takes the news. `problem`: what is wrong with which file, NULL if the
// section's files are in force.
void secure_take(struct secure *secure, struct secure_news **news, secure_outcome_fn *outcome, void *arg);

// A mark that changes when one of the certificate files is replaced, touched, added or removed. Any thread
// that may block.
uint64_t secure_files_mark(const struct configuration *configuration);

// What is in force: every certificate, authority and list once. `section` is the first that has it.
typedef void secure_document_fn(void *arg, const char *section, const struct tls_document *document);
void secure_documents_visit(const struct secure *secure, secure_document_fn *visit, void *arg);
// What was wrong with the section at the last reload; NULL: nothing.
const char *secure_problem(const struct secure *secure, size_t section);
