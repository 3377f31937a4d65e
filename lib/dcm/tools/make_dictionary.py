#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# Writes lib/dcm/src/dictionary.def: the VR of every standard data element, from the tables of PS3.6 as Debian's
# python3-pydicom carries them. Run it by hand, look at the difference, and raise DCM_DICTIONARY_VERSION in
# include/dcm/vr.h if a row changed: canonical digests depend on it (docs/digests.md). Nothing runs it in the build.
#
#   lib/dcm/tools/make_dictionary.py > lib/dcm/src/dictionary.def
import pydicom
from pydicom.datadict import DicomDictionary, RepeatersDictionary

CHOICES = {"OB or OW": "OB_OR_OW", "US or SS": "US_OR_SS", "US or SS or OW": "US_OR_SS", "US or OW": "US_OR_OW"}
PER_LINE = 7

HEAD = """\
// SPDX-License-Identifier: Apache-2.0
//
// The VR dictionary, version 1: facts of PS3.6 by way of pydicom {version}. Made by tools/make_dictionary.py; do not
// edit. T(tag,VR): one element, ascending. W(tag,mask,VR): repeating groups and elements; a tag matches if
// (tag & mask) is the first number; looked up after T. Included by dictionary.c; read as text by docs/digests.md's
// other implementations.
// clang-format off
"""


def is_data_element(tag):
    """Command elements, file meta information and delimitation items never are elements of a data set."""
    return tag >> 16 not in (0x0000, 0x0002, 0xFFFE)


def name_of(vr):
    return CHOICES.get(vr, vr)


def rows():
    for tag in sorted(DicomDictionary):
        vr = DicomDictionary[tag][0]
        if is_data_element(tag) and vr != "NONE":
            yield "T(%08X,%s)" % (tag, name_of(vr))


def repeating_rows():
    for pattern in sorted(RepeatersDictionary):
        mask = "".join("0" if c == "x" else "F" for c in pattern)
        yield "W(%s,%s,%s)" % (pattern.replace("x", "0").upper(), mask, name_of(RepeatersDictionary[pattern][0]))


def print_lines(items, per_line):
    items = list(items)
    for start in range(0, len(items), per_line):
        print(" ".join(items[start:start + per_line]))


print(HEAD.format(version=pydicom.__version__), end="")
print("#ifdef T")
print_lines(rows(), PER_LINE)
print("#endif")
print("#ifdef W")
print_lines(repeating_rows(), 4)
print("#endif")
