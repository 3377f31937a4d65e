// SPDX-License-Identifier: Apache-2.0
//
// Cross checks: what no single option can see. Every value may be missing here, because its own row was
// already refused; such a value is passed over, so that one mistake is reported once.
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "tls/binding.h"

struct checker {
    const struct conf_document *document;
    const struct raw *raw;
    const struct configuration *made;
    bool check_files;
};

// Where the member stands, or else its mapping, or else the file.
static const struct conf_node *place(const struct checker *checker, const struct conf_entry *entry,
                                     const char *key)
{
    const struct conf_node *member = conf_node_member(entry->at, key);
    if (member != NULL)
        return member;
    return entry->at != NULL ? entry->at : checker->document->root;
}

static bool is_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool is_same_address(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && is_same(a->host, b->host);
}

// Readable by this user, and a file. Opening is the only honest test.
static void check_file(const struct checker *checker, const struct conf_node *at, const char *path)
{
    struct stat status;
    if (!checker->check_files || path == NULL)
        return;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        conf_error_at(checker->document, at, "a file that can be read", "%s: %s", path, strerror(errno));
        return;
    }
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        conf_error_at(checker->document, at, "a file that can be read", "%s: not a regular file", path);
    (void)close(file);
}

// The same, or a folder.
static void check_file_or_folder(const struct checker *checker, const struct conf_node *at, const char *path)
{
    struct stat status;
    if (checker->check_files && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        if (access(path, R_OK | X_OK) != 0)
            conf_error_at(checker->document, at, "a folder that can be read", "%s: %s", path,
                          strerror(errno));
        return;
    }
    check_file(checker, at, path);
}

// A path below the data folder: no leading '/', no "." or "..", nothing empty between two '/'.
static bool is_below(const char *path)
{
    for (;;) {
        size_t length = strcspn(path, "/");
        if (length == 0 || (length == 1 && path[0] == '.') ||
            (length == 2 && path[0] == '.' && path[1] == '.'))
            return false;
        if (path[length] == 0)
            return true;
        path += length + 1;
    }
}

