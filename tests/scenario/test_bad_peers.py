# SPDX-License-Identifier: Apache-2.0
"""Each misbehaviour meets the right abort, reject or status, with its reason counted and logged, and
harms nobody else: a second association works before, during and after."""
import hashlib
import re
import time
from pathlib import Path

import pytest

import bad_peer_services  # noqa: F401  (its cases join the table)
from bad_peer_cases import CASES, ECHO_CONTEXT, STORAGE, STORE_CONTEXT, Case, Peer
from dgtest import part10, pdu, sender
from dgtest.association import connect, open_association, propose
from dgtest.ports import LATE, wait_for
from dgtest.stage import Stage

ARTIM, STALL = 5.0, 4.0


class Neighbour:
    """A healthy association that lives as long as the tests of this file."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.number = stage, 0
        self.association = None

    def works(self) -> None:
        """Stores one instance; opens the association at first use only: it must never be lost."""
        if self.association is None:
            self.association = self.stage.target("NEIGHBOUR").open([(STORAGE, pdu.EXPLICIT_LE)])
        self.number += 1
        instance = part10.generate(2000, 81, self.number, sop_class=STORAGE)
        result = sender.store(self.association, instance, self.stage.target())
        assert result.status == 0, f"the neighbour met {result.status} {result.comment}"


@pytest.fixture(scope="module")
def scene(module_folder):
    # The neighbour must outlive every test here: its idle time is reset by each of them.
    limits = {"artim": f"{ARTIM:g}s", "stall": f"{STALL:g}s", "idle": "300s", "release": "2s"}
    with Stage(module_folder, settings={"limits": limits}) as stage:
        neighbour = Neighbour(stage)
        neighbour.works()
        yield stage, neighbour


NEVER: list[str] = []  # SOP Instance UIDs that no archive may get


def peak(stage: Stage) -> int:
    """The most address space that the daemon has had, in MiB."""
    text = Path(f"/proc/{stage.daemon.process.pid}/status").read_text()
    return int(re.search(r"VmPeak:\s+(\d+)", text)[1]) // 1024


def open_files(stage: Stage) -> int:
    return len(list(Path(f"/proc/{stage.daemon.process.pid}/fd").iterdir()))


@pytest.mark.parametrize("wanted", CASES, ids=[f"{c.protocol:02d}_{c.name}" for c in CASES])
def test_case(scene, wanted: Case):
    stage, neighbour = scene
    before = stage.daemon.counter(wanted.event) if wanted.event else 0
    lines = len(stage.daemon.logged(wanted.event)) if wanted.event else 0
    space = peak(stage)
    peer = Peer(stage.daemon.port, CASES.index(wanted))
    try:
        met = wanted.act(peer)
        neighbour.works()
    finally:
        peer.association.close()
    assert met in wanted.expected
    if wanted.event:
        wait_for(f"event {wanted.event}", lambda: stage.daemon.counter(wanted.event) > before, 20)
        wait_for(f"{wanted.event} in the log", lambda: len(stage.daemon.logged(wanted.event)) > lines, 10)
    uid = peer.instance.sop_instance
    if wanted.stored:
        data, syntax = peer.sent or (peer.data(), pdu.EXPLICIT_LE)
        for archive in stage.archives:
            archive.wait_uids([uid], 20)
            kept = {(copy.transfer_syntax, copy.sha256) for copy in archive.copies() if copy.uid == uid}
            assert kept == {(syntax, hashlib.sha256(data).hexdigest())}
    else:
        NEVER.append(uid)
    if wanted.protocol == 10:
        assert peak(stage) < space + 100, "a length that is only announced has taken memory"
    neighbour.works()
    assert stage.daemon.alive()


def test_a_pdu_may_be_split_at_every_byte(scene):
    """PROTOCOL 1: request, command, data set and release, cut once at each place."""
    stage, neighbour = scene
    info = propose([(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)],
                   called="DICOMGATE", calling="SPLIT")
    request = pdu.associate(pdu.ASSOCIATE_RQ, info)
    peer = Peer(stage.daemon.port, 900)
    peer.association.proposed = info
    for cut in range(1, len(request)):
        with connect(("127.0.0.1", stage.daemon.port)) as sock:
            sock.sendall(request[:cut])
            sock.sendall(request[cut:])
            assert sock.recv(1) == b"\x02", f"cut at {cut}"
    peer.open()
    whole = peer.echo_pdu()
    for cut in range(1, len(whole)):
        peer.association.send_slowly(whole, [cut])
        assert peer.met() == "status 0000", f"cut at {cut}"
    peer.instance = part10.generate(300, 8, 901, sop_class=STORAGE)
    message = peer.command() + peer.data_pdu()
    for cut in range(1, len(message), 7):
        peer.association.send_slowly(message, [cut])
        assert peer.met() == "status 0000", f"cut at {cut}"
    peer.association.send_slowly(pdu.release_rq(), range(1, 10))
    assert peer.met() == "released"
    peer.association.close()
    neighbour.works()


def test_a_silent_connection_ends_by_artim_without_a_pdu(scene):
    """PROTOCOL 52: AA-2."""
    stage, neighbour = scene
    before = stage.daemon.counter("ul.artim-expired")
    begun = time.monotonic()
    peer = Peer(stage.daemon.port, 910)
    assert peer.met() == "closed"
    assert ARTIM * 0.8 < time.monotonic() - begun < ARTIM + LATE
    wait_for("counted", lambda: stage.daemon.counter("ul.artim-expired") == before + 1, 20)
    neighbour.works()


def test_a_trickling_request_does_not_restart_artim(scene):
    """PROTOCOL 56."""
    stage, neighbour = scene
    peer = Peer(stage.daemon.port, 911)
    raw = pdu.associate(pdu.ASSOCIATE_RQ, peer.info)
    peer.sock.settimeout(0.2)
    begun = time.monotonic()
    for at in range(len(raw) - 1):
        peer.send(raw[at:at + 1])
        try:
            assert peer.sock.recv(1) == b""
            break
        except TimeoutError:
            continue
        except ConnectionResetError:
            break
    else:
        pytest.fail("it may take as long as it likes")
    assert time.monotonic() - begun < ARTIM + LATE
    neighbour.works()


def test_a_peer_that_keeps_the_connection_after_release_is_closed(scene):
    """PROTOCOL 53: Sta13 and ARTIM."""
    stage, neighbour = scene
    peer = Peer(stage.daemon.port, 912)
    peer.open().send(pdu.release_rq())
    assert peer.met() == "released"
    begun = time.monotonic()
    assert peer.met() == "closed"
    assert time.monotonic() - begun < ARTIM + LATE
    neighbour.works()


def test_after_a_reject_anything_but_a_request_is_ignored(scene):
    """PROTOCOL 47: AA-6."""
    stage, neighbour = scene
    peer = Peer(stage.daemon.port, 913)
    assert peer.request(called="ELSEWHERE") == "reject 1,1,7"
    peer.send(peer.echo_pdu())
    assert peer.met() == "closed"
    neighbour.works()


def test_silence_inside_a_data_set_ends_by_the_stall_limit(scene):
    """FIELD 15; what had come of the instance is forgotten."""
    stage, neighbour = scene
    peer = Peer(stage.daemon.port, 914)
    peer.open()
    begun = time.monotonic()
    peer.send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, 0, peer.data()[:1000])))
    assert peer.met() in ("abort 2,0", "abort 0,0", "closed")
    assert STALL * 0.8 < time.monotonic() - begun < STALL + LATE
    neighbour.works()
    uid = peer.instance.sop_instance
    assert all(copy.uid != uid for archive in stage.archives for copy in archive.copies())


def test_a_peer_that_never_reads_is_let_go(scene):
    """PROTOCOL 50: echoes without end and nobody takes the answers."""
    stage, neighbour = scene
    peer = Peer(stage.daemon.port, 915)
    peer.open()
    peer.sock.settimeout(1.0)
    echoes = b"".join(peer.echo_pdu() for _ in range(200))
    deadline = time.monotonic() + 120
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while time.monotonic() < deadline:
            try:
                peer.sock.sendall(echoes)
            except TimeoutError:
                neighbour.works()
    peer.association.close()
    neighbour.works()


def test_many_association_cycles_leave_nothing_behind(scene):
    """PROTOCOL 68."""
    stage, neighbour = scene
    target = stage.target("CYCLES")
    neighbour.works()
    stage.daemon.wait_drained()
    wait_for("only the neighbour is there", lambda: stage.daemon.status()["associations"] == 1, 30)
    before = open_files(stage)
    for _ in range(200):
        target.open([(pdu.VERIFICATION, pdu.IMPLICIT_LE)]).release()
    wait_for("only the neighbour is there", lambda: stage.daemon.status()["associations"] == 1, 10)
    wait_for("no file stays open", lambda: open_files(stage) <= before, 10)
    neighbour.works()


def test_garbage_after_an_association_request_never_harms(scene):
    """PROTOCOL 14: every byte of a good exchange replaced in turn; only the process's health counts."""
    stage, neighbour = scene
    peer = Peer(stage.daemon.port, 916)
    request = bytearray(pdu.associate(pdu.ASSOCIATE_RQ, peer.info))
    rest = peer.command() + peer.data_pdu() + pdu.release_rq()
    peer.association.close()
    for at in range(0, len(request), 3):
        changed = bytes(request[:at]) + bytes([request[at] ^ 0xFF]) + bytes(request[at + 1:])
        with connect(("127.0.0.1", stage.daemon.port)) as sock:
            try:
                sock.sendall(changed + rest)
            except (BrokenPipeError, ConnectionResetError):
                pass
    neighbour.works()
    assert stage.daemon.alive()


