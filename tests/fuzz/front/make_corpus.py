#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of corpus_session beside itself: associations as clients speak them, made here from PS3.8 and PS3.7."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent / "corpus_session"
APPLICATION = b"1.2.840.10008.3.1.1.1"
VERIFICATION, CT, SR = b"1.2.840.10008.1.1", b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.5.1.4.1.1.88.11"
IMPLICIT, EXPLICIT, BIG = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2"
DEFLATED, JPEG = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.50"
BYTES, SEGMENTS, DEAF, TWO, RESET, CLOSE, LEARNED, STOP = (1 << n for n in range(8))


def item(kind, body):
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def context(number, abstract, *transfer):
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, abstract) + b"".join(item(0x40, t) for t in transfer))


def associate(*contexts, called=b"GATE", calling=b"CT1", maximum=16384, extra=b""):
    return pdu(1, struct.pack(">HH", 1, 0) + called.ljust(16) + calling.ljust(16) + bytes(32) + item(0x10, APPLICATION)
               + b"".join(contexts) + item(0x50, item(0x51, struct.pack(">I", maximum)) + item(0x52, b"1.2.3") + extra))


def data(number, control, body):
    return pdu(4, struct.pack(">IBB", len(body) + 2, number, control) + body)


def command(number, *elements):
    body = b"".join(struct.pack("<HHI", 0, tag, len(value)) + value for tag, value in elements)
    return data(number, 3, struct.pack("<HHII", 0, 0, 4, len(body)) + body)


def us(value):
    return struct.pack("<H", value)


def ui(value):
    return value + b"\0" * (len(value) % 2)


def echo(message=1, number=1):
    return command(number, (2, ui(VERIFICATION)), (0x100, us(0x30)), (0x110, us(message)), (0x800, us(0x101)))


def store_rq(message, sop_class, instance, number=3, *more):
    return command(number, (2, ui(sop_class)), (0x100, us(1)), (0x110, us(message)), (0x700, us(0)), (0x800, us(0)),
                   (0x1000, ui(instance)), *more)


def element(tag, vr, value, order="<", explicit=True):
    value += (b" " if vr in (b"PN", b"LO", b"CS") else b"\0") * (len(value) % 2)
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return head + struct.pack(order + "I", len(value)) + value
    if vr in (b"OB", b"OW", b"SQ", b"UN"):
        return head + vr + b"\0\0" + struct.pack(order + "I", len(value)) + value
    return head + vr + struct.pack(order + "H", len(value)) + value


