// SPDX-License-Identifier: Apache-2.0
// The disk side of a stream: writes, group commit, deaths of segments, publication.
//
// One turn takes all that the worker has posted, writes it, syncs once if a CLOSE is among it, tells the
// worker, serves reads, and prepares a segment if one is wanted. Thread: the disk thread's. Source: ENGINE 2
// and 3.
#include "disk.h"

#include <stdlib.h>

#include "base/check.h"

enum {
    SMALL_SYNC = 64 * 1024, // bytes; above that the inode's write does not matter
    ZEROS_PART = 64 * 1024,
    ZEROS_PARTS = 8,
    ZEROS_SHARE = 64, // of a segment at most
};

struct journal *disk_journal(struct journal_disk *disk)
{
    return disk->journal;
}

struct journal_link *disk_link(struct journal_disk *disk)
{
    return &disk->link;
}

uint16_t disk_stream(const struct journal_disk *disk)
{
    return disk->stream;
}

static void move_all(struct list *from, struct list *to)
{
    struct list_node *node;
    while ((node = list_take_first(from)) != NULL)
        list_append(to, node);
}

void disk_publish(struct journal_disk *disk, struct list *returned, struct list *answered)
{
    struct journal_link *link = &disk->link;
    pthread_mutex_lock(&link->lock);
    link->reached = disk->reached;
    if (returned != NULL)
        move_all(returned, &link->returned);
    if (answered != NULL)
        move_all(answered, &link->answered);
    bool has_stream = link->has_stream;
    pthread_mutex_unlock(&link->lock);
    if (has_stream)
        ev_wake_signal(link->worker_wake);
}

static void refusal_publish(const struct journal_disk *disk)
{
    catalog_refusal_set(
        disk->journal, disk->stream,
        (struct catalog_refusal){!disk->reached.welcomes, !disk->reached.accepts, disk->failing});
}

void disk_accepts_update(struct journal_disk *disk)
{
    bool accepts = disk->space != DISK_SPACE_LOW && !disk->failing;
    bool welcomes = disk->space == DISK_SPACE_ENOUGH && !disk->failing;
    bool was_welcoming = disk->reached.welcomes;
    bool did_accept = disk->reached.accepts;
    disk->reached.welcomes = welcomes;
    disk->reached.accepts = accepts;
    refusal_publish(disk);
    if (welcomes != was_welcoming && accepts && did_accept) {
        if (welcomes)
            log_event(JOURNAL_ASSOCIATIONS_WELCOME, log_number(disk->stream));
        else
            log_event(JOURNAL_ASSOCIATIONS_UNWELCOME, log_number(disk->stream));
    }
    if (accepts == did_accept)
        return;
    if (accepts)
        log_event(JOURNAL_INTAKE_RESUMED, log_number(disk->stream));
    else
        log_event(JOURNAL_INTAKE_STOPPED, log_number(disk->stream),
                  log_text(disk->failing ? "failures" : "space"));
}

void disk_failure_count(struct journal_disk *disk, enum result why)
{
    // Lack of space has its own rules (the watermark); it is not a broken disk.
    if (why != ERR_SPACE && ++disk->failures >= disk->journal->options.failure_limit)
        disk->failing = true;
    disk_accepts_update(disk);
}

static void segment_leave(struct journal_disk *disk)
{
    ev_timer_stop(&disk->lazy_timer);
    disk_cache_leave(disk);
    fs_file_close(&disk->file);
    segment_unref(disk->journal, &disk->segment);
    disk->sync_wanted = false;
}

// ENGINE 3: after any error a segment is dead, what was not durable is lost, a sync is never tried again.
static void segment_die(struct journal_disk *disk, enum result why)
{
    log_event(JOURNAL_SEGMENT_DIED, log_number(disk->stream), log_number(disk->segment->number),
              log_text(result_text(why)));
    segment_state_set(disk->journal, disk->segment, JOURNAL_SEGMENT_DEAD, disk->synced);
    if (disk->dead_count < DISK_DEAD_MAX)
        disk->dead[disk->dead_count++] =
            (struct journal_position){disk->stream, disk->segment->number, disk->synced};
    segment_leave(disk);
    disk->reached.generation++;
    disk_failure_count(disk, why);
}

