#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/letters.def from Python's Unicode tables: how letters compare without case and accents, and their upper
and lower case. Run by hand when a script is added; the output is committed.

    tools/make_letters.py >src/letters.def"""
import sys
import unicodedata

# Letters that Unicode does not decompose, though people write them either way.
PLAIN = {"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t", "ß": "ss"}
# Marks that are accents. Others are vowels (Thai, Indic) and make another word.
MARKS = [(0x0300, 0x036F), (0x0483, 0x0487), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670)]
RANGES = [(0x41, 0x1FFF), (0xFB00, 0xFB06), (0xFF01, 0xFF5E)]


def is_accent(char):
    return unicodedata.category(char) == "Mn" and any(low <= ord(char) <= high for low, high in MARKS)


def folded(char):
    if is_accent(char):
        return ""
    plain = unicodedata.normalize("NFKD", char).casefold()
    kept = "".join(PLAIN.get(c, c) for c in unicodedata.normalize("NFKD", plain) if not is_accent(c))
    return "".join(PLAIN.get(c, c) for c in kept)


def text(value):
    return "".join(c if 0x20 <= ord(c) < 0x7F and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode())
                   for c in value)


def rows_write(rows):
    line = ""
    for row in rows:
        if len(line) + len(row) + 1 > 118:
            print(line)
            line = ""
        line += (" " if line else "") + row
    print(line)


def main():
    chars = [chr(code) for low, high in RANGES for code in range(low, high + 1)
             if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    print("// SPDX-License-Identifier: Apache-2.0\n//\n"
          f"// Letters, from Unicode {unicodedata.unidata_version}. Made by tools/make_letters.py; do not edit.\n"
          "// F(letter,text): compares as this text. L(upper,lower), U(lower,upper): simple case mappings.\n"
          "// Each ascending. Included by letters.c.\n// clang-format off\n#ifdef F")
    rows_write([f'F({ord(c):04X},"{text(folded(c))}")' for c in chars if folded(c) != c])
    print("#endif\n#ifdef L")
    rows_write([f"L({ord(c):04X},{ord(c.lower()):04X})" for c in chars if len(c.lower()) == 1 and c.lower() != c])
    print("#endif\n#ifdef U")
    rows_write([f"U({ord(c):04X},{ord(c.upper()):04X})" for c in chars if len(c.upper()) == 1 and c.upper() != c])
    print("#endif")


if __name__ == "__main__":
    sys.exit(main())
