# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: measures every goal and prints the table of docs/performance.md."""
from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from dgtest.daemon import ROOT

from .goals import GOALS, Goal
from .memory import PageCache
from .rows import GROUPS, Bench, median
from .stage import Stage


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:.3g}{' ' + unit if unit else ''}" if value < 1000 else f"{value:.0f} {unit}".strip()


def verdict(goal: Goal, value: float | None) -> str:
    if not goal.better:
        return "reported"
    if value is None:
        return "not measured"
    return "stretch" if goal.meets(value, goal.stretch) else "yes" if goal.meets(value, goal.must) else "**no**"


def table(bench: Bench, wanted: list[Goal]) -> list[str]:
    lines = ["| goal | scenario | must | stretch | measured | met |", "|---|---|---|---|---|---|"]
    for goal in wanted:
        values = bench.values.get(goal.name)
        value = median(values) if values else None
        must, stretch = (f"{goal.better} {number(limit, goal.unit)}" if goal.better else "-"
                         for limit in (goal.must, goal.stretch))
        lines.append(f"| `{goal.name}` | {goal.text} | {must} | {stretch} | {number(value, goal.unit)} "
                     f"| {verdict(goal, value)} |")
    return lines


def report(bench: Bench, wanted: list[Goal]) -> dict[str, object]:
    rows = []
    for goal in wanted:
        values = bench.values.get(goal.name)
        value = median(values) if values else None
        rows.append({"name": goal.name, "value": value, "must": goal.must, "stretch": goal.stretch,
                     "ok": goal.meets(value, goal.must) if goal.better else True, "unit": goal.unit,
                     "rounds": values or []})
    return {"version": 1, "quick": bench.quick, "goals": rows,
            "figures": {name: median(values) for name, values in bench.notes.items()}}


def groups_of(names: list[str]) -> list[str]:
    """Names of groups or of goals; none: all groups."""
    chosen = [group for group, (goals, _) in GROUPS.items()
              if not names or group in names or any(goal in names for goal in goals)]
    known = set(GROUPS) | {goal.name for goal in GOALS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"bench: no goal or group {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return chosen


def measure(bench: Bench, group: str) -> bool:
    begin = time.monotonic()
    problem = None
    try:
        GROUPS[group][1](bench)
    except Exception as why:  # whatever it is: the figures of the other groups are not lost
        problem = f"{type(why).__name__}: {why}"
    print(f"bench: {group}: {problem or 'measured'}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    for path in bench.folder.iterdir():
        shutil.rmtree(path, ignore_errors=True)
    return problem is None


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes: a look, not a figure")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a goal or a group of goals")
    parser.add_argument("--list", action="store_true", help="names the groups and their goals, measures nothing")
    parser.add_argument("--json", metavar="FILE", help="the result for programs")
    parser.add_argument("--folder", default=str(ROOT / "build" / "bench"), help="a folder on a real disk")
    arguments = parser.parse_args()
    if arguments.list:
        for group, (goals, _) in GROUPS.items():
            print(f"{group}: {', '.join(goals)}")
        return 0
    chosen = groups_of(arguments.only)
    Path(arguments.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=arguments.folder))
    bench = Bench(folder, arguments.quick)
    try:
        with PageCache(Path(arguments.folder)) as cache:
            Stage.before_run = staticmethod(cache.top_up)
            failed = [group for group in chosen if not measure(bench, group)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    filled = {goal for group in chosen for goal in GROUPS[group][0]}
    wanted = [goal for goal in GOALS if goal.name in filled]
    print("\n".join(table(bench, wanted)))
    print()
    for name, values in bench.notes.items():
        print(f"- {name}: {number(median(values))}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report(bench, wanted), indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
