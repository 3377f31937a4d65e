# SPDX-License-Identifier: Apache-2.0
"""The bench's own programs as objects: load, archive, tee, relay, floor."""
from __future__ import annotations

import json
import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgtest.certs import Authority, Pair
from dgtest.daemon import BINARIES
from dgtest.ports import wait_for

TICK = os.sysconf("SC_CLK_TCK")
SYNC_SHIM = BINARIES.parent / "lib" / "libbench_sync_shim.so"


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of the process, ended ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


@dataclass
class Keys:
    """PEM files of one side; None stands for plain DICOM everywhere."""
    authority: Authority
    pair: Pair

    def options(self) -> list[str]:
        return ["--ca", str(self.authority.certificate), "--certificate", str(self.pair.certificate),
                "--key", str(self.pair.key)]


class Program:
    """A child that says its port on its first line and is ended by us."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.strip():
            raise RuntimeError(f"{words[0]} did not start")
        self.port = int(line)

    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass
class Figures:
    instances: int
    bytes: int
    wrong: int
    associations: int
    last_ns: int


class Archive(Program):
    """bench_archive: checks every byte, keeps nothing."""

    def __init__(self, figures: Path, keys: Keys | None = None, *, delay_ms: int = 0, window: int = 1,
                 patients: int = 0, mapped: bool = False) -> None:
        self.path = figures
        super().__init__(str(BINARIES / "bench_archive"), "--figures", str(figures), "--verify",
                         "--delay", str(delay_ms), "--window", str(window), "--patients", str(patients), *(["--mapped"] if mapped else []), *(keys.options() if keys else []))

    def figures(self) -> Figures:
        return Figures(*struct.unpack("<5Q", self.path.read_bytes()))


class Tee(Program):
    def __init__(self, first: int, second: int, keys: Keys | None) -> None:
        files = [str(keys.authority.certificate), str(keys.pair.certificate), str(keys.pair.key)] if keys else []
        super().__init__(str(BINARIES / "bench_tee"), str(first), str(second), *files)


class Relay(Program):
    def __init__(self, port: int, one_way_ms: float) -> None:
        super().__init__(str(BINARIES / "bench_relay"), str(port), str(int(one_way_ms * 1000)))


def floor(folder: Path) -> dict[str, float]:
    """CPU seconds for 10^9 bytes: sha256, aes256gcm, write."""
    return json.loads(subprocess.run([str(BINARIES / "bench_floor"), str(folder)], check=True, capture_output=True,
                                     text=True).stdout)


class Load:
    """bench_load, begun; `result()` waits for its report."""

    def __init__(self, port: int, keys: Keys | None, run: int, **options: Any) -> None:
        words = [str(BINARIES / "bench_load"), "--target", f"127.0.0.1:{port}", "--run", str(run)]
        self.holds = bool(options.get("hold"))
        for name, value in options.items():
            if value is True:
                words.append(f"--{name.replace('_', '-')}")
            elif value is not None and value is not False:
                words += [f"--{name.replace('_', '-')}", str(value)]
        self.process = subprocess.Popen(words + (keys.options() if keys else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def result(self) -> dict[str, Any]:
        """With `hold` the associations stay open afterwards, until `let_go()`."""
        line = self.process.stdout.readline()
        if not self.holds:
            self.let_go()
        report = json.loads(line) if line.strip() else {"failed": 1, "problem": "no report"}
        if report["failed"]:
            raise RuntimeError(f"load: {report['failed']} failed: {report['problem']}")
        return report

    def let_go(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def wait_until(what: str, condition: Any, interval: float = 0.02) -> None:
    wait_for(what, condition, 300.0, interval)
