// SPDX-License-Identifier: Apache-2.0
#include "conf/data_lock.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

enum result data_lock_take(const char *folder, int *lock)
{
    char path[PATH_BYTES];
    if (!text_format(path, sizeof path, "%s/lock", folder))
        return ERR_ARGUMENT;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return ERR_IO;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) {
        *lock = file;
        return OK;
    }
    int error = errno;
    (void)close(file);
    errno = error;
    return error == EWOULDBLOCK ? ERR_EXISTS : ERR_IO;
}