// What stands behind the durable end of a dead segment was given up. It is cut off once the record of the
// death is durable, and before anybody hears of that, so that no reader of a later life takes it for
// corruption, whichever segments are reclaimed by then. Nothing is claimed on the strength of this sync.
static void dead_cut(struct journal_disk *disk)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->dead_count; i++) {
        struct journal_position end = disk->dead[i];
        if (segment_cut(disk->journal, end) != OK)
            disk->dead[kept++] = end;
    }
    disk->dead_count = kept;
}

static bool segment_sync(struct journal_disk *disk)
{
    if (disk->segment == NULL || disk->synced == disk->written)
        return true;
#if DG_FAULT_ACK_BEFORE_SYNC
    enum result result = OK;
#else
    enum result result = fs_file_datasync(disk->file);
#endif
#if DG_FAULT_SYNC_RETRIED
    if (result != OK)
        result = fs_file_datasync(disk->file);
#endif
    if (result != OK) {
        segment_die(disk, result);
        return false;
    }
    dead_cut(disk);
    disk->synced = disk->written;
    disk->sync_wanted = false;
    ev_timer_stop(&disk->lazy_timer);
    disk->reached.durable = disk->reached.written;
    disk->reached.durable_at = (struct journal_position){disk->stream, disk->segment->number, disk->synced};
    segment_state_set(disk->journal, disk->segment, JOURNAL_SEGMENT_ACTIVE, disk->synced);
    disk->failures = 0;
    disk->failing = false;
    disk_accepts_update(disk);
    return true;
}

// Makes this the segment being written; the one before it is complete then.
static bool segment_enter(struct journal_disk *disk, struct journal_segment *segment)
{
    char path[FS_PATH_MAX + 1];
    if (disk->segment == segment)
        return true;
    if (!segment_sync(disk))
        return false;
    if (disk->segment != NULL) {
        segment_state_set(disk->journal, disk->segment, JOURNAL_SEGMENT_CLOSED, disk->synced);
        segment_leave(disk);
    }
    catalog_skipped_close(disk->journal, disk->chain, segment->number);
    disk->segment = segment_ref(disk->journal, segment);
    disk->written = disk->synced = disk->writeback_from = disk->zeroed = JOURNAL_PAGE_SIZE;
    disk->cached_from = 0;
    segment_state_set(disk->journal, segment, JOURNAL_SEGMENT_ACTIVE, disk->synced);
    segment_path(disk->journal, segment->stream, segment->number, path);
    enum result result = fs_file_open(disk->journal->fs, path, FS_WRITE, &disk->file);
    if (result != OK)
        segment_die(disk, result);
    return result == OK;
}

static void buffer_write(struct journal_disk *disk, const struct journal_buffer *buffer)
{
    // A later generation can not be: the worker learns of each death here. An earlier one is lost with its
    // segment.
    ensure(buffer->generation <= disk->reached.generation);
    if (buffer->generation != disk->reached.generation || !segment_enter(disk, buffer->segment))
        return;
    ensure(buffer->offset == disk->written);
    enum result result = fs_file_write(disk->file, buffer->offset, slice_of(buffer->bytes, buffer->length));
    if (result == OK) {
        disk->written += buffer->length;
        disk->reached.written = buffer->ticket;
        disk->sync_wanted = disk->sync_wanted || buffer->sync;
        if (buffer->lazy && !ev_timer_is_armed(&disk->lazy_timer))
            ev_timer_start(&disk->lazy_timer, disk->journal->options.lazy_sync);
    }
    if (result != OK)
        segment_die(disk, result);
}

// The first write into a block that was only allocated changes the inode too, so that each small sync costs
// several writes of the disk. Zeros, written once ahead of many of them, make the rest overwrite.
static void zeros_write(struct journal_disk *disk)
{
    static const uint8_t zeros[ZEROS_PART];
    struct slice parts[ZEROS_PARTS];
    size_t count = 0;
    uint64_t left = disk->segment->size - disk->written;
    uint64_t most = disk->segment->size / ZEROS_SHARE;
    if (most > disk->journal->options.zero_ahead)
        most = disk->journal->options.zero_ahead;
    if (left > most)
        left = most;
    uint64_t end = disk->written + left;
    for (; left > 0 && count < ZEROS_PARTS; left -= parts[count++].length)
        parts[count] = slice_first(slice_of(zeros, sizeof zeros), left);
    enum result result = count > 0 ? fs_file_writev(disk->file, disk->written, parts, count) : OK;
    if (result != OK)
        segment_die(disk, result);
    else
        disk->zeroed = end - left;
}

