# SPDX-License-Identifier: Apache-2.0
"""Each time limit and each limit of the configuration as a row: a short value, a peer that runs into it, and what the
gateway does then (FIELD 15 and 16). Limits of the journal and of messages stand in their own tests."""
import socket
import time
from contextlib import closing

import pytest

from dgtest import dimse, part10, pdu
from dgtest.association import ENDED, Aborted, Association, Rejected, connect, open_association, propose
from dgtest.daemon import Daemon, Node
from dgtest.ports import LATE, tcp_row, wait_for
from dgtest.stage import STORAGE, Stage

PAIRS = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]
SHORT, ARTIM = 1.0, 5.0  # seconds: what the rows set; ARTIM is longer, as every association is opened within it

CLIENTS = [{"ae_title": "QUICK", "services": ["echo", "store"], "stall": "1s", "release": "1s", "idle": "10s",
            "max_pdu": "8KiB", "associations": 2},
           {"ae_title": "*", "services": ["echo", "store"]}]
LIMITS = {"artim": f"{ARTIM:g}s", "release": "40s", "stall": "40s", "idle": "60min", "max_associate": "64KiB",
          "client_associations": 4, "keep_alive": "7s", "client_silent": 5}


@pytest.fixture(scope="module")
def stage(module_folder):
    settings = {"limits": LIMITS, "clients": CLIENTS, "gateway": {"max_pdu": "32KiB"}}
    with Stage(module_folder, tls=True, settings=settings) as scene:
        yield scene


def opened(stage: Stage, calling: str = "SLOW", **fields) -> Association:
    info = propose(PAIRS, called="DICOMGATE", calling=calling, **fields)
    return open_association(("127.0.0.1", stage.daemon.port), info)


def ends_after(association: Association, seconds: float, begun: float) -> None:
    """Reads until the gateway ends it, which must be at `seconds` after what was done at `begun` or later."""
    association.sock.settimeout(seconds + LATE)
    with pytest.raises(ENDED):
        while True:
            kind, body = association.read_pdu()
            if kind == pdu.ABORT:
                raise Aborted((body[2], body[3]))
    assert seconds - 0.3 <= time.monotonic() - begun <= seconds + LATE
    association.close()


def command(number: int = 1) -> bytes:
    return dimse.encode(dimse.c_store_rq(number, STORAGE, f"1.2.3.{number}"))


# ---- towards clients

def test_artim_without_a_request(stage):
    begun = time.monotonic()
    ends_after(Association(connect(("127.0.0.1", stage.daemon.port))), ARTIM, begun)
    wait_for("said", lambda: stage.daemon.logged("ul.artim-expired"), 5)


def test_artim_without_a_handshake(stage):
    begun = time.monotonic()
    ends_after(Association(connect(("127.0.0.1", stage.daemon.tls_port))), ARTIM, begun)


def test_stall_inside_a_message(stage):
    association = opened(stage, "QUICK")
    begun = time.monotonic()
    association.send(pdu.p_data(pdu.pdv(3, 3, command())) + pdu.p_data(pdu.pdv(3, 0, b"x" * 100)))
    ends_after(association, SHORT, begun)
    wait_for("said", lambda: any("stall-timeout" in line for line in stage.daemon.logged("front.timeout")), 5)


def test_stall_of_others_is_longer(stage):
    association = opened(stage)
    association.send(pdu.p_data(pdu.pdv(3, 3, command())) + pdu.p_data(pdu.pdv(3, 0, b"x" * 100)))
    association.sock.settimeout(2.5 * SHORT)
    with pytest.raises(TimeoutError):
        association.read_pdu()
    association.abort()


def test_idle_between_messages(stage):
    association = opened(stage, "QUICK")
    begun = time.monotonic()
    assert association.echo(1) == 0
    ends_after(association, 10.0, begun)


def test_release_without_a_close(stage):
    association = opened(stage, "QUICK")
    begun = time.monotonic()
    association.send(pdu.release_rq())
    assert association.read_pdu()[0] == pdu.RELEASE_RP
    ends_after(association, SHORT, begun)


def test_keep_alive_is_set(stage):
    """The kernel's own timer of the gateway's side of the connection: 2 is keep-alive (proc(5), tcp)."""
    association = opened(stage)

    def timer() -> float:
        row = tcp_row(association.sock)
        kind, ticks = row[5].split(":") if row else ("", "0")
        return int(ticks, 16) / 100 if kind == "02" else 0
    assert 0 < wait_for("the timer", timer, 5) <= 7.0
    association.release()


