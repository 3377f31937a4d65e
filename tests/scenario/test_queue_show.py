# SPDX-License-Identifier: Apache-2.0
"""`dicomgate queue show`: what is owed to whom, and why it does not go; over a crash too."""
import json
import time
from dataclasses import replace

import pytest
from dgtest import part10, pdu
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

CT = "1.2.840.10008.5.1.4.1.1.2"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
PATIENT = "Rabe^Karin"


def ask(stage: Stage, *words: str) -> dict:
    answer = stage.daemon.ask("queue", "show", *words)
    assert answer["version"] == 1
    return answer


def summary(stage: Stage, archive: str) -> dict:
    rows = {row["archive"]: row for row in ask(stage)["archives"]}
    return rows[archive]


def groups(stage: Stage, archive: str, kind: str) -> list[dict]:
    return [group for group in summary(stage, archive)["groups"] if group["stage"] == kind]


def shown(stage: Stage, what: str, archive: str) -> dict:
    """The row of one receipt or UID, once the ledger knows what it is."""
    def row() -> dict | None:
        found = [item for item in ask(stage, what)["items"] if item["archive"] == archive]
        return found[0] if len(found) == 1 and found[0]["uid"] else None
    return wait_for(f"{what} at {archive}", row, 15)


def refused_everywhere(stage: Stage, one: part10.Instance, count: int) -> None:
    row = shown(stage, one.sop_instance, "new")
    assert (row["stage"], row["sop_class"], row["transfer_syntax"]) == ("parked", STORAGE, one.transfer_syntax)
    assert row["reason"] == "archive does not accept this SOP Class or syntax (3)"
    assert row["contexts"]["answer"] == 3 and row["contexts"]["meaning"] == "abstract syntax not supported"
    assert row["contexts"]["accepts"] == [], "it takes nothing of this class"
    assert shown(stage, str(row["receipt"]), "new")["reason"] == row["reason"], "by number as by UID"
    group, = groups(stage, "new", "parked")
    assert (group["count"], group["reason"]) == (count, row["reason"])
    assert group["contexts"]["answer"] == 3
    listed = [i for i in stage.daemon.ask("queue", "list")["items"] if i["archive"] == "new"]
    assert [i["reason"] for i in listed] == count * [row["reason"]]
    assert group["receipt"] == min(i["receipt"] for i in listed)


@pytest.mark.parametrize("awake", [16384, 1])
def test_the_explanation_of_a_parked_instance_survives_a_crash(folder, awake):
    """Also of receipts that sleep."""
    with Stage(folder, start=False, settings={"memory": {"awake_receipts": awake}}) as stage:
        stage.new.set(abstracts=[CT])
        stage.daemon.start()
        sent = [part10.generate(2000, 91, 1, n, sop_class=STORAGE) for n in range(6)]
        one = sent[3]
        stage.send(sent)
        wait_for("parked at new", lambda: summary(stage, "new")["parked"] == 6, 15)
        refused_everywhere(stage, one, 6)
        stage.daemon.kill()
        stage.daemon.start()
        refused_everywhere(stage, one, 6)
        told = stage.daemon.run_client("queue", "show", one.sop_instance).stdout
        assert "does not accept this SOP Class or syntax (3)" in told
        line, = [line for line in told.splitlines() if "refused (3): abstract syntax not supported" in line]
        assert "SecondaryCaptureImageStorage" in line and line.endswith("none that is known")


def test_what_it_would_take_instead_is_named(folder):
    with Stage(folder, start=False) as stage:
        stage.new.set(abstracts=[STORAGE], transfers=[pdu.EXPLICIT_LE])
        stage.daemon.start()
        fits = part10.generate(2000, 91, 2, sop_class=STORAGE)
        other = replace(part10.generate(2000, 91, 3, sop_class=STORAGE), transfer_syntax=JPEG_LOSSLESS)
        stage.send([fits])
        stage.send([other])
        wait_for("parked at new", lambda: groups(stage, "new", "parked"), 15)
        row = shown(stage, other.sop_instance, "new")
        assert row["contexts"]["answer"] == 4
        assert [a["transfer_syntax"] for a in row["contexts"]["accepts"]] == [pdu.EXPLICIT_LE]


