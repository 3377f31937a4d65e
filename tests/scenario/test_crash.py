# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at random points under load, with the shim of tests/fault that takes back
every change of the data folder since the last sync that returned, as a power cut would. In the end
each instance that was ever acknowledged is in both archives, and every extra delivery is one that a
crash explains (ENGINE 2 and 3). DG_KILLS sets the number of kills, DG_SEED the random choices."""
from __future__ import annotations

import os
import random
from collections import defaultdict

from dgtest import part10, sender
from dgtest.archive import Archive, Copy
from dgtest.killer import Killer
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

KILLS = int(os.environ.get("DG_KILLS", "200"))
SEED = int(os.environ.get("DG_SEED", str(random.SystemRandom().randrange(1 << 32))))


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
            elif not any(first.opened < end and begun < second.begun for begun, end in kills):
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
            wait_for(f"{KILLS} acknowledged", lambda: len(load.stored()) >= KILLS or killer.round(), 120)
        finally:
            results = load.stop()
        killer.disarm()
        stage.daemon.start()
        acknowledged = load.stored()
        refused = {result.status for result in results if result.status}
        assert not refused, f"refused with {refused}"
        try:
            stage.daemon.wait_caught_up()
            stage.wait_arrived(acknowledged)
        finally:
            for archive in stage.archives:
                check(archive, acknowledged, killer.kills)
