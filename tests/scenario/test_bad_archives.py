# SPDX-License-Identifier: Apache-2.0
"""Each misbehaviour of an archive meets the right answer and costs nothing: the client has its Success,
the other archive its copy, and in the end this one too, once and with the same bytes."""
import pytest

from bad_archive_cases import CASES, Case
from dgtest import part10, sender
from dgtest.archive import Archive
from dgtest.daemon import Daemon, Node
from dgtest.odd_archive import OddArchive
from dgtest.ports import wait_for
from dgtest.stage import STORAGE

# Short, because the cases wait for them.
LIMITS = {"connect": "4s", "artim": "4s", "response": "4s", "stall": "4s", "release": "4s", "idle": "300ms"}


class Scene:
    def __init__(self, folder) -> None:
        self.folder = folder

    def __enter__(self) -> "Scene":
        self.odd = OddArchive().__enter__()
        self.good = Archive(self.folder / "legacy", "OLDPACS")
        nodes = [Node("legacy", 1, "OLDPACS", self.good.port),
                 Node("new", 2, "NEWPACS", self.odd.port, options=LIMITS)]
        self.daemon = Daemon(self.folder / "gateway", nodes)
        self.daemon.start()
        self.send(part10.generate(2000, 90, 0, sop_class=STORAGE))  # what the archives take is known now
        return self

    def __exit__(self, *what: object) -> None:
        try:
            self.daemon.__exit__(*what)
        finally:
            self.good.stop()
            self.odd.__exit__()

    def send(self, instance: part10.Instance) -> None:
        target = sender.Target(("127.0.0.1", self.daemon.port), calling="CT1")
        assert [result.status for result in sender.send(target, [instance])] == [0]

    def failures(self) -> list[str]:
        return self.daemon.logged("forward.archive-failed")

    def said(self, words: str, since: int) -> bool:
        return any(words in line for line in self.failures()[since:])

    def parked(self, uid: str) -> bool:
        rows = self.daemon.ask("queue", "list")["items"]
        return any(row["uid"] == uid and row["archive"] == "new" and row["state"] == "parked" for row in rows)


@pytest.fixture(scope="module")
def scene(module_folder):
    with Scene(module_folder) as made:
        yield made


@pytest.mark.parametrize("wanted", CASES, ids=[f"{c.protocol:02d}_{c.name}" for c in CASES])
def test_case(scene: Scene, wanted: Case):
    before = len(scene.failures())
    instance = part10.generate(3000, 90, 1, CASES.index(wanted), sop_class=STORAGE)
    uid = instance.sop_instance
    scene.odd.act(wanted.act)
    scene.send(instance)
    scene.good.wait_uids([uid], 30)
    assert scene.odd.outcome(40) in wanted.expected
    if wanted.says:
        wait_for(f"'{wanted.says}' in the log", lambda: scene.said(wanted.says, before), 10)
    if wanted.parked:
        wait_for(f"{uid} parked", lambda: scene.parked(uid), 20)
        assert not scene.odd.copies(uid)
        assert scene.daemon.run_client("queue", "retry", "--uid", uid, "new").returncode == 0
    scene.odd.wait_copy(uid, 40)
    wait_for("nothing owed", lambda: scene.daemon.owed() == 0, 40, 0.1)
    assert set(scene.odd.copies(uid)) == {instance.digest()}
    assert len(scene.odd.copies(uid)) == 1, "delivered again after its Success"
    assert scene.daemon.alive()
