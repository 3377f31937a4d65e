# SPDX-License-Identifier: Apache-2.0
"""A long day in short: several clients, plain and TLS, archives that come and go, certificates that are renewed while
the daemon runs, kills and restarts. In the end everything acknowledged is in both archives, and memory, descriptors and
database pages are where they were. DG_SOAK_MINUTES sets the length, DG_SEED the random choices."""
from __future__ import annotations

import os
import random
import struct
import threading
import time
from pathlib import Path

from dgtest import part10, sender
from dgtest.fixtures import measured
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

MINUTES = float(os.environ.get("DG_SOAK_MINUTES", "0.5"))
SEED = int(os.environ.get("DG_SEED", str(random.SystemRandom().randrange(1 << 32))))
CALM = 0.4  # of the time, at the end: no kills any more, so that one process can be watched
PACE = 0.25  # seconds between the associations of a client, so that a long soak can be held in memory
MIB = 1 << 20


def make(kind: int):
    def made(worker: int, number: int) -> part10.Generated:
        if number % 10 == 0:
            time.sleep(PACE)
        chance = random.Random(kind << 48 | worker << 32 | number)
        return part10.generate(chance.choice([1000, 5000, 20000, 20000, 100_000, 600_000]), 96, kind, worker, number,
                               sop_class=STORAGE)
    return made


def pages(path: Path) -> int:
    """Pages of an LMDB file that are or were in use: the last page number of the newer meta page."""
    best = (0, 0)
    with path.open("rb") as file:
        for page in (0, 1):
            file.seek(page * os.sysconf("SC_PAGE_SIZE") + 136)
            last, transaction = struct.unpack("<QQ", file.read(16))
            best = max(best, (transaction, last))
    return best[1]


class Watch:
    """What must not grow, seen now and then."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def look(self) -> dict[str, int]:
        daemon = self.stage.daemon
        data = daemon.folder / "data"
        journal = sum(1 for path in data.rglob("*") if path.is_file() and "journal" in path.parts)
        found = {"rss": daemon.memory(), "descriptors": len(os.listdir(f"/proc/{daemon.process.pid}/fd")),
                 "journal": journal}
        for path in data.rglob("data.mdb"):
            found[f"pages of {path.parent.name}"] = pages(path)
        return found


class Trouble(threading.Thread):
    """Archives that flap, and certificates that are renewed, until it is told to end."""

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.stage, self.chance = stage, chance
        self.over = threading.Event()
        self.quiet = threading.Lock()  # held while the daemon is being restarted
        self.flaps = self.reloads = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(self.chance.uniform(0.2, 1.5)):
                self.chance.choice([self.flap, self.flap, self.renew])()
        except BaseException as error:  # shown by the test
            self.error = error
        finally:
            for archive in self.stage.archives:
                archive.set()
                archive.up()

    def flap(self) -> None:
        archive = self.chance.choice(self.stage.archives)
        self.flaps += 1
        kind = self.chance.randrange(5)
        if kind == 0:
            archive.down()
            self.over.wait(self.chance.uniform(0.1, 2))
            archive.up()
        elif kind == 1:
            archive.drop_connections()
        else:
            behaviour = [{"mode": "reject"}, {"status": 0xA700, "times": 5}, {"mode": "abort", "after": 500, "times": 1}]
            archive.set(**behaviour[kind - 2])
            self.over.wait(self.chance.uniform(0.1, 1))
            archive.set()

    def renew(self) -> None:
        with self.quiet:
            self.stage.authority.issue("gateway", algorithm="rsa")
            done = self.stage.daemon.run_client("config", "reload")
            assert done.returncode == 0, done.stdout + done.stderr
            self.reloads += 1


def restart(stage: Stage, trouble: Trouble, chance: random.Random) -> str:
    with trouble.quiet:
        if chance.random() < 0.3:
            assert stage.daemon.stop() == 0
            kind = "stop"
        else:
            stage.daemon.kill()
            kind = "kill"
        stage.daemon.start()
    return kind


@measured
def test_a_day_leaves_nothing_behind(folder):
    chance = random.Random(SEED)
    print(f"{MINUTES:g} minutes, DG_SEED={SEED}")
    # A small hot window: one that fills when an archive is away would look like growth.
    settings = {"journal": {"segment_size": "8MiB"}, "memory": {"hot_window": "4MiB"}}
    with Stage(folder, tls=True, count_only=True, settings=settings) as stage:
        idle = Watch(stage).look()["descriptors"]
        loads = [sender.Load(stage.target(f"CT{n}", tls=n == 1, timeout=20), make(n), workers=2).start() for n in (1, 2)]
        trouble = Trouble(stage, chance)
        trouble.start()
        watch = Watch(stage)
        ends: dict[str, int] = {"stop": 0, "kill": 0}
        begun = time.monotonic()
        seconds = MINUTES * 60
        while time.monotonic() - begun < seconds * (1 - CALM):
            time.sleep(min(chance.uniform(1, 8), seconds / 8))
            ends[restart(stage, trouble, chance)] += 1
        middle = begun + seconds * (1 - CALM / 2)
        while time.monotonic() < middle:
            time.sleep(0.1)
        first = watch.look()
        while time.monotonic() - begun < seconds:
            time.sleep(0.1)
        last = watch.look()
        trouble.over.set()
        trouble.join(60)
        results = [result for load in loads for result in load.stop()]
        assert trouble.error is None, trouble.error
        sent = [result.instance for result in results if result.status == 0]
        refused = {result.status for result in results if result.status}
        assert not refused, f"refused with {refused}"
        stage.daemon.run_client("queue", "retry", "--all", "legacy")
        stage.daemon.run_client("queue", "retry", "--all", "new")
        stage.wait_arrived(sent, 300)
        stage.daemon.wait_caught_up()
        end = settled(watch, idle)
        print(f"{len(sent)} acknowledged and delivered of {len(results)} sent; {ends['kill']} kills, {ends['stop']} stops,"
              f" {trouble.flaps} flaps, {trouble.reloads} reloads")
        print(f"watched {first} -> {last} -> {end}")
        judge(first, last, end, len(sent))


def settled(watch: Watch, idle: int) -> dict[str, int]:
    """Once the associations are over and what nobody needs has been reclaimed. A reader of the ledger or of a segment, or
    a connection of the control socket may be open in the moment of looking."""
    wait_for(f"descriptors as before the load ({idle})", lambda: watch.look()["descriptors"] <= idle + 16, 60, 0.2)
    wait_for("few journal files", lambda: watch.look()["journal"] < 24, 120, 0.2)
    return watch.look()


def judge(first: dict[str, int], last: dict[str, int], end: dict[str, int], instances: int) -> None:
    assert end["rss"] < first["rss"] + 24 * MIB and last["rss"] < first["rss"] + 48 * MIB, "memory grows"
    assert end["descriptors"] <= first["descriptors"] + 8, "descriptors grow"
    for name, count in end.items():
        if name.startswith("pages of ledger"):
            assert count < 400 + instances * 1.5, f"{name}: {count} for {instances} receipts"
        elif name.startswith("pages of"):
            assert count < first[name] + 64, f"{name} grow: {first[name]} to {count}"