def test_longest_association_pdu(stage):
    long = Association(connect(("127.0.0.1", stage.daemon.port)))
    long.send(pdu.pdu(pdu.ASSOCIATE_RQ, bytes(1000), length=(64 << 10) + 1))
    kind, body = long.read_pdu()
    assert kind == pdu.ABORT, "at its header: nothing is kept for a length that is only announced"
    long.close()
    wait_for("said", lambda: stage.daemon.logged("ul.pdu-too-long"), 5)
    fits = propose(PAIRS, called="DICOMGATE", calling="SLOW", user_items=[(0x7E, bytes(60_000))])
    open_association(("127.0.0.1", stage.daemon.port), fits).release()


@pytest.mark.parametrize("calling,most", [("QUICK", 8192), ("SLOW", 32768)])
def test_longest_data_pdu(stage, calling, most):
    with closing(opened(stage, calling)) as association:
        assert association.answer.max_length == most
        association.send(pdu.p_data(pdu.pdv(3, 3, command())) + pdu.p_data(pdu.pdv(3, 0, bytes(most + 64))))
        with pytest.raises(ENDED):
            association.read_command()


@pytest.mark.parametrize("calling,most", [("QUICK", 2), ("SLOW", 4)])
def test_associations_at_the_same_time(stage, calling, most):
    wait_for("quiet", lambda: stage.daemon.status()["associations"] == 0, 10)
    kept = [opened(stage, calling) for _ in range(most)]
    with pytest.raises(Rejected) as rejected:
        opened(stage, calling)
    assert rejected.value.triple == (2, 3, 2)
    for association in kept:
        association.release()


def test_connections_that_say_nothing(stage):
    before = stage.daemon.counter("front.silent")
    socks = [connect(("127.0.0.1", stage.daemon.port)) for _ in range(6)]
    wait_for("the sixth is closed", lambda: stage.daemon.counter("front.silent") > before, 5)
    for sock in socks:
        sock.close()


# ---- towards archives: `archive echo` runs the same legs as lanes do

class Deaf:
    """A node that takes a TCP connection, or not even that, and says nothing."""

    def __init__(self, backlog: bool = False) -> None:
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.port = self.sock.getsockname()[1]
        self.fillers = []
        if backlog:  # two connections fill a backlog of 0: the next handshake gets no answer
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", self.port))
                self.fillers.append(filler)

    def close(self) -> None:
        for sock in [self.sock, *self.fillers]:
            sock.close()


@pytest.mark.parametrize("backlog,tls,options,cause", [
    (True, False, {"connect": "500ms", "artim": "1s"}, "no association came about in time"),
    (False, False, {"connect": "500ms", "artim": "1s"}, "no association came about in time"),
    (False, True, {"connect": "500ms", "artim": "1s"}, "no association came about in time")])
def test_archive_that_does_not_answer(folder, backlog, tls, options, cause):
    from dgtest.certs import Authority
    deaf = Deaf(backlog=backlog)
    authority = Authority(folder / "pki") if tls else None
    try:
        node = Node("deaf", 1, "DEAF", deaf.port, tls=tls, options=options)
        with Daemon(folder / "gateway", [node], authority=authority) as gateway:
            begun = time.monotonic()
            answer = gateway.ask("archive", "echo", "deaf")
            took = time.monotonic() - begun
            assert not answer["ok"] and cause in answer["message"], answer
            assert took < 1.5 + LATE and answer["milliseconds"] >= 400
    finally:
        deaf.close()


@pytest.mark.parametrize("mode,options,event", [
    ("never_answer", {"response": "1s"}, "forward.no-response"),
    ("never_read", {"stall": "1s"}, "forward.archive-failed")])
def test_archive_that_stops(folder, mode, options, event):
    """The C-STORE response and the bytes of a data set: the lane ends, the instance is sent again."""
    with Stage(folder, node_options=options) as stage:
        stage.new.set(mode=mode)
        one = part10.generate(8 << 20, 87, 1, sop_class=STORAGE)
        stage.send([one])
        wait_for(event, lambda: stage.daemon.counter(event) > 0, 20)
        stage.new.set(mode="normal")
        stage.new.drop_connections()
        stage.wait_arrived([one])


def test_idle_association_with_an_archive_is_released(folder):
    with Stage(folder, node_options={"idle": "500ms"}) as stage:
        one = part10.generate(8000, 87, 2, sop_class=STORAGE)
        stage.send([one])
        stage.wait_arrived([one])
        wait_for("released", lambda: stage.new.counts()["open"] == 0, 10)