def test_an_archive_that_is_away_and_one_that_refuses(folder):
    """Resting with the time of the next try, parked with the archive's answer, counts of each."""
    with Stage(folder, node_options={"retry_min": "1h", "retry_max": "1h"}) as stage:
        busy, bad, fine = (part10.generate(2000, 91, n, sop_class=STORAGE) for n in (4, 5, 6))
        stage.new.set(status=0xA700, comment=PATIENT, only=busy.sop_instance)
        stage.send([busy])
        rest, = wait_for("it rests", lambda: groups(stage, "new", "resting"), 15)
        stage.new.set(status=0xA900, comment=PATIENT, only=bad.sop_instance)
        stage.send([bad, fine])
        parked, = wait_for("it is parked", lambda: groups(stage, "new", "parked"), 15)
        assert rest["reason"].startswith("A700") and rest["count"] == 1
        assert time.time() < rest["next"] < time.time() + 3700
        assert parked["reason"].startswith("A900") and parked["contexts"] is None
        row = shown(stage, bad.sop_instance, "new")
        assert (row["status"], row["attempts"]) == ("A900", 1)
        assert abs(shown(stage, busy.sop_instance, "new")["next"] - rest["next"]) <= 1, "seconds, rounded at other moments"

        def counts() -> tuple[int, ...]:
            found = summary(stage, "new")
            return tuple(found[key] for key in ("owed", "waiting", "resting", "gated", "held", "sending", "parked"))
        wait_for("one rests, one is parked", lambda: counts() == (1, 0, 1, 0, 0, 0, 1), 15)
        told = stage.daemon.run_client("queue", "show").stdout + json.dumps(ask(stage))
        assert PATIENT not in told and "Test^Patient" not in told
        assert stage.daemon.run_client("queue", "show", "--archive", "nobody").returncode == 5
        only = ask(stage, "--archive", "legacy")["archives"]
        assert [row["archive"] for row in only] == ["legacy"]


@pytest.mark.parametrize("awake", [16384, 1])
def test_a_modality_whose_title_the_archive_does_not_know(folder, awake):
    """The archive is up, and yet status, its alarms and `queue show` say what rests and why; also of receipts that sleep."""
    with Stage(folder, settings={"memory": {"awake_receipts": awake}},
               node_options={"retry_min": "2s", "retry_max": "20s"}) as stage:
        stage.new.set(mode="reject", triple=(1, 1, 3), caller="MR7")
        strange = [part10.generate(2000, 91, 8, n, sop_class=STORAGE) for n in range(5)]
        known = part10.generate(2000, 91, 9, sop_class=STORAGE)
        stage.send(strange, calling="MR7")
        stage.send([known])
        stage.new.wait_uids([known.sop_instance])
        alarm = "archive new rejects calling title MR7: 5 instances rest"
        wait_for("the alarm", lambda: stage.daemon.status()["alarms"] == [alarm], 15)

        def told() -> tuple:
            row = stage.daemon.archives()["new"]
            return row["state"], row["problem"], row["titles_rejected"]
        # Each of them is another for the moment of the next try.
        wait_for("the figure", lambda: told() == ("up", "rejects calling title MR7", 5))
        wait_for("a finding", lambda: stage.daemon.run_client("status").returncode == 1)
        wait_for("the problem", lambda: summary(stage, "new")["problem"] == "rejects calling title MR7")
        wait_for("the group", lambda: [(group["count"], group["reason"]) for group in groups(stage, "new", "resting")] ==
                 [(5, "archive does not know its AE titles")])
        assert stage.daemon.archives()["legacy"]["titles_rejected"] == 0
        stage.new.set()
        stage.new.wait_uids([one.sop_instance for one in strange])
        wait_for("no alarm", lambda: stage.daemon.status()["alarms"] == [], 15)


def test_what_is_in_flight_and_what_waits(folder):
    with Stage(folder, settings={"limits": {"stop": "1s"}},
               node_options={"associations": 1, "settle_on": "after", "settle_after": "1h"}) as stage:
        stage.new.set(mode="never_answer")
        sent = [part10.generate(2000, 91, 7, n, sop_class=STORAGE) for n in range(3)]
        stage.send(sent)

        def flight() -> bool:
            found = summary(stage, "new")
            return (found["sending"], found["waiting"]) == (1, 2)
        wait_for("one in flight, two wait", flight, 15)
        wait_for("answered", lambda: shown(stage, sent[0].sop_instance, "legacy")["stage"] == "answered")
        assert shown(stage, sent[0].sop_instance, "legacy")["status"] == "0000"


def test_what_nobody_is_owed(folder):
    with Stage(folder) as stage:
        assert ask(stage, "1.2.3")["items"] == []
        done = stage.daemon.run_client("queue", "show", "17")
        assert done.returncode == 0 and "nothing is owed of it" in done.stdout
        assert stage.daemon.run_client("queue", "show", "seventeen").returncode == 2
