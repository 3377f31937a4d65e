# SPDX-License-Identifier: Apache-2.0
"""The crosswalk on the way of an instance: each archive gets the patient under the ID of its own domain (FIELD 1 to 5),
nothing else of it moves, what waits for the crosswalk leaves by itself, and studies stay whole whatever an import says in
the midst of them. Read back with pydicom and dicom3tools."""
from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dgtest import edits, part10, sender
from dgtest.ports import wait_for
from dgtest.stage import Stage, same_bytes


NOTES = {"OriginalAttributesSequence", "ContributingEquipmentSequence"}


class Hospital(Stage):
    """`legacy` lives in LEGACY, `new` in ENTERPRISE; `new_options` go to the new archive's node."""

    def __init__(self, folder: Path, targets: dict[str, str] | None = None, **new_options: Any) -> None:
        nodes = {"legacy": {"domain": "LEGACY"}, "new": {"domain": "ENTERPRISE", **new_options}}
        super().__init__(folder, settings={**edits.DOMAINS, "nodes": nodes})
        self.targets = targets

    def __enter__(self) -> "Hospital":
        super().__enter__()
        if self.targets:
            self.know(self.targets)
        return self

    def know(self, targets: dict[str, str]) -> None:
        edits.crosswalk(self.daemon, "import", text=edits.rows(targets))

    def deliver(self, *instances: part10.Instance) -> None:
        self.send(list(instances))
        self.wait_arrived(list(instances))

    def at_new(self, instance: part10.Instance) -> Any:
        """The last copy of it at the new archive, as pydicom reads it."""
        return edits.read([self.new.data(copy) for copy in self.new.copies() if copy.uid == instance.sop_instance][-1])


def check_date(value: Any, since: float) -> None:
    """A DT of UTC between then and now."""
    assert str(value).endswith("+0000"), value
    moment = datetime.strptime(str(value), "%Y%m%d%H%M%S.%f%z").timestamp()
    assert since - 2 <= moment <= time.time() + 2, value


def check_original(item: Any, before: dict[str, str], since: float) -> None:
    """PS3.3 C.12.1.1.9, one item of one gateway."""
    check_date(item.AttributeModificationDateTime, since)
    assert item.ModifyingSystem
    assert "SourceOfPreviousValues" in item
    assert item.ReasonForTheAttributeModification in ("COERCE", "CORRECT")
    assert len(item.ModifiedAttributesSequence) == 1
    modified = item.ModifiedAttributesSequence[0]
    assert {element.keyword: str(element.value or "") for element in modified} == before


def check_equipment(item: Any) -> None:
    """PS3.3 C.12.1.1.5 (Contributing Equipment)."""
    purpose = item.PurposeOfReferenceCodeSequence
    assert len(purpose) == 1 and purpose[0].CodingSchemeDesignator == "DCM" and purpose[0].CodeMeaning
    assert purpose[0].CodeValue in ("109103", "109104", "MODIFIER", "109105")
    assert item.Manufacturer


def test_mapped_at_one_own_at_the_other(folder):
    one = edits.instance(1)
    begun = time.time()
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(one)
        assert same_bytes([one], stage.legacy.copies()) == [], "its own domain: byte for byte"
        before, after = edits.read_instance(one), stage.at_new(one)
        assert (after.PatientID, after.IssuerOfPatientID) == ("E-1", "GROUP")
        assert edits.differences(before, after) == {"PatientID", "IssuerOfPatientID", *NOTES}
        assert len(after.OriginalAttributesSequence) == 1 and len(after.ContributingEquipmentSequence) == 1
        check_original(after.OriginalAttributesSequence[0], {"PatientID": "0001", "IssuerOfPatientID": ""}, begun)
        check_equipment(after.ContributingEquipmentSequence[0])
        copy = stage.new.copies()[0]
        place = folder / "valid"
        place.mkdir()
        own = edits.validity(edits.file_of(place, one.content, one.sop_instance))
        assert edits.validity(edits.file_of(place, stage.new.data(copy), one.sop_instance)) <= own


def test_issuer_that_was_there_is_kept_as_original(folder):
    one = edits.instance(1, issuer="OLDHOSP")
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(one)
        after = stage.at_new(one)
        assert (after.PatientID, after.IssuerOfPatientID) == ("E-1", "GROUP")
        modified = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
        assert (modified.PatientID, modified.IssuerOfPatientID) == ("0001", "OLDHOSP")


