// SPDX-License-Identifier: Apache-2.0
// Segments before they are needed, and the levels of space (ENGINE 3). Thread: the disk thread's.
//
// A normal segment is made only while the reserve stays free behind it. Below that the worker gets nothing,
// until it can not append even a small record: then it gets a small segment out of the reserve, which takes
// no OPEN, DATA or CLOSE.
#include "base/check.h"
#include "disk.h"

// A segment out of the reserve is this part of it, within the bounds of a segment.
#define RESERVE_PARTS 16u

// The level of room now. It is left upwards a little above where it was entered.
static enum disk_space space_level(const struct journal_disk *disk, uint64_t room)
{
    const struct journal_options *options = &disk->journal->options;
    uint64_t low = options->watermark;
    uint64_t little = options->association_watermark;
    if (disk->space >= DISK_SPACE_LOW)
        low += low / 16;
    if (disk->space >= DISK_SPACE_SHORT)
        little += little / 16;
    if (room < low)
        return DISK_SPACE_LOW;
    return room < little ? DISK_SPACE_SHORT : DISK_SPACE_ENOUGH;
}

// Looks at the disk and the quota; the room is 0 if that fails.
static struct segment_room space_look(struct journal_disk *disk)
{
    struct segment_room room = {0};
    enum result result = segment_room_get(disk->journal, &room);
    if (result != OK) {
        log_event(JOURNAL_SPACE_UNKNOWN, log_number(disk->stream), log_text(result_text(result)));
        return room;
    }
    enum disk_space before = disk->space;
    disk->space = space_level(disk, room.bytes);
    disk_accepts_update(disk);
    if (disk->space != before)
        disk_publish(disk, NULL, NULL); // the worker need not wait for what is made now
    return room;
}

static uint64_t reserve_segment_size(const struct journal_options *options)
{
    uint64_t size = options->reserve / RESERVE_PARTS / JOURNAL_PAGE_SIZE * JOURNAL_PAGE_SIZE;
    if (size < JOURNAL_SEGMENT_SIZE_MIN)
        size = JOURNAL_SEGMENT_SIZE_MIN;
    return size < options->segment_size ? size : options->segment_size;
}

// Only where `keep` bytes of the room stay free behind it, else ERR_SPACE.
static enum result create(struct journal_disk *disk, const struct segment_room *room, uint64_t size,
                          uint64_t keep, uint16_t flags)
{
    struct journal_segment *segment = NULL;
    struct fs_file *file = NULL;
    if (!segment_room_book(disk->journal, room, size, keep))
        return ERR_SPACE;
    enum result result =
        segment_create(disk->journal, disk->chain, size, flags, ev_wall_now(disk->loop), &segment, &file);
    segment_room_settle(disk->journal, size);
    if (result != OK)
        return result;
    fs_file_close(&file);
    pthread_mutex_lock(&disk->link.lock);
    ensure(disk->link.prepared == NULL);
    disk->link.prepared = segment;
    pthread_mutex_unlock(&disk->link.lock);
    return OK;
}

// Normal if there is room for it, else out of the reserve if it is urgent.
static enum result create_fitting(struct journal_disk *disk)
{
    const struct journal_options *options = &disk->journal->options;
    struct segment_room room = space_look(disk);
    enum result result = create(disk, &room, options->segment_size, options->reserve, 0);
    if (result != ERR_SPACE || disk->want != JOURNAL_WANT_URGENT) {
        disk->reached.shortage = result == ERR_SPACE ? JOURNAL_SHORTAGE_NORMAL : JOURNAL_SHORTAGE_NONE;
        return result;
    }
    result =
        create(disk, &room, reserve_segment_size(options), JOURNAL_SPACE_MARGIN, JOURNAL_SEGMENT_RESERVE);
    disk->reached.shortage = result == OK ? JOURNAL_SHORTAGE_NORMAL : JOURNAL_SHORTAGE_ALL;
    return result;
}

void disk_prepare(struct journal_disk *disk)
{
    pthread_mutex_lock(&disk->link.lock);
    disk->want = disk->link.prepared == NULL && !disk->link.stop ? disk->link.want : JOURNAL_WANT_NOTHING;
    pthread_mutex_unlock(&disk->link.lock);
    if (disk->want == JOURNAL_WANT_NOTHING || disk->prepare_waits)
        return;
    if (disk->failing && !ev_timer_is_armed(&disk->retry_timer)) {
        // No hurry with a disk that keeps failing; intake stays stopped meanwhile.
        disk->prepare_waits = true;
        ev_timer_start(&disk->retry_timer, disk->journal->options.retry_interval);
        return;
    }
    enum journal_shortage before = disk->reached.shortage;
    enum result result = create_fitting(disk);
    if (result == ERR_SPACE) {
        if (disk->reached.shortage != before)
            log_event(JOURNAL_SEGMENT_NO_ROOM, log_number(disk->stream));
    } else if (result != OK) {
        log_event(JOURNAL_PREPARE_FAILED, log_number(disk->stream), log_text(result_text(result)));
        disk_failure_count(disk, result);
        disk->prepare_waits = true;
        ev_timer_start(&disk->retry_timer, disk->journal->options.retry_interval);
    }
    disk_publish(disk, NULL, NULL);
}

// The try after a pause. When it succeeds intake goes on, but one more failure stops it again.
static void on_retry(void *arg)
{
    struct journal_disk *disk = arg;
    MAGIC_CHECK(disk, JOURNAL_DISK_MAGIC);
    disk->prepare_waits = false;
    bool was_failing = disk->failing;
    disk->failing = false;
    disk_prepare(disk);
    pthread_mutex_lock(&disk->link.lock);
    bool succeeded = disk->link.prepared != NULL;
    pthread_mutex_unlock(&disk->link.lock);
    if (!was_failing || disk->failing)
        return;
    disk->failing = !succeeded;
    disk->failures = disk->journal->options.failure_limit - 1;
    disk_accepts_update(disk);
    disk_publish(disk, NULL, NULL);
}

static void on_space(void *arg)
{
    struct journal_disk *disk = arg;
    MAGIC_CHECK(disk, JOURNAL_DISK_MAGIC);
    ev_timer_start(&disk->space_timer, disk->journal->options.space_interval);
    (void)space_look(disk);
    disk_read_files_close(disk, true);
    disk_prepare(disk);
}

void disk_give_up(struct journal_disk *disk, struct journal_segment **unused)
{
    if (*unused == NULL)
        return;
    uint32_t number = (*unused)->number;
    // Else recovery removes it: it holds nothing.
    if (segment_erase(disk->journal, disk->stream, number) == OK)
        catalog_remove(disk->journal, *unused);
    segment_unref(disk->journal, unused);
}

void disk_prepare_init(struct journal_disk *disk)
{
    ev_timer_init(&disk->retry_timer, disk->loop, on_retry, disk);
    ev_timer_init(&disk->space_timer, disk->loop, on_space, disk);
    ev_timer_start(&disk->space_timer, disk->journal->options.space_interval);
}

void disk_prepare_fini(struct journal_disk *disk)
{
    ev_timer_fini(&disk->retry_timer);
    ev_timer_fini(&disk->space_timer);
}
