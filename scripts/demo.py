#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demonstration behind scripts/demo: real studies from a modality over mutual TLS through the
gateway into two real archives, with a crash in the middle; then a patient of two domains, edited for one archive and
proven. Exit status 0 only if both archives hold everything that they take at all, byte for byte or as they change it by
themselves, and the edits are those on record."""
from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from dgtest import corpus, edits, foreign, part10, sender  # noqa: E402
from dgtest.certs import Authority, client_context  # noqa: E402
from dgtest.daemon import BINARIES, Daemon, Node, built, merge  # noqa: E402
from dgtest.ports import wait_for  # noqa: E402

PATIENCE = 5.0  # seconds for a response: Orthanc falls silent on a data set of odd length
SETTLE = 180.0  # seconds to wait for both archives at most
# Known as 4711 where it is made and at the legacy archive, as E-1001 at the new one.
PATIENT = edits.instance(1, patient="4711", extra={0x00080080: ("LO", b"ST MARYS HOSP")})


def say(text: str = "") -> None:
    print(text, flush=True)


@dataclass
class Verdict:
    """What one archive holds in the end, instance by instance."""
    name: str
    expected: int
    exact: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # by the archive: the same as when sent to directly
    refused: list[str] = field(default_factory=list)  # by the archive, also when sent to directly
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def found(self) -> int:
        return len(self.exact) + len(self.changed) + len(self.different)

    def is_good(self) -> bool:
        return self.expected > 0 and not self.missing and not self.different and self.found >= self.expected


def judge(name: str, sent: dict[str, part10.Instance], direct: dict[str, str], held: dict[str, str]) -> Verdict:
    """`direct` and `held`: UID to digest of what the archive gives back of an instance that was sent to
    it directly, and through the gateway."""
    verdict = Verdict(name, sum(uid in direct for uid in sent))
    for uid, instance in sent.items():
        if uid not in held:
            (verdict.missing if uid in direct else verdict.refused).append(instance.name)
        elif held[uid] == instance.digest():
            verdict.exact.append(instance.name)
        elif held[uid] == direct.get(uid):
            verdict.changed.append(instance.name)
        else:
            verdict.different.append(instance.name)
    return verdict


def table(verdicts: list[Verdict]) -> str:
    """Expected and found of each archive."""
    head = ["archive", "expected", "found", "exact", "changed by the archive", "missing", "different",
            "refused by the archive"]
    rows = [[v.name, *(str(n) for n in (v.expected, v.found, len(v.exact), len(v.changed), len(v.missing),
                                       len(v.different), len(v.refused)))] for v in verdicts]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) if not cell.isdigit() else cell.rjust(width)
                       for cell, width in zip(row, widths)).rstrip() for row in [head, *rows]]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join("  " + line for line in lines)


class Demo:
    """Everything that runs, in one folder that is removed in the end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        found, self.origin = corpus.one_for_each_uid_or_made(folder / "made")
        self.sent = {instance.sop_instance: instance for instance in found}
        self.authority = Authority(folder / "pki")
        self.modality = self.authority.issue("ct1", algorithm="rsa", server=False)
        self.results: list[sender.Result] = []

    @property
    def instances(self) -> list[part10.Instance]:
        return list(self.sent.values())

    def measure_archives(self) -> tuple[dict[str, str], dict[str, str]]:
        """What each archive makes of the same files when a modality sends to it directly."""
        with foreign.DcmQrScp(self.folder / "direct-legacy", "OLDPACS", self.instances) as legacy:
            sender.send(sender.Target(("127.0.0.1", legacy.port), "OLDPACS", "CT1"), self.instances)
            of_legacy = foreign.folder_digests(legacy.files())
        with foreign.Orthanc(self.folder / "direct-new", "NEWPACS") as new:
            sender.send(sender.Target(("127.0.0.1", new.port), "NEWPACS", "CT1", timeout=PATIENCE), self.instances)
            of_new = new.digests()
        return of_legacy, of_new

    def start(self) -> None:
        """Both archives, then the gateway between the modality and them."""
        keep = self.stack.enter_context
        self.legacy = keep(foreign.DcmQrScp(self.folder / "legacy", "OLDPACS", [*self.instances, PATIENT]))
        pair = self.authority.issue("newpacs", algorithm="rsa")
        self.new = keep(foreign.Orthanc(self.folder / "new", "NEWPACS", (pair, self.authority.certificate)))
        quick = {"retry_min": "200ms", "retry_max": "2s", "response": f"{PATIENCE:g}s"}
        # dcmqrscp loses instances when two associations store at the same time.
        nodes = [Node("legacy", 1, "OLDPACS", self.legacy.port, options=dict(quick, associations=1)),
                 Node("new", 2, "NEWPACS", self.new.port, tls=True, options=quick)]
        clients = [{"ae_title": "CT1", "certificate": "CN=ct1", "services": ["echo", "store"]}]
        self.gateway = keep(Daemon(self.folder / "gateway", nodes, authority=self.authority,
                                   settings={"clients": clients}))
        context = client_context(self.modality.certificate, self.modality.key, self.authority.certificate)
        self.target = sender.Target(("127.0.0.1", self.gateway.tls_port), "DICOMGATE", "CT1", context)

    def send_with_crash(self) -> None:
        """The modality sends everything; the gateway is killed once half of it is acknowledged. What the
        modality got no answer for it sends again, as a modality does."""
        half = len(self.sent) // 2
        thread = threading.Thread(target=self._send)
        thread.start()
        wait_for("half is acknowledged", lambda: len(self._acknowledged()) >= half or not thread.is_alive(),
                 120, 0.001)
        self.gateway.kill()
        acknowledged = len(self._acknowledged())
        say(f"  killed the gateway (SIGKILL) with {acknowledged} of {len(self.sent)} instances acknowledged")
        thread.join()
        begun = time.monotonic()
        self.gateway.start()
        say(f"  started it again: ready after {time.monotonic() - begun:.1f} s")
        self._send()

    def _acknowledged(self) -> set[str]:
        return {result.instance.sop_instance for result in list(self.results) if result.status == 0}

    def _send(self) -> None:
        """Sends what is not acknowledged; stops at the first broken association."""
        done = self._acknowledged()
        waiting = [instance for instance in self.instances if instance.sop_instance not in done]
        pairs = dict.fromkeys((i.sop_class, i.transfer_syntax) for i in waiting)
        for group in (list(pairs)[n:n + 128] for n in range(0, len(pairs), 128)):
            try:
                association = self.target.open(group)
            except sender.FAILURES:
                return
            with association:
                for instance in waiting:
                    if (instance.sop_class, instance.transfer_syntax) not in group:
                        continue
                    try:
                        self.results.append(sender.store(association, instance, self.target))
                    except sender.StoreBroke:
                        return
                association.release()

    def wait_settled(self, of_legacy: dict[str, str], of_new: dict[str, str]) -> None:
        """Until each archive holds all that it takes; at the deadline the table tells what is missing."""
        wanted = [set(of_legacy) & set(self.sent), set(of_new) & set(self.sent)]
        try:
            wait_for("archives complete", lambda: len(self.legacy.files()) >= len(wanted[0])
                     and len(self.new.instances()) >= len(wanted[1]), SETTLE, 0.2)
            stuck = sum(len(self.sent) - len(each) for each in wanted)
            wait_for("ledger settled", lambda: self.gateway.owed() <= stuck, 60, 0.2)
        except AssertionError as error:
            say(f"  {error}")

    def report(self, of_legacy: dict[str, str], of_new: dict[str, str]) -> bool:
        held = [foreign.folder_digests(self.legacy.files()), self.new.digests()]
        verdicts = [judge("legacy (dcmqrscp, plain)", self.sent, of_legacy, held[0]),
                    judge("new (Orthanc, DICOM TLS)", self.sent, of_new, held[1])]
        say(table(verdicts))
        for verdict in verdicts:
            for what in ("missing", "different", "refused"):
                for name in getattr(verdict, what):
                    say(f"    {verdict.name}: {what}: {name}")
        refused = [r for r in self.results if r.status not in (0, None) or r.error]
        for result in refused:
            say(f"    not acknowledged by the gateway: {result.instance.name}: "
                f"{'' if result.status is None else f'{result.status:04X} '}{result.comment or result.error}")
        say("\nThe gateway's ledger:")
        for words in (("ledger", "stats"), ("archive", "list"), ("ledger", "show", next(iter(self.sent)))):
            done = self.gateway.run_client(*words)
            say("\n".join(f"  {line}" for line in (f"$ dicomgate {' '.join(words)}\n" + done.stdout
                                                  + done.stderr).splitlines()))
        acknowledged = len(self._acknowledged())
        say(f"\n  sent {len(self.sent)}, acknowledged {acknowledged}")
        return all(v.is_good() for v in verdicts) and acknowledged == len(self.sent) and not refused

    # ---- rules and crosswalk

    def give_domains(self) -> None:
        """The gateway again, with a domain and rules for each archive, and a row of crosswalk."""
        if self.gateway.stop() != 0:
            raise AssertionError("the gateway did not stop well")
        settings = self.gateway.settings
        packs = edits.pack(self.folder / "packs", "{ set: InstitutionName, to: St Mary }")
        merge(settings, {"domains": edits.DOMAINS["domains"], "rules": {"packs": packs},
                         "nodes": {"legacy": {"domain": "LEGACY"}, "new": {"domain": "ENTERPRISE", "packs": ["site"]}}})
        settings["clients"][0]["domain"] = "LEGACY"
        self.gateway.write()
        self.gateway.start()
        edits.crosswalk(self.gateway, "import", text=edits.rows({"4711": "E-1001"}))

    def copy_at_new(self) -> Path | None:
        found = self.new.post("/tools/lookup", PATIENT.sop_instance.encode())
        if not found:
            return None
        path = self.folder / "copy.dcm"
        path.write_bytes(self.new.get(f"/instances/{found[0]['ID']}/file"))
        return path

    def copy_at_legacy(self) -> Path | None:
        return next((path for path in self.legacy.files() if part10.read(path).sop_instance == PATIENT.sop_instance), None)

    def send_patient(self) -> bool:
        """Each archive gets it under the ID of its own domain; the difference is exactly the edits on record."""
        result, = sender.send(self.target, [PATIENT])
        say(f"  sent patient 4711 of ST MARYS HOSP: {result.status:04X}")
        old = wait_for("the legacy archive has it", self.copy_at_legacy, 60, 0.2)
        new = wait_for("the new archive has it", self.copy_at_new, 60, 0.2)
        is_exact = part10.read(old).digest() == PATIENT.digest()
        copy = edits.read(new.read_bytes())
        say(f"  legacy has it {'byte for byte' if is_exact else 'CHANGED'}; new has {copy.PatientID} of "
            f"{copy.IssuerOfPatientID}, {copy.InstitutionName}\n")
        words = ("ledger", "prove", PATIENT.sop_instance, "--archive", "new", "--file", str(new), "--show-phi")
        done = wait_for("the ledger has it", lambda: self._done(words), 20, 0.2)
        say("  $ dicomgate ledger prove UID --archive new --file copy.dcm --show-phi")
        say("\n".join(f"  {line}" for line in done.splitlines()))
        return (is_exact and (copy.PatientID, copy.IssuerOfPatientID, copy.InstitutionName)
                == ("E-1001", "GROUP", "St Mary") and done.startswith("differs only by edits"))

    def _done(self, words: tuple[str, ...]) -> str:
        done = self.gateway.run_client(*words)
        return done.stdout if done.returncode == 0 else ""


