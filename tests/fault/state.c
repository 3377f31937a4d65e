// SPDX-License-Identifier: Apache-2.0
//
// The shim's memory and the kill itself; see state.h. All state is guarded by one mutex, which the kill never
// gives back. Talks to the kernel by syscall() only, so that nothing here is seen by the interposed
// functions.
#include "state.h"

#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECTOR 512

struct fault_change {
    struct fault_change *previous; // older
    struct fault_change *next;
    uint64_t number;
    off_t offset;
    size_t length;
    off_t old_size;
    off_t new_size;
    uint8_t *after; // NULL: a change of size alone
    struct image before;
};

struct fault_inode {
    struct fault_inode *next;
    dev_t device;
    ino_t number;
    int fd; // our own
    unsigned opens;
    struct fault_change *oldest;
    struct fault_change *newest;
    char path[FAULT_PATH_MAX]; // for the log
};

struct fault_name {
    struct fault_name *previous;
    struct fault_name *next;
    uint64_t number;
    enum fault_name_kind kind;
    dev_t device; // of the folder
    ino_t folder;
    bool has_victim; // a file of that name was there and is kept aside
    char path[FAULT_PATH_MAX];
    char from[FAULT_PATH_MAX];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char watched[FAULT_PATH_MAX];
static char graveyard[FAULT_PATH_MAX + 8];
static const char *excluded;
static int log_fd = -1;
static uint64_t operations;
static uint64_t last_operation; // 0: none
static bool is_random;
static uint64_t random_state;
static uint64_t last_number;
static struct fault_inode *inodes;
static struct fault_name *names_oldest;
static struct fault_name *names_newest;

// ---- small tools ----

void fault_log(const char *format, ...)
{
    if (log_fd < 0)
        return;
    char line[2 * FAULT_PATH_MAX + 256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    if ((size_t)length > sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    (void)syscall(SYS_write, log_fd, line, (size_t)length);
}

static uint64_t random_next(void)
{
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

bool fault_coin(void)
{
    return is_random && random_next() % 2 == 0;
}

void fault_lock(void)
{
    (void)pthread_mutex_lock(&mutex);
}

void fault_unlock(void)
{
    (void)pthread_mutex_unlock(&mutex);
}

bool fault_operation(void)
{
    operations++;
    return operations == last_operation;
}

// ---- paths ----

static bool text_put(char *to, size_t capacity, const char *folder, const char *name)
{
    int length =
        name == NULL ? snprintf(to, capacity, "%s", folder) : snprintf(to, capacity, "%s/%s", folder, name);
    return length >= 0 && (size_t)length < capacity;
}

bool fault_is_below(const char *path)
{
    size_t length = strlen(watched);
    return strncmp(path, watched, length) == 0 && (path[length] == 0 || path[length] == '/');
}

static bool is_excluded(const char *path)
{
    for (const char *at = excluded; at != NULL && *at != 0;) {
        size_t length = strcspn(at, ":");
        if (length > 0 && memmem(path, strlen(path), at, length) != NULL)
            return true;
        at += length;
        at += *at == ':';
    }
    return false;
}

bool fault_path(int folder, const char *path, char out[FAULT_PATH_MAX])
{
    char joined[2 * FAULT_PATH_MAX];
    char link[64];
    char base[FAULT_PATH_MAX];
    if (path == NULL || path[0] == 0)
        return false;
    if (path[0] == '/' || folder == AT_FDCWD) {
        if (!text_put(joined, sizeof joined, path, NULL))
            return false;
    } else {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0)
            return false;
        base[length] = 0;
        if (!text_put(joined, sizeof joined, base, path))
            return false;
    }
    char *slash = strrchr(joined, '/');
    const char *name = slash != NULL ? slash + 1 : joined;
    char parent[PATH_MAX];
    if (slash == joined) {
        (void)text_put(parent, sizeof parent, "", NULL);
    } else {
        if (slash != NULL)
            *slash = 0;
        if (realpath(slash != NULL ? joined : ".", parent) == NULL)
            return false;
    }
    return text_put(out, FAULT_PATH_MAX, parent, name) && fault_is_below(out) && !is_excluded(out);
}

// ---- files ----

struct fault_inode *fault_inode_get(int fd, bool is_to_be_made)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return NULL;
    for (struct fault_inode *at = inodes; at != NULL; at = at->next) {
        if (at->device == status.st_dev && at->number == status.st_ino)
            return at;
    }
    if (!is_to_be_made)
        return NULL;
    struct fault_inode *inode = calloc(1, sizeof *inode);
    if (inode == NULL)
        return NULL;
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    inode->fd = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC, 0);
    ssize_t length = readlink(link, inode->path, sizeof inode->path - 1);
    if (inode->fd < 0 || length < 0) {
        fault_log("untracked descriptor %d: %s", fd, strerror(errno));
        free(inode);
        return NULL;
    }
    inode->device = status.st_dev;
    inode->number = status.st_ino;
    inode->next = inodes;
    inodes = inode;
    return inode;
}

static void change_free(struct fault_change *change)
{
    image_fini(&change->before);
    free(change->after);
    free(change);
}

static void change_unlink(struct fault_inode *inode, struct fault_change *change)
{
    *(change->previous != NULL ? &change->previous->next : &inode->oldest) = change->next;
    *(change->next != NULL ? &change->next->previous : &inode->newest) = change->previous;
}

// Forgets a file that nobody has open and that has nothing unsynced.
static void inode_release(struct fault_inode *inode)
{
    if (inode->opens > 0 || inode->oldest != NULL)
        return;
    struct fault_inode **at = &inodes;
    while (*at != inode)
        at = &(*at)->next;
    *at = inode->next;
    (void)syscall(SYS_close, inode->fd);
    free(inode);
}

void fault_inode_opened(struct fault_inode *inode)
{
    inode->opens++;
}

void fault_inode_closed(struct fault_inode *inode)
{
    inode->opens--;
    inode_release(inode);
}

static off_t size_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_size : 0;
}

