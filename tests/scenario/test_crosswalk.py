# SPDX-License-Identifier: Apache-2.0
"""`dicomgate crosswalk`: the same answers with the daemon up and down, refusals by line, who did what, exports, and no
patient where none belongs."""
import fcntl
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dgtest import part10
from dgtest.daemon import CLIENT
from dgtest.edits import HEADER, WHO
from dgtest.recipient import auditor, cms_opened
from dgtest.stage import STORAGE, Stage, same_bytes

SETTINGS = {"domains": {"LEGACY": {"issuers": ["OLDHOSP"], "leading_zeros": "ignore"},
                        "ENTERPRISE": {"issuers": ["GROUP"], "case": "ignore"}}}
NODES = {"domain": "ENTERPRISE"}


def stage_of(folder: Path) -> Stage:
    return Stage(folder, settings=SETTINGS, node_options=NODES)


def put(stage: Stage, name: str, text: str) -> str:
    path = stage.daemon.folder / name
    path.write_text(text)
    return str(path)


def run(stage: Stage, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = stage.daemon.run_client("crosswalk", *words)
    assert done.returncode == expect, f"{words}: {done.returncode} {done.stdout}{done.stderr}"
    return done


def lookup(stage: Stage, start: str, end: str, *ids: str) -> list[dict[str, Any]]:
    path = put(stage, "asked.txt", "".join(f"{one}\n" for one in ids))
    return stage.daemon.ask("crosswalk", "lookup", "--from", start, "--to", end, path)["items"]


def ids_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] if item["outcome"] == "mapped" else "-" for item in items]


def put_slot(ring: Path, at: int, slot: bytes) -> None:
    with ring.open("r+b") as file:
        file.seek(at)
        file.write(slot)


def test_damaged_key(folder):
    """A slot of the key file is bad: everything else goes on, orders are answered with why not, nothing is made anew."""
    one = part10.generate(2000, 95, sop_class=STORAGE)
    with stage_of(folder) as stage:
        rows = put(stage, "rows.csv", HEADER + "LEGACY,0001,ENTERPRISE,E-1,\n")
        run(stage, "import", rows, *WHO)
        assert stage.daemon.stop() == 0
        ring = stage.daemon.folder / "data" / "keyring"
        data = ring.read_bytes()
        at = next(at for at in range(4096, len(data), 4096) if data[at + 4] == 3)  # lib/seal/FORMAT.md
        put_slot(ring, at, b"\xff" + bytes(127))
        stage.daemon.start()
        stage.send([one])
        stage.legacy.wait_uids([one.sop_instance])
        merge = ("merge", "--domain", "ENTERPRISE", *WHO, put(stage, "ids", "E-1\nE-2\n"))
        assert "the crosswalk could not be opened" in run(stage, *merge, expect=5).stderr
        assert "put a backup of it back" in stage.daemon.logged("crosswalk.closed")[-1]
        assert same_bytes([one], stage.legacy.copies()) == [], "nothing to map in it: as it came"
        assert stage.daemon.stop() == 0
        put_slot(ring, at, data[at:at + 128])
        stage.daemon.start()
        run(stage, *merge)
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1")) == ["E-2"]


@pytest.mark.parametrize("is_up", [True, False], ids=["up", "down"])
def test_orders(folder, is_up):
    with stage_of(folder) as stage:
        if not is_up:
            assert stage.daemon.stop() == 0
        rows = put(stage, "rows.csv", HEADER + "LEGACY,0001,ENTERPRISE,E-1,SECRET^ANNA\nLEGACY,2,ENTERPRISE,E-2,\n")
        dry = run(stage, "import", rows, "--dry-run", *WHO)
        assert "2 rows" in dry.stdout and "nothing was changed" in dry.stdout
        assert stage.daemon.ask("crosswalk", "stats")["rows"] == 0
        assert "generation" in run(stage, "import", rows, *WHO).stdout
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1", "02", "3")) == ["E-1", "E-2", "-"]
        assert ids_of(lookup(stage, "ENTERPRISE", "LEGACY", "e-1")) == ["0001"]
        run(stage, "merge", "--domain", "ENTERPRISE", *WHO, put(stage, "ids", "E-1\nE-2\n"))
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1")) == ["E-2"]
        circle = run(stage, "merge", "--domain", "ENTERPRISE", *WHO, put(stage, "ids", "E-2\nE-1\n"), expect=5)
        assert "circle" in circle.stderr
        run(stage, "unmerge", "--domain", "ENTERPRISE", *WHO, put(stage, "ids", "E-1\n"))
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1")) == ["E-1"]
        run(stage, "move-study", "--uid", "1.2.3", "--domain", "ENTERPRISE", *WHO, put(stage, "ids", "E-2\n"))
        late = run(stage, "merge", "--domain", "LEGACY", "--effective", "2099-01-01", *WHO, put(stage, "ids", "1\n2\n"))
        assert "merged" in late.stdout
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1")) == ["E-1"]
        stats = stage.daemon.ask("crosswalk", "stats")
        assert (stats["rows"], stats["merges"], stats["moves"], stats["acts"]) == (2, 1, 1, 5)
        assert stats["pairs"] == [{"from": "LEGACY", "to": "ENTERPRISE", "rows": 2}]
        assert stage.daemon.ask("crosswalk", "check")["damaged"] == 0
        acts = stage.daemon.ask("crosswalk", "log")["items"]
        assert [act["kind"] for act in acts] == ["import", "merge", "unmerge", "move-study", "merge"]
        assert {act["person"] for act in acts} == {"Ada"} and acts[3]["study"] == "1.2.3"
        assert "E-1" not in run(stage, "log").stdout
        assert "recorded" in run(stage, "log", "--clear", "--person", "Ada", expect=2).stderr
        assert "id E-1 into E-2" in run(stage, "log", "--clear", *WHO).stdout.replace("  ", " ")
        shown = stage.daemon.ask("crosswalk", "log", "--after", "5")["items"]
        assert [(act["kind"], act["person"], act["reason"]) for act in shown] == [("clear-log", "Ada", "test")]
        # Up or down, the other one reads the same.
        if is_up:
            assert stage.daemon.stop() == 0
        else:
            stage.daemon.start()
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1", "2")) == ["E-1", "E-2"]
        assert not any(b"SECRET" in path.read_bytes() for path in stage.daemon.folder.rglob("data.mdb"))
        assert not any("SECRET" in path.read_text(errors="replace") for path in stage.daemon.folder.rglob("*.log"))


