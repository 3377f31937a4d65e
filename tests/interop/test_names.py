# SPDX-License-Identifier: Apache-2.0
"""Names in the scripts of the world go to two archives and read the same there as at the source: to DCMTK, to pydicom
and to Orthanc; without edits, and with edits beside them."""
from __future__ import annotations

import json
import subprocess
import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from dgtest import edits, foreign, part10, sender
from dgtest.daemon import Daemon, Node
from dgtest.ports import wait_for
from dgtest.stage import STORAGE

EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass
class Script:
    """One character set: the value to the byte, and what it says."""
    name: str
    charset: str
    value: bytes
    text: str


def plain(name: str, charset: str, codec: str, text: str) -> Script:
    return Script(name, charset, text.encode(codec), text)


SCRIPTS = [  # the first three and the Korean and Chinese ones are PS3.5 annexes H, I, J and K, to the byte
    Script("japanese-kanji", "\\ISO 2022 IR 87",
           b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
           "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    Script("japanese-katakana", "ISO 2022 IR 13\\ISO 2022 IR 87",
           b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
           "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    Script("japanese-supplement", "\\ISO 2022 IR 87\\ISO 2022 IR 159",
           b"Tanaka^J=\x1b$B;3\x1b$(D\x30\x21\x1b(B^\x1b$BB@O:\x1b(B", "Tanaka^J=山丂^太郎"),
    Script("korean", "\\ISO 2022 IR 149",
           b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
           "Hong^Gildong=洪^吉洞=홍^길동"),
    Script("chinese-58", "\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
           "Zhang^XiaoDong=张^小东"),
    plain("chinese-gb18030", "GB18030", "gb18030", "Wang^XiaoDong=王^小东㐂"),
    plain("chinese-gbk", "GBK", "gbk", "Wang^XiaoDong=王^小东"),
    Script("chinese-gbk-delimiters", "GBK", "Wang^A=乗^亊".encode("gbk"), "Wang^A=乗^亊"),  # 5C and 5E as second bytes
    plain("chinese-utf8", "ISO_IR 192", "utf-8", "Wang^XiaoDong=王^小東=김^희중"),
    plain("greek", "ISO_IR 126", "iso8859-7", "Διονυσιος^Αρης"),
    plain("arabic", "ISO_IR 127", "iso8859-6", "قباني^لنزار"),
    plain("hebrew", "ISO_IR 138", "iso8859-8", "שרון^דבורה"),
    plain("cyrillic", "ISO_IR 144", "iso8859-5", "Люкceмбypг^Иван"),
    plain("thai", "ISO_IR 166", "tis-620", "สมชาย^ใจดี"),
]

# It takes 5C as a second byte for a delimiter, and leaves the escape sequence of IR 58 in the text.
PYDICOM_MISREADS = ("chinese-gbk-delimiters", "chinese-58")


def made(folder: Path, number: int, script: Script, patient: str) -> part10.Instance:
    """A data set written byte by byte, so that no library has a say in how the name is encoded."""
    def text(tag: int, vr: str, value: bytes, padding: bytes = b" ") -> bytes:
        return part10.element(tag, vr, value + padding * (len(value) % 2))

    uid = part10.uid(77, number)
    content = b"".join([
        text(0x00080005, "CS", script.charset.encode()), text(0x00080016, "UI", STORAGE.encode(), b"\0"),
        text(0x00080018, "UI", uid.encode(), b"\0"), text(0x00080020, "DA", b"20200301"),
        text(0x00080030, "TM", b"101500"), text(0x00080050, "SH", b"A1"), text(0x00080060, "CS", b"OT"),
        text(0x00080064, "CS", b"WSD"), text(0x00080090, "PN", script.value), text(0x00081030, "LO", b"Names"),
        text(0x00100010, "PN", script.value), text(0x00100020, "LO", patient.encode()),
        text(0x00100030, "DA", b"19700101"), text(0x00100040, "CS", b"O"),
        text(0x0020000D, "UI", part10.uid(78, number).encode(), b"\0"),
        text(0x0020000E, "UI", part10.uid(79, number).encode(), b"\0"), text(0x00200010, "SH", b"1"),
        text(0x00200011, "IS", b"1"), text(0x00200013, "IS", b"1")])
    folder.mkdir(parents=True, exist_ok=True)
    return part10.Instance(script.name, STORAGE, uid, EXPLICIT, len(content), content=content)


# ---- three readers of Patient's Name; the first two also of Referring Physician's Name

def by_pydicom(data: bytes) -> tuple[str, str]:
    from io import BytesIO

    import pydicom
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(BytesIO(data), force=True)
        return str(dataset.PatientName), str(dataset.ReferringPhysicianName)


def by_dcmtk(data: bytes, folder: Path) -> tuple[bytes, bytes]:
    """In UTF-8; as the bytes that stand there where the C library's iconv does not have the set (JIS X 0208, 0212)."""
    place = folder / "read.dcm"
    place.write_bytes(data)
    found = []
    for tag in ("0010,0010", "0008,0090"):
        for conversion in (["+U8"], []):
            done = subprocess.run(["dcmdump", "-q", *conversion, "+L", "+P", tag, place], capture_output=True)
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split(b"[", 1)[1].rsplit(b"]", 1)[0])
    return found[0], found[1]