def data_set(sop_class, instance, pixels=300, **how):
    return (element(0x00080016, b"UI", sop_class, **how) + element(0x00080018, b"UI", instance, **how)
            + element(0x00100010, b"PN", b"DOE^J", **how) + element(0x00100020, b"LO", b"1", **how)
            + element(0x7FE00010, b"OW", bytes(range(256)) * (pixels // 256) + bytes(pixels % 256), **how))


def fragments(body, size, number=3):
    pieces = [body[i:i + size] for i in range(0, len(body), size)] or [b""]
    return b"".join(data(number, 2 if i == len(pieces) - 1 else 0, p) for i, p in enumerate(pieces))


RELEASE, ABORT = pdu(5, bytes(4)), pdu(7, b"\0\0\0\0")
OPEN = associate(context(1, VERIFICATION, IMPLICIT), context(3, CT, EXPLICIT, IMPLICIT))
ENCAPSULATED = (data_set(CT, b"1.2.9", 0)[:-12] + struct.pack("<HH", 0x7FE0, 0x10) + b"OB\0\0\xff\xff\xff\xff"
                + bytes.fromhex("feff00e000000000") + bytes.fromhex("feff00e004000000") + b"abcd" + bytes.fromhex("feffdde000000000"))
SEQUENCE = (element(0x00080016, b"UI", CT) + element(0x00080018, b"UI", b"1.2.8") + struct.pack("<HH", 0x8, 0x1140) + b"SQ\0\0\xff\xff\xff\xff"
            + bytes.fromhex("feff00e0ffffffff") + element(0x00081150, b"UI", CT) + bytes.fromhex("feff0de000000000")
            + bytes.fromhex("feffdde000000000"))


def store(message, instance, body, size=100, *more):
    return store_rq(message, CT, instance, 3, *more) + fragments(body, size)


SEEDS = {
    "echo": (CLOSE, OPEN + echo() + RELEASE),
    "store": (0, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3")) + RELEASE),
    "store_bytes": (BYTES | CLOSE, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3")) + RELEASE),
    "store_implicit": (CLOSE, associate(context(3, CT, IMPLICIT))
                       + store(2, b"1.2.3", data_set(CT, b"1.2.3", explicit=False)) + RELEASE),
    "store_moved": (SEGMENTS | CLOSE, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3"), 5000, (0x1030, b"MOVER "),
                                                   (0x1031, us(9))) + RELEASE),
    "stores_in_a_row": (SEGMENTS, OPEN + b"".join(store(n, b"1.2.%d" % n, data_set(CT, b"1.2.%d" % n)) for n in range(1, 9))
                        + RELEASE),
    "deaf": (DEAF, OPEN + b"".join(store(n, b"1.2.3", data_set(CT, b"1.2.3"), 400) for n in range(1, 9)) + RELEASE),
    "mismatch": (0, OPEN + store(2, b"1.2.4", data_set(CT, b"1.2.3")) + echo(3) + RELEASE),
    "truncated": (0, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3")[:-7]) + RELEASE),
    "empty": (0, OPEN + store(2, b"1.2.3", b"") + RELEASE),
    "no_data_set": (0, OPEN + command(3, (2, ui(CT)), (0x100, us(1)), (0x110, us(2)), (0x800, us(0x101)), (0x1000, ui(b"1.2.3")))
                    + RELEASE),
    "encapsulated": (LEARNED | CLOSE, associate(context(3, CT, JPEG)) + store(2, b"1.2.9", ENCAPSULATED) + RELEASE),
    "sequence": (0, OPEN + store(2, b"1.2.8", SEQUENCE, 30) + RELEASE),
    "learned": (LEARNED, associate(context(1, VERIFICATION, IMPLICIT), context(3, CT, JPEG, EXPLICIT), context(5, SR, BIG, DEFLATED))
                + store(2, b"1.2.3", data_set(CT, b"1.2.3")) + RELEASE),
    "learned_gone": (LEARNED | RESET, OPEN),
    "two": (TWO, (OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3")) + RELEASE) * 2),
    "two_segments": (TWO | SEGMENTS | RESET, (OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3")) + RELEASE) * 2),
    "stop": (STOP | SEGMENTS, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3"))),
    "reset_inside": (RESET, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3"))[:-50]),
    "silent_inside": (0, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3"))[:-50]),
    "release_inside": (0, OPEN + store(2, b"1.2.3", data_set(CT, b"1.2.3"))[:500] + RELEASE),
    "abort": (0, OPEN + echo() + ABORT),
    "foreign": (CLOSE, associate(context(1, VERIFICATION, IMPLICIT), called=b"OTHER")),
    "blank": (CLOSE, associate(context(1, VERIFICATION, IMPLICIT), calling=b"")),
    "many_contexts": (LEARNED | CLOSE, associate(*(context(n, b"1.2.840.10008.5.1.4.1.1.%d" % n, IMPLICIT, EXPLICIT, JPEG)
                                                   for n in range(1, 256, 2))) + RELEASE),
    "roles": (CLOSE, associate(context(3, CT, EXPLICIT), extra=item(0x54, struct.pack(">H", len(CT)) + CT + b"\1\1")
                               + item(0x58, b"\2\1\0\3joe\0\2pw") + item(0x53, b"\0\5\0\5"))
              + store(2, b"1.2.3", data_set(CT, b"1.2.3")) + RELEASE),
    "find": (0, OPEN + command(3, (2, ui(CT)), (0x100, us(0x20)), (0x110, us(4)), (0x700, us(0)), (0x800, us(1))) + data(3, 2, b"ab")
             + RELEASE),
    "cancel": (0, OPEN + command(3, (0x100, us(0xFFF)), (0x120, us(4)), (0x800, us(0x101))) + RELEASE),
    "response": (0, OPEN + command(3, (2, ui(CT)), (0x100, us(0x8001)), (0x120, us(4)), (0x800, us(0x101)), (0x900, us(0)))),
    "http": (CLOSE, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "nothing": (0, b""),
}

HERE.mkdir(exist_ok=True)
for name, (manners, body) in SEEDS.items():
    (HERE / name).write_bytes(bytes([manners, 128]) + body)
