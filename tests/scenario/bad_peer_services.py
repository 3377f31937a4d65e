# SPDX-License-Identifier: Apache-2.0
"""More of `bad_peer_cases`: what a client proposes in its user information items, services that the
gateway does not have yet and how it refuses them, and messages that do not fit their context."""
from __future__ import annotations

import struct
import zlib

from bad_peer_cases import ECHO_CONTEXT, STORAGE, STORE_CONTEXT, Peer, _results, case
from dgtest import dimse, part10, pdu

IDENTITY, IDENTITY_ANSWER, EXTENDED, COMMON_EXTENDED = 0x58, 0x59, 0x56, 0x57

STUDY_FIND, STUDY_MOVE, STUDY_GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
WORKLIST_FIND, MPPS, COMMITMENT = "1.2.840.10008.5.1.4.31", "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.1.20.1"


def sized(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


# ---- A-ASSOCIATE-RQ

@case(19, "reject 1,1,2")
def application_context_empty(peer: Peer) -> str:
    return peer.request(application="")


@case(22, "abort 2,6", event="ul.context-id")
def context_id_zero(peer: Peer) -> str:
    return peer.request(contexts=[pdu.Context(0, STORAGE, [pdu.EXPLICIT_LE])])


@case(22, "abort 2,6")
def context_after_the_128th(peer: Peer) -> str:
    """Ids end at 255: a 129th must repeat one."""
    contexts = [pdu.Context(2 * n + 1 & 0xFF, STORAGE, [pdu.EXPLICIT_LE]) for n in range(129)]
    return peer.request(contexts=contexts)


@case(28, "results 0,0,0")
def private_and_overlong_uids(peer: Peer) -> str:
    """Bytes to the gateway; what the primary archive takes it takes (that of the tests takes all)."""
    contexts = [pdu.Context(1, STORAGE, ["1.2.826.0.1.3680043.2.1143.99.1"]),
                pdu.Context(3, STORAGE, ["1.2.826.0.1.3680043." + "9" * 60]),
                pdu.Context(5, STORAGE, ["not a UID"])]
    met = peer.request(contexts=contexts)
    return _results(peer) if met == "accept" else met


@case(32, "status 0000", stored=True)
def maximum_length_twice(peer: Peer) -> str:
    peer.info.user_items = [(pdu.ITEM_MAX_LENGTH, struct.pack(">I", 1))]
    peer.open().send(peer.command() + peer.data_pdu())
    return peer.met()


def identity(kind: int, wants_answer: bool) -> None:
    """No one here asks who the user is: taken, kept with the receipt, not answered (PS3.7 D.3.3.7)."""
    def act(peer: Peer) -> str:
        second = b"secret" if kind == 2 else b""
        raw = struct.pack(">BBH", kind, wants_answer, 4) + b"user" + struct.pack(">H", len(second)) + second
        met = peer.request(user_items=[(IDENTITY, raw)])
        assert all(item != IDENTITY_ANSWER for item, _ in peer.association.answer.user_items)
        return met
    act.__name__ = f"user_identity_{kind}{'_answer_wanted' if wants_answer else ''}"
    case(38 if wants_answer else 37, "accept")(act)


for identity_type in (1, 2, 3, 4, 5):
    identity(identity_type, False)
    identity(identity_type, True)


@case(37, "abort 2,6", event="ul.item-length")
def user_identity_that_overruns(peer: Peer) -> str:
    return peer.request(user_items=[(IDENTITY, struct.pack(">BBH", 1, 0, 400) + b"user")])


@case(41, "accept")
def role_selection_of_odd_and_padded_uids(peer: Peer) -> str:
    roles = [(pdu.ITEM_ROLE, sized(uid) + b"\1\0") for uid in ("1.2", "1.2.3\0", "1.2.840.10008.1.1 ")]
    met = peer.request(user_items=roles)
    uids = [raw[2:2 + struct.unpack(">H", raw[:2])[0]].rstrip(b"\0 ") for _, raw in peer.answered(pdu.ITEM_ROLE)]
    assert uids == [b"1.2", b"1.2.3", b"1.2.840.10008.1.1"]
    return met


@case(40, "accept")
def role_of_a_provider_only(peer: Peer) -> str:
    """The acceptor may only turn a 1 to 0: no role of the client is ever widened."""
    met = peer.request(user_items=[(pdu.ITEM_ROLE, sized(STORAGE) + b"\0\1")])
    assert peer.answered(pdu.ITEM_ROLE) == [(pdu.ITEM_ROLE, sized(STORAGE) + b"\0\0")], "none that nobody asked for"
    return met


@case(42, "accept")
def extended_negotiation_of_any_bytes(peer: Peer) -> str:
    """Storage has level and features to answer; nothing is claimed."""
    items = [(EXTENDED, sized(STORAGE) + bytes(range(16))), (EXTENDED, sized("1.2.3")), (EXTENDED, sized(STORAGE))]
    met = peer.request(user_items=items)
    assert peer.answered(EXTENDED) == [], "not answered but under `mirror`"
    return met


@case(43, "accept")
def common_extended_negotiation(peer: Peer) -> str:
    plain = sized("1.2.3") + sized("1.2.840.10008.4.2") + struct.pack(">H", 0)
    related = sized("1.2.4") + sized("1.2.840.10008.4.2") + struct.pack(">H", 9) + sized("1.2.840")
    met = peer.request(user_items=[(COMMON_EXTENDED, plain), (COMMON_EXTENDED, related)])
    assert all(kind != COMMON_EXTENDED for kind, _ in peer.association.answer.user_items), "never in an AC"
    return met


@case(43, "abort 2,6", event="ul.item-length")
def common_extended_negotiation_that_overruns(peer: Peer) -> str:
    raw = sized("1.2.3") + sized("1.2.840.10008.4.2") + struct.pack(">H", 99)
    return peer.request(user_items=[(COMMON_EXTENDED, raw)])


# ---- services that are not there yet: the contexts are refused, data on them is the end

NOT_THERE = {"find": (85, STUDY_FIND), "worklist": (82, WORKLIST_FIND), "move": (86, STUDY_MOVE),
             "get": (87, STUDY_GET), "mpps": (87, MPPS), "commitment": (86, COMMITMENT)}


def refused_service(name: str, protocol: int, sop_class: str) -> None:
    def proposed(peer: Peer) -> str:
        contexts = [pdu.Context(1, sop_class, [pdu.IMPLICIT_LE, pdu.EXPLICIT_LE]),
                    pdu.Context(3, STORAGE, [pdu.EXPLICIT_LE])]
        met = peer.request(contexts=contexts)
        return _results(peer) if met == "accept" else met

    def used(peer: Peer) -> str:
        peer.request(contexts=[pdu.Context(1, sop_class, [pdu.IMPLICIT_LE]), pdu.Context(3, STORAGE, [pdu.EXPLICIT_LE])])
        peer.send(peer.echo_pdu(1))
        return peer.met()
    proposed.__name__, used.__name__ = f"{name}_is_not_accepted", f"{name}_used_all_the_same"
    case(protocol, "results 3,0")(proposed)
    case(75, "abort 2,6", event="ul.pdv-context")(used)


for service, (protocol_case, service_class) in NOT_THERE.items():
    refused_service(service, protocol_case, service_class)


def request_on_a_storage_context(name: str, protocol: int, field: int) -> None:
    """0211: unrecognised operation; its identifier is read to its end and the association lives."""
    def act(peer: Peer) -> str:
        peer.open().send(peer.command(CommandField=field, AffectedSOPInstanceUID=None) + peer.data_pdu())
        first = peer.met()
        peer.send(peer.echo_pdu())
        return f"{first}, then {peer.met()}"
    act.__name__ = f"{name}_on_a_storage_context"
    case(protocol, "status 0211, then status 0000")(act)


for operation, number, request_field in (("find", 85, 0x0020), ("move", 86, 0x0021), ("get", 87, 0x0010),
                                         ("n_create", 89, 0x0140), ("n_action", 89, 0x0130)):
    request_on_a_storage_context(operation, number, request_field)


# ---- messages

@case(63, "released")
def data_after_the_release_request(peer: Peer) -> str:
    """The response is on its way already: what comes after it is not read any more (AA-6)."""
    peer.open().send(pdu.release_rq() + peer.echo_pdu())
    return peer.met()


@case(67, "status 0000, then released", stored=True)
def release_while_the_response_is_due(peer: Peer) -> str:
    peer.open().send(peer.command() + peer.data_pdu() + pdu.release_rq())
    first = peer.met()
    return f"{first}, then {peer.met()}"


def response_to_nothing(name: str, **fields: int) -> None:
    """Nothing was asked of the client: a response can only be an error (PS3.7 7.5)."""
    def act(peer: Peer) -> str:
        command = {"CommandField": 0x8001, "MessageIDBeingRespondedTo": 1, "Status": 0,
                   "CommandDataSetType": dimse.NO_DATA_SET, **fields}
        peer.open().send(pdu.p_data(pdu.pdv(STORE_CONTEXT, 3, dimse.encode(command))))
        return peer.met()
    act.__name__ = name
    case(81, "abort 2,5")(act)


response_to_nothing("store_response_unasked")
response_to_nothing("find_response_unasked", CommandField=0x8020, Status=0xFF00)


@case(84, "status 0000", stored=True)
def cancel_on_another_context(peer: Peer) -> str:
    cancel = {"CommandField": dimse.C_CANCEL_RQ, "MessageIDBeingRespondedTo": 1,
              "CommandDataSetType": dimse.NO_DATA_SET}
    raw = pdu.p_data(pdu.pdv(ECHO_CONTEXT, 3, dimse.encode(cancel)))
    peer.open().send(peer.command() + peer.data_pdu() + raw)
    return peer.met()


@case(89, "status 0000 after a failure")
def store_on_the_context_of_verification(peer: Peer) -> str:
    peer.open().send(peer.command(ECHO_CONTEXT) + peer.data_pdu(ECHO_CONTEXT))
    first = peer.met()
    assert first != "status 0000" and first.startswith("status"), first
    peer.send(peer.echo_pdu())
    return f"{peer.met()} after a failure"


def deflated(name: str, tail: bytes) -> None:
    """One raw stream (PS3.5 A.5), kept with what hangs behind it."""
    def act(peer: Peer) -> str:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        plain = peer.data() + struct.pack("<HH2sH", 0x7FF0, 0x0010, b"LO", 2) + b"ab"
        data = packer.compress(plain) + packer.flush()
        if tail == b"odd":
            data += b"\0" if len(data) % 2 == 0 else b""
        else:
            data += tail
        peer.info.contexts = [pdu.Context(STORE_CONTEXT, STORAGE, [pdu.DEFLATED_LE])]
        peer.sent = (data, pdu.DEFLATED_LE)
        peer.open().send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.LAST, data)))
        return peer.met()
    act.__name__ = name
    case(91, "status 0000", stored=True)(act)


deflated("deflated_of_odd_length", b"odd")
deflated("deflated_with_eight_bytes_behind", bytes(8))


@case(99, "status 0000", stored=True)
def one_pdu_of_the_largest_size(peer: Peer) -> str:
    peer.open()
    room = peer.association.peer_max - 6
    peer.instance = part10.generate(room - 400, 8, peer.number, 2, sop_class=STORAGE)
    data = peer.data()
    assert len(data) <= room
    peer.send(peer.command() + peer.data_pdu())
    return peer.met()


@case(99, "status 0000", stored=True)
def a_megabyte_in_small_pdus(peer: Peer) -> str:
    peer.open()
    peer.instance = part10.generate(1 << 20, 8, peer.number, 3, sop_class=STORAGE)
    data = peer.data()
    raw = [pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.LAST if at + 128 >= len(data) else 0, data[at:at + 128]))
           for at in range(0, len(data), 128)]
    peer.send(peer.command() + b"".join(raw))
    return peer.met()
