# SPDX-License-Identifier: Apache-2.0
"""FIELD 3: what can be refused is refused before Success, the association lives, and a quirk of the client says what is
taken nevertheless."""
import struct

import pytest

from dgtest import sender
from dgtest.part10 import EXPLICIT_LE, Instance, element
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

CLIENTS = [{"ae_title": "STRICT", "services": ["echo", "store"]},
           {"ae_title": "MIXED", "services": ["echo", "store"], "quirks": ["uid_mismatch"]},
           {"ae_title": "TORN", "services": ["echo", "store"], "quirks": ["accept_unscanned"]}]


@pytest.fixture(name="stage")
def stage_fixture(folder):
    with Stage(folder, settings={"clients": CLIENTS}) as stage:
        yield stage


def instance(of_command: str, inside: str, *, sop_class: str = STORAGE, tail: bytes = b"") -> Instance:
    data = (element(0x00080016, "UI", sop_class.encode()) + element(0x00080018, "UI", inside.encode()) +
            element(0x7FE00010, "OW", b"\1\2\3\4") + tail)
    return Instance("made", STORAGE, of_command, EXPLICIT_LE, len(data), content=data)


def torn(uid: str) -> Instance:
    """The last element is longer than the data set."""
    return instance(uid, uid, tail=struct.pack("<HH2sHI", 0x7FE1, 0x0010, b"OB", 0, 400) + b"\5" * 10)


def send(stage: Stage, calling: str, *instances: Instance) -> list[sender.Result]:
    return sender.send(stage.target(calling), list(instances))


def fact(stage: Stage, uid: str) -> dict:
    def known() -> list[dict]:
        return [one for one in stage.daemon.ledger(uid) if one["state"] in ("durable", "settled")]
    return wait_for(f"the ledger knows {uid[:20]}", known, 20)[0]


def test_mismatch_is_refused_and_the_association_lives(stage):
    wrong_uid = instance("1.2.3.92.1", "1.2.3.92.2")
    wrong_class = instance("1.2.3.92.3", "1.2.3.92.3", sop_class="1.2.840.10008.5.1.4.1.1.2")
    good = instance("1.2.3.92.4", "1.2.3.92.4")
    results = send(stage, "STRICT", wrong_uid, wrong_class, good)
    assert [result.status for result in results] == [0xA900, 0xA900, 0]
    assert all("differs between command and data set" in result.comment for result in results[:2])
    stage.wait_arrived([good])
    assert {copy.uid for copy in stage.new.copies()} == {good.sop_instance}


def test_mismatch_is_taken_by_a_quirk(stage):
    wrong = instance("1.2.3.92.5", "1.2.3.92.6")
    assert [result.status for result in send(stage, "MIXED", wrong)] == [0]
    stage.wait_arrived([wrong])
    assert [copy.sha256 for copy in stage.new.copies()] == [wrong.digest()]


def test_what_can_not_be_followed_is_read_to_its_end_and_refused(stage):
    good = instance("1.2.3.92.7", "1.2.3.92.7")
    results = send(stage, "STRICT", torn("1.2.3.92.8"), good)
    assert [result.status for result in results] == [0xC000, 0]
    assert results[0].comment != ""
    stage.wait_arrived([good])


def test_what_can_not_be_followed_is_stored_by_a_quirk_and_flagged(stage):
    one = torn("1.2.3.92.9")
    assert [result.status for result in send(stage, "TORN", one)] == [0]
    stage.wait_arrived([one])
    assert [copy.sha256 for copy in stage.new.copies()] == [one.digest()]
    stored = fact(stage, one.sop_instance)
    assert stored["unscanned"] is True, stored
    assert "received" in stored["digests"] and "instance" not in stored["digests"], stored["digests"]


def test_the_same_unscanned_content_again_is_a_duplicate(stage):
    one = torn("1.2.3.92.10")
    for _ in range(2):
        assert [result.status for result in send(stage, "TORN", one)] == [0]
        stage.wait_arrived([one])
    stage.daemon.wait_drained()
    assert len(stage.new.copies()) == 1


def test_long_uids_are_stored_and_delivered_whole(stage):
    uid = "1.2.3.92." + "4711." * 17 + "1"
    assert len(uid) > 64
    one = instance(uid, uid)
    assert [result.status for result in send(stage, "STRICT", one)] == [0]
    stage.wait_arrived([one])
    assert [(copy.uid, copy.sha256) for copy in stage.new.copies()] == [(uid, one.digest())]
    assert fact(stage, uid)["sop_instance"] == uid
