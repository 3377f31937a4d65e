# SPDX-License-Identifier: Apache-2.0
"""What a bad, odd or merely unusual archive does, one function each, and what the gateway's requestor
side says to it. Each meets one association only; afterwards the archive is a good one, and what it is
owed must reach it, once and unchanged, unless the case says that it is parked. Numbers are those of
the project's protocol cases; A-ABORT codes are (source, reason) of PS3.8 9.3.8."""
from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any, Callable

from dgtest import dimse, pdu
from dgtest.association import PeerClosed
from dgtest.odd_archive import Visit


@dataclass
class Case:
    name: str
    protocol: int
    act: Callable[[Visit], str]
    expected: tuple[str, ...]
    says: str = ""  # in these words the log names why the association failed
    parked: bool = False  # for its answer, which a person must look at


CASES: list[Case] = []


def case(protocol: int, *expected: str, says: str = "", parked: bool = False) -> Callable:
    def add(act: Callable[[Visit], str]) -> Callable[[Visit], str]:
        CASES.append(Case(act.__name__, protocol, act, expected, says, parked))
        return act
    return add


# ---- framing

@case(1, "stored")
def answers_byte_by_byte(visit: Visit) -> str:
    visit.read_request()
    raw = pdu.associate(pdu.ASSOCIATE_AC, visit.answer())
    visit.association.send_slowly(raw, range(1, len(raw)))
    visit.read_store()
    raw = visit.response()
    visit.archive.keep(visit.request["AffectedSOPInstanceUID"], visit.data)
    visit.association.send_slowly(raw, range(1, len(raw)))
    return _at_end(visit)


def _at_end(visit: Visit) -> str:
    """After a Success: the gateway releases, or leaves the association open for the next."""
    visit.association.sock.settimeout(3)
    try:
        met = visit.met()
    except TimeoutError:
        return "stored"
    if met == "release":
        visit.send(pdu.release_rp())
        return "stored"
    return met


@case(7, "stored")
def answers_slowly(visit: Visit) -> str:
    visit.accept().read_store()
    visit.archive.keep(visit.request["AffectedSOPInstanceUID"], visit.data)
    raw = visit.response()
    visit.association.send_slowly(raw, range(10, len(raw), 10), 0.05)
    return _at_end(visit)


@case(3, "released")
def releases_in_the_segment_of_its_answer(visit: Visit) -> str:
    visit.read_request()
    visit.send(pdu.associate(pdu.ASSOCIATE_AC, visit.answer()) + pdu.release_rq())
    return _skip_data(visit)


@case(3, "closed")
def aborts_in_the_segment_of_its_answer(visit: Visit) -> str:
    visit.read_request()
    visit.send(pdu.associate(pdu.ASSOCIATE_AC, visit.answer()) + pdu.abort(0, 0))
    return _skip_data(visit)


def _skip_data(visit: Visit) -> str:
    """What comes after the data that had left before the gateway knew."""
    while True:
        met = visit.met()
        if met != f"PDU {pdu.P_DATA}":
            return met


@case(4, "gone")
def closes_inside_the_header_of_its_response(visit: Visit) -> str:
    visit.accept().read_store()
    visit.send(visit.response()[:5])
    return "gone"


@case(4, "gone")
def closes_inside_its_response(visit: Visit) -> str:
    visit.accept().read_store()
    visit.send(visit.response()[:-1])
    return "gone"


def said_in(name: str, protocol: int, expected: str, says: str, raw: Callable[[Visit], bytes]) -> None:
    """The archive says `raw` in place of its response."""
    def act(visit: Visit) -> str:
        visit.accept().read_store()
        visit.send(raw(visit))
        return visit.met()
    act.__name__ = name
    case(protocol, expected, says=says)(act)


def said_first(name: str, protocol: int, expected: str, says: str, raw: Callable[[Visit], bytes]) -> None:
    """The archive says `raw` in place of its A-ASSOCIATE-AC."""
    def act(visit: Visit) -> str:
        visit.read_request()
        visit.send(raw(visit))
        return visit.met()
    act.__name__ = name
    case(protocol, expected, says=says)(act)


