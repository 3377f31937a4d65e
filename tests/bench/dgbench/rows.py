# SPDX-License-Identifier: Apache-2.0
"""How each goal is measured. What is compared runs in turns within one round, and the median over the rounds of the
ratio of each round counts: a machine that is busy for a while is busy for both."""
from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from dgtest.association import open_association, propose
from dgtest.daemon import BINARIES, ROOT

from . import independence
from .programs import Relay, floor, wait_until
from .stage import CT, TINY, Stage

MIB = 1 << 20


@dataclass
class Bench:
    folder: Path
    quick: bool
    values: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, list[float]] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 5

    def count(self, full: int) -> int:
        return full // 2 if self.quick else full

    def put(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def note(self, name: str, value: float) -> None:
        """A figure beside the goals, for the reader."""
        self.notes.setdefault(name, []).append(value)


def _floor(bench: Bench, tee_cpu: float) -> float:
    parts = floor(bench.folder)
    for name, value in parts.items():
        bench.note(f"floor: {name}, CPU s/GB", value)
    return tee_cpu + sum(parts.values())


def ct_tls(bench: Bench) -> None:
    with Stage(bench.folder / "ct-tls", tls=True, tee=True) as stage:
        total = bench.count(800)
        stage.through_gateway(size=CT, total=100, associations=4)
        for _ in range(bench.rounds):
            cpu = {}
            for associations in (4, 16, 64):
                options = {"size": CT, "total": total, "associations": associations}
                run = stage.through_gateway(**options)
                cpu[associations] = run.cpu_per_gigabyte
                bench.note(f"ct tls {associations}: gateway CPU s/GB", run.cpu_per_gigabyte)
                bench.note(f"ct tls {associations}: gateway MB/s", run.bytes / run.seconds / 1e6)
                if associations == 64:
                    continue
                tee = stage.through_tee(**options)
                bench.note(f"ct tls {associations}: tee CPU s/GB", tee.cpu_per_gigabyte)
                bench.put(f"ct-tls-{associations}-cpu",
                          run.cpu_per_gigabyte / _floor(bench, tee.cpu_per_gigabyte))
                bench.put(f"ct-tls-{associations}-rate", run.rate / tee.rate)
            bench.put("ct-tls-64-cpu", cpu[64] / cpu[4])


def ct_plain(bench: Bench) -> None:
    with Stage(bench.folder / "ct-plain", tls=False, tee=True) as stage:
        options = {"size": CT, "total": bench.count(1500), "associations": 4}
        stage.through_gateway(size=CT, total=100, associations=4)
        for _ in range(bench.rounds):
            run, tee = stage.through_gateway(**options), stage.through_tee(**options)
            bench.note("ct plain: gateway CPU s/GB", run.cpu_per_gigabyte)
            bench.note("ct plain: tee CPU s/GB", tee.cpu_per_gigabyte)
            bench.put("ct-plain-4-cpu", run.cpu_per_gigabyte / _floor(bench, tee.cpu_per_gigabyte))


def tiny_tls(bench: Bench) -> None:
    with Stage(bench.folder / "tiny-tls", tls=True, tee=True) as stage:
        stage.through_gateway(size=TINY, total=500, associations=4)
        for _ in range(bench.rounds):
            for associations in (4, 16):
                run = stage.through_gateway(size=TINY, total=bench.count(8000), associations=associations)
                tee = stage.through_tee(size=TINY, total=bench.count(20000), associations=associations)
                bench.note(f"tiny tls {associations}: gateway instances/s", run.rate)
                bench.note(f"tiny tls {associations}: gateway CPU us/instance", run.cpu / run.instances * 1e6)
                bench.note(f"tiny tls {associations}: tee instances/s", tee.rate)
                bench.put(f"tiny-tls-{associations}-rate", run.rate / tee.rate)


def tiny_plain(bench: Bench) -> None:
    with Stage(bench.folder / "tiny-plain", tls=False, tee=True) as stage:
        stage.through_gateway(size=TINY, total=500, associations=4)
        for _ in range(bench.rounds):
            run = stage.through_gateway(size=TINY, total=bench.count(8000), associations=4)
            tee = stage.through_tee(size=TINY, total=bench.count(40000), associations=4)
            bench.note("tiny plain: gateway instances/s", run.rate)
            bench.note("tiny plain: gateway CPU us/instance", run.cpu / run.instances * 1e6)
            bench.note("tiny plain: tee instances/s", tee.rate)
            bench.put("tiny-plain-4-rate", run.rate / tee.rate)
            bench.put("response-p50", run.load["p50_ms"])


def syncs(bench: Bench) -> None:
    for name, delay in (("syncs-delayed", 2000), ("syncs-bare", 0)):
        with Stage(bench.folder / name, tls=False, sync_us=delay) as stage:
            for _ in range(bench.rounds):
                before = stage.syncs()
                run = stage.through_gateway(size=TINY, total=bench.count(4000), associations=16)
                bench.put(name, (stage.syncs() - before) / run.instances)


def resumption(bench: Bench) -> None:
    # RSA-2048, as most hospitals have: a full handshake costs most there.
    with Stage(bench.folder / "resumption", tls=True, algorithm="rsa") as stage:
        for _ in range(bench.rounds):
            rates = {}
            for resume in (True, False):
                run = stage.through_gateway(size=TINY, total=bench.count(600), associations=4, per_association=1,
                                            resume=resume)
                rates[resume] = run.acknowledged_rate
                bench.note(f"one instance per association, {'resumed' if resume else 'full'}: instances/s",
                           run.acknowledged_rate)
            bench.put("resumption", rates[True] / rates[False])


def window(bench: Bench) -> None:
    with Stage(bench.folder / "window", tls=False) as stage, Relay(stage.port, 2.5) as relay:
        for _ in range(bench.rounds):
            rates = {}
            for size in (1, 16):
                report = stage.load(relay.port, size=TINY, total=bench.count(150 * size), window=size).result()
                rates[size] = report["instances"] / report["seconds"]
                stage.wait_caught_up()
            bench.put("window-16", rates[16] / rates[1])


def archives_far(bench: Bench) -> None:
    options = {"associations": 16}
    with Stage(bench.folder / "far", tls=True, far_ms=5.0, node_options=options) as far, \
            Stage(bench.folder / "near", tls=True, node_options=options) as near:
        for _ in range(bench.rounds):
            rates = []
            for stage in (far, near):
                run = stage.through_gateway(size=CT, total=bench.count(600), associations=4)
                rates.append(run.rate)
            bench.put("archives-far", rates[0] / rates[1])


def beside_big(bench: Bench) -> None:
    big = (512 if bench.quick else 2048) * MIB
    with Stage(bench.folder / "beside", tls=False) as stage:
        stage.through_gateway(size=TINY, total=500, associations=4)
        for _ in range(bench.rounds):
            alone = stage.load(size=TINY, seconds=1, associations=4).result()["p50_ms"]
            stage.wait_caught_up()
            transfer = stage.load(size=big, total=1)
            before = stage.daemon.status()["journal"]["bytes"]
            wait_until("the big one flows", lambda: stage.daemon.status()["journal"]["bytes"] > before
                       or transfer.process.poll() is not None)
            beside = stage.load(size=TINY, seconds=1, associations=4).result()["p50_ms"]
            transfer.result()
            stage.wait_caught_up()
            bench.put("response-beside-big", beside / alone)


def slow_archive(bench: Bench) -> None:
    with Stage(bench.folder / "slow", tls=False, delay_ms=200) as slow, \
            Stage(bench.folder / "fast", tls=False) as fast:
        for _ in range(bench.rounds):
            times = []
            for stage in (slow, fast):
                times.append(stage.load(size=TINY, seconds=2, associations=4).result()["p50_ms"])
            fast.wait_caught_up()
            bench.put("response-slow-archive", times[0] / times[1])
        slow.daemon.kill()  # the slow archive would take minutes for what it is owed


def memory_peak(bench: Bench) -> None:
    """One huge instance with 15 busy associations beside it, then 16 big ones at the same time."""
    big = (512 * MIB) if bench.quick else (4096 * MIB - 65536)
    with Stage(bench.folder / "memory", tls=True) as stage:
        transfer = stage.load(size=big, total=1)
        others = stage.load(size=CT, total=bench.count(4000), associations=15)
        samples = []

        def sample_until(done: Callable[[], bool]) -> None:
            while not done():
                samples.append(stage.daemon.memory())
                time.sleep(0.02)
        sample_until(lambda: transfer.process.poll() is not None and others.process.poll() is not None)
        transfer.result(), others.result()
        last = stage.load(size=64 * MIB, total=16, associations=16)
        sample_until(lambda: last.process.poll() is not None)
        last.result()
        stage.wait_caught_up()
        bench.put("memory-peak", max(samples) / MIB)


def memory_idle(bench: Bench) -> None:
    """Associations that have stored one instance each and then stay open; what the first hundred take is not counted,
    nor does what was freed before them hide what the further ones take."""
    further = 200 if bench.quick else 600
    with Stage(bench.folder / "idle", tls=True) as stage:
        held, memory = [], []
        for count in (100, further):
            held.append(stage.load(size=TINY, total=count, associations=count, hold=True))
            held[-1].result()
            stage.wait_caught_up()
            memory.append(stage.daemon.memory())
        bench.put("memory-idle", (memory[1] - memory[0]) / further / 1024)
        for load in held:
            load.let_go()


def start_owed(bench: Bench) -> None:
    count = 20_000 if bench.quick else 100_000
    with Stage(bench.folder / "start", tls=False) as stage:
        for archive in stage.archives:
            archive.process.kill()
        stage.load(size=1500, total=count, associations=16).result()
        wait_until("the ledger knows them all",
                   lambda: stage.daemon.status()["archives"][0]["owed"] >= count)
        for _ in range(bench.rounds):
            stage.daemon.kill()
            begin = time.monotonic()
            stage.daemon.start(ready=False)
            wait_until("an association is taken", lambda: _takes_association(stage.daemon.port), interval=0.002)
            bench.put("start-owed", time.monotonic() - begin)
            stage.daemon.wait_ready()
        stage.daemon.kill()


def _takes_association(port: int) -> bool:
    try:
        info = propose([("1.2.840.10008.1.1", "1.2.840.10008.1.2")], called="DICOMGATE", calling="BENCH")
        with open_association(("127.0.0.1", port), info) as association:
            association.release()
        return True
    except OSError:
        return False


def lookup(bench: Bench) -> None:
    receipts = 500_000 if bench.quick else 10_000_000
    folder = bench.folder.parent / f"ledger-{receipts}"  # made once, which takes minutes, and kept
    folder.mkdir(exist_ok=True)
    done = subprocess.run([str(BINARIES / "ledger_lookup"), str(folder), str(receipts)], check=True,
                          capture_output=True, text=True)
    report = json.loads(done.stdout)
    bench.note("ledger: receipts", receipts)
    bench.note("ledger: GB", report["bytes"] / 1e9)
    bench.put("lookup-cold", report["cold"]["p99_us"] / 1e3)
    bench.put("lookup-warm", report["warm"]["p99_us"] / 1e3)


def crosswalk(bench: Bench) -> None:
    rows = 500_000 if bench.quick else 10_000_000
    folder = bench.folder / "crosswalk"
    folder.mkdir(exist_ok=True)
    done = subprocess.run([str(BINARIES / "crosswalk_lookup"), str(folder), str(rows)], check=True,
                          capture_output=True, text=True)
    report = json.loads(done.stdout)
    shutil.rmtree(folder)  # 5 GB
    bench.note("crosswalk: rows", rows)
    bench.note("crosswalk: CPU seconds of the import", report["import"]["cpu_s"])
    bench.note("crosswalk: MiB of memory of the import", report["anonymous_bytes"] / 2**20)
    bench.note("crosswalk: longest look-up during it, ms", report["import"]["readers_max_us"] / 1e3)
    bench.put("crosswalk-import", report["import"]["s"] * 10_000_000 / rows)
    bench.put("crosswalk-map", report["map"]["p99_us"])
    bench.put("crosswalk-unmap", report["unmap"]["p99_us"])


SHIPPED_PACKS = ["vendor-names", "physician-names", "procedure-codes", "accession-numbers", "institution-names",
                 "type-checks", "dates", "burned-in"]


def _crosswalk_fill(stage: Stage, rows: int) -> None:
    """Imported once, which takes minutes, and kept with the gateway's folder. IDs as in tests/bench/instance.c."""
    known = stage.daemon.run_client("crosswalk", "stats", "--json")
    if known.returncode == 0 and json.loads(known.stdout)["rows"] == rows:
        return
    path = stage.daemon.folder / "rows.csv"
    with path.open("w") as file:
        file.write("source_domain,source_id,target_domain,target_id\n")
        for n in range(rows):
            file.write(f"LEGACY,{n:09d},ENTERPRISE,E{n * 7919 % 10**12:012d}\n")
    subprocess.run([str(BINARIES / "dicomgate"), "--config", str(stage.daemon.file), "crosswalk", "import", str(path),
                    "--person", "bench", "--reason", "bench"], check=True, capture_output=True)
    path.unlink()


def rules_ct(bench: Bench) -> None:
    patients = 500_000 if bench.quick else 10_000_000
    edited = {"domains": {"LEGACY": {"issuers": ["OLDHOSP"]}, "ENTERPRISE": {"issuers": ["GROUP"]}},
              "clients": [{"ae_title": "*", "domain": "LEGACY"}], "rules": {"packs": str(ROOT / "rules/packs")},
              "nodes": {"oldpacs": {"domain": "LEGACY"}, "newpacs": {"domain": "ENTERPRISE", "packs": SHIPPED_PACKS}}}
    kept = bench.folder.parent / f"rules-{patients}"
    options = {"size": CT, "total": bench.count(800), "associations": 4, "patients": patients}
    with Stage(kept, tls=True, settings=edited, patients=patients, mapped=True, start=False) as stage, \
            Stage(bench.folder / "rules-without", tls=True, patients=patients) as without:
        _crosswalk_fill(stage, patients)
        with stage.daemon:
            for one in (stage, without):
                one.through_gateway(**{**options, "total": 100})
            for _ in range(bench.rounds):
                runs = {one: one.through_gateway(**options) for one in (stage, without)}
                bench.note("ct tls with rules and crosswalk: gateway CPU s/GB", runs[stage].cpu_per_gigabyte)
                bench.note("the same without: gateway CPU s/GB", runs[without].cpu_per_gigabyte)
                bench.put("rules-ct", runs[stage].rate / runs[without].rate)


def sick_archives(bench: Bench) -> None:
    bench.put("independence", independence.worst_ratio(bench.folder / "sick", bench.quick))


# Group: which goals it fills, and how.
GROUPS: dict[str, tuple[tuple[str, ...], Callable[[Bench], None]]] = {
    "ct-tls": (("ct-tls-4-cpu", "ct-tls-16-cpu", "ct-tls-4-rate", "ct-tls-16-rate", "ct-tls-64-cpu"), ct_tls),
    "ct-plain": (("ct-plain-4-cpu",), ct_plain),
    "tiny-tls": (("tiny-tls-4-rate", "tiny-tls-16-rate"), tiny_tls),
    "tiny-plain": (("tiny-plain-4-rate", "response-p50"), tiny_plain),
    "syncs": (("syncs-delayed", "syncs-bare"), syncs),
    "resumption": (("resumption",), resumption),
    "window": (("window-16",), window),
    "far": (("archives-far",), archives_far),
    "beside": (("response-beside-big",), beside_big),
    "slow": (("response-slow-archive",), slow_archive),
    "sick": (("independence",), sick_archives),
    "memory": (("memory-peak",), memory_peak),
    "idle": (("memory-idle",), memory_idle),
    "start": (("start-owed",), start_owed),
    "lookup": (("lookup-cold", "lookup-warm"), lookup),
    "rules": (("rules-ct",), rules_ct),
    "crosswalk": (("crosswalk-import", "crosswalk-map", "crosswalk-unmap"), crosswalk),
}


def median(values: list[float]) -> float:
    return statistics.median(values)