struct fault_change *fault_change_begin(struct fault_inode *inode, off_t offset, size_t length,
                                        const void *bytes)
{
    struct fault_change *change = calloc(1, sizeof *change);
    if (change == NULL)
        return NULL;
    change->offset = offset;
    change->length = length;
    change->old_size = size_of(inode->fd);
    bool is_kept = image_take(&change->before, inode->fd, offset, length, change->old_size);
    if (is_kept && bytes != NULL) {
        change->after = malloc(length > 0 ? length : 1);
        is_kept = change->after != NULL;
        if (is_kept && length > 0)
            memcpy(change->after, bytes, length);
    }
    if (!is_kept) {
        fault_log("no memory for a change of %s", inode->path);
        change_free(change);
        return NULL;
    }
    return change;
}

// What is durable now is the base that everything unsynced lies on: it must survive their being taken back,
// and the keeping of an older one.
static void change_is_synced(struct fault_inode *inode, const struct fault_change *synced)
{
    off_t end = synced->offset + (off_t)synced->length;
    for (struct fault_change *at = inode->oldest; at != NULL; at = at->next) {
        image_patch(&at->before, synced->offset, synced->after, synced->length);
        if (at->old_size < end)
            at->old_size = end;
        for (size_t i = 0; at->after != NULL && i < synced->length; i++) {
            off_t where = synced->offset + (off_t)i - at->offset;
            if (where >= 0 && (size_t)where < at->length)
                at->after[where] = synced->after[i];
        }
    }
}

