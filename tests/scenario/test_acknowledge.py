# SPDX-License-Identifier: Apache-2.0
"""What a client's Success means: `primary` and `all` wait for the archives."""
import threading
import time

from dgtest import part10, sender
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage


def settings(acknowledge: str, within: str = "20s") -> dict:
    route = {"to": ["legacy", "new"], "acknowledge": acknowledge, "acknowledge_within": within, "negotiate": "learned"}
    return {"phases": {"coexist": {"store": [route]}}}


def send_one(stage: Stage, number: int) -> tuple[part10.Instance, sender.Result]:
    one = part10.generate(3000, 88, number, sop_class=STORAGE)
    return one, sender.send(stage.target(), [one])[0]


def test_primary_relays_success_warning_and_failure(folder):
    with Stage(folder, settings=settings("primary")) as stage:
        one, result = send_one(stage, 1)
        assert result.status == 0
        assert one.sop_instance in [copy.uid for copy in stage.legacy.copies()], "the primary has it already"
        stage.wait_arrived([one])
        stage.legacy.set(status=0xB000, comment="coerced")
        two, result = send_one(stage, 2)
        assert (result.status, result.comment) == (0xB000, "coerced")
        stage.new.wait_uids([two.sop_instance], 20)
        stage.legacy.set(status=0xC123, comment="unknown patient")
        three, result = send_one(stage, 3)
        assert (result.status, result.comment) == (0xC123, "unknown patient")
        wait_for("nothing is owed", lambda: stage.daemon.ask("queue", "list")["items"] == [], 20)
        assert three.sop_instance not in [copy.uid for copy in stage.new.copies()], "owed to nobody any more"


def test_primary_that_is_away_is_a_failure_in_bounded_time(folder):
    with Stage(folder, settings=settings("primary", "3s")) as stage:
        one, result = send_one(stage, 1)
        assert result.status == 0
        stage.legacy.down()
        begun = time.monotonic()
        two, result = send_one(stage, 2)
        assert result.status == 0xA700 and "legacy" in result.comment
        assert time.monotonic() - begun < 20
        stage.legacy.up()
        three, result = send_one(stage, 3)
        assert result.status == 0
        stage.wait_arrived([one, three])
        for archive in stage.archives:
            assert two.sop_instance not in [copy.uid for copy in archive.copies()]


def test_all_waits_for_every_archive(folder):
    with Stage(folder, settings=settings("all")) as stage:
        one, result = send_one(stage, 1)
        assert result.status == 0
        for archive in stage.archives:
            assert one.sop_instance in [copy.uid for copy in archive.copies()]
        stage.new.set(status=0xB007, comment="odd")
        _, result = send_one(stage, 2)
        assert (result.status, result.comment) == (0xB007, "odd")
        stage.new.set(status=0xA900, comment="not mine")
        _, result = send_one(stage, 3)
        assert (result.status, result.comment) == (0xA900, "not mine")


def test_a_crash_while_a_client_waits_delivers_what_is_whole(folder):
    with Stage(folder, settings=settings("primary", "60s")) as stage:
        stage.legacy.down()
        one = part10.generate(3000, 88, 9, sop_class=STORAGE)
        results: list = []
        thread = threading.Thread(target=lambda: results.extend(sender.send(stage.target(), [one])))
        thread.start()
        wait_for("it waits", lambda: stage.daemon.ask("queue", "list")["items"], 20)
        stage.daemon.kill()
        thread.join()
        assert all(result.status != 0 for result in results), "nothing was acknowledged"
        stage.legacy.up()
        stage.daemon.start()
        stage.wait_arrived([one])
