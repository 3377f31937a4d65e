# SPDX-License-Identifier: Apache-2.0
"""What a bad, odd or merely unusual peer does, one function each, and what it must meet.

A case talks on its own connection and returns what it met as a short text: `abort 2,6`,
`reject 1,1,2`, `status 0000`, `closed`, `accept`. Numbers in `protocol` are the cases of PS3.7 and
PS3.8 that the project keeps a list of; the clauses stand beside the codes in the standard:
A-ABORT source and reason PS3.8 9.3.8, reject triple 9.3.4, actions AA-1 to AA-8 9.2.3."""
from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Callable

from dgtest import dimse, part10, pdu
from dgtest.association import Aborted, Association, PeerClosed, Rejected, connect, propose

STORAGE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"
ECHO_CONTEXT, STORE_CONTEXT, CT_CONTEXT = 1, 3, 5


class Peer:
    """A connection to the gateway, with the three contexts of these tests."""

    def __init__(self, port: int, number: int) -> None:
        self.port, self.number = port, number
        self.sock = connect(("127.0.0.1", port), timeout=20)
        self.info = propose([(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE),
                             (CT, pdu.EXPLICIT_LE)], called="DICOMGATE", calling="BADPEER")
        self.association = Association(self.sock, self.info)
        self.instance = part10.generate(4096, 8, number, sop_class=STORAGE)
        self.sent: tuple[bytes, str] | None = None  # data set and its syntax, where they are not the instance's

    def send(self, raw: bytes) -> None:
        try:
            self.association.send(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what the gateway has sent before it closed can still be read

    def open(self) -> "Peer":
        self.association.request()
        return self

    def request(self, **fields: object) -> str:
        """Requests with changed parameters and tells what came of it."""
        for name, value in fields.items():
            setattr(self.info, name, value)
        return self.request_raw(pdu.associate(pdu.ASSOCIATE_RQ, self.info))

    def request_items(self, change: Callable[[list[bytes]], list[bytes]]) -> str:
        items = change(pdu.associate_items(self.info))
        return self.request_raw(pdu.associate(pdu.ASSOCIATE_RQ, self.info, items))

    def request_raw(self, raw: bytes) -> str:
        try:
            self.association.request(raw)
            return "accept"
        except Rejected as rejected:
            return "reject %d,%d,%d" % rejected.triple
        except Aborted as aborted:
            return "abort %d,%d" % aborted.pair
        except PeerClosed:
            return "closed"

    def met(self) -> str:
        """The next thing that the gateway says."""
        try:
            kind, body = self.association.read_pdu()
        except PeerClosed:
            return "closed"
        if kind == pdu.ABORT:
            return f"abort {body[2]},{body[3]}"
        if kind == pdu.RELEASE_RP:
            return "released"
        if kind == pdu.P_DATA:
            _, _, value = next(iter(pdu.split_pdvs(body)))
            return f"status {dimse.decode(bytes(value))['Status']:04X}"
        return f"PDU {kind}"

    def command(self, context: int = STORE_CONTEXT, **changes: object) -> bytes:
        """The P-DATA of a C-STORE-RQ, with elements changed or (None) left out."""
        command = dimse.c_store_rq(self.association.next_id(), self.instance.sop_class,
                                   self.instance.sop_instance)
        command.update(changes)
        raw = dimse.encode({key: value for key, value in command.items() if value is not None})
        return pdu.p_data(pdu.pdv(context, pdu.COMMAND | pdu.LAST, raw))

    def answered(self, *kinds: int) -> list[tuple[int, bytes]]:
        """The user information items of these kinds in the A-ASSOCIATE-AC."""
        return [(kind, raw) for kind, raw in self.association.answer.user_items if kind in kinds]

    def data(self) -> bytes:
        return b"".join(self.instance.chunks())

    def data_pdu(self, context: int = STORE_CONTEXT) -> bytes:
        return pdu.p_data(pdu.pdv(context, pdu.LAST, self.data()))

    def echo_pdu(self, context: int = ECHO_CONTEXT) -> bytes:
        raw = dimse.encode(dimse.c_echo_rq(self.association.next_id()))
        return pdu.p_data(pdu.pdv(context, pdu.COMMAND | pdu.LAST, raw))


@dataclass
class Case:
    name: str
    protocol: int
    act: Callable[[Peer], str]
    expected: tuple[str, ...]
    event: str = ""  # of base/log_events.def: counted and logged
    stored: bool = False  # whether the peer's instance must reach the archives, or must not


CASES: list[Case] = []


def case(protocol: int, *expected: str, event: str = "", stored: bool = False) -> Callable:
    def add(act: Callable[[Peer], str]) -> Callable[[Peer], str]:
        CASES.append(Case(act.__name__, protocol, act, expected, event, stored))
        return act
    return add


# ---- framing

@case(2, "status 0000", stored=True)
def header_and_rest_in_two_segments(peer: Peer) -> str:
    raw = peer.open().command() + peer.data_pdu()
    peer.association.send_slowly(raw, [18], 0.5)
    return peer.met()


@case(3, "status 0000")
def data_glued_to_the_request(peer: Peer) -> str:
    """The answer is known at once and goes first: the data comes in Sta6. In Sta3: test_negotiation.py."""
    peer.send(pdu.associate(pdu.ASSOCIATE_RQ, peer.info) + peer.echo_pdu())
    assert peer.met() == f"PDU {pdu.ASSOCIATE_AC}"
    return peer.met()


@case(4, "gone", event="ul.transport-closed")
def close_inside_a_pdu_header(peer: Peer) -> str:
    peer.open().send(peer.command()[:4])
    peer.association.close()
    return "gone"


@case(4, "gone", event="ul.transport-closed")
def close_inside_a_data_set(peer: Peer) -> str:
    peer.open().send(peer.command() + peer.data_pdu()[:-7])
    peer.association.close()
    return "gone"


@case(4, "closed", event="ul.transport-closed")
def half_close_inside_a_data_set(peer: Peer) -> str:
    peer.open().send(peer.command() + peer.data_pdu()[:-7])
    peer.sock.shutdown(socket.SHUT_WR)
    return peer.met()


@case(5, "gone", event="ul.closed-early")
def close_without_a_word(peer: Peer) -> str:
    peer.association.close()
    return "gone"


def unknown_pdu(kind: int) -> None:
    def act(peer: Peer) -> str:
        peer.open().send(pdu.pdu(kind, bytes(4)))
        return peer.met()
    act.__name__ = f"unknown_pdu_{kind:02x}"
    case(8, "abort 2,1", event="ul.unknown-pdu")(act)


for number in (0x00, 0x08, 0xFF):
    unknown_pdu(number)


@case(8, "abort 2,1")
def unknown_pdu_before_the_request(peer: Peer) -> str:
    peer.send(pdu.pdu(0x08, bytes(4)))
    return peer.met()


@case(8, "abort 2,1")
def web_browser(peer: Peer) -> str:
    peer.send(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
    return peer.met()


@case(9, "abort 2,6", event="ul.pdu-length")
def release_request_too_long(peer: Peer) -> str:
    peer.open().send(pdu.pdu(pdu.RELEASE_RQ, bytes(6)))
    return peer.met()


@case(12, "abort 2,6", event="ul.pdu-length")
def release_request_too_short(peer: Peer) -> str:
    peer.open().send(pdu.pdu(pdu.RELEASE_RQ, bytes(2)))
    return peer.met()


@case(10, "abort 2,6", event="ul.pdu-too-long")
def data_pdu_of_two_gigabytes_announced(peer: Peer) -> str:
    peer.open().send(pdu.pdu(pdu.P_DATA, bytes(8), length=1 << 31))
    return peer.met()


@case(10, "abort 2,6")
def request_of_four_gigabytes_announced(peer: Peer) -> str:
    peer.send(pdu.pdu(pdu.ASSOCIATE_RQ, bytes(68), length=0xFFFFFFFF))
    return peer.met()


@case(11, "status 0000", stored=True)
def data_pdu_six_bytes_over_the_maximum(peer: Peer) -> str:
    """Senders forget the 6 bytes of the PDV header: a small excess is taken."""
    peer.open()
    size = peer.association.peer_max
    peer.instance = part10.generate(3 * size, 8, peer.number, 1, sop_class=STORAGE)
    data = peer.data()
    peer.send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, 0, data[:size])))
    for start in range(size, len(data), size):
        last = pdu.LAST if start + size >= len(data) else 0
        peer.send(pdu.p_data(pdu.pdv(STORE_CONTEXT, last, data[start:start + size])))
    return peer.met()


