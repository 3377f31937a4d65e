// SPDX-License-Identifier: Apache-2.0
//
// Making the control socket; see socket.h.
#include "socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

enum { BACKLOG = 16 };

// What a dead daemon left behind is removed; a living one, or a file that is no socket, is not touched.
static enum result stale_remove(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? OK : ERR_IO;
    if (!S_ISSOCK(status.st_mode))
        return ERR_EXISTS;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return ERR_IO;
    bool is_dead =
        connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    (void)close(probe);
    if (!is_dead)
        return ERR_EXISTS;
    return unlink(address->sun_path) == 0 ? OK : ERR_IO;
}

enum result admin_socket_open(const char *path, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!text_copy(address.sun_path, sizeof address.sun_path, slice_of_text(path)))
        return ERR_LIMIT;
    enum result result = stale_remove(&address);
    if (result != OK)
        return result;
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening < 0)
        return ERR_IO;
    // unix(7): the mode of an unbound socket becomes that of its file, so that it is never open to others.
    if (fchmod(listening, S_IRUSR | S_IWUSR) != 0 ||
        bind(listening, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listening, BACKLOG) != 0) {
        int reason = errno;
        (void)close(listening);
        errno = reason;
        return ERR_IO;
    }
    *out = listening;
    return OK;
}
