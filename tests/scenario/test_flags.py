# SPDX-License-Identifier: Apache-2.0
"""What goes although somebody should look at it: ledger and status tell it, over a kill and a ledger made anew."""
from __future__ import annotations

import json
import shutil
from typing import Any

from dgtest import edits, part10
from dgtest.daemon import ROOT
from dgtest.ports import wait_for
from dgtest.stage import Stage

BURNED_IN = "burned-in/burned-in-annotation: BurnedInAnnotation: missing on a secondary capture"
UNMATCHED = "the crosswalk does not know this patient ID"
REASONS = [BURNED_IN, UNMATCHED]


def scene(folder, journal: dict[str, Any] | None = None, **new_options: Any) -> Stage:
    """Secondary captures of patients that the crosswalk does not know, under a shipped pack that flags."""
    packs = folder / "packs"
    packs.mkdir()
    shutil.copy(ROOT / "rules" / "packs" / "burned-in.yaml", packs)
    nodes = {"legacy": {"domain": "LEGACY"},
             "new": {"domain": "ENTERPRISE", "unmatched": "flag", "packs": ["burned-in"], **new_options}}
    return Stage(folder, settings={**edits.DOMAINS, "rules": {"packs": str(packs)}, "nodes": nodes,
                                  "journal": journal or {}})


def deliveries(stage: Stage, uid: str) -> dict[int, dict[str, Any]]:
    return {row["archive"]: row for fact in stage.daemon.ledger(uid) for row in fact["archives"]}


def flagged(stage: Stage, *words: str) -> list[dict[str, Any]]:
    return stage.daemon.ask("ledger", "flagged", *words)["groups"]


def check(stage: Stage, sent: list[part10.Instance]) -> None:
    for one in sent:
        rows = deliveries(stage, one.sop_instance)
        assert (rows[2]["flags"], rows[2]["flag_reasons"]) == (2, REASONS)
        assert "flags" not in rows[1] and "flag_reasons" not in rows[1]
    groups = flagged(stage)
    assert {(row["name"], row["study"], row["reason"]) for row in groups} == {
        ("new", edits.study_uid(study), reason) for study in (1, 2) for reason in REASONS}
    assert [row["count"] for row in groups if row["study"] == edits.study_uid(1)] == [2, 2]
    assert "4711" not in json.dumps(groups) and "Doe" not in json.dumps(groups)


def deliver(stage: Stage) -> list[part10.Instance]:
    sent = [edits.instance(1, patient="P4711"), edits.instance(2, patient="P4711"),
            edits.instance(1, study=2, patient="P4711")]
    stage.send(sent)
    stage.wait_arrived(sent)
    wait_for("the ledger knows it", lambda: sum(row["count"] for row in flagged(stage)) == 6, 20, 0.1)
    return sent


def test_flags_are_told(folder):
    with scene(folder) as stage:
        assert flagged(stage) == []
        quiet = stage.daemon.run_client("ledger", "flagged")
        assert quiet.returncode == 0 and "nothing" in quiet.stdout
        sent = deliver(stage)
        check(stage, sent)
        wait_for("counted", lambda: stage.daemon.archives()["new"]["counters"]["flagged"] == 3, 20, 0.1)
        assert stage.daemon.archives()["legacy"]["counters"]["flagged"] == 0
        told = stage.daemon.run_client("ledger", "flagged")
        assert told.returncode == 1 and all(reason in told.stdout for reason in REASONS)
        shown = stage.daemon.run_client("ledger", "show", sent[0].sop_instance).stdout
        assert all(f"flagged       {reason}" in shown for reason in REASONS)
        stage.daemon.kill()
        stage.daemon.start()
        check(stage, sent)
        assert stage.daemon.stop() == 0
        done = stage.daemon.run_client("ledger", "rebuild")
        assert done.returncode == 0, done.stderr
        check(stage, sent)


def test_what_is_not_edited_is_flagged_too(folder):
    """With `unmatched: pass` not a byte changes, so there is no evidence, but the finding of the pack is on record."""
    with scene(folder, unmatched="pass") as stage:
        one = edits.instance(1)
        stage.send([one])
        stage.wait_arrived([one])
        wait_for("flagged", lambda: len(flagged(stage)) == 1, 20, 0.1)
        row = deliveries(stage, one.sop_instance)[2]
        assert (row["flags"], row["flag_reasons"]) == (1, [BURNED_IN]) and "edits" not in row


def test_the_list_is_narrowed_down(folder):
    with scene(folder) as stage:
        deliver(stage)
        assert {row["reason"] for row in flagged(stage, "--reason-has", "burned-in/")} == {BURNED_IN}
        assert flagged(stage, "--archive", "legacy") == []
        assert len(flagged(stage, "--archive", "new", "--since", "2020-01-01")) == 4
        assert flagged(stage, "--since", "2999-01-01T00:00:00") == []
        for words in (["--since", "yesterday"], ["--archive", "nobody"], ["--file", "x"], ["word"]):
            assert stage.daemon.run_client("ledger", "flagged", *words).returncode == 2
        for words in (["stats", "--since", "2020-01-01"], ["show", "1.2", "--reason-has", "x"]):
            assert stage.daemon.run_client("ledger", *words).returncode == 2


def test_a_copy_keeps_the_first_reason(folder):
    """Of the last SENT of what is still owed no segment is left, only the copy; then the ledger is lost."""
    with scene(folder, {"segment_size": "1MiB"}) as stage:
        stage.new.set(status=0xC000)  # parks: sent, and owed for long
        one = edits.instance(1)
        stage.send([one])
        stage.legacy.wait_uids([one.sop_instance])
        wait_for("parked", lambda: stage.daemon.archives()["new"]["parked"] == 1, 20, 0.1)
        assert stage.daemon.stop() == 0
        data = stage.daemon.folder / "data"
        shutil.rmtree(data / "ledger")
        stage.daemon.run_client("ledger", "rebuild")  # of the journal alone, with the SENT in it
        row = deliveries(stage, one.sop_instance)[2]
        assert (row["flags"], row["flag_reasons"]) == (2, REASONS)
        before = list((data / "journal").glob("000[01]-*.seg"))
        stage.daemon.settings["journal"] |= {"segment_age": "1s", "copy_after": "1s"}
        stage.daemon.write()
        stage.daemon.start()
        wait_for("only copies are left", lambda: not any(path.exists() for path in before), 60, 0.1)
        assert stage.daemon.stop() == 0
        row = deliveries(stage, one.sop_instance)[2]
        assert (row["flags"], row["flag_reasons"]) == (2, REASONS)
        shutil.rmtree(data / "ledger")
        stage.daemon.run_client("ledger", "rebuild")
        row = deliveries(stage, one.sop_instance)[2]
        assert (row["flags"], row["flag_reasons"]) == (2, [BURNED_IN])
        assert "findings in all" in stage.daemon.run_client("ledger", "show", one.sop_instance).stdout