@case(13, "status 0000", stored=True)
def reserved_bytes_set(peer: Peer) -> str:
    peer.open()
    command, data = bytearray(peer.command()), bytearray(peer.data_pdu())
    command[1] = data[1] = 0xFF
    command[11] |= 0xF0  # message control header: bits 2 to 7 are reserved (PS3.8 annex E.2)
    peer.send(bytes(command + data))
    return peer.met()


# ---- the association request

@case(15, "reject 1,2,2", event="ul.protocol-version")
def protocol_version_two(peer: Peer) -> str:
    return peer.request(version=2)


@case(15, "reject 1,2,2", event="ul.protocol-version")
def protocol_version_zero(peer: Peer) -> str:
    return peer.request(version=0)


@case(15, "accept")
def protocol_version_three_has_bit_zero(peer: Peer) -> str:
    return peer.request(version=3)


@case(16, "reject 1,1,7", event="ul.rejected-by-us")
def called_title_blank(peer: Peer) -> str:
    return peer.request(called="")


@case(16, "reject 1,1,3", event="ul.rejected-by-us")
def calling_title_blank(peer: Peer) -> str:
    return peer.request(calling="")


@case(16, "accept")
def titles_with_leading_blanks(peer: Peer) -> str:
    return peer.request(called="  DICOMGATE", calling=" BADPEER")


