// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate key rotate`, `key backup` and `key restore`: another master key, copies of the key file. No key
// is ever printed.
#include "data.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "journal/format.h"

enum { LOOKS = 3 }; // at a key file in which the daemon may be writing

// ---- rotate ----

static void rotated_report(const struct cli *cli, const struct configuration_gateway *gateway,
                           const char *fresh)
{
    const char *where = fresh != NULL ? fresh : gateway->master_key_file;
    if (cli->is_json) {
        json_t *answer = json_pack("{s:i, s:s, s:s, s:b}", "version", 1, "keyring", gateway->keyring,
                                   "master_key", where, "to_be_installed", fresh != NULL);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
        return;
    }
    (void)printf("the key file %s/%s has a new master key: %s\n", gateway->data, gateway->keyring, where);
    if (fresh != NULL)
        (void)printf("\nThe present one opens nothing any more: give the gateway %s instead before its next "
                     "start.\n",
                     fresh);
    (void)printf(
        "\nKEEP A COPY OF THE NEW MASTER KEY, now, and make a new `dicomgate key backup`: the backups "
        "made so far\nopen with the former master key only.\n");
}

static enum cli_exit rotate(const struct cli *cli, const struct configuration_gateway *gateway)
{
    struct fs *fs;
    struct seal_source keys;
    struct seal_problem problem = {.text = ""};
    const char *fresh = cli->argument_count > 0 ? cli->arguments[0] : NULL;
    int lock;
    if (gateway->master_key_file == NULL && fresh == NULL)
        return cli_complain(
            cli, CLI_USAGE,
            "the master key is a credential of the service: name the FILE of the new one, and "
            "install it as that credential afterwards");
    enum cli_exit status = cli_data_lock(cli, gateway, &lock);
    if (status != CLI_FINE)
        return status;
    status = cli_data_open(cli, gateway, &fs, &keys);
    if (status == CLI_FINE) {
        enum result result = seal_keys_rotate(&keys, fresh, &problem);
        fs_free(fs);
        if (result == OK)
            rotated_report(cli, gateway, fresh);
        else
            status = cli_key_refuse(cli, result, &problem);
    }
    (void)close(lock);
    return status;
}

enum cli_exit cli_key_rotate(struct cli *cli)
{
    struct configuration *configuration;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    status = rotate(cli, &configuration->gateway);
    configuration_free(configuration);
    return status;
}

// ---- backup ----

static enum result sound_open(const struct seal_source *keys, struct seal_keyring **ring,
                              struct seal_problem *problem)
{
    enum result result = ERR_IO;
    for (unsigned look = 0; look < LOOKS; look++) {
        result = seal_keys_open_readonly(keys, ring, problem);
        if (result != OK || seal_keyring_is_sound(*ring) || look + 1 == LOOKS)
            break;
        seal_keyring_free(*ring);
    }
    return result;
}

static enum cli_exit copy_report(const struct cli *cli, struct seal_keyring *ring, const char *path)
{
    struct seal_keyring_counts counts;
    seal_keyring_counts_get(ring, &counts);
    bool is_sound = seal_keyring_is_sound(ring);
    if (cli->is_json) {
        json_t *answer = json_pack("{s:i, s:s, s:I, s:b}", "version", 1, "backup", path, "segment_keys",
                                   (json_int_t)counts.segment_keys, "complete", is_sound);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
    } else {
        (void)printf("%s: the keys of %zu segments, locked by the present master key\n", path,
                     counts.segment_keys);
        (void)printf(
            "Segments that begin later are not in it; `dicomgate key verify --backup %s` says which.\n"
            "To put it back: stop the gateway, then `dicomgate key restore %s`.\n",
            path, path);
    }
    if (is_sound)
        return CLI_FINE;
    return cli_complain(cli, CLI_FINDING, "the key file has damaged slots, which are not in the backup");
}

static enum cli_exit copy_to(const struct cli *cli, struct seal_keyring *ring, const char *path)
{
    char name[FS_PATH_MAX + 1];
    struct fs *to;
    struct seal_problem problem = {.text = ""};
    enum cli_exit status = cli_file_place(cli, path, name, sizeof name, &to);
    if (status != CLI_FINE)
        return status;
    enum result result = seal_keyring_copy(ring, to, name, NULL, &problem);
    fs_free(to);
    if (result == ERR_EXISTS)
        return cli_complain(cli, CLI_REFUSED, "%s exists; nothing is overwritten", path);
    return result == OK ? copy_report(cli, ring, path) : cli_key_refuse(cli, result, &problem);
}

