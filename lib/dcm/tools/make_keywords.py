#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# Writes lib/dcm/src/keywords.def: the keyword of every standard data element, from the tables of PS3.6 as Debian's
# python3-pydicom carries them. Run it by hand together with make_dictionary.py. Nothing runs it in the build.
#
#   lib/dcm/tools/make_keywords.py > lib/dcm/src/keywords.def
import pydicom
from pydicom.datadict import DicomDictionary

HEAD = """\
// SPDX-License-Identifier: Apache-2.0
//
// Keywords: facts of PS3.6 by way of pydicom {version}. Made by tools/make_keywords.py; do not edit. K(tag,keyword): one
// element, ascending tags. S(n): row n of K, in the order of the keywords. Included by keyword.c.
// clang-format off
"""

rows = [(tag, entry[4]) for tag, entry in sorted(DicomDictionary.items())
        if tag >> 16 not in (0x0000, 0x0002, 0xFFFE) and entry[4]]
order = sorted(range(len(rows)), key=lambda row: rows[row][1])
assert len({keyword for _, keyword in rows}) == len(rows)
print(HEAD.format(version=pydicom.__version__), end="")
print("#ifdef K")
for start in range(0, len(rows), 3):
    print(" ".join("K(%08X,%s)" % row for row in rows[start:start + 3]))
print("#endif")
print("#ifdef S")
for start in range(0, len(order), 16):
    print(" ".join("S(%d)" % row for row in order[start:start + 16]))
print("#endif")
