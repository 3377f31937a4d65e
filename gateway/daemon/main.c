// SPDX-License-Identifier: Apache-2.0
//
// dicomgated: opens what the gateway stands on (data folder, keys, stores, TLS), recovers, starts the
// threads, and runs until SIGTERM or SIGINT. Exit status as for dicomgate: 0 stopped in order, 2 usage, 3
// configuration (with its rules, keys, certificates and addresses), 6 internal.
#include "admin/admin.h"
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/exit.h"
#include "conf/data_lock.h"
#include "crosswalk/desk.h"
#include "crosswalk/office.h"
#include "crosswalk/open.h"
#include "daemon/actions.h"
#include "daemon/expiry.h"
#include "daemon/gateway.h"
#include "daemon/names.h"
#include "daemon/reload.h"
#include "daemon/secure.h"
#include "daemon/threads.h"
#include "edit/policy.h"
#include "ev/real.h"
#include "front/listener.h"
#include "seal/keys.h"
#include "store/control.h"
#include "store/lmdb.h"
#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct process {
    struct configuration *configuration;
    int lock;
    struct fs *fs;
    struct seal_keyring *keyring;
    struct kv_env *ledger;
    struct kv_env *control;
    struct crosswalk_store store;
    struct crosswalk_desk *desk; // NULL: the crosswalk could not be opened
    bool crosswalk_is_lost;
    struct secure *secure;
    struct threads threads;
    bool has_threads;
    bool is_misconfigured; // that is why it does not start
    struct gateway *gateway;
    struct names *names;
    struct listeners *listeners;
    struct actions *actions;
    struct admin_server *admin;
    struct expiry *expiry;
    struct reload *reload;
    struct ev_signal *signals[3];
    struct ev_timer tickets_timer;
};

static void complain(const char *what, const char *why)
{
    fprintf(stderr, "dicomgated: %s: %s\n", what, why);
}

// What was written for it is wrong, not the machine.
static enum result configured(struct process *process, enum result result)
{
    process->is_misconfigured = result != OK && result != ERR_NOMEM;
    return result;
}

// ---- what the gateway stands on ----

static enum result data_open(struct process *process)
{
    const char *folder = process->configuration->gateway.data;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        complain(folder, "the data folder can not be made");
        return ERR_IO;
    }
    enum result result = data_lock_take(folder, &process->lock);
    if (result != OK) {
        complain(folder, result == ERR_EXISTS ? "another process works on this data folder"
                                              : "the data folder can not be written");
        return result;
    }
    return fs_real_new(folder, &process->fs);
}

static enum result keys_open(struct process *process)
{
    const struct configuration_gateway *conf = &process->configuration->gateway;
    struct seal_problem problem = {.text = ""};
    struct seal_source source = {.master_file = conf->master_key_file,
                                 .master_credential = conf->master_key_credential,
                                 .fs = process->fs,
                                 .keyring = conf->keyring};
    enum result result = seal_keys_open(&source, gateway_day(ev_wall_now(process->threads.main_loop)),
                                        &process->keyring, &problem);
    if (result == ERR_MISSING && problem.text[0] == 0)
        text_format(problem.text, sizeof problem.text, "not found; make one with 'dicomgate key init'");
    if (result != OK)
        complain(conf->keyring, problem.text[0] != 0 ? problem.text : result_text(result));
    return configured(process, result);
}

static enum result store_open(struct process *process, const char *name, const struct kv_schema *schema,
                              uint64_t map_bytes, struct kv_env **out)
{
    char folder[4096];
    char why[256] = "";
    text_format(folder, sizeof folder, "%s/%s", process->configuration->gateway.data, name);
    struct lmdb_options options = {.map_size = map_bytes};
    enum result result = lmdb_env_open(folder, schema, &options, out, why, sizeof why);
    if (result != OK)
        complain(folder, why[0] != 0 ? why : result_text(result));
    return result;
}

static enum result tls_open(struct process *process)
{
    char error[TLS_ERROR_MAX] = "";
    enum result result =
        secure_new(process->configuration, ev_wall_now(process->threads.main_loop) / NSEC_PER_SEC, error,
                   &process->secure);
    if (result != OK)
        complain("tls", error[0] != 0 ? error : result_text(result));
    return configured(process, result);
}

// Without it the gateway runs, with an alarm if there are domains: it takes everything in, and what would
// have to be mapped rests.
static enum result crosswalk_open(struct process *process)
{
    struct crosswalk_problem problem = {.text = ""};
    enum result result =
        crosswalk_store_open(process->configuration, process->keyring, false, &process->store, &problem);
    if (result == OK)
        return crosswalk_desk_new(process->store.crosswalk, process->fs, process->threads.crosswalk.loop,
                                  process->threads.main_loop, &process->desk);
    process->crosswalk_is_lost = result == ERR_LOST;
    if (process->configuration->domain_count > 0)
        log_event(LOG_CROSSWALK_CLOSED, log_text(problem.text));
    complain("crosswalk", problem.text); // the event has room for its beginning only
    return result == ERR_NOMEM ? result : OK;
}

