# SPDX-License-Identifier: Apache-2.0
"""Instances to send: files of PS3.10 read by a small tolerant parser, bytes in memory, and
generated multi-frame instances of any size. Their data set bytes are never changed."""
from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from .pdu import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
VRS = LONG_VRS | {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT",
                  b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
SOP_CLASS, SOP_INSTANCE = 0x00080016, 0x00080018
UNDEFINED = 0xFFFFFFFF
CHUNK = 1 << 20


class NotFollowed(Exception):
    """The bytes can not be followed as a data set."""


@dataclass
class Instance:
    """What goes on the wire: UIDs and transfer syntax for the command, bytes for the data set."""
    name: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    length: int
    offset: int = 0
    path: Path | None = None
    content: bytes = b""
    meta: dict[int, bytes] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        if self.path is None:
            yield self.content
            return
        with self.path.open("rb") as source:
            source.seek(self.offset)
            while piece := source.read(CHUNK):
                yield piece

    def digest(self) -> str:
        """SHA-256 of the data set bytes."""
        total = hashlib.sha256()
        for piece in self.chunks():
            total.update(piece)
        return total.hexdigest()


@dataclass
class Generated(Instance):
    """A multi-frame instance made while it is sent: `head`, then frames, never held."""
    head: bytes = b""
    pixels: int = 0
    block: bytes = b""

    def chunks(self) -> Iterator[bytes]:
        yield self.head
        for number in range(0, self.pixels, len(self.block)):
            size = min(len(self.block), self.pixels - number)
            yield (struct.pack("<Q", number) + self.block[8:])[:size]


def text(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")


def _header(data: bytes, at: int, explicit: bool, big: bool) -> tuple[int, bytes, int, int]:
    """(tag, VR, length, start of value) of the element at `at`."""
    order = ">" if big else "<"
    if at + 8 > len(data):
        raise NotFollowed("ends inside an element header")
    group, number = struct.unpack_from(order + "HH", data, at)
    tag = group << 16 | number
    if group == 0xFFFE or not explicit:
        return tag, b"", struct.unpack_from(order + "I", data, at + 4)[0], at + 8
    vr = bytes(data[at + 4:at + 6])
    if vr not in LONG_VRS:
        return tag, vr, struct.unpack_from(order + "H", data, at + 6)[0], at + 8
    if at + 12 > len(data):
        raise NotFollowed("ends inside an element header")
    return tag, vr, struct.unpack_from(order + "I", data, at + 8)[0], at + 12


def _skip_undefined(data: bytes, at: int, explicit: bool, big: bool) -> int:
    """The end of a sequence of undefined length whose first item starts at `at`."""
    depth = 1
    while depth:
        tag, vr, length, at = _header(data, at, explicit, big)
        if tag in (0xFFFEE0DD, 0xFFFEE00D):
            depth -= 1
        elif length == UNDEFINED:
            depth += 1
        else:
            at += length  # an element, a fragment, or a whole item of defined length
    return at


def elements(data: bytes, transfer_syntax: str, last: int = 0xFFFFFFFF) -> Iterator[tuple[int, bytes, bytes]]:
    """Top-level (tag, VR, value) up to tag `last`; values of undefined length come empty."""
    if transfer_syntax == DEFLATED_LE:
        data = zlib.decompressobj(-15).decompress(data)
    explicit = transfer_syntax != IMPLICIT_LE
    big = transfer_syntax == EXPLICIT_BE
    at = 0
    while at < len(data):
        tag, vr, length, at = _header(data, at, explicit, big)
        if tag > last:
            return
        if length == UNDEFINED:
            at = _skip_undefined(data, at, explicit and vr != b"UN", big)  # CP-246: UN is implicit inside
            yield tag, vr, b""
            continue
        if at + length > len(data):
            raise NotFollowed(f"value of {tag:08x} overruns")
        yield tag, vr, data[at:at + length]
        at += length


def _meta(data: bytes) -> tuple[dict[int, bytes], int]:
    """Group 0002 (Explicit VR Little Endian, PS3.10 7.1) and where the data set starts. The group
    length is not believed: the group ends where the group number changes."""
    if data[128:132] == b"DICM":
        at = 132
    elif data[:2] == b"\x02\x00":
        at = 0
    else:
        return {}, 0
    found: dict[int, bytes] = {}
    while data[at:at + 2] == b"\x02\x00":
        tag, _, length, value = _header(data, at, True, False)
        found[tag] = data[value:value + length]
        at = value + length
    return found, at


def _guess(data: bytes) -> str:
    if data[4:6] not in VRS:
        return IMPLICIT_LE
    return EXPLICIT_BE if data[0] == 0 else EXPLICIT_LE


def read(path: Path, *, transfer_syntax: str = "", uids: str = "dataset") -> Instance:
    """`uids`: `dataset` or `meta`, where the command's UIDs come from; what is absent stays empty."""
    with path.open("rb") as source:
        data = source.read(CHUNK)
    meta, offset = _meta(data)
    syntax = transfer_syntax or text(meta.get(0x00020010, b"")) or _guess(data[offset:])
    instance = Instance(path.name, "", "", syntax, path.stat().st_size - offset, offset, path, meta=meta)
    if uids == "meta":
        instance.sop_class = text(meta.get(0x00020002, b""))
        instance.sop_instance = text(meta.get(0x00020003, b""))
        return instance
    found = dataset_uids(data[offset:], syntax)
    instance.sop_class, instance.sop_instance = found
    return instance


def dataset_uids(data: bytes, transfer_syntax: str) -> tuple[str, str]:
    """SOP Class and Instance UID at the top level, empty where absent or not reachable."""
    found = {SOP_CLASS: "", SOP_INSTANCE: ""}
    try:
        for tag, _, value in elements(data, transfer_syntax, SOP_INSTANCE):
            if tag in found and not found[tag]:
                found[tag] = text(value)
    except (NotFollowed, struct.error, zlib.error):
        pass
    return found[SOP_CLASS], found[SOP_INSTANCE]


# ---- generated instances

def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element in Explicit VR Little Endian."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr.encode() in LONG_VRS:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def file_bytes(sop_class: str, sop_instance: str, transfer_syntax: str, data: bytes) -> bytes:
    """The data set as a file, PS3.10 7.1."""
    meta = b"".join((element(0x00020001, "OB", b"\0\x01"), element(0x00020002, "UI", sop_class.encode()),
                     element(0x00020003, "UI", sop_instance.encode()),
                     element(0x00020010, "UI", transfer_syntax.encode()), element(0x00020012, "UI", uid(1).encode())))
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + data


def uid(*numbers: int) -> str:
    """A UID of this test suite; the numbers make it unique."""
    return "1.2.826.0.1.3680043.10.1111." + ".".join(str(number) for number in numbers)


def _us(value: int) -> bytes:
    return struct.pack("<H", value)


def make_header(sop_class: str, sop_instance: str, study: str, series: str,
                frames: int, rows: int, columns: int) -> bytes:
    """An image header up to Pixel Data, all names invented."""
    rows_of = [
        (0x00080016, "UI", sop_class.encode()), (0x00080018, "UI", sop_instance.encode()),
        (0x00080020, "DA", b"20200101"), (0x00080060, "CS", b"OT"),
        (0x00100010, "PN", b"Test^Patient"), (0x00100020, "LO", b"DGTEST-1"),
        (0x0020000D, "UI", study.encode()), (0x0020000E, "UI", series.encode()),
        (0x00280002, "US", _us(1)), (0x00280004, "CS", b"MONOCHROME2"),
        (0x00280008, "IS", str(frames).encode()),
        (0x00280010, "US", _us(rows)), (0x00280011, "US", _us(columns)),
        (0x00280100, "US", _us(8)), (0x00280101, "US", _us(8)), (0x00280102, "US", _us(7)),
        (0x00280103, "US", _us(0))]
    return b"".join(element(*row) for row in rows_of)


def generate(size: int, *numbers: int, sop_class: str = "1.2.840.10008.5.1.4.1.1.7.2") -> Generated:
    """An instance of about `size` bytes of Pixel Data, unique by `numbers`."""
    instance_uid = uid(*numbers)
    pixels = max(2, size & ~1)
    columns = 1024 if pixels >= 1 << 20 else 64
    rows = max(1, min(1024, pixels // columns))
    head = make_header(sop_class, instance_uid, uid(*numbers[:-1], 0), uid(*numbers[:-1], 0, 1),
                       max(1, pixels // (rows * columns)), rows, columns)
    head += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, pixels)
    return Generated(f"generated-{'.'.join(map(str, numbers))}", sop_class, instance_uid, EXPLICIT_LE,
                     len(head) + pixels, head=head, pixels=pixels, block=_BLOCK)


def _block() -> bytes:
    """1 MiB that does not compress and is the same in every run."""
    pieces = [hashlib.sha256(struct.pack("<Q", number)).digest() for number in range(CHUNK // 32)]
    return b"".join(pieces)


_BLOCK = _block()
