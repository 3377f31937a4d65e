// SPDX-License-Identifier: Apache-2.0
#include "daemon/secure.h"
#include "base/log.h"
#include "base/text.h"
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// What one section has in force, or what was read for it. NULL: not used in this role.
struct section {
    struct tls_context *server;
    struct tls_context *client;
    bool checks_name; // of nodes
    char problem[TLS_ERROR_MAX];
};

// A dialer is plain or TLS by its node's configuration, for ever.
struct secure_node {
    struct plain_dialer plain; // its TCP options are those of TLS too
    struct net_dialer tls;
    struct secure *owner;
    size_t section;
    const char *name; // to be looked for in the certificate
    struct tls_session_slot *slot;
};

struct secure {
    const struct configuration *configuration;
    struct tls_tickets *tickets;
    pthread_mutex_t lock; // guards the clients of sections and the slots of nodes: main changes, dialers read
    struct section *sections;
    struct secure_node *nodes;
    const struct net_dialer **dialers;
};

struct secure_news {
    size_t count;
    struct section sections[];
};

// ---- sections ----

static const enum tls_profile profiles[] = {
    [CONFIGURATION_TLS_BCP195_RFC8996] = TLS_PROFILE_BCP195_RFC8996,
    [CONFIGURATION_TLS_MODIFIED_BCP195_RFC8996] = TLS_PROFILE_MODIFIED_BCP195_RFC8996,
};

static const enum tls_verify verifications[] = {
    [CONFIGURATION_PEERS_REQUIRED] = TLS_VERIFY_REQUIRED,
    [CONFIGURATION_PEERS_OPTIONAL] = TLS_VERIFY_OPTIONAL,
    [CONFIGURATION_PEERS_NONE] = TLS_VERIFY_NONE,
};

static enum result context_make(const struct configuration_tls *conf, enum tls_role role,
                                struct tls_tickets *tickets, uint64_t now, char *error,
                                struct tls_context **out)
{
    struct tls_options options = {
        .role = role,
        .profile = profiles[conf->profile],
        .verify = verifications[conf->peers],
        .ca_file = conf->ca,
        .crls = (const char *const *)conf->crl.item,
        .crl_count = conf->crl.count,
        .crl_scope = conf->crl_check == CONFIGURATION_CRL_LEAF ? TLS_CRL_LEAF : TLS_CRL_CHAIN,
        .crl_expired_refuses = conf->crl_expired == CONFIGURATION_CRL_EXPIRED_REFUSE,
        .now = now,
        .tickets = tickets,
    };
    for (size_t i = 0; i < conf->identity_count && i < TLS_KEY_PAIRS_MAX; i++) {
        const struct configuration_tls_identity *identity = &conf->identity[i];
        options.pairs[options.pair_count++] =
            (struct tls_key_pair){.certificate = identity->certificate,
                                  .key = identity->key,
                                  .passphrase_file = identity->passphrase_file,
                                  .passphrase_credential = identity->passphrase_credential};
    }
    return tls_context_new(&options, error, out);
}

static bool is_server(const struct configuration *configuration, const struct configuration_tls *tls)
{
    for (size_t i = 0; i < configuration->listener_count; i++)
        if (configuration->listener[i].tls == tls)
            return true;
    return false;
}

static bool is_client(const struct configuration *configuration, const struct configuration_tls *tls)
{
    for (size_t i = 0; i < configuration->node_count; i++)
        if (configuration->node[i].tls == tls)
            return true;
    return false;
}

static void section_fini(struct section *section)
{
    tls_context_unref(&section->server);
    tls_context_unref(&section->client);
}

// `used`: the section as `configuration`, whose listeners and nodes are those that run, has it; `tls`: what
// is to be read.
static enum result section_make(const struct configuration *configuration,
                                const struct configuration_tls *used, const struct configuration_tls *tls,
                                struct tls_tickets *tickets, uint64_t now, struct section *out)
{
    enum result result = OK;
    out->checks_name = tls->check_name;
    if (is_server(configuration, used))
        result = context_make(tls, TLS_SERVER, tickets, now, out->problem, &out->server);
    if (result == OK && is_client(configuration, used))
        result = context_make(tls, TLS_CLIENT, NULL, now, out->problem, &out->client);
    if (result != OK)
        section_fini(out);
    return result;
}

