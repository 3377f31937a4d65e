// SPDX-License-Identifier: Apache-2.0
//
// Names to pointers: copies what the tables read into the public structs and looks up every name. A name that
// leads nowhere becomes an error at its own place in the file.
#include "raw.h"

#include <string.h>

#include "base/text.h"

struct resolver {
    const struct conf_document *document;
    const struct raw *raw;
    struct conf_arena *values;
    struct configuration *out;
};

// An array for `count` things, never NULL unless there is no memory; then the count stays 0.
static void *array_new(struct resolver *resolver, size_t count, size_t size)
{
    return conf_arena_alloc(resolver->values, count + 1, size);
}

static void names_append(char *to, const char *name)
{
    size_t used = strlen(to);
    (void)text_format(to + used, CONF_ALLOWED_BYTES - used, "%s%s", used > 0 ? ", " : "",
                      name != NULL ? name : "?");
}

static void refuse_name(struct resolver *resolver, const struct conf_node *at, const char *what,
                        const char *name, const char *names)
{
    conf_error_at(resolver->document, at, names[0] != 0 ? names : "none is defined",
                  "there is no %s \"%.80s\"", what, name);
}

static const struct configuration_tls *tls_find(struct resolver *resolver, const struct conf_entry *entry,
                                                const char *name)
{
    char names[CONF_ALLOWED_BYTES] = "";
    if (name == NULL)
        return NULL;
    for (size_t i = 0; i < resolver->out->tls_count; i++) {
        if (strcmp(resolver->out->tls[i].name, name) == 0)
            return &resolver->out->tls[i];
        names_append(names, resolver->out->tls[i].name);
    }
    refuse_name(resolver, conf_node_member(entry->at, "tls"), "TLS profile", name, names);
    return NULL;
}

static const struct configuration_domain *domain_find(struct resolver *resolver,
                                                      const struct conf_entry *entry, const char *name)
{
    char names[CONF_ALLOWED_BYTES] = "";
    if (name == NULL)
        return NULL;
    for (size_t i = 0; i < resolver->out->domain_count; i++) {
        if (strcmp(resolver->out->domain[i].name, name) == 0)
            return &resolver->out->domain[i];
        names_append(names, resolver->out->domain[i].name);
    }
    refuse_name(resolver, conf_node_member(entry->at, "domain"), "domain", name, names);
    return NULL;
}

// The list `key` of node names; entries that do not exist are left out.
static const struct configuration_node **nodes_find(struct resolver *resolver, const struct conf_entry *entry,
                                                    const char *key, const struct conf_texts *wanted,
                                                    size_t *count)
{
    const struct configuration_node **found = array_new(resolver, wanted->count, sizeof *found);
    *count = 0;
    for (size_t i = 0; found != NULL && i < wanted->count; i++) {
        const struct configuration_node *node = configuration_node_by_name(resolver->out, wanted->item[i]);
        char names[CONF_ALLOWED_BYTES] = "";
        if (node != NULL) {
            found[(*count)++] = node;
            continue;
        }
        for (size_t j = 0; j < resolver->out->node_count; j++)
            names_append(names, resolver->out->node[j].name);
        // Entries that were refused before are not in `wanted`: find the place by its text.
        const struct conf_node *list = conf_node_member(entry->at, key);
        const struct conf_node *at = list;
        for (const struct conf_node *child = list->first; child != NULL; child = child->next)
            if (child->kind == CONF_SCALAR && strcmp(child->text, wanted->item[i]) == 0)
                at = child;
        refuse_name(resolver, at, "node", wanted->item[i], names);
    }
    return found;
}

static void gateway_resolve(struct resolver *resolver)
{
    const struct raw_gateway *raw = &resolver->raw->gateway;
    struct configuration_gateway *gateway = &resolver->out->gateway;
    *gateway = raw->value;
    const char *data = gateway->data != NULL ? gateway->data : ".";
    const char *socket = raw->control_socket != NULL ? raw->control_socket : "control.sock";
    bool is_absolute = socket[0] == '/';
    gateway->control_socket = conf_arena_format(resolver->values, "%s%s%s", is_absolute ? "" : data,
                                                is_absolute ? "" : "/", socket);
    gateway->keyring = raw->keyring;
    if (gateway->master_key_file == NULL && gateway->master_key_credential == NULL)
        gateway->master_key_file =
            conf_arena_format(resolver->values, "%s/master.key", resolver->document->directory);
}