for number in (0x00, 0x08, 0xFF):
    said_in(f"unknown_pdu_{number:02x}", 8, "abort 2,1", "PDU of unknown type", lambda visit, n=number: pdu.pdu(n, bytes(4)))
said_first("unknown_pdu_as_answer", 8, "abort 2,1", "PDU of unknown type", lambda visit: pdu.pdu(0x20, bytes(4)))
for name, kind in (("reject", pdu.ASSOCIATE_RJ), ("abort", pdu.ABORT)):
    said_first(f"{name}_of_six_bytes", 9, "abort 2,6", "PDU of a length that its type does not allow", lambda visit, k=kind: pdu.pdu(k, bytes(6)))
said_in("release_of_six_bytes", 9, "abort 2,6", "PDU of a length that its type does not allow", lambda visit: pdu.pdu(pdu.RELEASE_RQ, bytes(6)))
said_in("release_of_two_bytes", 12, "abort 2,6", "PDU of a length that its type does not allow", lambda visit: pdu.pdu(pdu.RELEASE_RQ, bytes(2)))
said_in("data_of_two_gigabytes_announced", 10, "abort 2,6", "PDU longer than the limit",
        lambda visit: pdu.pdu(pdu.P_DATA, bytes(8), length=1 << 31))
said_first("answer_of_four_gigabytes_announced", 10, "abort 2,6", "PDU longer than the limit",
           lambda visit: pdu.pdu(pdu.ASSOCIATE_AC, bytes(68), length=0xFFFFFFFF))


# ---- its answer to the association

def answers_with(name: str, protocol: int, *expected: str, parked: bool = False, says: str = "",
                 change: Callable[[pdu.Associate], None]) -> None:
    """The A-ASSOCIATE-AC differs; if it is taken the data set comes and is stored."""
    def act(visit: Visit) -> str:
        visit.read_request()
        info = visit.answer()
        change(info)
        visit.send(pdu.associate(pdu.ASSOCIATE_AC, info))
        visit.association.sock.settimeout(20)
        try:
            kind, body = visit.association.read_pdu()
        except PeerClosed:
            return "closed"
        except TimeoutError:
            return "kept open"
        if kind != pdu.P_DATA:
            return visit._said(kind, body)
        longest = len(body)
        control, complete = 0, False
        command = bytearray()
        while not complete:
            for visit.context, control, value in pdu.split_pdvs(body):
                assert control & pdu.LAST or len(value) % 2 == 0, "a fragment of odd length that is not the last"
                if control & pdu.COMMAND:
                    command += value
            complete = control == pdu.LAST
            if not complete:
                kind, body = visit.association.read_pdu()
                if kind != pdu.P_DATA:
                    return visit._said(kind, body)
                longest = max(longest, len(body))
        visit.request = dimse.decode(bytes(command))
        visit.send(visit.response(0xA700))  # to be sent again: these bytes were not kept
        return "stored" if not info.max_length or longest <= info.max_length else f"PDU of {longest}"
    act.__name__ = name
    case(protocol, *expected, parked=parked, says=says)(act)


def _set(**fields: Any) -> Callable[[pdu.Associate], None]:
    def change(info: pdu.Associate) -> None:
        for field, value in fields.items():
            setattr(info, field, value)
    return change


def _contexts(**fields: Any) -> Callable[[pdu.Associate], None]:
    def change(info: pdu.Associate) -> None:
        for context in info.contexts:
            for field, value in fields.items():
                setattr(context, field, value)
    return change


REFUSED = ("release",)  # nothing of use was accepted
answers_with("titles_of_rubbish", 18, "stored", change=_set(called="\xff\0RUBBISH", calling=""))
answers_with("all_contexts_refused", 30, *REFUSED, parked=True, change=_contexts(result=3))
answers_with("refused_without_a_transfer_syntax", 25, *REFUSED, parked=True,
             change=_contexts(result=4, transfers=[]))
answers_with("refused_with_an_empty_transfer_syntax", 25, *REFUSED, parked=True,
             change=_contexts(result=4, transfers=[""]))
answers_with("accepted_without_a_transfer_syntax", 25, *REFUSED, parked=True, change=_contexts(transfers=[]))
answers_with("another_transfer_syntax", 26, *REFUSED, parked=True,
             change=_contexts(transfers=["1.2.840.10008.1.2.4.50"]))
