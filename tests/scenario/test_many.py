# SPDX-License-Identifier: Apache-2.0
"""Sixteen associations at once, plain and TLS, for DG_LOAD_SECONDS, under rules and crosswalk, while one archive goes
and comes back, the crosswalk learns, the rules change and operators ask for status. Everything acknowledged arrives, as it
came or as the rules say, each study under one patient; under the thread sanitizer (build/tsan/bin as DG_BIN) the daemon
ends with no report (ENGINE 9)."""
import os
import time
from pathlib import Path

from dgtest import edits, part10, sender
from dgtest.daemon import ROOT
from dgtest.ports import wait_for
from dgtest.stage import Stage, same_bytes

SECONDS = float(os.environ.get("DG_LOAD_SECONDS", "6"))
STUDY = 5  # instances
PACKS = ["vendor-names", "accession-numbers", "accession-numbers-edit"]


def instance(group: int, worker: int, number: int) -> part10.Instance:
    study = number // STUDY
    return edits.instance(number, study=(group * 10 + worker) * 100000 + study, patient=f"{study % 16:04}",
                          extra={0x00080050: ("SH", b"54321"), 0x7FE00010: ("OW", bytes(6000))})


def load(stage: Stage, group: int, tls: bool) -> sender.Load:
    return sender.Load(stage.target(tls=tls), lambda worker, number: instance(group, worker, number), workers=8).start()


def know(stage: Stage, most: int) -> None:
    """Of the patients the crosswalk knows 1 to `most`; 0 stays unknown. So a load's second study is of a known one."""
    edits.crosswalk(stage.daemon, "import", text=edits.rows({f"{n:04}": f"E-{n}" for n in range(1, most + 1)}))


def turn(stage: Stage, packs: Path, number: int) -> None:
    """Another patient becomes known, and another version of the rules, in the midst of it all."""
    know(stage, 2 + number)
    pack = packs / "vendor-names.yaml"
    pack.write_text(pack.read_text() + f"# {number}\n")
    done = stage.daemon.run_client("config", "reload")
    assert done.returncode == 0, done.stdout + done.stderr


def study_of(uid: str) -> tuple[int, int]:
    """The worker, and the number of the study among those of this worker."""
    study = int(uid.split(".")[-2])
    return study // 100000 % 10, study % 100000


def is_watched(uid: str) -> bool:
    """It is of the first worker of a load: reading all copies takes longer than sending them."""
    return study_of(uid)[0] == 0


def check_edited(stage: Stage) -> None:
    """Rules and crosswalk have spoken for every copy, and a study has one patient."""
    patients: dict[str, set[tuple[str, str]]] = {}
    for copy in [copy for copy in stage.new.copies() if is_watched(copy.uid)]:
        after = edits.read(stage.new.data(copy))
        assert after.AccessionNumber == "H1-00054321"
        patients.setdefault(after.StudyInstanceUID, set()).add((after.PatientID, after.IssuerOfPatientID))
    assert all(len(found) == 1 for found in patients.values())
    found = {next(iter(one)) for one in patients.values()}
    assert {issuer for _, issuer in found} == {"GROUP", "OLDHOSP"}
    assert all(name.startswith("E-") == (issuer == "GROUP") for name, issuer in found)


def test_sixteen_associations(folder):
    packs = folder / "packs"
    packs.mkdir()
    for path in (ROOT / "rules" / "packs").iterdir():
        (packs / path.name).write_bytes(path.read_bytes())
    nodes = {"legacy": {"domain": "LEGACY"}, "new": {"domain": "ENTERPRISE", "packs": PACKS}}
    with Stage(folder, tls=True, settings={**edits.DOMAINS, "limits": {"stop": "20s"}, "rules": {"packs": str(packs)},
                                           "nodes": nodes}) as stage:
        know(stage, 1)
        loads = [load(stage, 1, False), load(stage, 2, True)]
        end = time.monotonic() + SECONDS
        number = 0
        while time.monotonic() < end:
            stage.new.down()
            stage.daemon.ask("status")
            turn(stage, packs, number)
            stage.legacy.wait_copies(len(stage.legacy.copies()) + 20, 60)
            stage.new.up()
            stage.daemon.ask("queue", "list")
            stage.new.wait_copies(len(stage.new.copies()) + 20, 60)
            number += 1
        wait_for("a study of a patient who was known", lambda: (0, 1) in map(study_of, stage.legacy.uids()), 120)
        wait_for("much load", lambda: sum(len(one.stored()) for one in loads) > 100, 120)
        for one in loads:
            one.stop()
        stored = [instance for one in loads for instance in one.stored()]
        stage.daemon.wait_caught_up()
        stage.wait_arrived(stored, 60)
        assert same_bytes(stored, stage.legacy.copies()) == []
        check_edited(stage)
        assert stage.daemon.stop() == 0
        reports = [line for line in stage.daemon.log_path.read_text(errors="replace").splitlines()
                   if "ThreadSanitizer" in line]
        assert not reports, reports[:5]
