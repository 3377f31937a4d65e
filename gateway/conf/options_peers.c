// SPDX-License-Identifier: Apache-2.0
//
// Option tables of everything that has a name but the nodes (options_nodes.c): TLS profiles, listeners,
// domains, clients, phases; and the root.
#include "raw.h"

#include "base/units.h"

#define SECONDS(n) ((n)*NSEC_PER_SEC)
#define MINUTES(n) SECONDS((n)*60)
#define HOURS(n)   MINUTES((n)*60)
#define LATER      "is not supported by this version"

static const struct conf_choice TLS_PEERS[] = {
    {.name = "required", .value = CONFIGURATION_PEERS_REQUIRED},
    {.name = "optional", .value = CONFIGURATION_PEERS_OPTIONAL},
    {.name = "none", .value = CONFIGURATION_PEERS_NONE},
    {.name = NULL},
};

static const struct conf_choice TLS_PROFILES[] = {
    {.name = "bcp195-rfc8996", .value = CONFIGURATION_TLS_BCP195_RFC8996},
    {.name = "modified-bcp195-rfc8996", .value = CONFIGURATION_TLS_MODIFIED_BCP195_RFC8996},
    {.name = NULL},
};

static const struct conf_choice CRL_CHECKS[] = {
    {.name = "chain", .value = CONFIGURATION_CRL_CHAIN},
    {.name = "leaf", .value = CONFIGURATION_CRL_LEAF},
    {.name = NULL},
};

static const struct conf_choice CRL_EXPIRED[] = {
    {.name = "alarm", .value = CONFIGURATION_CRL_EXPIRED_ALARM},
    {.name = "refuse", .value = CONFIGURATION_CRL_EXPIRED_REFUSE},
    {.name = NULL},
};

static const struct conf_option TLS[] = {
    {.key = "certificate",
     .type = CONF_PATHS,
     CONF_MEMBER(struct raw_tls, certificates),
     .least = 1,
     .most = CONFIGURATION_TLS_IDENTITIES,
     .reload = CONF_RELOAD_NEW,
     .help = "PEM file with the certificate and its intermediates; two of them, one with an RSA and one with "
             "an ECDSA key, where peers need RSA and others ECDSA. A listener's profile must have one."},
    {.key = "key",
     .type = CONF_PATHS,
     CONF_MEMBER(struct raw_tls, keys),
     .least = 1,
     .most = CONFIGURATION_TLS_IDENTITIES,
     .unset = "in the file of the certificate",
     .reload = CONF_RELOAD_NEW,
     .help = "PEM file with the private key; as many as certificates, in the same order."},
    {.key = "key_passphrase",
     .type = CONF_PATHS,
     CONF_MEMBER(struct raw_tls, passphrases),
     .least = 1,
     .most = CONFIGURATION_TLS_IDENTITIES,
     .unset = "the keys have none",
     .reload = CONF_RELOAD_NEW,
     .help =
         "File whose first line is the passphrase of the key, mode 0600; one for all keys or one for each."},
    {.key = "key_passphrase_credential",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_tls, passphrase_credential),
     .least = 1,
     .most = 255,
     .shape = "the name of a systemd credential",
     .reload = CONF_RELOAD_NEW,
     .help = "Takes the passphrase from $CREDENTIALS_DIRECTORY instead (systemd LoadCredential=)."},
    {.key = "ca",
     .type = CONF_PATH,
     CONF_MEMBER(struct raw_tls, value.ca),
     .reload = CONF_RELOAD_NEW,
     .help = "PEM file of the authorities whose peers are trusted; required unless `peers: none`."},
    {.key = "crl",
     .type = CONF_PATHS,
     CONF_MEMBER(struct raw_tls, value.crl),
     .least = 1,
     .most = 64,
     .unset = "revocation is not checked",
     .reload = CONF_RELOAD_NEW,
     .help = "Files of revocation lists (PEM or DER), or folders of such files. With any, a peer whose "
             "authority has no list here is refused."},
    {.key = "crl_check",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_tls, value.crl_check),
     .standard = "chain",
     .choices = CRL_CHECKS,
     .reload = CONF_RELOAD_NEW,
     .help =
         "`chain`: the peer's certificate and every authority between it and the trusted one; `leaf`: the "
         "peer's certificate alone."},
    {.key = "crl_expired",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_tls, value.crl_expired),
     .standard = "alarm",
     .choices = CRL_EXPIRED,
     .reload = CONF_RELOAD_NEW,
     .help = "A list past its next update: `alarm` lets it count on and shows it in status; `refuse` lets no "
             "peer of that authority in."},
    {.key = "peers",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_tls, value.peers),
     .standard = "required",
     .choices = TLS_PEERS,
     .reload = CONF_RELOAD_NEW,
     .help = "Must the other side show a certificate of one of the authorities? `optional`, for listeners: "
             "checked if "
             "shown."},
    {.key = "profile",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_tls, value.profile),
     .standard = "bcp195-rfc8996",
     .choices = TLS_PROFILES,
     .reload = CONF_RELOAD_NEW,
     .help =
         "Secure Transport Connection Profile: `bcp195-rfc8996` is PS3.15 B.12 (ECDHE with AES-GCM), "
         "`modified-bcp195-rfc8996` is B.13 (ChaCha20-Poly1305 and AES-CCM besides). Both: TLS 1.2 and 1.3 "
         "only, never a pre-shared key."},
    {.key = "check_name",
     .type = CONF_BOOL,
     CONF_MEMBER(struct raw_tls, value.check_name),
     .standard = "yes",
     .reload = CONF_RELOAD_NEW,
     .help = "For nodes: must the certificate carry the node's host name or address (or its `tls_name`)?"},
};
static const struct conf_table TLS_TABLE =
    CONF_ROWS(TLS, struct raw_tls, "A TLS profile, named by listeners and nodes.");

