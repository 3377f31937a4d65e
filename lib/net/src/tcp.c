// SPDX-License-Identifier: Apache-2.0
//
// TCP sockets: options, connecting, resetting, and the guess from the first bytes. Any thread.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/units.h"
#include "net/plain.h"

static bool set_option(int fd, int level, int name, uint32_t value)
{
    int number = value > INT32_MAX ? INT32_MAX : (int)value;
    return setsockopt(fd, level, name, &number, sizeof number) == 0;
}

static bool set_if(int fd, int level, int name, uint32_t value)
{
    return value == 0 || set_option(fd, level, name, value);
}

enum result net_tcp_configure(int fd, const struct net_tcp_options *options)
{
    if (!set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1))
        return ERR_IO;
    if (options == NULL)
        return OK;
    bool fine = set_if(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer) &&
                set_if(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer) &&
                set_if(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options->user_timeout);
    if (fine && options->keep_alive)
        fine = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
               set_if(fd, IPPROTO_TCP, TCP_KEEPIDLE, options->keep_alive_idle) &&
               set_if(fd, IPPROTO_TCP, TCP_KEEPINTVL, options->keep_alive_period) &&
               set_if(fd, IPPROTO_TCP, TCP_KEEPCNT, options->keep_alive_count);
    return fine ? OK : ERR_IO;
}

enum result net_tcp_connect(const struct net_address *address, const struct net_tcp_options *options, int *fd)
{
    struct sockaddr_storage to;
    socklen_t length = net_address_to_sockaddr(address, &to);
    int made = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (made < 0)
        return ERR_IO;
    if (net_tcp_configure(made, options) == OK &&
        (connect(made, (struct sockaddr *)&to, length) == 0 || errno == EINPROGRESS)) {
        *fd = made;
        return OK;
    }
    int error = errno;
    close(made);
    errno = error;
    return ERR_IO;
}

struct net_tcp_options net_tcp_keep_alive(uint64_t silence)
{
    enum { PROBES = 3, LONGEST = 32767 }; // tcp(7): what the kernel takes, seconds
    uint64_t seconds = silence / NSEC_PER_SEC;
    if (silence == 0)
        return (struct net_tcp_options){.keep_alive = false};
    uint32_t idle = seconds == 0 ? 1 : seconds > LONGEST ? LONGEST : (uint32_t)seconds;
    return (struct net_tcp_options){.keep_alive = true,
                                    .keep_alive_idle = idle,
                                    .keep_alive_period = (idle + PROBES - 1) / PROBES,
                                    .keep_alive_count = PROBES};
}

void net_tcp_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    // If it fails, close() ends the connection less abruptly; nothing else can be done.
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

enum net_speech net_speech_guess(struct slice bytes)
{
    ensure(bytes.length > 0);
    uint8_t first = bytes.data[0];
    // RFC 8446 5.1: content type handshake (22) or alert (21), then a major version of 3.
    if ((first == 0x16 || first == 0x15) && (bytes.length == 1 || bytes.data[1] == 3))
        return NET_SPEECH_TLS;
    // PS3.8 9.3.1: PDU types 01H to 07H, then a reserved byte that is sent as 0.
    if (first >= 0x01 && first <= 0x07 && (bytes.length == 1 || bytes.data[1] == 0))
        return NET_SPEECH_DICOM;
    // PROXY protocol: version 2 begins with two line ends, version 1 with its name.
    if (first == 0x0D && (bytes.length == 1 || bytes.data[1] == 0x0A))
        return NET_SPEECH_PROXY;
    if (bytes.length >= NET_SPEECH_BYTES && memcmp(bytes.data, "PROXY ", NET_SPEECH_BYTES) == 0)
        return NET_SPEECH_PROXY;
    return NET_SPEECH_OTHER;
}
