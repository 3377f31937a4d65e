# SPDX-License-Identifier: Apache-2.0
"""The process behind `dgtest.archive`: a thread for each connection, JSON lines for control."""
from __future__ import annotations

import argparse
import hashlib
import json
import socket
import ssl
import struct
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from . import certs, dimse, pdu
from .archive import Behaviour, Copy
from .association import Association, PeerClosed

MAX_LENGTH = 65536


class Ended(Exception):
    """This connection is over by the archive's own will."""


class Recorder:
    """What was received, shared by all connections under one lock."""

    def __init__(self, folder: Path, count_only: bool) -> None:
        self.folder, self.count_only = folder, count_only
        self.changed = threading.Condition()
        self.counts = dict.fromkeys(
            ("associations", "rejected", "open", "copies", "echoes", "bytes", "partial", "begun", "waiting_most"),
            0)
        self.stored: set[str] = set()
        self._number = 0
        self._index = (folder / "index.jsonl").open("w")

    def add(self, what: str, amount: int = 1) -> None:
        with self.changed:
            self.counts[what] += amount
            self.changed.notify_all()

    def count(self, what: str, amount: int) -> None:
        """Nobody waits for it."""
        with self.changed:
            self.counts[what] += amount

    def next_number(self) -> int:
        with self.changed:
            self._number += 1
            return self._number

    def record(self, copy: Copy) -> None:
        line = json.dumps(asdict(copy)) + "\n"
        with self.changed:
            self._index.write(line)
            self.counts["copies"] += 1
            if copy.status == 0:
                self.stored.add(copy.uid)
            self.changed.notify_all()

    def flush(self) -> None:
        with self.changed:
            self._index.flush()

    def clear(self) -> None:
        with self.changed:
            self._index.seek(0)
            self._index.truncate()
            self.stored.clear()
            for file in self.folder.glob("*.ds"):
                file.unlink()
            for what in ("copies", "echoes", "bytes", "partial", "associations", "rejected", "begun",
                         "waiting_most"):
                self.counts[what] = 0

    def wait(self, condition: Any, what: str, seconds: float) -> None:
        with self.changed:
            if not self.changed.wait_for(condition, seconds):
                raise AssertionError(f"not within {seconds:g} s: {what}; counts {self.counts}")

    def wait_uids(self, uids: list[str], seconds: float) -> None:
        missing = set(uids)

        def complete() -> bool:
            missing.difference_update(self.stored)
            return not missing
        try:
            self.wait(complete, "", seconds)
        except AssertionError:
            some = ", ".join(sorted(missing)[:5])
            raise AssertionError(f"{len(missing)} of {len(uids)} missing, such as {some}") from None


