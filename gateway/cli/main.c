// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate VERB`: finds the verb, reads its options, runs it. A verb is one row of a table, which is also
// the help; but those of `ledger` that only read it have options and help of their own (ledger.c), and here
// one line each in print_help().
#include "cli.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/crosswalk.h"
#include "cli/ledger.h"
#include "data.h"

#define DEFAULT_CONFIG "/etc/dicomgate/dicomgate.yaml"

enum { COMMON = CLI_OPTION_CONFIG | CLI_OPTION_SOCKET | CLI_OPTION_JSON | CLI_OPTION_HELP };

struct verb {
    const char *group; // first word
    const char *name;  // second word; NULL = there is none
    unsigned options;  // bits of cli_option, beside the common ones
    int least, most;   // arguments; most < 0 = any number
    enum cli_exit (*run)(struct cli *cli);
    const char *usage; // what follows the words
    const char *help;  // one line
    const char *more;  // paragraphs and an example
};

static const struct verb VERBS[] = {
    {"status", NULL, 0, 0, 0, cli_status, "", "one page: is everything well?",
     "Shows the daemon, the receipts, the journal, the listeners and the archives. Exit status 1 if the "
     "gateway is not\n"
     "ready or an alarm stands.\n\n"
     "Example:  dicomgate status\n"
     "          dicomgate status --json | jq .receipts.owed\n"},
    {"queue", "list", CLI_OPTION_ARCHIVE | CLI_OPTION_STATE | CLI_OPTION_LIMIT | CLI_OPTION_AFTER, 0, 0,
     cli_queue_list, "[--archive NAME] [--state STATE] [--limit N] [--after RECEIPT]",
     "what is still owed to the archives",
     "States: waiting, sending, held (see `dicomgate hold list`), parked (a person must decide), answered "
     "(said\nSuccess, not settled yet), any (the first four; the default). At most 100 rows unless --limit "
     "says otherwise.\n\n"
     "Example:  dicomgate queue list --archive legacy --state parked\n"},
    {"queue", "show", CLI_OPTION_ARCHIVE, 0, 1, cli_queue_show, "[RECEIPT | UID] [--archive NAME]",
     "what each archive is owed, and why it does not go",
     "Without a word: counts of each archive, and what rests, is held or is parked, by reason. With a "
     "receipt "
     "number or a\nSOP Instance UID: where it stands at each archive, its answer, and what the archive takes "
     "where no presentation\ncontext fits. The reason of parking outlives a restart.\n\n"
     "Example:  dicomgate queue show\n"
     "          dicomgate queue show 281474976710657\n"},
    {"queue", "retry",
     CLI_OPTION_ARCHIVE | CLI_OPTION_ALL | CLI_OPTION_UID | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, -1,
     cli_queue_retry, "RECEIPT... | --uid UID | --all  [ARCHIVE] [--person WHO] [--reason WHY]",
     "try parked or delayed instances again, now",
     "Also ends the wait after failures of the archive: what waits for it is tried now. Without ARCHIVE: "
     "every\narchive. What is held is none of them: see `dicomgate hold list`. WHO and WHY are recorded of "
     "what was\nparked.\n\n"
     "Example:  dicomgate queue retry 17 18\n"
     "          dicomgate queue retry --all legacy\n"},
    {"queue", "park",
     CLI_OPTION_ARCHIVE | CLI_OPTION_ALL | CLI_OPTION_UID | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, -1,
     cli_queue_park, "RECEIPT... | --uid UID | --all  [ARCHIVE] [--person WHO] [--reason WHY]",
     "do not send, but keep, until somebody retries or drops it",
     "Example:  dicomgate queue park 17 legacy --reason 'aborts the archive'\n"},
    {"queue", "drop",
     CLI_OPTION_ARCHIVE | CLI_OPTION_ALL | CLI_OPTION_UID | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, -1,
     cli_queue_drop, "RECEIPT... | --uid UID | --all  ARCHIVE --person WHO --reason WHY",
     "never send it to this archive; recorded with person and reason",
     "The instance stays owed to the other archives. When no archive is owed it any more, its data is "
     "destroyed; the\n"
     "ledger keeps who dropped it and why. Answered once that is on disk.\n\n"
     "Example:  dicomgate queue drop 17 legacy --person 'J. Doe' --reason 'sent by mistake, see "
     "ticket 12'\n"},
    {"queue", "quarantine", 0, 0, 0, cli_queue_quarantine, "",
     "records of the journal that were found damaged, and what is owed of them",
     "Found by the scrub, at recovery, or when they were to be sent. What is owed of them is parked: send "
     "the "
     "instance\n"
     "again from its source if that still has it, then drop the damaged one. Also with the daemon down. Exit "
     "status 1 if\n"
     "there is one whose segment has not gone.\n\n"
     "Example:  dicomgate queue quarantine\n"},
    {"hold", "list", CLI_OPTION_ARCHIVE | CLI_OPTION_STUDY, 0, 0, cli_hold_list,
     "[--archive NAME] [--study UID]", "what rules or the crosswalk hold back, by archive, study and reason",
     "Held for one archive; the others get theirs. It leaves by itself, in order, when the crosswalk or the "
     "rules\n"
     "know what was missing.\n\n"
     "Example:  dicomgate hold list --archive new\n"},
    {"hold", "show", CLI_OPTION_ARCHIVE, 1, 1, cli_hold_show, "RECEIPT|UID [--archive NAME]",
     "all of one hold, and what of its study had left before",
     "UID is a SOP Instance UID. Shows no patient data.\n\n"
     "Example:  dicomgate hold show 281474976710657 --archive new\n"},
    {"hold", "release",
     CLI_OPTION_ARCHIVE | CLI_OPTION_ALL | CLI_OPTION_UID | CLI_OPTION_STUDY | CLI_OPTION_HELD_FOR |
         CLI_OPTION_PERSON | CLI_OPTION_REASON,
     0, -1, cli_hold_release,
     "RECEIPT... | --uid UID | --study UID | --all  [ARCHIVE] [--held-for TEXT] --person WHO --reason WHY",
     "let it go in spite of what was found",
     "What was found then only counts as a flag. What could not be looked at goes as it came, under the "
     "patient "
     "ID that\nit has; what rules or crosswalk would change and can not is held again. --held-for takes only "
     "those "
     "whose\nreason, as `dicomgate hold list` shows it, has this text, such as the name of a rule. A "
     "rejection "
     "note whose\nreferences can not be read then rejects nothing: reject by hand what is still owed of "
     "them.\n\n"
     "Example:  dicomgate hold release --study 1.2.3 new --person 'J. Doe' --reason 'checked with the "
     "ward'\n"},
    {"hold", "reject",
     CLI_OPTION_ARCHIVE | CLI_OPTION_ALL | CLI_OPTION_UID | CLI_OPTION_STUDY | CLI_OPTION_HELD_FOR |
         CLI_OPTION_PERSON | CLI_OPTION_REASON,
     0, -1, cli_hold_reject,
     "RECEIPT... | --uid UID | --study UID | --all  [ARCHIVE] [--held-for TEXT] --person WHO --reason WHY",
     "never send what is held; recorded with person and reason",
     "The instance stays owed to the other archives. When no archive is owed it any more, its data is "
     "destroyed; the\n"
     "ledger keeps who rejected it and why.\n\n"
     "Example:  dicomgate hold reject 17 new --person 'J. Doe' --reason 'wrong patient, sent again'\n"},
    {"archive", "list", 0, 0, 0, cli_archive_list, "", "archives, their state, and what they are owed",
     "Example:  dicomgate archive list\n"},
    {"archive", "show", 0, 1, 1, cli_archive_show, "NAME",
     "what an archive's answers mean, and where the configuration says so",
     "One row for each status or range, in the order in which they are tried: the archive's own rows of the\n"
     "configuration file, then the default table. Needs no daemon.\n\n"
     "Example:  dicomgate archive show legacy\n"},
    {"archive", "echo", 0, 1, 1, cli_archive_echo, "NAME",
     "C-ECHO to an archive, as the gateway would reach it", "Example:  dicomgate archive echo legacy\n"},
    {"archive", "capabilities", CLI_OPTION_SOP_CLASS | CLI_OPTION_TRANSFER_SYNTAX | CLI_OPTION_CLIENT, 1, 1,
     cli_archive_capabilities, "NAME [--sop-class UID] [--transfer-syntax UID] [--client AE]",
     "what an archive takes, and what a client would be answered and why",
     "Lists what the archive has answered to presentation contexts. With --sop-class it also says, for each\n"
     "route that has the archive, what a client is answered to that SOP Class (and transfer syntax) and "
     "why.\n"
     "UIDs may be keywords such as CTImageStorage and ExplicitVRLittleEndian.\n\n"
     "Example:  dicomgate archive capabilities legacy --sop-class CTImageStorage --client CT1\n"},
    {"archive", "probe", 0, 1, 1, cli_archive_probe, "NAME", "ask an archive anew what it takes",
     "Asks about all that is known of it, or about the common storage SOP Classes, and forgets what it has\n"
     "answered to whole proposals: those are asked again when they come.\n\n"
     "Example:  dicomgate archive probe legacy\n"},
    {"archive", "pause", CLI_OPTION_PERSON | CLI_OPTION_REASON, 1, 1, cli_archive_pause,
     "NAME [--person WHO] [--reason WHY]", "stop sending to an archive; what it is owed is kept",
     "Lasts over a restart, until `archive resume`.\n\n"
     "Example:  dicomgate archive pause legacy --reason 'upgrade tonight'\n"},
    {"archive", "resume", CLI_OPTION_PERSON | CLI_OPTION_REASON, 1, 1, cli_archive_resume,
     "NAME [--person WHO] [--reason WHY]", "send to a paused archive again",
     "Example:  dicomgate archive resume legacy\n"},
    {"ledger", "backup", 0, 1, 1, cli_ledger_backup, "FOLDER", "a copy of the ledger, read back",
     "Also while the gateway runs. FOLDER is made. The copy is a ledger like the original; patient data in "
     "it "
     "is sealed\nby the key file, of which a backup belongs to it (`key backup`).\n\n"
     "Example:  dicomgate ledger backup /mnt/safe/ledger-$(date +%F)\n"},
    {"ledger", "rebuild", 0, 0, 0, cli_ledger_rebuild, "", "make the ledger anew from the whole journal",
     "While the gateway is stopped; reads the whole journal. Facts that the journal does not tell any more "
     "are "
     "kept from\n"
     "the present ledger, as far as it can be read; it is put aside. Exit status 1 if something could not "
     "be.\n\n"
     "Example:  dicomgate ledger rebuild && dicomgate ledger stats\n"},
    {"crosswalk", "import", CLI_OPTION_DRY_RUN | CLI_OPTION_PERSON | CLI_OPTION_REASON, 1, 1,
     cli_crosswalk_import, "FILE.csv [--dry-run] --person WHO --reason WHY",
     "take a file of patient IDs as the new crosswalk, wholly or not at all",
     "The first row names the columns: source_domain, source_id, target_domain, target_id, and, if you like, "
     "name,\n"
     "birth_date, sex, preferred (yes, no), effective. A file with conflicts changes nothing; each is listed "
     "by its\n"
     "line (exit status 5; with --dry-run 1). Merges and moved studies stay.\n\n"
     "Example:  dicomgate crosswalk import ids.csv --dry-run --person 'J. Doe' --reason 'trial'\n"},
    {"crosswalk", "export", CLI_OPTION_CLEAR | CLI_OPTION_TO | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, 0,
     cli_crosswalk_export, "--to CERTIFICATE.pem | --clear  --person WHO --reason WHY",
     "the rows as CSV, encrypted to a recipient; on standard output",
     "Encrypted as CMS with AES-256; `openssl cms -decrypt -inform DER -inkey KEY` opens it. Recorded in the "
     "log of\n"
     "acts before it begins.\n\n"
     "Example:  dicomgate crosswalk export --to auditor.pem --person 'J. Doe' --reason 'audit 2026' > "
     "rows.cms\n"},
    {"crosswalk", "lookup", CLI_OPTION_FROM | CLI_OPTION_TO, 0, 1, cli_crosswalk_lookup,
     "--from DOMAIN --to DOMAIN [FILE]", "which ID is it there? IDs come one to a line",
     "From FILE or standard input, never from the command line, which others can see. Exit status 1 if one "
     "is\n"
     "unmapped.\n\n"
     "Example:  dicomgate crosswalk lookup --from LEGACY --to ENTERPRISE < ids.txt\n"},
    {"crosswalk", "check", 0, 0, 0, cli_crosswalk_check, "", "read all of it: is everything in its place?",
     "Exit status 1 if something is damaged, or the configuration asks for another comparison of IDs.\n\n"
     "Example:  dicomgate crosswalk check\n"},
    {"crosswalk", "stats", 0, 0, 0, cli_crosswalk_stats, "", "how much is in it, and since when",
     "Example:  dicomgate crosswalk stats\n"},
    {"crosswalk", "merge", CLI_OPTION_DOMAIN | CLI_OPTION_EFFECTIVE | CLI_OPTION_PERSON | CLI_OPTION_REASON,
     0, 1, cli_crosswalk_merge, "--domain DOMAIN [--effective TIME] --person WHO --reason WHY [FILE]",
     "an ID of a domain has become another one of it",
     "Two lines from FILE or standard input: the ID that ends, and the one that it has become. Chains are "
     "followed,\n"
     "a circle is refused. TIME is local: 2026-11-28 or 2026-11-28T15:00:00; now if left out.\n\n"
     "Example:  printf '4711\\n4712\\n' | dicomgate crosswalk merge --domain LEGACY --person 'J. Doe' "
     "--reason 'ADT "
     "A40'\n"},
    {"crosswalk", "unmerge", CLI_OPTION_DOMAIN | CLI_OPTION_EFFECTIVE | CLI_OPTION_PERSON | CLI_OPTION_REASON,
     0, 1, cli_crosswalk_unmerge, "--domain DOMAIN [--effective TIME] --person WHO --reason WHY [FILE]",
     "take a merge back",
     "One line: the ID that had become another one.\n\n"
     "Example:  echo 4711 | dicomgate crosswalk unmerge --domain LEGACY --person 'J. Doe' --reason "
     "mistake\n"},
    {"crosswalk", "move-study",
     CLI_OPTION_UID | CLI_OPTION_DOMAIN | CLI_OPTION_EFFECTIVE | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, 1,
     cli_crosswalk_move_study,
     "--uid STUDY --domain DOMAIN [--effective TIME] --person WHO --reason WHY [FILE]",
     "a study that comes from other domains belongs to this patient",
     "One line: the ID, of the domain of the archives that are meant. Instances that come under an ID of "
     "that "
     "domain\nitself go as they came: move them in the archive.\n\n"
     "Example:  echo E-77 | dicomgate crosswalk move-study --uid 1.2.3 --domain ENTERPRISE --person 'J. Doe' "
     "--reason 'ticket 12'\n"},
    {"crosswalk", "log", CLI_OPTION_AFTER | CLI_OPTION_CLEAR | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, 0,
     cli_crosswalk_log, "[--after NUMBER] [--clear --person WHO --reason WHY]",
     "who has changed or exported the crosswalk, when and why",
     "With --clear the patient IDs too; that is recorded in it first. Exports of the ledger that show values "
     "or "
     "are\nencrypted stand here too.\n\n"
     "Example:  dicomgate crosswalk log --json\n"},
    {"crosswalk", "init", CLI_OPTION_LOST | CLI_OPTION_PERSON | CLI_OPTION_REASON, 0, 0, cli_crosswalk_init,
     "--lost --person WHO --reason WHY", "the crosswalk is lost for good: begin an empty one",
     "While the gateway is stopped, when its folder is lost and there is no copy to put back; refused where "
     "there "
     "is\na crosswalk. The first start makes one by itself. Import the rows and give the merges again before "
     "the "
     "next\nstart: what is not matched goes as the configuration says.\n\n"
     "Example:  dicomgate crosswalk init --lost --person 'J. Doe' --reason 'disk failed, ticket 12'\n"},
    {"key", "init", 0, 0, 0, cli_key_init, "", "make the key file, and the master key if there is none",
     "Once, before the first start, as the user that the gateway runs as. Replaces nothing that is there.\n\n"
     "Example:  dicomgate --config /etc/dicomgate/dicomgate.yaml key init\n"},
    {"key", "rotate", 0, 0, 1, cli_key_rotate, "[FILE]", "a new master key, and every key wrapped anew",
     "While the gateway is stopped. Makes a new master key and destroys the present one; a cut at any moment "
     "leaves\n"
     "a pair that opens everything. With FILE the new master key is read from there (or made there) and is "
     "yours to\n"
     "install: so must a credential of systemd be changed.\n\n"
     "Example:  systemctl stop dicomgated && dicomgate key rotate && systemctl start dicomgated\n"},
    {"key", "backup", 0, 1, 1, cli_key_backup, "FILE", "a copy of the key file, locked by the master key",
     "Also while the gateway runs. Overwrites nothing. The copy opens with the master key only, which is not "
     "in "
     "it: keep\n"
     "them apart. Keys that are destroyed later live on in it, so throw old copies away.\n\n"
     "Example:  dicomgate key backup /mnt/safe/dicomgate-keys-$(date +%F)\n"},
    {"key", "restore", 0, 1, 1, cli_key_restore, "FILE",
     "put a backup in the place of a lost or damaged key file",
     "While the gateway is stopped. Takes the keys of segments that are still there. A damaged key file is "
     "kept "
     "aside; a\n"
     "sound one is not replaced.\n\n"
     "Example:  dicomgate key restore /mnt/safe/dicomgate-keys-2026-11-21\n"},
    {"key", "verify", CLI_OPTION_BACKUP, 0, 0, cli_key_verify, "[--backup FILE]",
     "do the keys, and a backup of them, open every segment?",
     "Also while the gateway runs. Exit status 1 if a segment of the journal does not open; says which, and "
     "why.\n\n"
     "Example:  dicomgate key verify --backup /mnt/safe/dicomgate-keys-2026-11-21\n"},
    {"rules", "check", 0, 0, 2, cli_rules_check, "[PACKS [GOLDEN]]",
     "are the rule packs, their tables and golden cases right?",
     "Reads the folders that the configuration names (or PACKS and GOLDEN), compiles the packs of each "
     "archive,\n"
     "and runs the golden cases. Needs no daemon. Exit status 1 if a case comes out otherwise, 3 if a pack "
     "is "
     "not\nright.\n\n"
     "Example:  dicomgate rules check\n"
     "          dicomgate rules check /etc/dicomgate/packs /etc/dicomgate/golden\n"},
    {"rules", "try",
     CLI_OPTION_ARCHIVE | CLI_OPTION_CLIENT | CLI_OPTION_CALLED | CLI_OPTION_DOMAIN | CLI_OPTION_WRITE |
         CLI_OPTION_SHOW_PHI,
     1, 1, cli_rules_try,
     "FILE.dcm --archive NAME [--client AE] [--called AE] [--domain NAME] [--write OUT] [--show-phi]",
     "what an archive would get of a DICOM file: rules and crosswalk",
     "Prints each change (element, VR, rule), the findings, and how many bytes stay as they are. Values are "
     "patient\ndata and shown only with --show-phi. --write OUT writes the file as it would be sent. Whose "
     "patient ID it is\nsay the file's issuer, else --domain, else the configuration: for --client, else for "
     "the row of `store` under\nwhich it falls if it calls the gateway by --called. Works with the daemon up "
     "or down.\nWhether instance or study came before is not looked up. Exit status 1 if something is found, "
     "5 if --write is\ngiven for what would not be sent.\n\n"
     "Example:  dicomgate rules try image.dcm --archive new --client CT1 --called OLDPACS\n"},
    {"config", "check", 0, 0, 1, cli_config_check, "[FILE]",
     "is the configuration right? Says where it is not",
     "Also opens certificates, keys, authorities and revocation lists as the daemon would, and says which is "
     "no "
     "good.\nNeeds no daemon. Exit status 1: right, but something ends within 60 days.\n\n"
     "Example:  dicomgate config check /etc/dicomgate/dicomgate.yaml\n"},
    {"config", "reload", CLI_OPTION_PERSON, 0, 0, cli_config_reload, "[--person WHO]",
     "read the configuration and the certificates again, now",
     "For connections that begin from now on; open associations go on as they are. A file that is not right "
     "changes\nnothing. Says which changed options need a restart. SIGHUP to the daemon does the same.\n\n"
     "Example:  dicomgate config reload\n"},
    {"config", "reference", 0, 0, 0, cli_config_reference, "",
     "every option with range, default and meaning, as Markdown",
     "Example:  dicomgate config reference > REFERENCE.md\n"},
};
enum { VERB_COUNT = sizeof VERBS / sizeof *VERBS };