static const struct conf_option LISTENERS[] = {
    {.key = "name",
     .type = CONF_TEXT,
     .is_required = true,
     CONF_MEMBER(struct raw_listener, value.name),
     .least = 1,
     .most = 32,
     .help = "Its name in status, log and receipts."},
    {.key = "address",
     .type = CONF_NUMERIC,
     .is_required = true,
     CONF_MEMBER(struct raw_listener, value.address),
     .help = "Address and port that it listens on; 0.0.0.0 is every IPv4 address, \"[::]\" every address."},
    {.key = "tls",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_listener, tls),
     .least = 1,
     .most = 32,
     .shape = "the name of a TLS profile",
     .help = "Its TLS profile. Either this or `plain: yes`."},
    {.key = "plain",
     .type = CONF_BOOL,
     CONF_MEMBER(struct raw_listener, plain),
     .standard = "no",
     .help = "DICOM without encryption, which is asked for in words and flagged everywhere."},
    {.key = "proxy",
     .type = CONF_NETWORKS,
     CONF_MEMBER(struct raw_listener, value.proxy),
     .least = 1,
     .most = 256,
     .unset = "no load balancer: such headers are refused",
     .help =
         "Load balancers in front of it, the only ones that may connect: each connection must begin with a "
         "PROXY protocol header of version 2. The address inside counts for `clients`, limits and logs."},
    {.key = "backlog",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_listener, value.backlog),
     .least = 1,
     .most = 65535,
     .standard = "512",
     .help = "Connections that the system holds until they are accepted."},
};
static const struct conf_table LISTENER_TABLE =
    CONF_ROWS(LISTENERS, struct raw_listener, "Where clients connect. Any number.");

static const struct conf_choice COMPARISONS[] = {
    {.name = "keep", .value = CONFIGURATION_KEEP},
    {.name = "ignore", .value = CONFIGURATION_IGNORE},
    {.name = NULL},
};

