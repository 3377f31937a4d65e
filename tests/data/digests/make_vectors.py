#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# Makes the golden vectors of docs/digests.md: small DICOM files of every class of transfer syntax, and vectors.tsv with
# the digests that digests.py computes for them. One logical data set is written in many encodings, and the program
# stops if their canonical digests differ.
#
#   make_vectors.py             writes the files and vectors.tsv beside this program
#   make_vectors.py --check     compares vectors.tsv with what it would write
#   make_vectors.py FILE...     prints the lines of these files
import os
import struct
import sys
import zlib

import digests
from digests import ITEM, ITEM_END, LONG, SEQUENCE_END, TURNED, UNDEFINED

IVR, EVR, EBE, DEFLATE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
JPEG, RLE, FRAME_DEFLATE = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"
ALGORITHMS = ("sha256", "sha512-256")
SC = b"1.2.840.10008.5.1.4.1.1.7"


class Element:
    """A value (bytes, little endian), a list of items (each a list of elements), or fragments (a tuple of bytes)."""

    def __init__(self, tag, vr, value=b"", undefined=None, wire=None):
        self.tag, self.vr, self.value, self.undefined, self.wire = tag, vr, value, undefined, wire or vr


class Style:
    def __init__(self, implicit=False, big=False, undefined=False, group_length=False, pad=True, nul=False):
        self.implicit, self.order, self.undefined = implicit, ">" if big else "<", undefined
        self.group_length, self.pad, self.nul = group_length, pad, nul


def even(value, vr, style):
    if len(value) % 2 == 0 or not style.pad:
        return value
    return value + (b"\0" if style.nul or vr in ("UI", "OB", "UN") else b" ")


def turned(value, vr, style):
    width = TURNED.get(vr, 1) if style.order == ">" else 1
    return b"".join(value[i:i + width][::-1] for i in range(0, len(value), width))


def tagged(tag, style):
    return struct.pack(style.order + "HH", tag >> 16, tag & 0xFFFF)


def header(tag, vr, length, style):
    if style.implicit:
        return tagged(tag, style) + struct.pack("<I", length)
    if vr in LONG or vr == "ZZ":
        return tagged(tag, style) + vr.encode() + b"\0\0" + struct.pack(style.order + "I", length)
    return tagged(tag, style) + vr.encode() + struct.pack(style.order + "H", length)


def mark(tag, length, style):
    return tagged(tag, style) + struct.pack(style.order + "I", length)


def element_bytes(e, style):
    if isinstance(e, bytes):
        return e
    if isinstance(e.value, tuple):
        inside = b"".join(mark(ITEM, len(f), style) + f for f in e.value)
        return header(e.tag, e.wire, UNDEFINED, style) + inside + mark(SEQUENCE_END, 0, style)
    if not isinstance(e.value, list):
        value = turned(even(e.value, e.vr, style), e.wire, style)
        return header(e.tag, e.wire, len(value), style) + value
    undefined = style.undefined if e.undefined is None else e.undefined
    inner = Style(True, False, True) if e.wire == "UN" else style
    inside = b""
    for item in e.value:
        content = encode(item, inner)
        inside += mark(ITEM, UNDEFINED if undefined else len(content), inner) + content
        if undefined:
            inside += mark(ITEM_END, 0, inner)
    if undefined:
        return header(e.tag, e.wire, UNDEFINED, style) + inside + mark(SEQUENCE_END, 0, inner)
    return header(e.tag, e.wire, len(inside), style) + inside


def encode(elements, style):
    out, group = b"", None
    for e in elements:
        if style.group_length and isinstance(e, Element) and e.tag >> 16 != group:
            group = e.tag >> 16
            same = [x for x in elements if isinstance(x, Element) and x.tag >> 16 == group]
            total = sum(len(element_bytes(x, style)) for x in same)
            out += header(group << 16, "UL", 4, style) + struct.pack(style.order + "I", total)
        out += element_bytes(e, style)
    return out


def u16(*numbers):
    return struct.pack("<%dH" % len(numbers), *numbers)


def code(value, meaning):
    return [Element(0x00080100, "SH", value), Element(0x00080104, "LO", meaning)]


