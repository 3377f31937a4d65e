# SPDX-License-Identifier: Apache-2.0
"""Text of every character set, written by dcm_edit and read by pydicom, and the other way round; the bytes of the
examples in PS3.5 annexes H, I, J and K."""
import os
import pathlib
import subprocess
import warnings

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from dgtest import corpus

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("DCM_EDIT", str(ROOT / "build/release/bin/dcm_edit"))

TEXTS = [  # Specific Character Set, text
    ("ISO_IR 100", "Müller^Jérôme"), ("ISO_IR 101", "Wałęsa^Łukasz"), ("ISO_IR 109", "Ĉapelo^Ŝipo"),
    ("ISO_IR 110", "Ķēniņš^Ģirts"), ("ISO_IR 144", "Люкceмбypг^Иван"), ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 126", "Διονυσιος^Αρης"), ("ISO_IR 138", "שרון^דבורה"), ("ISO_IR 148", "Çavuşoğlu^İsmail"),
    ("ISO_IR 166", "สมชาย^ใจดี"), ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"), ("ISO_IR 192", "Wang^XiaoDong=王^小東=김^희중"),
    ("GB18030", "Wang^XiaoDong=王^小东㐂"), ("GBK", "Wang^XiaoDong=王^小东"),
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("\\ISO 2022 IR 87\\ISO 2022 IR 159", "A^B=山鷗丂^太郎"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"),
    ("ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126", "Müller^Иван=Διον^Ünal"),
    ("ISO 2022 IR 6\\ISO 2022 IR 138\\ISO 2022 IR 127", "A^שרון=قباني^B"),
    ("ISO 2022 IR 100\\ISO 2022 IR 87", "Müller^Jérôme=山田é^太郎"),
    ("\\ISO 2022 IR 166", "สมชาย^ใจดี"),
]

EXAMPLES = [  # PS3.5 H.3.1, H.3.2, I.2, K.2 and J.3: the value to the byte
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう",
     b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
     b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동",
     b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"),
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东",
     b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"),
    ("GB18030", "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
    # 0x5C and 0x5E as second bytes of two-byte characters are no delimiters.
    ("GBK", "乗^亊=俓", "乗^亊=俓".encode("gbk")),
]

MISFITS = [("ISO_IR 100", "Иван"), ("", "é"), ("ISO_IR 144", "山"), ("\\ISO 2022 IR 87", "김"), ("GBK", "😀"),
           ("ISO_IR 13", "ア"), ("\\ISO 2022 IR 149", "é"), ("ISO_IR 9999", "é")]


def made(path, charset, syntax="1.2.840.10008.1.2.1"):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.is_little_endian = True
    dataset.is_implicit_VR = False
    if charset:
        dataset.SpecificCharacterSet = charset.split("\\")
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.PatientID = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path)


def edit(source, out, *edits):
    lines = "".join("%s\t%s\t%s\t%s\t%s\n" % (o, p, k, v, t.encode().hex()) for o, p, k, v, t in edits)
    return subprocess.run([PROGRAM, source, out], input=lines, capture_output=True, text=True)


@pytest.mark.parametrize("charset,text", TEXTS)
def test_pydicom_reads_what_is_written(tmp_path, charset, text):
    made(tmp_path / "in.dcm", charset)
    done = edit(tmp_path / "in.dcm", tmp_path / "out.dcm", ("set", "PatientName", "text", "-", text),
                ("set", "InstitutionName", "text", "-", text.split("^")[0]),
                ("set", "OtherPatientNames", "text", "-", text.split("=")[-1] + "\\" + text),
                ("set", "PatientComments", "text", "-", text.split("=")[-1] + "\r\n" + text.split("=")[0]))
    assert done.returncode == 0, done.stdout
    dataset = pydicom.dcmread(tmp_path / "out.dcm")
    dataset.decode()

    def read(value):
        return str(value).replace("\x1b$)A", "")  # pydicom 2.3 leaves this one in the text

    assert read(dataset.PatientName) == text
    assert read(dataset.InstitutionName) == text.split("^")[0]
    assert [read(name) for name in dataset.OtherPatientNames] == [text.split("=")[-1], text]
    assert read(dataset.PatientComments) == text.split("=")[-1] + "\r\n" + text.split("=")[0]


@pytest.mark.parametrize("charset,text", TEXTS)
def test_it_reads_what_it_wrote(tmp_path, charset, text):
    made(tmp_path / "in.dcm", charset)
    assert edit(tmp_path / "in.dcm", tmp_path / "a.dcm", ("set", "PatientName", "text", "-", text)).returncode == 0
    done = edit(tmp_path / "a.dcm", tmp_path / "b.dcm", ("replace", "PatientName", "text", "-", text))
    read = next(line.split("\t") for line in done.stdout.splitlines() if line.startswith("read"))
    assert bytes.fromhex(read[4]).decode().rstrip(" ") == text
    assert "change" not in done.stdout  # the same bytes


@pytest.mark.parametrize("charset,text,value", EXAMPLES)
def test_bytes_of_the_standard(tmp_path, charset, text, value):
    made(tmp_path / "in.dcm", charset)
    assert edit(tmp_path / "in.dcm", tmp_path / "out.dcm", ("set", "PatientName", "text", "-", text)).returncode == 0
    dataset = pydicom.dcmread(tmp_path / "out.dcm")
    assert dataset.get_item("PatientName").value == value + b" " * (len(value) % 2)


@pytest.mark.parametrize("charset,text", MISFITS)
def test_what_does_not_fit_is_an_error(tmp_path, charset, text):
    made(tmp_path / "in.dcm", charset)
    done = edit(tmp_path / "in.dcm", tmp_path / "out.dcm", ("set", "PatientName", "text", "-", text))
    assert done.returncode == 3
    assert "problem\tdoes not fit the specific character set\t0\tPatientName" in done.stdout
    assert not (tmp_path / "out.dcm").exists()


@pytest.mark.parametrize("name", ["chrArab", "chrFrenMulti", "chrGerm", "chrGreek", "chrH31", "chrH32", "chrHbrw", "chrI2",
                                  "chrJapMulti", "chrJapMultiExplicitIR6", "chrKoreanMulti", "chrRuss", "chrX1", "chrX2"])
def test_it_reads_what_pydicom_reads(tmp_path, name):
    path = next(corpus.FOLDER.rglob(name + ".dcm"), None)
    if path is None:
        pytest.skip(corpus.ABSENT)
    done = edit(path, tmp_path / "out.dcm", ("replace", "PatientID", "text", "-", "NEW"),
                ("insert", "PatientName", "text", "-", "X"))
    assert done.returncode == 0
    names = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("read\t1")]
    old, new = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out.dcm")
    assert bytes.fromhex(names[0][4]).decode().rstrip(" =") == str(old.PatientName)
    assert str(new.PatientName) == str(old.PatientName)
    assert new.PatientID == "NEW"


