"""Two runs that never happened and differ in every class that there is, to look at comparisons.

``python -m gauntlet_reports.sample_comparison FOLDER`` writes both and the page that compares them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gauntlet_reports.changes import Kind
from gauntlet_reports.comparison import Comparison, compare
from gauntlet_reports.comparison_html import render_comparison_html
from gauntlet_reports.run_data import load_run
from gauntlet_reports.sample_run import (
    FINGERPRINT,
    NASTY,
    Line,
    ended,
    planned_cases,
    run_info,
    write_run,
)
from gauntlet_reports.write import write_whole

_EXPECTED: Line = {"verdict": "fail", "expected": True}
_UNEXPECTED: Line = {"verdict": "pass", "expected": True}
# The verdicts of a case's repetitions before and after; None where the run has no such case.
_WANTED: Mapping[Kind, tuple[Sequence[str | Line] | None, Sequence[str | Line] | None]] = {
    "regression": (["pass"], ["fail"]),
    "new_failure": (["not_run"], ["crash"]),
    "unexpected_pass": ([_EXPECTED], [_UNEXPECTED]),
    "newly_flaky": (["pass", "pass"], ["pass", "hang"]),
    "no_verdict": (["pass"], ["error"]),
    "disappeared": (["pass"], None),
    "not_asked": (["pass"], ["unsupported"]),
    "still_failing": (["fail"], ["fail"]),
    "still_flaky": (["pass", "fail"], ["fail", "pass"]),
    "fixed": (["hang"], ["pass"]),
    "new_pass": (["not_run"], ["pass"]),
    "appeared": (None, ["pass"]),
    "known": (["pass"], [_EXPECTED]),
    "unchanged": (["pass"], ["pass"]),
}
_CALLS = "openat #1 fails with EIO -> {}\n2 of 94 failures tried\n"
_HIDDEN = "hidden: the call said that all is well and nothing was sent"
_NOTHING: Line = {"measured": {}, "observed": {}}
# What the unchanged case measured and observed: shifts, a behaviour and a record.
_FOUND: tuple[Line, Line] = (
    {
        "measured": {"capacity_bytes": 65536, "largest_message": 8192, "descriptors": 0.5},
        "observed": {
            "wakes": "first come, first served",
            "failing calls: send": _CALLS.format("reported"),
        },
    },
    {
        "measured": {"capacity_bytes": 4096, "largest_message": 65536, "descriptors": 64.5},
        "observed": {
            "wakes": NASTY.replace("\r\n", " "),
            "failing calls: send": _CALLS.format(_HIDDEN),
        },
    },
)


def write_two_runs(folder: Path) -> tuple[Path, Path]:
    """Write both runs below a folder and return theirs."""
    cases = dict(zip(_WANTED, planned_cases(), strict=False))
    first, second = (_write(folder, side, cases) for side in (0, 1))
    return first, second


def sample_comparison(folder: Path) -> Comparison:
    """Write both runs below a folder and compare them."""
    first, second = write_two_runs(folder)
    return compare(load_run(first), load_run(second))


def _write(folder: Path, side: int, cases: Mapping[Kind, Line]) -> Path:
    chance = random.Random(1)
    planned, lines = [], []
    for kind, case in cases.items():
        verdicts = _WANTED[kind][side]
        if verdicts is None:
            continue
        planned.append(case)
        for repetition, verdict in enumerate(verdicts):
            given = {"verdict": verdict} if isinstance(verdict, str) else dict(verdict)
            word = given.pop("verdict")
            found: Line = _FOUND[side] if kind == "unchanged" else _NOTHING
            lines.append(ended(case, word, chance, repetition=repetition, **found, **given))
    lines.append({"schema": 1, "event": "run", "state": "finished", "at": "2026-11-23T04:00:00Z"})
    system = FINGERPRINT | ({"libc": "glibc 2.41"} if side else {})
    info = run_info(planned, state="finished", seed=7 + side, fingerprint=system)
    return write_run(folder / ("after" if side else "before"), info, lines)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    write_whole(target / "comparison.html", render_comparison_html(sample_comparison(target)))
