# SPDX-License-Identifier: Apache-2.0
"""The same SOP Instance UID again, on the real daemon with two workers (FIELD 5): consecutive associations go to
different workers, so the order is kept between them."""
import socket
import struct

from dgtest import part10, proxy, sender
from dgtest.association import Association, propose
from dgtest.daemon import Daemon, Node
from dgtest.ports import free_port, wait_for
from dgtest.stage import STORAGE, Stage


def edition(pixels: int, number: int) -> part10.Instance:
    """Editions of one instance: the same UID, other bytes."""
    return part10.generate(pixels, 91, number, sop_class=STORAGE)


def deliveries(stage: Stage, instance: part10.Instance, count: int, archive: int) -> list[dict]:
    """What became of the receipts of its UID at one archive, by order, once none is owed any more."""
    def complete() -> list[dict]:
        facts = sorted(stage.daemon.ledger(instance.sop_instance), key=lambda fact: fact["order"])
        found = [row for fact in facts for row in fact["archives"]
                 if row["archive"] == archive]
        return found if len(found) == count and all(row["state"] not in ("owed", "sent") for row in found) else []
    return wait_for(f"{count} receipts are decided", complete, 30)


def digests(stage: Stage, instance: part10.Instance) -> list[str]:
    return [copy.sha256 for copy in stage.new.copies() if copy.uid == instance.sop_instance]


def test_same_content_is_acknowledged_and_not_sent_again(folder):
    with Stage(folder) as stage:
        one = edition(3000, 1)
        for _ in range(6):
            stage.send([one])
            stage.wait_arrived([one])
        rows = deliveries(stage, one, 6, 2)
        assert len(digests(stage, one)) == 1, rows
        assert sum("duplicate" in row.get("settled_by", "") for row in rows) == 5, rows
        assert stage.daemon.counter("order.conflict") == 0
        assert stage.daemon.run_client("ledger", "conflicts").returncode == 0


def test_only_the_newest_goes_to_an_archive_that_was_away(folder):
    with Stage(folder) as stage:
        editions = [edition(3000 + 128 * n, 2) for n in range(6)]
        stage.new.down()
        for one in editions:
            stage.send([one])
        wait_for("the newest goes first", lambda: stage.daemon.ask(
            "queue", "show", "--archive", "new")["archives"][0]["gated"] == 5)
        stage.new.up()
        stage.daemon.run_client("queue", "retry", "--all", "new")
        rows = deliveries(stage, editions[0], 6, 2)
        assert digests(stage, editions[0]) == [editions[-1].digest()]
        assert [row["state"] for row in rows[:-1]] == ["superseded"] * 5
        assert stage.daemon.counter("order.conflict") == 5
        assert stage.daemon.counter("order.superseded") >= 5
        assert any("other content" in alarm for alarm in stage.daemon.status()["alarms"])
        listed = stage.daemon.ask("ledger", "conflicts", expect=1)["facts"]
        assert {fact["sop_instance"] for fact in listed} == {editions[0].sop_instance} and len(listed) == 6


def test_after_a_kill_the_same_is_decided(folder):
    with Stage(folder) as stage:
        editions = [edition(3000 + 128 * n, 3) for n in range(4)]
        stage.new.down()
        for one in editions:
            stage.send([one])
        stage.daemon.kill()
        stage.daemon.start()
        stage.new.up()
        stage.daemon.run_client("queue", "retry", "--all", "new")
        rows = deliveries(stage, editions[0], 4, 2)
        assert digests(stage, editions[0]) == [editions[-1].digest()]
        assert [row["state"] for row in rows[:-1]] == ["superseded"] * 3


def test_success_for_other_content_is_unproven(folder):
    with Stage(folder) as stage:
        first, second = edition(3000, 4), edition(4000, 4)
        stage.send([first])
        stage.wait_arrived([first])
        stage.send([second])
        deliveries(stage, first, 2, 1)
        rows = deliveries(stage, first, 2, 2)
        assert digests(stage, first) == [first.digest(), second.digest()]
        assert "unproven" in rows[1]["settled_by"]
        assert stage.daemon.counter("order.unproven") == 2


