# SPDX-License-Identifier: Apache-2.0
"""A sick archive never slows the other one: the time from the modality's Success to the healthy archive's answer,
with both healthy and with one of them sick in every way there is, in turns."""
from __future__ import annotations

import statistics
from pathlib import Path

from dgtest import part10, sender
from dgtest.archive import SICK
from dgtest.stage import STORAGE, Stage

RESOLUTION = 0.001  # seconds; below this the scheduler of a small machine is what is measured
INSTANCES = 150  # in each round and on each of two associations
OPENING = 15  # sent before, not measured: associations that the sick archive opens anew cost its process processor time
class Rounds:
    """Sends rounds and measures from front Success to the healthy archive's response."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.number = stage, 0

    def one(self, count: int = INSTANCES) -> list[float]:
        """Seconds."""
        self.number += 1
        lists = [[part10.generate(16384, 82, self.number, w, n, sop_class=STORAGE) for n in range(count)]
                 for w in (1, 2)]
        results = sender.send_parallel(self.stage.target(), lists)
        assert all(result.status == 0 for result in results)
        self.stage.legacy.wait_uids([instance.sop_instance for part in lists for instance in part], 60)
        answered = {copy.uid: copy.answered for copy in self.stage.legacy.copies()}
        return [answered[r.instance.sop_instance] - r.answered for r in results]


def fall_sick(stage: Stage, how: dict | None) -> None:
    if how is None:
        stage.new.down()
    else:
        stage.new.set(**how)
        stage.new.drop_connections()  # so that the new behaviour meets the very next instance


def recover(stage: Stage) -> None:
    stage.new.up()
    stage.new.set()
    stage.daemon.wait_drained(120)


def worst_ratio(folder: Path, quick: bool) -> float:
    """Over the kinds of sickness, the median over the rounds of p50 with one sick against p50 with both healthy."""
    ratios = []
    for name, how in SICK.items():
        with Stage(folder / name.replace(" ", "-"), count_only=True,
                   node_options={"stall": "2s", "response": "5s"}) as stage:
            rounds = Rounds(stage)
            rounds.one()  # warm-up
            stage.daemon.wait_drained()
            of_this = []
            for _ in range(2 if quick else 5):
                healthy = statistics.median(rounds.one())
                stage.daemon.wait_drained()
                fall_sick(stage, how)
                rounds.one(OPENING)
                sick = statistics.median(rounds.one())
                of_this.append(sick / healthy if abs(sick - healthy) > RESOLUTION else 1.0)
                recover(stage)
            ratios.append(statistics.median(of_this))
    return max(ratios)