def by_orthanc(server: foreign.Orthanc, uid: str) -> str:
    """Orthanc's own decoding of Patient's Name. It asks DCMTK for the JSON in UTF-8."""
    for identifier in server.instances():
        tags = json.loads(server.get(f"/instances/{identifier}/simplified-tags"))
        if tags["SOPInstanceUID"] == uid:
            return tags["PatientName"]
    raise AssertionError(f"Orthanc does not have {uid}")


def readings(data: bytes, folder: Path) -> dict[str, tuple]:
    return {"pydicom": by_pydicom(data), "DCMTK": by_dcmtk(data, folder)}


@dataclass
class Source:
    """What each program reads in an instance before it has gone anywhere."""
    script: Script
    instance: part10.Instance
    readings: dict[str, tuple]
    orthanc: str


def sources(folder: Path) -> list[Source]:
    """The names to send. Orthanc's reading is that of what was sent to it directly."""
    with foreign.Orthanc(folder / "direct", "DIRECT") as server:
        instances = [made(folder / "made", n, script, f"P{n:03d}") for n, script in enumerate(SCRIPTS, 1)]
        told = sender.send(sender.Target(("127.0.0.1", server.port), "DIRECT", "CT1"), instances)
        assert [r.status for r in told] == [0] * len(told)
        files = [edits.file_of(folder, one.content, one.sop_instance).read_bytes() for one in instances]
        return [Source(script, instance, readings(data, folder), by_orthanc(server, instance.sop_instance))
                for script, instance, data in zip(SCRIPTS, instances, files)]


def through(folder: Path, found: list[Source], node: dict, settings: dict,
            check, crosswalk: str = "") -> None:
    """Sends all to dcmqrscp and Orthanc through the gateway, then calls check(source, file at dcmqrscp, file at
    Orthanc, Orthanc's reading)."""
    instances = [one.instance for one in found]
    with foreign.DcmQrScp(folder / "dcmqrscp", "OLDPACS", instances) as old, \
            foreign.Orthanc(folder / "orthanc", "NEWPACS") as new:
        nodes = [Node("old", 1, "OLDPACS", old.port, options={"associations": 1, **deepcopy(node)}),
                 Node("new", 2, "NEWPACS", new.port, options=deepcopy(node))]
        daemon = Daemon(folder / "gateway", nodes, settings=settings)
        with daemon:
            if crosswalk:
                rows = daemon.folder / "rows.csv"
                rows.write_text(crosswalk, encoding="utf-8")
                done = daemon.run_client("crosswalk", "import", str(rows), "--person", "Ada", "--reason", "test")
                assert done.returncode == 0, done.stdout + done.stderr
            told = sender.send(sender.Target(("127.0.0.1", daemon.port), calling="CT1"), instances)
            assert [(r.instance.name, r.status) for r in told if r.status != 0] == []
            wait_for("all delivered", lambda: daemon.owed() == 0, 60, 0.2)
        old_files = {part10.read(path).sop_instance: path.read_bytes() for path in old.files()}
        new_files = {}
        for identifier in new.instances():
            place = folder / "fetched.dcm"
            place.write_bytes(new.get(f"/instances/{identifier}/file"))
            new_files[part10.read(place).sop_instance] = place.read_bytes()
        for one in found:
            uid = one.instance.sop_instance
            check(one, old_files[uid], new_files[uid], by_orthanc(new, uid))


def test_the_source_says_what_is_meant(folder):
    """Else the others prove nothing."""
    for one in sources(folder):
        name, meant = one.script.name, (one.script.text, one.script.text)
        if name not in PYDICOM_MISREADS:
            assert one.readings["pydicom"] == meant, name
        if not name.startswith("japanese"):  # iconv
            assert tuple(text.decode() for text in one.readings["DCMTK"]) == meant, name
        print(f"{one.script.name}: Orthanc reads {one.orthanc}")


def test_names_without_edits(folder):
    def check(one: Source, old: bytes, new: bytes, orthanc: str) -> None:
        for data in (old, new):
            assert data.endswith(one.instance.content), one.script.name
            assert readings(data, folder) == one.readings, one.script.name
        assert orthanc == one.orthanc, one.script.name

    through(folder, sources(folder), {}, {}, check)


def test_names_beside_edits(folder):
    """Institution Name is set and Patient ID mapped in every one: the names are the same bytes, and read the same."""
    def check(one: Source, old: bytes, new: bytes, orthanc: str) -> None:
        for data in (old, new):
            dataset = edits.read(data)
            assert dataset.InstitutionName == "St Mary", one.script.name
            assert dataset.PatientID == "E-" + edits.read_instance(one.instance).PatientID, one.script.name
            assert edits.raw(dataset, "PatientName") == edits.padded(one.script.value), one.script.name
            assert readings(data, folder) == one.readings, one.script.name
        assert orthanc == one.orthanc, one.script.name

    found = sources(folder)
    packs = edits.pack(folder / "packs", "{ set: InstitutionName, to: St Mary }")
    ids = [edits.read_instance(one.instance).PatientID for one in found]
    through(folder, found, {"domain": "ENTERPRISE", "packs": ["site"]}, {"rules": {"packs": packs}, **edits.DOMAINS},
            check, crosswalk=edits.rows({id: f"E-{id}" for id in ids}))
