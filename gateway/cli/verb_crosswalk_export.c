// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate crosswalk export`: the rows as the CSV that an import takes, to standard output: encrypted to a
// recipient, or in clear for a reason. It is in the log of acts before the first row leaves.
#include <time.h>

#include "base/cursor.h"
#include "base/units.h"
#include "base/wipe.h"
#include "cli/crosswalk.h"
#include "cli/recipient.h"

enum { LINE_BYTES = 4096 };

static const char header[] =
    "source_domain,source_id,target_domain,target_id,name,birth_date,sex,preferred,effective\r\n";

struct export
{
    const struct cli *cli;
    const struct crosswalk *crosswalk;
    FILE *out;
};

static void field_put(struct writer *line, const char *text)
{
    writer_u8(line, '"');
    for (; *text != 0; text++) {
        if (*text == '"')
            writer_u8(line, '"');
        writer_u8(line, (uint8_t)*text);
    }
    writer_u8(line, '"');
}

static void effective_print(uint64_t time, char *to, size_t capacity)
{
    struct tm parts;
    time_t seconds = (time_t)(time / NSEC_PER_SEC);
    to[0] = 0;
    if (time != 0 && gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(to, capacity, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static enum result on_row(void *argument, const struct crosswalk_row *row)
{
    struct export *export = argument;
    uint8_t memory[LINE_BYTES];
    char effective[32];
    struct writer line = writer_of(memory, sizeof memory);
    effective_print(row->effective, effective, sizeof effective);
    const char *fields[] = {crosswalk_domain_name(export->crosswalk, row->from),
                            row->source.text,
                            crosswalk_domain_name(export->crosswalk, row->to),
                            row->target.text,
                            row->name,
                            row->birth_date,
                            row->sex,
                            row->is_preferred ? "yes" : "",
                            effective};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (i > 0)
            writer_u8(&line, ',');
        field_put(&line, fields[i]);
    }
    writer_put(&line, "\r\n", 2);
    bool is_written = !line.failed && fwrite(memory, 1, line.length, export->out) == line.length;
    wipe(memory, sizeof memory);
    return is_written ? OK : ERR_IO;
}

static enum result rows_write(struct export *export, struct crosswalk_reader *reader)
{
    if (fputs(header, export->out) == EOF)
        return ERR_IO;
    return crosswalk_rows_each(reader, on_row, export);
}

static enum cli_exit export_write(struct export *export, struct cli_recipient *recipient,
                                  struct crosswalk_reader *reader)
{
    enum result result = cli_recipient_begin(recipient, &export->out);
    if (result == ERR_REFUSED)
        return cli_complain(export->cli, CLI_REFUSED, "nothing can be encrypted to this certificate");
    if (result == OK)
        result = rows_write(export, reader);
    if (result == OK)
        result = cli_recipient_end(recipient);
    if (result == ERR_IO)
        return cli_complain(export->cli, CLI_INTERNAL, "the output can not be written");
    return cli_crosswalk_result(export->cli, result);
}

static enum cli_exit export_run(struct export *export, struct cli_recipient *recipient)
{
    struct cli_crosswalk crosswalk;
    enum cli_exit status = cli_crosswalk_note(export->cli, "export", cli_recipient_digest(recipient));
    if (status != CLI_FINE)
        return status;
    status = cli_crosswalk_open(export->cli, true, &crosswalk);
    export->crosswalk = crosswalk.store.crosswalk;
    if (status == CLI_FINE)
        status = export_write(export, recipient, crosswalk.reader);
    cli_crosswalk_close(&crosswalk);
    return status;
}

enum cli_exit cli_crosswalk_export(struct cli *cli)
{
    struct export export = {.cli = cli};
    struct cli_recipient *recipient;
    bool is_clear = (cli->given & CLI_OPTION_CLEAR) != 0;
    if (is_clear == (cli->to != NULL))
        return cli_complain(cli, CLI_USAGE, "either --to CERTIFICATE, or --clear");
    enum cli_exit status = cli_crosswalk_blame(cli);
    if (status != CLI_FINE)
        return status;
    enum result result = cli_recipient_new(cli->to, &recipient);
    if (result == ERR_ARGUMENT)
        return cli_complain(cli, CLI_USAGE, "%s is not a certificate in PEM", cli->to);
    if (result != OK)
        return cli_complain(cli, CLI_INTERNAL, "%s", result_text(result));
    status = export_run(&export, recipient);
    cli_recipient_free(recipient);
    return status;
}