static const struct option OPTIONS[] = {
    {"config", required_argument, NULL, CLI_OPTION_CONFIG},
    {"socket", required_argument, NULL, CLI_OPTION_SOCKET},
    {"json", no_argument, NULL, CLI_OPTION_JSON},
    {"help", no_argument, NULL, CLI_OPTION_HELP},
    {"version", no_argument, NULL, CLI_OPTION_VERSION},
    {"archive", required_argument, NULL, CLI_OPTION_ARCHIVE},
    {"state", required_argument, NULL, CLI_OPTION_STATE},
    {"limit", required_argument, NULL, CLI_OPTION_LIMIT},
    {"after", required_argument, NULL, CLI_OPTION_AFTER},
    {"all", no_argument, NULL, CLI_OPTION_ALL},
    {"uid", required_argument, NULL, CLI_OPTION_UID},
    {"person", required_argument, NULL, CLI_OPTION_PERSON},
    {"reason", required_argument, NULL, CLI_OPTION_REASON},
    {"backup", required_argument, NULL, CLI_OPTION_BACKUP},
    {"dry-run", no_argument, NULL, CLI_OPTION_DRY_RUN},
    {"clear", no_argument, NULL, CLI_OPTION_CLEAR},
    {"lost", no_argument, NULL, CLI_OPTION_LOST},
    {"from", required_argument, NULL, CLI_OPTION_FROM},
    {"to", required_argument, NULL, CLI_OPTION_TO},
    {"domain", required_argument, NULL, CLI_OPTION_DOMAIN},
    {"effective", required_argument, NULL, CLI_OPTION_EFFECTIVE},
    {"sop-class", required_argument, NULL, CLI_OPTION_SOP_CLASS},
    {"transfer-syntax", required_argument, NULL, CLI_OPTION_TRANSFER_SYNTAX},
    {"client", required_argument, NULL, CLI_OPTION_CLIENT},
    {"called", required_argument, NULL, CLI_OPTION_CALLED},
    {"study", required_argument, NULL, CLI_OPTION_STUDY},
    {"held-for", required_argument, NULL, CLI_OPTION_HELD_FOR},
    {"write", required_argument, NULL, CLI_OPTION_WRITE},
    {"show-phi", no_argument, NULL, CLI_OPTION_SHOW_PHI},
    {NULL, 0, NULL, 0},
};

