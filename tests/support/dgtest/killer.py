# SPDX-License-Identifier: Apache-2.0
"""Kills that are as bad as a power cut: the shim of tests/fault takes back every change of the data folder since the last
sync that returned."""
from __future__ import annotations

import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from .daemon import BINARIES, Daemon

SHIM = BINARIES.parent / "lib" / "libdg_fault_shim.so"
LONGEST_LIFE = 0.5  # seconds of load before a kill


class Killer:
    """Starts the daemon under the shim and kills it, again and again."""

    def __init__(self, daemon: Daemon, folder: Path, chance: random.Random) -> None:
        assert SHIM.exists(), f"no {SHIM}"
        self.daemon, self.chance = daemon, chance
        self.data = daemon.folder / "data"
        self.log = folder / "faults.txt"
        self.kills: list[tuple[float, float]] = []  # between which times the process ended
        self.data.mkdir(exist_ok=True)
        # Held until a life takes orders: who gives them from another thread holds it too, else an order that finds
        # no daemon would be carried out on the data folder itself, and keep the next life from starting.
        self.starting = threading.Lock()

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
        with self.starting:
            self._arm(self.chance.randrange(1, 400) if early else 0)
            self.daemon.start(ready=not early)
            if early:
                self._await_end(time.monotonic())
        if not early:
            time.sleep(self.chance.random() * LONGEST_LIFE)
            self.daemon.process.send_signal(signal.SIGUSR2)
            self._await_end(time.monotonic())

    def _await_end(self, begun: float) -> None:
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
