# SPDX-License-Identifier: Apache-2.0
"""What can not be edited as the rules say never leaves unedited: it is held for that archive with the reason, and the
other archive, which wants no edits, gets its copy byte for byte."""
from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dgtest import edits, part10
from dgtest.ports import wait_for
from dgtest.stage import Stage, same_bytes

SITE = "{ set: InstitutionName, to: St Mary }"
LATE = part10.element(0x00104000, "LT", b"behind the pixels")


def deep(levels: int) -> bytes:
    """The value of a sequence in which there are so many more, one in the other."""
    value = b""
    for _ in range(levels):
        inner = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, len(value)) + value
        value = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    return value


class Case:
    """`is_seen`: rules could look at it, and could not do what they wanted."""

    def __init__(self, reason: str, *actions: str, calling: str = "CT1", is_seen: bool = True, **fields) -> None:
        self.reason, self.actions, self.calling, self.fields = reason, actions or (SITE,), calling, fields
        self.is_seen = is_seen


LONG = b"a" * 62 + b"!"
CASES = {
    "limit of an expression": Case("limit", '{ replace: StudyDescription, pattern: "^(a|aa)+$", with: b }',
                                   extra={0x00081030: ("LO", LONG)}),
    "later rule after an edit": Case("limit", SITE, '{ replace: StudyDescription, pattern: "^(a|aa)+$", with: b }',
                                     extra={0x00081030: ("LO", LONG)}),
    "character": Case("character", "{ set: InstitutionName, to: 山田病院 }"),
    "value too long": Case("InstitutionalDepartmentName",
                           "{ copy: InstitutionalDepartmentName, from: PatientComments }",
                           extra={0x00104000: ("LT", b"x" * 200)}),
    "not text": Case("StudyDescription", "{ case: StudyDescription, to: upper }", charset="ISO_IR 192",
                     extra={0x00081030: ("LO", b"\xff\xfe")}),
    "nested too deep": Case("could not be followed", calling="TORN", is_seen=False, extra={0x0040A730: ("SQ", deep(66))}),
    "behind Pixel Data": Case("Pixel Data", is_seen=False, behind=LATE),
}


def stage_of(folder: Path, *actions: str, **options) -> Stage:
    """The new archive has the pack; the legacy one gets everything as it comes."""
    stage = Stage(folder, settings={"rules": {"packs": edits.pack(folder / "packs", *actions)},
                                    "clients": [{"ae_title": "CT1"},
                                                {"ae_title": "TORN", "quirks": ["accept_unscanned"]}],
                                    "nodes": {"new": {"packs": ["site"]}}}, start=False, **options)
    return stage


@pytest.mark.parametrize("name", CASES)
def test_held_with_the_reason(folder, name):
    case = CASES[name]
    bad = edits.instance(1, study=1, **case.fields)
    good = edits.instance(1, study=2)
    stage = stage_of(folder, *case.actions)
    stage.daemon.start()
    with stage:
        stage.send([bad], calling=case.calling)
        stage.legacy.wait_uids([bad.sop_instance])
        groups = edits.wait_held(stage.daemon, 1)
        assert (groups[0]["archive"], groups[0]["count"]) == ("new", 1)
        assert case.reason.lower() in groups[0]["reason"].lower(), groups
        assert "St Mary" not in groups[0]["reason"] and "Doe" not in groups[0]["reason"], "a value in a reason"
        assert same_bytes([bad], stage.legacy.copies()) == []
        # Not one byte of it: what comes behind it is served, and nothing of it was begun and given up.
        if case.actions == (SITE,):
            stage.send([good])
            stage.new.wait_uids([good.sop_instance])
            assert edits.read(stage.new.data(stage.new.copies()[0])).InstitutionName == "St Mary"
        assert [copy.uid for copy in stage.new.copies() if copy.uid == bad.sop_instance] == []
        assert stage.new.counts()["partial"] == 0
        # A person lets it go: what nobody can look at goes as it came, what can not be edited is held again.
        wait_for("the ledger knows it", lambda: stage.daemon.ledger(bad.sop_instance))
        done = stage.daemon.run_client("hold", "release", "--uid", bad.sop_instance, "new", *edits.WHO)
        assert done.returncode == 0, done.stdout + done.stderr
        if not case.is_seen:
            stage.new.wait_uids([bad.sop_instance])
            assert same_bytes([bad], stage.new.copies()) == []
            return
        edits.wait_held(stage.daemon, 1)
        assert [copy.uid for copy in stage.new.copies() if copy.uid == bad.sop_instance] == []


def test_held_through_a_restart(folder):
    """It is held when the daemon starts again, and leaves by itself under a pack that can be applied."""
    bad = edits.instance(1)
    stage = stage_of(folder, CASES["character"].actions[0])
    stage.daemon.start()
    with stage:
        stage.send([bad])
        edits.wait_held(stage.daemon, 1)
        stage.daemon.kill()
        stage.daemon.start()
        edits.wait_held(stage.daemon, 1)
        assert stage.new.copies() == []
        edits.pack(folder / "packs", SITE)
        assert stage.daemon.stop() == 0
        stage.daemon.start()
        stage.new.wait_uids([bad.sop_instance])
        assert edits.read(stage.new.data(stage.new.copies()[0])).InstitutionName == "St Mary"
        edits.wait_held(stage.daemon, 0)


def test_missing_table(folder):
    """The daemon does not start, and says which file; so does `rules check`."""
    stage = stage_of(folder, "{ map: InstitutionName, table: names }")
    edits.pack(folder / "packs", "{ map: InstitutionName, table: names }",
               tables="{ names: { file: nowhere.csv, from: found, to: name } }")
    with stage:
        check = stage.daemon.run_client("rules", "check")
        assert check.returncode != 0 and "nowhere.csv" in check.stdout + check.stderr
        assert "site.yaml:4" in check.stdout + check.stderr, "file and line"
        stage.daemon.start(ready=False)
        assert stage.daemon.process.wait(30) == 3
        stage.daemon.process = None
        assert "nowhere.csv" in stage.daemon.log()


def test_table_goes_missing_while_it_runs(folder):
    """A reload that can not read it is refused, and the rules that are in force stay."""
    stage = stage_of(folder, SITE)
    stage.daemon.start()
    with stage:
        edits.pack(folder / "packs", "{ map: InstitutionName, table: names }",
                   tables="{ names: { file: nowhere.csv, from: found, to: name } }")
        assert stage.daemon.run_client("config", "reload").returncode != 0
        one = edits.instance(1)
        stage.send([one])
        stage.new.wait_uids([one.sop_instance])
        assert edits.read(stage.new.data(stage.new.copies()[0])).InstitutionName == "St Mary"


def test_cases_are_what_they_say(folder):
    """The reasons of rules, by `rules try`, which needs no daemon; the same code decides."""
    for name in ("limit of an expression", "character", "value too long", "not text"):
        case = CASES[name]
        one = edits.instance(1, **case.fields)
        place = folder / name.replace(" ", "-")
        stage = stage_of(place, *case.actions)
        with stage:
            path = edits.file_of(place, one.content, one.sop_instance)
            done = stage.daemon.run_client("rules", "try", str(path), "--archive", "new", "--json")
            assert done.returncode == 1, (name, done.stdout, done.stderr)
            assert '"outcome":"hold"' in done.stdout.replace(" ", ""), (name, done.stdout)
            assert case.reason.lower() in done.stdout.lower(), (name, done.stdout)