// ---- dialers ----

static enum result dial_tls(const struct net_dialer *dialer, struct ev_loop *loop,
                            const struct net_address *address, transport_ready_fn *on_ready, void *arg,
                            struct transport **out)
{
    const struct secure_node *node = CONTAINER_OF(dialer, struct secure_node, tls);
    const struct section *section = &node->owner->sections[node->section];
    struct tls_client_options options = {.tcp = node->plain.options};
    pthread_mutex_lock(&node->owner->lock);
    options.context = tls_context_ref(section->client);
    options.slot = tls_session_slot_ref(node->slot);
    options.verify_name = section->checks_name ? node->name : NULL;
    pthread_mutex_unlock(&node->owner->lock);
    enum result result = tls_transport_connect(loop, address, &options, on_ready, arg, out);
    tls_session_slot_unref(&options.slot);
    tls_context_unref(&options.context);
    return result;
}

static enum result node_make(struct secure *secure, size_t index)
{
    const struct configuration_node *conf = &secure->configuration->node[index];
    struct secure_node *node = &secure->nodes[index];
    struct net_tcp_options options = net_tcp_keep_alive(conf->keep_alive_ns);
    plain_dialer_init(&node->plain, &options);
    if (conf->tls == NULL) {
        secure->dialers[index] = &node->plain.dialer;
        return OK;
    }
    node->tls.dial = dial_tls;
    node->owner = secure;
    node->section = (size_t)(conf->tls - secure->configuration->tls);
    node->name = conf->tls_name != NULL ? conf->tls_name : conf->address.host;
    secure->dialers[index] = &node->tls;
    return tls_session_slot_new(&node->slot);
}

const struct net_dialer *const *secure_dialers(const struct secure *secure)
{
    return secure->dialers;
}

// ---- life ----

static enum result tables_make(struct secure *secure)
{
    const struct configuration *configuration = secure->configuration;
    secure->sections = calloc(configuration->tls_count + 1, sizeof *secure->sections);
    secure->nodes = calloc(configuration->node_count + 1, sizeof *secure->nodes);
    secure->dialers = calloc(configuration->node_count + 1, sizeof *secure->dialers);
    if (secure->sections == NULL || secure->nodes == NULL || secure->dialers == NULL)
        return ERR_NOMEM;
    return tls_tickets_new(&secure->tickets);
}

enum result secure_new(const struct configuration *configuration, uint64_t now, char *error,
                       struct secure **out)
{
    struct secure *secure = calloc(1, sizeof *secure);
    if (secure == NULL)
        return ERR_NOMEM;
    error[0] = 0;
    secure->configuration = configuration;
    pthread_mutex_init(&secure->lock, NULL);
    enum result result = tables_make(secure);
    for (size_t i = 0; result == OK && i < configuration->tls_count; i++) {
        const struct configuration_tls *tls = &configuration->tls[i];
        result = section_make(configuration, tls, tls, secure->tickets, now, &secure->sections[i]);
        if (result != OK)
            text_copy(error, TLS_ERROR_MAX, slice_of_text(secure->sections[i].problem));
    }
    for (size_t i = 0; result == OK && i < configuration->node_count; i++)
        result = node_make(secure, i);
    if (result != OK) {
        secure_free(secure);
        return result;
    }
    *out = secure;
    return OK;
}

void secure_free(struct secure *secure)
{
    if (secure == NULL)
        return;
    for (size_t i = 0; secure->sections != NULL && i < secure->configuration->tls_count; i++)
        section_fini(&secure->sections[i]);
    for (size_t i = 0; secure->nodes != NULL && i < secure->configuration->node_count; i++)
        tls_session_slot_unref(&secure->nodes[i].slot);
    tls_tickets_unref(&secure->tickets);
    pthread_mutex_destroy(&secure->lock);
    free(secure->sections);
    free(secure->nodes);
    free(secure->dialers);
    free(secure);
}

