# SPDX-License-Identifier: Apache-2.0
"""PDUs of PS3.8 section 9.3 and the user information items of PS3.7 annex D: bytes from values
and values from bytes. Encoders check nothing, so that a test can build what must be refused."""
from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Iterable

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"

IMPLEMENTATION_UID = "2.25.250935147283917164430129186721548801041"
IMPLEMENTATION_VERSION = "DGTEST_1"

ITEM_APPLICATION, ITEM_CONTEXT_RQ, ITEM_CONTEXT_AC = 0x10, 0x20, 0x21
ITEM_ABSTRACT, ITEM_TRANSFER, ITEM_USER = 0x30, 0x40, 0x50
ITEM_MAX_LENGTH, ITEM_IMPLEMENTATION, ITEM_ASYNC = 0x51, 0x52, 0x53
ITEM_ROLE, ITEM_VERSION_NAME = 0x54, 0x55

COMMAND, LAST = 0x01, 0x02  # bits of the message control header, PS3.8 annex E.2


class Malformed(Exception):
    """The peer sent bytes that PS3.8 does not allow."""


@dataclass
class Context:
    """A presentation context as proposed (many transfer syntaxes) or answered (one, a result)."""
    id: int
    abstract: str = ""
    transfers: list[str] = field(default_factory=list)
    result: int = 0


@dataclass
class Associate:
    """The content of an A-ASSOCIATE-RQ or -AC."""
    called: str = "DICOMGATE"
    calling: str = "DGTEST"
    contexts: list[Context] = field(default_factory=list)
    max_length: int | None = 65536
    version: int = 1
    application: str = APPLICATION_CONTEXT
    implementation_uid: str = IMPLEMENTATION_UID
    implementation_version: str = IMPLEMENTATION_VERSION
    user_items: list[tuple[int, bytes]] = field(default_factory=list)  # further ones, as raw bytes


def pdu(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """A PDU; `length` overrides the length field to tell a lie."""
    return struct.pack(">BBI", kind, 0, len(body) if length is None else length) + body


def item(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body) if length is None else length) + body


def title(text: str | bytes) -> bytes:
    raw = text.encode("latin-1") if isinstance(text, str) else text
    return raw[:16].ljust(16, b" ")


def _uid(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def context_item(context: Context, *, answer: bool = False) -> bytes:
    body = struct.pack(">BBBB", context.id, 0, context.result if answer else 0, 0)
    if not answer:
        body += item(ITEM_ABSTRACT, _uid(context.abstract))
    for transfer in context.transfers[:1] if answer else context.transfers:
        body += item(ITEM_TRANSFER, _uid(transfer))
    return item(ITEM_CONTEXT_AC if answer else ITEM_CONTEXT_RQ, body)


def user_item(info: Associate) -> bytes:
    body = b""
    if info.max_length is not None:
        body += item(ITEM_MAX_LENGTH, struct.pack(">I", info.max_length))
    if info.implementation_uid:
        body += item(ITEM_IMPLEMENTATION, _uid(info.implementation_uid))
    for kind, raw in info.user_items:
        body += item(kind, raw)
    if info.implementation_version:
        body += item(ITEM_VERSION_NAME, info.implementation_version.encode("latin-1"))
    return item(ITEM_USER, body)


def associate_items(info: Associate, *, answer: bool = False) -> list[bytes]:
    """The variable items in order, so that a test can drop, double or change one."""
    items = [item(ITEM_APPLICATION, _uid(info.application))]
    items += [context_item(context, answer=answer) for context in info.contexts]
    items.append(user_item(info))
    return items


def associate(kind: int, info: Associate, items: Iterable[bytes] | None = None) -> bytes:
    if items is None:
        items = associate_items(info, answer=kind == ASSOCIATE_AC)
    body = struct.pack(">HH", info.version, 0) + title(info.called) + title(info.calling)
    return pdu(kind, body + bytes(32) + b"".join(items))


def reject(result: int, source: int, reason: int) -> bytes:
    return pdu(ASSOCIATE_RJ, bytes((0, result, source, reason)))


def abort(source: int = 0, reason: int = 0) -> bytes:
    return pdu(ABORT, bytes((0, 0, source, reason)))


def release_rq() -> bytes:
    return pdu(RELEASE_RQ, bytes(4))


def release_rp() -> bytes:
    return pdu(RELEASE_RP, bytes(4))


def pdv(context_id: int, control: int, value: bytes, *, length: int | None = None) -> bytes:
    """One presentation data value item, PS3.8 section 9.3.5.1."""
    size = len(value) + 2 if length is None else length
    return struct.pack(">IBB", size, context_id, control) + value


def p_data(*pdvs: bytes) -> bytes:
    return pdu(P_DATA, b"".join(pdvs))


def split_items(body: bytes | memoryview) -> list[tuple[int, bytes]]:
    """Items of two reserved-and-length bytes each (PS3.8 9.3.2.1 and below)."""
    found, at = [], 0
    while at < len(body):
        if at + 4 > len(body):
            raise Malformed("item header overruns")
        kind, _, length = struct.unpack_from(">BBH", body, at)
        at += 4
        if at + length > len(body):
            raise Malformed(f"item {kind:#x} overruns by {at + length - len(body)}")
        found.append((kind, bytes(body[at:at + length])))
        at += length
    return found


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").rstrip(" \0")


def decode_associate(body: bytes) -> Associate:
    if len(body) < 68:
        raise Malformed("A-ASSOCIATE shorter than its fixed part")
    info = Associate(called=body[4:20].decode("latin-1").strip(" \0"),
                     calling=body[20:36].decode("latin-1").strip(" \0"),
                     version=struct.unpack_from(">H", body)[0], max_length=None,
                     implementation_uid="", implementation_version="", application="")
    for kind, raw in split_items(body[68:]):
        if kind == ITEM_APPLICATION:
            info.application = _text(raw)
        elif kind in (ITEM_CONTEXT_RQ, ITEM_CONTEXT_AC):
            info.contexts.append(_decode_context(raw))
        elif kind == ITEM_USER:
            _decode_user(info, raw)
    return info


def _decode_context(raw: bytes) -> Context:
    context = Context(raw[0], result=raw[2])
    for kind, value in split_items(raw[4:]):
        if kind == ITEM_ABSTRACT:
            context.abstract = _text(value)
        elif kind == ITEM_TRANSFER and value:
            context.transfers.append(_text(value))
    return context


def _decode_user(info: Associate, raw: bytes) -> None:
    for kind, value in split_items(raw):
        if kind == ITEM_MAX_LENGTH:
            info.max_length = struct.unpack(">I", value)[0]
        elif kind == ITEM_IMPLEMENTATION:
            info.implementation_uid = _text(value)
        elif kind == ITEM_VERSION_NAME:
            info.implementation_version = _text(value)
        else:
            info.user_items.append((kind, value))


def split_pdvs(body: memoryview) -> Iterable[tuple[int, int, memoryview]]:
    """(context id, control, value) of each item in a P-DATA-TF."""
    at = 0
    while at < len(body):
        if at + 6 > len(body):
            raise Malformed("PDV header overruns")
        length, context_id, control = struct.unpack_from(">IBB", body, at)
        if length < 2 or at + 4 + length > len(body):
            raise Malformed("PDV length")
        yield context_id, control, body[at + 6:at + 4 + length]
        at += 4 + length