static const struct conf_option DOMAINS[] = {
    {.key = "issuers",
     .type = CONF_TEXTS,
     CONF_MEMBER(struct raw_domain, value.issuers),
     .least = 0,
     .most = 64,
     .help = "Values of Issuer of Patient ID that are trusted to mean this domain."},
    {.key = "leading_zeros",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_domain, value.leading_zeros),
     .standard = "keep",
     .choices = COMPARISONS,
     .help = "How patient IDs are compared in the crosswalk: `keep` tells 007 from 7, `ignore` takes them "
             "for one. "
             "What is written out is not changed. Fixed as long as the crosswalk has rows or merges of the "
             "domain."},
    {.key = "case",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_domain, value.letters),
     .standard = "keep",
     .choices = COMPARISONS,
     .help = "The same for the letters A to Z: `keep` tells a1 from A1, `ignore` takes them for one."},
};
static const struct conf_table DOMAIN_TABLE =
    CONF_ROWS(DOMAINS, struct raw_domain, "A domain: who issued the patient IDs, and how they are compared.");

static const struct conf_choice SERVICES[] = {
    {.name = "echo", .value = CONFIGURATION_SERVICE_ECHO},
    {.name = "store", .value = CONFIGURATION_SERVICE_STORE},
    {.name = "query", .value = CONFIGURATION_SERVICE_QUERY},
    {.name = "retrieve", .value = CONFIGURATION_SERVICE_RETRIEVE},
    {.name = "worklist", .value = CONFIGURATION_SERVICE_WORKLIST},
    {.name = "mpps", .value = CONFIGURATION_SERVICE_MPPS},
    {.name = "commit", .value = CONFIGURATION_SERVICE_COMMIT},
    {.name = NULL},
};

static const struct conf_choice QUIRKS[] = {
    {.name = "accept_unscanned", .value = CONFIGURATION_QUIRK_ACCEPT_UNSCANNED},
    {.name = "uid_mismatch", .value = CONFIGURATION_QUIRK_UID_MISMATCH},
    {.name = "blank_calling", .value = CONFIGURATION_QUIRK_BLANK_CALLING},
    {.name = NULL},
};

static const struct conf_choice ALL[] = {{.name = "all", .value = 0}, {.name = NULL}};

static const struct conf_option CLIENTS[] = {
    {.key = "ae_title",
     .type = CONF_TITLE,
     .is_required = true,
     CONF_MEMBER(struct raw_client, value.ae_title),
     .shape = "an AE title: 1 to 16 characters, no backslash; or \"*\" for any",
     .reload = CONF_RELOAD_NEW,
     .help = "Its calling AE title."},
    {.key = "from",
     .type = CONF_NETWORKS,
     CONF_MEMBER(struct raw_client, value.from),
     .least = 1,
     .most = 256,
     .unset = "anywhere",
     .reload = CONF_RELOAD_NEW,
     .help = "Addresses that it comes from."},
    {.key = "certificate",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_client, value.certificate),
     .least = 1,
     .most = 512,
     .shape = "\"CN=NAME\", \"DNS:NAME\", \"sha256:HEX\" or \"DN=NAME\"",
     .unset = "any that its listener trusts",
     .reload = CONF_RELOAD_NEW,
     .help = "Certificate that the title is bound to."},
    {.key = "domain",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_client, domain),
     .least = 1,
     .most = 32,
     .shape = "the name of a domain",
     .unset = "as in the row of `store`",
     .reload = CONF_RELOAD_NEW,
     .help = "Domain of the patient IDs that it sends, whatever title it calls."},
    {.key = "services",
     .type = CONF_FLAGS,
     CONF_MEMBER(struct raw_client, value.services),
     .least = 1,
     .most = 16,
     .standard = "echo, store",
     .choices = SERVICES,
     .reload = CONF_RELOAD_NEW,
     .help = "What it may ask for. This version serves echo and store; others may be listed and are not "
             "accepted yet."},
    {.key = "quirks",
     .type = CONF_FLAGS,
     CONF_MEMBER(struct raw_client, value.quirks),
     .least = 0,
     .most = 16,
     .choices = QUIRKS,
     .reload = CONF_RELOAD_NEW,
     .help =
         "Tolerances: `accept_unscanned` stores data sets that can not be followed, flagged; `uid_mismatch` "
         "lets "
         "SOP UIDs differ between command and data set; `blank_calling` takes a blank calling title for it."},
    {.key = "associations",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct raw_client, value.associations),
     .least = 1,
     .most = 10000,
     .choices = ALL,
     .standard = "all",
     .reload = CONF_RELOAD_NEW,
     .help = "Its associations at the same time."},
    {.key = "max_pdu",
     .type = CONF_SIZE,
     CONF_MEMBER(struct raw_client, value.max_pdu),
     .least = 4 * KIB,
     .most = MIB,
     .unset = "as in `gateway`",
     .reload = CONF_RELOAD_NEW,
     .help = "Longest P-DATA-TF that is offered to it, for one that can not send long ones."},
    {.key = "idle",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_client, value.idle_ns),
     .least = SECONDS(10),
     .most = HOURS(168),
     .unset = "as in `limits`",
     .reload = CONF_RELOAD_NEW,
     .help = "Silence between its messages."},
    {.key = "stall",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_client, value.stall_ns),
     .least = SECONDS(1),
     .most = HOURS(1),
     .unset = "as in `limits`",
     .reload = CONF_RELOAD_NEW,
     .help = "Silence inside a message of it, or while it takes no byte."},
    {.key = "release",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_client, value.release_ns),
     .least = SECONDS(1),
     .most = MINUTES(10),
     .unset = "as in `limits`",
     .reload = CONF_RELOAD_NEW,
     .help = "Waiting until it has closed after a release or reject."},
};
static const struct conf_table CLIENT_TABLE =
    CONF_ROWS(CLIENTS, struct raw_client,
              "Who may connect. Without any entry everybody may, for echo and store; with one, whoever "
              "matches no entry is "
              "rejected. The first entry that matches counts.");

