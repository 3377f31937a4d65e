# SPDX-License-Identifier: Apache-2.0
"""Rejection notes (FIELD 13; IHE IOCM): a note goes to each archive after what it references, and rejects it there."""
import struct

import pytest
from dgtest import part10, pdu, sender
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"


def item(*parts: bytes) -> bytes:
    inside = b"".join(parts)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside


def note(number: int, references: list[part10.Instance], code: str = "113001") -> part10.Instance:
    """A Key Object Selection document with this title, about these instances of one study."""
    element = part10.element
    uid, study = part10.uid(70, number), part10.uid(70, number, 1)
    title = item(element(0x00080100, "SH", code.encode()), element(0x00080102, "SH", b"DCM"),
                 element(0x00080104, "LO", b"Rejected"))
    instances = [item(element(0x00081150, "UI", one.sop_class.encode()),
                      element(0x00081155, "UI", one.sop_instance.encode())) for one in references]
    series = item(element(0x00081199, "SQ", b"".join(instances)), element(0x0020000E, "UI", study.encode() + b".2"))
    evidence = item(element(0x00081115, "SQ", series), element(0x0020000D, "UI", study.encode()))
    content = b"".join([element(0x00080016, "UI", KEY_OBJECT.encode()), element(0x00080018, "UI", uid.encode()),
                        element(0x00080060, "CS", b"KO"), element(0x00100010, "PN", b"Rabe^Karin"),
                        element(0x00100020, "LO", b"4711"), element(0x0020000D, "UI", study.encode()),
                        element(0x0020000E, "UI", study.encode() + b".3"), element(0x0040A043, "SQ", title),
                        element(0x0040A375, "SQ", evidence)])
    return part10.Instance(f"note {number}", KEY_OBJECT, uid, pdu.EXPLICIT_LE, len(content), content=content)


def image(number: int, size: int = 3000) -> part10.Instance:
    return part10.generate(size, 71, number, sop_class=STORAGE)


def state(stage: Stage, one: part10.Instance, archive: int, newest: bool = True) -> dict:
    """What became of its last (or first) receipt at one archive."""
    facts = sorted(stage.daemon.ledger(one.sop_instance), key=lambda fact: fact["order"])
    if not facts:
        return {"state": ""}
    rows = facts[-1 if newest else 0]
    return next((row for row in rows["archives"] if row["archive"] == archive), {"state": ""})


def wait_state(stage: Stage, one: part10.Instance, archive: int, wanted: str, newest: bool = True) -> dict:
    def there() -> dict | None:
        row = state(stage, one, archive, newest)
        return row if row["state"] in (("answered", "settled") if wanted == "answered" else (wanted,)) else None
    return wait_for(f"{one.name} is {wanted} at {archive}", there, 40)


def test_what_was_delivered_is_rejected(folder):
    with Stage(folder) as stage:
        images, other = [image(n) for n in range(3)], image(9)
        stage.send(images + [other])
        stage.wait_arrived(images + [other])
        ko = note(1, images)
        stage.send([ko])
        for archive in (1, 2):
            for one in images:
                row = wait_state(stage, one, archive, "rejected")
                assert row["remark"].startswith("rejection note ")
            wait_state(stage, ko, archive, "answered")
            wait_state(stage, other, archive, "answered")
        assert stage.daemon.counter("order.rejected") == 2
        told = stage.daemon.run_client("ledger", "show", images[0].sop_instance).stdout
        assert "rejected" in told


@pytest.mark.parametrize("kill", [False, True])
def test_it_goes_after_what_it_references(folder, kill):
    with Stage(folder) as stage:
        images = [image(n) for n in range(4)]
        stage.new.down()
        stage.send(images)
        ko = note(2, images)
        stage.send([ko])
        wait_state(stage, ko, 1, "answered")
        wait_state(stage, images[0], 1, "rejected")
        if kill:
            stage.daemon.kill()
            stage.daemon.start()
        stage.new.up()
        stage.daemon.run_client("queue", "retry", "--all", "new")
        wait_state(stage, ko, 2, "answered")
        came = stage.new.uids()
        assert sorted(came[:-1]) == sorted(one.sop_instance for one in images) and came[-1] == ko.sop_instance
        for one in images:
            wait_state(stage, one, 2, "rejected")


