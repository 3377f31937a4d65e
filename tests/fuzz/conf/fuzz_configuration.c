// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a configuration file: it either becomes a configuration that holds together, or there is at
// least one complaint, each of one line.
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "conf/configuration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_routes(const struct configuration *made)
{
    for (size_t i = 0; i < made->phase_count; i++) {
        for (size_t j = 0; j < made->phase[i].store_count; j++) {
            const struct configuration_route *route = &made->phase[i].store[j];
            ensure(route->to_count > 0);
            for (size_t k = 0; k < route->to_count; k++)
                ensure(configuration_node_by_id(made, route->to[k]->id) == route->to[k]);
            ensure((route->negotiate == CONFIGURATION_NEGOTIATE_FIXED) ==
                   (route->transfer_syntaxes.count > 0));
        }
    }
}

static void check_made(const struct configuration *made)
{
    ensure(made->gateway.ae_title != NULL && made->gateway.data != NULL &&
           made->gateway.control_socket != NULL);
    ensure((made->gateway.master_key_file == NULL) != (made->gateway.master_key_credential == NULL));
    ensure(made->titles.count > 0 && made->listener_count > 0 && made->node_count > 0 &&
           made->start_phase != NULL);
    for (size_t i = 0; i < made->node_count; i++) {
        const struct configuration_node *node = &made->node[i];
        ensure(node->id != 0 && node->address.port != 0 && strlen(node->ae_title) <= CONFIGURATION_TITLE_MAX);
        ensure(configuration_node_by_name(made, node->name) == node);
        ensure(node->calling != CONFIGURATION_CALLING_REPLACE || node->calling_title != NULL);
    }
    check_routes(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct configuration *made = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = configuration_parse("/etc/f.yaml", (const char *)data, size, false, &made, &errors);
    ensure(result == OK || result == ERR_FORMAT);
    ensure((result == OK) == (errors.count == 0));
    for (size_t i = 0; i < errors.count; i++)
        ensure(strchr(errors.item[i].text, '\n') == NULL);
    if (result == OK)
        check_made(made);
    configuration_free(made);
    conf_errors_fini(&errors);
    return 0;
}
