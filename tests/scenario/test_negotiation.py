# SPDX-License-Identifier: Apache-2.0
"""What the gateway accepts from a modality: `learned` from the archives, or `fixed` by a list."""
import struct

import pytest
from dgtest import dimse, part10, pdu
from dgtest.archive import Archive
from dgtest.association import Association, Rejected, connect, open_association, propose
from dgtest.daemon import Daemon, Node
from dgtest.odd_archive import OddArchive, Visit
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
JPEG_LOSSY = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def answer(stage: Stage, *pairs: tuple[str, list[str]]) -> list[str]:
    """The transfer syntax taken for each proposed context, `no` if refused."""
    info = propose(pairs, called="DICOMGATE", calling="CT1")
    with open_association(("127.0.0.1", stage.daemon.port), info) as association:
        taken = association.accepted()
        association.release()
    return [taken[context.id][1] if context.id in taken else "no" for context in info.contexts]


def test_learned_repeats_what_the_primary_accepts(folder):
    with Stage(folder, start=False) as stage:
        stage.legacy.set(abstracts=[CT], transfers=[pdu.IMPLICIT_LE, JPEG_LOSSLESS])
        stage.daemon.start()
        wanted = [pdu.IMPLICIT_LE, "no", JPEG_LOSSLESS]
        pairs = ((CT, [pdu.EXPLICIT_LE, pdu.IMPLICIT_LE]), (MR, [pdu.IMPLICIT_LE]),
                 (CT, [JPEG_LOSSY, JPEG_LOSSLESS]))
        assert answer(stage, *pairs) == wanted
        stage.daemon.stop()
        stage.legacy.down()
        stage.daemon.start()
        assert answer(stage, *pairs) == wanted, "the last answer is kept (FIELD 6)"


@pytest.mark.parametrize("prefer,taken", [(True, JPEG_LOSSLESS), (False, JPEG_LOSSY)], ids=["yes", "no"])
def test_lossless_where_the_archive_would_take_the_lossy_one(folder, prefer, taken):
    """The archive takes the first syntax of a context that it knows."""
    row = {"to": ["legacy", "new"], "prefer_lossless": prefer}
    with Stage(folder, start=False, settings={"phases": {"coexist": {"store": [row]}}}) as stage:
        stage.legacy.set(abstracts=[CT], transfers=[JPEG_LOSSY, JPEG_LOSSLESS])
        stage.daemon.start()
        assert answer(stage, (CT, [JPEG_LOSSY, JPEG_LOSSLESS])) == [taken]


def test_learned_without_any_answer_takes_the_default_list(folder):
    with Stage(folder, start=False) as stage:
        for archive in stage.archives:
            archive.down()
        stage.daemon.start()
        assert answer(stage, (CT, [JPEG_LOSSY, JPEG_LOSSLESS, pdu.IMPLICIT_LE]), (MR, [pdu.EXPLICIT_LE])) \
            == [JPEG_LOSSLESS, pdu.EXPLICIT_LE], "every storage class, the first lossless syntax offered"
        one = part10.generate(2000, 86, 1, sop_class=STORAGE)
        stage.send([one])
        for archive in stage.archives:
            archive.up()
        stage.wait_arrived([one])


def test_class_that_only_the_secondary_refuses_is_accepted_and_parked_there(folder):
    with Stage(folder, start=False) as stage:
        stage.new.set(abstracts=[CT])
        stage.daemon.start()
        one = part10.generate(2000, 86, 2, sop_class=STORAGE)
        stage.send([one])
        stage.legacy.wait_uids([one.sop_instance])

        def parked() -> list[dict]:
            found = stage.daemon.ask("queue", "list")["items"]
            return [item for item in found if item["archive"] == "new" and item["state"] == "parked" and item["uid"]]
        wait_for("parked at new", parked, 15)
        assert parked()[0]["uid"] == one.sop_instance
        assert parked()[0]["reason"]


def test_fixed_list(folder):
    route = {"to": ["legacy", "new"], "acknowledge": "durable", "negotiate": "fixed",
             "classes": [CT], "transfer_syntaxes": [pdu.EXPLICIT_LE, pdu.IMPLICIT_LE]}
    settings = {"phases": {"coexist": {"store": [route]}}}
    with Stage(folder, settings=settings) as stage:
        assert answer(stage, (CT, [pdu.IMPLICIT_LE, pdu.EXPLICIT_LE]), (CT, [JPEG_LOSSY]), (MR, [pdu.IMPLICIT_LE]),
                      (pdu.VERIFICATION, [pdu.IMPLICIT_LE])) == [pdu.EXPLICIT_LE, "no", "no", pdu.IMPLICIT_LE]


