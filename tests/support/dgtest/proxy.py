# SPDX-License-Identifier: Apache-2.0
"""What a load balancer says in front of a connection (PROXY protocol, version 2)."""
from __future__ import annotations

import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(client: str = "", port: int = 4000, *, tlvs: bytes = b"", command: int = 1) -> bytes:
    """A header of version 2, typed from the specification; without `client` one of the balancer's own (UNSPEC)."""
    family, body = 0x00, b""
    if ":" in client:
        family, body = 0x21, socket.inet_pton(socket.AF_INET6, client) + socket.inet_pton(socket.AF_INET6, "::1")
    elif client:
        family, body = 0x11, socket.inet_pton(socket.AF_INET, client) + socket.inet_pton(socket.AF_INET, "10.0.0.1")
    if body:
        body += struct.pack(">HH", port, 2762)
    body += tlvs
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(body)) + body
