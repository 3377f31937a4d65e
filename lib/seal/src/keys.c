// SPDX-License-Identifier: Apache-2.0
#include "seal/keys.h"

#include "base/text.h"

#include <limits.h>
#include <string.h>

static enum result fail(enum result result, struct seal_problem *problem, const char *path, const char *what)
{
    if (problem != NULL)
        (void)text_format(problem->text, sizeof problem->text, "master key %s: %s", path, what);
    return result;
}

enum result seal_source_master(const struct seal_source *source, struct seal_master **out,
                               struct seal_problem *problem)
{
    return source->master_file != NULL ? seal_master_load_file(source->master_file, out, problem)
                                       : seal_master_load_credential(source->master_credential, out, problem);
}

static bool pending_name(const struct seal_source *source, char name[PATH_MAX])
{
    return source->master_file != NULL && text_format(name, PATH_MAX, "%s.new", source->master_file);
}

static enum result ring_open(const struct seal_source *source, const struct seal_master *master,
                             bool is_readonly, uint32_t day, struct seal_keyring **out,
                             struct seal_problem *problem)
{
    return is_readonly ? seal_keyring_open_readonly(source->fs, source->keyring, master, out, problem)
                       : seal_keyring_open(source->fs, source->keyring, master, day, out, problem);
}

// The key file has changed hands already. ERR_CRYPTO: it is not that, `problem` stays as it is.
static enum result pending_open(const struct seal_source *source, bool is_readonly, uint32_t day,
                                struct seal_keyring **out, struct seal_problem *problem)
{
    char name[PATH_MAX];
    struct seal_master *master;
    if (!pending_name(source, name) || seal_master_load_file(name, &master, NULL) != OK)
        return ERR_CRYPTO;
    enum result result = ring_open(source, master, is_readonly, day, out, NULL);
    seal_master_free(master);
    if (result != OK || is_readonly)
        return result;
    result = seal_master_file_replace(source->master_file, name, problem);
    if (result != OK) {
        seal_keyring_free(*out);
        *out = NULL;
    }
    return result;
}

static enum result keys_open(const struct seal_source *source, bool is_readonly, uint32_t day,
                             struct seal_keyring **out, struct seal_problem *problem)
{
    struct seal_problem found = {0}; // the first try's may come to nothing
    struct seal_master *master;
    enum result result = seal_source_master(source, &master, &found);
    if (result == OK) {
        result = ring_open(source, master, is_readonly, day, out, &found);
        seal_master_free(master);
        if (result == ERR_CRYPTO)
            result = pending_open(source, is_readonly, day, out, &found);
    }
    if (result != OK && problem != NULL)
        *problem = found;
    return result;
}

enum result seal_keys_open(const struct seal_source *source, uint32_t day, struct seal_keyring **out,
                           struct seal_problem *problem)
{
    return keys_open(source, false, day, out, problem);
}

enum result seal_keys_open_readonly(const struct seal_source *source, struct seal_keyring **out,
                                    struct seal_problem *problem)
{
    return keys_open(source, true, 0, out, problem);
}

// ---- rotation ----

// An earlier try may have ended between the key file and the master key: that is brought to its end first.
static enum result present_get(const struct seal_source *source, struct seal_master **out,
                               struct seal_problem *problem)
{
    struct seal_keyring *ring;
    enum result result = seal_keys_open(source, 0, &ring, problem);
    if (result != OK)
        return result;
    seal_keyring_free(ring);
    return seal_source_master(source, out, problem);
}

static enum result fresh_get(const char *name, bool is_named, struct seal_master **out,
                             struct seal_problem *problem)
{
    enum result result;
    if (is_named) {
        result = seal_master_load_file(name, out, problem);
        if (result != ERR_MISSING)
            return result;
    } else {
        result = seal_master_file_remove(name, problem); // of an earlier try; it opens nothing
        if (result != OK)
            return result;
    }
    result = seal_master_file_create(name, problem);
    return result == OK ? seal_master_load_file(name, out, problem) : result;
}

enum result seal_keys_rotate(const struct seal_source *source, const char *fresh_file,
                             struct seal_problem *problem)
{
    char name[PATH_MAX];
    struct seal_master *present;
    struct seal_master *fresh;
    if (fresh_file != NULL ? !text_copy(name, sizeof name, slice_of_text(fresh_file))
                           : !pending_name(source, name))
        return fail(ERR_ARGUMENT, problem, source->master_file != NULL ? source->master_file : "",
                    "name the file of the new master key: a credential is not replaced by this command");
    enum result result = OK;
    if (fresh_file == NULL)
        result = seal_master_file_replaceable(source->master_file, problem);
    if (result == OK)
        result = present_get(source, &present, problem);
    if (result != OK)
        return result;
    result = fresh_get(name, fresh_file != NULL, &fresh, problem);
    if (result == OK) {
        result = seal_keyring_rotate(source->fs, source->keyring, present, fresh, problem);
        seal_master_free(fresh);
    }
    seal_master_free(present);
    if (result != OK || fresh_file != NULL)
        return result;
    return seal_master_file_replace(source->master_file, name, problem);
}
