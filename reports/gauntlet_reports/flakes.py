"""Failed cases that ran again: which attempts belong to which result, and what they say."""

from __future__ import annotations

from gauntlet_reports.outcomes import RED, Entry, outcome_of
from gauntlet_reports.run_data import FlakeClass, Result, RunData
from gauntlet_reports.text import count


def attempts_at(result: Result, run: RunData) -> list[Result]:
    """The later attempts at a result, in their order; empty for what did not run again."""
    made = run.attempts.get(result.case, [])
    return sorted(
        (attempt for attempt in made if attempt.repetition == result.repetition),
        key=lambda attempt: attempt.attempt,
    )


def class_of(result: Result, run: RunData) -> FlakeClass | None:
    """The class of a failure, or None when there is none or it is of another repetition."""
    return run.classes.get(result.case) if attempts_at(result, run) else None


def class_words(flake: FlakeClass) -> str:
    """For instance ``load-dependent: failed again in 2 of 6 attempts``."""
    return f"{flake.name}: failed again in {flake.failed} of {count(flake.attempts, 'attempt')}"


def flake_words(entry: Entry, run: RunData) -> str:
    """The class of an entry in words, or ``""``."""
    flake = class_of(entry.result, run) if entry.result else None
    return class_words(flake) if flake else ""


def not_rerun(run: RunData) -> int:
    """How many cases failed without a later attempt although the run was to make some."""
    if not run.info.get("rerun"):
        return 0
    red = {r.case for r in run.results if outcome_of(r) in RED and r.verdict != "pass"}
    return len(red - run.attempts.keys())