static void commit(struct journal_disk *disk)
{
    if (disk->segment != NULL && disk->written > disk->zeroed && disk->written - disk->synced <= SMALL_SYNC &&
        disk->journal->options.zero_ahead > 0)
        zeros_write(disk);
    if (disk->sync_wanted)
        (void)segment_sync(disk);
}

// Only a hint: an error of it stays with the file and is reported by the next sync.
static void writeback_start(struct journal_disk *disk)
{
    uint64_t begun = disk->writeback_from > disk->synced ? disk->writeback_from : disk->synced;
    if (disk->segment == NULL || disk->written - begun < disk->journal->options.writeback)
        return;
    (void)!fs_file_writeback_start(disk->file, begun, disk->written - begun);
    disk->writeback_from = disk->written;
}

static void buffers_write(struct journal_disk *disk, struct list *buffers, struct list *returned)
{
    uint64_t half = disk->journal->options.unsynced_limit / 2;
    struct list_node *node;
    while ((node = list_take_first(buffers)) != NULL) {
        struct journal_buffer *buffer = CONTAINER_OF(node, struct journal_buffer, node);
        buffer_write(disk, buffer);
        list_append(returned, node);
        // The worker stops reading its sockets at the bound; without this it could wait for ever.
        if (disk->segment != NULL && disk->written - disk->synced >= half)
            (void)segment_sync(disk);
    }
    if (disk->sync_wanted)
        commit(disk);
    writeback_start(disk);
}

// The worker has left the segment: once all of it is written it is complete.
static void left_close(struct journal_disk *disk, struct journal_position left)
{
    if (disk->segment == NULL || disk->segment->number != left.segment || disk->written < left.offset)
        return;
    if (!segment_sync(disk))
        return;
    segment_state_set(disk->journal, disk->segment, JOURNAL_SEGMENT_CLOSED, disk->synced);
    segment_leave(disk);
}

static void stop(struct journal_disk *disk, struct journal_segment **unused)
{
    if (disk->reached.stopped)
        return;
    if (segment_sync(disk) && disk->segment != NULL) {
        segment_state_set(disk->journal, disk->segment, JOURNAL_SEGMENT_CLOSED, disk->synced);
        segment_leave(disk);
    }
    ev_timer_stop(&disk->space_timer);
    ev_timer_stop(&disk->retry_timer);
    for (size_t i = 0; i < 3; i++)
        disk_give_up(disk, &unused[i]);
    disk->reached.stopped = true;
    disk_publish(disk, NULL, NULL);
}

// Reads for lanes, one after the other, but never in the way of what a client waits for: once there is
// something to write the rest has its turn behind it.
static void reads_serve(struct journal_disk *disk, struct list *reads)
{
    struct journal_link *link = &disk->link;
    struct list_node *node;
    bool writes_wait = false;
    while (!writes_wait && (node = list_take_first(reads)) != NULL) {
        struct list answered;
        list_init(&answered);
        disk_read_serve(disk, CONTAINER_OF(node, struct journal_read, node));
        list_append(&answered, node);
        disk_publish(disk, NULL, &answered);
        pthread_mutex_lock(&link->lock);
        writes_wait = link->buffers.count > 0;
        pthread_mutex_unlock(&link->lock);
    }
    if (reads->count == 0)
        return;
    pthread_mutex_lock(&link->lock);
    while ((node = list_last(reads)) != NULL) {
        list_remove(reads, node);
        list_prepend(&link->reads, node);
    }
    pthread_mutex_unlock(&link->lock);
    ev_wake_signal(&link->disk_wake);
}

