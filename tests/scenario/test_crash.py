# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at random points under load, with the shim of tests/fault that takes back
every change of the data folder since the last sync that returned, as a power cut would. In the end
each instance that was ever acknowledged is in both archives, and every extra delivery is one that a
crash explains (ENGINE 2 and 3). DG_KILLS sets the number of kills, DG_SEED the random choices."""
from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from dgtest import part10, sender
from dgtest.archive import Archive, Copy
from dgtest.daemon import BINARIES, Daemon
from dgtest.stage import STORAGE, Stage

KILLS = int(os.environ.get("DG_KILLS", "200"))
SEED = int(os.environ.get("DG_SEED", str(random.SystemRandom().randrange(1 << 32))))
SHIM = BINARIES.parent / "lib" / "libdg_fault_shim.so"
LONGEST_LIFE = 0.5  # seconds of load before a kill


class Killer:
    """Starts the daemon under the shim and kills it, again and again."""

    def __init__(self, daemon: Daemon, folder: Path, chance: random.Random) -> None:
        self.daemon, self.chance = daemon, chance
        self.data = daemon.folder / "data"
        self.log = folder / "faults.txt"
        self.kills: list[tuple[float, float]] = []  # between which times the process ended
        self.data.mkdir(exist_ok=True)

    def _arm(self, after: int) -> None:
        fresh = {"LD_PRELOAD": str(SHIM), "DG_FAULT_DIR": str(self.data), "DG_FAULT_LOG": str(self.log),
                 "DG_FAULT_SEED": str(self.chance.randrange(1 << 31)), "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.daemon.environment.pop("DG_FAULT_AFTER", None)
        self.daemon.environment.update(fresh)
        if after:
            self.daemon.environment["DG_FAULT_AFTER"] = str(after)

    def disarm(self) -> None:
        for name in ("LD_PRELOAD", "DG_FAULT_DIR", "DG_FAULT_AFTER", "DG_FAULT_LOG", "DG_FAULT_SEED"):
            self.daemon.environment.pop(name, None)

    def round(self) -> None:
        """One life: mostly killed at a random time under load, sometimes at an early operation."""
        early = self.chance.random() < 0.25
        self._arm(self.chance.randrange(1, 400) if early else 0)
        if early:
            self.daemon.start(ready=False)
            begun = time.monotonic()
        else:
            self.daemon.start()
            time.sleep(self.chance.random() * LONGEST_LIFE)
            begun = time.monotonic()
            self.daemon.process.send_signal(signal.SIGUSR2)
        try:
            status = self.daemon.process.wait(60)
        except subprocess.TimeoutExpired:
            begun = time.monotonic()  # fewer operations than the count: kill it now
            self.daemon.process.send_signal(signal.SIGUSR2)
            status = self.daemon.process.wait(60)
        self.daemon.process = None
        assert status == -signal.SIGKILL, f"ended with {status} in place of the kill:\n{self.daemon.tail()}"
        self.kills.append((begun, time.monotonic()))
        shutil.rmtree(f"{self.data}.lost", ignore_errors=True)


def make(worker: int, number: int) -> part10.Generated:
    """Mostly small instances, some that take more than one chunk of the journal."""
    chance = random.Random(worker << 32 | number)
    size = chance.choice([1000, 5000, 20000, 20000, 100_000, 600_000])
    return part10.generate(size, 88, worker, number, sop_class=STORAGE)


def unexplained(copies: list[Copy], kills: list[tuple[float, float]]) -> list[str]:
    """Copies after the first of their UID that no kill between them explains, or with other bytes."""
    by_uid: dict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        by_uid[copy.uid].append(copy)
    wrong = []
    for uid, same in by_uid.items():
        same.sort(key=lambda copy: copy.begun)
        for first, second in zip(same, same[1:]):
            if second.sha256 != first.sha256:
                wrong.append(f"{uid}: other bytes the second time")
            elif not any(first.begun < end and begun < second.begun for begun, end in kills):
                wrong.append(f"{uid}: sent again with no crash in between")
    return wrong


def check(archive: Archive, acknowledged: list[part10.Instance], kills: list[tuple[float, float]]) -> None:
    copies = archive.copies()
    held = {copy.uid: copy for copy in copies}
    lost = [i.name for i in acknowledged if i.sop_instance not in held]
    changed = [i.name for i in acknowledged if i.sop_instance in held and held[i.sop_instance].sha256 != i.digest()]
    extra = len(copies) - len(held)
    print(f"{archive.title}: {len(acknowledged)} acknowledged, {len(held)} held, {extra} extra deliveries")
    assert not lost, f"{len(lost)} acknowledged instances lost, such as {lost[:5]}"
    assert not changed
    assert not unexplained(copies, kills)


def test_kills_lose_nothing_acknowledged(folder):
    assert SHIM.exists(), f"no {SHIM}"
    chance = random.Random(SEED)
    print(f"{KILLS} kills, DG_SEED={SEED}")
    with Stage(folder, count_only=True, start=False, settings={"journal": {"segment_size": "8MiB"}}) as stage:
        killer = Killer(stage.daemon, folder, chance)
        load = sender.Load(stage.target(timeout=20), make).start()
        try:
            for _ in range(KILLS):
                away = chance.choice([*stage.archives, None, None, None, None])
                if away:
                    away.down()
                killer.round()
                if away:
                    away.up()
        finally:
            results = load.stop()
        killer.disarm()
        stage.daemon.start()
        acknowledged = [result.instance for result in results if result.status == 0]
        assert len(acknowledged) >= KILLS, f"too little load: {len(acknowledged)} of {len(results)}"
        refused = {result.status for result in results if result.status}
        assert not refused, f"refused with {refused}"
        try:
            stage.daemon.wait_caught_up()
            stage.wait_arrived(acknowledged)
        finally:
            for archive in stage.archives:
                check(archive, acknowledged, killer.kills)
