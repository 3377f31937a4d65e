# SPDX-License-Identifier: Apache-2.0
"""The real daemon while memory runs out, the wall clock jumps and sockets move one byte at a time: it never ends by
itself, never says Success for what it has not, and what it said Success for arrives."""
from __future__ import annotations

import os
import time

import pytest

from dgtest import part10, pdu, sender
from dgtest.association import Association, open_association, propose
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes
from dgtest.trouble import Trouble, shimmed

SECONDS = float(os.environ.get("DG_TROUBLE_SECONDS", "6"))  # of each campaign that has no end of its own
PAIRS = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]
YEAR, HOUR = 365 * 86400, 3600

pytestmark = shimmed


def instance(*numbers: int, size: int = 3000) -> part10.Generated:
    return part10.generate(size, 95, *numbers, sop_class=STORAGE)


def try_to_store(stage: Stage, one: part10.Instance) -> int | None:
    """The status that came back, if any."""
    result = sender.send(stage.target(timeout=20), [one])[0]
    return result.status


def allocations_of_a_session(stage: Stage, trouble: Trouble) -> int:
    """So many places are there where one may fail; the lanes' part included."""
    before = trouble.allocations
    one = instance(0)
    assert try_to_store(stage, one) == 0
    stage.wait_arrived([one])
    return trouble.allocations - before


@pytest.mark.parametrize("run", [1, 5])
def test_failing_allocations_end_associations_and_nothing_else(folder, run):
    """The first allocation of a session fails, then the second, and so on, again and again until time is up."""
    trouble = Trouble(folder)
    # Short limits: an association that could not even say what was wrong ends by them.
    settings = {"limits": {"artim": "1s", "stall": "2s", "release": "1s"}}
    with Stage(folder, environment=trouble.environment, settings=settings, count_only=True) as stage:
        most = allocations_of_a_session(stage, trouble) + 50
        acknowledged: list[part10.Instance] = []
        answers: dict[int | None, int] = {}
        begun, number, failed = time.monotonic(), 0, trouble.allocations_failed
        while time.monotonic() - begun < SECONDS:
            number += 1
            one = instance(run, number)
            trouble.fail_allocation(1 + number * 37 % most, run)
            status = try_to_store(stage, one)
            answers[status] = answers.get(status, 0) + 1
            if status == 0:
                acknowledged.append(one)
            assert stage.daemon.alive(), f"allocation {1 + number * 37 % most} of {most}:\n{stage.daemon.tail()}"
        trouble.allocation_due = 0
        print(f"{number} sessions of {most} allocations, {trouble.allocations_failed - failed} failed: {answers}")
        assert len(acknowledged) > number // 4
        assert set(answers) <= {0, None, 0xA700, 0x0110, 0x0213}
        assert try_to_store(stage, instance(run, 0, 1)) == 0, "one that fails must leave nothing behind"
        for archive in ("legacy", "new"):
            stage.daemon.run_client("queue", "retry", "--all", archive)
        assert stage.daemon.counter("forward.unqueued") == 0, "what is durable is queued without fail"
        stage.wait_arrived(acknowledged)
        stage.daemon.wait_drained()
        for archive in stage.archives:
            assert not same_bytes(acknowledged, archive.copies())
        assert stage.daemon.stop() == 0
        stage.daemon.start()
        assert stage.daemon.owed() == 0


