# SPDX-License-Identifier: Apache-2.0
"""Random edits of every file of the corpus and of tests/data, as it is and in other transfer syntaxes that DCMTK can put
it in without loss (large files only as they are), by the program dcm_edit. What must come out is worked out here from pydicom's reading alone:

- all elements but the edited ones have the bytes that they had, the edited ones what the edits say;
- the new data set is the old one with the printed changes, and nothing else;
- undoing gives the old bytes back;
- DCMTK reads it as well as before, and sees no other difference.

Each seed takes two of the other syntaxes for a file, so that runs of many seeds meet them all. EDIT_SEED repeats one run,
EDIT_ROUNDS asks for more than one round over the files, EDIT_SYNTAXES for more of the syntaxes (7: all), EDIT_SIZE_MOST
for other syntaxes of larger files too.
"""
import copy
import os
import pathlib
import random
import re
import subprocess
import warnings
import zlib

import pydicom
import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement

from dgtest import corpus

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("DCM_EDIT", str(ROOT / "build/release/bin/dcm_edit"))
SEED = int(os.environ.get("EDIT_SEED", random.SystemRandom().randrange(1 << 31)))
ROUNDS = int(os.environ.get("EDIT_ROUNDS", "1"))
SYNTAXES = int(os.environ.get("EDIT_SYNTAXES", "2" if corpus.rows() else "7"))  # of few files: all
SIZE_MOST = int(os.environ.get("EDIT_SIZE_MOST", "400000"))
DEFLATED = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED)
# DCMTK's program for each transfer syntax, and how the lengths of sequences may be written.
ENCODERS = {"implicit": ["dcmconv", "+ti"], "explicit": ["dcmconv", "+te"], "big endian": ["dcmconv", "+tb"],
            "deflated": ["dcmconv", "+td"], "RLE": ["dcmcrle"], "JPEG-LS": ["dcmcjpls"],
            "JPEG Lossless": ["dcmcjpeg", "+e1"]}
LENGTHS = [["+e"], ["-e"], ["+e", "+g="]]
LOSSLESS = {"1.2.840.10008.1.2.5": "dcmdrle", "1.2.840.10008.1.2.4.57": "dcmdjpeg", "1.2.840.10008.1.2.4.70": "dcmdjpeg",
            "1.2.840.10008.1.2.4.80": "dcmdjpls"}
REFUSED = {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00080001, 0x00080005,
           0x7FE00008, 0x7FE00009, 0x7FE00010}
TEXT = {"AE": 16, "CS": 16, "LO": 64, "SH": 16, "PN": 40, "LT": 300, "ST": 300, "UT": 300, "DA": 8, "TM": 6, "IS": 6,
        "DS": 8, "AS": 4, "UI": 20}


# ---- pydicom's reading: {tag: (VR, bytes) or [items]}

def model_of(dataset):
    model = {}
    for tag in dataset.keys():
        raw = dataset.get_item(tag)
        is_raw = isinstance(raw, RawDataElement)
        vr = raw.VR
        if is_raw and vr is None:
            try:
                vr = dictionary_VR(tag)
            except KeyError:
                vr = "UN"
        if vr == "SQ" or (not is_raw and isinstance(raw.value, pydicom.Sequence)):
            model[int(tag)] = [model_of(item) for item in dataset[tag].value]
        else:
            value = raw.value
            model[int(tag)] = (vr, b"" if value is None else value)
    return model


