// SPDX-License-Identifier: Apache-2.0
#include "crosswalk/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/wipe.h"
#include "store/crosswalk_import.h"

enum { PIECE = 256 * 1024, CONFLICTS_TOLD = 100000 };

struct crosswalk_job {
    struct crosswalk *crosswalk;
    struct fs *fs;
    const struct crosswalk_task *task;
    struct crosswalk_order order;
    struct crosswalk_problem problem;
    enum result result; // once it has ended
    bool has_ended;
    // An import.
    int file;           // -1: read to its end
    struct stat status; // of the file, when it was opened
    struct crosswalk_import *import;
    uint8_t *piece;
};

static void end(struct crosswalk_job *job, enum result result, const char *why)
{
    job->result = result;
    job->has_ended = true;
    if (why != NULL)
        (void)text_copy(job->problem.text, sizeof job->problem.text, slice_of_text(why));
}

static void import_begin(struct crosswalk_job *job, const char *folder)
{
    struct crosswalk_import_options options = {
        .is_dry = job->task->is_dry, .folder = folder, .order = job->order};
    job->piece = malloc(PIECE);
    job->file = open(job->task->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (job->piece == NULL) {
        end(job, ERR_NOMEM, NULL);
    } else if (job->file < 0) {
        (void)text_format(job->problem.text, sizeof job->problem.text, "the file can not be opened: %s",
                          strerror(errno));
        end(job, ERR_REFUSED, NULL);
    } else if (fstat(job->file, &job->status) != 0 || !S_ISREG(job->status.st_mode)) {
        end(job, ERR_REFUSED, "this is not a file");
    } else {
        enum result result = crosswalk_import_new(job->crosswalk, job->fs, &options, &job->import);
        if (result != OK)
            end(job, result, NULL);
    }
}

struct crosswalk_job *crosswalk_job_new(struct crosswalk *crosswalk, struct fs *fs, const char *folder,
                                        const struct crosswalk_task *task, uint64_t now)
{
    struct crosswalk_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->crosswalk = crosswalk;
    job->fs = fs;
    job->task = task;
    job->file = -1;
    job->order = (struct crosswalk_order){
        .now = now, .effective = task->effective, .person = task->person, .reason = task->reason};
    if (task->kind == CROSSWALK_ACT_IMPORT)
        import_begin(job, folder);
    return job;
}

// Somebody still writes it, or has: what was read may be a part of it, even of an ID.
static bool file_has_changed(const struct crosswalk_job *job)
{
    const struct timespec *before = &job->status.st_mtim;
    struct stat after;
    return fstat(job->file, &after) != 0 || after.st_size != job->status.st_size ||
           after.st_mtim.tv_sec != before->tv_sec || after.st_mtim.tv_nsec != before->tv_nsec;
}

static enum result piece_read(struct crosswalk_job *job)
{
    ssize_t got = read(job->file, job->piece, PIECE);
    if (got < 0)
        return errno == EINTR ? OK : ERR_IO;
    if (got > 0)
        return crosswalk_import_feed(job->import, slice_of(job->piece, (size_t)got));
    bool has_changed = file_has_changed(job);
    (void)close(job->file);
    job->file = -1;
    if (has_changed) {
        end(job, ERR_REFUSED, "the file was changed while it was read");
        return ERR_REFUSED;
    }
    return crosswalk_import_end(job->import);
}

static enum result import_step(struct crosswalk_job *job)
{
    if (job->file < 0)
        return crosswalk_import_step(job->import);
    enum result result = piece_read(job);
    return result == OK ? AGAIN : result;
}

static enum result change_do(struct crosswalk_job *job)
{
    const struct crosswalk_task *task = job->task;
    struct slice id = slice_of_text(task->id != NULL ? task->id : "");
    uint16_t domain = task->domain != NULL ? crosswalk_domain_find(job->crosswalk, task->domain) : 0;
    if (task->domain != NULL && domain == 0) {
        end(job, ERR_REFUSED, "the configuration has no domain of this name");
        return ERR_REFUSED;
    }
    switch (task->kind) {
    case CROSSWALK_ACT_MERGE:
        return crosswalk_merge(job->crosswalk, domain, id, slice_of_text(task->into), &job->order,
                               &job->problem);
    case CROSSWALK_ACT_UNMERGE:
        return crosswalk_unmerge(job->crosswalk, domain, id, &job->order, &job->problem);
    case CROSSWALK_ACT_MOVE_STUDY:
        return crosswalk_move_study(job->crosswalk, slice_of_text(task->study), domain, id, &job->order,
                                    &job->problem);
    case CROSSWALK_ACT_EXPORT:
    case CROSSWALK_ACT_LEDGER_EXPORT:
    case CROSSWALK_ACT_CLEAR_LOG:
        return crosswalk_export_note(job->crosswalk, task->kind, task->has_recipient ? task->recipient : NULL,
                                     &job->order);
    case CROSSWALK_ACT_IMPORT:
    case CROSSWALK_ACT_INIT:
        break;
    }
    return ERR_ARGUMENT;
}

bool crosswalk_job_step(struct crosswalk_job *job)
{
    if (job->has_ended)
        return true;
    enum result result = job->task->kind == CROSSWALK_ACT_IMPORT ? import_step(job) : change_do(job);
    if (result != AGAIN)
        end(job, result, NULL);
    return job->has_ended;
}

// ---- what it came to

static json_t *conflicts_json(const struct crosswalk_import *import, uint64_t *count)
{
    size_t listed;
    json_t *list = json_array();
    const struct crosswalk_conflict *conflicts = crosswalk_import_conflicts(import, &listed, count);
    for (size_t i = 0; i < listed && i < CONFLICTS_TOLD; i++) {
        bool has_other = crosswalk_fault_has_other(conflicts[i].fault);
        json_t *other = has_other ? json_integer((json_int_t)conflicts[i].other) : json_null();
        (void)json_array_append_new(list, json_pack("{s:I, s:o, s:s}", "line", (json_int_t)conflicts[i].line,
                                                    "other", other, "text",
                                                    crosswalk_fault_text(conflicts[i].fault)));
    }
    return list;
}

static json_t *import_json(const struct crosswalk_job *job)
{
    struct crosswalk_import_figures figures;
    uint64_t count = 0;
    json_t *conflicts = conflicts_json(job->import, &count);
    crosswalk_import_figures_get(job->import, &figures);
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "rows", (json_int_t)figures.rows, "repeated",
                     (json_int_t)figures.repeated, "generation", (json_int_t)figures.generation,
                     "conflict_count", (json_int_t)count, "conflicts", conflicts);
}

