# SPDX-License-Identifier: Apache-2.0
"""What is promised: one row for each figure, with the value that it must reach and the one it should."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    name: str
    text: str
    unit: str  # "" for a ratio
    better: str  # "<=" or ">="; "" for a figure that is only reported
    must: float | None = None
    stretch: float | None = None

    def meets(self, value: float | None, limit: float | None) -> bool | None:
        """None where there is nothing to compare."""
        if value is None or limit is None:
            return None
        return value <= limit if self.better == "<=" else value >= limit


GOALS = [
    Goal("ct-tls-4-cpu", "CT over TLS to two TLS archives, 4 associations: CPU/GB against the floor", "", "<=", 1.25,
         1.10),
    Goal("ct-tls-16-cpu", "the same, 16 associations", "", "<=", 1.25, 1.10),
    Goal("ct-tls-4-rate", "the same, 4 associations: delivered rate against the tee", "", ">=", 0.55, 0.63),
    Goal("ct-tls-16-rate", "the same, 16 associations", "", ">=", 0.55, 0.63),
    Goal("ct-tls-64-cpu", "the same, 64 associations: CPU/GB against 4", "", "<=", 1.25, 1.05),
    Goal("ct-plain-4-cpu", "CT plain to two plain archives, 4 associations: CPU/GB against the floor", "", "<=", 1.35,
         1.15),
    Goal("tiny-tls-4-rate", "tiny (5 KB) over TLS, 4 associations: delivered rate against the tee", "", ">=", 0.35,
         0.70),
    Goal("tiny-tls-16-rate", "the same, 16 associations", "", ">=", 0.35, 0.70),
    Goal("tiny-plain-4-rate", "tiny plain, 4 associations: delivered rate against the tee", "", ">=", 0.30, 0.70),
    Goal("response-p50", "C-STORE response, tiny plain, 4 associations: p50", "ms", "<=", 2.0, 0.6),
    Goal("syncs-delayed", "fdatasync of the journal for each instance, tiny, 16 associations, 2 ms added to each", "",
         "<=", 0.35, 0.26),
    Goal("syncs-bare", "the same on the bare disk", "", ""),
    Goal("resumption", "one instance per TLS association (RSA-2048): rate with session resumption against full handshakes", "",
         ">=", 2.0, 3.0),
    Goal("window-16", "tiny, one association, 5 ms round trip: rate with window 16 against window 1", "", ">=", 8.0,
         12.0),
    Goal("archives-far", "CT, archives 5 ms away each way, 16 leases: delivered rate against near", "", ">=", 0.8,
         0.95),
    Goal("response-beside-big", "p50 of the response beside one 2 GiB transfer, against alone", "", "<=", 2.0, 1.3),
    Goal("response-slow-archive", "p50 of the response while an archive dawdles 200 ms, against not", "", "<=", 1.2,
         1.05),
    Goal("independence", "p50 from Success to the healthy archive's answer, one archive sick, against both healthy",
         "", "<=", 1.2, 1.05),
    Goal("memory-peak", "peak of anonymous and shared memory: an instance of 4 GiB and 15 associations beside it",
         "MiB", "<=", 128.0, 64.0),
    Goal("memory-idle", "memory of each further idle TLS association", "KiB", "<=", 128.0, 48.0),
    Goal("start-owed", "start with 100,000 owed receipts until the first association is taken", "s", "<=", 2.0, 0.5),
    Goal("lookup-cold", "ledger look-up by UID among 10 million receipts, cold: p99", "ms", "<=", 10.0, 3.0),
    Goal("lookup-warm", "the same, warm: p99", "ms", "<=", 0.2, 0.05),
    Goal("crosswalk-import", "crosswalk: import of 10 million rows beside as many in force", "s", "<=", 120.0, 60.0),
    Goal("crosswalk-map", "crosswalk: look-up by source among 10 million rows, warm: p99", "us", "<=", 50.0, 15.0),
    Goal("crosswalk-unmap", "the same by target", "us", "<=", 50.0, 30.0),
    Goal("rules-ct", "CT over TLS, 4 associations, with the shipped packs and a crosswalk of 10 million rows: delivered "
         "rate against without", "", ">=", 0.9, 0.97),
]