def test_a_full_request_of_128_contexts(folder):
    with Stage(folder) as stage:
        pairs = [(STORAGE if n % 2 else CT, [pdu.EXPLICIT_LE]) for n in range(128)]
        assert answer(stage, *pairs) == [pdu.EXPLICIT_LE] * 128


def test_titles_towards_the_archives(folder):
    """Calling title preserved, replaced and mapped (FIELD 14)."""
    with Stage(folder, start=False) as stage:
        nodes = stage.daemon.settings["nodes"]
        nodes["legacy"].update(calling="replace", calling_title="GATEWAY")
        nodes["new"].update(calling="map", calling_map={"CT1": "SCANNER1"})
        stage.daemon.write()
        stage.daemon.start()
        first, second = (part10.generate(2000, 86, 3, n, sop_class=STORAGE) for n in (1, 2))
        stage.send([first], "CT1")
        stage.send([second], "CT2")
        stage.wait_arrived([first, second])
        calling = {(a.title, c.uid): c.calling for a in stage.archives for c in a.copies()}
        assert calling == {("OLDPACS", first.sop_instance): "GATEWAY", ("OLDPACS", second.sop_instance): "GATEWAY",
                           ("NEWPACS", first.sop_instance): "SCANNER1", ("NEWPACS", second.sop_instance): "CT2"}


def test_move_originator_reaches_the_archives(folder):
    with Stage(folder) as stage:
        one = part10.generate(2000, 86, 4, sop_class=STORAGE)
        stage.send([one], originator=("VIEWER", 77))
        stage.wait_arrived([one])
        for archive in stage.archives:
            command = archive.copies()[0].command
            assert command["MoveOriginatorApplicationEntityTitle"] == "VIEWER"
            assert command["MoveOriginatorMessageID"] == 77


def mirrored() -> dict:
    return {"phases": {"coexist": {"store": [{"to": ["legacy", "new"], "negotiate": "mirror"}]}}}


def test_mirror_answers_what_the_primary_answers_now(folder):
    with Stage(folder, settings=mirrored()) as stage:
        pairs = ((CT, [pdu.EXPLICIT_LE, pdu.IMPLICIT_LE]), (MR, [pdu.IMPLICIT_LE]))
        assert answer(stage, *pairs) == [pdu.EXPLICIT_LE, pdu.IMPLICIT_LE]
        stage.legacy.set(abstracts=[CT], transfers=[pdu.IMPLICIT_LE])
        assert answer(stage, *pairs) == [pdu.IMPLICIT_LE, "no"]
        one = part10.generate(2000, 86, 5, sop_class=STORAGE)
        stage.legacy.set(abstracts=[], transfers=[])
        stage.send([one])
        stage.wait_arrived([one])


def test_mirror_rejects_when_the_primary_is_away(folder):
    with Stage(folder, settings=mirrored()) as stage:
        stage.legacy.down()
        info = propose(((CT, [pdu.EXPLICIT_LE]),), called="DICOMGATE", calling="CT1")
        with pytest.raises(Rejected) as caught:
            with open_association(("127.0.0.1", stage.daemon.port), info):
                pass
        assert caught.value.triple == (2, 3, 1)


def test_capabilities_are_listed_and_explained(folder):
    with Stage(folder) as stage:
        stage.legacy.set(abstracts=[CT])
        assert answer(stage, (CT, [pdu.EXPLICIT_LE]), (MR, [pdu.EXPLICIT_LE])) == [pdu.EXPLICIT_LE, "no"]

        def asked(*more: str) -> dict:
            return stage.daemon.ask("archive", "capabilities", "legacy", *more)
        rows = {(row["sop_class"], row["transfer_syntax"]): row["accepted"] for row in asked()["items"]}
        assert rows[(CT, pdu.EXPLICIT_LE)] is True and rows[(MR, pdu.EXPLICIT_LE)] is False
        told = asked("--sop-class", "MRImageStorage", "--transfer-syntax", "ExplicitVRLittleEndian")["explanation"]
        assert told[0]["answer"] == "refused" and "legacy has refused it" in told[0]["why"] and told[0]["when"]
        assert asked("--sop-class", "1.2.840.10008.1.20.1")["explanation"][0]["result"] == 3
        stage.legacy.set(abstracts=[])
        assert stage.daemon.ask("archive", "probe", "legacy")["changed"] == 1
        assert answer(stage, (CT, [pdu.EXPLICIT_LE]), (MR, [pdu.EXPLICIT_LE])) == [pdu.EXPLICIT_LE] * 2