static void print_words(FILE *stream, const struct verb *verb)
{
    (void)fprintf(stream, "%s%s%s", verb->group, verb->name != NULL ? " " : "",
                  verb->name != NULL ? verb->name : "");
}

static void print_help(FILE *stream, const char *group)
{
    (void)fputs("usage: dicomgate [--config FILE] [--socket PATH] [--json] VERB ...\n\n", stream);
    for (size_t i = 0; i < VERB_COUNT; i++) {
        char words[32];
        if (group != NULL && strcmp(VERBS[i].group, group) != 0)
            continue;
        (void)snprintf(words, sizeof words, "%s %s", VERBS[i].group,
                       VERBS[i].name != NULL ? VERBS[i].name : "");
        (void)fprintf(stream, "  %-22s%s\n", words, VERBS[i].help);
    }
    if (group == NULL)
        (void)fputs("  ledger show           what became of an instance or a study\n"
                    "  ledger prove          is a copy what was received, but for the edits on record?\n"
                    "  ledger conflicts      instances that came with different content under one UID\n"
                    "  ledger flagged        what went although rules or the crosswalk say to look at it\n"
                    "  ledger stats          how much was received, and what each archive got of it\n"
                    "  ledger export         all of it, for programs\n",
                    stream);
    (void)fputs(
        "\n"
        "  --config FILE     where the configuration is (" DEFAULT_CONFIG ")\n"
        "  --socket PATH     the daemon's control socket (else as the configuration says)\n"
        "  --json            the answer for programs\n"
        "  VERB --help       more about a verb, with an example\n\n"
        "Exit status: 0 fine, 1 a finding, 2 usage, 3 configuration, 4 daemon not reachable, 5 refused, "
        "6 internal.\n",
        stream);
}

