// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger backup` and `ledger rebuild`: a copy of the ledger, hot; and a ledger made anew from the
// journal.
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "journal/recovery.h"
#include "store/ledger_reader.h"
#include "store/lmdb.h"
#include "store/rebuild.h"

enum { PATH_BYTES = 4096 };

#define FORMER "ledger.before-rebuild"
#define FRESH  "ledger.new"

static bool path_make(const struct configuration_gateway *gateway, const char *name, char path[PATH_BYTES])
{
    return text_format(path, PATH_BYTES, "%s/%s", gateway->data, name);
}

// ---- backup ----

struct tally {
    uint64_t facts;
};

static enum result fact_count(void *argument, const struct ledger_fact *fact)
{
    (void)fact;
    ((struct tally *)argument)->facts++;
    return OK;
}

// The copy is what counts: it is opened and read to its end.
static enum cli_exit copy_verify(const struct cli *cli, const char *folder)
{
    char why[512] = "";
    struct kv_env *env;
    struct lmdb_options options = {.read_only = true};
    struct tally tally = {0};
    uint64_t damaged = 0;
    if (lmdb_env_open(folder, &ledger_schema, &options, &env, why, sizeof why) != OK)
        return cli_complain(cli, CLI_INTERNAL, "the copy does not open: %s", why);
    enum result result = ledger_each(env, fact_count, &tally, &damaged);
    kv_env_free(&env);
    if (result != OK)
        return cli_complain(cli, CLI_INTERNAL, "the copy can not be read: %s", result_text(result));
    if (cli->is_json) {
        json_t *answer = json_pack("{s:i, s:s, s:I, s:I}", "version", 1, "folder", folder, "receipts",
                                   (json_int_t)tally.facts, "damaged", (json_int_t)damaged);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
    } else {
        (void)printf("%s: %llu receipts, read back\n", folder, (unsigned long long)tally.facts);
    }
    return damaged == 0
               ? CLI_FINE
               : cli_complain(cli, CLI_FINDING, "%llu entries can not be read, here and in the ledger",
                              (unsigned long long)damaged);
}

static enum cli_exit backup(const struct cli *cli, const struct configuration_gateway *gateway,
                            const char *folder)
{
    char path[PATH_BYTES], why[512] = "";
    struct kv_env *env;
    struct lmdb_options options = {.read_only = true};
    if (!path_make(gateway, "ledger", path))
        return cli_complain(cli, CLI_CONFIGURATION, "the path of the data folder is too long");
    if (lmdb_env_open(path, &ledger_schema, &options, &env, why, sizeof why) != OK)
        return cli_complain(cli, CLI_REFUSED, "%s", why);
    enum result result = lmdb_env_copy(env, folder, why, sizeof why);
    kv_env_free(&env);
    if (result != OK)
        return cli_complain(cli, result == ERR_EXISTS ? CLI_REFUSED : CLI_INTERNAL, "%s", why);
    return copy_verify(cli, folder);
}

enum cli_exit cli_ledger_backup(struct cli *cli)
{
    struct configuration *configuration;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    status = backup(cli, &configuration->gateway, cli->arguments[0]);
    configuration_free(configuration);
    return status;
}

// ---- rebuild ----

struct rebuild {
    const struct cli *cli;
    const struct configuration *configuration;
    struct fs *fs;
    struct seal_keyring *keyring;
    struct journal *journal;
    struct kv_env *former; // NULL: it can not be opened
    struct kv_env *fresh;
    struct ledger_writer *writer;
    struct ledger_rebuild_counts counts;
};

static enum cli_exit journal_open(struct rebuild *rebuild, const struct seal_source *keys)
{
    struct seal_problem problem = {.text = ""};
    struct journal_options options;
    struct journal_recovery found;
    enum result result = seal_keys_open_readonly(keys, &rebuild->keyring, &problem);
    if (result != OK)
        return cli_key_refuse(rebuild->cli, result, &problem);
    journal_options_default(&options);
    result = journal_new(&options, rebuild->fs, rebuild->keyring, &rebuild->journal);
    if (result == OK)
        result = journal_recover(rebuild->journal, NULL, 0, 0, JOURNAL_RECOVER_READ_ONLY, &found);
    if (result == OK)
        return CLI_FINE;
    return cli_complain(rebuild->cli, CLI_REFUSED, "the journal can not be read: %s",
                        result == ERR_CRYPTO ? "a segment has no key; see `dicomgate key verify`"
                                             : result_text(result));
}

static void folder_remove(const char *folder)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < 2; i++)
        if (text_format(path, sizeof path, "%s/%s", folder, names[i]))
            (void)unlink(path);
    (void)rmdir(folder);
}