void secure_sections_check(const struct configuration *configuration, uint64_t now,
                           secure_outcome_fn *outcome, void *arg)
{
    for (size_t i = 0; i < configuration->tls_count; i++) {
        const struct configuration_tls *tls = &configuration->tls[i];
        struct section section = {0};
        enum result result = section_make(configuration, tls, tls, NULL, now, &section);
        outcome(arg, tls->name,
                result == OK              ? NULL
                : section.problem[0] != 0 ? section.problem
                                          : result_text(result));
        section_fini(&section);
    }
}

void secure_tickets_rotate(struct secure *secure)
{
    if (tls_tickets_rotate(secure->tickets) != OK)
        log_event0(LOG_TICKETS_KEPT);
}

struct tls_context *secure_listener_context(const struct secure *secure, size_t listener)
{
    const struct configuration_tls *tls = secure->configuration->listener[listener].tls;
    return tls != NULL ? tls_context_ref(secure->sections[tls - secure->configuration->tls].server) : NULL;
}

// ---- reload ----

static const struct configuration_tls *section_find(const struct configuration *configuration,
                                                    const char *name)
{
    for (size_t i = 0; i < configuration->tls_count; i++)
        if (strcmp(configuration->tls[i].name, name) == 0)
            return &configuration->tls[i];
    return NULL;
}

enum result secure_news_read(const struct secure *secure, const struct configuration *configuration,
                             uint64_t now, struct secure_news **out)
{
    size_t count = secure->configuration->tls_count;
    struct secure_news *news = calloc(1, sizeof *news + count * sizeof news->sections[0]);
    if (news == NULL)
        return ERR_NOMEM;
    news->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct configuration_tls *used = &secure->configuration->tls[i];
        const struct configuration_tls *tls = section_find(configuration, used->name);
        struct section *section = &news->sections[i];
        enum result result = ERR_MISSING;
        if (tls != NULL)
            result = section_make(secure->configuration, used, tls, secure->tickets, now, section);
        if (result != OK && section->problem[0] == 0)
            text_copy(section->problem, sizeof section->problem,
                      slice_of_text(tls == NULL ? "not in the configuration any more" : result_text(result)));
    }
    *out = news;
    return OK;
}

void secure_news_free(struct secure_news *news)
{
    if (news == NULL)
        return;
    for (size_t i = 0; i < news->count; i++)
        section_fini(&news->sections[i]);
    free(news);
}

// Sessions that were made when other rules held are not resumed. Connections that are open keep the old slot
// for the tickets that still come.
static void sessions_forget(struct secure *secure, size_t section)
{
    for (size_t i = 0; i < secure->configuration->node_count; i++) {
        struct secure_node *node = &secure->nodes[i];
        struct tls_session_slot *fresh = NULL;
        if (node->slot == NULL || node->section != section)
            continue;
        tls_session_slot_clear(node->slot);
        if (tls_session_slot_new(&fresh) != OK)
            continue;
        pthread_mutex_lock(&secure->lock);
        struct tls_session_slot *old = node->slot;
        node->slot = fresh;
        pthread_mutex_unlock(&secure->lock);
        tls_session_slot_unref(&old);
    }
}

static void section_take(struct secure *secure, size_t index, struct section *news)
{
    struct section *section = &secure->sections[index];
    struct section old = *section;
    bool is_same = old.client == NULL || tls_context_is_same_scope(old.client, news->client);
    pthread_mutex_lock(&secure->lock);
    *section = *news;
    pthread_mutex_unlock(&secure->lock);
    *news = (struct section){0};
    if (!is_same)
        sessions_forget(secure, index);
    section_fini(&old);
}

