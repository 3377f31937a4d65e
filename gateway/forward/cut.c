// SPDX-License-Identifier: Apache-2.0
#include "forward/cut.h"
#include "base/units.h"
#include "forward/archive.h"
#include "forward/lane.h"

// Large: what has come already takes longer to send than to wait for anything. Steady: never a pause.
#define CUT_LARGE     (4 * MIB)
#define CUT_STEADY_NS (NSEC_PER_SEC / 4)

enum { BIND_DEPTH = 256 };

bool cut_is_worth_it(const struct cut_progress *progress, uint64_t limit_ns)
{
    if (limit_ns == 0 || progress->received == 0)
        return false;
    if (progress->received >= CUT_LARGE && progress->gap < CUT_STEADY_NS)
        return true;
    if (progress->expected <= progress->received)
        return false; // not known, or all but here
    double left = (double)(progress->expected - progress->received);
    return left * (double)progress->elapsed <= (double)limit_ns * (double)progress->received;
}

static struct lane *idle_lane_find(struct archive *archive, const struct record_open *open)
{
    LIST_EACH(&archive->lanes, node)
    {
        if (lane_may_cut(lane_of(node), open))
            return lane_of(node);
    }
    return NULL;
}

// False: not now.
static bool begin(struct archive *archive, const struct cut_progress *progress)
{
    if (!cut_is_worth_it(progress, archive->node->conf->cut_through_ns) || !archive_is_at_rest(archive))
        return false;
    struct lane *lane = idle_lane_find(archive, &progress->content->open);
    if (lane == NULL)
        lane = archive_lane_make(archive);
    if (lane == NULL)
        return false;
    lane_cut(lane, progress->content);
    return true;
}

bool cut_consider(struct worker *worker, const struct cut_progress *progress,
                  const struct configuration_node *const *archives, size_t archive_count)
{
    bool has_begun = false;
    for (size_t i = 0; i < archive_count; i++) {
        struct archive *archive = archive_by_conf(worker, archives[i]);
        has_begun |= archive != NULL && begin(archive, progress);
    }
    return has_begun;
}

static struct delivery *waiting_find(struct archive *archive, const struct content *content)
{
    unsigned left = BIND_DEPTH;
    for (struct list_node *node = list_last(&archive->waiting); node != NULL && left > 0;
         node = list_previous(&archive->waiting, node), left--) {
        struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        if (delivery->receipt->content == content)
            return delivery;
    }
    return NULL;
}

void cut_bind(struct archive *archive)
{
    LIST_EACH(&archive->lanes, node)
    {
        const struct content *content = lane_cut_content(lane_of(node));
        struct delivery *delivery =
            content != NULL && content->has_ended ? waiting_find(archive, content) : NULL;
        if (delivery != NULL)
            lane_cut_bind(lane_of(node), delivery);
    }
}

bool cut_is_pending(const struct delivery *delivery)
{
    const struct content *content = delivery->receipt->content;
    if (content == NULL || content->followers.count == 0)
        return false;
    LIST_EACH(&delivery->archive->lanes, node)
    {
        if (lane_cut_content(lane_of(node)) == content)
            return true;
    }
    return false;
}
