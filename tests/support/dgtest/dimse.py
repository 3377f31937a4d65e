# SPDX-License-Identifier: Apache-2.0
"""Command sets of PS3.7: dictionaries of keyword to value, always Implicit VR Little Endian."""
from __future__ import annotations

import struct
from typing import Any

C_STORE_RQ, C_STORE_RSP, C_ECHO_RQ, C_ECHO_RSP = 0x0001, 0x8001, 0x0030, 0x8030
C_FIND_RQ, C_MOVE_RQ, C_CANCEL_RQ = 0x0020, 0x0021, 0x0FFF
NO_DATA_SET, DATA_SET = 0x0101, 0x0001

# PS3.7 annex E.1: keyword -> (element number of group 0000, VR)
ELEMENTS: dict[str, tuple[int, str]] = {
    "CommandGroupLength": (0x0000, "UL"),
    "AffectedSOPClassUID": (0x0002, "UI"),
    "RequestedSOPClassUID": (0x0003, "UI"),
    "CommandField": (0x0100, "US"),
    "MessageID": (0x0110, "US"),
    "MessageIDBeingRespondedTo": (0x0120, "US"),
    "MoveDestination": (0x0600, "AE"),
    "Priority": (0x0700, "US"),
    "CommandDataSetType": (0x0800, "US"),
    "Status": (0x0900, "US"),
    "OffendingElement": (0x0901, "AT"),
    "ErrorComment": (0x0902, "LO"),
    "ErrorID": (0x0903, "US"),
    "AffectedSOPInstanceUID": (0x1000, "UI"),
    "RequestedSOPInstanceUID": (0x1001, "UI"),
    "MoveOriginatorApplicationEntityTitle": (0x1030, "AE"),
    "MoveOriginatorMessageID": (0x1031, "US"),
}
KEYWORDS = {number: (keyword, vr) for keyword, (number, vr) in ELEMENTS.items()}


def _value_bytes(vr: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if vr == "US":
        return struct.pack("<H", value)
    if vr == "UL":
        return struct.pack("<I", value)
    raw = str(value).encode("latin-1")
    if len(raw) % 2:
        raw += b"\0" if vr == "UI" else b" "
    return raw


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def encode(command: dict[str, Any], *, group_length: int | None = None) -> bytes:
    """A command set; keys may also be element numbers (values then bytes) for what has no keyword.
    `group_length` overrides (0000,0000); -1 leaves it out."""
    rows: list[tuple[int, bytes]] = []
    for key, value in command.items():
        if isinstance(key, int):
            rows.append((key, value))
        else:
            number, vr = ELEMENTS[key]
            rows.append((number, _value_bytes(vr, value)))
    body = b"".join(element(number, value) for number, value in sorted(rows))
    if group_length == -1:
        return body
    size = len(body) if group_length is None else group_length
    return element(0, struct.pack("<I", size)) + body


def decode(raw: bytes) -> dict[str, Any]:
    """Keyword to int or text; unknown elements as `0000,NNNN` to hexadecimal text."""
    command: dict[str, Any] = {}
    at = 0
    while at + 8 <= len(raw):
        group, number, length = struct.unpack_from("<HHI", raw, at)
        value = raw[at + 8:at + 8 + length]
        if group != 0 or len(value) != length:
            raise ValueError(f"command set broken at {at}")
        at += 8 + length
        keyword, vr = KEYWORDS.get(number, (f"0000,{number:04x}", "UN"))
        if vr in ("US", "UL") and length in (2, 4):
            command[keyword] = int.from_bytes(value, "little")
        elif vr in ("UN", "AT"):
            command[keyword] = value.hex()
        else:
            command[keyword] = value.decode("latin-1").rstrip(" \0")
    if at != len(raw):
        raise ValueError("command set ends inside an element")
    return command


def c_echo_rq(message_id: int) -> dict[str, Any]:
    return {"AffectedSOPClassUID": "1.2.840.10008.1.1", "CommandField": C_ECHO_RQ,
            "MessageID": message_id, "CommandDataSetType": NO_DATA_SET}


def c_store_rq(message_id: int, sop_class: str | bytes, sop_instance: str | bytes, *,
               priority: int = 0, originator: tuple[str, int] | None = None) -> dict[str, Any]:
    command: dict[str, Any] = {
        "AffectedSOPClassUID": sop_class, "CommandField": C_STORE_RQ, "MessageID": message_id,
        "Priority": priority, "CommandDataSetType": DATA_SET, "AffectedSOPInstanceUID": sop_instance}
    if originator:
        command["MoveOriginatorApplicationEntityTitle"] = originator[0]
        command["MoveOriginatorMessageID"] = originator[1]
    return command


def response(request: dict[str, Any], status: int, comment: str = "") -> dict[str, Any]:
    """The response to a C-STORE-RQ or C-ECHO-RQ, PS3.7 9.1.1.1 and 9.1.5.1."""
    answer: dict[str, Any] = {
        "CommandField": request["CommandField"] | 0x8000,
        "MessageIDBeingRespondedTo": request["MessageID"],
        "CommandDataSetType": NO_DATA_SET, "Status": status}
    for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
        if keyword in request:
            answer[keyword] = request[keyword]
    if comment:
        answer["ErrorComment"] = comment
    return answer