static enum result foundations_open(struct process *process)
{
    enum result result = data_open(process);
    if (result == OK)
        result = keys_open(process);
    if (result == OK)
        result = store_open(process, "ledger", &ledger_schema, process->configuration->ledger.map_bytes,
                            &process->ledger);
    if (result == OK)
        result = store_open(process, "control", &control_schema, 0, &process->control);
    if (result == OK)
        result = crosswalk_open(process);
    if (result == OK)
        result = tls_open(process);
    return result;
}

// ---- the gateway ----

static unsigned workers_wanted(const struct configuration *configuration)
{
    unsigned workers = configuration->gateway.workers;
    if (workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        workers = cores < 1 ? 1 : cores > 16 ? 16 : (unsigned)cores;
    }
    return workers < THREADS_WORKERS_MAX ? workers : THREADS_WORKERS_MAX;
}

static void on_crosswalk_changed(void *arg)
{
    struct gateway *gateway = arg;
    crosswalk_office_look(gateway->office);
}

static enum result policies_open(struct process *process)
{
    struct edit_policies *policies = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = edit_policies_new(process->configuration, &errors, &policies);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s\n", errors.item[i].text);
    if (result != OK && errors.count == 0)
        complain("rules", result_text(result));
    conf_errors_fini(&errors);
    if (result == OK)
        (void)gateway_policies_set(process->gateway, &policies);
    return configured(process, result);
}

static enum result gateway_make(struct process *process)
{
    struct threads *threads = &process->threads;
    static struct ev_loop *worker_loops[THREADS_WORKERS_MAX];
    static struct ev_loop *disk_loops[THREADS_WORKERS_MAX];
    for (unsigned i = 0; i < threads->workers; i++) {
        worker_loops[i] = threads->worker[i].loop;
        disk_loops[i] = threads->disk[i].loop;
    }
    struct platform platform = {
        .fs = process->fs,
        .keyring = process->keyring,
        .ledger = process->ledger,
        .control = process->control,
        .dialers = secure_dialers(process->secure),
        .main_loop = threads->main_loop,
        .ledger_loop = threads->ledger.loop,
        .lookup_loop = threads->lookup.loop,
        .crosswalk = process->store.crosswalk,
        .crosswalk_is_lost = process->crosswalk_is_lost,
        .crosswalk_loop = threads->crosswalk.loop,
        .worker_loops = worker_loops,
        .disk_loops = disk_loops,
        .workers = threads->workers,
    };
    enum result result = gateway_new(&platform, process->configuration, &process->gateway);
    if (result == OK)
        result = policies_open(process);
    if (result == OK && process->desk != NULL)
        crosswalk_desk_watch(process->desk, on_crosswalk_changed, process->gateway);
    if (result == OK)
        result = names_new(process->gateway, threads->resolver.loop, &process->names);
    if (result == OK)
        result = gateway_recover(process->gateway);
    if (result == OK)
        result = gateway_start(process->gateway);
    return result;
}

// DESIGN 3: what is not encrypted is flagged everywhere.
static void plain_nodes_tell(const struct configuration *configuration)
{
    for (size_t i = 0; i < configuration->node_count; i++) {
        const struct configuration_node *node = &configuration->node[i];
        char address[NET_HOST_MAX + 8];
        text_format(address, sizeof address, "%s:%u", node->address.host, node->address.port);
        if (node->tls == NULL)
            log_event(LOG_GATEWAY_PLAIN_NODE, log_text(node->name), log_text(address));
    }
}

static void on_certificates_changed(void *arg)
{
    struct process *process = arg;
    expiry_look(process->expiry);
}

static enum result files_watch(struct process *process)
{
    enum result result = expiry_new(process->gateway, process->secure, &process->expiry);
    if (result == OK)
        result = reload_new(process->gateway, process->secure, process->threads.resolver.loop,
                            on_certificates_changed, process, &process->reload);
    if (result == OK)
        actions_attach(process->actions, process->reload, process->expiry);
    return result;
}

static enum result doors_open(struct process *process)
{
    char error[512] = "";
    enum result result = actions_new(process->gateway, &process->actions);
    if (result == OK)
        result = admin_server_new(ev_real_base(process->threads.main_loop),
                                  process->configuration->gateway.control_socket, &actions_table,
                                  process->actions, &process->admin);
    if (result != OK) {
        complain(process->configuration->gateway.control_socket, "the control socket can not be made");
        return result;
    }
    actions_desk_attach(process->actions, process->desk);
    plain_nodes_tell(process->configuration);
    result = files_watch(process);
    if (result != OK) {
        complain("reload", result_text(result));
        return result;
    }
    result = listeners_new(process->gateway, process->secure, error, sizeof error, &process->listeners);
    if (result != OK)
        complain("cannot listen", error);
    return configured(process, result);
}

#define TICKETS_PERIOD_NS (3600 * NSEC_PER_SEC)

static void on_tickets_timer(void *arg)
{
    struct process *process = arg;
    secure_tickets_rotate(process->secure);
    ev_timer_start(&process->tickets_timer, TICKETS_PERIOD_NS);
}

