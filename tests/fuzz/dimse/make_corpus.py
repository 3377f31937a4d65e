#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of corpus_command and corpus_reader beside itself. Command sets are made here from PS3.7."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def element(number, value, group=0):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    return struct.pack("<HHI", group, number, len(value)) + value


def command(*elements):
    body = b"".join(elements)
    return element(0, struct.pack("<I", len(body))) + body


ECHO = command(element(2, b"1.2.840.10008.1.1\0"), element(0x100, 0x30), element(0x110, 1), element(0x800, 0x101))
STORE = command(element(2, b"1.2.840.10008.5.1.4.1.1.2\0"), element(0x100, 1), element(0x110, 2), element(0x700, 0),
                element(0x800, 0), element(0x1000, b"1.2.3.45"), element(0x1030, b"MOVER "), element(0x1031, 9))
RESPONSE = command(element(2, b"1.2\0"), element(0x100, 0x8001), element(0x120, 2), element(0x800, 0x101),
                   element(0x900, 0xA900), element(0x901, b"\x08\0\x18\0"), element(0x902, b"UID differs "),
                   element(0x1000, b"1.3\0"))
MOVE = command(element(2, b"1.2\0"), element(0x100, 0x8021), element(0x120, 2), element(0x800, 0x101),
               element(0x900, 0xFF00), *[element(0x1020 + i, i) for i in range(4)])
ACTION = command(element(3, b"1.2\0"), element(0x100, 0x130), element(0x110, 2), element(0x800, 0), element(0x1001, b"1.3\0"),
                 element(0x1008, 1))
CANCEL = command(element(0x100, 0xFFF), element(0x120, 2), element(0x800, 0x101))
ODD = (element(0x110, 1) + element(0x100, 0x30) + element(0x100, 0x31) + element(1, bytes(4)) + element(0x900, bytes(4))
       + element(5, b"abc", 8) + element(2, b"1.2 "))
COMMANDS = {"echo": ECHO, "store": STORE, "response": RESPONSE, "move": MOVE, "action": ACTION, "cancel": CANCEL, "odd": ODD,
            "wrong-length": b"\0\0\0\0\4\0\0\0\xff\0\0\0" + ECHO[12:], "short": ECHO[:-1], "empty": b""}


def pdv(context, control, payload):
    return struct.pack(">BBH", context, control, len(payload)) + payload


READERS = {
    "echo": pdv(1, 3, ECHO),
    "store": pdv(1, 3, STORE) + pdv(1, 0, b"abcd") + pdv(1, 0, b"") + pdv(1, 2, b"e") + pdv(3, 3, ECHO),
    "split": pdv(1, 1, STORE[:20]) + pdv(1, 1, STORE[20:]) + pdv(1, 3, b"") + pdv(1, 2, b""),
    "data-first": pdv(1, 2, b"abc"),
    "command-in-data": pdv(1, 3, STORE) + pdv(1, 3, ECHO),
    "context-changed": pdv(1, 3, STORE) + pdv(3, 2, b"abc"),
    "no-field": pdv(1, 3, element(0x110, 1)),
    "too-long": pdv(1, 1, bytes(4000)) + pdv(1, 3, bytes(200)),
    "responses": pdv(1, 3, RESPONSE) + pdv(1, 3, MOVE) + pdv(1, 3, CANCEL),
}

for folder, seeds in (("corpus_command", COMMANDS), ("corpus_reader", READERS)):
    (HERE / folder).mkdir(exist_ok=True)
    for name, content in seeds.items():
        (HERE / folder / name).write_bytes(content)