def head():
    return [Element(0x00080005, "CS", b"ISO_IR 100"), Element(0x00080016, "UI", SC),
            Element(0x00080018, "UI", b"1.2.826.0.1.3680043.2.1143.1"), Element(0x00080020, "DA", b"20261121"),
            Element(0x00080030, "TM", b"120000"), Element(0x00080050, "SH", b"A1"), Element(0x00080060, "CS", b"OT")]


def patient():
    return [Element(0x00100010, "PN", b"VECTOR^TEST"), Element(0x00100020, "LO", b"V123"),
            Element(0x0020000D, "UI", b"1.2.826.0.1.3680043.2.1143.2"),
            Element(0x0020000E, "UI", b"1.2.826.0.1.3680043.2.1143.3")]


def sequences():
    return [Element(0x00081140, "SQ", [[Element(0x00081150, "UI", SC), Element(0x00081155, "UI", b"1.2.3.4")], [],
                                       [Element(0x00081150, "UI", SC),
                                        Element(0x0040A170, "SQ", [code(b"121320", b"Uncompressed")])]]),
            Element(0x00082112, "SQ", [])]


def private():
    inner = [Element(0x00090010, "LO", b"VECTORS"), Element(0x00091001, "LO", b"inner"),
             Element(0x00080060, "CS", b"MR")]
    return [Element(0x00090010, "LO", b"VECTORS"), Element(0x00091001, "OB", b"\1\2\3\4"),
            Element(0x00091002, "US", u16(258, 3)), Element(0x00091003, "SQ", [inner, []])]


def image():
    return [Element(0x00280010, "US", u16(2)), Element(0x00280011, "US", u16(3)),
            Element(0x00280106, "SS", struct.pack("<h", -2)), Element(0x00281053, "DS", b"1.5"),
            Element(0x7FE00010, "OW", u16(1, 2, 3, 4, 5, 65535))]


def numbers():
    return [Element(0x00189073, "FD", struct.pack("<2d", 2.5, -1)), Element(0x00209165, "AT", u16(0x0018, 0x9087)),
            Element(0x00660016, "OF", struct.pack("<2f", 1, 2)), Element(0x00660040, "OL", struct.pack("<I", 7)),
            Element(0x00720067, "UC", b"many words"), Element(0x7FE00001, "OV", struct.pack("<Q", 2**33))]


def whole(pixels=None):
    rows = head() + sequences() + private() + patient() + numbers() + image()[:-1]
    return sorted(rows, key=lambda e: e.tag) + [pixels or image()[-1]]


def deflated(stream, trailing=b""):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(stream) + packer.flush() + trailing


def part10(uid, data_set):
    def meta(element, vr, value):
        value += b"\0" * (len(value) % 2)
        long = b"\0\0" + struct.pack("<I", len(value)) if vr == "OB" else struct.pack("<H", len(value))
        return struct.pack("<HH", 2, element) + vr.encode() + long + value

    body = meta(1, "OB", b"\0\1") + meta(2, "UI", SC) + meta(3, "UI", b"1.2.826.0.1.3680043.2.1143.1")
    body += meta(0x10, "UI", uid.encode()) + meta(0x12, "UI", b"1.2.826.0.1.3680043.2.1143.4")
    return bytes(128) + b"DICM" + meta(0, "UL", struct.pack("<I", len(body))) + body + data_set


FRAGMENTS = (b"", b"\xff\xd8\xfe\xff\xdd\xe0\0\0\0\0\xff\xd9", b"\xfe\xff\0\xe0\1\0\0\0")


def nested(levels):
    inside = [Element(0x00081155, "UI", b"1.2")]
    for _ in range(levels):
        inside = [Element(0x00081140, "SQ", [inside])]
    return inside


