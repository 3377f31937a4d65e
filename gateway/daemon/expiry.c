// SPDX-License-Identifier: Apache-2.0
#include "daemon/expiry.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "daemon/actions_json.h"
#include "front/peers.h"
#include <stdlib.h>
#include <string.h>

#define LOOK_PERIOD_NS (3600 * NSEC_PER_SEC)
enum { DAY_SECONDS = 86400, KNOWN_MOST = 1024 };

// What has been logged, so that it is logged once.
struct known {
    char subject[TLS_SUBJECT_MAX];
    uint64_t expires;
    unsigned level;
};

struct expiry {
    struct gateway *gateway;
    const struct secure *secure;
    struct ev_timer timer;
    size_t count;
    struct known known[KNOWN_MOST];
};

static const char *const kind_names[] = {
    [TLS_DOCUMENT_CERTIFICATE] = "certificate",
    [TLS_DOCUMENT_AUTHORITY] = "authority",
    [TLS_DOCUMENT_CRL] = "revocation list",
};

static uint64_t now_seconds(const struct expiry *expiry)
{
    return ev_wall_now(expiry->gateway->platform.main_loop) / NSEC_PER_SEC;
}

static uint64_t days_left(uint64_t expires, uint64_t now)
{
    return expires > now ? (expires - now) / DAY_SECONDS : 0;
}

// NULL: the table is full; then it is not logged again, but stands in status.
static struct known *known_of(struct expiry *expiry, const struct tls_document *document)
{
    for (size_t i = 0; i < expiry->count; i++)
        if (expiry->known[i].expires == document->expires &&
            strcmp(expiry->known[i].subject, document->subject) == 0)
            return &expiry->known[i];
    if (expiry->count == KNOWN_MOST)
        return NULL;
    struct known *known = &expiry->known[expiry->count++];
    *known = (struct known){.expires = document->expires};
    text_copy(known->subject, sizeof known->subject, slice_of_text(document->subject));
    return known;
}

static void look_at(void *arg, const char *section, const struct tls_document *document)
{
    struct expiry *expiry = arg;
    uint64_t now = now_seconds(expiry);
    unsigned level = document->expires != 0 ? expiry_level(document->expires, now) : 0;
    struct known *known = level > 0 ? known_of(expiry, document) : NULL;
    if (known == NULL || known->level >= level)
        return;
    known->level = level;
    log_event(expiry_level(document->expires, now) == 4 ? LOG_TLS_HAS_EXPIRED : LOG_TLS_EXPIRES,
              log_text(section), log_text(kind_names[document->kind]), log_text(document->subject),
              log_text(document->file), log_number(days_left(document->expires, now)));
}

void expiry_look(struct expiry *expiry)
{
    secure_documents_visit(expiry->secure, look_at, expiry);
}

static void on_timer(void *arg)
{
    struct expiry *expiry = arg;
    expiry_look(expiry);
    ev_timer_start(&expiry->timer, LOOK_PERIOD_NS);
}

enum result expiry_new(struct gateway *gateway, const struct secure *secure, struct expiry **out)
{
    struct expiry *expiry = calloc(1, sizeof *expiry);
    if (expiry == NULL)
        return ERR_NOMEM;
    expiry->gateway = gateway;
    expiry->secure = secure;
    ev_timer_init(&expiry->timer, gateway->platform.main_loop, on_timer, expiry);
    on_timer(expiry);
    *out = expiry;
    return OK;
}

void expiry_free(struct expiry *expiry)
{
    if (expiry == NULL)
        return;
    ev_timer_fini(&expiry->timer);
    free(expiry);
}

// ---- for status ----

struct listing {
    const struct expiry *expiry;
    json_t *rows;
    uint64_t now;
};

// Not set_time(): the year 9999, which authorities like, is beyond 64 bits of nanoseconds.
static void set_seconds(json_t *object, const char *key, uint64_t seconds)
{
    (void)json_object_set_new(object, key, seconds != 0 ? json_integer((json_int_t)seconds) : json_null());
}

static void document_add(void *arg, const char *section, const struct tls_document *document)
{
    struct listing *listing = arg;
    json_t *row = json_object();
    set_text(row, "section", section);
    set_text(row, "kind", kind_names[document->kind]);
    set_text(row, "file", document->file);
    set_text(row, "subject", document->subject);
    set_seconds(row, "expires", document->expires);
    if (document->expires != 0)
        set_number(row, "days", days_left(document->expires, listing->now));
    (void)json_array_append_new(listing->rows, row);
}

json_t *expiry_documents_json(const struct expiry *expiry)
{
    struct listing listing = {expiry, json_array(), now_seconds(expiry)};
    secure_documents_visit(expiry->secure, document_add, &listing);
    return listing.rows;
}

static void peer_add(void *arg, const struct peer_seen *seen)
{
    struct listing *listing = arg;
    json_t *row = json_object();
    set_text(row, "subject", seen->subject);
    set_seconds(row, "expires", seen->expires);
    set_number(row, "days", days_left(seen->expires, listing->now));
    set_seconds(row, "seen", seen->seen);
    (void)json_array_append_new(listing->rows, row);
}

json_t *expiry_peers_json(const struct expiry *expiry)
{
    struct listing listing = {expiry, json_array(), now_seconds(expiry)};
    peers_visit(expiry->gateway->peers, peer_add, &listing);
    return listing.rows;
}

static void alarm_add(void *arg, const char *section, const struct tls_document *document)
{
    struct listing *listing = arg;
    char text[1024];
    unsigned level = document->expires != 0 ? expiry_level(document->expires, listing->now) : 0;
    if (level == 0)
        return;
    const char *kind = kind_names[document->kind];
    if (level == 4)
        text_format(text, sizeof text, "tls %s: the %s %s has EXPIRED (%s)", section, kind, document->subject,
                    document->file);
    else
        text_format(text, sizeof text, "tls %s: the %s %s ends in %llu days (%s)", section, kind,
                    document->subject, (unsigned long long)days_left(document->expires, listing->now),
                    document->file);
    (void)json_array_append_new(listing->rows, json_string(text));
}

void expiry_alarms_add(const struct expiry *expiry, json_t *alarms)
{
    struct listing listing = {expiry, alarms, now_seconds(expiry)};
    secure_documents_visit(expiry->secure, alarm_add, &listing);
    const struct configuration *configuration = expiry->gateway->configuration;
    for (size_t i = 0; i < configuration->tls_count; i++) {
        char text[TLS_ERROR_MAX + 128];
        const char *problem = secure_problem(expiry->secure, i);
        if (problem == NULL)
            continue;
        text_format(text, sizeof text, "tls %s: %s; the former files stay in force",
                    configuration->tls[i].name, problem);
        (void)json_array_append_new(alarms, json_string(text));
    }
}
