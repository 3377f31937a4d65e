# SPDX-License-Identifier: Apache-2.0
"""How instances flow: several outstanding on one association, on both sides; an archive that gets them while they
still come in; what an archive's answers mean."""
import struct
import time
from pathlib import Path

from dgtest import dimse, part10, pdu
from dgtest.association import open_association, propose
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes


def instances(count: int, *numbers: int, size: int = 3000) -> list[part10.Instance]:
    return [part10.generate(size, 91, *numbers, n, sop_class=STORAGE) for n in range(count)]


def test_window_towards_archives(folder):
    """Eight in flight on one association, answered in the opposite order (PS3.7 D.3.3.3)."""
    options = {"window": 8, "associations": 1}
    with Stage(folder, node_options=options) as stage:
        for archive in stage.archives:
            archive.set(window=16, batch=8)
            archive.down()
        sent = instances(60, 1)
        stage.send(sent)
        for archive in stage.archives:
            archive.up()
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        for archive in stage.archives:
            assert archive.counts()["waiting_most"] == 8
            assert len(archive.copies()) == 60, "each once"
            assert same_bytes(sent, archive.copies()) == []


def test_archive_without_window(folder):
    """One that does not answer the item, or grants less, is not asked for more than it can take."""
    with Stage(folder, node_options={"window": 8, "associations": 1}) as stage:
        stage.legacy.set(window=0, batch=8)
        stage.new.set(window=3, batch=8)
        sent = instances(12, 2)
        stage.send(sent)
        stage.wait_arrived(sent)
        assert stage.legacy.counts()["waiting_most"] == 1
        assert stage.new.counts()["waiting_most"] <= 3


def windowed(stage: Stage, asked: int):
    info = propose([(STORAGE, pdu.EXPLICIT_LE)], called="DICOMGATE", calling="CT1")
    info.user_items.append((pdu.ITEM_ASYNC, struct.pack(">HH", asked, 1)))
    return open_association(("127.0.0.1", stage.daemon.port), info)


def request(association, instance: part10.Instance) -> int:
    number = association.next_id()
    association.send_command(1, dimse.c_store_rq(number, instance.sop_class, instance.sop_instance))
    return number


def test_window_of_a_client(folder):
    """Forty requests without waiting for an answer: each is answered once, and all arrive."""
    with Stage(folder) as stage, windowed(stage, 16) as association:
        assert dict(association.answer.user_items)[pdu.ITEM_ASYNC] == struct.pack(">HH", 16, 1)
        sent = instances(40, 3)
        numbers = set()
        for instance in sent:
            numbers.add(request(association, instance))
            association.send_data(1, instance.chunks())
        for _ in sent:
            _, response = association.read_command()
            assert response["Status"] == 0
            numbers.remove(response["MessageIDBeingRespondedTo"])
        assert not numbers
        association.release()
        stage.wait_arrived(sent)
        for archive in stage.archives:
            assert same_bytes(sent, archive.copies()) == []


def halves(instance: part10.Instance) -> tuple[bytes, bytes]:
    whole = b"".join(instance.chunks())
    middle = len(whole) // 4 * 2
    return whole[:middle], whole[middle:]


def send_part(association, part: bytes, is_last: bool) -> None:
    size = association.fragment_size()
    for at in range(0, len(part), size):
        value = part[at:at + size]
        last = pdu.LAST if is_last and at + size >= len(part) else 0
        association.send(pdu.p_data(pdu.pdv(1, last, value)))


def cut_through(folder: Path) -> bool:
    """One instance goes out while it comes in. False if that was broken off, as it is where somebody pauses for three
    seconds: then it has gone whole, once."""
    with Stage(folder) as stage, windowed(stage, 1) as association:
        instance, = instances(1, 4, size=6_000_000)
        first, rest = halves(instance)
        begun = time.monotonic()
        request(association, instance)
        send_part(association, first, False)
        for archive in stage.archives:
            archive.wait_count("begun", 1)
            assert archive.counts()["copies"] == 0
        send_part(association, rest, True)
        assert association.read_command()[1]["Status"] == 0
        stage.wait_arrived([instance])
        for archive in stage.archives:
            assert len(archive.copies()) == 1
            assert same_bytes([instance], archive.copies()) == []
        took = time.monotonic() - begun
        partial = sum(archive.counts()["partial"] for archive in stage.archives)
        broken_off = len(stage.daemon.logged("lane.cut-off"))
        assert took >= 3 or (partial, broken_off) == (0, 0)
        return (partial, broken_off) == (0, 0)


def test_archive_gets_it_while_it_comes_in(folder):
    assert any(cut_through(folder / str(n)) for n in range(5))


def test_client_breaks_off_while_it_goes_out(folder):
    """The archive's association is aborted; the archive has nothing of it and is not blamed."""
    with Stage(folder) as stage:
        with windowed(stage, 1) as association:
            instance, = instances(1, 5, size=6_000_000)
            request(association, instance)
            send_part(association, halves(instance)[0], False)
            for archive in stage.archives:
                archive.wait_count("begun", 1)
            association.abort()
        for archive in stage.archives:
            archive.wait_count("partial", 1)
            assert archive.copies() == []
        sent = instances(3, 6)
        stage.send(sent)
        stage.wait_arrived(sent)
        assert stage.daemon.counter("forward.archive-failed") == 0


def test_status_rows_of_an_archive(folder):
    """C000 with a certain comment is tried again for ever, without it parked at once."""
    rows = [{"status": "C0xx", "comment": "deadlock", "means": "transient"}, {"status": "C000", "means": "permanent"}]
    with Stage(folder, node_options={"statuses": rows}) as stage:
        stage.new.set(status=0xC000, comment="Deadlock, try later", times=7)
        sent = instances(1, 7)
        stage.send(sent)
        stage.wait_arrived(sent)
        stage.new.set(status=0xC000, comment="broken", times=1)
        sent = instances(1, 8)
        stage.send(sent)
        wait_for("it is parked", lambda: stage.daemon.archives()["new"]["parked"] == 1, 20)
        shown = stage.daemon.run_client("archive", "show", "new")
        assert shown.returncode == 0
        assert "deadlock" in shown.stdout and "default" in shown.stdout
