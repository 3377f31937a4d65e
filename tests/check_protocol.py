#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/protocol.tsv has each of its 100 cases once, and every test that it names is there.
With `--list` it prints the tests of each case."""
import re
import sys
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CASES = 100
TABLES = {"bad_peers": ("bad_peer_cases", "bad_peer_services"), "bad_archives": ("bad_archive_cases",)}


def registered(words: str) -> dict[int, list[str]]:
    """Case number to the names of the functions that register themselves for it."""
    sys.path[:0] = [str(TESTS / "support"), str(TESTS / "scenario")]
    found: dict[int, list[str]] = defaultdict(list)
    for name in TABLES[words]:
        __import__(name)
    for case in sys.modules[TABLES[words][0]].CASES:
        found[case.protocol].append(case.name)
    return found


def exists(reference: str) -> bool:
    path, _, name = reference.partition("::")
    file = TESTS / path
    if not file.is_file():
        return False
    kind = r"^def " if file.suffix == ".py" else r"^(?:static void|int) "
    return re.search(kind + re.escape(name) + r"\(", file.read_text(), re.M) is not None


def rows() -> list[tuple[int, str, list[str]]]:
    found = []
    for line in (TESTS / "protocol.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            number, done, tests = line.split("\t")
            found.append((int(number), done, tests.split()))
    return found


def main() -> int:
    known = {words: registered(words) for words in TABLES}
    problems, listed = [], set()
    table = rows()
    for number, done, tests in table:
        names = []
        for test in tests:
            if test in known:
                names += known[test].get(number, [])
                listed.add((test, number))
                if number not in known[test]:
                    problems.append(f"case {number}: none in {test}")
            elif not exists(test):
                problems.append(f"case {number}: no test {test}")
        if not tests or not done:
            problems.append(f"case {number}: nothing said or no test")
        if "--list" in sys.argv:
            print(number, done, *[test for test in tests if test not in known], *names, sep="\n    ")
    if [number for number, _, _ in table] != list(range(1, CASES + 1)):
        problems.append(f"the cases are not 1 to {CASES} in order")
    for words, cases in known.items():
        problems += [f"case {n}: {words} has it, the table does not say so" for n in cases if (words, n) not in listed]
    print("\n".join(problems) if problems else f"protocol: {len(table)} cases have their tests")
    return 1 if problems else 0


sys.exit(main())
