// SPDX-License-Identifier: Apache-2.0
//
// The passphrase of a private key: the first line of a file that nobody else may read, or a credential that
// systemd gave to the service. Never in the configuration, the environment or a message.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wipe.h"
#include "loading.h"

// A credential of a service with a user of its own belongs to root and is readable for that user by an access
// control list, whose mask stands where the group's bits are.
static enum result check(struct loading *loading, const char *path, const struct stat *status,
                         bool is_credential)
{
    if (!S_ISREG(status->st_mode))
        return FAIL(loading, ERR_REFUSED, "passphrase file %s: not a regular file", path);
    if (status->st_uid != geteuid() && status->st_uid != 0)
        return FAIL(loading, ERR_REFUSED, "passphrase file %s: belongs to another user than this one or root",
                    path);
    mode_t others = status->st_mode & 077u;
    if (is_credential && status->st_uid == 0 && status->st_gid == 0)
        others &= ~(mode_t)040;
    if (others != 0)
        return FAIL(loading, ERR_REFUSED,
                    "passphrase file %s: others may read or write it; make it mode 0600", path);
    return OK;
}

static enum result read_line(struct loading *loading, int fd, const char *path, bool is_credential,
                             char passphrase[TLS_PASSPHRASE_MAX])
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return FAIL(loading, ERR_IO, "passphrase file %s: %s", path, strerror(errno));
    enum result result = check(loading, path, &status, is_credential);
    if (result != OK)
        return result;
    ssize_t got;
    do {
        got = pread(fd, passphrase, TLS_PASSPHRASE_MAX, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return FAIL(loading, ERR_IO, "passphrase file %s: %s", path, strerror(errno));
    size_t length = 0;
    while (length < (size_t)got && passphrase[length] != '\n' && passphrase[length] != '\r' &&
           passphrase[length] != 0)
        length++;
    if (length == 0)
        return FAIL(loading, ERR_FORMAT, "passphrase file %s: its first line is empty", path);
    if (length == TLS_PASSPHRASE_MAX)
        return FAIL(loading, ERR_FORMAT, "passphrase file %s: longer than %d bytes", path,
                    TLS_PASSPHRASE_MAX - 1);
    passphrase[length] = 0;
    return OK;
}

static enum result path_make(struct loading *loading, const struct tls_key_pair *pair, char *path,
                             size_t capacity)
{
    const char *name = pair->passphrase_credential;
    if (name == NULL)
        return text_format(path, capacity, "%s", pair->passphrase_file)
                   ? OK
                   : FAIL(loading, ERR_ARGUMENT, "passphrase file: its path is too long");
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder == NULL || folder[0] == 0)
        return FAIL(loading, ERR_MISSING, "passphrase credential %s: CREDENTIALS_DIRECTORY is not set", name);
    if (name[0] == 0 || strchr(name, '/') != NULL || !text_format(path, capacity, "%s/%s", folder, name))
        return FAIL(loading, ERR_ARGUMENT, "passphrase credential %s: not the name of a credential", name);
    return OK;
}

enum result tls_passphrase_read(struct loading *loading, const struct tls_key_pair *pair,
                                char passphrase[TLS_PASSPHRASE_MAX], char *source, size_t capacity)
{
    enum result result = path_make(loading, pair, source, capacity);
    if (result != OK)
        return result;
    int fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return FAIL(loading, ERR_MISSING, "passphrase file %s: %s", source, strerror(errno));
    result = read_line(loading, fd, source, pair->passphrase_credential != NULL, passphrase);
    (void)close(fd);
    if (result != OK)
        wipe(passphrase, TLS_PASSPHRASE_MAX);
    return result;
}