def read(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        return dataset, model_of(dataset)


def without_lengths(model):
    kept = {}
    for tag, value in model.items():
        if tag & 0xFFFF != 0 and tag != 0x00080001:
            kept[tag] = [without_lengths(item) for item in value] if isinstance(value, list) else bytes_of(value)
            kept[tag] = kept[tag] or b""  # without items pydicom does not always know a private sequence
    return kept


def bytes_of(value):
    return value[1] if isinstance(value[1], bytes) else str(value[1]).encode()  # some pydicom has read already


# ---- edits: (operation, [(tag, item or None)...], VR, text)

def path_text(steps):
    parts = []
    for tag, item in steps:
        has_keyword = tag >> 16 & 1 == 0 and tag >> 24 not in (0x50, 0x60, 0x7F)  # not those of repeating groups
        name = (keyword_for_tag(tag) if has_keyword else "") or "(%04X,%04X)" % (tag >> 16, tag & 0xFFFF)
        parts.append(name if item is None else "%s[%s]" % (name, item))
    return ".".join(parts)


def some_text(rng, vr):
    if vr == "DA":
        return "%04d%02d%02d" % (rng.randrange(1900, 2030), rng.randrange(1, 13), rng.randrange(1, 29))
    if vr == "TM":
        return "%02d%02d%02d" % (rng.randrange(24), rng.randrange(60), rng.randrange(60))
    if vr == "AS":
        return "%03dY" % rng.randrange(100)
    if vr in ("IS", "DS"):
        return str(rng.randrange(-9999, 9999))
    if vr == "UI":
        return "1.2." + ".".join(str(rng.randrange(1, 999)) for _ in range(rng.randrange(1, 4)))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
    return "".join(rng.choice(letters) for _ in range(rng.randrange(1, TEXT[vr] + 1)))


def encoded(vr, text):
    value = text.encode("ascii")
    return value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)


def all_paths(model, above=()):
    """Every element that a path can lead to, in front of Pixel Data."""
    for tag, value in model.items():
        if not above and tag > 0x7FE00000:
            continue
        yield above + ((tag, None),), value
        if isinstance(value, list) and len(above) < 8:
            for number, item in enumerate(value):
                yield from all_paths(item, above + ((tag, number),))


def is_target(steps):
    for tag, _ in steps:
        private = tag >> 16 & 1 and tag & 0xFFFF < 0x100
        if tag in REFUSED or tag & 0xFFFF == 0 or private or tag >> 16 < 8 or tag >> 16 >= 0xFFFA:
            return False
    return True


CREATED = [
    ("PatientID", "LO"), ("IssuerOfPatientID", "LO"), ("AccessionNumber", "SH"), ("InstitutionName", "LO"),
    ("PatientName", "PN"), ("ReferringPhysicianName", "PN"), ("StudyDate", "DA"), ("PatientComments", "LT"),
    ("SoftwareVersions", "LO"), ("StudyID", "SH"), ("StationName", "SH"), ("InstitutionAddress", "ST"),
    ("RequestAttributesSequence[0].AccessionNumber", "SH"),
    ("RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0].CodeValue", "SH"),
    ("OriginalAttributesSequence[+].ReasonForTheAttributeModification", "CS"),
    ("OriginalAttributesSequence[+].ModifiedAttributesSequence[0].PatientID", "LO"),
    ("OriginalAttributesSequence[+].ModifiedAttributesSequence[0].OtherPatientIDsSequence[0].PatientID", "LO"),
    ("ContributingEquipmentSequence[+].Manufacturer", "LO"),
    ("ContributingEquipmentSequence[+].PurposeOfReferenceCodeSequence[0].CodeMeaning", "LO"),
]


def steps_of(text):
    steps = []
    for part in text.split("."):
        name, _, item = part.partition("[")
        item = item.rstrip("]")
        steps.append((int(pydicom.datadict.tag_for_keyword(name)),
                      None if item == "" else item if item in "*+" else int(item)))
    return tuple(steps)


def random_edit(rng, model):
    choice = rng.random()
    paths = [(steps, value) for steps, value in all_paths(model) if is_target(steps)]
    texts = [(steps, value) for steps, value in paths if not isinstance(value, list) and value[0] in TEXT]
    if choice < 0.35 and texts:
        steps, value = rng.choice(texts)
        operation = rng.choice(["set", "replace"])
        return operation, steps, value[0], rng.choice([some_text(rng, value[0]), ""])
    if choice < 0.55 and paths:
        steps, _ = rng.choice(paths)
        return "remove", steps, None, None
    if choice < 0.62:
        items = [steps for steps, value in paths if isinstance(value, list) and value]
        if items:
            steps = rng.choice(items)
            number = rng.choice(["*", 0])
            return "remove", steps[:-1] + ((steps[-1][0], number),), None, None
    if choice < 0.70:
        many = [steps for steps, value in texts if len(steps) > 1]
        if many:
            steps = rng.choice(many)
            vr = model_at(model, steps)[0]
            return "set", tuple((tag, None if item is None else "*") for tag, item in steps), vr, some_text(rng, vr)
    name, vr = rng.choice(CREATED)
    return rng.choice(["set", "set", "insert", "replace"]), steps_of(name), vr, some_text(rng, vr)


