"""What the verdicts of a run amount to: outcomes in words, their order, totals, overall status."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from gauntlet_reports.run_data import PlannedCase, Result, RunData, Unfinished, Verdict

Outcome = Literal[
    "error",
    "unfinished",
    "crash",
    "hang",
    "fail",
    "unexpected_pass",
    "expected",
    "not_run",
    "unsupported",
    "not_reached",
    "pass",
]
"""A verdict in the light of expectations; `unfinished` and `not_reached` are cases without one."""


class Look(msgspec.Struct, frozen=True):
    """How an outcome is written: a glyph, a word for one case, words for many."""

    glyph: str
    word: str
    many: str


LOOKS: dict[Outcome, Look] = {
    "error": Look("!", "error", "errors"),
    "unfinished": Look("\N{HORIZONTAL ELLIPSIS}", "unfinished", "unfinished"),
    "crash": Look("\N{SIX POINTED BLACK STAR}", "crash", "crashed"),
    "hang": Look("\N{CIRCLE WITH UPPER RIGHT QUADRANT BLACK}", "hang", "hung"),
    "fail": Look("\N{BALLOT X}", "fail", "failed"),
    "unexpected_pass": Look("\N{BLACK FLAG}", "unexpected pass", "passed unexpectedly"),
    "expected": Look("\N{ALMOST EQUAL TO}", "expected", "failed as expected"),
    "not_run": Look("\N{WHITE CIRCLE}", "not run", "not run"),
    "unsupported": Look("\N{CIRCLED DIVISION SLASH}", "unsupported", "unsupported"),
    "not_reached": Look("\N{EN DASH}", "not reached", "not reached"),
    "pass": Look("\N{CHECK MARK}", "pass", "passed"),
}
"""Worst first: this order decides which outcome speaks for a group of cases."""

SEVERITY: dict[Outcome, int] = {outcome: place for place, outcome in enumerate(LOOKS)}
RED: frozenset[Outcome] = frozenset({"crash", "hang", "fail", "unexpected_pass"})
MACHINE: frozenset[Outcome] = frozenset({"error", "unfinished"})
SKIPPED: frozenset[Outcome] = frozenset({"not_run", "unsupported", "not_reached"})

STATUS_OK = 0
STATUS_FAILED = 1
STATUS_MACHINE = 3


def judged(verdict: Verdict, expected: bool) -> Outcome:
    """An expected deviation is no failure, and a pass where one was expected is."""
    if expected and verdict in ("fail", "hang", "crash"):
        return "expected"
    if expected and verdict == "pass":
        return "unexpected_pass"
    return verdict


def outcome_of(result: Result) -> Outcome:
    """The verdict of a result in the light of expectations."""
    return judged(result.verdict, result.expected)


def worst_outcomes(told: Iterable[tuple[str, Outcome]]) -> dict[str, Outcome]:
    """The outcome that speaks for each case: the worst of its repetitions, in any order."""
    worst: dict[str, Outcome] = {}
    for case, outcome in told:
        if case not in worst or SEVERITY[outcome] < SEVERITY[worst[case]]:
            worst[case] = outcome
    return worst


def outcomes_in(run: RunData) -> dict[str, Outcome]:
    """The outcome that speaks for each case of a run."""
    told: list[tuple[str, Outcome]] = [(r.case, outcome_of(r)) for r in run.results]
    told += [(one.case.name, "unfinished") for one in run.unfinished]
    told += [(case.name, "not_reached") for case in run.not_reached]
    return worst_outcomes(told)


class Entry(msgspec.Struct, frozen=True):
    """A case of the run with its outcome, whether or not it has a result."""

    case: PlannedCase
    outcome: Outcome
    result: Result | None = None
    unfinished: Unfinished | None = None

    @property
    def repetition(self) -> int:
        """Which repetition of its case this is, from 0."""
        source = self.result or self.unfinished
        return source.repetition if source else 0


def entries(run: RunData) -> list[Entry]:
    """Every case of the run, worst outcome first, then by name and repetition."""
    listed = [
        Entry(case=_as_planned(result), outcome=outcome_of(result), result=result)
        for result in run.results
    ]
    listed += [Entry(case=u.case, outcome="unfinished", unfinished=u) for u in run.unfinished]
    listed += [Entry(case=case, outcome="not_reached") for case in run.not_reached]
    return sorted(listed, key=lambda e: (SEVERITY[e.outcome], e.case.name, e.repetition))


def _as_planned(result: Result) -> PlannedCase:
    return PlannedCase(
        name=result.case,
        method=result.method,
        kind=result.kind,
        subject=result.subject,
        contract=result.contract,
        clause=result.clause,
    )


def totals(run: RunData) -> dict[Outcome, int]:
    """How many cases had each outcome, worst first, zeros included."""
    counts: dict[Outcome, int] = dict.fromkeys(LOOKS, 0)
    for result in run.results:
        counts[outcome_of(result)] += 1
    counts["unfinished"] = len(run.unfinished)
    counts["not_reached"] = len(run.not_reached)
    return counts


def overall_status(run: RunData) -> int:
    """The exit status the run deserves: 0 all passed or expected, 1 something failed, 3 machine.

    An unexpected failure is a finding and outranks machine trouble. A run that judged nothing, or
    was cut short before its plan was done, is trouble: it must not look like a success.
    """
    counts = totals(run)
    if any(counts[outcome] for outcome in RED):
        return STATUS_FAILED
    cut_short = run.state != "finished" and bool(run.not_reached)
    if any(counts[outcome] for outcome in MACHINE) or cut_short or not run.results:
        return STATUS_MACHINE
    return STATUS_OK


def headline(run: RunData) -> str:
    """The totals in words, for instance ``412 passed, 2 failed, 31 not run``."""
    counts = totals(run)
    words = [f"{counts['pass']:,} passed"]
    for outcome, count in counts.items():
        if count and outcome != "pass":
            words.append(counted(outcome, count))
    return ", ".join(words) if sum(counts.values()) else "No case was run"


def counted(outcome: Outcome, count: int) -> str:
    """``3 failed``, ``1 error``."""
    look = LOOKS[outcome]
    return f"{count:,} {look.word if outcome == 'error' and count == 1 else look.many}"


def status_words(run: RunData) -> str:
    """One sentence that says what the overall status means for this run."""
    status = overall_status(run)
    counts = totals(run)
    if status == STATUS_FAILED:
        return "Something did not do what it promises."
    if status == STATUS_OK:
        unasked = sum(counts[outcome] for outcome in SKIPPED)
        return (
            "Whatever could be asked kept its promises."
            if unasked
            else "Every case kept its promise."
        )
    if not run.results:
        return "The run judged nothing."
    return "The harness or the machine had trouble; what it could judge held."


def state_words(run: RunData) -> str:
    """What became of the run, in words."""
    if run.state in ("started", "resumed", "running"):
        return "not ended: still running, or killed"
    return run.state


def repro_command(case: str, seed: int, profile: str = "", options: Sequence[str] = ()) -> str:
    """The command that repeats one case exactly; the default profile is left out."""
    words = ["harness/gauntlet", "repro", case, "--seed", str(seed)]
    if profile and profile != "smoke":
        words += ["--profile", profile]
    return shlex.join([*words, *options])


def repro_options(run: RunData) -> list[str]:
    """What the run was told about where its suites are; a repetition must be told the same."""
    command = run.info.get("command")
    given = [str(word) for word in command] if isinstance(command, list) else []
    options = []
    for place, word in enumerate(given):
        name, equals, value = word.partition("=")
        if name in ("--suite", "--preset"):
            value = value if equals else "".join(given[place + 1 : place + 2])
            options += [name, value] if value else []
    night = run.info.get("night")
    if isinstance(night, dict):  # Its command names a configuration, which names them.
        suites = night.get("suites")
        for suite in suites if isinstance(suites, list) else []:
            options += ["--suite", str(suite)]
        if not suites and run.text("preset") not in ("", "release"):
            options += ["--preset", run.text("preset")]
    return options


def repro_of(entry: Entry, run: RunData) -> str:
    """The command for an entry that has a seed, else ``""``."""
    source = entry.result or entry.unfinished
    if source is None:
        return ""
    profile = (entry.result.profile if entry.result else "") or run.text("profile")
    return repro_command(entry.case.name, source.seed, profile, repro_options(run))


def message_of(entry: Entry) -> str:
    """One sentence for whatever is not a pass."""
    message = _message_of(entry)
    if entry.result and entry.result.expired_on:
        name, day = entry.result.expectation, entry.result.expired_on
        message += f"; the expectation {name} expired on {day}"
    return message


def _message_of(entry: Entry) -> str:
    if entry.outcome == "unfinished":
        return "the run ended while this case was running"
    if entry.outcome == "not_reached":
        return "the run ended before this case was reached"
    if entry.outcome == "unexpected_pass":
        name = entry.result.expectation if entry.result else ""
        return "passed, although it was expected to fail" + (f": {name}" if name else "")
    if entry.result is None:
        return ""
    if entry.result.reason:
        return entry.result.reason
    return entry.result.failures[0].message if entry.result.failures else entry.outcome
