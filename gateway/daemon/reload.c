// SPDX-License-Identifier: Apache-2.0
#include "daemon/reload.h"
#include "base/check.h"
#include "base/log.h"
#include "base/units.h"
#include "edit/policy.h"
#include "ev/mailbox.h"
#include "front/access.h"
#include <stdlib.h>
#include <string.h>

enum { LOG_PIECE = 96 };

// One reading of the files. The loop that works on it owns it.
struct job {
    struct mail mail;
    bool is_whole;                       // the configuration file too, not the certificates alone
    const struct configuration *current; // of the sections, when the file is not read
    uint64_t now;                        // seconds since 1970
    uint64_t mark;                       // of the certificate files before they were read
    uint64_t former_mark;
    enum result result;
    struct configuration *fresh; // NULL: not read, or not right
    struct conf_errors errors;
    struct edit_policies *policies; // NULL: not read, or not right
    struct secure_news *news;       // NULL: not read
    reload_done_fn *done;           // main's; NULL: nobody waits
    void *done_arg;
};

struct kept {
    struct configuration *configuration;
    struct kept *next;
};

struct reload {
    struct gateway *gateway;
    struct secure *secure;
    struct configuration *current; // as last loaded; NULL: as at the start
    struct kept *kept;             // configurations whose clients and titles sessions may still refer to
    struct ev_mailbox to_files;
    struct ev_mailbox from_files;
    struct ev_timer watch;
    bool is_busy;
    bool is_wanted_again; // a signal came meanwhile
    uint64_t mark;
    struct job job;
    reload_changed_fn *changed;
    void *changed_arg;
    reload_done_fn *done; // of the next job; NULL: nobody waits
    void *done_arg;
    json_t *sections; // while the news are taken
};

static const struct configuration *current_of(const struct reload *reload)
{
    return reload->current != NULL ? reload->current : reload->gateway->configuration;
}

// ---- on the thread that may block ----

static void on_files_mail(void *arg, struct mail *mail)
{
    struct reload *reload = arg;
    struct job *job = CONTAINER_OF(mail, struct job, mail);
    const struct configuration *conf = job->current;
    job->result = OK;
    if (job->is_whole) {
        job->result = configuration_load(conf->file, &job->fresh, &job->errors);
        conf = job->fresh;
        // Nodes and domains are those that it was started with; their packs are read again.
        if (job->result == OK)
            job->result = edit_policies_new(reload->gateway->configuration, &job->errors, &job->policies);
    }
    if (job->result == OK) {
        job->mark = secure_files_mark(conf); // before they are read: what changes meanwhile is seen next time
        if (job->is_whole || job->mark != job->former_mark)
            job->result = secure_news_read(reload->secure, conf, job->now, &job->news);
    }
    enum result result = ev_mailbox_post(&reload->from_files, mail);
    ensure(result == OK); // there is one job
}

// ---- on main: putting it into force ----

// A log field holds 96 bytes; paths are long.
static void outcome_log(enum log_id event, const char *section, const char *problem)
{
    size_t length = strlen(problem);
    log_event(event, log_text(section), log_text(problem),
              log_text(length > LOG_PIECE ? problem + LOG_PIECE : ""),
              log_text(length > 2 * LOG_PIECE ? problem + 2 * LOG_PIECE : ""));
}

static void on_outcome(void *arg, const char *section, const char *problem)
{
    struct reload *reload = arg;
    if (problem != NULL)
        outcome_log(LOG_TLS_KEPT, section, problem);
    else
        log_event(LOG_TLS_RELOADED, log_text(section));
    json_t *row = json_object();
    (void)json_object_set_new(row, "name", json_string(section));
    (void)json_object_set_new(row, "problem", problem != NULL ? json_string(problem) : json_null());
    (void)json_array_append_new(reload->sections, row);
}

void reload_log_configure(const struct configuration_gateway *conf)
{
    static const enum log_level levels[] = {
        [CONFIGURATION_LOG_DEBUG] = LOG_LEVEL_DEBUG,   [CONFIGURATION_LOG_INFO] = LOG_LEVEL_INFO,
        [CONFIGURATION_LOG_NOTICE] = LOG_LEVEL_NOTICE, [CONFIGURATION_LOG_WARNING] = LOG_LEVEL_WARNING,
        [CONFIGURATION_LOG_ERROR] = LOG_LEVEL_ERROR,
    };
    log_configure(conf->log_target == CONFIGURATION_LOG_JOURNALD ? LOG_OUTPUT_JOURNALD : LOG_OUTPUT_STDERR,
                  levels[conf->log_level]);
}

