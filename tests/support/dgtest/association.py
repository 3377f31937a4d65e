# SPDX-License-Identifier: Apache-2.0
"""An association over a plain or TLS socket: blocking, one owner, every byte in the test's hand."""
from __future__ import annotations

import socket
import ssl
import struct
import time
from typing import Any, Iterable, Iterator

from . import dimse, pdu


class PeerClosed(Exception):
    """The connection ended: cleanly between PDUs or, `partial`, inside one."""

    def __init__(self, partial: int = 0) -> None:
        super().__init__(f"connection closed, {partial} bytes of a PDU read")
        self.partial = partial


class Rejected(Exception):
    """A-ASSOCIATE-RJ with its triple (result, source, reason)."""

    def __init__(self, triple: tuple[int, int, int]) -> None:
        super().__init__(f"rejected {triple}")
        self.triple = triple


class Aborted(Exception):
    """A-ABORT with its (source, reason)."""

    def __init__(self, pair: tuple[int, int]) -> None:
        super().__init__(f"aborted {pair}")
        self.pair = pair


# How an association ends that the other side does not want; Malformed: a TLS alert.
ENDED = (ssl.SSLError, PeerClosed, ConnectionError, Aborted, pdu.Malformed)


def connect(address: tuple[str, int], *, tls: ssl.SSLContext | None = None,
            timeout: float = 20.0, receive_buffer: int = 0) -> socket.socket:
    """A connected socket with TCP_NODELAY, wrapped if `tls` is given."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(timeout)
        raw.connect(address)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tls.wrap_socket(raw) if tls else raw
    except BaseException:
        raw.close()
        raise


class Association:
    """Either side of an association. Reads are exact; a time-out raises TimeoutError."""

    def __init__(self, sock: socket.socket, info: pdu.Associate | None = None) -> None:
        self.sock = sock
        self.proposed = info
        self.answer: pdu.Associate | None = None
        self.peer_max = 16384
        self.message_id = 0
        self._header = bytearray(6)
        self._body = bytearray(1 << 17)

    # ---- bytes
    def send(self, raw: bytes) -> None:
        self.sock.sendall(raw)

    def send_slowly(self, raw: bytes, cuts: Iterable[int], pause: float = 0.0) -> None:
        """Sends `raw` in pieces that end at `cuts`: what the peer reads must not depend on them."""
        start = 0
        for cut in [*cuts, len(raw)]:
            self.sock.sendall(raw[start:cut])
            start = cut
            if pause:
                time.sleep(pause)

    def _read_into(self, view: memoryview, before: int) -> None:
        done = 0
        while done < len(view):
            try:
                count = self.sock.recv_into(view[done:])
            except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
                raise PeerClosed(before + done) from error
            if count == 0:
                raise PeerClosed(before + done)
            done += count

    def read_pdu(self) -> tuple[int, memoryview]:
        """(type, body); the body is borrowed until the next read."""
        self._read_into(memoryview(self._header), 0)
        kind, _, length = struct.unpack(">BBI", self._header)
        if not 1 <= kind <= 7:
            raise pdu.Malformed(f"PDU of type {kind:#04x}")
        if length > len(self._body):
            if length > 1 << 26:
                raise pdu.Malformed(f"PDU of {length} bytes")
            self._body = bytearray(length)
        body = memoryview(self._body)[:length]
        self._read_into(body, 6)
        return kind, body

    def at_end(self) -> bool:
        """True if the peer has closed and nothing is left to read."""
        try:
            return self.sock.recv(1) == b""
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError, BrokenPipeError):
            return True

    # ---- association
    def request(self, raw: bytes | None = None) -> pdu.Associate:
        """Sends the A-ASSOCIATE-RQ (or `raw` in its place) and returns the AC."""
        self.send(raw if raw is not None else pdu.associate(pdu.ASSOCIATE_RQ, self.proposed))
        kind, body = self.read_pdu()
        if kind == pdu.ASSOCIATE_RJ:
            raise Rejected((body[1], body[2], body[3]))
        if kind == pdu.ABORT:
            raise Aborted((body[2], body[3]))
        if kind != pdu.ASSOCIATE_AC:
            raise pdu.Malformed(f"PDU {kind:#x} in place of A-ASSOCIATE-AC")
        self.answer = pdu.decode_associate(bytes(body))
        self.peer_max = self.answer.max_length or 0
        return self.answer

    def accepted(self) -> dict[int, tuple[str, str]]:
        """Context id -> (abstract, transfer syntax) of what the acceptor took."""
        proposed = {c.id: c for c in self.proposed.contexts}
        return {c.id: (proposed[c.id].abstract, c.transfers[0]) for c in self.answer.contexts
                if c.result == 0 and c.id in proposed and c.transfers}

    def release(self) -> None:
        self.send(pdu.release_rq())
        kind, body = self.read_pdu()
        if kind == pdu.ABORT:
            raise Aborted((body[2], body[3]))
        if kind != pdu.RELEASE_RP:
            raise pdu.Malformed(f"PDU {kind:#x} in place of A-RELEASE-RP")
        self.close()

    def abort(self, source: int = 0, reason: int = 0) -> None:
        self.send(pdu.abort(source, reason))
        self.close()

    def close(self) -> None:
        """Closes at once; over TLS without close_notify, which is what a crash looks like."""
        self.sock.close()

    def __enter__(self) -> "Association":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- messages
    def next_id(self) -> int:
        self.message_id = self.message_id % 65535 + 1
        return self.message_id

    def fragment_size(self) -> int:
        """Bytes of a PDV value that fit the peer's maximum length (PS3.8 D.1), even."""
        limit = self.peer_max or 1 << 17
        return max(2, (min(limit, 1 << 20) - 6) & ~1)

    def send_command(self, context_id: int, command: dict[str, Any]) -> None:
        raw = dimse.encode(command)
        size = self.fragment_size()
        for start in range(0, len(raw), size):
            last = pdu.LAST if start + size >= len(raw) else 0
            piece = raw[start:start + size]
            self.send(pdu.p_data(pdu.pdv(context_id, pdu.COMMAND | last, piece)))

    def send_data(self, context_id: int, chunks: Iterable[bytes]) -> None:
        """A data set in fragments of the peer's size; the last one may be odd (PROTOCOL: 77)."""
        size = self.fragment_size()
        for piece, last in _fragments(chunks, size):
            head = struct.pack(">BBIIBB", pdu.P_DATA, 0, len(piece) + 6, len(piece) + 2,
                               context_id, pdu.LAST if last else 0)
            self.send(head + piece)

    def read_command(self) -> tuple[int, dict[str, Any]]:
        """The next command set that carries no data set, such as a C-STORE-RSP."""
        raw = bytearray()
        while True:
            kind, body = self.read_pdu()
            if kind == pdu.ABORT:
                raise Aborted((body[2], body[3]))
            if kind != pdu.P_DATA:
                raise pdu.Malformed(f"PDU {kind:#x} in place of a response")
            for context_id, control, value in pdu.split_pdvs(body):
                if not control & pdu.COMMAND:
                    raise pdu.Malformed("data set fragment in place of a command")
                raw += value
                if control & pdu.LAST:
                    return context_id, dimse.decode(bytes(raw))

    def echo(self, context_id: int) -> int:
        number = self.next_id()
        self.send_command(context_id, dimse.c_echo_rq(number))
        _, answer = self.read_command()
        if answer.get("MessageIDBeingRespondedTo") != number:
            raise pdu.Malformed("response to another message")
        return answer["Status"]

    def store(self, context_id: int, sop_class: str, sop_instance: str, chunks: Iterable[bytes],
              **options: Any) -> dict[str, Any]:
        """One C-STORE; returns the response's command set."""
        number = self.next_id()
        self.send_command(context_id, dimse.c_store_rq(number, sop_class, sop_instance, **options))
        self.send_data(context_id, chunks)
        _, answer = self.read_command()
        if answer.get("MessageIDBeingRespondedTo") != number:
            raise pdu.Malformed("response to another message")
        return answer


def _fragments(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Cuts any chunks to pieces of `size` bytes; the last piece, maybe empty, is marked."""
    held = bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        if not held:
            at = 0
            while len(view) - at > size:
                yield bytes(view[at:at + size]), False
                at += size
            held += view[at:]
            continue
        held += view
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


def propose(pairs: Iterable[tuple[str, str | list[str]]], **fields: Any) -> pdu.Associate:
    """One context per (abstract syntax, transfer syntax or list of them), ids 1, 3, 5..."""
    contexts = [pdu.Context(2 * number + 1, abstract,
                            [transfer] if isinstance(transfer, str) else list(transfer))
                for number, (abstract, transfer) in enumerate(pairs)]
    return pdu.Associate(contexts=contexts, **fields)


def open_association(address: tuple[str, int], info: pdu.Associate, *,
                     tls: ssl.SSLContext | None = None, timeout: float = 20.0) -> Association:
    """Connects and negotiates; closes the socket again if that fails."""
    association = Association(connect(address, tls=tls, timeout=timeout), info)
    try:
        association.request()
    except BaseException:
        association.close()
        raise
    return association
