// SPDX-License-Identifier: Apache-2.0
//
// What the option tables fill before names are looked up: the values of the public structs, and beside them
// the names, and where each mapping stood in the file. Role: between options_*.c (tables), resolve.c (names
// to pointers), check.c (cross checks) and configuration.c. Private to gateway/conf. Every struct that a
// table fills begins with a struct conf_entry.
#pragma once

#include "conf/configuration.h"
#include "conf/document.h"
#include "conf/load.h"
#include "conf/uids.h"

struct raw_gateway {
    struct conf_entry entry;
    struct configuration_gateway value;
    char *keyring;        // relative to the data folder
    char *control_socket; // the same
};

struct raw_journal {
    struct conf_entry entry;
    struct configuration_journal value;
};

struct raw_memory {
    struct conf_entry entry;
    struct configuration_memory value;
};

struct raw_ledger {
    struct conf_entry entry;
    struct configuration_ledger value;
};

struct raw_rules {
    struct conf_entry entry;
    struct configuration_rules value;
};

struct raw_limits {
    struct conf_entry entry;
    struct configuration_limits value;
};

struct raw_tls {
    struct conf_entry entry;
    struct configuration_tls value;
    struct conf_texts certificates;
    struct conf_texts keys;
    struct conf_texts passphrases;
    char *passphrase_credential;
};

struct raw_listener {
    struct conf_entry entry;
    struct configuration_listener value;
    char *tls;
    bool plain;
};

struct raw_domain {
    struct conf_entry entry;
    struct configuration_domain value;
};

struct raw_status {
    struct conf_entry entry;
    struct configuration_status value;
    char *status;
};

struct raw_node {
    struct conf_entry entry;
    struct configuration_node value;
    char *tls;
    char *domain;
    struct raw_status *status;
    size_t status_count;
    bool plain;
};

struct raw_client {
    struct conf_entry entry;
    struct configuration_client value;
    char *domain;
};

struct raw_match {
    struct conf_entry entry;
    struct conf_texts called;
    struct conf_texts calling;
};

struct raw_route {
    struct conf_entry entry;
    struct configuration_route value;
    struct raw_match match;
    struct conf_texts to;
    char *domain;
};

struct raw_query {
    struct conf_entry entry;
    struct configuration_query value;
    struct raw_match match;
    struct conf_texts from;
};

struct raw_phase {
    struct conf_entry entry;
    struct raw_route *store;
    size_t store_count;
    struct raw_query *query;
    size_t query_count;
};

struct raw {
    struct conf_entry entry;
    struct raw_gateway gateway;
    struct raw_journal journal;
    struct raw_memory memory;
    struct raw_ledger ledger;
    struct raw_rules rules;
    struct raw_limits limits;
    struct conf_texts titles;
    struct raw_tls *tls;
    size_t tls_count;
    struct raw_listener *listener;
    size_t listener_count;
    struct raw_domain *domain;
    size_t domain_count;
    struct raw_node *node;
    size_t node_count;
    struct raw_client *client;
    size_t client_count;
    struct raw_phase *phase;
    size_t phase_count;
    char *start_phase;
};

// The whole file (options_peers.c), and its sections about the gateway itself (options_core.c).
extern const struct conf_table options_root;
// An entry of `nodes:` (options_nodes.c).
extern const struct conf_table options_node;
extern const struct conf_table options_gateway;
extern const struct conf_table options_journal;
extern const struct conf_table options_memory;
extern const struct conf_table options_ledger;
extern const struct conf_table options_rules;
extern const struct conf_table options_limits;

// Copies values into the public structs and turns names into pointers. What does not exist becomes an error.
void raw_resolve(const struct conf_document *document, const struct raw *raw, struct conf_arena *values,
                 struct configuration *out);

// What one row can not see: things given twice, options that need or exclude each other, files that can not
// be read.
void raw_check(const struct conf_document *document, const struct raw *raw, const struct configuration *made,
               bool check_files);

// "A700", "A770-A779" or "A7xx"; false if it is none of these.
bool status_range_read(const char *text, uint16_t *first, uint16_t *last);
