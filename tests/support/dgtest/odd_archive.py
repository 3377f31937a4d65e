# SPDX-License-Identifier: Apache-2.0
"""An archive whose every byte is in the test's hand. A thread of the test listens; what is due to one
association is a function, all others meet a plain storage SCP that keeps what it answered."""
from __future__ import annotations

import hashlib
import queue
import socket
import threading
from typing import Any, Callable

from . import dimse, pdu
from .association import Association, PeerClosed
from .ports import PATIENCE, free_port, wait_for


class Visit:
    """One association that the gateway has opened, as its acceptor sees it."""

    def __init__(self, archive: "OddArchive", sock: socket.socket) -> None:
        self.archive = archive
        self.association = Association(sock)
        self.proposed: pdu.Associate | None = None
        self.request: dict[str, Any] = {}  # the C-STORE-RQ under way
        self.context = 0
        self.data = b""

    def send(self, raw: bytes) -> None:
        try:
            self.association.send(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what the gateway said before it closed can still be read

    # ---- association
    def read_request(self) -> pdu.Associate:
        kind, body = self.association.read_pdu()
        if kind != pdu.ASSOCIATE_RQ:
            raise pdu.Malformed(f"PDU {kind} in place of a request")
        self.proposed = pdu.decode_associate(bytes(body))
        self.association.peer_max = self.proposed.max_length or 0
        return self.proposed

    def answer(self, **fields: Any) -> pdu.Associate:
        """What an archive that takes everything answers to the request, with fields changed."""
        contexts = [pdu.Context(c.id, c.abstract, c.transfers[:1]) for c in self.proposed.contexts]
        info = pdu.Associate(self.proposed.called, self.proposed.calling, contexts)
        for name, value in fields.items():
            setattr(info, name, value)
        return info

    def accept(self, **fields: Any) -> "Visit":
        self.read_request()
        self.send(pdu.associate(pdu.ASSOCIATE_AC, self.answer(**fields)))
        return self

    # ---- messages
    def read_store(self) -> "Visit":
        """Until a C-STORE-RQ and its data set are there; a C-ECHO before it is answered."""
        while True:
            self._read_message()
            if self.request["CommandField"] == dimse.C_STORE_RQ:
                return self
            self.send(self.response())

    def _read_message(self) -> None:
        command, data = bytearray(), bytearray()
        is_announced = is_complete = False
        while not is_complete:
            kind, body = self.association.read_pdu()
            if kind != pdu.P_DATA:
                raise Said(self._said(kind, body))
            for self.context, control, value in pdu.split_pdvs(body):
                (command if control & pdu.COMMAND else data).extend(value)
                if control == pdu.COMMAND | pdu.LAST:
                    self.request = dimse.decode(bytes(command))
                    is_announced = self.request["CommandDataSetType"] != dimse.NO_DATA_SET
                is_complete = bool(control & pdu.LAST) and (not control & pdu.COMMAND or not is_announced)
        self.data = bytes(data)

    def response(self, status: int = 0, extra: dict[int, bytes] | None = None, **changes: Any) -> bytes:
        """The P-DATA of the response, with elements changed or (None) left out; `extra` are those without a name."""
        command = dimse.response(self.request, status)
        command.update(changes)
        command.update(extra or {})
        raw = dimse.encode({key: value for key, value in command.items() if value is not None})
        return pdu.p_data(pdu.pdv(self.context, pdu.COMMAND | pdu.LAST, raw))

    def respond(self) -> None:
        """Success, and the copy is kept."""
        self.archive.keep(self.request["AffectedSOPInstanceUID"], self.data)
        self.send(self.response())

    def met(self) -> str:
        """The next thing that the gateway says."""
        try:
            return self._said(*self.association.read_pdu())
        except (PeerClosed, ConnectionError):
            return "closed"

    @staticmethod
    def _said(kind: int, body: memoryview) -> str:
        if kind == pdu.ABORT:
            return f"abort {body[2]},{body[3]}"
        return {pdu.RELEASE_RQ: "release", pdu.RELEASE_RP: "released"}.get(kind, f"PDU {kind}")

    def serve(self) -> None:
        """A plain archive until the association ends."""
        self.accept()
        while True:
            try:
                self.read_store()
            except Said as said:
                if str(said) == "release":
                    self.send(pdu.release_rp())
                return
            self.respond()


class Said(Exception):
    """The gateway said something else than a message."""


class OddArchive:
    """Use as a context manager. `act` sets what the next association meets."""

    def __init__(self, title: str = "NEWPACS") -> None:
        self.title = title
        self._listener = socket.create_server(("127.0.0.1", free_port()), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._script: Callable[[Visit], str] | None = None
        self._outcome: queue.Queue[str | BaseException] = queue.Queue()
        self._copies: dict[str, list[str]] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def act(self, script: Callable[[Visit], str]) -> None:
        """The next association meets `script`. Those that are open end, so that there is a next one."""
        with self._lock:
            self._script = script
            idle = list(self._open)
        for sock in idle:
            _shut(sock)

    def outcome(self, seconds: float = 30.0) -> str:
        """What the script returned; raises what it raised."""
        value = self._outcome.get(timeout=seconds * PATIENCE)
        if isinstance(value, BaseException):
            raise value
        return value

    def keep(self, uid: str, data: bytes) -> None:
        with self._lock:
            self._copies.setdefault(uid, []).append(hashlib.sha256(data).hexdigest())

    def copies(self, uid: str) -> list[str]:
        """SHA-256 of each copy that was answered with Success."""
        with self._lock:
            return list(self._copies.get(uid, []))

    def wait_copy(self, uid: str, seconds: float = 30.0) -> list[str]:
        return wait_for(f"{self.title} has {uid}", lambda: self.copies(uid), seconds)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                script, self._script = self._script, None
                if script is None:
                    self._open.add(sock)
            threading.Thread(target=self._visit, args=(sock, script), daemon=True).start()

    def _visit(self, sock: socket.socket, script: Callable[[Visit], str] | None) -> None:
        visit = Visit(self, sock)
        try:
            if script is None:
                visit.serve()
            else:
                self._outcome.put(script(visit))
        except (PeerClosed, OSError, pdu.Malformed, ValueError, Said, AssertionError) as error:
            if script is not None:
                self._outcome.put(error)
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def __enter__(self) -> "OddArchive":
        return self

    def __exit__(self, *_: object) -> None:
        _shut(self._listener)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for sock in left:
            _shut(sock)


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