struct difference {
    json_t *paths;
    bool wants_restart; // those that need one, or the others
};

static void on_difference(void *arg, const char *path, enum conf_reload reload)
{
    struct difference *difference = arg;
    if ((reload == CONF_RELOAD_RESTART) == difference->wants_restart)
        (void)json_array_append_new(difference->paths, json_string(path));
}

// What is in force already is measured against the last reload, what is not against the start.
static json_t *differences(const struct configuration *from, const struct configuration *to,
                           bool wants_restart)
{
    struct difference difference = {json_array(), wants_restart};
    configuration_compare(from, to, on_difference, &difference);
    return difference.paths;
}

// What has changed is put into force; the configuration must outlive what refers to it now. ERR_NOMEM:
// nothing has changed.
static enum result fresh_apply(struct reload *reload, struct configuration *fresh)
{
    struct gateway *gateway = reload->gateway;
    struct kept *kept = malloc(sizeof *kept);
    struct access *access = NULL;
    enum result result = kept != NULL ? access_new(fresh, &access) : ERR_NOMEM;
    if (result == OK)
        result = gateway_limits_set(gateway, &fresh->limits);
    if (result != OK) {
        access_free(access);
        free(kept);
        return result;
    }
    gateway_access_set(gateway, access);
    *kept = (struct kept){fresh, reload->kept};
    reload->kept = kept;
    struct configuration_gateway as_started = gateway->configuration->gateway;
    as_started.log_level = fresh->gateway.log_level; // the target needs a restart
    reload_log_configure(&as_started);
    return OK;
}

// Packs have no path in the configuration of their own: they go by the option that names their folder.
static void policies_take(struct reload *reload, struct job *job, json_t *body)
{
    if (gateway_policies_set(reload->gateway, &job->policies))
        (void)json_array_append_new(json_object_get(body, "changed"), json_string("rules.packs"));
}

static enum result fresh_take(struct reload *reload, struct job *job, json_t *body)
{
    json_t *changed = differences(current_of(reload), job->fresh, false);
    json_t *restart = differences(reload->gateway->configuration, job->fresh, true);
    // Nothing is kept for a reload that changes nothing: somebody may ask for one every minute, for years.
    enum result result = json_array_size(changed) > 0 ? fresh_apply(reload, job->fresh) : OK;
    if (result == OK && json_array_size(changed) > 0) {
        reload->current = job->fresh;
        job->fresh = NULL;
    }
    (void)json_object_set_new(body, "changed", changed);
    (void)json_object_set_new(body, "restart", restart);
    return result;
}

static bool news_take(struct reload *reload, struct job *job, json_t *body)
{
    bool is_fine = true;
    size_t index;
    json_t *row;
    reload->sections = json_array();
    reload->mark = job->mark;
    secure_take(reload->secure, &job->news, on_outcome, reload);
    json_array_foreach(reload->sections, index, row) is_fine &= json_is_null(json_object_get(row, "problem"));
    (void)json_object_set_new(body, "tls", reload->sections);
    reload->sections = NULL;
    reload->changed(reload->changed_arg);
    return is_fine;
}

static void errors_take(struct job *job, json_t *body)
{
    json_t *errors = json_array();
    for (size_t i = 0; i < job->errors.count; i++)
        (void)json_array_append_new(errors, json_string(job->errors.item[i].text));
    if (job->errors.count > 0)
        outcome_log(LOG_CONFIG_REFUSED, "configuration", job->errors.item[0].text);
    else if (job->result != OK)
        outcome_log(LOG_CONFIG_REFUSED, "configuration", result_text(job->result));
    (void)json_object_set_new(body, "errors", errors);
}

static void job_begin(struct reload *reload, bool is_whole)
{
    struct job *job = &reload->job;
    reload->is_busy = true;
    *job = (struct job){
        .is_whole = is_whole,
        .current = current_of(reload),
        .now = ev_wall_now(reload->gateway->platform.main_loop) / NSEC_PER_SEC,
        .former_mark = reload->mark,
    };
    conf_errors_init(&job->errors);
    if (is_whole) {
        job->done = reload->done;
        job->done_arg = reload->done_arg;
        reload->done = NULL;
    }
    enum result result = ev_mailbox_post(&reload->to_files, &job->mail);
    ensure(result == OK); // there is one job
}

