// SPDX-License-Identifier: Apache-2.0
//
// Which policies are in force (edit/policy.h).
#include <string.h>

#include "daemon/gateway.h"
#include "daemon/news.h"
#include "edit/policy.h"

enum { DIGEST_SIZE = 32 };

struct edit_policies *gateway_policies(struct gateway *gateway)
{
    pthread_mutex_lock(&gateway->policies_lock);
    struct edit_policies *policies = gateway->policies;
    if (policies != NULL)
        policies = edit_policies_ref(policies);
    pthread_mutex_unlock(&gateway->policies_lock);
    return policies;
}

static bool are_equal(const struct edit_policies *a, const struct edit_policies *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return memcmp(edit_policies_digest(a), edit_policies_digest(b), DIGEST_SIZE) == 0;
}

bool gateway_policies_set(struct gateway *gateway, struct edit_policies **policies)
{
    struct edit_policies *former = gateway->policies; // only this thread changes it
    bool is_new = !are_equal(former, *policies);
    pthread_mutex_lock(&gateway->policies_lock);
    gateway->policies = *policies;
    pthread_mutex_unlock(&gateway->policies_lock);
    *policies = NULL;
    if (former != NULL)
        edit_policies_unref(&former);
    if (is_new)
        news_tell(gateway->news, NEWS_POLICIES);
    return is_new;
}