def model_at(model, steps):
    for tag, item in steps:
        model = model[tag] if item is None else model[tag][item]
    return model


def model_edit(model, original, edit):
    """The edit, in place. What is there, and how many items, goes by the original; {} if it is not there."""
    operation, steps, vr, text = edit
    (tag, item), rest = steps[0], steps[1:]
    makes = operation in ("set", "insert")
    if not rest and item is None:
        present = tag in original
        if operation == "remove":
            if present:
                del model[tag]
        elif operation == "set" or (operation == "replace") == present:
            model[tag] = (vr, encoded(vr, text))
        return
    there = original.get(tag, [])
    if item == "*":
        numbers = range(len(there))
    else:
        numbers = [len(there) if item == "+" else item]
    for number in numbers:
        if number < len(there) and rest:
            model_edit(model[tag][number], there[number], (operation, rest, vr, text))
        elif number < len(there):
            model[tag][number] = None
        elif makes and rest and not any(i == "*" for _, i in rest):
            items = model.setdefault(tag, [])
            if number == len(items):
                items.append({})
            model_edit(items[number], {}, (operation, rest, vr, text))


def without_removed_items(model):
    for value in model.values():
        if isinstance(value, list):
            value[:] = [item for item in value if item is not None]
            for item in value:
                without_removed_items(item)


def edit_line(edit):
    operation, steps, vr, text = edit
    kind = "text" if text else "empty"
    return "%s\t%s\t%s\t%s\t%s\n" % (operation, path_text(steps), kind, vr or "-", (text or "").encode().hex())


# ---- files

def files():
    found = sorted(p for p in (ROOT / "tests/data/digests").glob("*.dcm")
                   if not p.name.startswith(("bad-", "jpip-", "unknown-vr")))  # pydicom can not read the last two
    found += sorted(p for p in corpus.FOLDER.rglob("*") if p.is_file() and
                    not p.name.startswith("GH179") and  # a VR of two spaces, which pydicom can not follow
                    p.suffix not in (".tsv", ".md", ".txt", ".MD") and "LICENSE" not in str(p))
    return found


def syntax_of(path):
    try:
        return str(pydicom.dcmread(path, force=True, stop_before_pixels=True).file_meta.TransferSyntaxUID)
    except Exception:
        return ""


def converted(words, source, out):
    out.unlink(missing_ok=True)
    done = subprocess.run([words[0], "-q", *words[1:], source, out], capture_output=True, timeout=60)
    return out if done.returncode == 0 and out.exists() else None


def variants(path, folder, rng):
    """(name, file): the file itself, and other encodings that DCMTK can give it without loss."""
    yield "as it is", path
    if path.stat().st_size > SIZE_MOST:
        return
    syntax = syntax_of(path)
    plain = path
    if syntax in LOSSLESS:
        plain = converted([LOSSLESS[syntax]], path, folder / "plain.dcm")
    elif syntax not in UNCOMPRESSED:
        return
    for name, words in rng.sample(list(ENCODERS.items()), SYNTAXES):
        made = plain and converted(words + rng.choice(LENGTHS), plain, folder / "converted.dcm")
        if made:
            yield name, made


def stream_of(data, syntax):
    return zlib.decompressobj(-15).decompress(data) if syntax == DEFLATED else data