static void print_verb_help(const struct verb *verb)
{
    (void)fputs("usage: dicomgate ", stdout);
    print_words(stdout, verb);
    bool is_sentence = verb->help[strlen(verb->help) - 1] == '?';
    (void)printf("%s%s\n\n%s%s\n%s", verb->usage[0] != 0 ? " " : "", verb->usage, verb->help,
                 is_sentence ? "" : ".", verb->more);
}

static const char **slot_of(struct cli *cli, int option)
{
    switch (option) {
    case CLI_OPTION_CONFIG:
        return &cli->config;
    case CLI_OPTION_SOCKET:
        return &cli->socket;
    case CLI_OPTION_ARCHIVE:
        return &cli->archive;
    case CLI_OPTION_STATE:
        return &cli->state;
    case CLI_OPTION_LIMIT:
        return &cli->limit;
    case CLI_OPTION_AFTER:
        return &cli->after;
    case CLI_OPTION_UID:
        return &cli->uid;
    case CLI_OPTION_PERSON:
        return &cli->person;
    case CLI_OPTION_REASON:
        return &cli->reason;
    case CLI_OPTION_BACKUP:
        return &cli->backup;
    case CLI_OPTION_FROM:
        return &cli->from;
    case CLI_OPTION_TO:
        return &cli->to;
    case CLI_OPTION_DOMAIN:
        return &cli->domain;
    case CLI_OPTION_EFFECTIVE:
        return &cli->effective;
    case CLI_OPTION_SOP_CLASS:
        return &cli->sop_class;
    case CLI_OPTION_TRANSFER_SYNTAX:
        return &cli->transfer_syntax;
    case CLI_OPTION_CLIENT:
        return &cli->client;
    case CLI_OPTION_CALLED:
        return &cli->called;
    case CLI_OPTION_STUDY:
        return &cli->study;
    case CLI_OPTION_HELD_FOR:
        return &cli->held_for;
    case CLI_OPTION_WRITE:
        return &cli->write;
    default:
        return NULL;
    }
}

