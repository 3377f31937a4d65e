// SPDX-License-Identifier: Apache-2.0
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/text.h"

enum { PATH_BYTES = 4096 };

enum cli_exit cli_data_open(const struct cli *cli, const struct configuration_gateway *gateway,
                            struct fs **fs, struct seal_source *keys)
{
    enum result result = fs_real_new(gateway->data, fs);
    if (result != OK)
        return cli_complain(cli, CLI_REFUSED, "the data folder %s can not be opened: %s", gateway->data,
                            result_text(result));
    *keys = (struct seal_source){.master_file = gateway->master_key_file,
                                 .master_credential = gateway->master_key_credential,
                                 .fs = *fs,
                                 .keyring = gateway->keyring};
    return CLI_FINE;
}

// The same lock as the daemon's (daemon/main.c).
enum cli_exit cli_data_lock(const struct cli *cli, const struct configuration_gateway *gateway, int *lock)
{
    char path[PATH_BYTES];
    if (!text_format(path, sizeof path, "%s/lock", gateway->data))
        return cli_complain(cli, CLI_CONFIGURATION, "the path of the data folder is too long");
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock < 0)
        return cli_complain(cli, CLI_REFUSED, "%s can not be opened: %s", path, strerror(errno));
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return CLI_FINE;
    (void)close(*lock);
    return cli_complain(
        cli, CLI_REFUSED,
        "the gateway runs on %s: stop it first, then give this command again; nothing was changed",
        gateway->data);
}

enum cli_exit cli_key_refuse(const struct cli *cli, enum result result, const struct seal_problem *problem)
{
    enum cli_exit status = result == ERR_NOMEM || result == ERR_IO ? CLI_INTERNAL : CLI_REFUSED;
    return cli_complain(cli, status, "%s", problem->text[0] != 0 ? problem->text : result_text(result));
}

enum cli_exit cli_file_place(const struct cli *cli, const char *path, char *name, size_t capacity,
                             struct fs **fs)
{
    char folder[PATH_BYTES], copy[PATH_BYTES];
    if (!text_copy(folder, sizeof folder, slice_of_text(path)) ||
        !text_copy(copy, sizeof copy, slice_of_text(path)) ||
        !text_copy(name, capacity, slice_of_text(basename(copy))))
        return cli_complain(cli, CLI_USAGE, "the path %.60s... is too long", path);
    enum result result = fs_real_new(dirname(folder), fs);
    if (result == OK)
        return CLI_FINE;
    return cli_complain(cli, CLI_REFUSED, "the folder of %s can not be opened: %s", path,
                        result_text(result));
}