def same_header():
    """The same data set in many encodings: their canonical digests are equal (apart ones need not be)."""
    trailing = Element(0xFFFCFFFC, "OB", bytes(16))
    yield "explicit", EVR, encode(whole(), Style())
    yield "explicit-undefined", EVR, encode(whole(), Style(undefined=True))
    yield "explicit-group-lengths", EVR, encode(whole(), Style(group_length=True))
    yield "explicit-nul-padding", EVR, encode(whole(), Style(nul=True))
    yield "explicit-odd", EVR, encode(whole(), Style(pad=False))
    yield "explicit-trailing-padding", EVR, encode(whole() + [trailing], Style())
    yield "implicit", IVR, encode(whole(), Style(implicit=True))
    yield "implicit-undefined", IVR, encode(whole(), Style(implicit=True, undefined=True, group_length=True))
    yield "big-endian", EBE, encode(whole(), Style(big=True))
    yield "big-endian-undefined", EBE, encode(whole(), Style(big=True, undefined=True, group_length=True))
    yield "deflated", DEFLATE, deflated(encode(whole(), Style()))
    yield "deflated-trailing", DEFLATE, deflated(encode(whole(), Style(undefined=True)), b"\x12\x34\x56\x78\0\1\2\3")
    yield "jpip-deflated", "1.2.840.10008.1.2.4.95", deflated(encode(whole(), Style()), b"\0")
    yield "encapsulated", JPEG, encode(whole(Element(0x7FE00010, "OB", FRAGMENTS)), Style(undefined=True))
    yield "encapsulated-ow", RLE, encode(whole(Element(0x7FE00010, "OW", (b"", b"\1\0\2\0"))), Style())
    yield "implicit-encapsulated", IVR, encode(whole(Element(0x7FE00010, "OB", FRAGMENTS)), Style(implicit=True))
    yield "deflated-frames", FRAME_DEFLATE, encode(whole(Element(0x7FE00010, "OB", (b"", b"\3\0"))), Style())
    yield "unknown-syntax", "1.2.826.0.1.3680043.2.1143.9", encode(whole(), Style())
    yield "known-as-un", EVR, encode(
        [Element(e.tag, e.vr, e.value, wire="UN" if isinstance(e.value, bytes) and e.tag != 0x7FE00010 else None)
         for e in whole()], Style())
    yield "un-sequences", EVR, encode(
        [Element(e.tag, e.vr, e.value, *((True, "UN") if isinstance(e.value, list) else ())) for e in whole()], Style())
    yield "un-sequences-big-endian", EBE, encode(
        [Element(e.tag, e.vr, e.value, *((True, "UN") if isinstance(e.value, list) else ())) for e in whole()],
        Style(big=True))


