# SPDX-License-Identifier: Apache-2.0
"""What tests of rules and crosswalk share: domains, packs, rows, instances written byte by byte, and what pydicom reads
in a copy."""
from __future__ import annotations

import subprocess
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom

from . import part10
from .daemon import Daemon
from .ports import wait_for

STORAGE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"
WHO = ("--person", "Ada", "--reason", "test")
HEADER = "source_domain,source_id,target_domain,target_id,name\n"
# Of every client that is not told otherwise, and of the archives that are given one.
DOMAINS = {"domains": {"LEGACY": {"issuers": ["OLDHOSP"]}, "ENTERPRISE": {"issuers": ["GROUP"]}},
           "clients": [{"ae_title": "CT1", "domain": "LEGACY"},
                       {"ae_title": "TORN", "domain": "LEGACY", "quirks": ["accept_unscanned"]}]}


# ---- what goes in

def instance(number: int, *, study: int = 1, patient: str = "0001", issuer: str = "", charset: str = "ISO_IR 100",
             extra: dict[int, tuple[str, bytes]] | None = None, behind: bytes = b"") -> part10.Instance:
    """A secondary capture of four pixels. `extra`: tag to VR and value; `behind`: bytes behind Pixel Data."""
    uid = part10.uid(90, study, number)
    values: dict[int, tuple[str, bytes]] = {
        0x00080005: ("CS", charset.encode()), 0x00080016: ("UI", STORAGE.encode()), 0x00080018: ("UI", uid.encode()),
        0x00080020: ("DA", b"20200301"), 0x00080030: ("TM", b"101500"), 0x00080050: ("SH", b"A1"),
        0x00080060: ("CS", b"OT"), 0x00080064: ("CS", b"WSD"), 0x00080070: ("LO", b"dgtest"),
        0x00080090: ("PN", b""), 0x00081030: ("LO", b"Study"), 0x00100010: ("PN", b"Doe^Jane"),
        0x00100020: ("LO", patient.encode()), 0x00100030: ("DA", b"19700101"), 0x00100040: ("CS", b"F"),
        0x0020000D: ("UI", part10.uid(91, study).encode()), 0x0020000E: ("UI", part10.uid(92, study).encode()),
        0x00200010: ("SH", b"1"), 0x00200011: ("IS", b"1"), 0x00200013: ("IS", str(number).encode()),
        0x00200020: ("CS", b""), 0x00280002: ("US", b"\1\0"), 0x00280004: ("CS", b"MONOCHROME2"),
        0x00280010: ("US", b"\2\0"), 0x00280011: ("US", b"\2\0"), 0x00280100: ("US", b"\x08\0"),
        0x00280101: ("US", b"\x08\0"), 0x00280102: ("US", b"\x07\0"), 0x00280103: ("US", b"\0\0"),
        0x7FE00010: ("OB", b"\1\2\3\4")}
    if issuer:
        values[0x00100021] = ("LO", issuer.encode())
    values.update(extra or {})
    content = b"".join(part10.element(tag, *values[tag]) for tag in sorted(values)) + behind
    return part10.Instance(f"study {study} number {number}", STORAGE, uid, EXPLICIT, len(content), content=content)


def study_uid(study: int) -> str:
    return part10.uid(91, study)


def put_pack(folder: Path, text: str, *archives: str) -> dict[str, Any]:
    """Writes the pack `site`; the settings that give it to these archives."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(text)
    return {"rules": {"packs": str(folder)}, "nodes": {name: {"packs": ["site"]} for name in archives}}


def pack(folder: Path, *actions: str, when: str = "", tables: str = "") -> str:
    """Writes the pack `site` of one rule; the folder."""
    lines = ["pack: site", "version: 1.0.0", "description: what a site would write"]
    lines += [f"tables: {tables}"] if tables else []
    lines += ["rules:", "  - rule: one"] + ([f"    when: {when}"] if when else []) + ["    do:"]
    put_pack(folder, "\n".join(lines + [f"      - {action}" for action in actions]) + "\n")
    return str(folder)


def rows(targets: dict[str, str]) -> str:
    """A crosswalk file: ID in LEGACY to ID in ENTERPRISE."""
    return HEADER + "".join(f"LEGACY,{source},ENTERPRISE,{target},\n" for source, target in targets.items())


def crosswalk(daemon: Daemon, *words: str, text: str = "") -> None:
    """`dicomgate crosswalk WORDS`, with `text` in a file as the last word."""
    if text:
        path = daemon.folder / "crosswalk.txt"
        path.write_text(text, encoding="utf-8")
        words = (*words, str(path))
    done = daemon.run_client("crosswalk", *words, *WHO)
    assert done.returncode == 0, f"{words}: {done.returncode} {done.stdout}{done.stderr}"


# ---- what comes out

def holds(daemon: Daemon, **filters: str) -> list[dict[str, Any]]:
    """Groups of `dicomgate hold list`."""
    words = [word for name, value in filters.items() for word in (f"--{name}", value)]
    return daemon.ask("hold", "list", *words)["groups"]


def wait_held(daemon: Daemon, count: int, seconds: float = 30.0) -> list[dict[str, Any]]:
    wait_for(f"{count} held", lambda: sum(group["count"] for group in holds(daemon)) == count, seconds, 0.1)
    return holds(daemon)


def read(data: bytes) -> pydicom.Dataset:
    """A data set of this module's transfer syntax, or a file of PS3.10."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if data[128:132] == b"DICM":
            return pydicom.dcmread(BytesIO(data))
        from pydicom.filereader import read_dataset
        return read_dataset(BytesIO(data), is_implicit_VR=False, is_little_endian=True)


def read_instance(of: part10.Instance) -> pydicom.Dataset:
    return read(b"".join(of.chunks()))


def raw(dataset: pydicom.Dataset, keyword: str) -> bytes:
    """The bytes of a value as they stand there."""
    value = dataset.get_item(keyword)
    return value.value if isinstance(value.value, bytes) else str(value.value).encode()


def padded(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


def differences(before: pydicom.Dataset, after: pydicom.Dataset) -> set[str]:
    """Keywords of the elements at the top that are not the same in both."""
    tags = set(before.keys()) | set(after.keys())
    return {pydicom.datadict.keyword_for_tag(tag) or str(tag) for tag in tags
            if tag not in before or tag not in after or before[tag] != after[tag]}


def file_of(folder: Path, data: bytes, uid: str, transfer_syntax: str = EXPLICIT) -> Path:
    """The data set as a file of PS3.10, the same bytes behind a meta header."""
    path = folder / "copy.dcm"
    path.write_bytes(part10.file_bytes(STORAGE, uid, transfer_syntax, data))
    return path


def validity(path: Path) -> set[str]:
    """The errors that dciodvfy (dicom3tools) finds."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace")
    return {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")}