answers_with("contexts_never_proposed", 26, *REFUSED, parked=True,
             change=_set(contexts=[pdu.Context(255, "", [pdu.EXPLICIT_LE])]))
answers_with("unknown_result", 26, *REFUSED, parked=True, change=_contexts(result=99))
answers_with("no_context_in_the_answer", 27, *REFUSED, parked=True, change=_set(contexts=[]))
for limit in (None, 0, 16, 130, 0xFFFFFFFF):
    answers_with(f"maximum_length_{limit}", 32, "stored", change=_set(max_length=limit))
answers_with("maximum_length_odd", 77, "stored", change=_set(max_length=131))
answers_with("maximum_length_without_room", 33, "abort 2,6", says="has no room for data",
             change=_set(max_length=6))
answers_with("implementation_names_odd", 34, "stored",
             change=_set(implementation_uid="", implementation_version="A NAME LONGER THAN SIXTEEN BYTES"))
answers_with("unknown_user_items", 35, "stored", change=_set(user_items=[(0x5A, b"abc"), (0xFF, b"")]))
answers_with("window_that_nobody_asked_for", 39, "stored",
             change=_set(user_items=[(pdu.ITEM_ASYNC, struct.pack(">HH", 0, 0))]))
answers_with("role_that_nobody_asked_for", 40, "stored",
             change=_set(user_items=[(pdu.ITEM_ROLE, struct.pack(">H", 25) + b"1.2.840.10008.5.1.4.1.1.7\1\1")]))
answers_with("identity_answer_that_nobody_asked_for", 44, "stored",
             change=_set(user_items=[(0x59, struct.pack(">H", 3) + b"yes")]))


@case(36, "abort 2,6", says="item length that does not fit")
def item_beyond_the_answer(visit: Visit) -> str:
    visit.read_request()
    items = pdu.associate_items(visit.answer(), answer=True)
    visit.send(pdu.associate(pdu.ASSOCIATE_AC, visit.answer(), [*items, pdu.item(0x21, b"\1\0\0\0", length=4000)]))
    return visit.met()


# ---- reject, abort, end of the transport

def rejects(triple: tuple[int, int, int]) -> None:
    def act(visit: Visit) -> str:
        visit.read_request()
        visit.send(pdu.reject(*triple))
        return visit.met()
    act.__name__ = "rejects_%d_%d_%d" % triple
    case(45, "closed", says="association rejected")(act)


for one in ((1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2), (2, 3, 1), (2, 3, 2), (0, 0, 0), (3, 4, 9), (255, 255, 255)):
    rejects(one)


@case(46, "closed", says="association rejected")
def rejects_and_keeps_the_connection(visit: Visit) -> str:
    visit.read_request()
    visit.send(pdu.reject(2, 3, 1))
    return visit.met()  # AE-4: the requestor closes


for source, reason in ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (2, 6), (9, 77)):
    said_in(f"aborts_{source}_{reason}", 48, "closed", "aborted",
            lambda visit, pair=(source, reason): pdu.abort(*pair))


@case(49, "closed")
def aborts_before_its_answer(visit: Visit) -> str:
    visit.read_request()
    visit.send(pdu.abort(2, 0))
    return visit.met()


@case(49, "closed")
def aborts_after_the_release_request(visit: Visit) -> str:
    visit.accept().read_store().respond()
    assert visit.met() == "release", "an idle association ends"
    visit.send(pdu.abort(0, 0))
    return visit.met()


@case(51, "gone")
def closes_before_its_answer(visit: Visit) -> str:
    visit.read_request()
    return "gone"


@case(51, "gone")
def closes_after_its_answer(visit: Visit) -> str:
    visit.accept()
    return "gone"


@case(51, "gone")
def resets_in_place_of_a_response(visit: Visit) -> str:
    visit.accept().read_store()
    visit.association.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return "gone"


@case(51, "closed")
def half_closes_in_place_of_a_response(visit: Visit) -> str:
    visit.accept().read_store()
    visit.association.sock.shutdown(socket.SHUT_WR)
    return visit.met()


