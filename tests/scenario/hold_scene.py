# SPDX-License-Identifier: Apache-2.0
"""An archive with a pack that holds and rejects, for the tests of what that does."""
from dgtest import edits, part10, pdu
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

PATIENT = "Rabe^Karin"
PACK = """
pack: site
version: 1.0.0
description: Rules of a test
rules:
  - rule: doubtful
    when: { element: PatientID, in: [DOUBTFUL] }
    do: [ { hold: a doubtful patient } ]
  - rule: never
    when: { element: PatientID, in: [NEVER] }
    do: [ { reject: this patient is not ours } ]
"""
BY = ("--person", "J. Doe", "--reason", "looked at")


def instance(study: int, number: int, patient: str, size: int = 2000) -> part10.Instance:
    element = part10.element
    uid, study_uid = part10.uid(72, study, number), part10.uid(72, study)
    content = b"".join([
        element(0x00080016, "UI", STORAGE.encode()), element(0x00080018, "UI", uid.encode()),
        element(0x00080060, "CS", b"OT"), element(0x00100010, "PN", PATIENT.encode()),
        element(0x00100020, "LO", patient.encode()), element(0x0020000D, "UI", study_uid.encode()),
        element(0x0020000E, "UI", study_uid.encode() + b".1"), element(0x7FE00010, "OW", bytes(size))])
    return part10.Instance(f"{patient} {study} {number}", STORAGE, uid, pdu.EXPLICIT_LE, len(content), content=content)


def scene(folder, *archives: str, pack: str = PACK) -> Stage:
    return Stage(folder, settings=edits.put_pack(folder / "packs", pack, *archives))


def held(stage: Stage, count: int) -> list[dict]:
    def groups() -> list[dict] | None:
        found = stage.daemon.ask("hold", "list")["groups"]
        return found if sum(group["count"] for group in found) == count and all(g["study"] for g in found) else None
    return wait_for(f"{count} are held", groups, 30)
