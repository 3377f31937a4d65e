# SPDX-License-Identifier: Apache-2.0
"""`dicomgate ledger prove` and the edits in `ledger show`: copies as the archive got them, rewritten by DCMTK and
pydicom, and with one byte changed. The ledger is written by tests/support/ledger_edited.c, as the gateway would."""
import json
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dgtest import corpus, part10
from dgtest.daemon import BINARIES, CLIENT
from dgtest.edits import put_pack
from dgtest.fixtures import needs_corpus
from dgtest.ports import wait_for
from dgtest.recipient import auditor, cms_opened
from dgtest.stage import Stage

MAKER = BINARIES / "ledger_edited"

CONFIGURATION = """
gateway: { ae_title: GW, data: data, keyring: keyring, master_key_file: master.key }
listeners: [ { name: a, address: "127.0.0.1:104", plain: yes } ]
nodes:
  new: { id: 1, kind: archive, ae_title: NEW, address: "10.0.0.5:104", plain: yes }
  old: { id: 2, kind: archive, ae_title: OLD, address: "10.0.0.6:104", plain: yes }
phases: { one: { store: [ { to: [new, old] } ] } }
start_phase: one
"""
UID = "1.2.826.0.1.3680043.8.498.77"
PIXELS = bytes(range(256)) * 8
EDITS = [
    ("set", "PatientID", "-", "N-9999"),
    ("set", "PatientID", "-", "N-0001"),
    ("set", "PatientName", "-", "Müller^Ëva"),
    ("set", "IssuerOfPatientID", "-", "GROUP"),
    ("remove", "PatientComments", "-", ""),
    ("set", "OriginalAttributesSequence[+].ModifyingSystem", "-", "dicomgate"),
    ("set", "OriginalAttributesSequence[+].SourceOfPreviousValues", "-", ""),
    ("set", "RequestAttributesSequence[0].AccessionNumber", "-", "A-12"),
]
ROWS = len(EDITS) - 1  # the item of the Original Attributes Sequence is one edit


def instance(path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = UID
    meta.TransferSyntaxUID = syntax
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.is_little_endian, data.is_implicit_VR = True, syntax == ImplicitVRLittleEndian
    data.SpecificCharacterSet = "ISO_IR 100"
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, UID
    data.StudyDate = "20261128"
    data.AccessionNumber = "ACC"
    data.Modality = "OT"
    data.PatientName, data.PatientID, data.PatientComments = "Mül^E", "O-1", "was here"
    data.StudyInstanceUID, data.SeriesInstanceUID = UID + ".1", UID + ".2"
    data.Rows, data.Columns, data.SamplesPerPixel = 32, 32, 1
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    request = Dataset()
    request.AccessionNumber, request.RequestedProcedureID = "A-1", "RP"
    data.RequestAttributesSequence = pydicom.Sequence([request])
    data.add_new(0x00290010, "LO", "SITE")
    data.add_new(0x00291001, "LO", "private")
    data.add_new(0x7FE00010, "OW", PIXELS)
    data.save_as(path, write_like_original=False)
    return path


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        (folder / "data").mkdir()
        (folder / "dicomgate.yaml").write_text(CONFIGURATION)
        done = self.run("key", "init")
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *words: str) -> subprocess.CompletedProcess:
        command = [str(CLIENT), "--config", str(self.folder / "dicomgate.yaml"), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, timeout=120)

    def sent(self, source: Path, edits=EDITS, *options: str) -> Path:
        """What archive `new` got, and has."""
        self.count += 1
        copy = self.folder / f"copy{self.count}.dcm"
        lines = "".join("\t".join((*edit[:3], edit[3].encode().hex())) + "\n" for edit in edits)
        done = subprocess.run([str(MAKER), *options, "data", "master.key", str(self.count), str(source), str(copy)],
                              input=lines, capture_output=True, text=True, cwd=self.folder, timeout=60)
        assert done.returncode == 0, done.stderr
        return copy

    def prove(self, copy: Path, expect: int, *options: str, uid: str = UID) -> dict:
        done = self.run("ledger", "prove", uid, "--archive", "new", "--file", str(copy), "--json", *options)
        assert done.returncode == expect, done.stdout + done.stderr
        answer = json.loads(done.stdout)
        assert answer["version"] == 1
        return answer