@case(17, "reject 1,1,7", event="ul.rejected-by-us")
def called_title_not_ours(peer: Peer) -> str:
    return peer.request(called="ELSEWHERE")


@case(16, "accept")
def titles_of_sixteen_characters(peer: Peer) -> str:
    return peer.request(calling="SIXTEENCHARACTER")


@case(16, "reject 1,1,7", event="ul.rejected-by-us")
def titles_of_control_characters(peer: Peer) -> str:
    return peer.request(called="\x1b[2J\n", calling="\r\nFORGED")


@case(19, "reject 1,1,2", event="ul.application-context")
def application_context_wrong(peer: Peer) -> str:
    return peer.request(application="1.2.3")


@case(19, "accept")
def application_context_padded(peer: Peer) -> str:
    return peer.request(application=pdu.APPLICATION_CONTEXT + "\0")


@case(20, "reject 1,1,2", event="ul.application-context")
def application_context_missing(peer: Peer) -> str:
    return peer.request_items(lambda items: items[1:])


@case(20, "abort 2,6", event="ul.item-repeated")
def application_context_twice(peer: Peer) -> str:
    return peer.request_items(lambda items: items[:1] + items)


@case(21, "abort 2,6", event="ul.pdv-context")
def no_presentation_context(peer: Peer) -> str:
    met = peer.request(contexts=[])
    assert met == "accept" and not peer.association.answer.contexts, met
    peer.send(peer.echo_pdu())
    return peer.met()


@case(22, "abort 2,6", event="ul.context-id")
def context_id_even(peer: Peer) -> str:
    return peer.request(contexts=[pdu.Context(2, STORAGE, [pdu.EXPLICIT_LE])])


@case(22, "abort 2,6", event="ul.context-id")
def context_id_twice(peer: Peer) -> str:
    return peer.request(contexts=2 * [pdu.Context(1, STORAGE, [pdu.EXPLICIT_LE])])


