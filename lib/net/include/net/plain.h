// SPDX-License-Identifier: Apache-2.0
//
// Transport over plain TCP: accepted or connecting sockets on a real loop. TCP_NODELAY always. The first byte
// that comes in tells a TLS peer (0x16 handshake, 0x15 alert, RFC 8446 5.1) from a DICOM one (PDU types 0x01
// to 0x07, PS3.8 9.3.1): then reading ends with TRANSPORT_SPEAKS_TLS.
#pragma once

#include "net/dial.h"

struct net_tcp_options {
    bool keep_alive;            // SO_KEEPALIVE with the three times below
    uint32_t keep_alive_idle;   // seconds, 0: the system's default
    uint32_t keep_alive_period; // seconds, 0: the system's default
    uint32_t keep_alive_count;  // 0: the system's default
    uint32_t
        user_timeout; // milliseconds until unacknowledged bytes break the connection, 0: the system's default
    uint32_t send_buffer, receive_buffer; // bytes, 0: the kernel tunes them itself (best)
};

// Takes fd (a connected, non-blocking stream socket), also on failure. options may be NULL. ERR_NOMEM,
// ERR_IO.
MUST_USE enum result plain_transport_new(struct ev_loop *loop, int fd, const struct net_address *peer,
                                         const struct net_tcp_options *options, transport_ready_fn *on_ready,
                                         void *arg, struct transport **out);
// Begins to connect. ERR_NOMEM, ERR_IO.
MUST_USE enum result plain_transport_connect(struct ev_loop *loop, const struct net_address *address,
                                             const struct net_tcp_options *options,
                                             transport_ready_fn *on_ready, void *arg, struct transport **out);

struct plain_dialer {
    struct net_dialer dialer;
    struct net_tcp_options options;
};
void plain_dialer_init(struct plain_dialer *dialer, const struct net_tcp_options *options);

// ---- Sockets, also for TLS ----

// A non-blocking, close-on-exec TCP socket that has begun to connect; *fd is the caller's. ERR_IO with errno.
MUST_USE enum result net_tcp_connect(const struct net_address *address, const struct net_tcp_options *options,
                                     int *fd);
// Sets TCP_NODELAY and the options. ERR_IO with errno.
MUST_USE enum result net_tcp_configure(int fd, const struct net_tcp_options *options);
// Options with keep-alive after this silence (nanoseconds, 0: none), then three probes a third of it apart.
struct net_tcp_options net_tcp_keep_alive(uint64_t silence);
// Closes with a reset instead of FIN.
void net_tcp_reset(int fd);

// ---- First bytes ----

enum net_speech { NET_SPEECH_DICOM, NET_SPEECH_TLS, NET_SPEECH_PROXY, NET_SPEECH_OTHER };
enum { NET_SPEECH_BYTES = 6 };
// What a peer speaks whose first bytes are these. bytes.length > 0; up to NET_SPEECH_BYTES are looked at.
enum net_speech net_speech_guess(struct slice bytes);