static void on_work(void *arg)
{
    struct journal_disk *disk = arg;
    struct journal_link *link = &disk->link;
    struct list buffers;
    struct list reads;
    struct list returned;
    struct journal_segment *unused[3] = {NULL, NULL, NULL};
    MAGIC_CHECK(disk, JOURNAL_DISK_MAGIC);
    list_init(&buffers);
    list_init(&reads);
    list_init(&returned);
    disk->turns++;
    pthread_mutex_lock(&link->lock);
    move_all(&link->buffers, &buffers);
    move_all(&link->reads, &reads);
    struct journal_position left = link->left;
    link->left.segment = 0;
    bool stopping = link->stop;
    if (stopping) {
        unused[0] = link->unused[0];
        unused[1] = link->unused[1];
        unused[2] = link->prepared;
        link->unused[0] = link->unused[1] = link->prepared = NULL;
    }
    pthread_mutex_unlock(&link->lock);
    if (buffers.count > 0)
        buffers_write(disk, &buffers, &returned);
    if (left.segment != 0)
        left_close(disk, left);
    if (returned.count > 0 || left.segment != 0)
        disk_publish(disk, &returned, NULL);
    disk_cache_trim(disk); // when everybody has heard: a client waits for the news, nobody for this
    reads_serve(disk, &reads);
    if (stopping)
        stop(disk, unused);
    else
        disk_prepare(disk);
}

static void on_lazy(void *arg)
{
    struct journal_disk *disk = arg;
    MAGIC_CHECK(disk, JOURNAL_DISK_MAGIC);
    (void)segment_sync(disk);
    disk_publish(disk, NULL, NULL);
}

enum result journal_disk_new(struct journal *journal, uint16_t stream, struct ev_loop *loop,
                             struct journal_disk **out)
{
    struct segment_chain *chain;
    ensure(stream <= JOURNAL_STREAM_MAX && journal_life(journal) != 0);
    enum result result = catalog_chain_make(journal, stream, &chain);
    if (result != OK)
        return result;
    struct journal_disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return ERR_NOMEM;
    pthread_mutex_lock(&journal->lock);
    bool taken = chain->has_writer;
    chain->has_writer = true;
    pthread_mutex_unlock(&journal->lock);
    if (taken) {
        free(disk);
        return ERR_EXISTS;
    }
    MAGIC_INIT(disk, JOURNAL_DISK_MAGIC);
    disk->stream = stream;
    disk->journal = journal;
    disk->chain = chain;
    disk->loop = loop;
    disk->reached.accepts = disk->reached.welcomes = true;
    disk->reached.durable_at.stream = stream;
    int failed = pthread_mutex_init(&disk->link.lock, NULL);
    ensure(failed == 0);
    list_init(&disk->link.buffers);
    list_init(&disk->link.reads);
    list_init(&disk->link.returned);
    list_init(&disk->link.answered);
    disk->link.reached = disk->reached;
    disk->link.want = JOURNAL_WANT_SPARE;
    ev_wake_init(&disk->link.disk_wake, loop, on_work, disk);
    ev_timer_init(&disk->lazy_timer, loop, on_lazy, disk);
    disk_prepare_init(disk);
    ev_wake_signal(&disk->link.disk_wake);
    *out = disk;
    return OK;
}

void journal_disk_free(struct journal_disk *disk)
{
    if (disk == NULL)
        return;
    MAGIC_CHECK(disk, JOURNAL_DISK_MAGIC);
    struct journal_link *link = &disk->link;
    struct journal *journal = disk->journal;
    ensure(!link->has_stream && link->buffers.count == 0 && link->returned.count == 0);
    ev_wake_fini(&link->disk_wake);
    ev_timer_fini(&disk->lazy_timer);
    disk_prepare_fini(disk);
    disk_read_files_close(disk, false);
    fs_file_close(&disk->file);
    segment_unref(journal, &disk->segment);
    segment_unref(journal, &link->prepared);
    segment_unref(journal, &link->unused[0]);
    segment_unref(journal, &link->unused[1]);
    pthread_mutex_destroy(&link->lock);
    pthread_mutex_lock(&journal->lock);
    disk->chain->has_writer = false;
    pthread_mutex_unlock(&journal->lock);
    MAGIC_CLEAR(disk);
    free(disk);
}