// Options up to the end, or (with `stops`) up to the first word. False: getopt has complained.
static bool read_options(struct cli *cli, int argc, char **argv, bool stops)
{
    optind = 0; // glibc: begin anew
    for (;;) {
        int option = getopt_long(argc, argv, stops ? "+h" : "h", OPTIONS, NULL);
        if (option == -1)
            return true;
        if (option == '?')
            return false;
        if (option == 'h')
            option = CLI_OPTION_HELP;
        const char **slot = slot_of(cli, option);
        if (slot != NULL)
            *slot = optarg;
        cli->is_json = cli->is_json || option == CLI_OPTION_JSON;
        cli->shows_phi = cli->shows_phi || option == CLI_OPTION_SHOW_PHI;
        cli->is_all = cli->is_all || option == CLI_OPTION_ALL;
        cli->given |= (unsigned)option;
    }
}

static const struct verb *verb_find(const char *group, const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(VERBS[i].group, group) == 0 &&
            (VERBS[i].name == NULL || (name != NULL && strcmp(VERBS[i].name, name) == 0)))
            return &VERBS[i];
    return NULL;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(VERBS[i].group, word) == 0)
            return true;
    return false;
}

static enum cli_exit usage(const struct cli *cli, const struct verb *verb, const char *what)
{
    (void)fputs("usage: dicomgate ", stderr);
    print_words(stderr, verb);
    (void)fprintf(stderr, "%s%s\n", verb->usage[0] != 0 ? " " : "", verb->usage);
    return cli_complain(cli, CLI_USAGE, "%s", what);
}