def test_items_may_have_their_own(tmp_path):
    """In an item that is there its own set rules, in a new one the one that the plan gives it."""
    made(tmp_path / "in.dcm", "ISO_IR 100")
    dataset = pydicom.dcmread(tmp_path / "in.dcm")
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 144"
    item.CodeMeaning = "Иван"
    dataset.ProcedureCodeSequence = [item, Dataset()]
    dataset.save_as(tmp_path / "in.dcm")
    done = edit(tmp_path / "in.dcm", tmp_path / "out.dcm",
                ("set", "ProcedureCodeSequence[0].CodeMeaning", "text", "-", "Мария"),
                ("set", "ProcedureCodeSequence[1].CodeMeaning", "text", "-", "Über"),
                ("set", "ContributingEquipmentSequence[+].SpecificCharacterSet", "text", "-", "ISO_IR 192"),
                ("set", "ContributingEquipmentSequence[+].Manufacturer", "text", "-", "東芝"))
    assert done.returncode == 0, done.stdout
    out = pydicom.dcmread(tmp_path / "out.dcm")
    assert [item.CodeMeaning for item in out.ProcedureCodeSequence] == ["Мария", "Über"]
    assert out.ContributingEquipmentSequence[0].Manufacturer == "東芝"
    done = edit(tmp_path / "in.dcm", tmp_path / "no.dcm",
                ("set", "ProcedureCodeSequence[1].CodeMeaning", "text", "-", "Мария"))
    assert "problem\tdoes not fit the specific character set\t0\tProcedureCodeSequence[1].CodeMeaning" in done.stdout


def test_specific_character_set_never_changes(tmp_path):
    made(tmp_path / "in.dcm", "ISO_IR 100")
    for operation, kind in (("set", "text"), ("replace", "text"), ("remove", "empty"), ("set", "empty")):
        done = edit(tmp_path / "in.dcm", tmp_path / "out.dcm",
                    (operation, "SpecificCharacterSet", kind, "-", "ISO_IR 192" if kind == "text" else ""))
        assert "would change the meaning of text" in done.stdout


def test_specific_character_set_may_come_where_there_was_none(tmp_path):
    made(tmp_path / "in.dcm", "")
    done = edit(tmp_path / "in.dcm", tmp_path / "out.dcm", ("insert", "SpecificCharacterSet", "text", "-", "ISO_IR 100"),
                ("set", "PatientName", "text", "-", "Müller"))
    assert done.returncode == 0, done.stdout
    assert str(pydicom.dcmread(tmp_path / "out.dcm").PatientName) == "Müller"
