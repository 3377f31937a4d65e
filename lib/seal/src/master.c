// SPDX-License-Identifier: Apache-2.0
//
// Loading and making the master key; see seal/master.h. The only part of lib/seal that reads a file without
// the file-system seam: it looks at owner and mode, which the seam does not carry. Thread: main.
#include "crypto.h"
#include "seal/seal.h"

#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASTER_MAGIC 0x534d4153u // "SMAS"

static enum result fail(enum result result, struct seal_problem *problem, const char *path, const char *what)
{
    if (problem != NULL)
        (void)text_format(problem->text, sizeof problem->text, "master key %s: %s", path, what);
    return result;
}

static enum result fail_errno(struct seal_problem *problem, const char *path)
{
    enum result result = errno == ENOENT ? ERR_MISSING : errno == EEXIST ? ERR_EXISTS : ERR_IO;
    char what[128];
    return fail(result, problem, path, strerror_r(errno, what, sizeof what));
}

// A credential that systemd gave to a service with a user of its own belongs to root and is readable for that
// user by an access control list, whose mask stands where the group's bits are.
static enum result status_check(const struct stat *status, bool is_credential, const char *path,
                                struct seal_problem *problem)
{
    if (!S_ISREG(status->st_mode))
        return fail(ERR_REFUSED, problem, path, "not a regular file");
    if (status->st_uid != geteuid() && status->st_uid != 0)
        return fail(ERR_REFUSED, problem, path, "belongs to another user than this one or root");
    mode_t others = status->st_mode & 077u;
    if (is_credential && status->st_uid == 0 && status->st_gid == 0)
        others &= ~(mode_t)040;
    if (others != 0)
        return fail(ERR_REFUSED, problem, path, "others may read or write it; make it mode 0600");
    if (status->st_size != SEAL_KEY_SIZE)
        return fail(ERR_FORMAT, problem, path, "must hold exactly 32 bytes");
    return OK;
}

static enum result key_read(int fd, const char *path, bool is_credential, uint8_t key[SEAL_KEY_SIZE],
                            struct seal_problem *problem)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail_errno(problem, path);
    enum result result = status_check(&status, is_credential, path, problem);
    if (result != OK)
        return result;
    ssize_t got;
    do {
        got = pread(fd, key, SEAL_KEY_SIZE, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return fail_errno(problem, path);
    return got == SEAL_KEY_SIZE ? OK : fail(ERR_FORMAT, problem, path, "must hold exactly 32 bytes");
}

static enum result master_load(const char *path, bool is_credential, struct seal_master **out,
                               struct seal_problem *problem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_errno(problem, path);
    uint8_t key[SEAL_KEY_SIZE];
    enum result result = key_read(fd, path, is_credential, key, problem);
    (void)close(fd);
    if (result == OK && seal_master_from_bytes(key, out) != OK)
        result = fail(ERR_NOMEM, problem, path, "out of memory");
    wipe(key, sizeof key);
    return result;
}

enum result seal_master_load_file(const char *path, struct seal_master **out, struct seal_problem *problem)
{
    return master_load(path, false, out, problem);
}

enum result seal_master_load_credential(const char *name, struct seal_master **out,
                                        struct seal_problem *problem)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder == NULL || folder[0] == 0)
        return fail(ERR_MISSING, problem, name, "CREDENTIALS_DIRECTORY is not set");
    char path[PATH_MAX];
    if (name[0] == 0 || strchr(name, '/') != NULL || !text_format(path, sizeof path, "%s/%s", folder, name))
        return fail(ERR_ARGUMENT, problem, name, "not the name of a credential");
    return master_load(path, true, out, problem);
}

enum result seal_master_from_bytes(const uint8_t bytes[SEAL_KEY_SIZE], struct seal_master **out)
{
    struct seal_master *master = calloc(1, sizeof *master);
    if (master == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(master, MASTER_MAGIC);
    memcpy(master->key, bytes, SEAL_KEY_SIZE);
    *out = master;
    return OK;
}

// The name of a new file is durable when its folder is synced.
static bool folder_sync(const char *path)
{
    char copy[PATH_MAX];
    if (!text_copy(copy, sizeof copy, slice_of_text(path)))
        return false;
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    bool is_synced = fsync(folder) == 0;
    (void)close(folder);
    return is_synced;
}

enum result seal_master_file_create(const char *path, struct seal_problem *problem)
{
    uint8_t key[SEAL_KEY_SIZE];
    if (seal_random(key, sizeof key) != OK)
        return fail(ERR_CRYPTO, problem, path, "no random bytes");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        wipe(key, sizeof key);
        return fail_errno(problem, path);
    }
    bool is_written = fchmod(fd, 0600) == 0 && write(fd, key, sizeof key) == (ssize_t)sizeof key &&
                      fsync(fd) == 0 && folder_sync(path);
    wipe(key, sizeof key);
    enum result result = is_written ? OK : fail_errno(problem, path);
    (void)close(fd);
    if (!is_written)
        (void)unlink(path);
    return result;
}

// The bytes of a key that nobody is to use any more.
static bool bytes_destroy(int fd)
{
    uint8_t random[SEAL_KEY_SIZE];
    return seal_random(random, sizeof random) == OK &&
           pwrite(fd, random, sizeof random, 0) == (ssize_t)sizeof random && fsync(fd) == 0;
}

static int open_to_destroy(const char *path)
{
    return open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

enum result seal_master_file_replaceable(const char *path, struct seal_problem *problem)
{
    int fd = open_to_destroy(path);
    if (fd < 0)
        return fail_errno(problem, path);
    (void)close(fd);
    return OK;
}

enum result seal_master_file_replace(const char *path, const char *fresh, struct seal_problem *problem)
{
    if (access(fresh, F_OK) != 0)
        return fail_errno(problem, fresh);
    int old = open_to_destroy(path);
    if (old < 0)
        return fail_errno(problem, path);
    // While it has a name: a cut in between leaves a file that opens nothing, which the next start replaces.
    enum result result = bytes_destroy(old) ? OK : fail_errno(problem, path);
    if (result == OK && rename(fresh, path) != 0)
        result = fail_errno(problem, fresh);
    if (result == OK && !folder_sync(path))
        result = fail_errno(problem, path);
    (void)close(old);
    return result;
}

enum result seal_master_file_remove(const char *path, struct seal_problem *problem)
{
    int fd = open_to_destroy(path);
    if (fd < 0)
        return errno == ENOENT ? OK : fail_errno(problem, path);
    bool is_gone = bytes_destroy(fd) && unlink(path) == 0 && folder_sync(path);
    enum result result = is_gone ? OK : fail_errno(problem, path);
    (void)close(fd);
    return result;
}

const uint8_t *seal_master_key(const struct seal_master *master)
{
    MAGIC_CHECK(master, MASTER_MAGIC);
    return master->key;
}

void seal_master_free(struct seal_master *master)
{
    if (master == NULL)
        return;
    MAGIC_CHECK(master, MASTER_MAGIC);
    wipe(master, sizeof *master);
    free(master);
}