static void check_gateway(const struct checker *checker)
{
    const struct raw_gateway *raw = &checker->raw->gateway;
    if (raw->value.master_key_file != NULL && raw->value.master_key_credential != NULL)
        conf_error_at(checker->document, place(checker, &raw->entry, "master_key_credential"),
                      "master_key_file or master_key_credential", "given beside master_key_file");
    if (raw->value.master_key_credential != NULL && strchr(raw->value.master_key_credential, '/') != NULL)
        conf_error_at(checker->document, place(checker, &raw->entry, "master_key_credential"),
                      "the name of a systemd credential", "\"%.80s\" is a path",
                      raw->value.master_key_credential);
    if (raw->keyring != NULL && !is_below(raw->keyring))
        conf_error_at(checker->document, place(checker, &raw->entry, "keyring"),
                      "a path, relative to the data folder", "\"%.80s\" does not lie below the data folder",
                      raw->keyring);
    if (checker->made->gateway.control_socket != NULL &&
        strlen(checker->made->gateway.control_socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        conf_error_at(checker->document, place(checker, &raw->entry, "control_socket"),
                      "at most 107 bytes with the data folder", "the path of the socket is too long");
}

static void check_bounds(const struct checker *checker)
{
    const struct raw_journal *journal = &checker->raw->journal;
    const struct raw_memory *memory = &checker->raw->memory;
    if (journal->value.segment_bytes % (4 * KIB) != 0)
        conf_error_at(checker->document, place(checker, &journal->entry, "segment_size"),
                      "a multiple of 4KiB", "does not fill whole pages");
    if (journal->value.reserve_bytes >= journal->value.watermark_bytes &&
        journal->value.watermark_bytes != 0) {
        char least[32];
        conf_size_text(journal->value.watermark_bytes, least, sizeof least);
        const char *key = conf_node_member(journal->entry.at, "reserve") != NULL ? "reserve" : "watermark";
        conf_error_at(checker->document, place(checker, &journal->entry, key),
                      "a reserve below the watermark", "the reserve is not less than the watermark (%s)",
                      least);
    }
    uint64_t higher = journal->value.association_watermark_bytes;
    if (higher != 0 && higher < journal->value.watermark_bytes)
        conf_error_at(checker->document, place(checker, &journal->entry, "association_watermark"),
                      "at least the watermark", "associations would be rejected after instances are refused");
    if (higher == 0)
        higher = journal->value.watermark_bytes + journal->value.watermark_bytes / 2;
    if (journal->value.quota_bytes != 0 && journal->value.quota_bytes <= higher)
        conf_error_at(checker->document, place(checker, &journal->entry, "quota"),
                      "more than the association watermark", "no association would ever be accepted");
    if (memory->value.hot_receipt_bytes > memory->value.hot_window_bytes &&
        memory->value.hot_window_bytes != 0)
        conf_error_at(checker->document, place(checker, &memory->entry, "hot_receipt"), "at most hot_window",
                      "one receipt would have more than all together");
}

static void check_tls_files(const struct checker *checker, const struct raw_tls *raw)
{
    for (size_t i = 0; i < raw->certificates.count; i++)
        check_file(checker, place(checker, &raw->entry, "certificate"), raw->certificates.item[i]);
    for (size_t i = 0; i < raw->keys.count; i++)
        check_file(checker, place(checker, &raw->entry, "key"), raw->keys.item[i]);
    check_file(checker, place(checker, &raw->entry, "ca"), raw->value.ca);
    for (size_t i = 0; i < raw->value.crl.count; i++)
        check_file_or_folder(checker, place(checker, &raw->entry, "crl"), raw->value.crl.item[i]);
    for (size_t i = 0; i < raw->passphrases.count; i++)
        check_file(checker, place(checker, &raw->entry, "key_passphrase"), raw->passphrases.item[i]);
}

static void check_passphrase(const struct checker *checker, const struct raw_tls *raw)
{
    size_t count = raw->passphrases.count;
    if (count > 1 && count != raw->certificates.count)
        conf_error_at(checker->document, place(checker, &raw->entry, "key_passphrase"),
                      "one for all keys, or one for each, in the same order",
                      "%zu passphrase files for %zu certificates", count, raw->certificates.count);
    if (raw->passphrase_credential == NULL)
        return;
    const struct conf_node *at = place(checker, &raw->entry, "key_passphrase_credential");
    if (count > 0)
        conf_error_at(checker->document, at, "key_passphrase or key_passphrase_credential",
                      "given beside key_passphrase");
    if (strchr(raw->passphrase_credential, '/') != NULL)
        conf_error_at(checker->document, at, "the name of a systemd credential", "\"%.80s\" is a path",
                      raw->passphrase_credential);
}

static void check_tls(const struct checker *checker, const struct raw_tls *raw)
{
    const struct conf_node *keys = conf_node_member(raw->entry.at, "key");
    if (keys != NULL && raw->keys.count != raw->certificates.count)
        conf_error_at(checker->document, keys, "one for each certificate, in the same order",
                      "%zu keys for %zu certificates", raw->keys.count, raw->certificates.count);
    if (conf_node_member(raw->entry.at, "ca") == NULL && raw->value.peers != CONFIGURATION_PEERS_NONE)
        conf_error_missing(checker->document, raw->entry.at, "ca",
                           "a path; or peers: none, which trusts anybody");
    if (conf_node_member(raw->entry.at, "ca") != NULL && raw->value.peers == CONFIGURATION_PEERS_NONE)
        conf_error_at(checker->document, place(checker, &raw->entry, "peers"), "required, optional",
                      "`ca` is given, but no peer would be checked against it");
    if (raw->value.crl.count > 0 && raw->value.peers == CONFIGURATION_PEERS_NONE)
        conf_error_at(checker->document, place(checker, &raw->entry, "crl"), "with peers: required, optional",
                      "no peer would be checked against it");
    check_passphrase(checker, raw);
    check_tls_files(checker, raw);
}

// Encryption is either named or given up in words.
static void check_security(const struct checker *checker, const struct conf_entry *entry, bool plain)
{
    bool has_tls = conf_node_member(entry->at, "tls") != NULL;
    if (has_tls && plain)
        conf_error_at(checker->document, place(checker, entry, "plain"), "tls: NAME, or plain: yes",
                      "given beside tls");
    if (!has_tls && !plain)
        conf_error_at(checker->document, entry->at, "tls: NAME, or plain: yes", "neither tls nor plain: yes");
}

static void check_listener(const struct checker *checker, size_t index)
{
    const struct raw_listener *raw = &checker->raw->listener[index];
    check_security(checker, &raw->entry, raw->plain);
    for (size_t i = 0; i < index; i++) {
        const struct raw_listener *other = &checker->raw->listener[i];
        if (is_same(raw->value.name, other->value.name))
            conf_error_at(checker->document, place(checker, &raw->entry, "name"), "a name of its own",
                          "\"%.80s\" is listener %zu already", raw->value.name, i + 1);
        if (is_same_address(&raw->value.address, &other->value.address))
            conf_error_at(checker->document, place(checker, &raw->entry, "address"), "an address of its own",
                          "the same address as listener %zu", i + 1);
    }
    const struct configuration_tls *tls =
        index < checker->made->listener_count ? checker->made->listener[index].tls : NULL;
    if (tls != NULL && tls->identity_count == 0)
        conf_error_at(checker->document, place(checker, &raw->entry, "tls"),
                      "a TLS profile with a certificate",
                      "the TLS profile \"%.80s\" has no certificate to show to clients", tls->name);
}

static void check_calling(const struct checker *checker, const struct raw_node *raw)
{
    bool has_map = conf_node_member(raw->entry.at, "calling_map") != NULL;
    bool has_title = conf_node_member(raw->entry.at, "calling_title") != NULL;
    if (raw->value.calling == CONFIGURATION_CALLING_MAP && !has_map)
        conf_error_missing(checker->document, raw->entry.at, "calling_map",
                           "a mapping of AE titles, for calling: map");
    if (raw->value.calling != CONFIGURATION_CALLING_MAP && has_map)
        conf_error_at_key(checker->document, place(checker, &raw->entry, "calling_map"), "with calling: map",
                          "has no meaning here");
    if (raw->value.calling == CONFIGURATION_CALLING_PRESERVE && has_title)
        conf_error_at_key(checker->document, place(checker, &raw->entry, "calling_title"),
                          "with calling: replace or calling: map", "has no meaning here");
}

static void check_node_unique(const struct checker *checker, size_t index)
{
    const struct raw_node *raw = &checker->raw->node[index];
    for (size_t i = 0; i < index; i++) {
        const struct raw_node *other = &checker->raw->node[i];
        if (raw->value.id != 0 && raw->value.id == other->value.id)
            conf_error_at(checker->document, place(checker, &raw->entry, "id"), "an id of its own",
                          "%u is the id of \"%s\" already", (unsigned)raw->value.id, other->entry.name);
        if (is_same_address(&raw->value.address, &other->value.address) &&
            is_same(raw->value.ae_title, other->value.ae_title))
            conf_error_at(checker->document, place(checker, &raw->entry, "address"),
                          "one node for each archive", "the same address and AE title as \"%s\"",
                          other->entry.name);
    }
}

static void check_packs(const struct checker *checker, const struct raw_node *raw)
{
    if (raw->value.packs.count > 0 && checker->raw->rules.value.packs == NULL)
        conf_error_at_key(checker->document, place(checker, &raw->entry, "packs"),
                          "with `rules: { packs: FOLDER }`", "has no meaning here");
}

// What is about patients of other domains says nothing where the node has none.
static void check_edits(const struct checker *checker, const struct raw_node *raw)
{
    static const char *const of_domain[] = {"crosswalk", "unmatched"};
    bool has_domain = conf_node_member(raw->entry.at, "domain") != NULL;
    bool has_packs = conf_node_member(raw->entry.at, "packs") != NULL;
    for (size_t i = 0; !has_domain && i < sizeof of_domain / sizeof of_domain[0]; i++)
        if (conf_node_member(raw->entry.at, of_domain[i]) != NULL)
            conf_error_at_key(checker->document, place(checker, &raw->entry, of_domain[i]), "with domain",
                              "has no meaning here");
    if (has_domain && !has_packs && raw->value.crosswalk == CONFIGURATION_CROSSWALK_RULES)
        conf_error_at(checker->document, place(checker, &raw->entry, "crosswalk"),
                      "always; or rules, with packs", "without packs no rule would ever ask for it");
    if (!has_domain && !has_packs && conf_node_member(raw->entry.at, "original_attributes") != NULL)
        conf_error_at_key(checker->document, place(checker, &raw->entry, "original_attributes"),
                          "with domain or packs", "has no meaning here");
}

static void check_node(const struct checker *checker, size_t index)
{
    const struct raw_node *raw = &checker->raw->node[index];
    check_packs(checker, raw);
    check_edits(checker, raw);
    check_security(checker, &raw->entry, raw->plain);
    check_node_unique(checker, index);
    check_calling(checker, raw);
    if (raw->value.tls_name != NULL && raw->plain)
        conf_error_at_key(checker->document, place(checker, &raw->entry, "tls_name"), "with tls",
                          "has no meaning here");
    if (checker->raw->domain_count > 0 && conf_node_member(raw->entry.at, "domain") == NULL)
        conf_error_missing(checker->document, raw->entry.at, "domain",
                           "the name of a domain, as there are domains");
    if (raw->value.retry_min_ns > raw->value.retry_max_ns && raw->value.retry_max_ns != 0)
        conf_error_at(checker->document, place(checker, &raw->entry, "retry_min"), "at most retry_max",
                      "the first wait is longer than the longest");
    const struct configuration_tls *tls =
        index < checker->made->node_count ? checker->made->node[index].tls : NULL;
    if (tls != NULL && tls->peers == CONFIGURATION_PEERS_OPTIONAL)
        conf_error_at(checker->document, place(checker, &raw->entry, "tls"),
                      "a TLS profile with peers: required, none",
                      "the TLS profile \"%.80s\" has `peers: optional`, which is for listeners", tls->name);
}

static void check_client(const struct checker *checker, const struct raw_client *raw)
{
    struct tls_binding binding;
    if (raw->value.certificate != NULL && tls_binding_parse(raw->value.certificate, &binding) != OK)
        conf_error_at(checker->document, place(checker, &raw->entry, "certificate"),
                      "\"CN=NAME\", \"DNS:NAME\", \"sha256:HEX\", \"DN=NAME\"",
                      "\"%.80s\" is not a certificate rule", raw->value.certificate);
}

static bool has_title(const struct conf_texts *titles, const char *title)
{
    for (size_t i = 0; i < titles->count; i++)
        if (strcmp(titles->item[i], title) == 0)
            return true;
    return false;
}

// A called title that the gateway does not answer to never comes.
static void check_match(const struct checker *checker, const struct raw_match *raw)
{
    for (size_t i = 0; i < raw->called.count && checker->made->titles.count > 0; i++)
        if (!has_title(&checker->made->titles, raw->called.item[i]))
            conf_error_at(checker->document, place(checker, &raw->entry, "called"),
                          "titles that stand in `titles`", "the gateway does not answer to \"%s\"",
                          raw->called.item[i]);
}

static void check_uids(const struct checker *checker, const struct raw_route *raw)
{
    const struct conf_node *classes = conf_node_member(raw->entry.at, "classes");
    const struct conf_node *syntaxes = conf_node_member(raw->entry.at, "transfer_syntaxes");
    if (classes != NULL && classes->kind == CONF_SEQUENCE)
        for (const struct conf_node *entry = classes->first; entry != NULL; entry = entry->next)
            if (entry->kind == CONF_SCALAR && !uid_is_valid(entry->text))
                conf_error_at(checker->document, entry, "a UID: digits and dots, at most 64",
                              "\"%.80s\" is not a UID", entry->text);
    if (syntaxes != NULL && syntaxes->kind == CONF_SEQUENCE)
        for (const struct conf_node *entry = syntaxes->first; entry != NULL; entry = entry->next)
            if (entry->kind == CONF_SCALAR && transfer_syntax_uid(entry->text) == NULL)
                conf_error_at(checker->document, entry,
                              "a UID, or a keyword of PS3.6 such as ExplicitVRLittleEndian",
                              "\"%.80s\" is not a transfer syntax", entry->text);
}

static void check_route(const struct checker *checker, const struct raw_route *raw)
{
    const struct conf_node *classes = conf_node_member(raw->entry.at, "classes");
    const struct conf_node *syntaxes = conf_node_member(raw->entry.at, "transfer_syntaxes");
    bool is_fixed = raw->value.negotiate == CONFIGURATION_NEGOTIATE_FIXED;
    check_match(checker, &raw->match);
    check_uids(checker, raw);
    if (is_fixed && syntaxes == NULL)
        conf_error_missing(checker->document, raw->entry.at, "transfer_syntaxes",
                           "a list of transfer syntaxes, for negotiate: fixed");
    if (!is_fixed && classes != NULL)
        conf_error_at_key(checker->document, classes, "with negotiate: fixed", "has no meaning here");
    if (!is_fixed && syntaxes != NULL)
        conf_error_at_key(checker->document, syntaxes, "with negotiate: fixed", "has no meaning here");
}

static void check_phase(const struct checker *checker, const struct raw_phase *raw)
{
    for (size_t i = 0; i < raw->store_count; i++) {
        check_route(checker, &raw->store[i]);
        const struct raw_match *match = &raw->store[i].match;
        bool takes_all = conf_node_member(match->entry.at, "called") == NULL &&
                         conf_node_member(match->entry.at, "calling") == NULL;
        if (takes_all && i + 1 < raw->store_count)
            conf_error_at(checker->document, raw->store[i + 1].entry.at,
                          "rows before the one that takes everything",
                          "is never reached: row %zu takes every association", i + 1);
    }
    for (size_t i = 0; i < raw->query_count; i++)
        check_match(checker, &raw->query[i].match);
}

void raw_check(const struct conf_document *document, const struct raw *raw, const struct configuration *made,
               bool check_files)
{
    struct checker checker = {.document = document, .raw = raw, .made = made, .check_files = check_files};
    check_gateway(&checker);
    check_bounds(&checker);
    for (size_t i = 0; i < raw->tls_count; i++)
        check_tls(&checker, &raw->tls[i]);
    for (size_t i = 0; i < raw->listener_count; i++)
        check_listener(&checker, i);
    for (size_t i = 0; i < raw->node_count; i++)
        check_node(&checker, i);
    for (size_t i = 0; i < raw->client_count; i++)
        check_client(&checker, &raw->client[i]);
    for (size_t i = 0; i < raw->phase_count; i++)
        check_phase(&checker, &raw->phase[i]);
}