@case(23, "status 0000", stored=True)
def one_class_in_several_contexts(peer: Peer) -> str:
    peer.info.contexts = [pdu.Context(1, STORAGE, [pdu.IMPLICIT_LE]), pdu.Context(3, STORAGE, [pdu.EXPLICIT_LE])]
    peer.open().send(peer.command() + peer.data_pdu())
    return peer.met()


def _results(peer: Peer) -> str:
    return "results " + ",".join(str(c.result) for c in peer.association.answer.contexts)


@case(24, "results 2,0")
def context_without_transfer_syntax(peer: Peer) -> str:
    contexts = [pdu.Context(1, STORAGE, []), pdu.Context(3, STORAGE, [pdu.EXPLICIT_LE])]
    met = peer.request(contexts=contexts)
    return _results(peer) if met == "accept" else met


@case(24, "results 2,0")
def context_without_abstract_syntax(peer: Peer) -> str:
    bad = pdu.item(pdu.ITEM_CONTEXT_RQ, bytes((1, 0, 0, 0)) + pdu.item(pdu.ITEM_TRANSFER, pdu.EXPLICIT_LE.encode()))
    peer.info.contexts = [pdu.Context(3, STORAGE, [pdu.EXPLICIT_LE])]
    met = peer.request_items(lambda items: [items[0], bad, *items[1:]])
    return _results(peer) if met == "accept" else met


@case(29, "results 0,0")
def uid_of_foreign_letters(peer: Peer) -> str:
    """Bytes to the gateway: what the archive answered is repeated."""
    contexts = [pdu.Context(1, "1.2.\xe4\xf6\xfc", [pdu.EXPLICIT_LE]), pdu.Context(3, STORAGE, [pdu.EXPLICIT_LE])]
    met = peer.request(contexts=contexts)
    return _results(peer) if met == "accept" else met


def maximum_length(value: int | None) -> None:
    def act(peer: Peer) -> str:
        peer.info.max_length = value
        peer.open().send(peer.command() + peer.data_pdu())
        raw, control = bytearray(), 0
        while not control & pdu.LAST:
            kind, body = peer.association.read_pdu()
            assert kind == pdu.P_DATA and (not value or len(body) <= value), f"{len(body)} bytes for {value}"
            for _, control, part in pdu.split_pdvs(body):
                raw += part
        return f"status {dimse.decode(bytes(raw))['Status']:04X}"
    act.__name__ = f"maximum_length_{value}"
    case(32, "status 0000", stored=True)(act)


for limit in (None, 0, 16, 128, 0xFFFFFFFF):
    maximum_length(limit)


@case(33, "reject 1,1,1", event="ul.peer-maximum")
def maximum_length_without_room_for_data(peer: Peer) -> str:
    return peer.request(max_length=6)


@case(34, "accept")
def implementation_names_odd(peer: Peer) -> str:
    return peer.request(implementation_uid="", implementation_version="A VERSION NAME LONGER THAN SIXTEEN")


@case(35, "accept")
def unknown_items(peer: Peer) -> str:
    peer.info.user_items = [(0x5A, b"abc"), (0xFF, b"")]
    met = peer.request_items(lambda items: [items[0], pdu.item(0x60, b"what is this"), *items[1:]])
    assert met != "accept" or not peer.answered(0x5A, 0xFF), "answered"
    return met


@case(36, "abort 2,6", event="ul.item-length")
def item_longer_than_the_pdu(peer: Peer) -> str:
    return peer.request_items(lambda items: [*items, pdu.item(0x20, b"\1\0\0\0", length=4000)])


@case(36, "abort 2,6", event="ul.item-length")
def sub_item_longer_than_its_item(peer: Peer) -> str:
    sub_item = pdu.item(pdu.ITEM_MAX_LENGTH, bytes(4), length=40)
    return peer.request_items(lambda items: [*items[:-1], pdu.item(pdu.ITEM_USER, sub_item)])