static enum cli_exit verb_run(struct cli *cli, const struct verb *verb)
{
    unsigned foreign = cli->given & ~(unsigned)COMMON & ~verb->options;
    if ((cli->given & CLI_OPTION_HELP) != 0) {
        print_verb_help(verb);
        return CLI_FINE;
    }
    for (const struct option *option = OPTIONS; option->name != NULL && foreign != 0; option++) {
        char text[64];
        if ((foreign & (unsigned)option->val) == 0)
            continue;
        (void)snprintf(text, sizeof text, "--%s has no meaning here", option->name);
        return usage(cli, verb, text);
    }
    if (cli->argument_count < verb->least)
        return usage(cli, verb, "something is missing");
    if (verb->most >= 0 && cli->argument_count > verb->most)
        return usage(cli, verb, "more words than expected");
    return verb->run(cli);
}

// The keys, for what lies sealed in the ledger.
struct ledger_keys {
    const struct cli *cli;
    const struct configuration *configuration;
    struct fs *fs;
};

static enum result ledger_keys_open(void *argument, struct seal_keyring **keyring, char *why, size_t capacity)
{
    struct ledger_keys *keys = argument;
    struct seal_source source;
    struct seal_problem problem = {.text = ""};
    if (cli_data_open(keys->cli, &keys->configuration->gateway, &keys->fs, &source) != CLI_FINE)
        return ERR_REFUSED;
    enum result result = seal_keys_open_readonly(&source, keyring, &problem);
    if (result != OK)
        (void)text_copy(why, capacity, slice_of_text(problem.text));
    return result;
}

