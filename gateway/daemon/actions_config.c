// SPDX-License-Identifier: Apache-2.0
//
// `config reload`, and what status says of certificates. The files belong to daemon/reload.h and
// daemon/expiry.h, which the simulator does not have.
#include "base/log.h"
#include "daemon/actions_private.h"
#include "daemon/expiry.h"
#include "daemon/reload.h"

static void on_done(void *arg, json_t *body)
{
    struct admin_reply *reply = arg;
    if (body == NULL)
        admin_reply_fail(reply, ADMIN_UNAVAILABLE, "the gateway is stopping");
    else
        admin_reply_send(reply, ADMIN_FINE, body);
}

void actions_config_reload(void *arg, const char *person, struct admin_reply *reply)
{
    struct actions *actions = arg;
    if (actions->reload == NULL) {
        admin_reply_fail(reply, ADMIN_REFUSED, "there is no file to be read again");
        return;
    }
    log_event(LOG_ADMIN_RELOAD, log_text(person != NULL ? person : "-"));
    if (reload_ask(actions->reload, on_done, reply) != OK)
        admin_reply_fail(reply, ADMIN_UNAVAILABLE, "somebody else's reload is under way");
}

void actions_certificates_add(const struct actions *actions, json_t *body, json_t *alarms)
{
    if (actions->expiry == NULL)
        return;
    (void)json_object_set_new(body, "certificates", expiry_documents_json(actions->expiry));
    (void)json_object_set_new(body, "peers", expiry_peers_json(actions->expiry));
    expiry_alarms_add(actions->expiry, alarms);
}