@case(39, "accept")
def asynchronous_window(peer: Peer) -> str:
    met = peer.request(user_items=[(pdu.ITEM_ASYNC, struct.pack(">HH", 5, 5))])
    assert peer.answered(pdu.ITEM_ASYNC) == [(pdu.ITEM_ASYNC, struct.pack(">HH", 5, 1))]
    return met


@case(39, "accept")
def asynchronous_window_without_limit(peer: Peer) -> str:
    """Zero is no limit: it is given what is kept open at most (`limits.window`)."""
    met = peer.request(user_items=[(pdu.ITEM_ASYNC, struct.pack(">HH", 0, 0))])
    assert peer.answered(pdu.ITEM_ASYNC) == [(pdu.ITEM_ASYNC, struct.pack(">HH", 64, 1))]
    return met


@case(39, "accept")
def asynchronous_window_not_asked_for(peer: Peer) -> str:
    met = peer.request()
    assert peer.answered(pdu.ITEM_ASYNC) == [], "absent is 1,1"
    return met


@case(40, "accept")
def role_selection(peer: Peer) -> str:
    roles = [(pdu.ITEM_ROLE, struct.pack(">H", len(uid)) + uid.encode() + b"\1\1") for uid in (STORAGE, "1.2.3")]
    met = peer.request(user_items=roles)
    assert peer.answered(pdu.ITEM_ROLE) == [(kind, raw[:-1] + b"\0") for kind, raw in roles], "SCU only, for each"
    return met


# ---- states

@case(47, "abort 2,2")
def request_again_after_a_reject(peer: Peer) -> str:
    peer.request(called="ELSEWHERE")
    peer.send(pdu.associate(pdu.ASSOCIATE_RQ, peer.info))
    return peer.met()


@case(49, "closed", event="ul.aborted-by-user")
def abort_inside_a_data_set(peer: Peer) -> str:
    peer.open().send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, 0, peer.data()[:1000])))
    peer.send(pdu.abort(0, 0))
    return peer.met()


@case(48, "closed", event="ul.aborted-by-provider")
def abort_with_unknown_codes(peer: Peer) -> str:
    peer.open().send(pdu.abort(2, 77))
    return peer.met()


def before_the_request(name: str, raw: bytes) -> None:
    def act(peer: Peer) -> str:
        peer.send(raw)
        return peer.met()
    act.__name__ = f"{name}_before_the_request"
    case(57, "abort 2,2", event="ul.unexpected-pdu")(act)


before_the_request("data", pdu.p_data(pdu.pdv(1, 3, b"")))
before_the_request("release", pdu.release_rq())
before_the_request("release_response", pdu.release_rp())
before_the_request("reject", pdu.reject(1, 1, 1))
before_the_request("accept", pdu.associate(pdu.ASSOCIATE_AC, pdu.Associate()))


def in_an_association(name: str, protocol: int, raw: bytes) -> None:
    def act(peer: Peer) -> str:
        peer.open().send(raw)
        return peer.met()
    act.__name__ = f"{name}_in_an_association"
    case(protocol, "abort 2,2", event="ul.unexpected-pdu")(act)


in_an_association("request", 58, pdu.associate(pdu.ASSOCIATE_RQ, pdu.Associate()))
in_an_association("accept", 58, pdu.associate(pdu.ASSOCIATE_AC, pdu.Associate()))
in_an_association("reject", 58, pdu.reject(1, 1, 1))
in_an_association("release_response", 60, pdu.release_rp())


@case(62, "released")
def ten_echoes_and_a_release_without_reading(peer: Peer) -> str:
    peer.open().send(b"".join(peer.echo_pdu() for _ in range(10)) + pdu.release_rq())
    met = [peer.met() for _ in range(10)]
    assert met == ["status 0000"] * 10, met
    return peer.met()


@case(66, "abort 2,2", event="dimse.release-in-message")
def release_before_the_data_set(peer: Peer) -> str:
    peer.open().send(peer.command() + pdu.release_rq())
    return peer.met()


@case(66, "abort 2,2", event="dimse.release-in-message")
def release_inside_the_data_set(peer: Peer) -> str:
    peer.open().send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, 0, peer.data())) + pdu.release_rq())
    return peer.met()