def others():
    icon = [Element(0x00880200, "SQ", [[Element(0x00280010, "US", u16(1)), Element(0x7FE00010, "OB", FRAGMENTS)]])]
    odd = [Element(0x00104000, "LT", b"a  \0 \0b \0"), Element(0x00324000, "LT", b"    "),
           Element(0x00280034, "IS", b""),
           Element(0x00420011, "OB", b"%PD"), Element(0x54000100, "SQ", [[Element(0x54001010, "OW", u16(1, 2))]])]
    letters = b"\x28\0\x20\1  \2\0\1\0" + b"\x28\0\x21\1??\2\0\2\0" + b"\x28\0\x22\1ZZ\0\0\4\0\0\0abcd"
    yield "empty", EVR, b""
    yield "no-pixels", EVR, encode(head() + patient() + odd, Style())
    yield "no-pixels-odd-big-endian", EBE, encode(head() + patient() + odd, Style(big=True, pad=False))
    yield "icon", JPEG, encode(head() + icon + [Element(0x7FE00010, "OB", FRAGMENTS)], Style(undefined=True))
    yield "icon-big-endian", EBE, encode(
        [Element(0x00880200, "SQ", [image()[:2] + [image()[-1]]]), image()[-1]], Style(big=True))
    yield "float-pixels", EVR, encode(head() + [Element(0x7FE00008, "OF", struct.pack("<2f", 1, 2))], Style())
    yield "double-pixels-big-endian", EBE, encode(
        head() + [Element(0x7FE00009, "OD", struct.pack("<2d", 1, 2))], Style(big=True))
    yield "two-pixel-data", EVR, encode(
        head() + [Element(0x7FE00009, "OD", bytes(8)), image()[-1], Element(0x7FE00010, "OB", FRAGMENTS)], Style())
    yield "no-pixel-bytes", EVR, encode(head() + [Element(0x7FE00010, "OW", b"")] + patient()[:2], Style())
    yield "pixels-then-more", EVR, encode(whole() + [Element(0xFFFAFFFA, "SQ", [code(b"1", b"signed")])], Style())
    yield "pixels-as-un-sequence", EVR, encode(
        head() + [Element(0x7FE00010, "SQ", [head()], True, "UN")] + [Element(0x7FE10010, "LO", b"after")], Style())
    yield "unknown-vr", EVR, encode(head(), Style()) + letters
    yield "opaque-un-sequence", EVR, encode(
        head() + [Element(0x00081140, "SQ", encode([Element(0x00081155, "UI", b"1.2")], Style(True)), wire="UN")],
        Style())
    yield "wrong-shape", EVR, encode(
        head() + [Element(0x00081140, "LO", b"no sequence"), Element(0x00081190, "SQ", [head()])], Style())
    yield "duplicates", EVR, encode(head()[:3] + [Element(0x00080018, "UI", b"1.2")] + head()[3:], Style())
    yield "overlays", IVR, encode([Element(0x60000010, "US", u16(8)), Element(0x60021500, "LO", b"label"),
                                   Element(0x60FF3000, "OW", u16(1))], Style(implicit=True))
    yield "delimiters-with-length", EVR, (
        header(0x00081140, "SQ", UNDEFINED, Style()) + mark(ITEM, UNDEFINED, Style()) +
        mark(ITEM_END, UNDEFINED, Style()) + mark(SEQUENCE_END, UNDEFINED, Style()))
    yield "deep-64", EVR, encode(nested(64), Style())
    yield "bad-deep-65", EVR, encode(nested(65), Style(undefined=True))
    yield "bad-truncated", EVR, encode(whole(), Style())[:-1]
    yield "bad-deflate-truncated", DEFLATE, deflated(encode(whole(), Style()))[:-4]
    yield "bad-deflate", DEFLATE, encode(whole(), Style())
    yield "bad-implicit-as-explicit", EVR, encode(whole(), Style(implicit=True))
    yield "bad-explicit-as-implicit", IVR, encode(whole(), Style())
    yield "bad-little-as-big-endian", EBE, encode(whole(), Style())
    yield "bad-big-as-little-endian", EVR, encode(whole(), Style(big=True))
    yield "bad-stray-item", EVR, encode(head(), Style()) + mark(ITEM, 0, Style())
    yield "bad-overrun", EVR, (header(0x00081140, "SQ", 16, Style()) + mark(ITEM, 8, Style()) +
                               header(0x00081155, "UI", 2, Style()) + b"1\0")
    yield "bad-undefined-text", EVR, header(0x00420012, "UT", UNDEFINED, Style()) + mark(SEQUENCE_END, 0, Style())
    yield "bad-zeros", IVR, encode(head(), Style(implicit=True)) + bytes(16)


def vectors():
    dictionary = digests.Dictionary()
    rows = [(name, uid, data, True) for name, uid, data in same_header()]
    rows += [(name, uid, data, False) for name, uid, data in others()]
    files, lines, canonical = {}, [], set()
    for name, uid, data, is_same in rows:
        file = name + ".dcm"
        assert file not in files
        files[file] = part10(uid, data)
        for algorithm in ALGORITHMS:
            line = digests.digest_line(file, algorithm, uid, data, dictionary)
            outcome = line.split("\t")[2]
            assert (outcome == "fine") == (not name.startswith("bad-")), line
            if is_same:
                canonical.add((algorithm, line.split("\t")[12]))
            lines.append(line)
    assert len(canonical) == len(ALGORITHMS), "the canonical digest does not survive re-encoding"
    return files, "".join(line + "\n" for line in lines)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def main(arguments):
    if arguments and arguments[0] != "--check":
        dictionary = digests.Dictionary()
        for path in arguments:
            for algorithm in ALGORITHMS:
                print(digests.file_line(path, path, algorithm, dictionary))
        return 0
    files, lines = vectors()
    files["vectors.tsv"] = lines.encode()
    if arguments:
        wrong = [n for n, data in files.items() if read(os.path.join(digests.HERE, n)) != data]
        print("%d files, different: %s" % (len(files), wrong or "none"))
        return 1 if wrong else 0
    for name, data in files.items():
        with open(os.path.join(digests.HERE, name), "wb") as f:
            f.write(data)
    print("%d files" % len(files))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
