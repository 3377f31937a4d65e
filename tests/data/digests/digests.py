# SPDX-License-Identifier: Apache-2.0
#
# The digests of docs/digests.md, computed from that page alone: a whole-buffer, recursive reader that shares nothing
# with the C scanner but the page and the dictionary file. Used by make_vectors.py; line() makes a line of section 5.
import hashlib
import os
import re
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
DICTIONARY = os.path.join(HERE, "..", "..", "..", "lib", "dcm", "src", "dictionary.def")

UNDEFINED = 0xFFFFFFFF
LONG = set("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT = set("AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
TEXT = set("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
TURNED = dict([(vr, 2) for vr in "AT OW SS US".split()] + [(vr, 4) for vr in "FL OF OL SL UL".split()] +
              [(vr, 8) for vr in "FD OD OV SV UV".split()])
IMPLICIT = {"1.2.840.10008.1.2", "1.2.840.113619.5.2", "1.2.840.10008.1.20"}
BIG_ENDIAN = {"1.2.840.10008.1.2.2"}
DEFLATED = {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}
PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
NAMED = (0x00080005, 0x00080016, 0x00080018, 0x00100010, 0x00100020, 0x0020000D, 0x0020000E, 0x54000100, 0x7FE00010)
DEEPEST = 64


class CannotFollow(Exception):
    pass


class Dictionary:
    def __init__(self, path=DICTIONARY):
        with open(path) as f:
            text = f.read()
        self.tags = {int(t, 16): vr for t, vr in re.findall(r"\bT\(([0-9A-F]{8}),(\w+)\)", text)}
        self.masks = [(int(t, 16), int(m, 16), vr)
                      for t, m, vr in re.findall(r"\bW\(([0-9A-F]{8}),([0-9A-F]{8}),(\w+)\)", text)]

    def vr(self, tag):
        if tag >> 16 & 1:
            return None
        if tag & 0xFFFF == 0:
            return "UL"
        if tag in self.tags:
            return self.tags[tag]
        for value, mask, vr in self.masks:
            if tag & mask == value:
                return vr
        return None


class Encoding:
    def __init__(self, implicit, big):
        self.implicit = implicit
        self.order = ">" if big else "<"

    def tag(self, data, at):
        group, element = struct.unpack_from(self.order + "HH", data, at)
        return group << 16 | element

    def number(self, data, at, width):
        return struct.unpack_from(self.order + {2: "H", 4: "I"}[width], data, at)[0]


class Reader:
    """Reads one stream; afterwards canonical, apart, apart_elements, pixels and named are filled."""

    def __init__(self, stream, encoding, dictionary):
        self.data = stream
        self.dictionary = dictionary
        self.canonical = bytearray()
        self.apart = bytearray()
        self.apart_elements = 0
        self.pixels = None  # (value begin, value end)
        self.named = {}
        end = self.elements(0, len(stream), encoding, 0, False, False, False)
        assert end == len(stream)

    # -- records

    def record(self, is_apart, silent, payload, kind, counts=False):
        if silent:
            return
        if counts and is_apart:
            self.apart_elements += 1
        (self.apart if is_apart else self.canonical).extend(payload + bytes([kind]))

    def framing(self, is_apart, silent, payload, kind, counts=False):
        self.record(is_apart, silent, payload, kind, counts)
        if not is_apart and not silent:
            self.apart.extend(payload + bytes([kind]))

    # -- reading

    def need(self, at, count, limit):
        if at + count > limit:
            raise CannotFollow("%d bytes at %d, limit %d" % (count, at, limit))

    def header(self, at, limit, encoding):
        """(tag, VR or None, length, offset of the value); VR is "??" if the letters are unknown."""
        self.need(at, 8, limit)
        tag = encoding.tag(self.data, at)
        if encoding.implicit or tag >> 16 == 0xFFFE:
            return tag, None, encoding.number(self.data, at + 4, 4), at + 8
        letters = self.data[at + 4:at + 6].decode("latin-1")
        if letters in SHORT or letters in ("  ", "??"):
            return tag, letters if letters in SHORT else "??", encoding.number(self.data, at + 6, 2), at + 8
        if not re.fullmatch("[A-Z][A-Z]", letters):
            raise CannotFollow("VR %r at %d" % (letters, at))
        self.need(at, 12, limit)
        return tag, letters if letters in LONG else "??", encoding.number(self.data, at + 8, 4), at + 12

    def elements(self, at, limit, encoding, depth, in_apart, silent, delimited):
        """Elements up to the limit, or to the item delimitation; returns the offset behind them."""
        while delimited or at < limit:
            tag, vr, length, value = self.header(at, limit, encoding)
            if at == 0 and (tag >> 16 == 0x0800 or vr is None and self.data[4:6].decode("latin-1") in LONG | SHORT):
                raise CannotFollow("another encoding")
            if tag >> 16 == 0xFFFE:
                if tag != ITEM_END or not delimited or length not in (0, UNDEFINED):
                    raise CannotFollow("%08X at %d" % (tag, at))
                return value
            end = self.element(at, tag, vr, length, value, limit, encoding, depth, in_apart, silent)
            if depth == 0:
                self.top_level(at, tag, vr, length, value, end)
            at = end
        return at

    def top_level(self, at, tag, vr, length, value, end):
        if tag in PIXEL_DATA and self.pixels is None:
            self.pixels = (value, end)
        if tag in NAMED and tag not in self.named:
            shown = vr or {None: "??", "OB_OR_OW": "ox"}.get(self.dictionary.vr(tag), self.dictionary.vr(tag))
            self.named[tag] = "%08X:%s:%d:%d:%d:%d" % (tag, shown, at, value, end, length)

    def element(self, at, tag, vr, length, value, limit, encoding, depth, in_apart, silent):
        if tag >> 16 == 0:
            raise CannotFollow("command group at %d" % at)
        known = self.dictionary.vr(tag)
        undefined = length == UNDEFINED
        if not undefined:
            self.need(value, length, limit)
        fragments = undefined and (vr in ("OB", "OW") or vr is None and tag == 0x7FE00010)
        sequence = not fragments and (vr == "SQ" or undefined and vr in ("UN", None) or vr is None and known == "SQ")
        if undefined and not fragments and not sequence:
            raise CannotFollow("undefined length at %d" % at)
        is_apart = in_apart or known is None or (known == "SQ") != sequence
        packed = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        if depth == 0 and tag in PIXEL_DATA:
            self.record(False, False, packed, 6)
            silent = True
        if fragments or sequence:
            if depth == DEEPEST:
                raise CannotFollow("too deep at %d" % at)
            if vr == "UN":
                encoding = Encoding(True, False)
            end = None if undefined else value + length
            if fragments:
                return self.fragments(packed, value, limit, encoding, is_apart, silent)
            return self.sequence(packed, value, end, limit, encoding, depth + 1, is_apart, silent)
        left_out = tag & 0xFFFF == 0 or tag in (0x00080001, 0xFFFCFFFC)
        if not silent and not left_out:
            content = self.value(value, length, vr, known, is_apart, encoding)
            self.record(is_apart, False, packed + content + struct.pack("<I", len(content)), 1, True)
        return value + length

    def value(self, at, length, vr, known, is_apart, encoding):
        content = self.data[at:at + length]
        width = TURNED.get(vr, 1) if encoding.order == ">" else 1
        whole = len(content) // width * width
        content = b"".join(content[i:i + width][::-1] for i in range(0, whole, width)) + content[whole:]
        if is_apart:
            return content
        if known in TEXT:
            return content.rstrip(b"\0").rstrip(b" ")
        return content + b"\0" if length % 2 else content

    def sequence(self, packed, at, end, limit, encoding, depth, is_apart, silent):
        limit = limit if end is None else end
        self.framing(is_apart, silent, packed, 2, True)
        while end is None or at < end:
            self.need(at, 8, limit)
            tag, length = encoding.tag(self.data, at), encoding.number(self.data, at + 4, 4)
            at += 8
            if tag == SEQUENCE_END and end is None and length in (0, UNDEFINED):
                break
            if tag != ITEM:
                raise CannotFollow("%08X for an item at %d" % (tag, at - 8))
            self.framing(is_apart, silent, b"", 3)
            if length != UNDEFINED:
                self.need(at, length, limit)
            item_limit = limit if length == UNDEFINED else at + length
            at = self.elements(at, item_limit, encoding, depth, is_apart, silent, length == UNDEFINED)
            self.framing(is_apart, silent, b"", 4)
        self.framing(is_apart, silent, b"", 5)
        return at

    def fragments(self, packed, at, limit, encoding, is_apart, silent):
        self.record(is_apart, silent, packed, 2, True)
        while True:
            self.need(at, 8, limit)
            tag, length = encoding.tag(self.data, at), encoding.number(self.data, at + 4, 4)
            at += 8
            if tag == SEQUENCE_END and length in (0, UNDEFINED):
                break
            if tag != ITEM or length == UNDEFINED:
                raise CannotFollow("%08X for a fragment at %d" % (tag, at - 8))
            self.need(at, length, limit)
            self.record(is_apart, silent, self.data[at:at + length] + struct.pack("<I", length), 7, True)
            at += length
        self.record(is_apart, silent, b"", 5)
        return at


def inflate(received):
    inflater = zlib.decompressobj(-15)
    try:
        stream = inflater.decompress(received)
    except zlib.error as error:
        raise CannotFollow(str(error))
    if not inflater.eof:
        raise CannotFollow("deflate stream does not end")
    return stream


def digest_line(name, algorithm, transfer_syntax, received, dictionary):
    def h(data):
        return hashlib.new({"sha256": "sha256", "sha512-256": "sha512_256"}[algorithm], bytes(data)).digest()

    uid = transfer_syntax.rstrip("\0 ")
    try:
        stream = inflate(received) if uid in DEFLATED else received
        reader = Reader(stream, Encoding(uid in IMPLICIT, uid in BIG_ENDIAN), dictionary)
    except CannotFollow:
        return "\t".join([name, algorithm, "not followed", "0", "0", "0", "-", "-", "-", "-", str(len(received)),
                          h(received).hex(), "-", "-", "0", "-"])
    begin, end = reader.pixels or (len(stream), len(stream))
    ranges = (stream[:begin], stream[begin:end], stream[end:])
    raw = b"".join(h(r) + struct.pack("<Q", len(r)) for r in ranges)
    named = ",".join(reader.named[tag] for tag in NAMED if tag in reader.named)
    return "\t".join([name, algorithm, "fine"] + [str(len(r)) for r in ranges] + [h(r).hex() for r in ranges] +
                     [h(raw).hex(), str(len(received)), h(received).hex(), h(reader.canonical).hex(),
                      h(reader.apart).hex(), str(reader.apart_elements), named or "-"])


def data_set_of(data):
    """(transfer syntax UID, data set) of a DICOM file; a file without meta header is guessed at as dcm/file.h says."""
    at = 132 if data[128:132] == b"DICM" else 0
    uid = None
    meta = Encoding(False, False)
    while data[at:at + 2] == b"\2\0":
        letters = data[at + 4:at + 6].decode("latin-1")
        long = letters in LONG
        length, value = (meta.number(data, at + 8, 4), at + 12) if long else (meta.number(data, at + 6, 2), at + 8)
        if meta.tag(data, at) == 0x00020010:
            uid = data[value:value + length].decode("latin-1").strip("\0 ")
        at = value + length
    if not uid:
        letters = data[at + 4:at + 6].decode("latin-1")
        uid = "1.2.840.10008.1.2"
        if letters in LONG | SHORT:
            uid = "1.2.840.10008.1.2.2" if data[at] == 0 and data[at + 1] else "1.2.840.10008.1.2.1"
    return uid, data[at:]


def file_line(name, path, algorithm, dictionary):
    with open(path, "rb") as f:
        uid, received = data_set_of(f.read())
    return digest_line(name, algorithm, uid, received, dictionary)