def test_parked_ones_hold_it_and_a_person_lets_it_go(folder):
    with Stage(folder) as stage:
        first, second = image(1), image(2)
        stage.new.set(status=0xC001, comment="no", only=first.sop_instance)
        stage.send([first, second])
        wait_state(stage, first, 2, "parked")
        ko = note(3, [first, second])
        stage.send([ko])
        row = wait_state(stage, ko, 2, "held")
        assert row["remark"] == "rejection note: what it references is parked or held"
        wait_state(stage, ko, 1, "answered")
        assert ko.sop_instance not in stage.new.uids()
        group, = stage.daemon.ask("hold", "list")["groups"]
        assert (group["archive"], group["count"]) == ("new", 1)
        shown, = stage.daemon.ask("hold", "show", ko.sop_instance)["items"]
        assert shown["uid"] == ko.sop_instance and shown["reason"] == row["remark"] and not shown["primary"]
        stage.daemon.ask("hold", "release", "--uid", ko.sop_instance, "new", "--person", "J. Doe", "--reason", "they said so")
        wait_state(stage, ko, 2, "answered")
        wait_state(stage, first, 2, "rejected")
        wait_state(stage, second, 2, "rejected")
        listed = wait_for("nothing is owed", lambda: stage.daemon.ask("queue", "list")["items"] == [] or None, 20)
        assert listed


def test_it_goes_by_itself_once_they_have_gone(folder):
    with Stage(folder) as stage:
        one = image(1)
        stage.new.set(status=0xC001, comment="no", only=one.sop_instance)
        stage.send([one])
        wait_state(stage, one, 2, "parked")
        ko = note(4, [one])
        stage.send([ko])
        wait_state(stage, ko, 2, "held")
        stage.new.set()
        stage.daemon.ask("queue", "retry", "--uid", one.sop_instance, "new")
        wait_state(stage, ko, 2, "answered")
        wait_state(stage, one, 2, "rejected")


@pytest.mark.parametrize("kill", [False, True])
def test_a_later_receipt_is_held(folder, kill):
    with Stage(folder) as stage:
        one, again = image(1), image(1, 4000)
        stage.send([one])
        stage.wait_arrived([one])
        ko = note(5, [one])
        stage.send([ko])
        wait_state(stage, ko, 1, "answered")
        wait_state(stage, ko, 2, "answered")
        if kill:
            stage.daemon.kill()
            stage.daemon.start()
        stage.send([again])
        for archive in (1, 2):
            assert wait_state(stage, again, archive, "held")["remark"] == "rejected by a note before"
        assert stage.new.uids().count(one.sop_instance) == 1
        assert any("held for archive legacy" in alarm for alarm in stage.daemon.status()["alarms"])
        if kill:  # it does not go by itself at the next start either
            stage.daemon.kill()
            stage.daemon.start()
            wait_state(stage, again, 2, "held")
        assert stage.new.uids().count(one.sop_instance) == 1
        stage.daemon.ask("hold", "release", "--uid", one.sop_instance, "new", "--person", "J. Doe", "--reason", "it is right")
        wait_state(stage, again, 2, "answered")
        assert stage.new.uids().count(one.sop_instance) == 2
        stage.daemon.ask("hold", "reject", "--uid", one.sop_instance, "legacy", "--person", "J. Doe", "--reason", "no")
        assert wait_state(stage, again, 1, "rejected")["person"] == "J. Doe"