static const struct conf_option MATCH[] = {
    {.key = "called",
     .type = CONF_TITLES,
     CONF_MEMBER(struct raw_match, called),
     .least = 1,
     .most = 256,
     .unset = "any",
     .reload = CONF_RELOAD_NEW,
     .help = "Called AE titles, each one of `titles`."},
    {.key = "calling",
     .type = CONF_TITLES,
     CONF_MEMBER(struct raw_match, calling),
     .least = 1,
     .most = 4096,
     .unset = "any",
     .reload = CONF_RELOAD_NEW,
     .help = "Calling AE titles."},
};
static const struct conf_table MATCH_TABLE =
    CONF_ROWS(MATCH, struct raw_match, "Which associations a row is for; both must match.");

static const struct conf_choice ACKNOWLEDGE[] = {
    {.name = "durable", .value = CONFIGURATION_ACKNOWLEDGE_DURABLE},
    {.name = "primary", .value = CONFIGURATION_ACKNOWLEDGE_PRIMARY},
    {.name = "all", .value = CONFIGURATION_ACKNOWLEDGE_ALL},
    {.name = NULL},
};

static const struct conf_choice NEGOTIATE[] = {
    {.name = "learned", .value = CONFIGURATION_NEGOTIATE_LEARNED},
    {.name = "fixed", .value = CONFIGURATION_NEGOTIATE_FIXED},
    {.name = "mirror", .value = CONFIGURATION_NEGOTIATE_MIRROR},
    {.name = NULL},
};

