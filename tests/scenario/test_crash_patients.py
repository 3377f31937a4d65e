# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed at random points, each kill as bad as a power cut, while studies come in and the crosswalk learns
their patients in the midst of them. Whatever a kill takes back, a study has one patient at an archive of another domain
(FIELD 1), an import that was acknowledged is there, and so is each instance. DG_KILLS sets the number of kills (a tenth
of it, at least 8), DG_SEED the random choices."""
from __future__ import annotations

import csv
import os
import random
import subprocess
import threading
from collections import defaultdict
from io import StringIO
from pathlib import Path

from dgtest import edits, part10, sender
from dgtest.daemon import CLIENT, Daemon
from dgtest.killer import Killer
from dgtest.ports import wait_for
from dgtest.stage import Stage, same_bytes

KILLS = max(8, int(os.environ.get("DG_KILLS", "200")) // 10)
SEED = int(os.environ.get("DG_SEED", str(random.SystemRandom().randrange(1 << 32))))
STUDY = 40  # instances: a study sees more than one life
WORKERS = 4


class Hospital:
    """Sends studies of ever new patients; meanwhile imports patients of those that are coming in, or of one soon to come.
    Those of the first worker stay unknown, so that there are some of either kind however slow the machine is."""

    def __init__(self, daemon: Daemon, killer: Killer, chance: random.Random) -> None:
        self.daemon, self.killer, self.chance = daemon, killer, chance
        self.study = {worker: worker * 100_000 for worker in range(WORKERS)}
        self.known: set[str] = set()  # whose import was acknowledged
        self.in_time: set[int] = set()  # studies whose patient was known before their first instance
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._import, daemon=True)

    def make(self, worker: int, number: int) -> part10.Instance:
        study = worker * 100_000 + number // STUDY
        self.study[worker] = study
        if number % STUDY == 0 and f"P{study}" in self.known:
            self.in_time.add(study)
        return edits.instance(number, study=study, patient=f"P{study}", extra={0x7FE00010: ("OW", bytes(4000))})

    def _import(self) -> None:
        path = self.daemon.folder / "crosswalk.csv"
        while not self.stop.wait(0.01):
            patients = {f"P{self.study[worker] + self.chance.randrange(4)}" for worker in range(1, WORKERS)} - self.known
            if not patients:
                continue
            path.write_text(edits.rows({one: f"E-{one}" for one in self.known | patients}))
            with self.killer.starting:
                done = subprocess.run([str(CLIENT), "--config", str(self.daemon.file), "crosswalk", "import",
                                       str(path), *edits.WHO], capture_output=True, timeout=60)
            if done.returncode == 0:
                self.known |= patients

    def has_either(self, load: sender.Load) -> bool:
        """Studies of patients who were known in time and of unknown ones were stored."""
        studies = {int(instance.sop_instance.split(".")[-2]) for instance in load.stored()}
        return not self.in_time.isdisjoint(studies) and any(study < 100_000 for study in studies)


def exported(daemon: Daemon) -> set[str]:
    done = daemon.run_client("crosswalk", "export", "--clear", *edits.WHO)
    assert done.returncode == 0, done.stderr
    return {row["source_id"] for row in csv.DictReader(StringIO(done.stdout))}


def check_patients(stage: Stage) -> None:
    patients: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for copy in stage.new.copies():
        after = edits.read(stage.new.data(copy))
        patients[after.StudyInstanceUID].add((after.PatientID, after.IssuerOfPatientID))
    split = {study: found for study, found in patients.items() if len(found) > 1}
    assert not split, f"{len(split)} of {len(patients)} studies have two patients, such as {list(split.items())[:3]}"
    found = {one for study in patients.values() for one in study}
    assert all(name.startswith("E-") == (issuer == "GROUP") for name, issuer in found)
    mapped = sum(issuer == "GROUP" for _, issuer in found)
    print(f"{len(patients)} studies, {mapped} of them mapped")
    assert 0 < mapped < len(found)


def test_kills_split_no_study(folder: Path) -> None:
    chance = random.Random(SEED)
    print(f"{KILLS} kills, DG_SEED={SEED}")
    nodes = {"legacy": {"domain": "LEGACY"}, "new": {"domain": "ENTERPRISE"}}
    settings = {**edits.DOMAINS, "journal": {"segment_size": "8MiB"}, "nodes": nodes}
    with Stage(folder, start=False, settings=settings) as stage:
        killer = Killer(stage.daemon, folder, chance)
        hospital = Hospital(stage.daemon, killer, chance)
        load = sender.Load(stage.target(timeout=20), hospital.make, workers=WORKERS).start()
        hospital.thread.start()
        try:
            for _ in range(KILLS):
                killer.round()
            wait_for(f"{KILLS} stored", lambda: len(load.stored()) >= KILLS or killer.round(), 120)
            killer.disarm()
            with killer.starting:
                stage.daemon.start()
            wait_for("studies of known and of unknown patients", lambda: hospital.has_either(load), 120)
        finally:
            hospital.stop.set()
            load.stop()
            hospital.thread.join()
        stored = load.stored()
        stage.daemon.wait_caught_up()
        stage.wait_arrived(stored)
        assert same_bytes(stored, stage.legacy.copies()) == []
        check_patients(stage)
        assert hospital.known <= exported(stage.daemon)