void fault_change_end(struct fault_inode *inode, struct fault_change *change, bool is_done, size_t done,
                      bool is_synced)
{
    if (change == NULL)
        return;
    if (change->after != NULL)
        change->length = done;
    change->new_size = size_of(inode->fd);
    if (!is_done || (is_synced && change->after != NULL)) {
        if (is_done)
            change_is_synced(inode, change);
        change_free(change);
        return;
    }
    change->number = ++last_number;
    change->previous = inode->newest;
    *(inode->newest != NULL ? &inode->newest->next : &inode->oldest) = change;
    inode->newest = change;
}

static void change_undo(struct fault_inode *inode, const struct fault_change *change)
{
    if (change->new_size < change->old_size)
        (void)syscall(SYS_ftruncate, inode->fd, change->old_size);
    image_put(&change->before, inode->fd);
    if (size_of(inode->fd) > change->old_size)
        (void)syscall(SYS_ftruncate, inode->fd, change->old_size);
}

static void change_put(const struct fault_inode *inode, const struct fault_change *change, size_t from,
                       size_t length)
{
    while (length > 0) {
        long done =
            syscall(SYS_pwrite64, inode->fd, change->after + from, length, change->offset + (off_t)from);
        if (done <= 0)
            return;
        from += (size_t)done;
        length -= (size_t)done;
    }
}

static void change_tear(const struct fault_inode *inode, const struct fault_change *change)
{
    size_t done = 0;
    while (done < change->length) {
        size_t piece = SECTOR - (size_t)((change->offset + (off_t)done) % SECTOR);
        if (piece > change->length - done)
            piece = change->length - done;
        if (random_next() % 2 == 0)
            change_put(inode, change, done, piece);
        done += piece;
    }
}

// After everything was taken back: puts a change in again, by chance, as a disk could have kept it.
static void change_redo(const struct fault_inode *inode, const struct fault_change *change)
{
    static const char *const words[] = {"keep", "lose", "tear"};
    uint64_t fate = !is_random ? 1 : random_next() % (change->after != NULL ? 3 : 2);
    fault_log("%s %s %s %lld+%zu", words[fate], change->after != NULL ? "write" : "size", inode->path,
              (long long)change->offset, change->length);
    if (fate == 1)
        return;
    if (change->after == NULL) {
        bool is_shorter = change->new_size < change->old_size;
        if (is_shorter || size_of(inode->fd) < change->new_size)
            (void)syscall(SYS_ftruncate, inode->fd, change->new_size);
    } else if (fate == 0) {
        change_put(inode, change, 0, change->length);
    } else {
        change_tear(inode, change);
    }
}

static void inode_crash(struct fault_inode *inode)
{
    for (struct fault_change *at = inode->newest; at != NULL; at = at->previous)
        change_undo(inode, at);
    for (struct fault_change *at = inode->oldest; at != NULL; at = at->next)
        change_redo(inode, at);
}

// ---- names ----

static void grave_path(char *to, size_t capacity, const struct fault_name *name, char kind)
{
    (void)snprintf(to, capacity, "%s/%c%llu", graveyard, kind, (unsigned long long)name->number);
}

static bool is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static bool move(const char *from, const char *to)
{
    return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to) == 0;
}

struct fault_name *fault_name_begin(enum fault_name_kind kind, const char *path, const char *from)
{
    struct fault_name *name = calloc(1, sizeof *name);
    if (name == NULL)
        return NULL;
    name->kind = kind;
    name->number = ++last_number;
    (void)text_put(name->path, sizeof name->path, path, NULL);
    if (from != NULL)
        (void)text_put(name->from, sizeof name->from, from, NULL);
    char parent[FAULT_PATH_MAX];
    struct stat status;
    (void)text_put(parent, sizeof parent, path, NULL);
    if (stat(dirname(parent), &status) == 0) {
        name->device = status.st_dev;
        name->folder = status.st_ino;
    }
    if ((kind == FAULT_UNLINK || kind == FAULT_RENAME) && is_there(path)) {
        char grave[FAULT_PATH_MAX + 64];
        grave_path(grave, sizeof grave, name, 'v');
        (void)syscall(SYS_mkdirat, AT_FDCWD, graveyard, 0700);
        name->has_victim = syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, grave, 0) == 0;
        if (!name->has_victim)
            fault_log("can not keep %s aside: %s", path, strerror(errno));
    }
    return name;
}