# ---- P-DATA and DIMSE

@case(69, "status 0000", stored=True)
def command_and_data_in_one_pdu(peer: Peer) -> str:
    peer.open()
    data = peer.data()
    peer.send(pdu.p_data(peer.command()[6:], pdu.pdv(STORE_CONTEXT, 0, data[:100]),
                         pdu.pdv(STORE_CONTEXT, pdu.LAST, data[100:])))
    return peer.met()


@case(70, "status 0000", stored=True)
def fragments_of_one_byte(peer: Peer) -> str:
    peer.open()
    command, data = peer.command()[12:], peer.data()
    raw = bytearray()
    for control, part in ((pdu.COMMAND, command), (0, data)):
        for at in range(len(part)):
            last = pdu.LAST if at == len(part) - 1 else 0
            raw += pdu.p_data(pdu.pdv(STORE_CONTEXT, control | last, part[at:at + 1]))
    peer.send(bytes(raw))
    return peer.met()


@case(71, "status 0000", stored=True)
def empty_fragments(peer: Peer) -> str:
    peer.open()
    empty = pdu.pdv(STORE_CONTEXT, 0, b"")
    peer.send(peer.command() + pdu.p_data(empty, pdu.pdv(STORE_CONTEXT, 0, peer.data()), empty))
    peer.send(pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.LAST, b"")))
    return peer.met()


def pdv_length(length: int) -> None:
    def act(peer: Peer) -> str:
        peer.open().send(pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.COMMAND, bytes(8), length=length)))
        return peer.met()
    act.__name__ = f"pdv_length_{length}"
    case(72, "abort 2,6", event="ul.pdv-length")(act)


for length_field in (0, 1, 11, 0xFFFFFFFF):
    pdv_length(length_field)


@case(72, "abort 2,6", event="ul.pdv-length")
def five_bytes_left_in_the_pdu(peer: Peer) -> str:
    peer.open().send(pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.COMMAND, bytes(8)), bytes(5)))
    return peer.met()


@case(73, "abort 2,5", event="dimse.data-before-command")
def data_where_a_command_is_due(peer: Peer) -> str:
    peer.open().send(peer.data_pdu())
    return peer.met()


@case(73, "abort 2,5", event="dimse.command-in-data")
def command_inside_a_data_set(peer: Peer) -> str:
    peer.open().send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, 0, peer.data()[:500])) + peer.command())
    return peer.met()


@case(74, "abort 2,5", event="dimse.context-changed")
def context_changes_inside_a_message(peer: Peer) -> str:
    peer.open().send(peer.command() + peer.data_pdu(CT_CONTEXT))
    return peer.met()


@case(75, "abort 2,6", event="ul.pdv-context")
def context_never_negotiated(peer: Peer) -> str:
    peer.open().send(peer.echo_pdu(99))
    return peer.met()


@case(76, "abort 2,6", event="ul.pdv-length")
def data_pdu_without_a_value(peer: Peer) -> str:
    peer.open().send(pdu.p_data())
    return peer.met()


@case(77, "status 0000", stored=True)
def fragments_of_odd_length(peer: Peer) -> str:
    peer.open()
    data = peer.data()
    peer.send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, 0, data[:333]))
              + pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.LAST, data[333:])))
    return peer.met()


@case(78, "abort 2,6", event="dimse.no-command-field")
def command_without_command_field(peer: Peer) -> str:
    peer.open().send(peer.command(CommandField=None))
    return peer.met()


@case(78, "abort 2,6", event="dimse.no-message-id")
def command_without_message_id(peer: Peer) -> str:
    peer.open().send(peer.command(MessageID=None))
    return peer.met()


@case(78, "abort 2,6", event="dimse.no-data-set-type")
def command_without_data_set_type(peer: Peer) -> str:
    peer.open().send(peer.command(CommandDataSetType=None))
    return peer.met()


