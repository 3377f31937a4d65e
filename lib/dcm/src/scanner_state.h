// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct dcm_scanner, shared by scanner.c (bytes in, digests out) and scanner_events.c (what
// the bytes mean).
#pragma once

#include "canonical.h"
#include "dcm/scanner.h"
#include "inflater.h"
#include "named.h"
#include "structure.h"

// Which of the matches the open item of the watched sequence has met; the value that is being compared.
struct item_watch {
    uint32_t sequence;
    uint32_t tag[DCM_ITEM_MATCHES];
    uint8_t wanted[DCM_ITEM_MATCHES][DCM_ITEM_VALUE];
    size_t wanted_length[DCM_ITEM_MATCHES];
    bool is_met[DCM_ITEM_MATCHES];
    unsigned comparing; // 1 + index of the match; 0: none
    uint8_t value[DCM_ITEM_VALUE + 2];
    size_t length; // may pass what is kept
};

struct dcm_scanner {
    uint32_t magic;
    struct structure structure; // its result: OK, or what every further call answers

    // scanner_events.c
    unsigned flags;                // enum dcm_scan_flag, besides those of the structure
    struct dcm_scan_report report; // digests and counted items as they become known
    struct canonical canonical;
    struct named_store named;
    struct item_watch items;

    // scanner.c
    enum dcm_digest_algorithm algorithm;
    EVP_MD *sha256;
    EVP_MD *sha512_256;
    EVP_MD_CTX *range_context;
    EVP_MD_CTX *received_context;
    enum dcm_range digested; // the range that range_context is in; DCM_RANGE_COUNT: all done
    bool digest_received;
    bool is_finished;
    uint64_t inflated_limit; // UINT64_MAX: none
    struct inflater inflater;
};

extern const struct structure_events scanner_events; // owner: struct dcm_scanner