@pytest.fixture
def bench(folder):
    return Bench(folder)


def flipped(copy: Path, of: bytes, to: bytes) -> Path:
    """The copy with one run of bytes changed that stands in it once."""
    data = copy.read_bytes()
    assert data.count(of) == 1 and len(of) == len(to)
    changed = copy.with_suffix(".flipped")
    changed.write_bytes(data.replace(of, to))
    return changed


def places(answer: dict) -> list[str]:
    return [row["at"] for row in answer["differs"]]


REWRITES = {
    "implicit": ["+ti", "-e"],
    "implicit undefined": ["+ti", "+e"],
    "explicit defined": ["+te", "-e"],
    "explicit undefined": ["+te", "+e"],
    "group lengths": ["+te", "+g="],
    "padding": ["+te", "+p", "512", "64"],
    "big endian": ["+tb"],
    "deflated": ["+td"],
}


def dcmconv(copy: Path, options: list[str]) -> Path:
    rewritten = copy.with_suffix(".rewritten")
    done = subprocess.run(["dcmconv", *options, str(copy), str(rewritten)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return rewritten


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_as_it_was_sent(bench, syntax):
    source = instance(bench.folder / "in.dcm", syntax)
    copy = bench.sent(source)
    answer = bench.prove(copy, 0)
    assert (answer["verdict"], answer["compared"], len(answer["edits"])) == ("edits", "bytes", ROWS)
    assert answer["receipt"] == "0000-000000000001" and answer["state"] == "settled"
    first = answer["edits"][0]
    assert (first["path"], first["pack"], first["pack_version"], first["rule"]) == ("PatientID", "site", "1.0", "test")
    assert "before" not in first and "N-0001" not in json.dumps(answer)
    shown = bench.prove(copy, 0, "--show-phi")["edits"]
    assert [shown[0]["before"], shown[1]["before"], shown[1]["after"]] == ["O-1", "N-9999", "N-0001"]
    assert shown[2]["after"] == "Müller^Ëva" and shown[3]["before"] is None and shown[4]["after"] is None
    assert all(edit["compared"] for edit in shown)
    # The first data set is identical, whoever has it.
    assert bench.prove(source, 0)["verdict"] == "identical"
    text = bench.run("ledger", "prove", UID, "--archive", "new", "--file", str(copy))
    assert text.stdout.startswith(f"differs only by edits E1...E{ROWS}; with them undone its digests are those "
                                  "received as receipt 0000-000000000001")
    assert "  E1    PatientID changed by site 1.0/test\n" in text.stdout
    assert "Müller" not in text.stdout
    text = bench.run("ledger", "prove", UID, "--archive", "new", "--file", str(copy), "--show-phi")
    assert '  E2    ' in text.stdout and '"N-9999" -> "N-0001"\n' in text.stdout
    assert text.stdout.count("(absent) -> ") == 1 and text.stdout.count(" -> (absent)") == 1


@pytest.mark.parametrize("name", REWRITES)
@pytest.mark.parametrize("options", [(), ("--no-header",)])
def test_rewritten_by_dcmtk(bench, name, options):
    copy = bench.sent(instance(bench.folder / "in.dcm"), EDITS, *options)
    answer = bench.prove(dcmconv(copy, REWRITES[name]), 0)
    assert answer["verdict"] == "edits" and answer["compared"] in ("bytes", "content")


def test_rewritten_by_pydicom(bench):
    copy = bench.sent(instance(bench.folder / "in.dcm"))
    data = pydicom.dcmread(copy)
    data.walk(lambda dataset, element: None)  # every element is decoded, and written anew
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data.is_implicit_VR = True
    for sequence in ("RequestAttributesSequence", "OriginalAttributesSequence"):
        data[sequence].is_undefined_length = True
    rewritten = bench.folder / "pydicom.dcm"
    data.save_as(rewritten)
    answer = bench.prove(rewritten, 0)
    assert (answer["verdict"], answer["compared"]) == ("edits", "content")


@pytest.mark.parametrize("options", [(), ("--no-header",)])
def test_one_byte(bench, options):
    copy = bench.sent(instance(bench.folder / "in.dcm"), EDITS, *options)
    in_edit = bench.prove(flipped(copy, b"N-0001", b"N-0002"), 1)
    assert in_edit["verdict"] == "differs" and places(in_edit) == ["PatientID"]
    assert "E2" in in_edit["differs"][0]["what"]
    in_made = flipped(copy, b"dicomgate", b"dicomgatE")
    if options:  # only the digest of the header as sent could tell
        assert [edit["compared"] for edit in bench.prove(in_made, 0)["edits"]].count(False) == 1
    else:
        assert places(bench.prove(in_made, 1)) == ["OriginalAttributesSequence[0]"]
    in_header = bench.prove(flipped(copy, b"20261128", b"20261129"), 1)
    assert places(in_header) == ["header"]
    in_private = bench.prove(flipped(copy, b"private", b"privatE"), 1)
    assert places(in_private) in (["header"], ["private elements"])
    in_pixels = bench.prove(pixel_flipped(copy), 1)
    assert places(in_pixels) == ["pixels"]
    other = bench.prove(flipped(copy, (UID + ".2").encode(), (UID + ".3").encode()), 1)
    assert "SeriesInstanceUID" in places(other)


def pixel_flipped(copy: Path) -> Path:
    data = bytearray(copy.read_bytes())
    data[-7] ^= 1
    changed = copy.with_suffix(".pixels")
    changed.write_bytes(data)
    return changed


def test_odd_pixels_and_turned_round(bench):
    source = instance(bench.folder / "in.dcm")
    data = pydicom.dcmread(source)
    data.PixelData, data.BitsAllocated, data.BitsStored, data.HighBit = PIXELS[:1023], 8, 8, 7
    data[0x7FE00010].VR = "OB"
    data.Rows, data.Columns = 31, 33
    data.save_as(bench.folder / "odd.dcm")
    written = (bench.folder / "odd.dcm").read_bytes()
    header = b"\xe0\x7f\x10\x00OB\0\0"
    assert written.count(header + b"\0\x04\0\0") == 1  # pydicom has made it even
    (bench.folder / "odd.dcm").write_bytes(written.replace(header + b"\0\x04", header + b"\xff\x03")[:-1])
    copy = bench.sent(bench.folder / "odd.dcm")
    assert bench.prove(dcmconv(copy, ["+ti"]), 0)["verdict"] == "edits"
    turned = bench.sent(source)
    assert places(bench.prove(dcmconv(pixel_flipped(turned), ["+tb"]), 1)) == ["pixels"]


@pytest.mark.parametrize("of,to,where", [(b"N-0001", b"N-0002", "PatientID"), (b"20261128", b"20261129", "header"),
                                         (b"private", b"privatE", "private elements")])
def test_one_byte_and_rewritten(bench, of, to, where):
    copy = bench.sent(instance(bench.folder / "in.dcm"))
    answer = bench.prove(dcmconv(flipped(copy, of, to), ["+ti", "+e"]), 1)
    assert places(answer) == [where]
    assert places(bench.prove(dcmconv(pixel_flipped(copy), ["+ti", "+e"]), 1)) == ["pixels"]


MADE = [("set", "ReferencedRequestSequence[0].AccessionNumber", "-", "A-12"),
        ("set", "OriginalAttributesSequence[+].ModifyingSystem", "-", "dicomgate")]


@pytest.mark.parametrize("where", ["", "beside", "item", "original"])
def test_what_stands_beside_made_elements(bench, where):
    """Sequences that edits have made go whole when the edits are taken back: with nothing else in them."""
    copy = bench.sent(instance(bench.folder / "in.dcm"), MADE)
    data = pydicom.dcmread(copy)
    other = Dataset()
    other.PatientComments = "smuggled"
    if where == "beside":
        data.ReferencedRequestSequence[0].RequestedProcedureDescription = "smuggled"
    elif where == "item":
        data.ReferencedRequestSequence.append(other)
    elif where == "original":
        data.OriginalAttributesSequence.append(other)
    changed = bench.folder / "changed.dcm"
    data.save_as(changed)
    for options in (["+ti", "+e"], ["+te", "-e"], ["+td"]):
        rewritten = dcmconv(changed, options)
        if where == "":
            assert bench.prove(rewritten, 0)["verdict"] == "edits"
        else:
            assert places(bench.prove(rewritten, 1)) == ["header"]


def test_words_that_were_not_turned_round(bench):
    """In the other byte order the same bytes are other pixels, and other bytes the same; single bytes stay."""
    source = instance(bench.folder / "in.dcm")
    bench.sent(source, [])
    turned = dcmconv(source, ["+tb"])
    assert bench.prove(turned, 0)["verdict"] == "identical"
    swapped = bytes(b for i in range(0, len(PIXELS), 2) for b in (PIXELS[i + 1], PIXELS[i]))
    assert places(bench.prove(flipped(turned, swapped, PIXELS), 1)) == ["pixels"]


def test_single_bytes_in_the_other_order(bench):
    data = pydicom.dcmread(instance(bench.folder / "in.dcm"))
    data.PixelData, data.BitsAllocated, data.BitsStored, data.HighBit = PIXELS[:1024], 8, 8, 7
    data[0x7FE00010].VR = "OB"
    data.save_as(bench.folder / "bytes.dcm")
    bench.sent(bench.folder / "bytes.dcm", [])
    for options in REWRITES.values():
        assert bench.prove(dcmconv(bench.folder / "bytes.dcm", options), 0)["verdict"] == "identical", options


def test_pixels_under_another_transfer_syntax(bench):
    """What the bytes mean is said by the transfer syntax alone."""
    data = pydicom.dcmread(instance(bench.folder / "in.dcm"))
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    data.PixelData = pydicom.encaps.encapsulate([PIXELS])
    data[0x7FE00010].VR = "OB"
    data[0x7FE00010].is_undefined_length = True
    data.save_as(bench.folder / "jpeg.dcm")
    copy = bench.sent(bench.folder / "jpeg.dcm", [])
    assert bench.prove(copy, 0)["verdict"] == "identical"
    assert places(bench.prove(flipped(copy, b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.90"), 1)) == ["pixels"]


def test_sent_as_it_came(bench):
    source = instance(bench.folder / "in.dcm")
    copy = bench.sent(source, [])
    answer = bench.prove(copy, 0)
    assert (answer["verdict"], answer["compared"], answer["edits"]) == ("identical", "bytes", [])
    answer = bench.prove(dcmconv(copy, ["+ti", "+e"]), 0)
    assert (answer["verdict"], answer["compared"]) == ("identical", "content")
    assert places(bench.prove(flipped(copy, b"20261128", b"20261129"), 1)) == ["header"]
    assert places(bench.prove(pixel_flipped(copy), 1)) == ["pixels"]
    truncated = bench.folder / "short.dcm"
    truncated.write_bytes(copy.read_bytes()[:-100])
    assert places(bench.prove(truncated, 1)) == ["data set"]


def test_the_receipt_that_the_archive_holds(bench):
    source = instance(bench.folder / "in.dcm")
    first = bench.sent(source)
    other = pydicom.dcmread(source)
    other.StudyDate = "20261127"
    other.save_as(bench.folder / "other.dcm")
    second = bench.sent(bench.folder / "other.dcm", EDITS[1:2])
    for copy, receipt, edits in ((first, 1, ROWS), (second, 2, 1)):
        # The archive has said yes to the second one: that it holds the first is a finding.
        answer = bench.prove(copy, 1 if receipt == 1 else 0)
        assert answer["receipt"] == f"0000-{receipt:012x}" and len(answer["edits"]) == edits
        assert answer["verdict"] == "edits" and answer.get("overtaken_by") == (f"0000-{2:012x}" if receipt == 1 else None)
    text = bench.run("ledger", "prove", UID, "--archive", "new", "--file", str(first)).stdout
    assert "but the archive has accepted other content since, as receipt 0000-000000000002" in text
    assert bench.prove(flipped(first, b"20261128", b"20261126"), 1)["receipt"] == "0000-000000000002", "the newest"


def test_show_names_the_edits(bench):
    bench.sent(instance(bench.folder / "in.dcm"))
    done = bench.run("ledger", "show", UID)
    assert done.returncode == 0, done.stderr
    assert "E1    PatientID changed by site 1.0/test" in done.stdout and "generation 7" in done.stdout
    assert "E5    PatientComments removed by" in done.stdout and "N-0001" not in done.stdout
    assert '"N-9999" -> "N-0001"' in bench.run("ledger", "show", UID, "--show-phi").stdout
    row = json.loads(bench.run("ledger", "show", UID, "--json").stdout)["facts"][0]["archives"][0]
    assert row["crosswalk"] == 7 and row["pack"].startswith("01") and len(row["edited"]) == ROWS
    line = json.loads(bench.run("ledger", "export", "--jsonl").stdout)
    assert "before" not in json.dumps(line) and len(line["archives"][0]["edited"]) == ROWS


def test_values_leave_for_a_reason_only(bench):
    """Each export that shows them, or goes to somebody, is in the crosswalk's log first; else nothing comes out."""
    bench.sent(instance(bench.folder / "in.dcm"))
    key, certificate = auditor(bench.folder)
    who = ("--person", "Ada", "--reason", "audit")
    for words in (("--show-phi",), ("--show-phi", "--person", "Ada"), ("--to", str(certificate)), who):
        refused = bench.run("ledger", "export", *words)
        assert refused.returncode == 2 and refused.stdout == "", words
    clear = bench.run("ledger", "export", "--show-phi", *who)
    assert clear.returncode == 0, clear.stderr
    assert json.loads(clear.stdout)["archives"][0]["edited"][1]["after"] == "N-0001"
    command = [str(CLIENT), "--config", "dicomgate.yaml", "ledger", "export", "--show-phi", "--to", str(certificate), *who]
    sealed = subprocess.run(command, capture_output=True, cwd=bench.folder, timeout=120, check=True).stdout
    assert b"N-0001" not in sealed and cms_opened(sealed, key) == clear.stdout
    columns = subprocess.run([*command, "--csv"], capture_output=True, cwd=bench.folder, timeout=120, check=True).stdout
    assert cms_opened(columns, key).replace("\r\n", "\n") == bench.run("ledger", "export", "--csv").stdout
    digest = subprocess.run(["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"], check=True,
                            capture_output=True, text=True).stdout.split("=")[1].strip().replace(":", "").lower()
    acts = json.loads(bench.run("crosswalk", "log", "--json").stdout)["items"]
    assert [(act["kind"], act["person"], act["reason"]) for act in acts] == [("ledger-export", "Ada", "audit")] * 3
    assert [act["sha256"] for act in acts] == ["0" * 64, digest, digest]
    _, signs_only = auditor(bench.folder, "ed25519")
    for words, status in ((("--to", str(bench.folder / "in.dcm")), 2), (("--to", str(signs_only)), 5)):
        refused = bench.run("ledger", "export", "--show-phi", *words, *who)
        assert (refused.returncode, refused.stdout) == (status, ""), refused.stderr
    # What can not be recorded does not leave.
    (bench.folder / "data" / "crosswalk" / "data.mdb").write_bytes(b"no database" * 1000)
    refused = bench.run("ledger", "export", "--show-phi", *who)
    assert (refused.returncode, refused.stdout) == (5, ""), refused.stderr
    assert bench.run("ledger", "export").returncode == 0, "it shows no value"


def test_keys(bench):
    copy = bench.sent(instance(bench.folder / "in.dcm"))
    done = bench.run("key", "rotate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert bench.prove(copy, 0)["verdict"] == "edits"
    database = (bench.folder / "data" / "ledger" / "data.mdb").read_bytes()
    assert b"N-0001" not in database and b"PatientID" not in database
    done = bench.run("ledger", "backup", str(bench.folder / "backup"))
    assert done.returncode == 0, done.stderr
    (bench.folder / "data" / "ledger").rename(bench.folder / "before")
    (bench.folder / "backup").rename(bench.folder / "data" / "ledger")
    assert bench.prove(copy, 0)["verdict"] == "edits"
    key = bench.folder / "master.key"
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    done = bench.run("ledger", "show", UID)
    assert done.returncode == 1 and "PatientID" not in done.stdout and "settled" in done.stdout
    done = bench.run("ledger", "prove", UID, "--archive", "new", "--file", str(copy))
    assert done.returncode == 5 and "keys" in done.stderr


def test_mistakes(bench):
    copy = bench.sent(instance(bench.folder / "in.dcm"))
    for words, status in ((("prove", UID), 2), (("prove", UID, "--archive", "new"), 2),
                          (("prove", UID, "--archive", "none", "--file", str(copy)), 2),
                          (("prove", UID, "--archive", "new", "--file", "absent.dcm"), 2),
                          (("prove", UID + ".1", "--archive", "new", "--file", str(copy)), 2),
                          (("prove", "1.2.3", "--archive", "new", "--file", str(copy)), 1),
                          (("prove", UID, "--archive", "old", "--file", str(copy)), 1),
                          (("show", UID, "--file", "x"), 2)):
        assert bench.run("ledger", *words).returncode == status, words


# ---- what the gateway itself has edited

PACK = """pack: site
version: 1.0.0
description: names of a site
rules:
  - { rule: institution, do: [ { set: InstitutionName, to: St Elsewhere } ] }
  - { rule: comments, do: [ { remove: PatientComments } ] }
"""


def prove_live(stage: Stage, instance: part10.Instance, archive: str, file: Path, expect: int = 0) -> dict:
    done = stage.daemon.run_client("ledger", "prove", instance.sop_instance, "--archive", archive, "--file", str(file),
                                   "--json")
    assert done.returncode == expect, f"{instance.name} at {archive}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def check_live(stage: Stage, instance: part10.Instance, archive: str, copies: dict, folder: Path) -> dict:
    copy = copies[instance.sop_instance]
    file = stage.daemon.folder / "proof.dcm"
    meta = (instance.sop_class, instance.sop_instance, copy.transfer_syntax)
    file.write_bytes(part10.file_bytes(*meta, (folder / copy.file).read_bytes()))
    return prove_live(stage, instance, archive, file)


def settings_of(folder: Path) -> dict:
    return put_pack(folder / "packs", PACK, "new")


def wait_ledger(stage: Stage, count: int) -> None:
    """Until the ledger, which lags behind, has the answers of both archives."""
    def has_all() -> bool:
        stats = json.loads(stage.daemon.run_client("ledger", "stats", "--json").stdout)
        return [row["answered"] + row["settled"] for row in stats["archives"]] == [count, count]
    wait_for("the ledger knows all answers", has_all, 20)


def test_what_a_lane_edited_and_an_archive_rewrote(folder):
    sent = part10.read(instance(folder / "in.dcm"))
    with Stage(folder, settings=settings_of(folder)) as stage:
        stage.send([sent])
        stage.wait_arrived([sent])
        wait_ledger(stage, 1)
        copy, = stage.new.copies()
        file = folder / "got.dcm"
        meta = (sent.sop_class, sent.sop_instance, copy.transfer_syntax)
        file.write_bytes(part10.file_bytes(*meta, (stage.new.folder / copy.file).read_bytes()))
        for options in REWRITES.values():
            answer = prove_live(stage, sent, "new", dcmconv(file, options))
            assert answer["verdict"] == "edits", options
        changed = dcmconv(flipped(file, b"St Elsewhere", b"St elsewhere"), ["+ti"])
        assert places(prove_live(stage, sent, "new", changed, 1)) == ["InstitutionName"]
        shown = stage.daemon.run_client("ledger", "show", sent.sop_instance)
        assert "InstitutionName added by site 1.0.0/institution" in shown.stdout
        assert "PatientComments removed by site 1.0.0/comments" in shown.stdout and "was here" not in shown.stdout


@needs_corpus
def test_the_corpus_at_both_archives(folder):
    instances = list({instance.sop_instance: instance for instance in corpus.good()}.values())
    with Stage(folder, settings=settings_of(folder)) as stage:
        stage.send(instances)
        stage.wait_arrived(instances)
        wait_ledger(stage, len(instances))
        got = {name: {copy.uid: copy for copy in node.copies()}
               for name, node in (("legacy", stage.legacy), ("new", stage.new))}
        edited = 0
        for instance in instances:
            plain = check_live(stage, instance, "legacy", got["legacy"], stage.legacy.folder)
            assert (plain["verdict"], plain["compared"]) == ("identical", "bytes"), instance.name
            answer = check_live(stage, instance, "new", got["new"], stage.new.folder)
            assert answer["verdict"] in ("identical", "edits") and answer["compared"] == "bytes", instance.name
            edited += answer["verdict"] == "edits"
            if answer["verdict"] == "edits":
                paths = [edit["path"] for edit in answer["edits"]]
                assert "InstitutionName" in paths and "OriginalAttributesSequence[" in " ".join(paths)
        assert edited >= len(instances) - 1
