# SPDX-License-Identifier: Apache-2.0
"""Real files to send: the shared corpus where it is there, else studies made with pydicom. The corpus does not belong to the
project: DG_CORPUS says where it is."""
from __future__ import annotations

import csv
import os
from pathlib import Path

from . import part10

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("DG_CORPUS", ROOT.parent / "shared" / "corpus")).resolve()
ABSENT = f"no corpus at {FOLDER} (DG_CORPUS)"


def rows() -> list[dict[str, str]]:
    """The lines of MANIFEST.tsv, empty if there is no corpus."""
    manifest = FOLDER / "MANIFEST.tsv"
    if not manifest.exists():
        return []
    with manifest.open(newline="", encoding="ascii") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def good_rows() -> list[dict[str, str]]:
    return [row for row in rows() if not row["path"].startswith("malformed/")]


def good(uids: str = "dataset") -> list[part10.Instance]:
    """Every file outside malformed/, in the manifest's order."""
    return [part10.read(FOLDER / row["path"], uids=uids) for row in good_rows()]


def one_for_each_uid() -> list[part10.Instance]:
    """The first file of each SOP Instance UID."""
    seen: dict[str, part10.Instance] = {}
    for instance in good():
        seen.setdefault(instance.sop_instance, instance)
    return list(seen.values())


MADE = [  # modality, SOP Class, rows, columns, images
    ("CT", "1.2.840.10008.5.1.4.1.1.2", 128, 128, 12),
    ("MR", "1.2.840.10008.5.1.4.1.1.4", 96, 96, 10),
    ("CR", "1.2.840.10008.5.1.4.1.1.1", 256, 192, 2),
    ("US", "1.2.840.10008.5.1.4.1.1.6.1", 120, 160, 4),
    ("OT", "1.2.840.10008.5.1.4.1.1.7", 64, 64, 4),
]


def made(folder: Path) -> list[part10.Instance]:
    """Studies of several modalities, written by pydicom as files and read back verbatim."""
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

    found = []
    folder.mkdir(parents=True, exist_ok=True)
    for study, (modality, sop_class, rows_, columns, count) in enumerate(MADE, 1):
        for number in range(1, count + 1):
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = sop_class
            meta.MediaStorageSOPInstanceUID = part10.uid(5, study, number)
            meta.TransferSyntaxUID = "1.2.840.10008.1.2" if study % 2 else "1.2.840.10008.1.2.1"
            path = folder / f"{modality}-{number:02d}.dcm"
            image = FileDataset(str(path), Dataset(), file_meta=meta, preamble=bytes(128))
            _fill(image, meta, modality, study, number, rows_, columns)
            image.is_little_endian = True
            image.is_implicit_VR = meta.TransferSyntaxUID == "1.2.840.10008.1.2"
            pydicom.dcmwrite(str(path), image, write_like_original=False)
            found.append(part10.read(path))
    return found


def _fill(image, meta, modality: str, study: int, number: int, rows_: int, columns: int) -> None:
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.StudyDate, image.StudyTime, image.Modality = "20200301", "101500", modality
    image.Manufacturer, image.StudyDescription = "dgtest", f"{modality} phantom"
    image.PatientName, image.PatientID = f"Phantom^{modality}", f"PH-{study:04d}"
    image.PatientBirthDate, image.PatientSex, image.AccessionNumber = "19700101", "O", f"A{study:06d}"
    image.StudyInstanceUID, image.SeriesInstanceUID = part10.uid(5, study), part10.uid(5, study, 0, 1)
    image.StudyID, image.SeriesNumber, image.InstanceNumber = str(study), 1, number
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = rows_, columns
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = b"".join(((row * column * number) % 4096).to_bytes(2, "little")
                               for row in range(rows_) for column in range(columns))


def one_for_each_uid_or_made(folder: Path) -> tuple[list[part10.Instance], str]:
    """(instances, where they come from)."""
    found = one_for_each_uid()
    if found:
        return found, "the shared corpus"
    return made(folder), "studies made with pydicom"
