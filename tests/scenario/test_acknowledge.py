# SPDX-License-Identifier: Apache-2.0
"""What a client's Success means: `primary` and `all` wait for the archives."""
import threading
import time
from dataclasses import dataclass, field

import pytest
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
    with Stage(folder, settings=settings("primary", "6s")) as stage:
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


# ---- the same SOP Instance UID again, while a client waits (FIELD 5)

@dataclass
class Waiting:
    """A client in a thread of its own that waits for what becomes of its instance."""
    stage: Stage
    instance: part10.Instance
    results: list[sender.Result] = field(default_factory=list)

    def begin(self, queued: int) -> "Waiting":
        """Returns once `queued` receipts of this UID are known to wait for `legacy`."""
        self.thread = threading.Thread(
            target=lambda: self.results.extend(sender.send(self.stage.target(), [self.instance])))
        self.thread.start()
        wait_for(f"{queued} wait", lambda: len(self._rows()) == queued, 20)
        assert self.results == [], "its client waits"
        return self

    def _rows(self) -> list[dict]:
        rows = self.stage.daemon.ask("queue", "show", self.instance.sop_instance)["items"]
        return [row for row in rows if row["archive"] == "legacy"]

    def receipts(self) -> set[int]:
        return {row["receipt"] for row in self._rows()}

    def end(self) -> tuple[int, str]:
        self.thread.join()
        return self.results[0].status, self.results[0].comment


def receipt_text(number: int) -> str:
    return f"receipt {number >> 48:04x}-{number & (1 << 48) - 1:012x}"


def editions(number: int, same: bool) -> tuple[part10.Instance, part10.Instance]:
    older, newer = (part10.generate(size, 88, number, sop_class=STORAGE) for size in (3000, 3000 if same else 4000))
    assert older.sop_instance == newer.sop_instance and (older.digest() == newer.digest()) == same
    return older, newer


@pytest.mark.parametrize("acknowledge", ["primary", "all"])
@pytest.mark.parametrize("same", [False, True], ids=["superseded", "duplicate"])
def test_a_newer_receipt_of_the_uid_while_a_client_waits(folder, acknowledge, same):
    """Both clients are told Success, the first one with the number of the receipt that took its place."""
    with Stage(folder, settings=settings(acknowledge, "60s")) as stage:
        older, newer = editions(10, same)
        for archive in stage.archives:
            archive.down()
        first = Waiting(stage, older).begin(1)
        oldest = first.receipts()
        second = Waiting(stage, newer).begin(2)
        newest, = second.receipts() - oldest
        for archive in stage.archives:
            archive.up()
        assert second.end() == (0, "")
        assert first.end() == (0, receipt_text(newest))
        stage.daemon.wait_drained()
        for archive in stage.archives:
            kept = [copy.sha256 for copy in archive.copies()]
            assert kept[-1] == newer.digest(), "the newest is what it has"
        assert [copy.sha256 for copy in stage.legacy.copies()] == [newer.digest()], "the older one never went"


def test_the_older_one_goes_where_the_newer_one_is_refused(folder):
    """A newer receipt that the primary refuses takes nobody's place."""
    with Stage(folder, settings=settings("primary", "60s")) as stage:
        older, newer = editions(11, False)
        stage.legacy.down()
        first = Waiting(stage, older).begin(1)
        second = Waiting(stage, newer).begin(2)
        stage.legacy.set(status=0xC123, comment="not that one", times=1)
        stage.legacy.up()
        assert second.end() == (0xC123, "not that one")
        assert first.end() == (0, "")
        stage.daemon.wait_drained()
        assert [(c.sha256, c.status) for c in stage.legacy.copies()] == [(newer.digest(), 0xC123), (older.digest(), 0)]
        assert [copy.sha256 for copy in stage.new.copies()] == [older.digest()]
