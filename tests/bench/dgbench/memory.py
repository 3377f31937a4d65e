# SPDX-License-Identifier: Apache-2.0
"""Keeps free memory scarce while the bench runs, as it is on a machine that has been up for a while.

A virtual machine that gives free pages back to its host (free page reporting) pays up to 2.7 CPU seconds for each
GB of pages that it takes anew: twenty times what writing into recycled page cache costs, and nothing that a gateway
could help. So the page cache is filled with a file of holes, whose pages the kernel recycles first."""
from __future__ import annotations

import os
import time
from pathlib import Path

KEPT_FREE = 600 << 20
STEP = 64 << 20
DEAR = 0.6  # CPU seconds for 10^9 bytes; reading holes into recycled pages takes 0.1 to 0.2


def free_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemFree:"):
            return int(line.split()[1]) << 10
    return 0


class PageCache:
    """Use as a context manager; `top_up()` before each measured run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "holes"
        self.size = 0

    def __enter__(self) -> "PageCache":
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self.buffer = bytearray(1 << 20)
        self.is_dear = free_bytes() > KEPT_FREE and max(self._grow() for _ in range(4)) > DEAR
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.file)
        self.path.unlink()

    def _grow(self) -> float:
        """Reads one step more; CPU seconds for 10^9 bytes."""
        end = self.size + STEP
        os.ftruncate(self.file, end)
        begin = time.process_time()
        while self.size < end:
            self.size += os.preadv(self.file, [self.buffer], self.size)
        return (time.process_time() - begin) * 1e9 / STEP

    def top_up(self) -> None:
        while self.is_dear and free_bytes() > KEPT_FREE:
            self._grow()
