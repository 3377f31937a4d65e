# SPDX-License-Identifier: Apache-2.0
"""The command line against a daemon of its own making: what it asks, what it prints, and its exit statuses (DESIGN 5)."""
import http.server
import json
import socketserver
import subprocess
import threading
import time
from pathlib import Path

import pytest

from dgtest.daemon import CLIENT

CONFIGURATION = """
gateway: { ae_title: GW, data: data }
listeners: [ { name: a, address: "127.0.0.1:104", plain: yes } ]
nodes: { legacy: { id: 1, kind: archive, ae_title: OLD, address: "10.0.0.5:104", plain: yes } }
phases: { one: { store: [ { to: [legacy] } ] } }
start_phase: one
"""

ARCHIVE = {"id": 1, "name": "legacy", "ae_title": "OLD", "address": "10.0.0.5:104", "tls": False, "state": "down",
           "lanes": 0, "lanes_limit": 8, "owed": 3, "held": 2, "parked": 1, "answered": 0, "oldest": None,
           "last_success": None, "counters": {"flagged": 5}, "problem": "connection refused"}
STATUS = {"version": 1, "program": "0.1.0", "life": "running", "ready": True, "since": 0, "phase": "one", "epoch": 1,
          "associations": 2, "associations_limit": 400,
          "listeners": [{"name": "a", "address": "127.0.0.1:104", "tls": False}], "archives": [ARCHIVE],
          "receipts": {"accepted": 9, "owed": 3, "parked": 1, "held": 2, "answered": 0, "settled": 6},
          "journal": {"segments": 2, "bytes": 3 << 30, "free": 5 << 40, "accepting": True, "welcoming": True,
                      "room": 4 << 40, "association_watermark": 8 << 30, "watermark": 4 << 30, "quota": 6 << 40},
          "alarms": []}


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Answers every call with `answer`; keeps what it was asked."""
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir()
        (folder / "g.yaml").write_text(CONFIGURATION)
        self.folder, self.asked, self.status, self.answer = folder, [], 200, {"version": 1}
        super().__init__(str(folder / "data" / "control.sock"), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        text = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = reply

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def daemon(folder):
    server = Daemon(folder)
    yield server
    server.shutdown()
    server.server_close()


def run(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(CLIENT), "--config", str(folder / "g.yaml"), *words], capture_output=True, text=True,
                          timeout=30)


def test_status_is_a_page(daemon):
    daemon.answer = dict(STATUS, since=int(time.time()) - 7300)
    done = run(daemon.folder, "status")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("dicomgate 0.1.0: running, ready, since ") and lines[0].endswith("(2 h)")
    assert lines[1] == "phase one, epoch 1, 2 of 400 associations"
    assert lines[3] == "receipts  9 accepted, 3 owed, 1 parked, 2 held, 0 answered, 6 settled"
    assert lines[4] == "journal   3.0 GiB in 2 segments, 5.0 TiB free, takes new instances"
    assert lines[5].strip() == ("room for 4.0 TiB; rejects associations below 8.0 GiB, instances below 4.0 GiB; "
                                "quota 6.0 TiB")
    assert lines[7:9] == ["LISTENER  ADDRESS        SECURITY", "a         127.0.0.1:104  PLAIN, not encrypted"]
    assert lines[10:] == [
        "ARCHIVE  ID  AE TITLE  ADDRESS       SECURITY  STATE  LANES  OWED  HELD  PARKED  FLAGGED  OLDEST  LAST SUCCESS  "
        "PROBLEM",
        "legacy    1  OLD       10.0.0.5:104  PLAIN     down     0/8     3     2       1        5       -             -  "
        "connection refused"]
    assert daemon.asked == [("GET", "/v1/status", None)]


def test_status_with_an_alarm_is_a_finding(daemon):
    daemon.answer = dict(STATUS, alarms=["disk nearly full"])
    done = run(daemon.folder, "status")
    assert done.returncode == 1
    assert done.stdout.endswith("\nALARM\ndisk nearly full\n")
    daemon.answer = dict(STATUS, ready=False)
    assert run(daemon.folder, "status").returncode == 1


def test_json_is_the_answer_itself(daemon):
    daemon.answer = STATUS
    done = run(daemon.folder, "--json", "status")
    assert json.loads(done.stdout) == STATUS
    assert json.loads(run(daemon.folder, "status", "--json").stdout) == STATUS


def test_queue_list(daemon):
    row = {"receipt": 281474976710657, "archive": "legacy", "state": "parked", "sop_class": "1.2", "uid": "1.2.3",
           "bytes": 1536, "received": int(time.time()) - 150, "attempts": 2, "next": None, "reason": "A900\x1b[2J"}
    daemon.answer = {"version": 1, "items": [row], "more": True}
    done = run(daemon.folder, "queue", "list", "--archive", "legacy", "--state", "parked", "--limit", "1", "--after", "7")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "        RECEIPT  ARCHIVE  STATE      SIZE  RECEIVED  TRIES  NEXT  SOP INSTANCE  REASON",
        "281474976710657  legacy   parked  1.5 KiB     2 min      2     -  1.2.3         A900?[2J",
        "there is more: --after 281474976710657, or a larger --limit"]
    assert daemon.asked == [("GET", "/v1/queue?archive=legacy&state=parked&after=7&limit=1", None)]
    daemon.answer = {"version": 1, "items": [], "more": False}
    assert run(daemon.folder, "queue", "list").stdout == "nothing is waiting\n"


CONTEXTS = {"sop_class": "1.2.840.10008.5.1.4.1.1.2", "sop_class_name": "CTImageStorage", "transfer_syntax": "1.2.9",
            "transfer_syntax_name": None, "answer": 4, "meaning": "transfer syntaxes not supported", "when": 0,
            "accepts": [{"transfer_syntax": "1.2.840.10008.1.2", "transfer_syntax_name": "ImplicitVRLittleEndian"},
                        {"transfer_syntax": "1.2.8", "transfer_syntax_name": None}]}


def test_queue_show_of_all(daemon):
    group = {"stage": "parked", "reason": "no\x1bcontext", "count": 3, "receipt": 17, "next": None, "contexts": CONTEXTS}
    daemon.answer = {"version": 1, "archives": [
        {"archive": "legacy", "paused": True, "owed": 7, "waiting": 2, "resting": 1, "gated": 1, "held": 2,
         "sending": 1, "parked": 3, "answered": 9, "problem": "refused", "next": None, "groups": [group], "ungrouped": 7}]}
    done = run(daemon.folder, "queue", "show", "--archive", "legacy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ARCHIVE  OWED  WAITING  RESTING  GATED  HELD  SENDING  ANSWERED  PARKED  NEXT TRY  WHAT IS THE MATTER",
        "legacy      7        2        1      1     2        1         9       3  -         paused by a person",
        "",
        "ARCHIVE  STAGE   HOW MANY  FIRST RECEIPT  NEXT TRY  WHY",
        "legacy   parked         3             17  -         no?context",
        "",
        "Presentation contexts of what is parked:",
        "RECEIPT  ARCHIVE  SOP CLASS       TRANSFER SYNTAX  ITS ANSWER                                    "
        "OF THIS CLASS IT TAKES",
        "     17  legacy   CTImageStorage  1.2.9            refused (4): transfer syntaxes not supported  "
        "ImplicitVRLittleEndian, 1.2.8",
        "legacy: 7 more, for other reasons: see `queue list`"]
    assert daemon.asked == [("GET", "/v1/queue/summary?archive=legacy", None)]


@pytest.mark.parametrize("word,query", [("17", "receipt=17"), ("0001-00000000002a", f"receipt={(1 << 48) + 42}"),
                                        ("1.2.3", "uid=1.2.3")])
def test_queue_show_of_one(daemon, word, query):
    daemon.answer = {"version": 1, "items": [], "more": False}
    done = run(daemon.folder, "queue", "show", word)
    assert done.returncode == 0 and done.stdout.startswith("nothing is owed of it")
    assert daemon.asked == [("GET", f"/v1/queue?{query}", None)]


@pytest.mark.parametrize("words,path,body", [
    (["retry", "17", "18"], "retry", {"receipts": [17, 18]}),
    (["retry", "17", "legacy"], "retry", {"receipts": [17], "archive": "legacy"}),
    (["retry", "--all", "--archive", "legacy"], "retry", {"all": True, "archive": "legacy"}),
    (["retry", "17", "--person", "J. Doe", "--reason", "mended"], "retry",
     {"receipts": [17], "person": "J. Doe", "reason": "mended"}),
    (["park", "--uid", "1.2.3", "--reason", "kills it"], "park", {"uid": "1.2.3", "reason": "kills it"}),
    (["drop", "17", "legacy", "--person", "J. Doe", "--reason", "by mistake"], "drop",
     {"receipts": [17], "archive": "legacy", "person": "J. Doe", "reason": "by mistake"}),
])
def test_queue_changes(daemon, words, path, body):
    daemon.answer = {"version": 1, "changed": 1, "unchanged": 0}
    assert run(daemon.folder, "queue", *words).returncode == 0
    assert daemon.asked == [("POST", f"/v1/queue/{path}", body)]


def test_a_change_that_is_not_on_disk_is_told(daemon):
    daemon.answer = {"version": 1, "changed": 1, "unchanged": 0, "durable": False}
    words = ["queue", "drop", "17", "legacy", "--person", "J. Doe", "--reason", "by mistake"]
    assert run(daemon.folder, *words).stdout.splitlines() == [
        "1 dropped: never sent to this archive", "but the journal can not be written for now: a crash would undo it"]
    daemon.answer["durable"] = True
    assert run(daemon.folder, *words).stdout == "1 dropped: never sent to this archive\n"


def test_a_change_of_nothing_is_a_finding(daemon):
    daemon.answer = {"version": 1, "changed": 0, "unchanged": 2}
    done = run(daemon.folder, "queue", "retry", "17")
    assert done.returncode == 1
    assert done.stdout == "0 will be tried again now; 2 left as they are: not in a state for it\n"


GROUP = {"archive": "new", "study": "1.2.840", "reason": "rule names/unmapped: no row\x1b", "count": 12, "receipt": 17,
         "received": 0}


def test_hold_list(daemon):
    daemon.answer = {"version": 1, "groups": [dict(GROUP, received=int(time.time()) - 7300),
                                              dict(GROUP, study=None, received=int(time.time()) - 150)], "more": 3}
    done = run(daemon.folder, "hold", "list", "--archive", "new", "--study", "1.2.840")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ARCHIVE  HOW MANY  OLDEST  FIRST RECEIPT  STUDY    WHY",
        "new            12     2 h             17  1.2.840  rule names/unmapped: no row?",
        "new            12   2 min             17  -        rule names/unmapped: no row?",
        "3 more: narrow it down with --archive or --study"]
    assert daemon.asked == [("GET", "/v1/holds?archive=new&study=1.2.840", None)]
    daemon.answer = {"version": 1, "groups": [], "more": 0}
    assert run(daemon.folder, "hold", "list").stdout == "nothing is held\n"
    assert json.loads(run(daemon.folder, "hold", "list", "--json").stdout) == daemon.answer


HOLD = {"receipt": 17, "archive": "new", "primary": True, "reason": "patient unmatched", "received": 0, "since": None,
        "sop_class": "1.2.9", "uid": "1.2.3", "study": "1.2", "series": "1.2.1", "sop_class_name": None, "modality": "CT",
        "calling": "CT1", "called": "GW", "address": "10.1.2.3:4711", "bytes": 1536, "pack": None,
        "sent": [{"receipt": 16, "uid": "1.2.2", "state": "answered", "when": None}], "sent_count": 4}


def test_hold_show(daemon):
    daemon.answer = {"version": 1, "items": [HOLD, dict(HOLD, primary=False, sent=[], sent_count=0)]}
    done = run(daemon.folder, "hold", "show", "0001-00000000002a", "--archive", "new")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "receipt 17 is held for new (primary of a route): patient unmatched"
    assert "  SOP Class       1.2.9" in lines and "  from            CT1" in lines
    assert not any("held since" in line for line in lines)
    first = lines.index("4 of its study had left for this archive before:")
    assert lines[first + 1:first + 4] == ["RECEIPT  STATE     WHEN  SOP INSTANCE", "     16  answered  -     1.2.2",
                                          "and 3 more"]
    assert lines[-1] == "Nothing of its study had left for this archive before."
    assert daemon.asked == [("GET", f"/v1/holds/show?receipt={(1 << 48) + 42}&archive=new", None)]
    daemon.answer = {"version": 1, "items": []}
    assert run(daemon.folder, "hold", "show", "1.2.3").stdout.startswith("nothing of it is held")


@pytest.mark.parametrize("words,path,body", [
    (["release", "17", "18", "new"], "release", {"receipts": [17, 18], "archive": "new"}),
    (["release", "--study", "1.2"], "release", {"study": "1.2"}),
    (["release", "0001-00000000002a", "17"], "release", {"receipts": [(1 << 48) + 42, 17]}),
    (["reject", "0001-00000000002a", "new"], "reject", {"receipts": [(1 << 48) + 42], "archive": "new"}),
    (["reject", "--uid", "1.2.3", "--archive", "new"], "reject", {"uid": "1.2.3", "archive": "new"}),
    (["reject", "--all", "--held-for", "names"], "reject", {"all": True, "held_for": "names"}),
])
def test_hold_changes(daemon, words, path, body):
    daemon.answer = {"version": 1, "changed": 2, "unchanged": 0}
    done = run(daemon.folder, "hold", *words, "--person", "J. Doe", "--reason", "looked at")
    assert done.returncode == 0, done.stderr
    assert daemon.asked == [("POST", f"/v1/holds/{path}", dict(body, person="J. Doe", reason="looked at"))]
    assert done.stdout.startswith("2 re")
    daemon.answer["changed"] = 0
    assert run(daemon.folder, "hold", *words, "--person", "J. Doe", "--reason", "looked at").returncode == 1


@pytest.mark.parametrize("words", [
    ["hold"], ["hold", "show"], ["hold", "show", "x"], ["hold", "release", "17", "--person", "a"],
    ["hold", "reject", "--all", "--reason", "a"], ["hold", "release", "--person", "a", "--reason", "b"],
    ["hold", "release", "--held-for", "x", "--person", "a", "--reason", "b"],
    ["hold", "release", "--study", "1", "--all", "--person", "a", "--reason", "b"], ["queue", "retry", "--study", "1"],
    ["queue", "retry"], ["queue", "retry", "--all", "17"], ["queue", "drop", "17", "--person", "a", "--reason", "b"],
    ["queue", "drop", "17", "legacy", "--person", "a"], ["queue", "drop", "17", "legacy", "--reason", "a"],
    ["queue", "retry", "0"], ["queue"], ["queue", "explode"], ["explode"], [], ["status", "17"], ["status", "--all"],
    ["archive", "echo", "a", "--person", "b"], ["archive", "probe", "a", "--reason", "b"],
    ["archive", "echo"], ["archive", "echo", "a/b"], ["archive", "echo", "a", "b"], ["status", "--nonsense"],
])
def test_usage(daemon, words):
    done = run(daemon.folder, *words)
    assert done.returncode == 2
    assert done.stderr and not done.stdout
    assert daemon.asked == []


def test_archives(daemon):
    daemon.answer = {"version": 1, "archives": [ARCHIVE]}
    assert "connection refused" in run(daemon.folder, "archive", "list").stdout
    daemon.answer = {"version": 1, "archive": "legacy", "ok": True, "milliseconds": 12, "message": "Success"}
    done = run(daemon.folder, "archive", "echo", "legacy")
    assert (done.returncode, done.stdout) == (0, "legacy: fine after 12 ms: Success\n")
    daemon.answer["ok"], daemon.answer["message"] = False, "connection refused"
    done = run(daemon.folder, "archive", "echo", "legacy")
    assert (done.returncode, done.stdout) == (1, "legacy: FAILED after 12 ms: connection refused\n")
    daemon.answer = {"version": 1, "archive": "legacy", "paused": True}
    assert run(daemon.folder, "archive", "pause", "legacy", "--reason", "x").returncode == 0
    assert daemon.asked[-1] == ("POST", "/v1/archives/legacy/pause", {"reason": "x"})


@pytest.mark.parametrize("http,status", [(400, 2), (404, 5), (409, 5), (503, 5), (500, 6)])
def test_the_daemon_says_no(daemon, http, status):
    daemon.status, daemon.answer = http, {"version": 1, "error": "x", "message": "because of this"}
    done = run(daemon.folder, "archive", "resume", "legacy", "--json")
    assert done.returncode == status
    assert "because of this" in done.stderr
    assert "because of this" in json.loads(done.stdout)["message"]


def test_no_daemon(folder):
    (folder / "g.yaml").write_text(CONFIGURATION)
    done = run(folder, "status")
    assert done.returncode == 4 and "is not running" in done.stderr
    done = run(folder, "--socket", str(folder / "other"), "status")
    assert done.returncode == 4 and str(folder / "other") in done.stderr


def test_configuration(folder):
    file = folder / "g.yaml"
    file.write_text(CONFIGURATION)
    done = run(folder, "config", "check")
    assert done.returncode == 0
    assert done.stdout == (f"{file}: fine: 1 listeners, 1 nodes, 1 phases, starts in one\n"
                           "note: listener a is plain: not encrypted\n"
                           "note: node legacy is plain: not encrypted\n")
    file.write_text(CONFIGURATION.replace("id: 1", "id: 01").replace("data: data", "dta: data"))
    done = run(folder, "config", "check", str(file))
    assert done.returncode == 3
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        [f"{file}:2:10", "gateway.data"], [f"{file}:2:26", "gateway.dta"], [f"{file}:4:24", "nodes.legacy.id"]]
    answer = json.loads(run(folder, "config", "check", "--json").stdout)
    assert answer["version"] == 1 and answer["ok"] is False and len(answer["errors"]) == 3
    assert run(folder, "status").returncode == 3
    assert run(folder, "config", "check", str(folder / "none")).returncode == 3


def test_common_options_behind_ledger_verbs(folder):
    file = folder / "other.yaml"
    file.write_text(CONFIGURATION)
    for words in (["--config", str(file)], [f"--config={file}"], [f"--config={file}", "--socket", "x"],
                  [f"--config={file}", "--socket=x"]):
        done = run(folder, "ledger", "stats", *words)
        assert done.returncode == 3 and "usage" not in done.stderr, done.stderr  # no ledger yet
    told = run(folder, "ledger", "--help").stdout
    assert "ledger backup FOLDER" in told and "ledger rebuild" in told


def test_keys(folder):
    (folder / "g.yaml").write_text(CONFIGURATION)
    done = run(folder, "key", "init")
    assert done.returncode == 0, done.stderr
    assert "KEEP A COPY OF THE MASTER KEY" in done.stdout
    master = folder / "master.key"
    assert master.stat().st_mode & 0o777 == 0o600 and master.stat().st_size == 32
    key, ring = master.read_bytes(), (folder / "data" / "keyring").read_bytes()
    done = run(folder, "key", "init")
    assert done.returncode == 5 and "nothing was changed" in done.stderr
    assert (folder / "data" / "keyring").read_bytes() == ring
    # The key file is lost, the journal is not: a new one would only hide that.
    (folder / "data" / "keyring").unlink()
    (folder / "data" / "journal").mkdir()
    (folder / "data" / "journal" / "0000-00000001.seg").write_bytes(b"")
    done = run(folder, "key", "init")
    assert done.returncode == 5 and "bring it back from a backup" in done.stderr
    (folder / "data" / "journal" / "0000-00000001.seg").unlink()
    # The same master key goes on to serve.
    done = run(folder, "key", "init", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["master_key_made"] is False
    assert master.read_bytes() == key
    # A key that others can read is no key.
    (folder / "data" / "keyring").unlink()
    master.chmod(0o644)
    assert run(folder, "key", "init").returncode == 5


def test_help(folder):
    done = run(folder, "--help")
    assert done.returncode == 0 and "queue drop" in done.stdout
    for words in (["queue", "--help"], ["queue", "-h"], ["queue", "explode", "--help"]):
        done = run(folder, *words)
        assert done.returncode == 0 and "queue drop" in done.stdout and "hold list" not in done.stdout
        assert not done.stderr
    for verb in (["status"], ["queue", "list"], ["queue", "drop"], ["archive", "echo"], ["key", "init"],
                 ["config", "check"]):
        done = run(folder, *verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith("usage: dicomgate " + " ".join(verb)) and "Example:" in done.stdout