@case(78, "abort 2,6", event="dimse.command-format")
def command_that_overruns(peer: Peer) -> str:
    raw = dimse.encode(dimse.c_echo_rq(1))[:-1] + b"\0" + b"\0\0\0\1\xff\xff\0\0"
    peer.open().send(pdu.p_data(pdu.pdv(ECHO_CONTEXT, pdu.COMMAND | pdu.LAST, raw)))
    return peer.met()


@case(78, "status 0211")
def command_field_unknown(peer: Peer) -> str:
    peer.open().send(peer.command(CommandField=0x0777, CommandDataSetType=dimse.NO_DATA_SET))
    return peer.met()


@case(78, "status 0122")
def class_other_than_that_of_the_context(peer: Peer) -> str:
    peer.open().send(peer.command(AffectedSOPClassUID=CT) + peer.data_pdu())
    return peer.met()


@case(78, "status 0122")
def class_missing(peer: Peer) -> str:
    peer.open().send(peer.command(AffectedSOPClassUID=None) + peer.data_pdu())
    return peer.met()


@case(78, "status 0117")
def instance_missing(peer: Peer) -> str:
    peer.open().send(peer.command(AffectedSOPInstanceUID=None) + peer.data_pdu())
    return peer.met()


@case(92, "status A900")
def instance_other_than_in_the_data_set(peer: Peer) -> str:
    peer.open().send(peer.command(AffectedSOPInstanceUID="1.2.3.4") + peer.data_pdu())
    return peer.met()


@case(92, "status A900")
def class_other_than_in_the_data_set(peer: Peer) -> str:
    peer.open().send(peer.command(CT_CONTEXT, AffectedSOPClassUID=CT) + peer.data_pdu(CT_CONTEXT))
    return peer.met()


def data_set_type(value: int) -> None:
    def act(peer: Peer) -> str:
        peer.open().send(peer.command(CommandDataSetType=value) + peer.data_pdu())
        return peer.met()
    act.__name__ = f"data_set_type_{value:04x}"
    case(79, "status 0000", stored=True)(act)


for data_set_type_value in (0x0000, 0x0001, 0x0102):
    data_set_type(data_set_type_value)


@case(80, "status 0000", stored=True)
def command_with_unknown_elements_and_wrong_group_length(peer: Peer) -> str:
    command = dimse.c_store_rq(1, peer.instance.sop_class, peer.instance.sop_instance)
    command[0x0001] = struct.pack("<I", 4711)  # the retired Length to End
    command[0x5199] = b"private?"
    raw = dimse.encode(command, group_length=9999)
    peer.open().send(pdu.p_data(pdu.pdv(STORE_CONTEXT, 3, raw)) + peer.data_pdu())
    return peer.met()


@case(80, "status 0000", stored=True)
def uids_padded_by_space(peer: Peer) -> str:
    peer.open().send(peer.command(AffectedSOPClassUID=(STORAGE + " ").encode()) + peer.data_pdu())
    return peer.met()


@case(83, "statuses 0000,0000", stored=True)
def second_request_before_the_response(peer: Peer) -> str:
    peer.open().send(peer.command() + peer.data_pdu() + peer.echo_pdu())
    first = peer.met()
    return f"statuses {first[7:]},{peer.met()[7:]}" if first.startswith("status") else first


@case(84, "status 0000")
def cancel_of_nothing(peer: Peer) -> str:
    cancel = {"CommandField": dimse.C_CANCEL_RQ, "MessageIDBeingRespondedTo": 17,
              "CommandDataSetType": dimse.NO_DATA_SET}
    peer.open().send(pdu.p_data(pdu.pdv(STORE_CONTEXT, 3, dimse.encode(cancel))) + peer.echo_pdu())
    return peer.met()


@case(90, "status C000")
def implicit_data_on_an_explicit_context(peer: Peer) -> str:
    data = struct.pack("<HHI", 8, 0x16, len(STORAGE)) + STORAGE.encode()
    peer.open().send(peer.command() + pdu.p_data(pdu.pdv(STORE_CONTEXT, pdu.LAST, data)))
    return peer.met()