static const struct conf_option STORE[] = {
    {.key = "match",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw_route, match),
     .table = &MATCH_TABLE,
     .unset = "every association",
     .reload = CONF_RELOAD_NEW,
     .help = "Associations that the row is for."},
    {.key = "to",
     .type = CONF_TEXTS,
     .is_required = true,
     CONF_MEMBER(struct raw_route, to),
     .least = 1,
     .most = 64,
     .shape = "a list of names of nodes",
     .reload = CONF_RELOAD_NEW,
     .help = "Archives that each instance is owed to; the first is the primary, whose capabilities `learned` "
             "asks."},
    {.key = "acknowledge",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_route, value.acknowledge),
     .standard = "durable",
     .choices = ACKNOWLEDGE,
     .reload = CONF_RELOAD_NEW,
     .help =
         "What the client's C-STORE response says: `durable`, the instance is safe on the gateway's disk; "
         "`primary`, that and what the first archive of `to` answered; `all`, that and the worst that the "
         "archives of `to` answered. Success never means less."},
    {.key = "acknowledge_within",
     .type = CONF_DURATION,
     CONF_MEMBER(struct raw_route, value.acknowledge_within_ns),
     .least = SECONDS(1),
     .most = HOURS(1),
     .standard = "60s",
     .reload = CONF_RELOAD_NEW,
     .help =
         "With `acknowledge: primary` and `all`: how long a client waits for the archives after its instance "
         "is durable. Then it gets A700, and archives that have not begun get nothing."},
    {.key = "domain",
     .type = CONF_TEXT,
     CONF_MEMBER(struct raw_route, domain),
     .least = 1,
     .most = 32,
     .shape = "the name of a domain",
     .unset = "not known",
     .reload = CONF_RELOAD_NEW,
     .help = "Domain of the patient IDs that clients send which have no `domain` of their own."},
    {.key = "negotiate",
     .type = CONF_ENUM,
     CONF_MEMBER(struct raw_route, value.negotiate),
     .standard = "learned",
     .choices = NEGOTIATE,
     .reload = CONF_RELOAD_NEW,
     .help =
         "What clients are answered: `learned`, what the first archive of `to` answered to the same proposal "
         "before, and it is asked when that is not known; `mirror`, it is asked each time and its answer, a "
         "rejection too, is the client's; `fixed`, a list."},
    {.key = "prefer_lossless",
     .type = CONF_BOOL,
     CONF_MEMBER(struct raw_route, value.prefer_lossless),
     .standard = "yes",
     .reload = CONF_RELOAD_NEW,
     .help = "With `negotiate: learned`: where the client offers a lossless transfer syntax that the archive "
             "takes, "
             "a lossy one is not accepted, even if the archive would choose it."},
    {.key = "classes",
     .type = CONF_TEXTS,
     CONF_MEMBER(struct raw_route, value.classes),
     .least = 1,
     .most = 1024,
     .shape = "a list of SOP Class UIDs; only with `negotiate: fixed`",
     .unset = "every storage class",
     .reload = CONF_RELOAD_NEW,
     .help = "Storage SOP Classes that are accepted."},
    {.key = "transfer_syntaxes",
     .type = CONF_TEXTS,
     CONF_MEMBER(struct raw_route, value.transfer_syntaxes),
     .least = 1,
     .most = 64,
     .shape = "a list of transfer syntaxes, as UIDs or keywords of PS3.6 such as ExplicitVRLittleEndian; "
              "required with "
              "`negotiate: fixed`, only there",
     .reload = CONF_RELOAD_NEW,
     .help = "Transfer syntaxes that are accepted, the best first."},
};
static const struct conf_table STORE_TABLE =
    CONF_ROWS(STORE, struct raw_route,
              "Where instances go. The first row that matches counts; an association that no row "
              "matches gets no storage context.");

static const struct conf_choice MODES[] = {
    {.name = "primary", .value = CONFIGURATION_QUERY_PRIMARY},
    {.name = "fallback", .value = CONFIGURATION_QUERY_FALLBACK},
    {.name = "merge", .value = CONFIGURATION_QUERY_MERGE},
    {.name = "shadow", .value = CONFIGURATION_QUERY_SHADOW},
    {.name = NULL},
};

static const struct conf_option QUERY[] = {
    {.key = "match",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw_query, match),
     .table = &MATCH_TABLE,
     .unset = "every association",
     .reload = CONF_RELOAD_NEW,
     .help = "Associations that the row is for."},
    {.key = "from",
     .type = CONF_TEXTS,
     .is_required = true,
     CONF_MEMBER(struct raw_query, from),
     .least = 1,
     .most = 64,
     .shape = "a list of names of nodes",
     .reload = CONF_RELOAD_NEW,
     .help = "Archives that are asked."},
    {.key = "mode",
     .type = CONF_ENUM,
     .is_required = true,
     CONF_MEMBER(struct raw_query, value.mode),
     .choices = MODES,
     .reload = CONF_RELOAD_NEW,
     .help = "How their answers become one."},
};
static const struct conf_table QUERY_TABLE =
    CONF_ROWS(QUERY, struct raw_query, "Who answers queries. Checked, but not yet served by this version.");