static int ledger_note(void *argument, const char *person, const char *reason, const char *recipient)
{
    struct ledger_keys *keys = argument;
    struct cli cli = *keys->cli;
    cli.person = person;
    cli.reason = reason;
    return (int)cli_crosswalk_note(&cli, "ledger-export", recipient);
}

static int ledger_ask(const struct cli *cli, int argc, char **argv, const struct configuration *configuration)
{
    struct ledger_keys keys = {.cli = cli, .configuration = configuration};
    const struct cli_ledger_keys opener = {ledger_keys_open, ledger_note, &keys};
    struct cli_ledger_name *names = calloc(configuration->node_count + 1, sizeof *names);
    if (names == NULL)
        return CLI_INTERNAL;
    for (size_t i = 0; i < configuration->node_count; i++)
        names[i] = (struct cli_ledger_name){configuration->node[i].id, configuration->node[i].name};
    int code =
        cli_ledger_main(argc, argv, configuration->gateway.data, names, configuration->node_count, &opener);
    fs_free(keys.fs);
    free(names);
    return code;
}

// `--NAME VALUE` or `--NAME=VALUE` at `*at`. False: it is something else.
static bool option_take(const char *name, int argc, char **argv, int *at, const char **value)
{
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) != 0)
        return false;
    if (argv[*at][length] == '=')
        *value = argv[*at] + length + 1;
    else if (argv[*at][length] == 0 && *at + 1 < argc)
        *value = argv[++*at];
    else
        return false;
    return true;
}