static enum cli_exit stores_open(struct rebuild *rebuild)
{
    const struct configuration_gateway *gateway = &rebuild->configuration->gateway;
    char former[PATH_BYTES], fresh[PATH_BYTES], why[512] = "";
    struct lmdb_options read = {.read_only = true};
    struct lmdb_options write = {.map_size = rebuild->configuration->ledger.map_bytes};
    if (!path_make(gateway, "ledger", former) || !path_make(gateway, FRESH, fresh))
        return cli_complain(rebuild->cli, CLI_CONFIGURATION, "the path of the data folder is too long");
    if (lmdb_env_open(former, &ledger_schema, &read, &rebuild->former, why, sizeof why) != OK)
        (void)fprintf(
            stderr,
            "dicomgate: %s\ndicomgate: going on without it: facts that the journal does not tell any "
            "more will be missing\n",
            why);
    folder_remove(fresh); // of an earlier try
    if (lmdb_env_open(fresh, &ledger_schema, &write, &rebuild->fresh, why, sizeof why) != OK)
        return cli_complain(rebuild->cli, CLI_REFUSED, "%s", why);
    enum result result = ledger_writer_new(rebuild->fresh, rebuild->journal, NULL, NULL, &rebuild->writer);
    return result == OK ? CLI_FINE : cli_complain(rebuild->cli, CLI_INTERNAL, "%s", result_text(result));
}

static bool folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_synced;
}

// In one step where the file system can, so that no start ever finds the folder without a ledger.
static bool exchange(const char *fresh, const char *ledger, const char *former)
{
    struct stat status;
    if (stat(ledger, &status) != 0)
        return rename(fresh, ledger) == 0;
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, ledger, RENAME_EXCHANGE) == 0)
        return rename(fresh, former) == 0;
    return rename(ledger, former) == 0 && rename(fresh, ledger) == 0;
}

static enum cli_exit folders_exchange(const struct rebuild *rebuild)
{
    const struct configuration_gateway *gateway = &rebuild->configuration->gateway;
    char ledger[PATH_BYTES], fresh[PATH_BYTES], former[PATH_BYTES];
    if (!path_make(gateway, "ledger", ledger) || !path_make(gateway, FRESH, fresh) ||
        !path_make(gateway, FORMER, former))
        return CLI_CONFIGURATION;
    if (!exchange(fresh, ledger, former) || !folder_sync(gateway->data))
        return cli_complain(rebuild->cli, CLI_INTERNAL, "the new ledger can not be put in place: %s",
                            strerror(errno));
    return CLI_FINE;
}

static enum cli_exit rebuilt_report(const struct rebuild *rebuild, bool had_former)
{
    const struct ledger_rebuild_counts *counts = &rebuild->counts;
    const char *former = had_former ? FORMER : NULL;
    if (rebuild->cli->is_json) {
        json_t *answer = json_pack("{s:i, s:I, s:I, s:I, s:s?}", "version", 1, "replayed",
                                   (json_int_t)counts->replayed, "kept", (json_int_t)counts->kept, "damaged",
                                   (json_int_t)counts->damaged, "former", former);
        if (answer != NULL)
            (void)cli_print_json(answer);
        json_decref(answer);
    } else {
        (void)printf(
            "%llu receipts replayed from the journal, %llu facts kept from the former ledger, %llu of "
            "it could not be read\n",
            (unsigned long long)counts->replayed, (unsigned long long)counts->kept,
            (unsigned long long)counts->damaged);
        (void)printf("The former ledger lies in %s/" FORMER ": remove it when `ledger stats` looks right.\n",
                     rebuild->configuration->gateway.data);
    }
    return counts->damaged == 0 && had_former ? CLI_FINE : CLI_FINDING;
}

static enum cli_exit rebuild_run(struct rebuild *rebuild)
{
    struct seal_source keys;
    enum cli_exit status = cli_data_open(rebuild->cli, &rebuild->configuration->gateway, &rebuild->fs, &keys);
    if (status == CLI_FINE && fs_path_exists(rebuild->fs, FORMER "/data.mdb") != ERR_MISSING)
        status = cli_complain(rebuild->cli, CLI_REFUSED,
                              "%s/" FORMER " is there, from an earlier rebuild: move it away first",
                              rebuild->configuration->gateway.data);
    if (status == CLI_FINE)
        status = journal_open(rebuild, &keys);
    if (status == CLI_FINE)
        status = stores_open(rebuild);
    if (status != CLI_FINE)
        return status;
    enum result result = ledger_rebuild(rebuild->writer, rebuild->former, &rebuild->counts);
    return result == OK
               ? CLI_FINE
               : cli_complain(rebuild->cli, CLI_INTERNAL,
                              "the ledger can not be made: %s; nothing was changed", result_text(result));
}

static void rebuild_close(struct rebuild *rebuild)
{
    ledger_writer_free(&rebuild->writer);
    kv_env_free(&rebuild->former);
    kv_env_free(&rebuild->fresh);
    journal_free(rebuild->journal);
    seal_keyring_free(rebuild->keyring);
    fs_free(rebuild->fs);
}

enum cli_exit cli_ledger_rebuild(struct cli *cli)
{
    struct configuration *configuration;
    int lock;
    enum cli_exit status = cli_configuration(cli, &configuration);
    if (status != CLI_FINE)
        return status;
    struct rebuild rebuild = {.cli = cli, .configuration = configuration};
    status = cli_data_lock(cli, &configuration->gateway, &lock);
    if (status == CLI_FINE) {
        status = rebuild_run(&rebuild);
        bool had_former = rebuild.former != NULL;
        rebuild_close(&rebuild);
        if (status == CLI_FINE)
            status = folders_exchange(&rebuild);
        if (status == CLI_FINE)
            status = rebuilt_report(&rebuild, had_former);
        (void)close(lock);
    }
    configuration_free(configuration);
    return status;
}
