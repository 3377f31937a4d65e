# SPDX-License-Identifier: Apache-2.0
"""The trouble shim (tests/fault/trouble.c) from the test's side: allocations that fail, a wall clock that jumps, sockets
in small portions, while the daemon runs."""
from __future__ import annotations

import mmap
import struct
from pathlib import Path

import pytest

from .daemon import BINARIES

SHIM = BINARIES.parent / "lib" / "libdg_trouble_shim.so"
FIELDS = ("allocation_due", "allocation_run", "allocations_failed", "allocations", "wall_offset", "socket_most",
          "socket_calls")

# Sanitizers bring their own allocator.
shimmed = pytest.mark.skipif(any(part in ("dev", "tsan") for part in BINARIES.parts),
                             reason="the sanitizers' allocator can not be taken over")


class Trouble:
    """One page that is shared with the daemon: attributes are read and set at once."""

    def __init__(self, folder: Path) -> None:
        assert SHIM.exists(), f"no {SHIM}"
        path = folder / "trouble.page"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            object.__setattr__(self, "_page", mmap.mmap(file.fileno(), mmap.PAGESIZE))
        object.__setattr__(self, "environment", {"LD_PRELOAD": str(SHIM), "DG_TROUBLE_FILE": str(path)})

    def __getattr__(self, name: str) -> int:
        return struct.unpack_from("<q", self._page, 8 * FIELDS.index(name))[0]

    def __setattr__(self, name: str, value: int) -> None:
        struct.pack_into("<q", self._page, 8 * FIELDS.index(name), int(value))

    def fail_allocation(self, due: int, run: int = 1) -> None:
        """The `due`-th allocation from now fails, and `run` - 1 after it."""
        self.allocation_run = run
        self.allocation_due = due