// --config and --socket behind the verb are ours too, as with the other verbs; the rest moves up.
static int ledger_common_take(struct cli *cli, int argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < argc; i++)
        if (!option_take("--config", argc, argv, &i, &cli->config) &&
            !option_take("--socket", argc, argv, &i, &cli->socket))
            argv[kept++] = argv[i];
    return kept;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

// The ledger has options of its own; it is told where the data folder is. `--json` in front of it counts too.
static int ledger_run(struct cli *cli, int argc, char **argv)
{
    static char json[] = "--json";
    struct configuration *configuration;
    if (asks_help(argc, argv)) {
        cli_ledger_help();
        return CLI_FINE;
    }
    argc = ledger_common_take(cli, argc, argv);
    char **words = calloc((size_t)argc + 2, sizeof *words);
    if (words == NULL)
        return (int)(cli_complain(cli, CLI_INTERNAL, "out of memory"));
    enum cli_exit status = cli_configuration(cli, &configuration);
    int code = (int)status;
    if (status == CLI_FINE) {
        memcpy(words, argv, (size_t)argc * sizeof *words);
        if (cli->is_json)
            words[argc++] = json;
        code = ledger_ask(cli, argc, words, configuration);
        configuration_free(configuration);
    }
    free(words);
    return code;
}

// The words of the verb, then its options and arguments in any order.
static enum cli_exit words_run(struct cli *cli, int argc, char **argv)
{
    const struct verb *verb = verb_find(argv[0], argc > 1 ? argv[1] : NULL);
    if (verb == NULL && is_group(argv[0])) {
        bool is_asked = asks_help(argc - 1, argv + 1);
        print_help(is_asked ? stdout : stderr, argv[0]);
        return is_asked ? CLI_FINE : CLI_USAGE;
    }
    if (verb == NULL) {
        print_help(stderr, NULL);
        return cli_complain(cli, CLI_USAGE, "there is no verb \"%.60s\"", argv[0]);
    }
    int words = verb->name != NULL ? 2 : 1;
    if (!read_options(cli, argc - words + 1, argv + words - 1, false))
        return CLI_USAGE;
    cli->arguments = argv + words - 1 + optind;
    cli->argument_count = argc - words + 1 - optind;
    return verb_run(cli, verb);
}

int main(int argc, char **argv)
{
    struct cli cli = {.config = DEFAULT_CONFIG};
    if (!read_options(&cli, argc, argv, true))
        return CLI_USAGE;
    if ((cli.given & CLI_OPTION_VERSION) != 0) {
        (void)puts("dicomgate " DG_VERSION);
        return CLI_FINE;
    }
    int rest = argc - optind;
    char **words = argv + optind;
    if (rest == 0 || (cli.given & CLI_OPTION_HELP) != 0) {
        bool is_asked = (cli.given & CLI_OPTION_HELP) != 0;
        print_help(is_asked ? stdout : stderr, NULL);
        return is_asked ? CLI_FINE : CLI_USAGE;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return (int)(cli_complain(&cli, CLI_INTERNAL, "libcurl can not be used"));
    bool is_ledger =
        strcmp(words[0], "ledger") == 0 && verb_find("ledger", rest > 1 ? words[1] : NULL) == NULL;
    int status = is_ledger ? ledger_run(&cli, rest - 1, words + 1) : (int)words_run(&cli, rest, words);
    curl_global_cleanup();
    return fflush(stdout) != 0 && status == CLI_FINE ? CLI_INTERNAL : status;
}