def test_a_person_who_retried_it_does_not_let_a_later_receipt_go(folder):
    """That a person once had a hand in the receipt does not make its rejection one by that person."""
    with Stage(folder) as stage:
        one, again = image(1), image(1, 4000)
        stage.new.set(status=0xC001, comment="no", only=one.sop_instance)
        stage.send([one])
        wait_state(stage, one, 2, "parked")
        stage.new.set()
        stage.daemon.ask("queue", "retry", "--uid", one.sop_instance, "new", "--person", "J. Doe")
        wait_state(stage, one, 2, "answered")
        ko = note(7, [one])
        stage.send([ko])
        wait_state(stage, one, 2, "rejected")
        assert not state(stage, one, 2).get("person")
        stage.daemon.kill()
        stage.daemon.start()
        stage.send([again])
        wait_state(stage, again, 2, "held")
        assert stage.new.uids().count(one.sop_instance) == 2  # that it refused, and that it took


def test_a_note_sent_again(folder):
    """The same note once more is a duplicate; what came between it and the first one is not rejected by it."""
    with Stage(folder) as stage:
        one, again = image(1), image(1, 4000)
        stage.send([one])
        wait_state(stage, one, 2, "answered")
        ko = note(8, [one])
        stage.send([ko])
        wait_state(stage, one, 2, "rejected")
        stage.send([again])
        wait_state(stage, again, 2, "held")
        stage.send([ko])
        for archive in (1, 2):
            assert wait_state(stage, ko, archive, "answered")
        assert [uid for uid in stage.new.uids() if uid == ko.sop_instance] == [ko.sop_instance]
        assert state(stage, again, 2)["state"] == "held"
        assert stage.daemon.archives()["new"]["held"] == 1
        stage.daemon.ask("hold", "release", "--uid", one.sop_instance, "new", "--person", "J. Doe", "--reason", "it is right")
        wait_state(stage, again, 2, "answered")


def test_a_client_that_waits_for_the_primary(folder):
    """acknowledge: primary. The note is answered when the archive has it; what comes again is refused with the reason."""
    route = {"to": ["legacy", "new"], "acknowledge": "primary", "acknowledge_within": "20s"}
    with Stage(folder, settings={"phases": {"coexist": {"store": [route]}}}) as stage:
        one, again = image(1), image(1, 4000)
        stage.send([one])
        ko = note(9, [one])
        stage.send([ko])
        assert stage.legacy.uids() == [one.sop_instance, ko.sop_instance]
        for archive in (1, 2):
            wait_state(stage, one, archive, "rejected")
        result, = sender.send(stage.target(), [again])
        assert result.status != 0 and result.comment == "rejected by a note before"
        assert stage.legacy.uids() == [one.sop_instance, ko.sop_instance]
        stage.new.wait_uids([ko.sop_instance])
        assert stage.new.uids().count(one.sop_instance) == 1


def test_one_that_names_too_many_rejects_nothing(folder):
    """It is held; whoever lets it go is told that it has rejected nothing."""
    with Stage(folder) as stage:
        one = image(1)
        stage.send([one])
        stage.wait_arrived([one])
        ko = note(10, [one] * 9000)
        stage.send([ko])
        assert wait_state(stage, ko, 2, "held")["remark"] == "rejection note: what it references can not be read"
        stage.daemon.ask("hold", "release", "--uid", ko.sop_instance, "new", "--person", "J. Doe", "--reason", "they said so")
        row = wait_state(stage, ko, 2, "answered")
        assert row["remark"] == "finding: nothing was rejected, what this note references is not known"
        assert row["person"] == "J. Doe"
        assert state(stage, one, 2)["state"] in ("answered", "settled")
        assert stage.daemon.counter("order.rejected-nothing") == 1


def test_other_key_objects_go_as_ever(folder):
    with Stage(folder) as stage:
        one = image(1)
        stage.new.set(status=0xC001, comment="no", only=one.sop_instance)
        stage.send([one])
        wait_state(stage, one, 2, "parked")
        ko = note(6, [one], code="113000")  # Of Interest
        stage.send([ko])
        wait_state(stage, ko, 2, "answered")
        assert state(stage, one, 2)["state"] == "parked"
        wait_state(stage, one, 1, "answered")