static json_t *change_json(const struct crosswalk_job *job)
{
    struct crosswalk_reader *reader;
    struct crosswalk_figures figures = {.generation = 0};
    if (crosswalk_reader_new(job->crosswalk, &reader) != OK)
        return NULL;
    enum result result = crosswalk_figures_get(reader, &figures);
    crosswalk_reader_free(reader);
    return result == OK ? json_pack("{s:I}", "generation", (json_int_t)figures.generation) : NULL;
}

static enum admin_status status_of(enum result result)
{
    if (result == ERR_ARGUMENT || result == ERR_MISSING || result == ERR_EXISTS || result == ERR_REFUSED ||
        result == ERR_LIMIT)
        return ADMIN_REFUSED;
    return result == AGAIN ? ADMIN_UNAVAILABLE : ADMIN_FAILED;
}

static enum admin_status outcome_get(struct crosswalk_job *job, json_t **body)
{
    bool has_conflicts = job->result == ERR_REFUSED && job->import != NULL && job->problem.text[0] == 0;
    *body = NULL;
    if (job->has_ended && (job->result == OK || has_conflicts)) {
        *body = job->import != NULL ? import_json(job) : change_json(job);
        if (*body != NULL)
            return ADMIN_FINE;
        job->result = ERR_NOMEM;
    }
    if (job->problem.text[0] == 0)
        (void)text_copy(job->problem.text, sizeof job->problem.text,
                        slice_of_text(job->has_ended ? result_text(job->result) : "the gateway is stopping"));
    return job->has_ended ? status_of(job->result) : ADMIN_UNAVAILABLE;
}

enum admin_status crosswalk_job_end(struct crosswalk_job *job, json_t **body,
                                    struct crosswalk_problem *problem)
{
    enum admin_status status = outcome_get(job, body);
    *problem = job->problem;
    crosswalk_import_free(job->import);
    if (job->file >= 0)
        (void)close(job->file);
    if (job->piece != NULL)
        wipe(job->piece, PIECE);
    free(job->piece);
    free(job);
    return status;
}
