# SPDX-License-Identifier: Apache-2.0
"""A recorded session is broken off at its bytes, over TLS and plain, by a reset or an orderly end: the daemon forgets it,
no archive gets a part of it, and the next association is served. tests/unit/gateway/test_cut.c does it at every byte;
here it is every DG_CUT_STRIDE-th with the real daemon, its sockets and its TLS layer."""
from __future__ import annotations

import os
import socket
import struct

import pytest

from dgtest import dimse, part10, pdu, sender
from dgtest.association import PeerClosed, connect, propose
from dgtest.odd_archive import OddArchive, Said, Visit
from dgtest.certs import client_context
from dgtest.daemon import Daemon, Node
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

STRIDE = int(os.environ.get("DG_CUT_STRIDE", "41"))
PAIRS = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]


def session(one: part10.Instance) -> tuple[bytes, bytes]:
    """Association, echo, a data set in two fragments, release: glued, as a client may that asks for no window."""
    info = propose(PAIRS, called="DICOMGATE", calling="CUT")
    echo = dimse.encode(dimse.c_echo_rq(1))
    store = dimse.encode(dimse.c_store_rq(2, one.sop_class, one.sop_instance))
    data = b"".join(one.chunks())
    return (pdu.associate(pdu.ASSOCIATE_RQ, info), pdu.p_data(pdu.pdv(1, 3, echo)) + pdu.p_data(pdu.pdv(3, 3, store))
            + pdu.p_data(pdu.pdv(3, 0, data[:700])) + pdu.p_data(pdu.pdv(3, 2, data[700:])) + pdu.release_rq())


def cut(sock: socket.socket, request: bytes, rest: bytes, at: int, is_reset: bool) -> None:
    try:
        sock.sendall(request[:at])
        if at > len(request):
            sock.recv(65536)  # P-DATA before the A-ASSOCIATE-AC would be an error of its own
            sock.sendall(rest[:at - len(request)])
    except OSError:
        pass  # it has ended the association first
    if is_reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_the_front_is_cut_everywhere(folder, tls):
    with Stage(folder, tls=tls) as stage:
        context = client_context(stage.modality.certificate, stage.modality.key, stage.authority.certificate) if tls \
            else None
        port = stage.daemon.tls_port if tls else stage.daemon.port
        whole: dict[str, part10.Instance] = {}
        cuts = 0
        length = sum(map(len, session(part10.generate(1500, 98, 0, sop_class=STORAGE))))
        for number, at in enumerate(range(0, length + 1, STRIDE)):
            one = part10.generate(1500, 98, number, sop_class=STORAGE)
            request, rest = session(one)
            whole[one.sop_instance] = one
            cut(connect(("127.0.0.1", port), tls=context), request, rest, at, number % 2 == 0)
            cuts += 1
        after = part10.generate(1500, 98, 999_999, sop_class=STORAGE)
        stage.send([after])
        stage.wait_arrived([after])
        stage.daemon.wait_drained()
        whole[after.sop_instance] = after
        for archive in stage.archives:
            for copy in archive.copies():
                assert copy.sha256 == whole[copy.uid].digest(), "a part of an instance"
        wait_for("no association is left", lambda: stage.daemon.status()["associations"] == 0, 10)
        print(f"{cuts} cuts of {length} bytes, {len(stage.legacy.copies())} instances were whole before")


class Meter:
    """Counts the bytes of both directions of a visit and ends it when one count is reached."""

    def __init__(self, visit: Visit, received: int, sent: int) -> None:
        self.sock, self.left, self.may_send = visit.association.sock, received, sent
        visit.association.sock = self

    def recv_into(self, view: memoryview) -> int:
        if self.left <= 0:
            raise PeerClosed
        count = self.sock.recv_into(view[:self.left])
        self.left -= count
        return count

    def sendall(self, raw: bytes) -> None:
        self.sock.sendall(raw[:self.may_send])
        if len(raw) >= self.may_send:
            raise PeerClosed
        self.may_send -= len(raw)

    def close(self) -> None:
        self.sock.close()


def served_so_far(received: int, sent: int):
    """A good archive until so many bytes have come or gone."""
    def act(visit: Visit) -> str:
        Meter(visit, received, sent)
        try:
            visit.accept().read_store().respond()
            visit.met()
            visit.send(pdu.release_rp())
            return "served"
        except (PeerClosed, Said):
            return "cut"
    return act


@pytest.mark.parametrize("direction", ["received", "sent"])
def test_the_archive_is_cut_everywhere(folder, direction):
    limits = {"retry_min": "10ms", "retry_max": "50ms", "idle": "20ms", "response": "2s", "release": "1s"}
    with OddArchive() as odd:
        nodes = [Node("new", 1, "NEWPACS", odd.port, options=limits)]
        with Daemon(folder / "gateway", nodes) as daemon:
            target = sender.Target(("127.0.0.1", daemon.port), calling="CT1")
            assert sender.send(target, [part10.generate(900, 99, 0, sop_class=STORAGE)])[0].status == 0
            for number, at in enumerate(range(1, 100_000, STRIDE), 1):
                one = part10.generate(900, 99, number, sop_class=STORAGE)
                odd.act(served_so_far(at if direction == "received" else 1 << 30, at if direction == "sent" else 1 << 30))
                assert sender.send(target, [one])[0].status == 0
                outcome = odd.outcome()
                copies = odd.wait_copy(one.sop_instance)
                assert set(copies) == {one.digest()} and len(copies) <= 2
                if outcome == "served":
                    break
            else:
                raise AssertionError("it was never served: nothing was cut where the session ends")
            wait_for("nothing owed", lambda: daemon.owed() == 0, 20)
            print(f"cut at {number} places, every {STRIDE} bytes {direction}")
