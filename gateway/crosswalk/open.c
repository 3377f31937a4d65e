// SPDX-License-Identifier: Apache-2.0
#include "crosswalk/open.h"

#include <stdlib.h>

#include "base/text.h"
#include "crosswalk/domain.h"
#include "seal/lasting.h"
#include "store/lmdb.h"

enum { PATH_BYTES = 4096 };

static enum result domains_use(const struct configuration *configuration, struct kv_env *env,
                               struct seal_keyring *keyring, struct crosswalk **out,
                               struct crosswalk_problem *problem)
{
    struct crosswalk_domain *domains = calloc(configuration->domain_count + 1, sizeof *domains);
    if (domains == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < configuration->domain_count; i++)
        domains[i] = crosswalk_domain_of(&configuration->domain[i]);
    enum result result = crosswalk_new(env, keyring, domains, configuration->domain_count, out, problem);
    free(domains); // their names are copied
    return result;
}

static enum result env_open(const struct configuration *configuration, const struct lmdb_options *options,
                            struct kv_env **out, struct crosswalk_problem *problem)
{
    char folder[PATH_BYTES];
    if (text_format(folder, sizeof folder, "%s/crosswalk", configuration->gateway.data))
        return lmdb_env_open(folder, &crosswalk_schema, options, out, problem->text, sizeof problem->text);
    (void)text_copy(problem->text, sizeof problem->text,
                    slice_of_text("the path of the data folder is too long"));
    return ERR_ARGUMENT;
}

enum result crosswalk_store_open(const struct configuration *configuration, struct seal_keyring *keyring,
                                 bool is_readonly, struct crosswalk_store *out,
                                 struct crosswalk_problem *problem)
{
    *out = (struct crosswalk_store){.env = NULL};
    bool was_there = seal_keyring_lasting_has(keyring, SEAL_LASTING_CROSSWALK);
    struct lmdb_options options = {.read_only = is_readonly,
                                   .existing_only = was_there, // its place is for what a person puts back
                                   .map_size = CROSSWALK_MAP_BYTES};
    enum result result = env_open(configuration, &options, &out->env, problem);
    if (result == ERR_MISSING && was_there)
        result = ERR_LOST;
    if (result == OK)
        result = domains_use(configuration, out->env, keyring, &out->crosswalk, problem);
    if (result == ERR_LOST)
        (void)text_format(
            problem->text, sizeof problem->text,
            "the crosswalk is lost: %.200s/crosswalk holds none, but the key file knows that there was one; "
            "stop "
            "the gateway and put that folder back (is it mounted?), or a copy of it; if it is lost for good, "
            "`dicomgate crosswalk init --lost` begins a new one, to be filled by `crosswalk import`",
            configuration->gateway.data);
    if (result != OK)
        crosswalk_store_close(out);
    return result;
}

enum result crosswalk_store_renew(const struct configuration *configuration, struct seal_keyring *keyring,
                                  const struct crosswalk_order *order, struct crosswalk_problem *problem)
{
    struct kv_env *env = NULL;
    struct lmdb_options options = {.map_size = CROSSWALK_MAP_BYTES};
    enum result result = env_open(configuration, &options, &env, problem);
    if (result == OK)
        result = crosswalk_renew(env, keyring, order, problem);
    kv_env_free(&env);
    return result;
}

void crosswalk_store_close(struct crosswalk_store *store)
{
    crosswalk_free(store->crosswalk);
    store->crosswalk = NULL;
    kv_env_free(&store->env);
}
