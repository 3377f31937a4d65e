# SPDX-License-Identifier: Apache-2.0
"""Free TCP ports and polling with a deadline."""
from __future__ import annotations

import os
import random
import socket
import time
from pathlib import Path
from typing import Callable, TypeVar

T = TypeVar("T")
# A deadline ends a test that hangs, it measures nothing: the given seconds are those of a quiet machine, and sanitizers and
# machines that others use take a multiple.
PATIENCE = 4
LATE = 3.0 * PATIENCE  # seconds: how much later than its time limit something may end
_given: set[int] = set()


def _range() -> range:
    """Ports that the kernel does not give to outgoing connections. One of those could be taken while a daemon is down,
    by any program, and even by a client that tries to reach the daemon and meets itself (TCP's simultaneous open)."""
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        low, high = 32768, 60999
    ports = range(10240, low) if low > 12000 else range(high + 1, 65536)
    # Test files that run side by side (pytest-xdist) have ports of their own: one may be closed for a while.
    worker, count = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    return ports[int(worker[2:]) % int(count)::int(count)]


_random = random.SystemRandom()
_ports = _range()


def free_port() -> int:
    """A port that was free a moment ago and that this process has not given out before."""
    while True:
        port = _random.choice(_ports)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tcp_row(sock: socket.socket) -> list[str] | None:
    """The other side's row for this loopback connection in the kernel's table (proc(5), /proc/net/tcp). A reading may
    miss it while others come and go."""
    near, far = sock.getpeername()[1], sock.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{near:04X}") and words[2].endswith(f":{far:04X}"):
            return words
    return None


def wait_for(what: str, condition: Callable[[], T], seconds: float = 20.0, interval: float = 0.02) -> T:
    """Calls `condition` until it is true and returns its value; AssertionError if a call begun after the deadline
    (PATIENCE times `seconds`) still says no."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        is_last = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if is_last:
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {value!r})")
        time.sleep(interval)