static void titles_resolve(struct resolver *resolver)
{
    struct conf_texts *titles = &resolver->out->titles;
    *titles = resolver->raw->titles;
    if (titles->count > 0 || resolver->out->gateway.ae_title == NULL)
        return;
    titles->item = array_new(resolver, 1, sizeof *titles->item);
    if (titles->item != NULL)
        titles->item[titles->count++] = resolver->out->gateway.ae_title;
}

static void tls_resolve(struct resolver *resolver)
{
    struct configuration_tls *made = array_new(resolver, resolver->raw->tls_count, sizeof *made);
    resolver->out->tls = made;
    for (size_t i = 0; made != NULL && i < resolver->raw->tls_count; i++) {
        const struct raw_tls *raw = &resolver->raw->tls[i];
        made[i] = raw->value;
        made[i].name = raw->entry.name;
        made[i].identity = array_new(resolver, raw->certificates.count, sizeof *made[i].identity);
        for (size_t j = 0; made[i].identity != NULL && j < raw->certificates.count; j++) {
            made[i].identity[j].certificate = raw->certificates.item[j];
            made[i].identity[j].key = j < raw->keys.count ? raw->keys.item[j] : NULL;
            if (raw->passphrases.count > 0) // one for all, or one for each
                made[i].identity[j].passphrase_file =
                    raw->passphrases.item[j < raw->passphrases.count ? j : raw->passphrases.count - 1];
            made[i].identity[j].passphrase_credential = raw->passphrase_credential;
            made[i].identity_count = j + 1;
        }
        resolver->out->tls_count = i + 1;
    }
}

static void listeners_resolve(struct resolver *resolver)
{
    struct configuration_listener *made = array_new(resolver, resolver->raw->listener_count, sizeof *made);
    resolver->out->listener = made;
    for (size_t i = 0; made != NULL && i < resolver->raw->listener_count; i++) {
        const struct raw_listener *raw = &resolver->raw->listener[i];
        made[i] = raw->value;
        made[i].tls = tls_find(resolver, &raw->entry, raw->tls);
        resolver->out->listener_count = i + 1;
    }
}

static void domains_resolve(struct resolver *resolver)
{
    struct configuration_domain *made = array_new(resolver, resolver->raw->domain_count, sizeof *made);
    resolver->out->domain = made;
    for (size_t i = 0; made != NULL && i < resolver->raw->domain_count; i++) {
        made[i] = resolver->raw->domain[i].value;
        made[i].name = resolver->raw->domain[i].entry.name;
        resolver->out->domain_count = i + 1;
    }
}

static void statuses_resolve(struct resolver *resolver, const struct raw_node *raw,
                             struct configuration_node *made)
{
    made->status = array_new(resolver, raw->status_count, sizeof *made->status);
    for (size_t i = 0; made->status != NULL && i < raw->status_count; i++, made->status_count++) {
        const struct raw_status *from = &raw->status[i];
        struct configuration_status *status = &made->status[i];
        *status = from->value;
        status->line = from->entry.at != NULL ? from->entry.at->mark.line : 0;
        if (from->status != NULL && !status_range_read(from->status, &status->first, &status->last))
            conf_error_at(resolver->document, conf_node_member(from->entry.at, "status"),
                          "a status such as A700, a range A770-A779, or A7xx", "\"%.20s\" is no status",
                          from->status);
    }
}

static void nodes_resolve(struct resolver *resolver)
{
    struct configuration_node *made = array_new(resolver, resolver->raw->node_count, sizeof *made);
    resolver->out->node = made;
    for (size_t i = 0; made != NULL && i < resolver->raw->node_count; i++) {
        const struct raw_node *raw = &resolver->raw->node[i];
        made[i] = raw->value;
        made[i].name = raw->entry.name;
        made[i].tls = tls_find(resolver, &raw->entry, raw->tls);
        made[i].domain = domain_find(resolver, &raw->entry, raw->domain);
        statuses_resolve(resolver, raw, &made[i]);
        if (made[i].calling == CONFIGURATION_CALLING_REPLACE && made[i].calling_title == NULL)
            made[i].calling_title = resolver->out->gateway.ae_title;
        resolver->out->node_count = i + 1;
    }
}