def run(folder: Path, once: bool) -> int:
    with ExitStack() as stack:
        demo = Demo(folder, stack)
        if not demo.sent:
            say("nothing to send: that is a failure")
            return 1
        say(f"1. {len(demo.sent)} instances, one for each SOP Instance UID, from {demo.origin}.")
        say("2. What the two archives make of them when they are sent to directly...")
        direct = demo.measure_archives()
        say(f"  dcmqrscp keeps {len(direct[0])}, Orthanc {len(direct[1])}; the rest they refuse by themselves.")
        say("3. Starting dcmqrscp as the legacy archive, Orthanc as the new one, and the gateway...")
        demo.start()
        say("4. The modality sends over mutual TLS; a crash in the middle...")
        demo.send_with_crash()
        say("5. Waiting for both archives...")
        demo.wait_settled(*direct)
        say("6. What each archive holds, compared by the digest of the data set:\n")
        good = demo.report(*direct)
        say(f"\n{'Everything arrived.' if good else 'NOT everything arrived.'}")
        say("\n7. Two domains of patient IDs, a crosswalk between them and a rule pack for the new archive...")
        demo.give_domains()
        proven = demo.send_patient()
        say(f"\n{'Edited as it should be, and proven.' if proven else 'NOT edited as it should be.'}")
        good = good and proven
        if not once:
            linger(demo)
        return 0 if good else 1


def linger(demo: Demo) -> None:
    """Leaves everything running for a look around."""
    say(f"\nStill running; end with Ctrl-C:\n"
        f"  Orthanc's pages        http://127.0.0.1:{demo.new.http}/\n"
        f"  dcmqrscp's files       {demo.legacy.store}\n"
        f"  the gateway            {BINARIES / 'dicomgate'} --config {demo.gateway.file} status")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when everything has been shown")
    arguments = parser.parse_args()
    if not built():
        say(f"no dicomgated in {BINARIES}: build it first")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="dicomgate-demo-"))
    try:
        return run(folder, arguments.once)
    except AssertionError as error:
        say(f"failed: {error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
