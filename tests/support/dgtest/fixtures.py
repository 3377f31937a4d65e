# SPDX-License-Identifier: Apache-2.0
"""Fixtures for both test folders; `from dgtest.fixtures import *` in their conftest.py."""
from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from . import corpus, daemon

KEPT = {".log", ".txt", ".yaml", ".jsonl", ".cfg", ".json"}
KEPT_BYTES = 8 << 20


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = (yield).get_result()
    if report.failed:
        item.failed = item.getparent(pytest.Module).failed = True


def folder_of(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A new folder, removed in the end. What people can read in it is kept if the test, or one of the module, failed."""
    path = Path(tempfile.mkdtemp(prefix="dgtest-", dir=os.environ.get("DG_TMP")))
    yield path
    if getattr(request.node, "failed", False):
        name = re.sub(r"[^\w.-]+", "_", request.node.nodeid.split("tests/")[-1])
        keep_logs(path, daemon.ROOT / "build" / "test-logs" / name)
    shutil.rmtree(path, ignore_errors=True)


folder = pytest.fixture(folder_of, name="folder")
module_folder = pytest.fixture(folder_of, name="module_folder", scope="module")


def keep_logs(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for file in source.rglob("*"):
        if file.is_file() and file.suffix in KEPT and file.stat().st_size < KEPT_BYTES:
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    print(f"logs kept in {target}")


@pytest.fixture(autouse=True, scope="session")
def programs() -> None:
    """Every test here needs the built programs."""
    if not daemon.built():
        pytest.exit(f"no dicomgated in {daemon.BINARIES}: build first, or set DG_BIN", returncode=2)


needs_corpus = pytest.mark.skipif(not corpus.rows(), reason=corpus.ABSENT)
measured = pytest.mark.skipif(any(part in ("dev", "tsan", "coverage") for part in daemon.BINARIES.parts),
                              reason="memory and rates are not measured under sanitizers")