static void on_main_mail(void *arg, struct mail *mail)
{
    struct reload *reload = arg;
    struct job *job = CONTAINER_OF(mail, struct job, mail);
    bool is_fine = job->result == OK;
    bool is_fresh = is_fine && job->fresh != NULL;
    json_t *body = json_object();
    if (is_fresh)
        job->result = fresh_take(reload, job, body);
    if (job->result == OK && job->policies != NULL)
        policies_take(reload, job, body);
    is_fine = job->result == OK;
    if (is_fine && is_fresh)
        log_event(LOG_CONFIG_RELOADED, log_number(json_array_size(json_object_get(body, "changed"))),
                  log_number(json_array_size(json_object_get(body, "restart"))));
    errors_take(job, body);
    if (job->news != NULL)
        is_fine &= news_take(reload, job, body);
    (void)json_object_set_new(body, "ok", json_boolean(is_fine));
    conf_errors_fini(&job->errors);
    configuration_free(job->fresh);
    job->fresh = NULL;
    edit_policies_unref(&job->policies);
    reload->is_busy = false;
    if (job->done != NULL)
        job->done(job->done_arg, body);
    else
        json_decref(body);
    if (reload->is_wanted_again) {
        reload->is_wanted_again = false;
        job_begin(reload, true);
    }
}

// ---- on main: asking ----

enum result reload_ask(struct reload *reload, reload_done_fn *done, void *arg)
{
    if (done != NULL && reload->done != NULL)
        return ERR_LIMIT;
    if (done != NULL) {
        reload->done = done;
        reload->done_arg = arg;
    }
    if (reload->is_busy)
        reload->is_wanted_again = true; // what is being read may be older than the wish
    else
        job_begin(reload, true);
    return OK;
}

static void watch_start(struct reload *reload)
{
    uint64_t period = reload->gateway->configuration->gateway.watch_certificates_ns;
    if (period > 0)
        ev_timer_start(&reload->watch, period);
}

static void on_watch(void *arg)
{
    struct reload *reload = arg;
    if (!reload->is_busy)
        job_begin(reload, false);
    watch_start(reload);
}

// ---- life ----

enum result reload_new(struct gateway *gateway, struct secure *secure, struct ev_loop *files_loop,
                       reload_changed_fn *changed, void *arg, struct reload **out)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (reload == NULL)
        return ERR_NOMEM;
    reload->gateway = gateway;
    reload->secure = secure;
    reload->changed = changed;
    reload->changed_arg = arg;
    reload->mark = secure_files_mark(gateway->configuration);
    enum result result = ev_mailbox_init(&reload->to_files, files_loop, 1, 0, on_files_mail, reload);
    if (result != OK) {
        free(reload);
        return result;
    }
    result = ev_mailbox_init(&reload->from_files, gateway->platform.main_loop, 1, 0, on_main_mail, reload);
    if (result != OK) {
        ev_mailbox_fini(&reload->to_files);
        free(reload);
        return result;
    }
    ev_timer_init(&reload->watch, gateway->platform.main_loop, on_watch, reload);
    watch_start(reload);
    *out = reload;
    return OK;
}

void reload_free(struct reload *reload)
{
    if (reload == NULL)
        return;
    ev_timer_fini(&reload->watch);
    (void)ev_mailbox_take(&reload->to_files);
    (void)ev_mailbox_take(&reload->from_files);
    ev_mailbox_fini(&reload->to_files);
    ev_mailbox_fini(&reload->from_files);
    if (reload->is_busy) {
        secure_news_free(reload->job.news);
        configuration_free(reload->job.fresh);
        edit_policies_unref(&reload->job.policies);
        conf_errors_fini(&reload->job.errors);
        if (reload->job.done != NULL)
            reload->job.done(reload->job.done_arg, NULL);
    }
    if (reload->done != NULL)
        reload->done(reload->done_arg, NULL);
    while (reload->kept != NULL) {
        struct kept *kept = reload->kept;
        reload->kept = kept->next;
        configuration_free(kept->configuration);
        free(kept);
    }
    free(reload);
}