def test_trusted_issuer_goes_before_the_client(folder):
    """Number spaces overlap: 0001 of the enterprise is somebody else than 0001 of the old hospital."""
    one = edits.instance(1, issuer="GROUP")
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(one)
        assert same_bytes([one], stage.new.copies()) == []


def test_the_called_title_says_whose_it_is(folder):
    """One client, two titles, two domains: 0001 is another patient in each."""
    titles = {"OLDPACS": "LEGACY", "NEWPACS": "ENTERPRISE"}
    rows = [{"match": {"called": [title]}, "to": ["legacy", "new"], "domain": domain} for title, domain in titles.items()]
    old, new = edits.instance(1), edits.instance(1, study=2)
    hospital = Hospital(folder, {"0001": "E-1"})
    hospital.daemon.settings.update(titles=list(titles), clients=[{"ae_title": "CT1"}], phases={"coexist": {"store": rows}})
    hospital.daemon.write()
    with hospital as stage:
        for title, one in (("OLDPACS", old), ("NEWPACS", new)):
            told = sender.send(sender.Target(("127.0.0.1", stage.daemon.port), title, "CT1"), [one])
            assert [result.status for result in told] == [0]
        stage.wait_arrived([old, new])
        assert patient_at_new(stage, old) == ("E-1", "GROUP")
        assert same_bytes([new], stage.new.copies()) == [] == same_bytes([old], stage.legacy.copies())


def test_notes_can_be_switched_off(folder):
    one = edits.instance(1)
    with Hospital(folder, {"0001": "E-1"}, original_attributes=False, contributing_equipment="never") as stage:
        stage.deliver(one)
        assert edits.differences(edits.read_instance(one), stage.at_new(one)) == {"PatientID", "IssuerOfPatientID"}


def test_a_resend_is_the_same_to_the_byte(folder):
    """Whatever the time: what is written comes from the receipt. The archive fails first, the daemon restarts."""
    one = edits.instance(1)
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.new.set(status=0xA700, times=2)
        stage.send([one])
        stage.new.wait_copies(2)
        stage.daemon.kill()
        stage.daemon.start()
        stage.new.wait_uids([one.sop_instance])
        assert len({copy.sha256 for copy in stage.new.copies()}) == 1 and len(stage.new.copies()) >= 3


# ---- unmatched, by each policy

def test_unmatched_flag(folder):
    """By default it goes, under its own ID, with the issuer of its own domain."""
    one = edits.instance(1)
    with Hospital(folder) as stage:
        stage.deliver(one)
        after = stage.at_new(one)
        assert (after.PatientID, after.IssuerOfPatientID) == ("0001", "OLDHOSP")
        assert edits.differences(edits.read_instance(one), after) == {"IssuerOfPatientID", *NOTES}


def test_unmatched_pass(folder):
    sent = [edits.instance(1), edits.instance(1, study=2)]
    with Hospital(folder, unmatched="pass") as stage:
        stage.deliver(*sent)
        assert same_bytes(sent, stage.new.copies()) == []


def test_unmatched_hold(folder):
    one = edits.instance(1)
    with Hospital(folder, unmatched="hold") as stage:
        stage.send([one])
        stage.legacy.wait_uids([one.sop_instance])
        groups = edits.wait_held(stage.daemon, 1)
        assert groups[0]["archive"] == "new" and groups[0]["study"] == edits.study_uid(1)
        assert "0001" not in str(groups), "no patient in a reason"
        assert stage.new.copies() == [] and same_bytes([one], stage.legacy.copies()) == []


def test_unmatched_reject(folder):
    """A900 with a comment before Success; no archive gets it."""
    one, known = edits.instance(1), edits.instance(1, study=2, patient="0002")
    with Hospital(folder, {"0002": "E-2"}, unmatched="reject") as stage:
        told = sender.send(stage.target(), [one, known])
        assert (told[0].status, told[1].status) == (0xA900, 0)
        assert told[0].comment and "0001" not in told[0].comment
        stage.wait_arrived([known])
        stage.daemon.wait_drained()
        for archive in stage.archives:
            assert [copy.uid for copy in archive.copies()] == [known.sop_instance]


# ---- news of the crosswalk

def ids_at_new(stage: Hospital, instances: list[part10.Instance]) -> list[str]:
    return [stage.at_new(one).PatientID for one in instances]


