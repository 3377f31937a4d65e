// SPDX-License-Identifier: Apache-2.0
//
// The values that the options of a configuration file turn into. All memory belongs to the conf_arena that
// the file was loaded into. Texts are NUL-terminated UTF-8 without control characters.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A list of texts (AE titles, UIDs, issuers, paths), in the order of the file; no text twice.
struct conf_texts {
    char **item;
    size_t count;
};

// An address range in CIDR form. Bytes in network order; IPv4 uses the first four. Bits below the prefix are
// zero.
struct conf_network {
    int family; // AF_INET or AF_INET6
    uint8_t address[16];
    uint8_t prefix; // bits, 0 to 32 or 0 to 128
};

struct conf_networks {
    struct conf_network *item;
    size_t count;
};

// Host and port.
struct conf_address {
    char *host;    // without brackets
    uint16_t port; // 1 to 65535
    int family;    // AF_INET or AF_INET6 for a numeric host, AF_UNSPEC for a name
};

// A table of titles: from -> to; no `from` twice.
struct conf_pair {
    char *from;
    char *to;
};

struct conf_pairs {
    struct conf_pair *item;
    size_t count;
};