static const struct conf_option PHASES[] = {
    {.key = "store",
     .type = CONF_LIST,
     .is_required = true,
     CONF_ARRAY(struct raw_phase, store, store_count),
     .least = 1,
     .most = 256,
     .table = &STORE_TABLE,
     .reload = CONF_RELOAD_NEW,
     .help = "Where instances go."},
    {.key = "query",
     .type = CONF_LIST,
     CONF_ARRAY(struct raw_phase, query, query_count),
     .least = 0,
     .most = 256,
     .table = &QUERY_TABLE,
     .reload = CONF_RELOAD_NEW,
     .help = "Who answers queries."},
};
static const struct conf_table PHASE_TABLE =
    CONF_ROWS(PHASES, struct raw_phase, "A phase: one state of the migration, as a routing table.");

static const struct conf_option ROOT[] = {
    {.key = "gateway",
     .type = CONF_TABLE,
     .is_required = true,
     CONF_MEMBER(struct raw, gateway),
     .table = &options_gateway,
     .help = "The gateway as a whole."},
    {.key = "journal",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw, journal),
     .table = &options_journal,
     .unset = "its defaults",
     .help = "The journal."},
    {.key = "memory",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw, memory),
     .table = &options_memory,
     .unset = "its defaults",
     .help = "Bounds of memory."},
    {.key = "ledger",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw, ledger),
     .table = &options_ledger,
     .unset = "its defaults",
     .help = "The ledger."},
    {.key = "rules",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw, rules),
     .table = &options_rules,
     .unset = "no packs",
     .reload = CONF_RELOAD_NEW,
     .help = "Rule packs."},
    {.key = "limits",
     .type = CONF_TABLE,
     CONF_MEMBER(struct raw, limits),
     .table = &options_limits,
     .unset = "its defaults",
     .help = "Limits towards clients."},
    {.key = "tls",
     .type = CONF_MAP,
     CONF_ARRAY(struct raw, tls, tls_count),
     .least = 0,
     .most = 64,
     .table = &TLS_TABLE,
     .reload = CONF_RELOAD_NEW,
     .help = "TLS profiles by name."},
    {.key = "listeners",
     .type = CONF_LIST,
     .is_required = true,
     CONF_ARRAY(struct raw, listener, listener_count),
     .least = 1,
     .most = 64,
     .table = &LISTENER_TABLE,
     .help = "Where clients connect."},
    {.key = "titles",
     .type = CONF_TITLES,
     CONF_MEMBER(struct raw, titles),
     .least = 1,
     .most = 256,
     .unset = "the gateway's `ae_title`",
     .reload = CONF_RELOAD_NEW,
     .help = "Called AE titles that the gateway answers to; others are rejected (1,1,7)."},
    {.key = "domains",
     .type = CONF_MAP,
     CONF_ARRAY(struct raw, domain, domain_count),
     .least = 0,
     .most = 64,
     .table = &DOMAIN_TABLE,
     .help = "Patient ID domains by name, of less than 64 bytes. The crosswalk knows them by these names."},
    {.key = "nodes",
     .type = CONF_MAP,
     .is_required = true,
     CONF_ARRAY(struct raw, node, node_count),
     .least = 1,
     .most = 64,
     .table = &options_node,
     .help = "Archives by name."},
    {.key = "clients",
     .type = CONF_LIST,
     CONF_ARRAY(struct raw, client, client_count),
     .least = 0,
     .most = 4096,
     .table = &CLIENT_TABLE,
     .unset = "everybody",
     .reload = CONF_RELOAD_NEW,
     .help = "Who may connect."},
    {.key = "phases",
     .type = CONF_MAP,
     .is_required = true,
     CONF_ARRAY(struct raw, phase, phase_count),
     .least = 1,
     .most = 64,
     .table = &PHASE_TABLE,
     .help = "Phases by name."},
    {.key = "start_phase",
     .type = CONF_TEXT,
     .is_required = true,
     CONF_MEMBER(struct raw, start_phase),
     .least = 1,
     .most = 32,
     .shape = "the name of a phase",
     .help = "Phase in force when the gateway starts for the first time."},
};
const struct conf_table options_root = CONF_ROWS(ROOT, struct raw, "One YAML file describes one gateway.");