@case(5, "gone")
def closes_at_once(visit: Visit) -> str:
    return "gone"


# ---- PDUs and messages out of place

said_first("data_before_the_answer", 59, "abort 2,2", "PDU that is not allowed at this point",
           lambda visit: pdu.p_data(pdu.pdv(1, 3, b"")))
said_first("release_before_the_answer", 59, "abort 2,2", "PDU that is not allowed at this point", lambda visit: pdu.release_rq())
said_first("release_response_before_the_answer", 59, "abort 2,2", "PDU that is not allowed at this point",
           lambda visit: pdu.release_rp())
said_first("request_as_answer", 59, "abort 2,2", "PDU that is not allowed at this point",
           lambda visit: pdu.associate(pdu.ASSOCIATE_RQ, visit.answer()))
said_in("accepts_again", 58, "abort 2,2", "PDU that is not allowed at this point",
        lambda visit: pdu.associate(pdu.ASSOCIATE_AC, visit.answer()))
said_in("rejects_late", 58, "abort 2,2", "PDU that is not allowed at this point", lambda visit: pdu.reject(1, 1, 1))
said_in("requests_an_association", 58, "abort 2,2", "PDU that is not allowed at this point",
        lambda visit: pdu.associate(pdu.ASSOCIATE_RQ, visit.answer()))
said_in("release_response_unasked", 60, "abort 2,2", "PDU that is not allowed at this point", lambda visit: pdu.release_rp())
for length in (0, 1, 0xFFFFFFFF):
    said_in(f"pdv_length_{length}", 72, "abort 2,6", "PDV length that does not fit its PDU",
            lambda visit, n=length: pdu.p_data(pdu.pdv(visit.context, 3, bytes(8), length=n)))
said_in("data_where_a_response_is_due", 73, "abort 2,5", "data set fragment where a command is due",
        lambda visit: pdu.p_data(pdu.pdv(visit.context, pdu.LAST, b"data")))


def _changes_context(visit: Visit) -> bytes:
    """A response in two fragments, the second on a context that nobody proposed."""
    raw = visit.response()[12:]
    return pdu.p_data(pdu.pdv(visit.context, pdu.COMMAND, raw[:20]), pdu.pdv(251, 3, raw[20:]))


def _on_context(visit: Visit, context: int) -> bytes:
    return pdu.p_data(pdu.pdv(context, 3, visit.response()[12:]))


@case(75, "abort 2,6")
def context_changes_inside_the_response(visit: Visit) -> str:
    visit.accept().read_store()
    visit.send(_changes_context(visit))
    return visit.met()


said_in("context_never_negotiated", 75, "abort 2,6", "presentation context that was not accepted", lambda visit: _on_context(visit, 253))
said_in("data_pdu_without_a_value", 76, "abort 2,6", "PDV length that does not fit its PDU", lambda visit: pdu.p_data())
said_in("response_without_command_field", 78, "abort 2,6", "without Command Field",
        lambda visit: visit.response(CommandField=None))
said_in("response_without_message_id", 78, "abort 2,6", "without the message id",
        lambda visit: visit.response(MessageIDBeingRespondedTo=None))
said_in("response_without_status", 81, "abort 2,6", "response without Status", lambda visit: visit.response(Status=None))
WRONG = ("abort 2,5",)  # unexpected PDU parameter, PS3.8 9.3.8


def wrong_response(name: str, **changes: Any) -> None:
    def act(visit: Visit) -> str:
        visit.accept().read_store()
        visit.send(visit.response(**changes))
        return visit.met()
    act.__name__ = name
    case(81, *WRONG)(act)


wrong_response("response_to_another_message", MessageIDBeingRespondedTo=4711)
wrong_response("response_of_an_echo", CommandField=dimse.C_ECHO_RSP)
wrong_response("response_of_a_find", CommandField=0x8020)
wrong_response("request_in_place_of_a_response", CommandField=dimse.C_ECHO_RQ, MessageID=9)
wrong_response("unknown_kind_of_response", CommandField=0x8777)