def test_association_limit_rejects_and_slots_come_back(folder):
    """PROTOCOL 68: RJ (2,3,2), then room again."""
    with Stage(folder, settings={"gateway": {"max_associations": 4}}) as stage:
        target = stage.target()
        pairs = [(pdu.VERIFICATION, pdu.IMPLICIT_LE)]
        held = [target.open(pairs) for _ in range(4)]
        info = propose(pairs, called="DICOMGATE", calling="CT1")
        peer = Peer(stage.daemon.port, 920)
        assert peer.request(contexts=info.contexts) == "reject 2,3,2"
        peer.association.close()
        held.pop().release()

        def room() -> bool:
            try:
                held.append(open_association(("127.0.0.1", stage.daemon.port), info))
                return True
            except sender.FAILURES:
                return False
        wait_for("a slot comes back", room, 10, 0.1)
        for association in held:
            association.release()


def test_echo_is_answered_on_every_context_of_verification(scene):
    stage, _ = scene
    with Peer(stage.daemon.port, 930).open().association as association:
        assert association.echo(ECHO_CONTEXT) == 0
        association.release()


def test_nothing_that_failed_is_delivered_or_said(scene):
    """After all the others: no partial or refused instance reaches an archive however long one waits, and the log has
    neither secrets nor control characters of clients."""
    stage, neighbour = scene
    refused = {"instance_other_than_in_the_data_set", "release_inside_the_data_set"}
    for case in CASES:
        if case.name in refused:  # this test may run alone
            test_case(scene, case)
    neighbour.works()
    stage.daemon.wait_drained()
    came = {copy.uid for archive in stage.archives for copy in archive.copies()}
    assert came and not came & set(NEVER)
    log = stage.daemon.log_path.read_text(errors="replace")
    assert "secret" not in log
    assert not [line for line in log.splitlines() if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line)]
    assert not re.search(r"^FORGED", log, re.M)
