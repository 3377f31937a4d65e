// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate key init`: the master key, if there is none, and the key file. Never replaces anything: a lost
// key is worse than a command that has to be given again.
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "fs/fs.h"
#include "seal/keyring.h"
#include "seal/master.h"

enum { PATH_BYTES = 4096 };

// True if the data folder holds journal segments: then a new key file would hide that the old one is lost.
static bool has_segments(const char *data)
{
    char path[PATH_BYTES];
    bool has_any = false;
    if (!text_format(path, sizeof path, "%s/journal", data))
        return true;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    for (const struct dirent *entry = readdir(folder); entry != NULL && !has_any; entry = readdir(folder)) {
        const char *end = strrchr(entry->d_name, '.');
        has_any = end != NULL && strcmp(end, ".seg") == 0;
    }
    (void)closedir(folder);
    return has_any;
}

static bool exists(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct stat status;
    return text_format(path, sizeof path, "%s/%s", folder, name) && lstat(path, &status) == 0;
}

static enum cli_exit folder_make(const struct cli *cli, const char *data)
{
    struct stat status;
    if (mkdir(data, S_IRWXU) != 0 && errno != EEXIST)
        return cli_complain(cli, CLI_REFUSED, "the data folder %s can not be made: %s", data,
                            strerror(errno));
    if (stat(data, &status) != 0 || !S_ISDIR(status.st_mode))
        return cli_complain(cli, CLI_REFUSED, "%s is not a folder", data);
    return CLI_FINE;
}

static enum cli_exit refuse_master(const struct cli *cli, enum result result,
                                   const struct seal_problem *problem)
{
    enum cli_exit status = result == ERR_NOMEM ? CLI_INTERNAL : result == ERR_IO ? CLI_INTERNAL : CLI_REFUSED;
    return cli_complain(cli, status, "master key: %s", problem->text);
}

// Loads the master key; makes its file if it is to be one and is not there.
static enum cli_exit master_get(const struct cli *cli, const struct configuration_gateway *gateway,
                                bool *is_new, struct seal_master **out)
{
    struct seal_problem problem = {.text = ""};
    enum result result;
    *is_new = false;
    if (gateway->master_key_credential != NULL) {
        result = seal_master_load_credential(gateway->master_key_credential, out, &problem);
        return result == OK ? CLI_FINE : refuse_master(cli, result, &problem);
    }
    result = seal_master_load_file(gateway->master_key_file, out, &problem);
    if (result == ERR_MISSING) {
        result = seal_master_file_create(gateway->master_key_file, &problem);
        *is_new = result == OK;
        if (result == OK)
            result = seal_master_load_file(gateway->master_key_file, out, &problem);
    }
    return result == OK ? CLI_FINE : refuse_master(cli, result, &problem);
}

static enum cli_exit keyring_make(const struct cli *cli, const struct configuration_gateway *gateway,
                                  const struct seal_master *master)
{
    struct seal_problem problem = {.text = ""};
    struct fs *fs;
    enum result result = fs_real_new(gateway->data, &fs);
    if (result != OK)
        return cli_complain(cli, CLI_REFUSED, "the data folder %s can not be opened: %s", gateway->data,
                            result_text(result));
    result = seal_keyring_create(fs, gateway->keyring, master, &problem);
    fs_free(fs);
    if (result == OK)
        return CLI_FINE;
    return cli_complain(cli, result == ERR_EXISTS ? CLI_REFUSED : CLI_INTERNAL, "key file: %s",
                        problem.text[0] != 0 ? problem.text : result_text(result));
}

static void report(const struct cli *cli, const struct configuration_gateway *gateway, bool is_new)
{
    const char *master =
        gateway->master_key_file != NULL ? gateway->master_key_file : gateway->master_key_credential;
    if (cli->is_json) {
        json_t *answer =
            json_pack("{s:i, s:s, s:s, s:s, s:b}", "version", 1, "data", gateway->data, "keyring",
                      gateway->keyring, "master_key", master, "master_key_made", is_new);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
        return;
    }
    (void)printf("key file made: %s/%s\n", gateway->data, gateway->keyring);
    if (!is_new) {
        (void)printf("it is locked by the master key %s\n", master);
        return;
    }
    (void)printf(
        "master key made: %s\n\n"
        "KEEP A COPY OF THE MASTER KEY, now, on a medium that is neither this machine nor its backup:\n"
        "without it nothing that the gateway has received and not yet delivered can ever be read again.\n"
        "Whoever has it together with the data folder can read everything, so lock it away.\n",
        master);
}

static enum cli_exit initialise(const struct cli *cli, const struct configuration_gateway *gateway)
{
    struct seal_master *master;
    bool is_new;
    enum cli_exit status = folder_make(cli, gateway->data);
    if (status != CLI_FINE)
        return status;
    if (exists(gateway->data, gateway->keyring))
        return cli_complain(cli, CLI_REFUSED, "%s/%s is there already; nothing was changed", gateway->data,
                            gateway->keyring);
    if (has_segments(gateway->data))
        return cli_complain(
            cli, CLI_REFUSED,
            "%s/journal holds segments whose key file is missing: bring it back from a backup, or move "
            "the journal away; nothing was changed",
            gateway->data);
    status = master_get(cli, gateway, &is_new, &master);
    if (status != CLI_FINE)
        return status;
    status = keyring_make(cli, gateway, master);
    seal_master_free(master);
    if (status == CLI_FINE)
        report(cli, gateway, is_new);
    return status;
}

enum cli_exit cli_key_init(struct cli *cli)
{
    struct configuration *configuration;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    status = initialise(cli, &configuration->gateway);
    configuration_free(configuration);
    return status;
}
