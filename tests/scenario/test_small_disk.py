# SPDX-License-Identifier: Apache-2.0
"""The data folder on a file system of 8 MB, until it is full to the last byte and beyond: what was acknowledged
arrives, nothing else is acknowledged, and when there is room again the gateway takes instances as before."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from dgtest import part10, pdu, sender
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes

SIZE = 8 << 20
SETTINGS = {"gateway": {"workers": 1},
            "journal": {"segment_size": "1MiB", "watermark": "4MiB", "reserve": "3MiB", "association_watermark": "4MiB",
                        "unsynced": "1MiB"},
            "ledger": {"map": "16MiB"}}


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    place = folder / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "none", str(place)],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system of its own for this test: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def store(stage: Stage, number: int, size: int) -> tuple[part10.Instance, str]:
    """What came of it: a status, `rejected R,S,R`, or `broken`."""
    one = part10.generate(size, 97, number, sop_class=STORAGE)
    try:
        with stage.target(timeout=20).open([(STORAGE, pdu.EXPLICIT_LE)]) as association:
            result = sender.store(association, one, stage.target())
            association.release()
            return one, f"{result.status:04X}"
    except sender.Rejected as rejected:
        return one, "rejected %d,%d,%d" % rejected.triple
    except (sender.StoreBroke, *sender.FAILURES):
        return one, "broken"


def fill(stage: Stage, kept: list[part10.Instance], first: int) -> dict[str, int]:
    """Stores until it has been refused ten times; the archives are away."""
    met: dict[str, int] = {}
    for number in range(first, first + 400):
        one, what = store(stage, number, 100_000)
        met[what] = met.get(what, 0) + 1
        if what == "0000":
            kept.append(one)
        assert stage.daemon.alive(), stage.daemon.tail()
        if sum(count for key, count in met.items() if key != "0000") >= 10:
            return met
    raise AssertionError(f"an 8 MB file system took everything: {met}")


def fill_up(ballast: Path) -> None:
    """Not a byte is left, not even for the reserve."""
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(descriptor, bytes(4096)):
            pass
    except OSError:
        pass
    finally:
        os.close(descriptor)


def accepts_again(stage: Stage, kept: list[part10.Instance], number: int) -> None:
    tried = iter(range(number, number + 100_000))

    def stored() -> bool:
        one, what = store(stage, next(tried), 1000)
        if what == "0000":
            kept.append(one)
        return what == "0000"
    wait_for("an instance is taken again", stored, 60, 0.1)


def test_full_to_the_last_byte_and_well_again(folder, disk):
    settings = {**SETTINGS, "gateway": {**SETTINGS["gateway"], "data": str(disk / "data")}}
    kept: list[part10.Instance] = []
    with Stage(folder, settings=settings, node_options={"retry_max": "200ms"}) as stage:
        for archive in stage.archives:
            archive.down()
        met = fill(stage, kept, 0)
        print(f"filled: {met}, {free(disk)} bytes free")
        assert set(met) <= {"0000", "A700", "rejected 2,3,1"} and met.get("0000", 0) > 5
        ballast = disk / "ballast"
        fill_up(ballast)
        for number in range(1000, 1010):
            _, what = store(stage, number, 1000)
            assert what in ("A700", "rejected 2,3,1"), what
        for archive in stage.archives:
            archive.up()
        ballast.unlink()
        stage.wait_arrived(kept, 60)
        accepts_again(stage, kept, 2000)
        stage.wait_arrived(kept, 60)
        stage.daemon.wait_drained(60)
        assert stage.daemon.stop() == 0
        stage.daemon.start()
        accepts_again(stage, kept, 200_000)
        stage.wait_arrived(kept, 60)
        for archive in stage.archives:
            assert not same_bytes(kept, archive.copies())


def test_killed_on_a_full_disk(folder, disk):
    """It starts again where nothing can be written, and goes on when there is room."""
    settings = {**SETTINGS, "gateway": {**SETTINGS["gateway"], "data": str(disk / "data")}}
    kept: list[part10.Instance] = []
    with Stage(folder, settings=settings, node_options={"retry_max": "200ms"}) as stage:
        for archive in stage.archives:
            archive.down()
        fill(stage, kept, 0)
        ballast = disk / "ballast"
        fill_up(ballast)
        stage.daemon.kill()
        stage.daemon.start(ready=False)
        process = stage.daemon.process
        wait_for("up, or ended with a word", lambda: process.poll() is not None
                 or stage.daemon.run_client("status", "--json").returncode in (0, 1), 30, 0.05)
        if process.poll() is not None:
            print(f"without room it does not start: {process.returncode}\n{stage.daemon.tail(3)}")
            assert process.returncode > 0
            stage.daemon.process = None
        ballast.unlink()
        for archive in stage.archives:
            archive.up()
        if stage.daemon.process is None:
            stage.daemon.start()
        stage.wait_arrived(kept, 60)
        accepts_again(stage, kept, 3000)
        stage.wait_arrived(kept, 60)
