#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden bytes of the journal format, made from lib/journal/FORMAT.md alone: a format page and a record header.

Writes page.bin and header.bin beside itself. Run it by hand when FORMAT.md gets a new version; the files are kept in the
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


def main():
    receipt = 3 << 48
    (HERE / "page.bin").write_bytes(page(1, 0, 3, 0x01020304, 7, 256 << 20, receipt | 1000, receipt | 2098152,
                                         1767225600123456789))
    (HERE / "header.bin").write_bytes(header(1, 2, 0, 262016, 3, 0x01020304, 5, receipt | 1001, 0x1122334455667788,
                                             0x10000040))


main()