def test_merge_in_mid_study_keeps_the_pin(folder):
    """What other rows say later of the same source does not tear the study: the first delivery has fixed its target."""
    study = [edits.instance(number) for number in (1, 2)]
    with Hospital(folder, {"0001": "E-1", "0002": "E-2"}) as stage:
        stage.deliver(study[0])
        edits.crosswalk(stage.daemon, "merge", "--domain", "LEGACY", text="0001\n0002\n")
        other = edits.instance(1, study=2)
        stage.deliver(study[1], other)
        assert ids_at_new(stage, [*study, other]) == ["E-1", "E-1", "E-2"]


def test_merge_of_targets_moves_what_comes_after(folder):
    """FIELD 1: fixed until a merge changes it."""
    study = [edits.instance(number) for number in (1, 2)]
    with Hospital(folder, {"0001": "E-1", "0002": "E-2"}) as stage:
        stage.deliver(study[0])
        edits.crosswalk(stage.daemon, "merge", "--domain", "ENTERPRISE", text="E-1\nE-2\n")
        stage.deliver(study[1])
        assert ids_at_new(stage, study) == ["E-1", "E-2"]


def test_move_study_moves(folder):
    study = [edits.instance(number) for number in (1, 2)]
    other = edits.instance(1, study=2)
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(study[0])
        edits.crosswalk(stage.daemon, "move-study", "--uid", edits.study_uid(1), "--domain", "ENTERPRISE", text="E-9\n")
        stage.deliver(study[1], other)
        assert ids_at_new(stage, [*study, other]) == ["E-1", "E-9", "E-1"]


def patient_at_new(stage: Hospital, instance: part10.Instance) -> tuple[str, str]:
    after = stage.at_new(instance)
    return after.PatientID, after.IssuerOfPatientID


def test_a_study_stays_whole(folder):
    """By what its first instance went out with, matched or not, over a restart; until a person moves it."""
    known, unknown = {"patient": "0001"}, {"patient": "0002"}
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(edits.instance(1, study=1, **known), edits.instance(1, study=2, **unknown))
        assert patient_at_new(stage, edits.instance(1, study=1, **known)) == ("E-1", "GROUP")
        assert patient_at_new(stage, edits.instance(1, study=2, **unknown)) == ("0002", "OLDHOSP")
        stage.know({"0001": "E-5", "0002": "E-2"})
        stage.daemon.kill()
        stage.daemon.start()
        later = [edits.instance(2, study=1, **known), edits.instance(2, study=2, **unknown),
                 edits.instance(1, study=3, **known), edits.instance(1, study=4, **unknown)]
        stage.deliver(*later)
        assert [patient_at_new(stage, one) for one in later] == [("E-1", "GROUP"), ("0002", "OLDHOSP"),
                                                                 ("E-5", "GROUP"), ("E-2", "GROUP")]
        edits.crosswalk(stage.daemon, "move-study", "--uid", edits.study_uid(2), "--domain", "ENTERPRISE", text="E-2\n")
        moved = edits.instance(3, study=2, **unknown)
        stage.deliver(moved)
        assert patient_at_new(stage, moved) == ("E-2", "GROUP")


def test_import_releases_in_order(folder):
    """Held receipts leave by themselves, in order of receipt, when the crosswalk learns what was missing; what nobody
    knows stays."""
    study = [edits.instance(number) for number in range(1, 8)]
    stranger = edits.instance(1, study=2, patient="0099")
    with Hospital(folder, unmatched="hold", associations=1) as stage:
        stage.send([*study, stranger])
        stage.legacy.wait_uids([one.sop_instance for one in (*study, stranger)])
        edits.wait_held(stage.daemon, 8)
        assert stage.new.copies() == []
        stage.know({"0001": "E-1"})
        stage.new.wait_uids([one.sop_instance for one in study])
        assert [copy.uid for copy in stage.new.copies()] == [one.sop_instance for one in study]
        assert {patient_at_new(stage, one) for one in study} == {("E-1", "GROUP")}
        assert same_bytes([*study, stranger], stage.legacy.copies()) == [], "its own domain: as it came"
        assert len(stage.new.copies()) == len(study)
        assert edits.wait_held(stage.daemon, 1)[0]["study"] == edits.study_uid(2)


def test_same_instance_twice_stays_in_order_behind_a_hold(folder):
    """A corrected instance of the same SOP Instance UID does not overtake the held one; when both may go, the archive
    ends with the later one."""
    first = edits.instance(1)
    later = edits.instance(1, extra={0x00100010: ("PN", b"Doe^Janet")})
    with Hospital(folder, unmatched="hold") as stage:
        stage.send([first])
        edits.wait_held(stage.daemon, 1)
        stage.send([later])
        edits.wait_held(stage.daemon, 2)
        stage.know({"0001": "E-1"})
        stage.daemon.wait_drained()
        assert str(stage.at_new(first).PatientName) == "Doe^Janet"


