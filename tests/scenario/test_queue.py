# SPDX-License-Identifier: Apache-2.0
"""What an operator sees and does while an archive is away: queue and archive verbs."""
import pytest

from dgtest import part10
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage


def instances(count: int, *numbers: int) -> list[part10.Instance]:
    return [part10.generate(3000, 85, *numbers, n, sop_class=STORAGE) for n in range(count)]


def items(stage: Stage, archive: str = "new", state: str = "") -> list[dict]:
    found = stage.daemon.ask("queue", "list")["items"]
    return [item for item in found if item["archive"] == archive and state in ("", item["state"])]


def known(stage: Stage, state: str = "", count: int = 1) -> list[dict]:
    """The items, once there are `count` and the ledger knows their UIDs."""
    def complete() -> list[dict]:
        found = items(stage, state=state)
        return found if len(found) == count and all(item["uid"] for item in found) else []
    return wait_for(f"{count} {state} in the queue", complete, 30)


def test_queue_waits_for_an_archive_and_drains(folder):
    with Stage(folder) as stage:
        stage.new.down()
        sent = instances(20, 1)
        stage.send(sent)
        stage.legacy.wait_uids([i.sop_instance for i in sent])
        wait_for("20 owed to new", lambda: stage.daemon.archives()["new"]["owed"] == 20, 10)
        wait_for("none owed to legacy", lambda: stage.daemon.archives()["legacy"]["owed"] == 0, 10)
        assert {item["uid"] for item in known(stage, count=20)} == {i.sop_instance for i in sent}
        assert stage.daemon.run_client("archive", "echo", "new").returncode == 1
        assert stage.daemon.run_client("archive", "echo", "legacy").returncode == 0
        stage.new.up()
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        assert items(stage) == []
        assert len(stage.new.copies()) == 20, "each once"


def test_queue_survives_a_restart(folder):
    with Stage(folder) as stage:
        stage.new.down()
        sent = instances(20, 2)
        stage.send(sent)
        stage.legacy.wait_uids([i.sop_instance for i in sent])
        wait_for("none owed to legacy", lambda: stage.daemon.archives()["legacy"]["owed"] == 0, 10)
        assert stage.daemon.stop() == 0
        stage.new.up()
        stage.daemon.start()
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        assert len(stage.legacy.copies()) == 20, "a clean stop sends nothing twice"
        assert len(stage.new.copies()) == 20


def test_paused_archive_gets_nothing_until_resumed(folder):
    with Stage(folder) as stage:
        assert stage.daemon.run_client("archive", "pause", "new").returncode == 0
        sent = instances(5, 3)
        stage.send(sent)
        stage.legacy.wait_uids([i.sop_instance for i in sent])
        assert stage.daemon.archives()["new"]["state"] == "paused"
        assert stage.new.copies() == []
        stage.daemon.stop()
        stage.daemon.start()
        assert stage.daemon.archives()["new"]["state"] == "paused", "a restart must not undo an operator"
        later = instances(2, 4)
        stage.send(later)
        stage.legacy.wait_uids([i.sop_instance for i in later])
        assert stage.new.copies() == []
        assert stage.daemon.run_client("archive", "resume", "new").returncode == 0
        stage.wait_arrived([*sent, *later])


def test_park_retry_and_drop(folder):
    with Stage(folder) as stage:
        stage.new.down()
        sent = instances(3, 4)
        stage.send(sent)
        receipt = {item["uid"]: str(item["receipt"]) for item in known(stage, count=3)}
        parked, dropped, left = (receipt[i.sop_instance] for i in sent)

        def done(*words: str) -> bool:
            """It may be under way just now, in a try whether the archive is back."""
            return stage.daemon.run_client("queue", *words).returncode == 0
        wait_for("it can be parked", lambda: done("park", parked, "new"))
        assert stage.daemon.run_client("queue", "drop", dropped, "new").returncode == 2, "who, and why?"
        who = ("--person", "Dr. Test", "--reason", "a phantom")
        wait_for("it can be dropped", lambda: done("drop", dropped, "new", *who))
        wait_for("one parked", lambda: len(items(stage, state="parked")) == 1, 10)
        stage.new.up()
        stage.new.wait_uids([sent[2].sop_instance])
        assert left not in {str(item["receipt"]) for item in items(stage)} or \
            wait_for("the last one leaves the queue", lambda: len(items(stage)) == 1, 10)
        assert {copy.uid for copy in stage.new.copies()} == {sent[2].sop_instance}
        assert stage.daemon.run_client("queue", "retry", parked, "new").returncode == 0
        stage.new.wait_uids([sent[0].sop_instance])
        stage.daemon.wait_drained()
        assert {copy.uid for copy in stage.new.copies()} == {sent[0].sop_instance, sent[2].sop_instance}


@pytest.mark.parametrize("status", [0xA700, 0x0110])
def test_transient_status_is_tried_again(folder, status):
    with Stage(folder) as stage:
        stage.new.set(status=status, times=2)
        sent = instances(1, 5, status)
        stage.send(sent)
        stage.new.wait_uids([sent[0].sop_instance])
        stage.daemon.wait_drained()
        assert [copy.status for copy in stage.new.copies()] == [status, status, 0]


@pytest.mark.parametrize("status", [0xA900, 0x0122])
def test_permanent_status_parks_and_others_go_on(folder, status):
    with Stage(folder) as stage:
        sent = instances(3, 6, status)
        stage.new.set(status=status, comment="never", only=sent[1].sop_instance)
        stage.send(sent)
        stage.new.wait_uids([sent[0].sop_instance, sent[2].sop_instance])
        parked = known(stage, "parked")[0]
        assert parked["uid"] == sent[1].sop_instance
        assert f"{status:04X}" in parked["reason"].upper()
        assert len([copy for copy in stage.new.copies() if copy.uid == sent[1].sop_instance]) == 1


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007])
def test_warning_is_delivered(folder, status):
    with Stage(folder) as stage:
        stage.new.set(status=status)
        stage.send(instances(2, 7, status))
        stage.new.wait_copies(2)
        stage.daemon.wait_drained()
        assert len(stage.new.copies()) == 2


def test_an_instance_that_kills_associations_is_parked_alone(folder):
    """ENGINE 5: three aborts with successes in between, then alone, then parked."""
    with Stage(folder) as stage:
        sent = instances(12, 8)
        killer = sent[4]
        stage.new.set(mode="abort", after=100, only=killer.sop_instance)
        stage.send(sent)
        stage.new.wait_uids([i.sop_instance for i in sent if i is not killer], 60)
        more = instances(10, 9)
        stage.send(more)
        stage.new.wait_uids([i.sop_instance for i in more], 60)
        assert known(stage, "parked")[0]["uid"] == killer.sop_instance


def test_ledger_knows_every_receipt_also_when_the_daemon_is_down(folder):
    with Stage(folder) as stage:
        sent = instances(4, 10)
        stage.send(sent)
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        wait_for("all in the ledger", lambda: all(stage.daemon.ledger(one.sop_instance) for one in sent), 10)
        stage.daemon.stop()
        for one in sent:
            assert len(stage.daemon.ledger(one.sop_instance)) == 1
        assert stage.daemon.run_client("ledger", "stats").returncode == 0
        assert stage.daemon.run_client("status").returncode == 4, "not reachable"