def in_fragments(name: str, protocol: int, cut: Callable[[int, bytes], bytes]) -> None:
    """A sound response in an unusual form."""
    def act(visit: Visit) -> str:
        visit.accept().read_store()
        visit.archive.keep(visit.request["AffectedSOPInstanceUID"], visit.data)
        visit.send(cut(visit.context, visit.response()[12:]))
        return _at_end(visit)
    act.__name__ = name
    case(protocol, "stored")(act)


in_fragments("response_in_one_pdu_each_byte", 70, lambda context, raw: b"".join(
    pdu.p_data(pdu.pdv(context, 3 if at == len(raw) - 1 else 1, raw[at:at + 1])) for at in range(len(raw))))
in_fragments("response_in_many_pdvs", 69, lambda context, raw: pdu.p_data(
    *(pdu.pdv(context, 3 if at + 7 >= len(raw) else 1, raw[at:at + 7]) for at in range(0, len(raw), 7))))
in_fragments("response_that_ends_empty", 71, lambda context, raw: pdu.p_data(
    pdu.pdv(context, 1, b""), pdu.pdv(context, 1, raw)) + pdu.p_data(pdu.pdv(context, 3, b"")))


def odd_response(name: str, protocol: int, **changes: Any) -> None:
    """A response that says Success in unusual words."""
    def act(visit: Visit) -> str:
        visit.accept().read_store()
        visit.archive.keep(visit.request["AffectedSOPInstanceUID"], visit.data)
        visit.send(visit.response(**changes))
        return _at_end(visit)
    act.__name__ = name
    case(protocol, "stored")(act)


odd_response("response_with_unknown_elements", 80, ErrorComment="all is well",
             extra={0x0001: struct.pack("<I", 4711), 0x5199: b"private?"})  # the retired Length to End, nobody's
odd_response("response_without_uids", 80, AffectedSOPClassUID=None, AffectedSOPInstanceUID=None)


@case(83, *WRONG)
def stores_towards_the_gateway_on_its_association(visit: Visit) -> str:
    """No role was given to it: it may not send requests here."""
    visit.accept().read_store()
    request = dimse.c_store_rq(1, "1.2.840.10008.5.1.4.1.1.7", "1.2.3")
    visit.send(pdu.p_data(pdu.pdv(visit.context, 3, dimse.encode(request))))
    return visit.met()


# ---- release

@case(63, "released")
def releases_after_its_response(visit: Visit) -> str:
    visit.accept().read_store().respond()
    visit.send(pdu.release_rq())
    met = visit.met()
    if met != "release":
        return met
    visit.send(pdu.release_rp())  # both asked at once
    return visit.met()


@case(63, "released")
def releases_in_place_of_a_response(visit: Visit) -> str:
    visit.accept().read_store()
    visit.send(pdu.release_rq())
    return visit.met()


@case(64, "released then closed")
def release_collision(visit: Visit) -> str:
    """AR-8, AR-9, AR-6: the requestor answers first, then waits for the answer to its own."""
    visit.accept().read_store().respond()
    if visit.met() != "release":
        return "no release"
    visit.send(pdu.release_rq())
    first = visit.met()
    visit.send(pdu.release_rp())
    return f"{first} then {visit.met()}"


@case(64, "released then closed")
def release_collision_that_ends_in_an_abort(visit: Visit) -> str:
    visit.accept().read_store().respond()
    if visit.met() != "release":
        return "no release"
    visit.send(pdu.release_rq())
    first = visit.met()
    visit.send(pdu.abort(0, 0))
    return f"{first} then {visit.met()}"


# ---- time limits: those of the node in test_bad_archives.py

@case(55, "abort 0,0")
def never_accepts(visit: Visit) -> str:
    visit.read_request()
    return visit.met()


@case(55, "abort 0,0")
def never_responds(visit: Visit) -> str:
    visit.accept().read_store()
    return visit.met()


@case(65, "abort 0,0")
def never_answers_the_release(visit: Visit) -> str:
    visit.accept().read_store().respond()
    if visit.met() != "release":
        return "no release"
    return visit.met()


@case(53, "closed after the abort")
def keeps_the_connection_after_an_abort(visit: Visit) -> str:
    visit.accept().read_store()
    visit.send(pdu.pdu(0xEE, bytes(4)))
    first = visit.met()
    return f"{visit.met()} after the {first.split()[0]}"
