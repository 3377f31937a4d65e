# SPDX-License-Identifier: Apache-2.0
"""Patients of two domains (FIELD 1, 2, 4): which ID each archive gets, what waits for the crosswalk and leaves by
itself, and studies that stay whole whatever an import says in the midst of them."""
from pathlib import Path
from typing import Any

from dgtest import part10
from dgtest.pdu import EXPLICIT_LE
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes

PATIENT_ID, ISSUER, STUDY, PIXELS = 0x00100020, 0x00100021, 0x0020000D, 0x7FE00010
HEADER = "source_domain,source_id,target_domain,target_id\n"


def stage_of(folder: Path, **new: Any) -> Stage:
    """CT1 and the legacy archive live in LEGACY, the new archive in ENTERPRISE."""
    settings = {"domains": {"LEGACY": {"issuers": ["OLDHOSP"]}, "ENTERPRISE": {"issuers": ["GROUP"]}},
                "clients": [{"ae_title": "CT1", "domain": "LEGACY", "services": ["echo", "store"]}],
                "nodes": {"legacy": {"domain": "LEGACY"}, "new": {"domain": "ENTERPRISE", **new}}}
    return Stage(folder, settings=settings)


def one(study: int, number: int, patient: str = "4711") -> part10.Instance:
    uid = part10.uid(78, study, number)
    head = [part10.element(0x00080016, "UI", STORAGE.encode()), part10.element(0x00080018, "UI", uid.encode()),
            part10.element(PATIENT_ID, "LO", patient.encode()),
            part10.element(STUDY, "UI", part10.uid(78, study).encode()),
            part10.element(PIXELS, "OW", bytes(range(256)) * 20)]
    data = b"".join(head)
    return part10.Instance(f"one-{study}-{number}", STORAGE, uid, EXPLICIT_LE, len(data), content=data)


def rows_import(stage: Stage, *rows: str) -> None:
    path = stage.daemon.folder / "rows.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    done = stage.daemon.run_client("crosswalk", "import", str(path), "--person", "Ada", "--reason", "test")
    assert done.returncode == 0, done.stderr


def patient_of(stage: Stage, instance: part10.Instance) -> tuple[str, str]:
    """ID and issuer as the new archive has them."""
    copy, = [copy for copy in stage.new.copies() if copy.uid == instance.sop_instance]
    data = (stage.new.folder / copy.file).read_bytes()
    found = {tag: part10.text(value) for tag, _, value in part10.elements(data, EXPLICIT_LE, ISSUER)}
    return found.get(PATIENT_ID, ""), found.get(ISSUER, "")


def send(stage: Stage, *instances: part10.Instance) -> None:
    stage.send(list(instances))
    for instance in instances:
        stage.new.wait_uids([instance.sop_instance], 20)


def test_held_until_the_crosswalk_knows(folder):
    with stage_of(folder, unmatched="hold") as stage:
        held = [one(1, 1), one(1, 2), one(2, 1, "4712")]
        stage.send(held)
        stage.legacy.wait_uids([instance.sop_instance for instance in held], 20)
        wait_for("held", lambda: stage.daemon.archives()["new"]["held"] == 3, 20)
        rows_import(stage, "LEGACY,4711,ENTERPRISE,E-1")
        stage.new.wait_uids([instance.sop_instance for instance in held[:2]], 20)
        assert [patient_of(stage, instance) for instance in held[:2]] == [("E-1", "GROUP")] * 2
        wait_for("held", lambda: stage.daemon.archives()["new"]["held"] == 1, 20)
        assert len(stage.new.copies()) == 2
        assert same_bytes(held, stage.legacy.copies()) == [], "its own domain: as it came"


def test_a_study_stays_whole(folder):
    """By what its first instance went out with, matched or not, over a restart; until a person moves it."""
    with stage_of(folder) as stage:
        rows_import(stage, "LEGACY,4711,ENTERPRISE,E-1")
        send(stage, one(1, 1), one(2, 1, "4712"))
        assert patient_of(stage, one(1, 1)) == ("E-1", "GROUP")
        assert patient_of(stage, one(2, 1, "4712")) == ("4712", "OLDHOSP")
        rows_import(stage, "LEGACY,4711,ENTERPRISE,E-5", "LEGACY,4712,ENTERPRISE,E-2")
        stage.daemon.kill()
        stage.daemon.start()
        send(stage, one(1, 2), one(2, 2, "4712"), one(3, 1), one(4, 1, "4712"))
        assert patient_of(stage, one(1, 2)) == ("E-1", "GROUP")
        assert patient_of(stage, one(2, 2, "4712")) == ("4712", "OLDHOSP")
        assert patient_of(stage, one(3, 1)) == ("E-5", "GROUP")
        assert patient_of(stage, one(4, 1, "4712")) == ("E-2", "GROUP")
        ids = stage.daemon.folder / "ids"
        ids.write_text("E-2\n")
        done = stage.daemon.run_client("crosswalk", "move-study", "--uid", part10.uid(78, 2), "--domain", "ENTERPRISE",
                                       "--person", "Ada", "--reason", "test", str(ids))
        assert done.returncode == 0, done.stderr
        send(stage, one(2, 3, "4712"))
        assert patient_of(stage, one(2, 3, "4712")) == ("E-2", "GROUP")


def test_as_it_came(folder):
    with stage_of(folder, unmatched="pass") as stage:
        sent = [one(1, 1), one(2, 1)]
        send(stage, *sent)
        assert same_bytes(sent, stage.new.copies()) == []