static void name_free(struct fault_name *name)
{
    char grave[FAULT_PATH_MAX + 64];
    grave_path(grave, sizeof grave, name, 'v');
    if (name->has_victim)
        (void)syscall(SYS_unlinkat, AT_FDCWD, grave, 0);
    free(name);
}

void fault_name_end(struct fault_name *name, bool is_done)
{
    if (name == NULL)
        return;
    if (!is_done) {
        name_free(name);
        return;
    }
    name->previous = names_newest;
    *(names_newest != NULL ? &names_newest->next : &names_oldest) = name;
    names_newest = name;
}

static void name_undo(const struct fault_name *name)
{
    char grave[FAULT_PATH_MAX + 64];
    switch (name->kind) {
    case FAULT_CREATE:
    case FAULT_MKDIR:
        grave_path(grave, sizeof grave, name, 'c');
        (void)syscall(SYS_mkdirat, AT_FDCWD, graveyard, 0700);
        (void)move(name->path, grave);
        break;
    case FAULT_RENAME:
        (void)move(name->path, name->from);
        break;
    case FAULT_UNLINK:
        break;
    }
    grave_path(grave, sizeof grave, name, 'v');
    if (name->has_victim)
        (void)move(grave, name->path);
}

static bool name_redo(const struct fault_name *name)
{
    char grave[FAULT_PATH_MAX + 64];
    grave_path(grave, sizeof grave, name, 'c');
    switch (name->kind) {
    case FAULT_CREATE:
    case FAULT_MKDIR:
        return !is_there(name->path) && move(grave, name->path);
    case FAULT_RENAME:
        return move(name->from, name->path);
    case FAULT_UNLINK:
        return syscall(SYS_unlinkat, AT_FDCWD, name->path, 0) == 0;
    }
    return false;
}

static void names_crash(void)
{
    static const char *const words[] = {"create", "mkdir", "unlink", "rename"};
    for (const struct fault_name *at = names_newest; at != NULL; at = at->previous)
        name_undo(at);
    for (const struct fault_name *at = names_oldest; at != NULL; at = at->next) {
        bool is_kept = fault_coin() && name_redo(at);
        fault_log("%s %s %s%s%s", is_kept ? "keep" : "lose", words[at->kind], at->path,
                  at->kind == FAULT_RENAME ? " from " : "", at->from);
    }
}

// ---- syncs and the end ----

uint64_t fault_mark(void)
{
    return last_number;
}

static void inode_synced(struct fault_inode *inode, uint64_t mark)
{
    while (inode->oldest != NULL && inode->oldest->number <= mark) {
        struct fault_change *change = inode->oldest;
        change_unlink(inode, change);
        change_free(change);
    }
    inode_release(inode);
}

static void folder_synced(const struct stat *status, uint64_t mark)
{
    for (struct fault_name *at = names_oldest, *next; at != NULL; at = next) {
        next = at->next;
        if (at->device != status->st_dev || at->folder != status->st_ino || at->number > mark)
            continue;
        *(at->previous != NULL ? &at->previous->next : &names_oldest) = at->next;
        *(at->next != NULL ? &at->next->previous : &names_newest) = at->previous;
        name_free(at);
    }
}

void fault_synced(const struct stat *status, uint64_t mark)
{
    if (S_ISDIR(status->st_mode)) {
        folder_synced(status, mark);
        return;
    }
    for (struct fault_inode *at = inodes; at != NULL; at = at->next) {
        if (at->device == status->st_dev && at->number == status->st_ino) {
            inode_synced(at, mark);
            return;
        }
    }
}

