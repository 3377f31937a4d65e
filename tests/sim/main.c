// SPDX-License-Identifier: Apache-2.0
//
// sim_gateway: runs histories of the simulated gateway.
//   sim_gateway SEED              one history, told on standard output
//   sim_gateway --seeds FROM..TO  many, in processes apart; DG_SIM_SEEDS=N is 1..N
//   sim_gateway --half 1|2        of 1..N the first or the second half, for two of them side by side
//   sim_gateway --twice FROM..TO  each twice: both must be the same history
//   sim_gateway --file PATH       the seeds in a file, one in each line ('#' begins a comment)
//   --until-failure               ends at the first seed that fails
// With DG_SIM_LOG set one history shows the gateway's log as well.
// Prints each failing seed with its reason and its trace. Exit status 1 if there was one.
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "history.h"

enum { SECONDS_MAX = 120, SEEDS_DEFAULT = 40, SERVED_MAX = 50 };

// What a process that ran one history sends back.
struct outcome {
    bool is_fine;
    char reason[512];
    struct history_figures figures;
};

struct totals {
    unsigned run, failed;
    struct history_figures sum;
};

struct request {
    uint64_t from, to;
    const char *file;
    bool is_twice;
    bool until_failure;
};

static void run_here(uint64_t seed, bool is_verbose, struct outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    outcome->is_fine =
        history_run(seed, is_verbose, outcome->reason, sizeof outcome->reason, &outcome->figures);
}

// ---- a process apart ----

// A crash of the gateway's code is a finding like any other, so histories run in a process apart: one takes
// seeds from a pipe and gives outcomes to another, until it has served enough. Its heap is warm, which is a
// third faster than a process for each.
static struct runner {
    pid_t pid; // 0: there is none
    int seeds, outcomes;
    unsigned served;
} runner;

// A history that never ends is a finding, a machine that is busy with other work is none: CPU time counts.
static void limit_time(void)
{
    const struct itimerval limit = {.it_value = {.tv_sec = SECONDS_MAX}};
    (void)setitimer(ITIMER_PROF, &limit, NULL);
}

static _Noreturn void serve(int seeds, int outcomes)
{
    struct outcome outcome;
    uint64_t seed;
    while (read(seeds, &seed, sizeof seed) == (ssize_t)sizeof seed) {
        limit_time();
        run_here(seed, false, &outcome);
        if (write(outcomes, &outcome, sizeof outcome) != (ssize_t)sizeof outcome)
            exit(2);
    }
    exit(0); // leaks are looked for
}

static void runner_start(void)
{
    int seeds[2], outcomes[2];
    if (pipe(seeds) != 0 || pipe(outcomes) != 0) {
        perror("pipe");
        exit(2);
    }
    fflush(stdout);
    runner = (struct runner){.pid = fork(), .seeds = seeds[1], .outcomes = outcomes[0]};
    if (runner.pid < 0) {
        perror("fork");
        exit(2);
    }
    if (runner.pid == 0) {
        close(seeds[1]);
        close(outcomes[0]);
        serve(seeds[0], outcomes[1]);
    }
    close(seeds[0]);
    close(outcomes[1]);
}

// What it died of, or found as it ended, goes into `outcome`.
static void runner_end(struct outcome *outcome)
{
    int status = 0;
    if (runner.pid == 0)
        return;
    close(runner.seeds);
    close(runner.outcomes);
    (void)waitpid(runner.pid, &status, 0);
    runner.pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    outcome->is_fine = false;
    (void)snprintf(outcome->reason, sizeof outcome->reason,
                   "the process ended with %s %d, %u histories before it",
                   number == SIGPROF ? "its time limit, signal"
                   : number != 0     ? "signal"
                                     : "status",
                   number != 0 ? number : WEXITSTATUS(status), runner.served);
}

static void run_apart(uint64_t seed, bool is_last, struct outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    if (runner.pid == 0)
        runner_start();
    bool is_done = write(runner.seeds, &seed, sizeof seed) == (ssize_t)sizeof seed &&
                   read(runner.outcomes, outcome, sizeof *outcome) == (ssize_t)sizeof *outcome;
    if (is_done)
        runner.served++;
    else
        (void)snprintf(outcome->reason, sizeof outcome->reason, "the process ended early");
    if (!is_done || is_last || runner.served == SERVED_MAX)
        runner_end(outcome);
}

static void add(struct totals *totals, const struct history_figures *figures)
{
    totals->sum.steps += figures->steps;
    totals->sum.instances += figures->instances;
    totals->sum.attempts += figures->attempts;
    totals->sum.acknowledged += figures->acknowledged;
    totals->sum.copies += figures->copies;
    totals->sum.extra += figures->extra;
    totals->sum.lives += figures->lives;
    totals->sum.reclaimed += figures->reclaimed;
    totals->sum.copied += figures->copied;
    totals->sum.rotations += figures->rotations;
    totals->sum.scrubbed += figures->scrubbed;
}

