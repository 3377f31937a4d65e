// SPDX-License-Identifier: Apache-2.0
//
// What load.c (associations) and load_main.c (options, report) share.
#pragma once

#include "figures.h"
#include "instance.h"
#include "leg/leg.h"
#include "security.h"

enum { LOAD_WINDOW_MAX = 256, LOAD_FILES_MAX = 64 };

// A data set from a file, sent as it is.
struct load_file {
    struct slice bytes;
    char uid[INSTANCE_UID_MAX + 1];
    char sop_class[INSTANCE_UID_MAX + 1];
    char transfer_syntax[INSTANCE_UID_MAX + 1];
};

struct load {
    // options
    struct instance_kind kind;
    struct load_file files[LOAD_FILES_MAX]; // none: generated instances
    size_t file_count;
    struct net_address target;
    struct security security;
    const char *called, *calling;
    size_t association_count; // at the same time
    uint64_t total;           // instances in all; 0: until `seconds` are over
    uint64_t per_association; // instances of one association, 0: all that it gets
    uint64_t seconds;
    uint16_t window; // asked for
    bool resume;     // TLS sessions
    bool hold;       // keep associations open in the end, until standard input ends

    // state
    struct ev_loop *loop;
    struct leg_environment environment;
    struct plain_dialer plain;
    uint64_t begun; // instances
    uint64_t answered, failed, bytes;
    uint64_t opened, resumed; // associations
    size_t opening;           // of the first ones, which all open before anything is sent
    size_t live;
    uint64_t started_ns, ended_ns;
    struct times times; // from the request's first byte to its response
    char problem[256];
};

struct load_association;

// Opens them all; load_over() is called once when the last has ended.
void load_begin(struct load *load);
void load_over(struct load *load);