def test_one_that_can_not_be_opened_is_an_alarm(folder):
    with stage_of(folder) as stage:
        assert not any("crosswalk" in alarm for alarm in stage.daemon.ask("status")["alarms"])
        assert stage.daemon.stop() == 0
        for path in stage.daemon.folder.rglob("crosswalk/data.mdb"):
            path.write_bytes(b"no database" * 1000)
        stage.daemon.start()
        assert any("the crosswalk could not be opened" in alarm for alarm in stage.daemon.ask("status")["alarms"])


def test_dry_run_clears_what_a_killed_one_has_left(folder):
    with stage_of(folder) as stage:
        rows = put(stage, "rows.csv", HEADER + "LEGACY,1,ENTERPRISE,E-1,\n")
        data = next(path.parent for path in stage.daemon.folder.rglob("crosswalk") if path.is_dir())
        left = data / "crosswalk.check"
        left.mkdir(mode=0o700)
        (left / "source-0000").write_bytes(b"left")
        run(stage, "import", rows, "--dry-run", *WHO)
        assert list(left.iterdir()) == [] and not list(data.glob("crosswalk.check-*"))
        handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
        try:  # somebody else's is under way
            fcntl.flock(handle, fcntl.LOCK_EX)
            (left / "source-0000").write_bytes(b"in use")
            assert "under way" in run(stage, "import", rows, "--dry-run", *WHO, expect=5).stderr
            assert (left / "source-0000").read_bytes() == b"in use"
        finally:
            os.close(handle)


def test_refused_import_names_every_line(folder):
    with stage_of(folder) as stage:
        good = put(stage, "good.csv", HEADER + "LEGACY,9,ENTERPRISE,E-9,\n")
        run(stage, "import", good, *WHO)
        bad = put(stage, "bad.csv", HEADER + "LEGACY,1,ENTERPRISE,E-1,\nLEGACY,2,ENTERPRISE,E-2,\nLEGACY,01,ENTERPRISE,"
                                             "E-3,\nNOBODY,4,ENTERPRISE,E-4,\n")
        for words, status in ((("--dry-run",), 1), ((), 5)):
            done = run(stage, "import", bad, *words, *WHO, expect=status)
            assert done.stdout.splitlines() == ["line 4: the same source has another target in line 2",
                                                "line 5: a domain that the configuration does not have"]
            assert "2 conflicts" in done.stderr
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "9", "2")) == ["E-9", "-"]
        found = stage.daemon.run_client("crosswalk", "import", bad, *WHO, "--json")
        assert found.returncode == 5 and '"line": 4' in found.stdout.replace('":4', '": 4')


