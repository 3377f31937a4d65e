# SPDX-License-Identifier: Apache-2.0
"""One study under two patients: a rule that asks finds it, over restarts, another master key and a ledger made anew."""
import pytest
from dgtest import sender
from hold_scene import held, instance, scene

PACK = """
pack: site
version: 1.0.0
description: Rules of a test
rules:
  - rule: one-patient
    do: [ { uid: other-patient, outcome: %s } ]
"""
REASON = "site/one-patient: the study is known under another patient"


def leave(stage) -> None:
    stage.daemon.kill()
    stage.daemon.start()


def rotate(stage) -> None:
    assert stage.daemon.stop() == 0
    done = stage.daemon.run_client("key", "rotate")
    assert done.returncode == 0, done.stderr
    stage.daemon.start()


def rebuild(stage) -> None:
    assert stage.daemon.stop() == 0
    done = stage.daemon.run_client("ledger", "rebuild")
    assert done.returncode == 0, done.stderr
    stage.daemon.start()


@pytest.mark.parametrize("between", [None, leave, rotate, rebuild])
def test_found(folder, between):
    with scene(folder, "new", pack=PACK % "hold") as stage:
        first, second, other, again = (instance(1, 1, "JANE"), instance(1, 2, "RICHARD"), instance(2, 1, "RICHARD"),
                                       instance(1, 3, " JANE "))
        stage.send([first])
        stage.wait_arrived([first])
        if between is not None:
            between(stage)
        stage.send([second, other, again])
        group, = held(stage, 1)
        assert (group["archive"], group["reason"]) == ("new", REASON)
        stage.legacy.wait_uids([one.sop_instance for one in (second, other, again)], 30)
        stage.new.wait_uids([other.sop_instance, again.sop_instance], 30)
        assert set(stage.new.uids()) == {one.sop_instance for one in (first, other, again)}
        data = b"".join(path.read_bytes() for path in (stage.daemon.folder / "data" / "ledger").iterdir())
        assert b"JANE" not in data and b"RICHARD" not in data


def test_two_at_once_on_one_association_each(folder):
    """Whichever comes first goes; the ledger has read neither."""
    with scene(folder, "new", pack=PACK % "hold") as stage:
        pairs = [(instance(study, 1, "JANE"), instance(study, 2, "RICHARD")) for study in range(1, 41)]
        firsts, seconds = zip(*pairs)
        told = sender.send_parallel(stage.target(), [list(firsts), list(seconds)])
        assert [result.status for result in told] == [0] * 80
        held(stage, len(pairs))
        stage.legacy.wait_uids([one.sop_instance for pair in pairs for one in pair], 30)
        stage.new.wait_copies(len(pairs))
        arrived = stage.new.uids()
        assert len(arrived) == len(pairs)
        assert all((first.sop_instance in arrived) != (second.sop_instance in arrived) for first, second in pairs)


def test_refused_before_success(folder):
    with scene(folder, "new", pack=PACK % "reject") as stage:
        first, second, again = instance(1, 1, "JANE"), instance(1, 2, "RICHARD"), instance(1, 3, "JANE")
        stage.send([first])
        stage.wait_arrived([first])
        assert [result.status for result in sender.send(stage.target(), [second, again])] == [0xA900, 0]
        stage.wait_arrived([again])
        assert second.sop_instance not in stage.legacy.uids() + stage.new.uids()
