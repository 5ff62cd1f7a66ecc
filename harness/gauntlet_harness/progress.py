"""What the user sees while a run goes on: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gauntlet_harness.cases import Result
from gauntlet_harness.color import make_console
from gauntlet_harness.durations import for_people
from gauntlet_harness.expectations import outcome_of
from gauntlet_harness.runner import Job

STYLES = {
    "pass": "green",
    "fail": "bold red",
    "hang": "bold magenta",
    "crash": "bold red",
    "error": "bold yellow",
    "unsupported": "cyan",
    "not_run": "cyan",
    "expected": "green",
    "unexpected_pass": "bold red",
}
WORDS = {
    "pass": "passed",
    "fail": "failed",
    "hang": "hung",
    "crash": "crashed",
    "error": "in error",
    "unsupported": "unsupported",
    "not_run": "not run",
    "expected": "failed as expected",
    "unexpected_pass": "passed unexpectedly",
}
_REFRESH_S = 0.2
_SHOWN_RUNNING = 8
_BAR_WIDTH = 30


class Watcher(Protocol):
    """Told of everything that happens in a run."""

    def began(self, total: int, jobs: int) -> None:
        """Learn that a run of so many cases begins, so many of them at once."""

    def grew(self, more: int) -> None:
        """Learn that there are more cases than was said."""

    def ended(self, result: Result, job: Job) -> None:
        """Learn that a case has its result."""

    def again(self, attempts: int, jobs: int) -> None:
        """Learn that failed cases run again: so many attempts, so many of them at once."""

    def attempted(self, result: Result, job: Job) -> None:
        """Learn how one such attempt ended; it counts for no total."""

    def tick(self, running: Sequence[tuple[Job, float]]) -> None:
        """Show what runs now, each with its seconds; called several times a second."""

    def closed(self) -> None:
        """Learn that the run is over."""


class Counts:
    """How far the run is."""

    def __init__(self, total: int, jobs: int) -> None:
        self.total = total
        self.jobs = jobs
        self.verdicts: Counter[str] = Counter()
        self.began = time.monotonic()

    @property
    def done(self) -> int:
        """Cases with a result."""
        return sum(self.verdicts.values())

    def words(self) -> str:
        """Return ``120 passed, 1 failed``."""
        known = [f"{self.verdicts[v]} {word}" for v, word in WORDS.items() if self.verdicts[v]]
        return ", ".join(known) or "none yet"

    def time_left(self) -> str:
        """Return an estimate from the pace so far, or ``""`` while that would be a guess."""
        elapsed = time.monotonic() - self.began
        if self.done < max(5, 2 * self.jobs):
            return ""
        return f"about {for_people(elapsed / self.done * (self.total - self.done))} left"


def repro_command(job: Job, result: Result, root: Path) -> str:
    """Return the one command that repeats a result exactly."""
    words = ["harness/gauntlet", "repro", job.case.name, "--seed", str(result.seed)]
    if job.profile != "smoke":
        words += ["--profile", job.profile]
    build = root / "build"
    if not job.suite.path.is_relative_to(build):
        words += ["--suite", str(job.suite.path)]
    elif (preset := job.suite.path.relative_to(build).parts[0]) != "release":
        words += ["--preset", preset]
    return shlex.join(words)


def _needs_telling(result: Result) -> bool:
    return outcome_of(result) in ("fail", "hang", "crash", "unexpected_pass", "error")


def _shout(result: Result) -> str:
    return outcome_of(result).upper().replace("_", " ")


def first_reason(result: Result) -> str:
    """Return why it went wrong, in one line."""
    reason = _first_reason(result)
    if result.expired_on:
        reason += f"; the expectation {result.expectation} expired on {result.expired_on}"
    return reason


def _first_reason(result: Result) -> str:
    texts = [result.reason, *(failure.message for failure in result.failures)]
    for text in texts:
        if text.strip():
            return text.strip().splitlines()[0]
    if outcome_of(result) == "unexpected_pass":
        named = f"the expectation {result.expectation}" if result.expectation else "an expectation"
        return f"{named} says that it fails here; remove the entry if that is over"
    return "no reason was given"


def _again(attempts: int, jobs: int) -> str:
    return f"running failed cases again: {attempts} attempts, {jobs} at once"


def _attempted(result: Result, job: Job) -> str:
    name = f"{result.case} (attempt {job.attempt}, seed {result.seed})"
    return f"  again {WORDS[result.verdict]}: {name}"


class PlainWatcher:
    """A line every 10 %, and each failure at once with its reason and how to repeat it."""

    def __init__(self, root: Path, out: TextIO = sys.stdout) -> None:
        self._root = root
        self._out = out
        self._told = 0
        self._counts = Counts(0, 1)

    def began(self, total: int, jobs: int) -> None:
        """Start counting."""
        self._counts = Counts(total, jobs)
        self._print(f"running {total} cases, {jobs} at once")

    def grew(self, more: int) -> None:
        """Begin the tenths anew: a soak has no end to measure by."""
        self._counts.total += more
        self._told = self._counts.done * 10 // self._counts.total

    def ended(self, result: Result, job: Job) -> None:
        """Tell a failure at once, anything else in tenths."""
        counts = self._counts
        counts.verdicts[outcome_of(result)] += 1
        if _needs_telling(result):
            self._print(f"{_shout(result)} {result.case}: {first_reason(result)}")
            self._print(f"  reproduce: {repro_command(job, result, self._root)}")
        tenth = counts.done * 10 // counts.total if counts.total else 10
        if tenth > self._told:
            self._told = tenth
            left = counts.time_left() if counts.done < counts.total else ""
            self._print(f"{tenth * 10:3d} %: {counts.words()}" + (f", {left}" if left else ""))

    def again(self, attempts: int, jobs: int) -> None:
        """Say so."""
        self._print(_again(attempts, jobs))

    def attempted(self, result: Result, job: Job) -> None:
        """Say how it ended."""
        self._print(_attempted(result, job))

    def tick(self, running: Sequence[tuple[Job, float]]) -> None:
        """Nothing: a log has no use for what runs now."""

    def closed(self) -> None:
        """Nothing is left to tidy."""

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class LiveWatcher:
    """Counts, what runs now and the time left, redrawn in place; failures scroll above."""

    def __init__(self, root: Path, console: Console) -> None:
        self._root = root
        self._console = console
        self._counts = Counts(0, 1)
        self._drawn = 0.0
        # Redrawn by tick alone: a thread of its own could hold a lock when a runner is forked.
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def began(self, total: int, jobs: int) -> None:
        """Start the display."""
        self._counts = Counts(total, jobs)
        self._live.start()

    def grew(self, more: int) -> None:
        """Lengthen the bar."""
        self._counts.total += more

    def ended(self, result: Result, job: Job) -> None:
        """Count, and let a failure scroll by."""
        self._counts.verdicts[outcome_of(result)] += 1
        if _needs_telling(result):
            style = STYLES[outcome_of(result)]
            name, reason = escape(result.case), escape(first_reason(result))
            self._console.print(f"[{style}]{_shout(result)}[/] {name}: {reason}")
            command = escape(repro_command(job, result, self._root))
            self._console.print(f"  reproduce: {command}", soft_wrap=True)

    def again(self, attempts: int, jobs: int) -> None:
        """Let it scroll by."""
        self._console.print(escape(_again(attempts, jobs)))

    def attempted(self, result: Result, job: Job) -> None:
        """Let it scroll by."""
        style = STYLES[result.verdict]
        self._console.print(f"[{style}]{escape(_attempted(result, job))}[/]")

    def tick(self, running: Sequence[tuple[Job, float]]) -> None:
        """Redraw, a few times a second."""
        if time.monotonic() - self._drawn < _REFRESH_S:
            return
        self._drawn = time.monotonic()
        counts = self._counts
        verdicts = Text()
        for verdict, word in WORDS.items():
            if number := counts.verdicts[verdict]:
                verdicts.append(f"{number} {word}  ", style=STYLES[verdict])
        left = counts.time_left()
        head = Text(f"{counts.done} of {counts.total}" + (f", {left}" if left else ""))
        lines = [Text(f"  {seconds:5.1f} s  {job.case.name}") for job, seconds in running]
        if len(lines) > _SHOWN_RUNNING:
            lines[_SHOWN_RUNNING:] = [Text(f"  and {len(lines) - _SHOWN_RUNNING} more")]
        top = Table.grid(padding=(0, 2, 0, 0))
        top.add_row(ProgressBar(max(counts.total, 1), counts.done, width=_BAR_WIDTH), head)
        self._live.update(Group(top, verdicts, *lines), refresh=True)

    def closed(self) -> None:
        """Remove the display; what scrolled by stays."""
        self._live.stop()


def make_watcher(root: Path) -> Watcher:
    """Return the watcher that fits where stdout goes."""
    if sys.stdout.isatty():
        return LiveWatcher(root, make_console())
    return PlainWatcher(root)
