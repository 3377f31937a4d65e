#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of corpus_stream and corpus_items beside itself. PDUs are made here from PS3.8, not by lib/ul."""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
APPLICATION = b"1.2.840.10008.3.1.1.1"
VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT, EXPLICIT = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"


def item(kind, body, second=0):
    return struct.pack(">BBH", kind, second, len(body)) + body


def field(body):
    return struct.pack(">H", len(body)) + body


def pdu(kind, body):
    return struct.pack(">BBI", kind, 0, len(body)) + body


def fixed(version=1):
    return struct.pack(">HH", version, 0) + b"ARCHIVE".ljust(16) + b"MODALITY".ljust(16) + bytes(32)


def context_rq(number, abstract, *transfer):
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, abstract) + b"".join(item(0x40, t) for t in transfer))


def context_ac(number, result, transfer):
    return item(0x21, bytes([number, 0, result, 0]) + item(0x40, transfer))


def user(*sub_items, maximum=16384):
    return item(0x50, item(0x51, struct.pack(">I", maximum)) + b"".join(sub_items))


EXTRAS = [item(0x52, b"1.2.3.4"), item(0x53, struct.pack(">HH", 5, 0)), item(0x54, field(b"1.2.3") + b"\0\1"),
          item(0x55, b"SEED"), item(0x56, field(b"1.2.3") + b"\1\2\3"),
          item(0x57, field(b"1.2") + field(b"1.3") + field(field(b"1.4") + field(b"1.5")), 0),
          item(0x58, b"\2\1" + field(b"joe") + field(b"pw")), item(0x5A, b"odd")]
RQ_PLAIN = fixed() + item(0x10, APPLICATION) + context_rq(1, VERIFICATION, IMPLICIT) + user()
RQ_FULL = (fixed() + item(0x10, APPLICATION + b"\0") + context_rq(1, VERIFICATION, IMPLICIT, EXPLICIT)
           + context_rq(3, b"1.2.840.10008.5.1.4.1.1.2", EXPLICIT + b"\0") + context_rq(255, b"9") + item(0x60, b"x")
           + user(*EXTRAS))
AC_PLAIN = fixed() + item(0x10, APPLICATION) + context_ac(1, 0, IMPLICIT) + user()
AC_FULL = (fixed() + item(0x10, APPLICATION) + context_ac(1, 0, IMPLICIT) + context_ac(3, 3, b"") + item(0x21, b"\5\0\0\0")
           + user(*EXTRAS[:5], item(0x59, field(b"yes")), maximum=0))
DATA = pdu(4, struct.pack(">IBB", 6, 1, 3) + b"abcd")
MANY = pdu(4, b"".join(struct.pack(">IBB", len(v) + 2, 1, c) + v for c, v in [(1, b"ab"), (3, b""), (0, b"xyz"), (2, b"")]))
RELEASE_RQ, RELEASE_RP, ABORT = pdu(5, bytes(4)), pdu(6, bytes(4)), pdu(7, b"\0\0\2\2")
REJECT = pdu(3, b"\0\1\1\7")


def stream(behaviour, *pdus):
    return bytes([behaviour, 7]) + b"".join(pdus)


STREAMS = {
    "acceptor-plain": stream(0, pdu(1, RQ_PLAIN), DATA, MANY, RELEASE_RQ),
    "acceptor-full": stream(0, pdu(1, RQ_FULL), DATA, RELEASE_RQ, ABORT),
    "acceptor-late": stream(2, pdu(1, RQ_PLAIN), DATA),
    "acceptor-abort": stream(4, pdu(1, RQ_PLAIN), MANY, DATA, RELEASE_RQ, pdu(1, RQ_PLAIN), ABORT),
    "acceptor-collision": stream(8, pdu(1, RQ_PLAIN), MANY, RELEASE_RQ, RELEASE_RP),
    "acceptor-late-release": stream(16, pdu(1, RQ_PLAIN), MANY, RELEASE_RQ, DATA),
    "acceptor-version": stream(0, pdu(1, b"\0\2" + RQ_PLAIN[2:]), DATA, RELEASE_RQ),
    "requestor-plain": stream(1, pdu(2, AC_PLAIN), DATA, MANY, RELEASE_RQ),
    "requestor-full": stream(1, pdu(2, AC_FULL), MANY, RELEASE_RQ),
    "requestor-collision": stream(9, pdu(2, AC_PLAIN), MANY, DATA, RELEASE_RQ, RELEASE_RP),
    "requestor-release": stream(9, pdu(2, AC_PLAIN), MANY, RELEASE_RP),
    "requestor-reject": stream(1, REJECT, DATA),
    "requestor-abort": stream(1, ABORT),
    "long": stream(0, struct.pack(">BBI", 1, 0, 0xFFFFFFFF), b"abc"),
    "unknown": stream(0, pdu(8, b"abc"), ABORT),
    "bad-pdv": stream(0, pdu(1, RQ_PLAIN), pdu(4, struct.pack(">IBB", 1, 1, 3))),
}
ITEMS = {"rq-plain": b"\0" + RQ_PLAIN, "rq-full": b"\0" + RQ_FULL, "ac-plain": b"\1" + AC_PLAIN, "ac-full": b"\1" + AC_FULL,
         "rq-empty": b"\0" + fixed(), "rq-overrun": b"\0" + RQ_PLAIN[:-1]}

for folder, seeds in (("corpus_stream", STREAMS), ("corpus_items", ITEMS)):
    (HERE / folder).mkdir(exist_ok=True)
    for name, content in seeds.items():
        (HERE / folder / name).write_bytes(content)
