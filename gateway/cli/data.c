// SPDX-License-Identifier: Apache-2.0
#include "data.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>

#include "base/text.h"
#include "conf/data_lock.h"

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

enum cli_exit cli_data_lock_try(const struct cli *cli, const struct configuration_gateway *gateway, int *lock)
{
    *lock = -1;
    enum result result = data_lock_take(gateway->data, lock);
    if (result == ERR_ARGUMENT)
        return cli_complain(cli, CLI_CONFIGURATION, "the path of the data folder is too long");
    if (result == ERR_IO)
        return cli_complain(cli, CLI_REFUSED, "%s/lock can not be opened: %s", gateway->data,
                            strerror(errno));
    return CLI_FINE;
}

enum cli_exit cli_data_lock(const struct cli *cli, const struct configuration_gateway *gateway, int *lock)
{
    enum cli_exit status = cli_data_lock_try(cli, gateway, lock);
    if (status != CLI_FINE || *lock >= 0)
        return status;
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