class Reception:
    """A data set that is arriving."""

    def __init__(self, recorder: Recorder, context: int, command: dict[str, Any]) -> None:
        self.context, self.command = context, command
        self.number = recorder.next_number()
        self.digest = hashlib.sha256()
        self.length = 0
        self.begun = time.monotonic()
        self.name = "" if recorder.count_only else f"{self.number:08d}.ds"
        self._file: BinaryIO | None = (recorder.folder / self.name).open("wb") if self.name else None

    def add(self, value: memoryview) -> None:
        self.digest.update(value)
        self.length += len(value)
        if self._file:
            self._file.write(value)

    def end(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


class Connection:
    """One association as acceptor."""

    def __init__(self, server: "Server", sock: socket.socket, number: int) -> None:
        self.server, self.number = server, number
        self.recorder = server.recorder
        self.association = Association(sock)
        self.contexts: dict[int, tuple[str, str]] = {}
        self.request: pdu.Associate | None = None
        self.opened = 0.0
        self.reception: Reception | None = None
        self._command = bytearray()
        self._waiting: list[tuple[Reception, int, str]] = []
        self._last = 0  # the newest of all that ever waited
        self._answers = threading.Lock()

    def run(self) -> None:
        try:
            self._negotiate()
            while True:
                kind, body = self.association.read_pdu()
                if kind == pdu.P_DATA:
                    for context_id, control, value in pdu.split_pdvs(body):
                        self._fragment(context_id, control, value)
                elif kind == pdu.RELEASE_RQ:
                    self.association.send(pdu.release_rp())
                    return
                else:
                    return
        except pdu.Malformed:
            self._abort(2, 1)
        except (Ended, PeerClosed, OSError, ssl.SSLError):
            return
        finally:
            if self.reception:
                self.reception.end()
                self.recorder.add("partial")
            self.association.close()

    def _abort(self, source: int, reason: int) -> None:
        try:
            self.association.send(pdu.abort(source, reason))
        except OSError:
            pass

    def _negotiate(self) -> None:
        kind, body = self.association.read_pdu()
        if kind != pdu.ASSOCIATE_RQ:
            raise Ended
        self.request = request = pdu.decode_associate(bytes(body))
        behaviour = self.server.behaviour
        is_meant = behaviour.caller in ("", request.calling.strip())
        if behaviour.mode == "reject" and is_meant and self.server.use(behaviour):
            self.recorder.add("rejected")
            self.association.send(pdu.reject(*behaviour.triple))
            self.association.at_end()
            raise Ended
        answer = pdu.Associate(called=request.called, calling=request.calling,
                               max_length=MAX_LENGTH)
        for context in request.contexts:
            answer.contexts.append(self._choose(context, behaviour))
        asked = dict(request.user_items).get(pdu.ITEM_ASYNC)
        if behaviour.window and asked:
            granted = min(behaviour.window, struct.unpack(">HH", asked)[0] or behaviour.window)
            answer.user_items.append((pdu.ITEM_ASYNC, struct.pack(">HH", granted, 1)))
        self.association.peer_max = request.max_length or 0
        self.recorder.add("associations")
        self.opened = time.monotonic()
        self.association.send(pdu.associate(pdu.ASSOCIATE_AC, answer))
        if behaviour.mode == "never_read" and self.server.use(behaviour):
            self.server.hold(self.association.sock)
            raise Ended

    def _choose(self, context: pdu.Context, behaviour: Behaviour) -> pdu.Context:
        if behaviour.abstracts and context.abstract not in behaviour.abstracts + [pdu.VERIFICATION]:
            return pdu.Context(context.id, transfers=context.transfers[:1], result=3)
        for transfer in context.transfers:
            if not behaviour.transfers or transfer in behaviour.transfers:
                self.contexts[context.id] = (context.abstract, transfer)
                return pdu.Context(context.id, transfers=[transfer])
        return pdu.Context(context.id, transfers=context.transfers[:1], result=4)

    def _fragment(self, context_id: int, control: int, value: memoryview) -> None:
        if control & pdu.COMMAND:
            self._command += value
            if control & pdu.LAST:
                command = dimse.decode(bytes(self._command))
                self._command.clear()
                self._on_command(context_id, command)
            return
        if not self.reception:
            raise pdu.Malformed("data set fragment without a command")
        self.reception.add(value)
        self.recorder.count("bytes", len(value))
        self._misbehave()
        if control & pdu.LAST:
            self._on_data_end()

    def _on_command(self, context_id: int, command: dict[str, Any]) -> None:
        field = command["CommandField"]
        if field == dimse.C_ECHO_RQ:
            self.recorder.add("echoes")
            self.association.send_command(context_id, dimse.response(command, 0))
        elif field == dimse.C_STORE_RQ:
            self.reception = Reception(self.recorder, context_id, command)
            self.recorder.add("begun")
        else:
            raise pdu.Malformed(f"command {field:#06x}")

    @staticmethod
    def _applies(behaviour: Behaviour, reception: Reception) -> bool:
        uid = reception.command.get("AffectedSOPInstanceUID", "")
        return not behaviour.only or behaviour.only == uid

    def _misbehave(self) -> None:
        behaviour = self.server.behaviour
        if behaviour.rate:  # by the clock, so that what a sleep takes too long is made up for
            due = self.reception.begun + self.reception.length / behaviour.rate
            time.sleep(max(0.0, due - time.monotonic()))
        if behaviour.mode not in ("close", "abort") or self.reception.length < behaviour.after:
            return
        if self._applies(behaviour, self.reception) and self.server.use(behaviour):
            if behaviour.mode == "abort":
                self.association.send(pdu.abort(2, 0))
            raise Ended

    def _on_data_end(self) -> None:
        reception, self.reception = self.reception, None
        reception.end()
        received = time.monotonic()
        behaviour = self.server.behaviour
        status: int | None = 0
        if behaviour.delay:
            time.sleep(behaviour.delay)
        if self._wants(behaviour, reception):
            status = None if behaviour.mode == "never_answer" else behaviour.status
        answered = time.monotonic()
        abstract, transfer = self.contexts.get(reception.context, ("", ""))
        copy = Copy(reception.number, self.number, self.request.calling, self.request.called,
                    reception.context, abstract, transfer, reception.command, reception.length,
                    reception.digest.hexdigest(), self.opened, reception.begun, received, answered, status,
                    reception.name)
        self.recorder.record(copy)  # first, so that whoever sees the response can find the copy
        if status is None:
            return
        answer = (reception, status, behaviour.comment if status else "")
        if behaviour.batch:
            self._answer_later(behaviour, answer)
        else:
            self._answer(*answer)

    def _answer_later(self, behaviour: Behaviour, answer: tuple[Reception, int, str]) -> None:
        with self._answers:
            self._waiting.append(answer)
            self._last += 1
            last, waiting = self._last, len(self._waiting)
            with self.recorder.changed:
                self.recorder.counts["waiting_most"] = max(self.recorder.counts["waiting_most"], waiting)
        if waiting >= behaviour.batch:
            self._answer_all(last)
        else:
            threading.Timer(0.2, self._answer_all, (last,)).start()

    def _answer_all(self, last: int) -> None:
        """Unless more has come since: the last first."""
        with self._answers:
            if self._last != last:
                return
            waiting, self._waiting = self._waiting, []
            for answer in reversed(waiting):
                self._answer(*answer)

    def _answer(self, reception: Reception, status: int, comment: str) -> None:
        raw = dimse.encode(dimse.response(reception.command, status, comment))
        self.association.send(pdu.p_data(pdu.pdv(reception.context, pdu.COMMAND | pdu.LAST, raw)))

    def _wants(self, behaviour: Behaviour, reception: Reception) -> bool:
        """Whether this answer is one that the behaviour changes."""
        if behaviour.mode not in ("normal", "never_answer") or (behaviour.mode == "normal" and not behaviour.status):
            return False
        return self._applies(behaviour, reception) and self.server.use(behaviour)


class Server:
    """Listener, connections and control."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.port = options.port
        self.recorder = Recorder(options.folder, options.count_only)
        self.tls = None
        if options.tls:
            self.tls = certs.server_context(*options.tls)
        self.behaviour = Behaviour()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._released = threading.Event()
        self._listener: socket.socket | None = None
        self._associations = 0
        self.up()

    def use(self, behaviour: Behaviour) -> bool:
        """Counts a use of a behaviour with `times`; False if it has none left."""
        with self._lock:
            if behaviour is not self.behaviour:
                return True
            if behaviour.times:
                behaviour.times -= 1
                if not behaviour.times:
                    self.behaviour = Behaviour()
            return True

    def hold(self, sock: socket.socket) -> None:
        """Keeps a connection open and unread until the behaviour changes or it is dropped."""
        self._released.wait()

    def up(self) -> None:
        if self._listener:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop()

    def drop(self) -> None:
        with self._lock:
            for sock in self._open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def set(self, fields: dict[str, Any]) -> None:
        with self._lock:
            self.behaviour = Behaviour(**fields)
            released, self._released = self._released, threading.Event()
        released.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._associations += 1
                number = self._associations
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        stream = sock
        self.recorder.add("open")
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                sock.settimeout(20)
                stream = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=True)
                with self._lock:
                    self._open.discard(sock)
                    self._open.add(stream)
                stream.settimeout(None)
            Connection(self, stream, number).run()
        except (OSError, ssl.SSLError) as error:
            print(f"connection {number}: {error}", file=sys.stderr, flush=True)
        finally:
            with self._lock:
                self._open.discard(stream)
                self._open.discard(sock)
            stream.close()
            self.recorder.add("open", -1)

    def handle(self, request: dict[str, Any]) -> Any:
        operation = request["op"]
        if operation == "set":
            return self.set(request["behaviour"])
        if operation == "wait":
            what, count = request["what"], request["count"]
            return self.recorder.wait(lambda: self.recorder.counts[what] >= count,
                                      f"{count} {what}", request["seconds"])
        if operation == "wait_uids":
            return self.recorder.wait_uids(request["uids"], request["seconds"])
        if operation == "counts":
            return dict(self.recorder.counts)
        simple = {"ping": lambda: None, "flush": self.recorder.flush, "clear": self.recorder.clear,
                  "up": self.up, "down": self.down, "drop": self.drop}
        return simple[operation]()


def main() -> int:
    parser = argparse.ArgumentParser(prog="dgtest.archive_server")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", nargs=3, type=Path)
    parser.add_argument("--count-only", action="store_true")
    server = Server(parser.parse_args())
    for line in sys.stdin:
        try:
            reply = {"value": server.handle(json.loads(line))}
        except (AssertionError, OSError) as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
