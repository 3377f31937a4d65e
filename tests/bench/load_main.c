// SPDX-License-Identifier: Apache-2.0
//
// bench_load: sends instances over many associations at once and prints one line of JSON: how many, how long,
// percentiles of the time to the C-STORE response.
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"
#include "dcm/file.h"
#include "ev/real.h"
#include "load.h"

static void usage(void)
{
    fputs("bench_load --target ADDRESS:PORT [--size BYTES] [--run NUMBER] [--patients N] [--file PART10]...\n"
          "           [--associations N] [--total N | --seconds N] [--per-association N] [--window N]\n"
          "           [--called TITLE] [--calling TITLE] [--hold] [--resume]\n"
          "           [--ca PEM --certificate PEM --key PEM]\n",
          stderr);
    exit(2);
}

static void report(struct load *load)
{
    double seconds = (double)(load->ended_ns - load->started_ns) / 1e9;
    printf("{\"instances\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"bytes\": %" PRIu64
           ", \"seconds\": %.6f, \"started_ns\": %" PRIu64 ", \"ended_ns\": %" PRIu64
           ", \"associations\": %" PRIu64 ", \"resumed\": %" PRIu64,
           load->answered, load->failed, load->bytes, load->ended_ns != 0 ? seconds : 0.0, load->started_ns,
           load->ended_ns, load->opened, load->resumed);
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1.0}};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        printf(", \"%s_ms\": %.4f", shares[i].name,
               (double)times_percentile(&load->times, shares[i].share) / 1e6);
    printf(", \"problem\": \"%s\"}\n", load->problem);
    fflush(stdout);
}

static void on_input(void *arg, unsigned directions)
{
    struct load *load = arg;
    char ignored[64];
    (void)directions;
    if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
        ev_loop_stop(load->loop);
}

void load_over(struct load *load)
{
    bool all = load->answered + load->failed >= load->total;
    if (!load->hold || load->problem[0] != 0) {
        ev_loop_stop(load->loop);
        return;
    }
    if (!all || load->ended_ns == 0 || load->times.count != load->total)
        return;
    report(load);
    load->ended_ns = 0; // said once
}

// A Part 10 file, whole in memory.
static void file_add(struct load *load, const char *path)
{
    if (load->file_count == LOAD_FILES_MAX)
        usage();
    struct load_file *file = &load->files[load->file_count++];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) {
        perror(path);
        exit(2);
    }
    void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    ensure(mapped != MAP_FAILED);
    close(fd);
    struct dcm_file meta;
    struct slice whole = slice_of(mapped, (size_t)status.st_size);
    if (dcm_file_parse(whole, &meta) != OK || !text_copy(file->uid, sizeof file->uid, meta.sop_instance) ||
        !text_copy(file->sop_class, sizeof file->sop_class, meta.sop_class) ||
        !text_copy(file->transfer_syntax, sizeof file->transfer_syntax, meta.transfer_syntax)) {
        fprintf(stderr, "%s: not a DICOM file\n", path);
        exit(2);
    }
    file->bytes = meta.data_set;
}

enum option_id {
    TARGET = 1,
    SIZE,
    RUN,
    FILE_NAME,
    ASSOCIATIONS,
    TOTAL,
    SECONDS,
    EACH,
    WINDOW,
    CALLED,
    CALLING,
    HOLD,
    RESUME,
    CA,
    CERTIFICATE,
    KEY,
    PATIENTS
};

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == 0 || *end != 0)
        usage();
    return value;
}

static void option_take(struct load *load, int option)
{
    switch (option) {
    case TARGET:
        if (net_address_parse(optarg, &load->target) != OK)
            usage();
        break;
    case SIZE:
        load->kind.size = number(optarg);
        break;
    case RUN:
        load->kind.run = number(optarg);
        break;
    case PATIENTS:
        load->kind.patients = number(optarg);
        break;
    case FILE_NAME:
        file_add(load, optarg);
        break;
    case ASSOCIATIONS:
        load->association_count = number(optarg);
        break;
    case TOTAL:
        load->total = number(optarg);
        break;
    case SECONDS:
        load->seconds = number(optarg);
        break;
    case EACH:
        load->per_association = number(optarg);
        break;
    case WINDOW:
        load->window = (uint16_t)number(optarg);
        break;
    case CALLED:
        load->called = optarg;
        break;
    case CALLING:
        load->calling = optarg;
        break;
    case HOLD:
        load->hold = true;
        break;
    case RESUME:
        load->resume = true;
        break;
    case CA:
        load->security.ca = optarg;
        break;
    case CERTIFICATE:
        load->security.certificate = optarg;
        break;
    case KEY:
        load->security.key = optarg;
        break;
    default:
        usage();
    }
}

static const struct option options[] = {{"target", required_argument, NULL, TARGET},
                                        {"size", required_argument, NULL, SIZE},
                                        {"run", required_argument, NULL, RUN},
                                        {"file", required_argument, NULL, FILE_NAME},
                                        {"patients", required_argument, NULL, PATIENTS},
                                        {"associations", required_argument, NULL, ASSOCIATIONS},
                                        {"total", required_argument, NULL, TOTAL},
                                        {"seconds", required_argument, NULL, SECONDS},
                                        {"per-association", required_argument, NULL, EACH},
                                        {"window", required_argument, NULL, WINDOW},
                                        {"called", required_argument, NULL, CALLED},
                                        {"calling", required_argument, NULL, CALLING},
                                        {"hold", no_argument, NULL, HOLD},
                                        {"resume", no_argument, NULL, RESUME},
                                        {"ca", required_argument, NULL, CA},
                                        {"certificate", required_argument, NULL, CERTIFICATE},
                                        {"key", required_argument, NULL, KEY},
                                        {0}};

int main(int count, char **words)
{
    static struct load load = {.called = "DICOMGATE",
                               .calling = "BENCH",
                               .association_count = 1,
                               .window = 1,
                               .kind = {.size = 525000, .run = 1}};
    struct ul_limits limits = {0};
    struct ev_watch *input = NULL;
    int option;
    while ((option = getopt_long(count, words, "", options, NULL)) != -1)
        option_take(&load, option);
    if (load.target.port == 0 || (load.total == 0) == (load.seconds == 0) || load.association_count == 0 ||
        load.window == 0 || load.window > LOAD_WINDOW_MAX || (load.hold && load.total == 0))
        usage();
    security_open(&load.security, TLS_CLIENT);
    ensure(ev_real_new("load", &load.loop) == OK);
    ensure(leg_environment_init(&load.environment, load.loop, &limits) == OK);
    if (load.hold) {
        ensure(ev_watch_new(load.loop, STDIN_FILENO, on_input, &load, &input) == OK);
        ensure(ev_watch_want(input, EV_DIRECTION_READ) == OK);
    }
    load_begin(&load);
    ev_loop_run(load.loop);
    if (load.ended_ns != 0 || !load.hold)
        report(&load);
    return load.failed != 0;
}
