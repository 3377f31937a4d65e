# SPDX-License-Identifier: Apache-2.0
"""The recording archive: keeps every copy that it is sent, byte for byte, and can misbehave.

The server runs in a process of its own (`python3 -m dgtest.archive_server`), so that its work never
delays the test; `Archive` starts it and speaks JSON lines with it over its standard streams. Each
received copy is one file and one `Copy`; nothing is ever overwritten."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .ports import PATIENCE, free_port


@dataclass
class Behaviour:
    """How the archive treats what comes. `mode`:
    normal       answer `status` after `delay` seconds
    reject       A-ASSOCIATE-RJ with `triple`, to all or only to the calling title `caller`
    close        drop the connection after `after` bytes of a data set
    abort        A-ABORT (2,0) after `after` bytes of a data set
    never_read   accept the association, then read nothing
    never_answer read everything, answer nothing
    `rate` limits reading (bytes/s, 0 = none); `abstracts` and `transfers`, where not empty, are all
    that is accepted; `only` restricts the misbehaviour to one SOP Instance UID; `times` ends it
    after so many uses (0 = never). `window` is the asynchronous operations window that it grants
    where it is asked; with `batch` it answers once so many data sets wait, or no other has come for a
    while, the last one first."""
    mode: str = "normal"
    status: int = 0
    comment: str = ""
    delay: float = 0.0
    triple: tuple[int, int, int] = (2, 3, 1)
    caller: str = ""
    after: int = 1
    rate: int = 0
    abstracts: list[str] = field(default_factory=list)
    transfers: list[str] = field(default_factory=list)
    only: str = ""
    times: int = 0
    window: int = 0
    batch: int = 0


@dataclass
class Copy:
    """One data set received whole. `opened`: when its association was accepted, a moment that the peer has outlived."""
    number: int
    association: int
    calling: str
    called: str
    context: int
    abstract: str
    transfer_syntax: str
    command: dict[str, Any]
    length: int
    sha256: str
    opened: float
    begun: float
    received: float
    answered: float
    status: int | None
    file: str

    @property
    def uid(self) -> str:
        return self.command.get("AffectedSOPInstanceUID", "")


# Sick in every way there is: what to set(), or to be down.
SICK = {
    "down": None,
    "slow": {"delay": 0.2},
    "refusing": {"status": 0xA700, "comment": "out of resources"},
    "closing half-way": {"mode": "close", "after": 2000},
    "never reading": {"mode": "never_read"},
}


class Archive:
    """A recording archive in a child process. Use as a context manager."""

    def __init__(self, folder: Path, title: str, *, port: int = 0, tls: tuple[Path, Path, Path] | None = None,
                 count_only: bool = False) -> None:
        self.folder, self.title, self.port = folder, title, port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "dgtest.archive_server", "--folder", str(folder), "--title", title,
                   "--port", str(self.port)]
        if tls:
            command += ["--tls", *map(str, tls)]
        if count_only:
            command.append("--count-only")
        support = str(Path(__file__).resolve().parents[1])
        environment = dict(os.environ, PYTHONPATH=support)
        self._errors = (folder / "stderr.txt").open("ab")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self._errors, text=True, env=environment)
        self.ask("ping")

    def ask(self, operation: str, **values: Any) -> Any:
        """One request to the child; when it returns the child has acted."""
        self.process.stdin.write(json.dumps({"op": operation, **values}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"archive {self.title} ended: {(self.folder / 'stderr.txt').read_text()}")
        reply = json.loads(line)
        if "error" in reply:
            raise AssertionError(f"archive {self.title}: {reply['error']}")
        return reply["value"]

    def set(self, **fields: Any) -> None:
        """New behaviour, from the next association or message on."""
        self.ask("set", behaviour=asdict(Behaviour(**fields)))

    def uids(self) -> list[str]:
        return [copy.uid for copy in self.copies()]

    def down(self) -> None:
        """Stops listening and drops every connection."""
        self.ask("down")

    def up(self) -> None:
        self.ask("up")

    def drop_connections(self) -> None:
        self.ask("drop")

    def counts(self) -> dict[str, int]:
        """associations, rejected, open, copies, echoes, bytes, partial (data sets begun, never ended)."""
        return self.ask("counts")

    def wait_copies(self, count: int, seconds: float = 30.0) -> None:
        """Until at least `count` copies are answered (or would have been)."""
        self.wait_count("copies", count, seconds)

    def wait_uids(self, uids: list[str], seconds: float = 30.0) -> None:
        """Until each of these SOP Instance UIDs was received and answered 0000."""
        self.ask("wait_uids", uids=uids, seconds=seconds * PATIENCE)

    def wait_count(self, what: str, count: int, seconds: float = 30.0) -> None:
        self.ask("wait", what=what, count=count, seconds=seconds * PATIENCE)

    def copies(self) -> list[Copy]:
        self.ask("flush")
        with (self.folder / "index.jsonl").open() as index:
            return [Copy(**json.loads(line)) for line in index]

    def data(self, copy: Copy) -> bytes:
        return (self.folder / copy.file).read_bytes()

    def clear(self) -> None:
        """Forgets what came so far (between two rounds of a test)."""
        self.ask("clear")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        self._errors.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