static void on_gateway_stopped(void *arg)
{
    struct process *process = arg;
    ev_loop_stop(process->threads.main_loop);
}

static void on_signal(void *arg)
{
    struct process *process = arg;
    listeners_free(process->listeners);
    process->listeners = NULL;
    gateway_stop(process->gateway, on_gateway_stopped, process);
}

static void on_hangup(void *arg)
{
    struct process *process = arg;
    enum result result = reload_ask(process->reload, NULL, NULL);
    ensure(result == OK); // nobody waits for the answer
}

static enum result run(struct process *process)
{
    enum result result = threads_init(&process->threads, workers_wanted(process->configuration));
    process->has_threads = true;
    if (result == OK)
        result = foundations_open(process);
    if (result == OK)
        result = gateway_make(process);
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; result == OK && i < 2; i++)
        result =
            ev_real_signal(process->threads.main_loop, numbers[i], on_signal, process, &process->signals[i]);
    if (result == OK)
        result = threads_start(&process->threads);
    if (result == OK)
        result = doors_open(process);
    if (result == OK)
        result = ev_real_signal(process->threads.main_loop, SIGHUP, on_hangup, process, &process->signals[2]);
    if (result != OK)
        return result;
    ev_timer_init(&process->tickets_timer, process->threads.main_loop, on_tickets_timer, process);
    ev_timer_start(&process->tickets_timer, TICKETS_PERIOD_NS);
    log_event(LOG_GATEWAY_READY, log_number(process->configuration->listener_count),
              log_number(process->threads.workers), log_number(process->configuration->node_count));
    ev_loop_run(process->threads.main_loop);
    log_event0(LOG_GATEWAY_STOPPED);
    return OK;
}

static void process_close(struct process *process)
{
    admin_server_free(process->admin);
    listeners_free(process->listeners);
    if (process->has_threads)
        threads_join(&process->threads);
    crosswalk_desk_free(process->desk);
    actions_free(process->actions);
    expiry_free(process->expiry);
    names_free(process->names);
    gateway_free(process->gateway);
    reload_free(process->reload);
    for (size_t i = 0; i < 3; i++)
        ev_signal_free(&process->signals[i]);
    if (process->has_threads)
        threads_fini(&process->threads);
    secure_free(process->secure);
    kv_env_free(&process->ledger);
    kv_env_free(&process->control);
    crosswalk_store_close(&process->store);
    seal_keyring_free(process->keyring);
    fs_free(process->fs);
    if (process->lock >= 0)
        close(process->lock);
    configuration_free(process->configuration);
}

static void limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    struct rlimit core = {0, 0}; // a core file would hold patients' data and keys
    (void)setrlimit(RLIMIT_CORE, &core);
}

static const char *usage =
    "usage: dicomgated --config FILE\n"
    "       dicomgated --version\n"
    "\n"
    "The gateway between modalities, the legacy and the new archive. Stops in order on\n"
    "SIGTERM, reads its files again on SIGHUP. Operators use 'dicomgate'; the options of FILE are in "
    "conf/REFERENCE.md.\n";

// The configuration's path, or NULL after *status has been set.
static const char *arguments_read(int argc, char **argv, int *status)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    *status = CLI_USAGE;
    for (int option = getopt_long(argc, argv, "c:h", options, NULL); option != -1;
         option = getopt_long(argc, argv, "c:h", options, NULL)) {
        if (option == 'c') {
            path = optarg;
        } else if (option == 'v') {
            puts("dicomgated " DG_VERSION);
            *status = CLI_FINE;
            return NULL;
        } else {
            fputs(usage, option == 'h' ? stdout : stderr);
            *status = option == 'h' ? CLI_FINE : CLI_USAGE;
            return NULL;
        }
    }
    if (path == NULL || optind != argc) {
        if (optind < argc)
            fprintf(stderr, "dicomgated: \"%s\" is one word too many; did you mean --config %s?\n",
                    argv[optind], argv[optind]);
        fputs(usage, stderr);
        return NULL;
    }
    return path;
}

int main(int argc, char **argv)
{
    int status;
    const char *path = arguments_read(argc, argv, &status);
    if (path == NULL)
        return status;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN); // until there is something to be read again
    limits_raise();
    struct process process = {.lock = -1};
    struct conf_errors errors;
    conf_errors_init(&errors);
    if (configuration_load(path, &process.configuration, &errors) != OK) {
        for (size_t i = 0; i < errors.count; i++)
            fprintf(stderr, "%s\n", errors.item[i].text);
        conf_errors_fini(&errors);
        return CLI_CONFIGURATION;
    }
    conf_errors_fini(&errors);
    // What libcrypto could not make for want of memory it would use all the same.
    bool has_crypto = OSSL_LIB_CTX_get0_global_default() != NULL;
    reload_log_configure(&process.configuration->gateway);
    enum result result = has_crypto ? run(&process) : ERR_NOMEM;
    process_close(&process);
    if (result == ERR_NOMEM)
        fprintf(stderr, "dicomgated: out of memory at the start\n");
    return result == OK ? CLI_FINE : process.is_misconfigured ? CLI_CONFIGURATION : CLI_INTERNAL;
}