def test_more_kinds_than_one_association_can_carry(folder):
    """140 SOP Classes wait for an archive: each association towards it has at most 128 contexts."""
    with Stage(folder, start=False) as stage:
        for archive in stage.archives:
            archive.down()
        stage.daemon.start()
        classes = [f"1.2.826.0.1.3680043.10.7.{n}" for n in range(140)]
        files = [part10.generate(500, 87, n, sop_class=uid) for n, uid in enumerate(classes)]
        stage.send(files[:100])
        stage.send(files[100:])
        for archive in stage.archives:
            archive.up()
        stage.wait_arrived(files)


# ---- user information items under `mirror` (PROTOCOL 37, 38, 40, 42, 43)

ROLE, EXTENDED, COMMON_EXTENDED, IDENTITY, IDENTITY_ANSWER = pdu.ITEM_ROLE, 0x56, 0x57, 0x58, 0x59


def sized(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack(">H", len(raw)) + raw


@pytest.fixture
def mirror_of_odd(folder):
    """A gateway that mirrors an archive whose every byte is the test's."""
    with OddArchive("OLDPACS") as odd, Archive(folder / "new", "NEWPACS") as new:
        nodes = [Node("legacy", 1, "OLDPACS", odd.port), Node("new", 2, "NEWPACS", new.port)]
        with Daemon(folder / "gateway", nodes, settings=mirrored()) as daemon:
            yield odd, daemon


def exchange(odd: OddArchive, daemon: Daemon, asked: list, said: list) -> tuple[list, list]:
    """A client asks with `asked`, the archive says `said`: the user items that each of them has met."""
    def script(visit: Visit) -> str:
        visit.accept(user_items=said)
        visit.met()
        visit.send(pdu.release_rp())
        script.met = visit.proposed.user_items
        return "done"
    odd.act(script)
    info = propose([(CT, pdu.EXPLICIT_LE), (pdu.VERIFICATION, pdu.IMPLICIT_LE)], called="DICOMGATE", calling="CT1")
    info.user_items = asked
    with open_association(("127.0.0.1", daemon.port), info) as association:
        answered = association.answer.user_items
        association.release()
    assert odd.outcome() == "done"
    return script.met, answered


def of_kinds(items: list, *kinds: int) -> list:
    return [(kind, raw) for kind, raw in items if kind in kinds]


def test_mirror_relays_extended_negotiation(mirror_of_odd):
    """Application information is opaque: byte for byte in both directions, for what goes to the archive. Common extended
    negotiation goes down and is never answered (PS3.7 D.3.3.6)."""
    information, answer = bytes(range(256)) * 3, b"\2\0\xff"
    common = sized(CT) + sized("1.2.840.10008.4.2") + sized(sized("1.2.3") + sized("1.2.840.10008.5.1.4.1.1.2.1"))
    asked = [(EXTENDED, sized(CT) + information), (EXTENDED, sized(pdu.VERIFICATION) + b"mine"),
             (COMMON_EXTENDED, common)]
    said = [(EXTENDED, sized(CT) + answer), (EXTENDED, sized(MR) + b"nobody asked"), (COMMON_EXTENDED, common)]
    down, up = exchange(*mirror_of_odd, asked, said)
    assert of_kinds(down, EXTENDED) == [(EXTENDED, sized(CT) + information)], "Verification is the gateway's own"
    assert of_kinds(down, COMMON_EXTENDED) == [(COMMON_EXTENDED, common)]
    assert of_kinds(up, EXTENDED, COMMON_EXTENDED) == [(EXTENDED, sized(CT) + answer)]


def test_mirror_relays_extended_negotiation_that_is_not_answered(mirror_of_odd):
    down, up = exchange(*mirror_of_odd, [(EXTENDED, sized(CT))], [])
    assert of_kinds(down, EXTENDED) == [(EXTENDED, sized(CT))], "empty information is information"
    assert of_kinds(up, EXTENDED) == []
    down, up = exchange(*mirror_of_odd, [], [(EXTENDED, sized(CT) + b"unasked"), (IDENTITY_ANSWER, sized("unasked"))])
    assert of_kinds(down, EXTENDED, COMMON_EXTENDED, IDENTITY, ROLE) == []
    assert of_kinds(up, EXTENDED, IDENTITY_ANSWER) == []


@pytest.mark.parametrize("wanted", [0, 1])
def test_mirror_relays_user_identity(mirror_of_odd, wanted):
    """Its answer only to a client that has asked for one; the password is in no log."""
    identity = struct.pack(">BB", 2, wanted) + sized("user") + sized("pass-4711-word")
    down, up = exchange(*mirror_of_odd, [(IDENTITY, identity)], [(IDENTITY_ANSWER, sized("welcome"))])
    assert of_kinds(down, IDENTITY) == [(IDENTITY, identity)]
    assert of_kinds(up, IDENTITY_ANSWER) == ([(IDENTITY_ANSWER, sized("welcome"))] if wanted else [])
    assert "pass-4711-word" not in mirror_of_odd[1].log_path.read_text()


def test_mirror_relays_roles_and_widens_none(mirror_of_odd):
    asked = [(ROLE, sized(CT) + b"\1\1")]
    down, up = exchange(*mirror_of_odd, asked, [(ROLE, sized(CT) + b"\1\0")])
    assert (of_kinds(down, ROLE), of_kinds(up, ROLE)) == (asked, [(ROLE, sized(CT) + b"\1\0")])
    asked = [(ROLE, sized(CT) + b"\1\0")]
    down, up = exchange(*mirror_of_odd, asked, [(ROLE, sized(CT) + b"\1\1"), (ROLE, sized(MR) + b"\1\1")])
    assert (of_kinds(down, ROLE), of_kinds(up, ROLE)) == (asked, asked)


def test_data_before_the_answer_is_an_abort(mirror_of_odd):
    """PROTOCOL 3: in Sta3, while the archive is asked (AA-8)."""
    odd, daemon = mirror_of_odd
    odd.act(lambda visit: str(visit.read_request()) + visit.met())  # never answers
    info = propose([(CT, pdu.EXPLICIT_LE), (pdu.VERIFICATION, pdu.IMPLICIT_LE)], called="DICOMGATE", calling="CT1")
    with connect(("127.0.0.1", daemon.port)) as sock:
        association = Association(sock, info)
        echo = pdu.p_data(pdu.pdv(3, pdu.COMMAND | pdu.LAST, dimse.encode(dimse.c_echo_rq(1))))
        sock.sendall(pdu.associate(pdu.ASSOCIATE_RQ, info) + echo)
        kind, body = association.read_pdu()
        assert (kind, tuple(body[2:4])) == (pdu.ABORT, (2, 2))


def test_mirror_troubles_no_archive_for_one_that_says_nothing(mirror_of_odd):
    """PROTOCOL 5."""
    odd, daemon = mirror_of_odd
    visits: list = []
    odd.act(lambda visit: visits.append(visit) or "visited")
    before = daemon.counter("ul.closed-early")
    connect(("127.0.0.1", daemon.port)).close()
    wait_for("its end", lambda: daemon.counter("ul.closed-early") > before, 10)
    assert visits == []


CONGESTION = (2, 3, 1)


@pytest.mark.parametrize("said,met", [
    ((1, 1, 1), None), ((1, 1, 3), None), ((1, 1, 7), None), ((1, 2, 1), None), ((2, 3, 1), None), ((2, 3, 2), None),
    ((1, 1, 2), CONGESTION), ((1, 2, 2), CONGESTION), ((1, 3, 0), CONGESTION), ((0, 0, 0), CONGESTION),
    ((3, 4, 9), CONGESTION), ((255, 255, 255), CONGESTION)])
def test_mirror_relays_a_reject_that_is_for_the_client(mirror_of_odd, said, met):
    """PROTOCOL 45. What is between the gateway and the archive (its version, its application context), and what the
    standard does not know, is none of the client's business: it may try again."""
    odd, daemon = mirror_of_odd
    odd.act(lambda visit: visit.read_request() and visit.send(pdu.reject(*said)) or visit.met())
    info = propose(((CT, [pdu.EXPLICIT_LE]),), called="DICOMGATE", calling="CT1")
    with pytest.raises(Rejected) as caught:
        open_association(("127.0.0.1", daemon.port), info)
    assert caught.value.triple == (met or said)
    assert odd.outcome() == "closed"
