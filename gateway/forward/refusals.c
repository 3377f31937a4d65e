// SPDX-License-Identifier: Apache-2.0
#include "forward/refusals.h"
#include "base/text.h"

static bool is_of(const struct refusal *refusal, struct slice calling, struct slice called)
{
    return refusal->failures > 0 && slice_is_text(calling, refusal->calling) &&
           slice_is_text(called, refusal->called);
}

struct refusal *refusals_count(struct refusals *refusals, struct slice calling, struct slice called)
{
    struct refusal *place = &refusals->each[0];
    for (size_t i = 0; i < REFUSALS_MAX; i++) {
        struct refusal *refusal = &refusals->each[i];
        if (is_of(refusal, calling, called)) {
            refusal->failures++;
            return refusal;
        }
        if (refusal->until < place->until)
            place = refusal;
    }
    *place = (struct refusal){.failures = 1};
    text_copy(place->calling, sizeof place->calling, calling);
    text_copy(place->called, sizeof place->called, called);
    return place;
}

uint64_t refusals_left(const struct refusals *refusals, struct slice calling, struct slice called,
                       uint64_t now)
{
    for (size_t i = 0; i < REFUSALS_MAX; i++)
        if (is_of(&refusals->each[i], calling, called))
            return refusals->each[i].until > now ? refusals->each[i].until - now : 0;
    return 0;
}

void refusals_forget(struct refusals *refusals, struct slice calling, struct slice called)
{
    for (size_t i = 0; i < REFUSALS_MAX; i++)
        if (is_of(&refusals->each[i], calling, called))
            refusals->each[i] = (struct refusal){0};
}

// Those that are not tried again, as nothing is owed under them any more, are the ones that have run out.
void refusals_text(const struct refusals *refusals, uint64_t now, char *to, size_t capacity)
{
    const struct refusal *last = &refusals->each[0];
    unsigned current = 0;
    for (size_t i = 0; i < REFUSALS_MAX; i++) {
        const struct refusal *refusal = &refusals->each[i];
        current += refusal->failures > 0 && refusal->until > now;
        if (refusal->until > last->until)
            last = refusal;
    }
    if (last->failures == 0)
        text_format(to, capacity, "rejects AE titles");
    else
        text_format(to, capacity, "rejects %s title %s%s", last->is_called ? "called" : "calling",
                    last->is_called ? last->called : last->calling, current > 1 ? " and others" : "");
}