def test_an_archive_that_has_it_already(folder):
    with Stage(folder) as stage:
        one = edition(3000, 5)
        stage.new.set(status=0x0111)
        stage.send([one])
        rows = deliveries(stage, one, 1, 2)
        assert rows[0]["state"] == "parked" and "never sent from here" in rows[0]["remark"]
        assert len(digests(stage, one)) == 1, "not tried for ever"


# ---- loops ----

def equipment(manufacturer: bytes, station: bytes) -> bytes:
    inside = part10.element(0x00080070, "LO", manufacturer) + part10.element(0x00081010, "SH", station)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside


def passed_through(number: int, items: bytes) -> part10.Instance:
    uid = f"1.2.3.91.{10 + number}"
    data = (part10.element(0x00080016, "UI", STORAGE.encode()) +
            part10.element(0x00080018, "UI", uid.encode()) +
            (part10.element(0x0018A001, "SQ", items) if items else b"") + part10.element(0x7FE00010, "OW", bytes(64)))
    return part10.Instance("made", STORAGE, uid, part10.EXPLICIT_LE, len(data), content=data)


def test_what_goes_round_ends(folder):
    """As many gateways behind it as may be: stored, and sent to nobody. One fewer, or others' items: sent."""
    own, other = equipment(b"dicomgate ", b"DICOMGATE "), equipment(b"somebody", b"DICOMGATE ")
    with Stage(folder) as stage:
        sent = [passed_through(1, own * 7), passed_through(2, other * 20)]
        stage.send([*sent, passed_through(3, own * 8)])
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        assert stage.daemon.counter("intake.hops") == 1
        assert len(stage.new.copies()) == len(stage.legacy.copies()) == 2


def send_from(port: int, address: str, calling: str, instance: part10.Instance) -> int:
    """Through a balancer that names `address` as the client's: on loopback no node is told from a client."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.sendall(proxy.header(address))
    info = propose([(instance.sop_class, instance.transfer_syntax)], called="DICOMGATE", calling=calling)
    with Association(sock, info) as association:
        association.request()
        result = sender.store(association, instance, sender.Target(("127.0.0.1", port)))
        association.release()
    return result.status


def test_a_receipt_never_returns_to_the_node_that_it_came_from(folder):
    """The archive `third` is a client too. What it sends is owed to the others alone; its address with another title,
    or its title from another address, is an ordinary client."""
    third, port = "10.9.8.7", free_port()
    route = {"to": ["legacy", "new", "third"], "acknowledge": "durable", "negotiate": "learned"}
    with Stage(folder, start=False) as stage:
        stage.daemon.settings["phases"] = {"coexist": {"store": [route]}}
        stage.daemon.settings["nodes"]["third"] = Daemon._node(Node("third", 3, "THIRD", 104)) | {
            "address": f"{third}:104"}
        stage.daemon.settings["listeners"].append(
            {"name": "balanced", "address": f"127.0.0.1:{port}", "plain": True, "proxy": ["127.0.0.0/8"]})
        stage.daemon.write()
        stage.daemon.start()
        assert stage.daemon.run_client("archive", "pause", "third").returncode == 0, "nothing dials it"
        own, other_title, other_address = (edition(3000, n) for n in (20, 21, 22))
        assert send_from(port, third, "THIRD", own) == 0
        assert send_from(port, third, "CT1", other_title) == 0
        assert send_from(port, "10.9.8.6", "THIRD", other_address) == 0
        stage.wait_arrived([own, other_title, other_address])

        def fact(instance: part10.Instance) -> dict:
            return wait_for("its receipt, with whom it is for", lambda: [
                fact for fact in stage.daemon.ledger(instance.sop_instance) if fact["archives"]], 15)[0]
        assert [row["archive"] for row in fact(own)["archives"]] == [1, 2]
        for one in (other_title, other_address):
            assert [row["archive"] for row in fact(one)["archives"]] == [1, 2, 3]
        wait_for("two owed to it", lambda: stage.daemon.archives()["third"]["owed"] == 2, 10)
