#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden bytes of the journal format, made from lib/journal/FORMAT.md alone: a format page, a record header and what a
copy knows of its receipt (CLOSE, key 21).

Writes page.bin, header.bin and known.bin beside itself. Run it by hand when FORMAT.md gets a new version; the files are kept in the
repository and compared by tests/unit/journal/test_format.c.
"""
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def crc32c(data):
    """Bit by bit, from the polynomial (RFC 3720 B.4), on purpose not the way the C code does it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def page(version, flags, stream, segment, life, size, first, limit, created):
    head = b"DGJSEG1\n" + struct.pack("<HHHHIIQQQQQ", version, flags, stream, 0, segment, 0, life, size, first, limit,
                                      created)
    body = head + bytes(4096 - 4 - len(head))
    return body + struct.pack("<I", crc32c(body))


def header(version, kind, flags, length, stream, segment, chunk, receipt, nonce, offset):
    head = b"DGJR" + struct.pack("<BBHIHHIIQQQ", version, kind, flags, length, stream, 0, segment, chunk, receipt, nonce,
                                 offset)
    body = head + bytes(64 - 4 - len(head))
    return body + struct.pack("<I", crc32c(body))


def cbor(value):
    """Definite lengths throughout (RFC 8949 3)."""
    def head(major, number):
        for bits, (limit, form) in enumerate(((24, ""), (1 << 8, ">B"), (1 << 16, ">H"), (1 << 32, ">I"), (1 << 64, ">Q"))):
            if number < limit:
                small = number if bits == 0 else 23 + bits
                return bytes([major << 5 | small]) + (struct.pack(form, number) if form else b"")
        raise ValueError(number)
    if value is True:
        return b"\xf5"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(value[key]) for key in value)


KNOWN = {
    1: [0, 7, 4096, 3, 0x01020304, 0x0fffffc0],
    2: [{1: 1, 2: 5, 4: 0xB000, 5: 1, 6: 1767225600000000001, 7: 1767225600000000002, 8: 3, 13: bytes([1]) * 32},
        {1: 70000, 2: 2, 5: 3, 6: 1767225600000000003, 9: True, 10: 2, 13: bytes([2]) * 32, 14: bytes([3]) * 32,
         15: bytes([4]) * 32, 16: 9, 99: [b"of a later version"]},
        {1: 3, 2: 4, 4: 0xC000, 11: b"not now", 12: b"mary"}],
    3: b"of a later version",
}


def main():
    receipt = 3 << 48
    (HERE / "known.bin").write_bytes(cbor(KNOWN))
    (HERE / "page.bin").write_bytes(page(1, 0, 3, 0x01020304, 7, 256 << 20, receipt | 1000, receipt | 2098152,
                                         1767225600123456789))
    (HERE / "header.bin").write_bytes(header(1, 2, 0, 262016, 3, 0x01020304, 5, receipt | 1001, 0x1122334455667788,
                                             0x10000040))


main()
