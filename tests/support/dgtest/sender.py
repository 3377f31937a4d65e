# SPDX-License-Identifier: Apache-2.0
"""The verbatim sender: puts data set bytes on the wire exactly as they are, one presentation
context for each (SOP Class, transfer syntax), one C-STORE at a time on each association."""
from __future__ import annotations

import argparse
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable, Sequence

from . import part10, pdu
from .association import Aborted, Association, PeerClosed, Rejected, open_association, propose

FAILURES = (Aborted, PeerClosed, Rejected, pdu.Malformed, OSError)


@dataclass
class Result:
    """What became of one instance. Times are CLOCK_MONOTONIC, comparable between processes."""
    instance: part10.Instance
    status: int | None = None  # None: never answered
    comment: str = ""
    error: str = ""  # why there is no status
    begun: float = 0.0
    sent: float = 0.0
    answered: float = 0.0


@dataclass
class Target:
    """Where and as whom to send."""
    address: tuple[str, int]
    called: str = "DICOMGATE"
    calling: str = "DGTEST"
    tls: ssl.SSLContext | None = None
    timeout: float = 60.0
    originator: tuple[str, int] | None = None
    max_length: int = 65536

    def open(self, pairs: Iterable[tuple[str, str]]) -> Association:
        info = propose(pairs, called=self.called, calling=self.calling, max_length=self.max_length)
        return open_association(self.address, info, tls=self.tls, timeout=self.timeout)


def store(association: Association, instance: part10.Instance, target: Target) -> Result:
    """Sends one instance on the context that fits; raises if the association breaks."""
    result = Result(instance, begun=time.monotonic())
    wanted = (instance.sop_class, instance.transfer_syntax)
    for context_id, pair in association.accepted().items():
        if pair == wanted:
            break
    else:
        result.error = "no context accepted"
        return result
    try:
        answer = association.store(context_id, instance.sop_class, instance.sop_instance,
                                   _timed(instance.chunks(), result), originator=target.originator)
    except FAILURES as error:
        result.error = f"{type(error).__name__}: {error}"
        raise StoreBroke(result) from error
    result.status, result.comment = answer["Status"], answer.get("ErrorComment", "")
    result.answered = time.monotonic()
    return result


class StoreBroke(Exception):
    """The association ended during a C-STORE; carries its unanswered Result."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.error)
        self.result = result


def _timed(chunks: Iterable[bytes], result: Result) -> Iterable[bytes]:
    for chunk in chunks:
        yield chunk
    result.sent = time.monotonic()


def _groups(instances: Sequence[part10.Instance]) -> Iterable[list[part10.Instance]]:
    """Runs of instances that need no more than 128 contexts (PS3.8 9.3.2.2: odd ids to 255)."""
    group: list[part10.Instance] = []
    pairs: set[tuple[str, str]] = set()
    for instance in instances:
        pair = (instance.sop_class, instance.transfer_syntax)
        if len(pairs | {pair}) > 128:
            yield group
            group, pairs = [], set()
        pairs.add(pair)
        group.append(instance)
    if group:
        yield group


def send(target: Target, instances: Sequence[part10.Instance]) -> list[Result]:
    """All instances in order over as few associations as contexts allow. An association that ends
    early leaves the broken instance unanswered and goes on with the next on a new one."""
    results: list[Result] = []
    for group in _groups(instances):
        todo = list(group)
        while todo:
            todo = _send_run(target, todo, results)
    return results


def _send_run(target: Target, todo: list[part10.Instance], results: list[Result]) -> list[part10.Instance]:
    pairs = dict.fromkeys((i.sop_class, i.transfer_syntax) for i in todo)
    try:
        association = target.open(pairs)
    except FAILURES as error:
        results += [Result(instance, error=f"{type(error).__name__}: {error}") for instance in todo]
        return []
    with association:
        for number, instance in enumerate(todo):
            try:
                results.append(store(association, instance, target))
            except StoreBroke as broke:
                results.append(broke.result)
                return todo[number + 1:]
        try:
            association.release()
        except FAILURES:
            pass  # every instance has its answer; the next run opens anew
    return []


def send_parallel(target: Target, lists: Sequence[Sequence[part10.Instance]]) -> list[Result]:
    """One thread and association for each list."""
    results: list[list[Result]] = [[] for _ in lists]

    def run(number: int) -> None:
        results[number] = send(target, lists[number])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(lists))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for part in results for result in part]


@dataclass
class Load:
    """Threads that send without end, each on its own association, through crashes of the peer.
    `make(worker, number)` yields the instances; every UID is sent until it is answered or dropped."""
    target: Target
    make: Callable[[int, int], part10.Instance]
    workers: int = 4
    per_association: int = 10
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True)
                         for n in range(self.workers)]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> list[Result]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.results

    def stored(self) -> list[part10.Instance]:
        """What was answered with Success so far."""
        with self._lock:
            return [result.instance for result in self.results if result.status == 0]

    def _run(self, worker: int) -> None:
        number = 0
        while not self._stop.is_set():
            batch = [self.make(worker, number + n) for n in range(self.per_association)]
            number += self._batch(batch)

    def _batch(self, batch: list[part10.Instance]) -> int:
        """Sends a batch; returns how many of it were tried."""
        pairs = dict.fromkeys((i.sop_class, i.transfer_syntax) for i in batch)
        try:
            association = self.target.open(pairs)
        except FAILURES:
            self._stop.wait(0.005)  # the peer is down; a retry needs no haste
            return 0
        with association:
            for tried, instance in enumerate(batch, 1):
                try:
                    result = store(association, instance, self.target)
                except StoreBroke as broke:
                    result = broke.result
                with self._lock:
                    self.results.append(result)
                if result.status is None or self._stop.is_set():
                    return tried
            try:
                association.release()
            except FAILURES:
                pass
        return len(batch)


def main(arguments: Sequence[str]) -> int:
    from .certs import client_context
    parser = argparse.ArgumentParser(prog="dgtest.sender", description="Sends files' data sets verbatim.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--called", default="DICOMGATE")
    parser.add_argument("--calling", default="DGTEST")
    parser.add_argument("--uids", choices=("dataset", "meta"), default="dataset")
    parser.add_argument("--tls", nargs=3, metavar=("CERT", "KEY", "CA"), type=Path)
    parser.add_argument("--associations", type=int, default=1)
    parser.add_argument("--originator", nargs=2, metavar=("TITLE", "ID"))
    args = parser.parse_args(arguments)
    tls = client_context(*args.tls) if args.tls else None
    originator = (args.originator[0], int(args.originator[1])) if args.originator else None
    target = Target((args.host, args.port), args.called, args.calling, tls, originator=originator)
    instances = [part10.read(path, uids=args.uids) for path in args.files]
    results = send_parallel(target, [instances[n::args.associations] for n in range(args.associations)])
    for result in results:
        status = "----" if result.status is None else f"{result.status:04X}"
        print(f"{status}  {result.answered - result.begun:8.4f} s  {result.instance.name}  "
              f"{result.comment or result.error}")
    return 0 if all(result.status == 0 for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
