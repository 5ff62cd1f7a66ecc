#!/usr/bin/env python3
"""Make docs/death_points.md from the result lines of the sweeps: make_death_points.py RESULTS…

Of several files, the tables must be equal: a sweep is the same each time. Those whose code draws a
random number (sem_open) are left out of the comparison.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

NOT_REPEATABLE = "sem_open"
HEAD = re.compile(r"^(?P<scenario>.*), (?P<fault>[a-z ]+) of (?P<victim>[^,:]+): (?P<points>.*)$")


def tables(path: Path) -> dict[str, str]:
    """Return the tables by what was swept and the case that did it."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        for name, text in result.get("observed", {}).items():
            if name.startswith("sweep: "):
                case = f"{result.get('name') or result['case']}"
                found[f"{name.removeprefix('sweep: ')} ({case.split('.')[-1]})"] = text
    return found


def row(key: str, text: str) -> str:
    """Return one line of the page's table."""
    first, *rest = text.splitlines()
    match = HEAD.match(first)
    if match is None:
        raise SystemExit(f"not the head of a table: {first}")
    outcomes: list[str] = []
    for line in rest:
        counted = re.match(r"^ {2} *(\d+)  (\S.*)$", line)
        if counted is not None and not line.startswith("           "):
            outcomes.append(f"{counted[1]} {counted[2]}")
    points = match["points"].split(",", maxsplit=1)[0].removesuffix(" points")
    return f"| {match['scenario']} | {match['fault']} | {match['victim']} | {points} | {'; '.join(outcomes)} |"


def page(found: dict[str, str]) -> str:
    """Return the whole page."""
    lines = [
        "# Points of death",
        "",
        "What becomes of an object when one of its users is killed, or held up until everybody else is quiet, at each",
        "instruction of what it does with it. Every point is an execution of its own by real processes on the real kernel;",
        "`fixtures/faults/sweep.h` says how. *Stuck* names who sleeps for good and in which system call. The reasons why an",
        "outcome is allowed, or is a find, stand in the cases (`suites/semaphores/*_sweeps.cpp`,",
        "`suites/message_queues/boost_queue_sweeps.cpp`) and in `reports/expectations/glibc.toml`.",
        "",
        "Made on Debian 12 (glibc 2.36, Linux 6.18, GCC 12.2, release build) by",
        "",
        "```sh",
        "build/release/suites/gauntlet_suites --gauntlet_profile=full --gauntlet_results=sweeps.jsonl \\",
        "  --gtest_filter='*AtEachInstruction_*:*HeldUp*:*BeforeASleeper*:*LaterWaiterComes*'",
        "docs/make_death_points.py sweeps.jsonl > docs/death_points.md",
        "```",
        "",
        "Given the results of several runs, the command fails unless their tables are equal. `sem_open` draws a random name",
        "and is not compared. How many points lie in a process' own code depends on the compiler; those in libc do not.",
        "",
        "| object | fault | to | points | outcomes |",
        "| --- | --- | --- | ---: | --- |",
    ]
    lines += [row(key, found[key]) for key in sorted(found)]
    lines += ["", "## Where what is not fine lies", ""]
    for key in sorted(found):
        if len(found[key].splitlines()) > 2:
            lines += ["```", found[key].rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Read the files, compare them, print the page."""
    runs = [tables(Path(name)) for name in sys.argv[1:]]
    if not runs or not runs[0]:
        raise SystemExit("usage: make_death_points.py RESULTS…, with sweeps in them")
    for again in runs[1:]:
        for key in runs[0]:
            if not key.startswith(NOT_REPEATABLE) and runs[0][key] != again.get(key):
                raise SystemExit(f"not the same again: {key}\n{runs[0][key]}\n{again.get(key)}")
    sys.stdout.write(page(runs[0]))


if __name__ == "__main__":
    main()