def test_usage(folder):
    with stage_of(folder) as stage:
        rows = put(stage, "rows.csv", HEADER)
        assert "recorded" in run(stage, "import", rows, "--person", "Ada", expect=2).stderr
        assert "no file" in run(stage, "import", str(stage.daemon.folder / "none.csv"), *WHO, expect=2).stderr
        assert "--clear" in run(stage, "export", *WHO, expect=2).stderr
        assert "no domain" in run(stage, "lookup", "--from", "A", "--to", "B", rows, expect=2).stderr
        for words in (("unmerge",), ("move-study", "--uid", "1.2.3")):
            assert "no domain of this name" in run(stage, *words, "--domain", "NOBODY", *WHO, put(stage, "ids", "1\n"),
                                                   expect=5).stderr
        # Which of more lines would be meant? A blank one at the end is none.
        for words, count in ((("unmerge",), 1), (("move-study", "--uid", "1.2.3"), 1), (("merge",), 2)):
            lines = "".join(f"{number}\n" for number in range(count + 1))
            assert f"more than {count} line" in run(stage, *words, "--domain", "LEGACY", *WHO, put(stage, "ids", lines),
                                                    expect=2).stderr
        run(stage, "merge", "--domain", "LEGACY", *WHO, put(stage, "ids", "1\n2\n\n"))
        # What is cut at a zero byte (UTF-16) or at some length may be the ID of somebody else.
        for line in ("E\0-1\0", "1" * 300):
            assert "not a patient ID" in run(stage, "lookup", "--from", "LEGACY", "--to", "ENTERPRISE",
                                             put(stage, "ids", f"{line}\n"), expect=2).stderr
            assert "different IDs" in run(stage, "merge", "--domain", "LEGACY", *WHO,
                                          put(stage, "ids", f"{line}\n2\n"), expect=5).stderr
        assert "YYYY" in run(stage, "unmerge", "--domain", "LEGACY", "--effective", "soon", *WHO,
                             put(stage, "ids", "1\n"), expect=2).stderr


def test_export(folder):
    with stage_of(folder) as stage:
        rows = put(stage, "rows.csv", HEADER + 'LEGACY,1,ENTERPRISE,E-1,"SECRET^""A"""\nLEGACY,2,ENTERPRISE,E-2,\n')
        run(stage, "import", rows, *WHO)
        key, certificate = auditor(stage.daemon.folder)
        sealed = subprocess.run([str(CLIENT), "--config", str(stage.daemon.file), "crosswalk", "export", "--to",
                                 str(certificate), *WHO], check=True, capture_output=True, timeout=60).stdout
        assert b"SECRET" not in sealed
        opened = cms_opened(sealed, key)
        clear = run(stage, "export", "--clear", *WHO).stdout
        assert sorted(opened.split()) == sorted(clear.split()) and '"SECRET^""A"""' in clear
        kinds = [act["kind"] for act in stage.daemon.ask("crosswalk", "log")["items"]]
        assert kinds == ["import", "export", "export"]
        # A key that only signs: said so, and nothing of the crosswalk comes out.
        key, certificate = auditor(stage.daemon.folder, "ed25519")
        refused = run(stage, "export", "--to", str(certificate), *WHO, expect=5)
        assert "to this certificate" in refused.stderr and refused.stdout == ""
        # What was exported can be imported again.
        run(stage, "import", put(stage, "again.csv", clear), *WHO)
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1", "2")) == ["E-1", "E-2"]


def test_keys(folder):
    """The crosswalk lives through another master key; a backup of keys without its own is a finding."""
    with stage_of(folder) as stage:
        backup = stage.daemon.folder / "keys.backup"
        run(stage, "import", put(stage, "rows.csv", HEADER + "LEGACY,1,ENTERPRISE,E-1,\n"), *WHO)
        assert stage.daemon.run_client("key", "backup", str(backup)).returncode == 0
        assert stage.daemon.run_client("key", "verify", "--backup", str(backup)).returncode == 0
        assert stage.daemon.stop() == 0
        assert stage.daemon.run_client("key", "rotate").returncode == 0
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1")) == ["E-1"]
        stage.daemon.start()
        run(stage, "merge", "--domain", "ENTERPRISE", *WHO, put(stage, "ids", "E-1\nE-7\n"))
        assert ids_of(lookup(stage, "LEGACY", "ENTERPRISE", "1")) == ["E-7"]


def test_backup_of_keys_without_the_crosswalk(folder):
    with Stage(folder, settings=SETTINGS, node_options=NODES, start=False) as stage:
        backup = stage.daemon.folder / "early.backup"
        assert stage.daemon.run_client("key", "backup", str(backup)).returncode == 0
        stage.daemon.start()
        assert stage.daemon.run_client("key", "verify").returncode == 0
        found = stage.daemon.ask("key", "verify", "--backup", str(backup), expect=1)["findings"]
        assert {"segment": "crosswalk", "in": "backup", "finding": "has no key for it"} in found
        assert any("lasting key" in finding["finding"] for finding in found)
        # Putting it back does not make the crosswalk readable, and that is said.
        assert stage.daemon.stop() == 0
        (stage.daemon.folder / "data" / "keyring").unlink()
        assert stage.daemon.run_client("key", "restore", str(backup)).returncode == 0
        assert "crosswalk" in stage.daemon.run_client("key", "verify").stdout
        refused = run(stage, "stats", expect=5)
        assert "key restore" in refused.stderr