static void clients_resolve(struct resolver *resolver)
{
    struct configuration_client *made = array_new(resolver, resolver->raw->client_count, sizeof *made);
    resolver->out->client = made;
    for (size_t i = 0; made != NULL && i < resolver->raw->client_count; i++) {
        made[i] = resolver->raw->client[i].value;
        made[i].domain =
            domain_find(resolver, &resolver->raw->client[i].entry, resolver->raw->client[i].domain);
        resolver->out->client_count = i + 1;
    }
}

// Keywords to UIDs, in place: the texts belong to the same arena. Errors come from raw_check.
static void syntaxes_resolve(struct resolver *resolver, struct conf_texts *syntaxes)
{
    for (size_t i = 0; i < syntaxes->count; i++) {
        const char *uid = transfer_syntax_uid(syntaxes->item[i]);
        char *copy = uid != NULL ? conf_arena_text(resolver->values, uid, strlen(uid)) : NULL;
        if (copy != NULL)
            syntaxes->item[i] = copy;
    }
}

static void route_resolve(struct resolver *resolver, const struct raw_route *raw,
                          struct configuration_route *made)
{
    *made = raw->value;
    made->called = raw->match.called;
    made->calling = raw->match.calling;
    made->domain = domain_find(resolver, &raw->entry, raw->domain);
    made->to = nodes_find(resolver, &raw->entry, "to", &raw->to, &made->to_count);
    syntaxes_resolve(resolver, &made->transfer_syntaxes);
}

static void query_resolve(struct resolver *resolver, const struct raw_query *raw,
                          struct configuration_query *made)
{
    *made = raw->value;
    made->called = raw->match.called;
    made->calling = raw->match.calling;
    made->from = nodes_find(resolver, &raw->entry, "from", &raw->from, &made->from_count);
}

static void phases_resolve(struct resolver *resolver)
{
    struct configuration_phase *made = array_new(resolver, resolver->raw->phase_count, sizeof *made);
    resolver->out->phase = made;
    for (size_t i = 0; made != NULL && i < resolver->raw->phase_count; i++) {
        const struct raw_phase *raw = &resolver->raw->phase[i];
        made[i].name = raw->entry.name;
        made[i].store = array_new(resolver, raw->store_count, sizeof *made[i].store);
        made[i].query = array_new(resolver, raw->query_count, sizeof *made[i].query);
        for (size_t j = 0; made[i].store != NULL && j < raw->store_count; j++, made[i].store_count++)
            route_resolve(resolver, &raw->store[j], &made[i].store[j]);
        for (size_t j = 0; made[i].query != NULL && j < raw->query_count; j++, made[i].query_count++)
            query_resolve(resolver, &raw->query[j], &made[i].query[j]);
        resolver->out->phase_count = i + 1;
    }
}

static void start_phase_resolve(struct resolver *resolver)
{
    const char *name = resolver->raw->start_phase;
    char names[CONF_ALLOWED_BYTES] = "";
    if (name == NULL)
        return;
    resolver->out->start_phase = configuration_phase_by_name(resolver->out, name);
    if (resolver->out->start_phase != NULL)
        return;
    for (size_t i = 0; i < resolver->out->phase_count; i++)
        names_append(names, resolver->out->phase[i].name);
    refuse_name(resolver, conf_node_member(resolver->raw->entry.at, "start_phase"), "phase", name, names);
}

void raw_resolve(const struct conf_document *document, const struct raw *raw, struct conf_arena *values,
                 struct configuration *out)
{
    struct resolver resolver = {.document = document, .raw = raw, .values = values, .out = out};
    out->journal = raw->journal.value;
    if (out->journal.association_watermark_bytes == 0)
        out->journal.association_watermark_bytes =
            out->journal.watermark_bytes + out->journal.watermark_bytes / 2;
    out->memory = raw->memory.value;
    out->ledger = raw->ledger.value;
    out->rules = raw->rules.value;
    out->limits = raw->limits.value;
    gateway_resolve(&resolver);
    titles_resolve(&resolver);
    tls_resolve(&resolver);
    listeners_resolve(&resolver);
    domains_resolve(&resolver);
    nodes_resolve(&resolver);
    clients_resolve(&resolver);
    phases_resolve(&resolver);
    start_phase_resolve(&resolver);
}
