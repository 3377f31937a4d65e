# SPDX-License-Identifier: Apache-2.0
"""Two discarding archives, and a gateway or a tee before them; one measured run through either."""
from __future__ import annotations

import itertools
import os
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from dgtest.certs import Authority
from dgtest.daemon import Daemon, Node

from .programs import SYNC_SHIM, Archive, Keys, Load, Relay, Tee, cpu_seconds, wait_until

CT, TINY = 525_000, 5_000
# Of all processes too: a ledger that is kept does not meet a UID twice.
_runs = itertools.count(int(time.time()))


@dataclass
class Run:
    """What one run through a gateway or a tee gave."""
    bytes: int
    instances: int
    seconds: float  # from the first byte of the load to the last instance at the slower archive
    cpu: float  # seconds of the gateway or tee until everything has caught up
    load: dict[str, Any]

    @property
    def cpu_per_gigabyte(self) -> float:
        return self.cpu / self.bytes * 1e9

    @property
    def rate(self) -> float:
        """Instances a second, delivered to both archives."""
        return self.instances / self.seconds

    @property
    def acknowledged_rate(self) -> float:
        return self.load["instances"] / self.load["seconds"]


class Stage:
    """Use as a context manager. `folder` lies on a disk. One set of keys serves everybody. The load's studies are of
    `patients` patients; `mapped`: the second archive gets them under other IDs."""

    def __init__(self, folder: Path, *, tls: bool, delay_ms: int = 0, window: int = 1, far_ms: float = 0.0,
                 settings: dict[str, Any] | None = None, node_options: dict[str, Any] | None = None,
                 sync_us: int | None = None, tee: bool = False, start: bool = True,
                 algorithm: str = "ecdsa", patients: int = 0, mapped: bool = False) -> None:
        self.folder = folder
        self.tls = tls
        self._stack = ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(folder / "pki")
        self.keys = Keys(self.authority, self.authority.issue("bench", algorithm=algorithm)) if tls else None
        self.syncs_path = folder / "syncs"
        keep = self._stack.enter_context
        try:
            self.archives = [keep(Archive(folder / f"archive-{n}", self.keys, delay_ms=delay_ms if n else 0,
                                          window=window, patients=patients, mapped=mapped and n == 1))
                             for n in range(2)]
            ports = [archive.port for archive in self.archives]
            self.tee = keep(Tee(*ports, self.keys)) if tee else None
            if far_ms:
                ports = [keep(Relay(port, far_ms)).port for port in ports]
            self.daemon = self._daemon(ports, settings, node_options or {}, sync_us)
            if start:
                keep(self.daemon)
        except BaseException:
            self._stack.close()
            raise

    def _daemon(self, ports: list[int], settings: dict[str, Any] | None, options: dict[str, Any],
                sync_us: int | None) -> Daemon:
        nodes = [Node(name, number + 1, name.upper(), ports[number], tls=self.tls, options=options)
                 for number, name in enumerate(("oldpacs", "newpacs"))]
        environment = {}
        if sync_us is not None:
            environment = {"LD_PRELOAD": str(SYNC_SHIM), "DG_BENCH_SYNCS": str(self.syncs_path),
                           "DG_BENCH_SYNC_US": str(sync_us)}
        daemon = Daemon(self.folder / "gateway", nodes, settings=settings, environment=environment,
                        authority=self.authority if self.tls else None)
        if self.tls:  # the same key everywhere
            pair = self.keys.pair
            for row in daemon.settings["tls"].values():
                row.update(certificate=str(pair.certificate), key=str(pair.key))
        daemon.settings["gateway"]["log_level"] = os.environ.get("DG_BENCH_LOG", "info")
        daemon.settings["limits"] = dict(daemon.settings.get("limits", {}), client_associations=1000,
                                         client_silent=1000, silent=2000)
        daemon.settings["gateway"]["max_associations"] = 1000
        daemon.write()
        return daemon

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.__exit__(*problem)

    @property
    def pid(self) -> int:
        return self.daemon.process.pid

    @property
    def port(self) -> int:
        return self.daemon.tls_port if self.tls else self.daemon.port

    def load(self, port: int | None = None, **options: Any) -> Load:
        return Load(port or self.port, self.keys, next(_runs), **options)

    def arrived(self) -> int:
        """Instances at the archive that has fewer."""
        return min(archive.figures().instances for archive in self.archives)

    def caught_up(self) -> bool:
        receipts = self.daemon.status()["receipts"]
        return receipts["owed"] == 0 and receipts["settled"] >= receipts["accepted"]

    def wait_caught_up(self) -> None:
        wait_until("archives and ledger have caught up", self.caught_up, interval=0.1)

    def syncs(self) -> int:
        """fdatasync calls of the journal since the daemon began."""
        return struct.unpack("<2Q", self.syncs_path.read_bytes())[0]

    def through_gateway(self, **options: Any) -> Run:
        return self._run(self.pid, self.port, True, options)

    def through_tee(self, **options: Any) -> Run:
        return self._run(self.tee.process.pid, self.tee.port, False, options)

    before_run: Callable[[], None] = staticmethod(lambda: None)  # of all stages; memory.PageCache.top_up

    def _run(self, pid: int, port: int, is_gateway: bool, options: dict[str, Any]) -> Run:
        self.before_run()
        before = [archive.figures() for archive in self.archives]
        cpu = cpu_seconds(pid)
        report = self.load(port, **options).result()
        count = report["instances"]
        wait_until("both archives have everything", lambda: all(
            archive.figures().instances - old.instances >= count for archive, old in zip(self.archives, before)),
            interval=0.005)
        if is_gateway:
            self.wait_caught_up()
        cpu = cpu_seconds(pid) - cpu
        after = [archive.figures() for archive in self.archives]
        if any(figures.wrong for figures in after):
            raise RuntimeError("an archive got bytes that are not those that were sent")
        last = max(figures.last_ns for figures in after)
        return Run(report["bytes"], count, (last - report["started_ns"]) / 1e9, cpu, report)