def test_a_start_without_memory_says_so_or_goes_on(folder):
    """It may refuse to start, with a word, but must not crash; the data folder stays good."""
    trouble = Trouble(folder)
    with Stage(folder, environment=trouble.environment) as stage:
        sent = [instance(3, 1)]
        stage.send(sent)
        stage.wait_arrived(sent)
        assert stage.daemon.stop() == 0
        trouble.allocations = 0
        stage.daemon.start()
        most = trouble.allocations
        assert stage.daemon.stop() == 0
        begun, tries = time.monotonic(), 0
        while time.monotonic() - begun < SECONDS:
            tries += 1
            at = 1 + tries * 7919 % most
            starts = len(stage.daemon.logged("gateway.ready"))
            trouble.fail_allocation(at)
            stage.daemon.start(ready=False)
            process = stage.daemon.process
            # Not by asking it: libevent 2.1.12 itself crashes where it has no memory for an HTTP connection.
            wait_for("started or ended", lambda: process.poll() is not None or
                     len(stage.daemon.logged("gateway.ready")) > starts, 30, 0.01)
            trouble.allocation_due = 0
            if process.poll() is None:
                assert stage.daemon.stop() == 0
            else:
                assert process.returncode > 0, f"allocation {at} of {most}: {process.returncode}\n{stage.daemon.tail()}"
                stage.daemon.process = None
        print(f"{tries} starts of {most} allocations")
        stage.daemon.start()
        again = [instance(3, 2)]
        stage.send(again)
        stage.wait_arrived(again)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_byte_at_a_time_on_all_sockets(folder, tls):
    trouble = Trouble(folder)
    with Stage(folder, environment=trouble.environment, tls=tls) as stage:
        trouble.socket_most = 1
        sent = [instance(4, n, size=2000 + n) for n in range(6)]
        results = sender.send(stage.target(tls=tls), sent)
        assert [result.status for result in results] == [0] * len(sent)
        stage.wait_arrived(sent)
        for archive in stage.archives:
            assert not same_bytes(sent, archive.copies())
        assert trouble.socket_calls > 5 * 2000
        trouble.socket_most = 0


def healthy_echo(association: Association) -> None:
    assert association.echo(1) == 0


def test_jumps_of_the_wall_clock_fire_no_timer(folder):
    """Associations, back-off and settlement go by time that passes, not by the wall clock."""
    trouble = Trouble(folder)
    settings = {"limits": {"idle": "60s", "artim": "5s", "stall": "20s"}}
    with Stage(folder, environment=trouble.environment, settings=settings) as stage:
        info = propose(PAIRS, called="DICOMGATE", calling="CLOCK")
        sent: list[part10.Instance] = []
        with open_association(("127.0.0.1", stage.daemon.port), info) as association:
            stage.new.down()
            for number, jump in enumerate([2 * HOUR, -3 * HOUR, 10 * YEAR, -5 * YEAR, 60, -1, 0]):
                trouble.wall_offset = jump * 10**9
                sent.append(instance(5, number))
                assert sender.store(association, sent[-1], stage.target()).status == 0
                healthy_echo(association)
                stage.legacy.wait_uids([sent[-1].sop_instance], 10)
            stage.new.up()
            stage.wait_arrived(sent, 20)
            stage.daemon.wait_drained(20)
            association.release()
        for one in sent:
            uid = one.sop_instance
            facts = wait_for(f"the ledger knows {uid}", lambda: stage.daemon.ledger(uid), 10)
            assert len(facts) == 1
        expected = [one.sop_instance for one in sent]
        for archive in stage.archives:
            assert sorted(copy.uid for copy in archive.copies()) == sorted(expected), "each once"
        assert stage.daemon.alive()


def test_restarts_on_a_clock_that_went_back(folder):
    """What was written under a later date is still owed, found and delivered, in the order of receipt."""
    trouble = Trouble(folder)
    with Stage(folder, environment=trouble.environment) as stage:
        stage.new.down()
        sent: list[part10.Instance] = []
        for number, jump in enumerate([0, 3 * YEAR, -2 * YEAR, 400 * 86400, 0]):
            trouble.wall_offset = jump * 10**9
            sent.append(instance(6, number))
            stage.send([sent[-1]])
            assert stage.daemon.stop() == 0
            stage.daemon.start()
        stage.new.up()
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        for archive in stage.archives:
            assert sorted(copy.uid for copy in archive.copies()) == sorted(one.sop_instance for one in sent)
        receipts = [wait_for("in the ledger", lambda: stage.daemon.ledger(one.sop_instance), 10)[0] for one in sent]
        orders = [fact["order"] for fact in receipts]
        assert orders == sorted(orders), "order is counted, not dated"
