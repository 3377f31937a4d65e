# SPDX-License-Identifier: Apache-2.0
"""Free TCP ports and polling with a deadline."""
from __future__ import annotations

import socket
import time
from typing import Callable, TypeVar

T = TypeVar("T")
_given: set[int] = set()


def free_port() -> int:
    """A port that was free a moment ago and that this process has not given out before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what: str, condition: Callable[[], T], seconds: float = 20.0, interval: float = 0.02) -> T:
    """Calls `condition` until it is true and returns its value; AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {value!r})")
        time.sleep(interval)
