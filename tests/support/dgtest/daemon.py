# SPDX-License-Identifier: Apache-2.0
"""The life of `dicomgated` in a test: configuration, start, readiness, kill, log, counters."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable

import yaml

from .certs import Authority, Pair
from .ports import PATIENCE, free_port, is_open, wait_for

ROOT = Path(__file__).resolve().parents[3]
BINARIES = Path(os.environ.get("DG_BIN", ROOT / "build" / "release" / "bin")).resolve()
DAEMON, CLIENT = BINARIES / "dicomgated", BINARIES / "dicomgate"


@dataclass
class Node:
    """An archive as the gateway is told of it."""
    name: str
    id: int
    title: str
    port: int
    tls: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def built() -> bool:
    return DAEMON.exists() and CLIENT.exists()


class Daemon:
    """One data folder and the process on it. Use as a context manager; the folder is the caller's."""

    def __init__(self, folder: Path, nodes: Iterable[Node], *, settings: dict[str, Any] | None = None,
                 environment: dict[str, str] | None = None, authority: Authority | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.nodes = list(nodes)
        self.port, self.tls_port = free_port(), free_port()
        self.authority = authority
        # RSA: DCMTK's default profile has no ECDSA suites below TLS 1.3.
        self.pair: Pair | None = authority.issue("gateway", algorithm="rsa") if authority else None
        self.environment = dict(os.environ, **(environment or {}))
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = folder / "dicomgated.log"
        self.file = folder / "dicomgate.yaml"
        self.settings = self._settings()
        merge(self.settings, settings or {})
        self.write()
        self._make_keys()

    # ---- configuration
    def _settings(self) -> dict[str, Any]:
        """DESIGN 5 in the smallest form that has every archive behind one route."""
        settings: dict[str, Any] = {
            "gateway": {"ae_title": "DICOMGATE", "data": "data", "keyring": "keyring",
                        "master_key_file": "master.key", "workers": 2, "log_level": "info"},
            "listeners": [{"name": "plain", "address": f"127.0.0.1:{self.port}", "plain": True}],
            "titles": ["DICOMGATE"],
            "nodes": {node.name: self._node(node) for node in self.nodes},
            "phases": {"coexist": {"store": [{"to": [node.name for node in self.nodes],
                                              "acknowledge": "durable", "negotiate": "learned"}]}},
            "start_phase": "coexist",
        }
        if self.authority:
            identity = {"certificate": str(self.pair.certificate), "key": str(self.pair.key),
                        "ca": str(self.authority.certificate)}
            settings["tls"] = {"modalities": dict(identity, peers="required"), "archives": dict(identity)}
            settings["listeners"].append(
                {"name": "modalities", "address": f"127.0.0.1:{self.tls_port}", "tls": "modalities"})
        return settings

    @staticmethod
    def _node(node: Node) -> dict[str, Any]:
        values: dict[str, Any] = {"id": node.id, "kind": "archive", "ae_title": node.title,
                                  "address": f"127.0.0.1:{node.port}", "calling": "preserve",
                                  "settle_on": "answer", "retry_min": "100ms", "retry_max": "500ms"}
        values.update({"tls": "archives"} if node.tls else {"plain": True})
        values.update(node.options)
        return values

    def write(self) -> None:
        """Writes `settings` as the configuration file."""
        self.file.write_text(yaml.safe_dump(self.settings, sort_keys=False))

    def _make_keys(self) -> None:
        """`dicomgate key init` makes the master key and the empty key file."""
        own = self.settings["gateway"]
        if (self.folder / own["data"] / own["keyring"]).exists():
            return
        done = self.run_client("key", "init")
        if done.returncode:
            raise AssertionError(f"dicomgate key init: {done.stdout}{done.stderr}")

    # ---- process
    def start(self, *, ready: bool = True, seconds: float = 30.0) -> "Daemon":
        assert self.process is None, "already running"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen([str(DAEMON), "--config", str(self.file)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment, cwd=self.folder)
        if ready:
            try:
                self.wait_ready(seconds)
            except BaseException:
                self.kill()
                raise
        return self

    def wait_ready(self, seconds: float = 30.0) -> None:
        """The control socket answers and every listener accepts."""
        ports = [int(row["address"].rsplit(":", 1)[1]) for row in self.settings["listeners"]]

        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"dicomgated ended with {self.process.returncode}:\n{self.tail()}")
            return (self.run_client("status", "--json").returncode in (0, 1)
                    and all(is_open(port) for port in ports))
        try:
            wait_for("dicomgated ready", ready, seconds, 0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM; returns the exit status, or fails if it does not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop within {seconds:g} s:\n{self.tail()}") from None
        self.process = None
        return status

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def __enter__(self) -> "Daemon":
        if self.process is None:
            self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        crashed = self.process is not None and self.process.poll() is not None
        if crashed and kind is None:
            raise AssertionError(f"dicomgated ended by itself with {self.process.returncode}:\n{self.tail()}")
        if self.process is None or crashed:
            return
        if kind is not None:
            print(self.tail())
            self.kill()
        elif self.stop():
            raise AssertionError(f"dicomgated did not stop well:\n{self.tail()}")

    # ---- what it says
    def run_client(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(CLIENT), "--config", str(self.file), *words]
        environment = {k: v for k, v in self.environment.items() if k != "LD_PRELOAD"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=self.folder, timeout=60)

    def ask(self, *words: str, expect: int = 0) -> Any:
        """`dicomgate WORDS --json`, parsed; a finding (exit 1) is an answer too."""
        done = self.run_client(*words, "--json")
        assert done.returncode in {expect, 1}, f"dicomgate {words}: {done.returncode} {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def status(self) -> dict[str, Any]:
        return self.ask("status")

    def counters(self) -> dict[str, int]:
        """Event name (log_events.def) to count since this process began."""
        return self.status()["events"]

    def counter(self, name: str) -> int:
        return int(self.counters().get(name, 0))

    def counted(self, event: str, act: Callable[[], Any]) -> Any:
        """What `act` returns; one more `event` is counted and logged meanwhile."""
        before, lines = self.counter(event), len(self.logged(event))
        value = act()
        wait_for(f"event {event}", lambda: self.counter(event) > before, 10)
        wait_for(f"{event} in the log", lambda: len(self.logged(event)) > lines, 10)
        return value

    def archives(self) -> dict[str, dict[str, Any]]:
        """Name to row of `dicomgate archive list`."""
        return {row["name"]: row for row in self.ask("archive", "list")["archives"]}

    def owed(self) -> int:
        """Receipts that some archive is still owed."""
        return sum(int(row["owed"]) for row in self.archives().values())

    def wait_drained(self, seconds: float = 60.0) -> None:
        wait_for("no archive is owed anything", lambda: self.owed() == 0, seconds, 0.1)

    def wait_caught_up(self) -> None:
        """However long it takes after much load, as long as it gets less."""
        while (owed := self.owed()) > 0:
            wait_for(f"fewer than {owed} are owed", lambda: self.owed() < owed, 120, 1.0)

    def ledger(self, uid: str) -> list[dict[str, Any]]:
        return self.ask("ledger", "show", uid)["facts"]

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def logged(self, name: str) -> list[str]:
        """Lines of the event `name`: `TIME LEVEL NAME FIELD=VALUE...: TEXT`."""
        pattern = re.compile(rf"^\S+ \w+ {re.escape(name)}[ :]")
        return [line for line in self.log().splitlines() if pattern.match(line)]

    def tail(self, lines: int = 60) -> str:
        return "\n".join(["--- end of the daemon's log:", *self.log().splitlines()[-lines:]])

    def memory(self) -> int:
        """RssAnon + RssShmem in bytes (ENGINE 6); 0 if the process has gone."""
        try:
            text = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0
        return sum(int(value) << 10 for value in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", text, re.M))


def merge(base: dict[str, Any], extra: dict[str, Any]) -> None:
    """Puts `extra` over `base`, folder by folder; None removes a key."""
    for key, value in extra.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


def sample_memory(daemon: Daemon, until: Any, interval: float = 0.02) -> list[int]:
    """RssAnon + RssShmem every 20 ms until `until()` is true."""
    samples = []
    while not until():
        samples.append(daemon.memory())
        time.sleep(interval)
    return samples