static void crash_all(const char *trigger)
{
    for (struct fault_inode *at = inodes; at != NULL; at = at->next)
        inode_crash(at);
    names_crash();
    fault_log("killed by %s after %llu operations", trigger, (unsigned long long)operations);
}

// Gives up what the victim's sockets, locks and pipes are held by, so that they end with it.
static void descriptors_close(void)
{
    static bool is_ours[FAULT_FD_MAX];
    for (const struct fault_inode *at = inodes; at != NULL; at = at->next)
        is_ours[at->fd < FAULT_FD_MAX ? at->fd : 0] = true;
    for (int fd = 0; fd < FAULT_FD_MAX; fd++) {
        if (!is_ours[fd] && fd != log_fd && fd != STDERR_FILENO)
            (void)syscall(SYS_close, fd);
    }
}

// Whether a thread of the process runs; one that waits for a disk in the kernel stops when it comes back.
static bool is_task_running(pid_t process, const char *task)
{
    char path[320];
    char text[256] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)process, task);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return false;
    (void)syscall(SYS_read, fd, text, sizeof text - 1);
    (void)syscall(SYS_close, fd);
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && strchr("RS", end[2]) != NULL;
}

// Without opendir(), which allocates: see undertake().
static bool is_running(pid_t process)
{
    char path[64];
    _Alignas(struct dirent64) char entries[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    bool is_any = false;
    for (long length;
         fd >= 0 && !is_any && (length = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0;) {
        for (long at = 0; at < length && !is_any;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            is_any = entry->d_name[0] != '.' && is_task_running(process, entry->d_name);
            at += entry->d_reclen;
        }
    }
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    return is_any;
}

// The files change under the feet of whoever has them mapped, and a victim that crashes over that would end
// before the work is done. So a child does it, while the victim stands still; the victim is dead only when
// all is taken back. Nothing from here on may allocate: another thread of the victim may have been inside
// malloc(), and a sanitizer's allocator stays locked in the child for ever.
static void undertake(pid_t victim, const char *trigger) __attribute__((noreturn));
static void undertake(pid_t victim, const char *trigger)
{
    descriptors_close();
    (void)syscall(SYS_kill, victim, SIGSTOP);
    for (int i = 0; i < 5000 && is_running(victim); i++)
        (void)usleep(200);
    crash_all(trigger);
    (void)syscall(SYS_kill, victim, SIGKILL);
    _exit(0);
}

void fault_kill(const char *trigger)
{
    pid_t victim = getpid();
    pid_t undertaker = fork();
    if (undertaker == 0)
        undertake(victim, trigger);
    if (undertaker < 0) {
        crash_all(trigger);
        (void)syscall(SYS_kill, victim, SIGKILL);
    }
    for (;;)
        (void)pause();
}

void fault_end(void)
{
    fault_log("ended after %llu operations", (unsigned long long)operations);
    while (names_oldest != NULL) {
        struct fault_name *name = names_oldest;
        names_oldest = name->next;
        name_free(name);
    }
    (void)syscall(SYS_unlinkat, AT_FDCWD, graveyard, AT_REMOVEDIR);
}

static uint64_t environment_number(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

bool fault_begin(void)
{
    const char *folder = getenv("DG_FAULT_DIR");
    char real[PATH_MAX];
    if (folder == NULL || realpath(folder, real) == NULL || !text_put(watched, sizeof watched, real, NULL))
        return false;
    (void)snprintf(graveyard, sizeof graveyard, "%s.lost", watched);
    excluded = getenv("DG_FAULT_EXCLUDE");
    if (excluded == NULL)
        excluded = "lock.mdb";
    last_operation = environment_number("DG_FAULT_AFTER");
    is_random = getenv("DG_FAULT_SEED") != NULL;
    random_state = environment_number("DG_FAULT_SEED");
    const char *log = getenv("DG_FAULT_LOG");
    if (log != NULL)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return true;
}