enum cli_exit cli_key_backup(struct cli *cli)
{
    struct configuration *configuration;
    struct fs *fs;
    struct seal_source keys;
    struct seal_keyring *ring;
    struct seal_problem problem = {.text = ""};
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    status = cli_data_open(cli, &configuration->gateway, &fs, &keys);
    if (status == CLI_FINE) {
        enum result result = sound_open(&keys, &ring, &problem);
        status = result == OK ? copy_to(cli, ring, cli->arguments[0]) : cli_key_refuse(cli, result, &problem);
        if (result == OK)
            seal_keyring_free(ring);
        fs_free(fs);
    }
    configuration_free(configuration);
    return status;
}

// ---- restore ----

static bool segment_is_there(void *arg, uint16_t stream, uint32_t segment)
{
    char name[JOURNAL_NAME_SIZE], path[64];
    journal_segment_name(stream, segment, name);
    (void)text_format(path, sizeof path, "journal/%s", name);
    return fs_path_exists(arg, path) != ERR_MISSING;
}

// What is there now is kept aside, unless it is as good as it was.
static enum cli_exit present_set_aside(const struct cli *cli, const struct seal_source *keys)
{
    char aside[FS_PATH_MAX + 1];
    struct seal_keyring *ring;
    if (fs_path_exists(keys->fs, keys->keyring) == ERR_MISSING)
        return CLI_FINE;
    if (seal_keys_open_readonly(keys, &ring, NULL) == OK) {
        bool is_sound = seal_keyring_is_sound(ring);
        seal_keyring_free(ring);
        if (is_sound)
            return cli_complain(cli, CLI_REFUSED, "the key file is there and sound; nothing was changed");
    }
    if (!text_format(aside, sizeof aside, "%s.damaged", keys->keyring) ||
        fs_path_exists(keys->fs, aside) != ERR_MISSING)
        return cli_complain(cli, CLI_REFUSED, "%s.damaged is there already; move it away first",
                            keys->keyring);
    if (fs_path_rename(keys->fs, keys->keyring, aside) != OK || fs_dir_sync(keys->fs, ".") != OK)
        return cli_complain(cli, CLI_INTERNAL, "the present key file can not be renamed");
    return CLI_FINE;
}

static enum cli_exit restore_from(const struct cli *cli, const struct seal_source *keys,
                                  struct seal_keyring *backup)
{
    struct seal_problem problem = {.text = ""};
    enum cli_exit status = present_set_aside(cli, keys);
    if (status != CLI_FINE)
        return status;
    enum result result =
        seal_keyring_copy_some(backup, keys->fs, keys->keyring, segment_is_there, keys->fs, &problem);
    if (result != OK)
        return cli_key_refuse(cli, result, &problem);
    if (!cli->is_json)
        (void)printf("%s is put back; now `dicomgate key verify`\n", keys->keyring);
    return CLI_FINE;
}

static enum cli_exit restore(const struct cli *cli, const struct seal_source *keys)
{
    char name[FS_PATH_MAX + 1];
    struct seal_problem problem = {.text = ""};
    struct seal_source source = *keys;
    struct seal_keyring *backup;
    enum cli_exit status = cli_file_place(cli, cli->arguments[0], name, sizeof name, &source.fs);
    if (status != CLI_FINE)
        return status;
    source.keyring = name;
    enum result result = seal_keys_open_readonly(&source, &backup, &problem);
    if (result == OK) {
        status = restore_from(cli, keys, backup);
        seal_keyring_free(backup);
    } else {
        status = cli_key_refuse(cli, result, &problem);
    }
    fs_free(source.fs);
    return status;
}

enum cli_exit cli_key_restore(struct cli *cli)
{
    struct configuration *configuration;
    struct fs *fs;
    struct seal_source keys;
    int lock;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    status = cli_data_lock(cli, &configuration->gateway, &lock);
    if (status == CLI_FINE) {
        status = cli_data_open(cli, &configuration->gateway, &fs, &keys);
        if (status == CLI_FINE) {
            status = restore(cli, &keys);
            fs_free(fs);
        }
        (void)close(lock);
    }
    configuration_free(configuration);
    return status;
}