def run(path, out, edits, seed):
    lines = "".join(edit_line(edit) for edit in edits)
    done = subprocess.run([PROGRAM, "--seed", str(seed), path, out], input=lines, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode in (0, 3, 4), (path, done.returncode, done.stderr, lines)
    return done.returncode, [line.split("\t") for line in done.stdout.splitlines()], lines


def applied(old, changes):
    new = bytearray()
    at = 0
    for offset, length, value in changes:
        new += old[at:offset] + value
        at = offset + length
    return bytes(new + old[at:])


def dump(path):
    done = subprocess.run(["dcmdump", "-q", "+L", "-M", path], capture_output=True)
    text = re.sub(rb"\s*#.*|\(Sequence[^\n]*|\(Item[^\n]*", b"", done.stdout)
    elements = re.split(rb"\n(?=\s*\([0-9a-f]{4},[0-9a-f]{4}\))", text)  # values may have several lines
    return done.returncode, [element.strip() for element in elements if not element.strip().startswith(b"(fffe,")]


def edited_tags(edits):
    return {"(%04x,%04x)" % (tag >> 16, tag & 0xFFFF) for _, steps, _, _ in edits for tag, _ in steps}


def check_dcmtk(path, out, edits):
    before, old = dump(path)
    after, new = dump(out)
    if before != 0:
        return
    assert after == 0
    removes = any(operation == "remove" for operation, *_ in edits)
    tags = edited_tags(edits)
    turned = (b" US ", b" SS ", b" xs ") if "(0028,0103)" in tags else ()  # PS3.5 A.1: Pixel Representation says which

    def others(lines):
        return [line for line in lines if line[:11].decode("latin-1") not in tags and b",0000) UL" not in line and
                not line.startswith(b"(0008,0001)") and line[11:15] not in turned]

    if removes:  # what goes with a sequence is not told apart by its tags
        rest = iter(others(old))
        strange = [line[:60] for line in others(new) if line not in rest][:1]
        assert not strange, (path, edits, strange)
    else:
        assert others(old) == others(new)


def has_more_behind_pixels(dataset):
    tags = [int(tag) for tag in dataset._dict]  # in the order of the file
    pixels = [at for at, tag in enumerate(tags) if tag in (0x7FE00008, 0x7FE00009, 0x7FE00010)]
    return bool(pixels) and any(tag < 0x7FE00000 for tag in tags[pixels[0]:])


def check_one(path, folder, rng, context):
    try:
        dataset, model = read(path)
    except Exception:
        return "unreadable"
    if has_more_behind_pixels(dataset):
        return "elements behind Pixel Data"  # the survey does not see them, by its definition
    syntax = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", ""))
    edits = [random_edit(rng, model) for _ in range(rng.randrange(1, 7))]
    out = folder / "edited.dcm"
    status, lines, text = run(path, out, edits, rng.randrange(1 << 30))
    context = (context, str(path), text)
    if status != 0:
        return lines[-1][0] + ": " + lines[-1][1]
    start = next(int(line[1]) for line in lines if line[0] == "data")
    changes = [(int(line[1]), int(line[2]), bytes.fromhex(line[3])) for line in lines if line[0] == "change"]
    old = stream_of(path.read_bytes()[start:], syntax)
    new = stream_of(out.read_bytes()[start:], syntax)
    undone = stream_of(pathlib.Path(str(out) + ".undone").read_bytes()[start:], syntax)
    assert path.read_bytes()[:start] == out.read_bytes()[:start], context
    assert new == applied(old, changes), context
    assert undone == old, context
    original = copy.deepcopy(model)
    for edit in edits:
        model_edit(model, original, edit)
    without_removed_items(model)
    _, after = read(out)
    assert without_lengths(after) == without_lengths(model), "\n".join(map(str, context))
    check_dcmtk(path, out, edits)
    return "fine"


def test_random_edits(tmp_path):
    print("EDIT_SEED=%d EDIT_ROUNDS=%d EDIT_SYNTAXES=%d" % (SEED, ROUNDS, SYNTAXES))
    paths = files()
    if not corpus.rows():
        warnings.warn(f"{corpus.ABSENT}: only tests/data")
    outcomes = {}
    for number in range(ROUNDS):
        for index, path in enumerate(paths):
            rng = random.Random(SEED + number * 100003 + index)
            for name, variant in variants(path, tmp_path, rng):
                outcome = check_one(variant, tmp_path, rng, "EDIT_SEED=%d" % SEED)
                for _ in range(20):  # where two of the random edits meet in one element
                    if outcome != "problem: is edited twice":
                        break
                    outcome = check_one(variant, tmp_path, rng, "EDIT_SEED=%d" % SEED)
                row = outcomes.setdefault(name, {})
                row[outcome] = row.get(outcome, 0) + 1
    for name, row in outcomes.items():
        print(name, row)
        assert row.get("fine", 0) > 0.8 * sum(row.values()), (name, row)
    assert outcomes.keys() == {"as it is", *ENCODERS}


if __name__ == "__main__":
    pytest.main(["-q", "-s", "-p", "no:cacheprovider", __file__])
