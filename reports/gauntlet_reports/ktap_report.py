"""KTAP version 1 (docs.kernel.org/dev-tools/ktap.html): the run as kernel tooling reads it.

Each GoogleTest suite is one test with its cases as subtests.
"""

from __future__ import annotations

from collections import defaultdict

from gauntlet_reports.outcomes import (
    MACHINE,
    RED,
    Entry,
    Outcome,
    entries,
    message_of,
    repro_of,
)
from gauntlet_reports.run_data import RunData
from gauntlet_reports.text import duration, one_line, visible

_VERSION = "KTAP version 1"
_INDENT = "  "
_DIRECTIVES: dict[Outcome, str] = {
    "error": "ERROR",
    "unfinished": "ERROR",
    "hang": "TIMEOUT",
    "expected": "XFAIL",
    "not_run": "SKIP",
    "unsupported": "SKIP",
    "not_reached": "SKIP",
}


def render_ktap(run: RunData) -> str:
    """The run as KTAP, ending in a line end."""
    suites: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries(run):
        suites[entry.case.name.partition(".")[0]].append(entry)
    lines = [_VERSION, f"1..{len(suites)}"]
    for number, name in enumerate(sorted(suites), start=1):
        listed = sorted(suites[name], key=lambda e: (e.case.name, e.repetition))
        lines += [_INDENT + line for line in _subtests(listed, run)]
        bad = sum(_is_bad(entry) for entry in listed)
        skipped = all(_DIRECTIVES.get(entry.outcome) == "SKIP" for entry in listed)
        lines.append(_line(not bad, number, name, "SKIP all its cases" if skipped else ""))
    return "\n".join(lines) + "\n"


def _subtests(listed: list[Entry], run: RunData) -> list[str]:
    lines = [_VERSION, f"1..{len(listed)}"]
    for number, entry in enumerate(listed, start=1):
        if _is_bad(entry):
            lines += [f"# {line}".rstrip() for line in _diagnostics(entry, run)]
        test_name = entry.case.name.partition(".")[2] or entry.case.name
        if entry.repetition:
            test_name += f" repetition {entry.repetition}"
        lines.append(_line(not _is_bad(entry), number, test_name, _directive(entry)))
    return lines


def _is_bad(entry: Entry) -> bool:
    return entry.outcome in RED or entry.outcome in MACHINE


def _line(good: bool, number: int, name: str, after: str) -> str:
    # A description ends at the first hash sign; no name may bring one in.
    line = f"{'ok' if good else 'not ok'} {number} {one_line(name).replace('#', '_')}"
    return f"{line} # {after}" if after else line


def _directive(entry: Entry) -> str:
    word = _DIRECTIVES.get(entry.outcome, "")
    said = one_line(message_of(entry)) if entry.outcome != "pass" else ""
    if word or said:
        return f"{word} {said}".strip()
    return f"took {duration(entry.result.duration_ms)}" if entry.result else ""


def _diagnostics(entry: Entry, run: RunData) -> list[str]:
    lines = [f"promise: {one_line(entry.case.clause)}"] if entry.case.clause else []
    if entry.result:
        for failure in entry.result.failures:
            lines += visible(f"{failure.file}:{failure.line}: {failure.message}").split("\n")
        for text in (entry.result.lanes, entry.result.processes):
            lines += visible(text).split("\n") if text else []
        kernel = entry.result.kernel
        lines += [f"the kernel said ({line.kind}): {one_line(line.text)}" for line in kernel]
        lines += [f"left behind: {one_line(name)}" for name in entry.result.leftovers]
    if repro := repro_of(entry, run):
        lines.append(f"repro: {one_line(repro)}")
    return lines
