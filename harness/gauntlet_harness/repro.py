"""``repro``: one case again, exactly, with everything it has to say."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from gauntlet_harness.campaign import new_scope_maker
from gauntlet_harness.cases import RED, SKIPPED, Result
from gauntlet_harness.durations import for_people
from gauntlet_harness.errors import STATUS_FAILED, STATUS_MACHINE, STATUS_OK
from gauntlet_harness.guardian import Guardian
from gauntlet_harness.homes import Homes
from gauntlet_harness.progress import STYLES, WORDS
from gauntlet_harness.runner import Job, run_one
from gauntlet_harness.server import Servers
from gauntlet_harness.signals import stopped_as_by_ctrl_c

# git bisect run takes this for "this revision cannot tell".
STATUS_CANNOT_TELL = 125


def repeat(job: Job, times: int, console: Console, *, until_failure: bool = False) -> int:
    """Run a case so many times, show the worst of it, and return the exit status.

    ``until_failure`` ends it at the first failure, and where the case cannot run here at all.
    """
    verdicts: Counter[str] = Counter()
    shown: Result | None = None
    make_scope = new_scope_maker()
    with (
        stopped_as_by_ctrl_c(),
        tempfile.TemporaryDirectory(prefix="gauntlet-repro-") as home,
        Guardian() as guardian,
        Servers() as servers,
    ):
        homes = Homes(Path(home))
        for _ in range(times):
            result = run_one(job, make_scope(), homes, guardian, servers)
            verdicts[result.verdict] += 1
            if shown is None or _gravity(result) > _gravity(shown):
                shown = result
            if until_failure and (result.verdict in RED or result.verdict in SKIPPED):
                break
    assert shown is not None
    show(shown, console)
    if times > 1:
        counted = ", ".join(f"{n} {WORDS[verdict]}" for verdict, n in verdicts.items())
        console.print(f"of {verdicts.total()} repetitions: {counted}", markup=False)
    return _status(shown)


def _gravity(result: Result) -> int:
    if result.verdict in RED:
        return 3
    return 2 if result.verdict == "error" else 1 if result.verdict in SKIPPED else 0


def _status(worst: Result) -> int:
    if worst.verdict in RED:
        return STATUS_FAILED
    if worst.verdict in SKIPPED:
        return STATUS_CANNOT_TELL
    return STATUS_MACHINE if worst.verdict == "error" else STATUS_OK


def show(result: Result, console: Console) -> None:
    """Print a result for people: what was promised, what happened, who did what when."""
    style = STYLES[result.verdict]
    took = for_people(result.duration_ms / 1000)
    console.print(f"[{style}]{result.verdict}[/] {escape(result.case)} in {took}", soft_wrap=True)
    for line in describe(result):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def describe(result: Result) -> list[str]:
    """Return the lines of a result below its heading; empty parts are left out."""
    faults = result.faults
    parts = [
        ("promise", result.clause or ""),
        ("seed", f"{result.seed} (profile {result.profile}, repetition {result.repetition})"),
        ("reason", result.reason),
        ("remedy", result.remedy),
        ("faults", f"{faults.fired} of {faults.planned} fired" if faults.planned else ""),
        ("left behind", ", ".join(result.leftovers)),
    ]
    lines = [f"  {name:<12}{text}" for name, text in parts if text]
    for failure in result.failures:
        where = f"{failure.file}:{failure.line}: " if failure.file else ""
        lines += [f"  {line}" for line in f"{where}{failure.message}".splitlines()]
    for name, text in (
        ("history", result.lanes),
        ("processes", result.processes),
        ("output", result.output),
    ):
        if text.strip():
            lines += [f"  {name}:", *(f"    {line}" for line in text.rstrip().splitlines())]
    return lines