def test_hold_release_and_reject(folder):
    """A person lets one go as it can go, and refuses the other for good."""
    study = [edits.instance(number) for number in (1, 2)]
    with Hospital(folder, unmatched="hold") as stage:
        stage.send(study)
        edits.wait_held(stage.daemon, 2)
        for verb, one in (("release", study[0]), ("reject", study[1])):
            done = stage.daemon.run_client("hold", verb, "--uid", one.sop_instance, "new", *edits.WHO)
            assert done.returncode == 0, done.stdout + done.stderr
        stage.new.wait_uids([study[0].sop_instance])
        stage.daemon.wait_drained()
        assert edits.holds(stage.daemon) == []
        assert [copy.uid for copy in stage.new.copies()] == [study[0].sop_instance]
        assert stage.at_new(study[0]).IssuerOfPatientID == "OLDHOSP", "it goes as flagged"
        wait_for("the ledger tells who rejected it", lambda: "Ada" in str(stage.daemon.ledger(study[1].sop_instance)), 20)


@pytest.mark.parametrize("runs", [True, False], ids=["up", "down"])
def test_rules_try_says_what_was_sent(folder, runs):
    """The file that it writes is the copy, but for the times of the receipt."""
    one = edits.instance(1)
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(one)
        copy = stage.at_new(one)
        assert runs or stage.daemon.stop() == 0
        path, out = edits.file_of(folder, one.content, one.sop_instance), folder / "out.dcm"
        done = stage.daemon.run_client("rules", "try", str(path), "--archive", "new", "--client", "CT1", "--write", str(out))
        assert done.returncode == 0 and "E-1" not in done.stdout, done.stdout + done.stderr
        tried = edits.read(out.read_bytes()[len(path.read_bytes()) - len(one.content):])
        tried.OriginalAttributesSequence[-1].AttributeModificationDateTime = \
            copy.OriginalAttributesSequence[-1].AttributeModificationDateTime
        tried.ContributingEquipmentSequence[-1].ContributionDateTime = \
            copy.ContributingEquipmentSequence[-1].ContributionDateTime
        assert tried == copy and tried.PatientID == "E-1"
        if not runs:
            stage.daemon.start()


def test_prove(folder):
    """The copy is proven to be the receipt but for edits that are named; one flipped byte is not."""
    one = edits.instance(1)
    with Hospital(folder, {"0001": "E-1"}) as stage:
        stage.deliver(one)
        words = ("ledger", "prove", one.sop_instance, "--archive", "new", "--file")
        data = stage.new.data(stage.new.copies()[0])
        place = folder / "copies"
        place.mkdir()
        path = edits.file_of(place, data, one.sop_instance)
        wait_for("the ledger knows it", lambda: stage.daemon.run_client(*words, str(path)).returncode == 0, 20, 0.2)
        told = stage.daemon.run_client(*words, str(path)).stdout
        assert "PatientID" in told and '"' not in told and "E-1" not in told, told
        path = edits.file_of(place, data.replace(b"Doe^Jane", b"Doe^Jone"), one.sop_instance)
        done = stage.daemon.run_client(*words, str(path))
        assert done.returncode == 1 and "not known" not in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("what", ["kill", "stop"])
def test_holds_and_pins_outlive_the_daemon(folder, what):
    study = [edits.instance(number) for number in (1, 2)]
    stranger = edits.instance(1, study=2, patient="0002")
    with Hospital(folder, {"0001": "E-1"}, unmatched="hold") as stage:
        stage.deliver(study[0])
        stage.send([stranger])
        edits.wait_held(stage.daemon, 1)
        edits.crosswalk(stage.daemon, "merge", "--domain", "LEGACY", text="0001\n0003\n")
        if what == "kill":
            stage.daemon.kill()
        else:
            assert stage.daemon.stop() == 0
        stage.daemon.start()
        edits.wait_held(stage.daemon, 1)
        stage.deliver(study[1])
        assert ids_at_new(stage, study) == ["E-1", "E-1"]
        stage.know({"0002": "E-2"})
        stage.new.wait_uids([stranger.sop_instance])
        assert stage.at_new(stranger).PatientID == "E-2"