void secure_take(struct secure *secure, struct secure_news **taken, secure_outcome_fn *outcome, void *arg)
{
    struct secure_news *news = *taken;
    *taken = NULL;
    for (size_t i = 0; i < news->count; i++) {
        struct section *section = &news->sections[i];
        bool is_fine = section->problem[0] == 0;
        if (is_fine)
            section_take(secure, i, section);
        else
            text_copy(secure->sections[i].problem, TLS_ERROR_MAX, slice_of_text(section->problem));
        outcome(arg, secure->configuration->tls[i].name, is_fine ? NULL : section->problem);
    }
    secure_news_free(news);
}

const char *secure_problem(const struct secure *secure, size_t section)
{
    return secure->sections[section].problem[0] != 0 ? secure->sections[section].problem : NULL;
}

// ---- what the files are ----

static void mark_add(uint64_t *mark, uint64_t value)
{
    *mark = (*mark ^ value) * 0x100000001b3u; // FNV-1a by words: nobody attacks a mark of his own files
}

static void mark_status(uint64_t *mark, const char *path)
{
    struct stat status;
    if (path == NULL || stat(path, &status) != 0) {
        mark_add(mark, 1);
        return;
    }
    mark_add(mark, (uint64_t)status.st_ino);
    mark_add(mark, (uint64_t)status.st_size);
    mark_add(mark, (uint64_t)status.st_mtim.tv_sec);
    mark_add(mark, (uint64_t)status.st_mtim.tv_nsec);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void mark_folder(uint64_t *mark, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, visible, alphasort);
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX];
        if (text_format(file, sizeof file, "%s/%s", path, entries[i]->d_name))
            mark_status(mark, file);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

uint64_t secure_files_mark(const struct configuration *configuration)
{
    uint64_t mark = 0xcbf29ce484222325u;
    for (size_t i = 0; i < configuration->tls_count; i++) {
        const struct configuration_tls *tls = &configuration->tls[i];
        for (size_t j = 0; j < tls->identity_count; j++) {
            mark_status(&mark, tls->identity[j].certificate);
            mark_status(&mark, tls->identity[j].key);
            mark_status(&mark, tls->identity[j].passphrase_file);
        }
        mark_status(&mark, tls->ca);
        for (size_t j = 0; j < tls->crl.count; j++) {
            struct stat status;
            mark_status(&mark, tls->crl.item[j]);
            if (stat(tls->crl.item[j], &status) == 0 && S_ISDIR(status.st_mode))
                mark_folder(&mark, tls->crl.item[j]);
        }
    }
    return mark;
}

static bool is_same_document(const struct tls_document *one, const struct tls_document *other)
{
    return one->kind == other->kind && one->expires == other->expires &&
           strcmp(one->file, other->file) == 0 && strcmp(one->subject, other->subject) == 0;
}

// Whether a context before (section, is_client) has it already: files are shared by sections and roles.
static bool is_seen(const struct secure *secure, size_t section, bool is_client,
                    const struct tls_document *document)
{
    for (size_t i = 0; i <= section; i++)
        for (int role = 0; role < 2; role++) {
            if (i == section && role == (is_client ? 1 : 0))
                return false;
            const struct tls_context *context =
                role == 0 ? secure->sections[i].server : secure->sections[i].client;
            const struct tls_document *others;
            size_t count = context != NULL ? tls_context_documents(context, &others) : 0;
            for (size_t n = 0; n < count; n++)
                if (is_same_document(document, &others[n]))
                    return true;
        }
    return false;
}

void secure_documents_visit(const struct secure *secure, secure_document_fn *visit, void *arg)
{
    for (size_t i = 0; i < secure->configuration->tls_count; i++)
        for (int role = 0; role < 2; role++) {
            const struct tls_context *context =
                role == 0 ? secure->sections[i].server : secure->sections[i].client;
            const struct tls_document *documents;
            size_t count = context != NULL ? tls_context_documents(context, &documents) : 0;
            for (size_t n = 0; n < count; n++)
                if (!is_seen(secure, i, role == 1, &documents[n]))
                    visit(arg, secure->configuration->tls[i].name, &documents[n]);
        }
}