static bool seed_run(uint64_t seed, bool is_last, const struct request *request, struct totals *totals)
{
    struct outcome outcome;
    run_apart(seed, is_last, &outcome);
    if (outcome.is_fine && request->is_twice) {
        struct outcome again;
        run_apart(seed, is_last, &again);
        if (again.figures.trace != outcome.figures.trace) {
            outcome.is_fine = false;
            (void)snprintf(outcome.reason, sizeof outcome.reason,
                           "two runs differ: traces %016" PRIx64 " and %016" PRIx64, outcome.figures.trace,
                           again.figures.trace);
        }
    }
    totals->run++;
    add(totals, &outcome.figures);
    if (outcome.is_fine)
        return true;
    totals->failed++;
    printf("seed %" PRIu64 " failed: %s (trace %016" PRIx64 ")\n", seed, outcome.reason,
           outcome.figures.trace);
    return false;
}

// Read before anything runs: a child that ends would move the place in a file that it shares.
static bool file_run(const struct request *request, struct totals *totals)
{
    enum { MOST = 1000 };
    uint64_t seeds[MOST];
    size_t count = 0;
    char line[256];
    FILE *file = fopen(request->file, "r");
    if (file == NULL) {
        perror(request->file);
        exit(2);
    }
    while (count < MOST && fgets(line, sizeof line, file) != NULL) {
        char *end;
        seeds[count] = strtoull(line, &end, 10);
        count += end != line;
    }
    fclose(file);
    for (size_t i = 0; i < count; i++)
        (void)seed_run(seeds[i], i + 1 == count, request, totals);
    return totals->failed == 0;
}

static bool range_run(const struct request *request, struct totals *totals)
{
    for (uint64_t seed = request->from; seed <= request->to; seed++)
        if (!seed_run(seed, seed == request->to, request, totals) && request->until_failure)
            break;
    struct outcome rest; // where it ended early
    runner_end(&rest);
    return totals->failed == 0;
}

static bool range_parse(const char *text, struct request *request)
{
    char *end;
    request->from = strtoull(text, &end, 10);
    if (end == text || strncmp(end, "..", 2) != 0)
        return false;
    text = end + 2;
    request->to = strtoull(text, &end, 10);
    return end != text && *end == 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim_gateway SEED | --seeds FROM..TO | --twice FROM..TO | --file PATH | --half "
                    "1|2 [--until-failure]\n");
    return 2;
}

static int one(uint64_t seed)
{
    struct outcome outcome;
    if (getenv("DG_SIM_LOG") != NULL)
        log_configure(LOG_OUTPUT_STDERR, LOG_LEVEL_DEBUG); // the gateway's own words between ours
    run_here(seed, true, &outcome);
    const struct history_figures *figures = &outcome.figures;
    printf("seed %" PRIu64 ": %s\n", seed, outcome.is_fine ? "fine" : outcome.reason);
    printf("trace %016" PRIx64 ", %" PRIu64 " steps, %" PRIu64
           " s virtual, %u lives, %u instances, %u requests, %u "
           "acknowledged, %u copies, %u of them extra, %u segments reclaimed, %u copied\n",
           figures->trace, figures->steps, figures->virtual_time / 1000000000, figures->lives,
           figures->instances, figures->attempts, figures->acknowledged, figures->copies, figures->extra,
           figures->reclaimed, figures->copied);
    return outcome.is_fine ? 0 : 1;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char **arguments)
{
    (void)signal(SIGPIPE, SIG_IGN); // a runner that died
    const char *wanted = getenv("DG_SIM_SEEDS");
    struct request request = {.from = 1, .to = wanted != NULL ? strtoull(wanted, NULL, 10) : SEEDS_DEFAULT};
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    // Each life makes and frees the same large buffers: pages that came from the system once are kept.
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    for (int i = 1; i < count; i++) {
        bool has_value = i + 1 < count;
        if (strcmp(arguments[i], "--until-failure") == 0) {
            request.until_failure = true;
        } else if (has_value && strcmp(arguments[i], "--half") == 0) {
            uint64_t middle = request.to / 2;
            if (strcmp(arguments[++i], "2") == 0)
                request.from = middle + 1;
            else
                request.to = middle;
        } else if (has_value && strcmp(arguments[i], "--file") == 0) {
            request.file = arguments[++i];
        } else if (has_value &&
                   (strcmp(arguments[i], "--seeds") == 0 || strcmp(arguments[i], "--twice") == 0)) {
            request.is_twice = strcmp(arguments[i], "--twice") == 0;
            if (!range_parse(arguments[++i], &request))
                return usage();
        } else {
            char *end;
            uint64_t seed = strtoull(arguments[i], &end, 10);
            return *end == 0 && count == 2 ? one(seed) : usage();
        }
    }
    struct totals totals = {0};
    double begun = seconds();
    bool is_fine = request.file != NULL ? file_run(&request, &totals) : range_run(&request, &totals);
    double took = seconds() - begun;
    printf("%u histories, %u failed; %.1f s, %.0f ms each; %u lives, %u instances, %u requests, %u "
           "acknowledged, %u "
           "copies, %u of them extra, %u segments reclaimed, %u copied forward, %u key rotations, %u records "
           "scrubbed, %" PRIu64 " steps\n",
           totals.run, totals.failed, took, totals.run > 0 ? 1000 * took / totals.run : 0, totals.sum.lives,
           totals.sum.instances, totals.sum.attempts, totals.sum.acknowledged, totals.sum.copies,
           totals.sum.extra, totals.sum.reclaimed, totals.sum.copied, totals.sum.rotations,
           totals.sum.scrubbed, totals.sum.steps);
    return is_fine ? 0 : 1;
}
