"""What a night runs first, and what it runs again: nights are short and cases are many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from gauntlet_harness.cases import Case, outcome
from gauntlet_harness.runner import Job

RANDOM_KINDS: frozenset[str] = frozenset({"races", "crashes", "properties", "overload"})
"""Kinds in which another seed can find what this one did not."""

_NIGHTS = 7
# A change that is older than this is no reason any more to run a case first.
_RECENT_NIGHTS = 3
_WITHOUT_VERDICT = frozenset({None, "not_run"})

Outcomes = Mapping[str, Sequence[str | None]]


class Past(Protocol):
    """What earlier nights say of the cases."""

    def outcomes(self) -> Outcomes:
        """Return, for each case, its outcome in each of the last nights, oldest first.

        None is a night that did not have it.
        """


class JournalPast:
    """The past as the journals of a runs folder tell it."""

    def __init__(self, runs: Path, nights: int = _NIGHTS) -> None:
        self._runs = runs
        self._nights = nights

    def outcomes(self) -> Outcomes:
        """Read the last runs' journals; a damaged line costs only itself."""
        journals = [p for p in self._runs.glob("*/journal.jsonl") if not p.parent.is_symlink()]
        nights = [_outcomes_of(path) for path in sorted(journals)[-self._nights :]]
        names = set().union(*nights) if nights else set()
        return {name: [night.get(name) for night in nights] for name in names}


class _End(msgspec.Struct):
    event: str
    case: str = ""
    verdict: str = ""
    expected: bool = False


def _outcomes_of(journal: Path) -> dict[str, str]:
    """The outcome of each case in one run; of several repetitions, that of one that went wrong."""
    found: dict[str, str] = {}
    try:
        lines = journal.read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            end = msgspec.json.decode(line, type=_End)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if end.event == "end" and found.get(end.case, "pass") == "pass":
            found[end.case] = outcome(end.verdict, end.expected)
    return found


def unseen_nights(outcomes: Sequence[str | None]) -> float:
    """How many nights ago a case last had a verdict; 0 the last night, infinite for never."""
    for ago, one in enumerate(reversed(outcomes)):
        if one not in _WITHOUT_VERDICT:
            return ago
    return math.inf


def changed_nights(outcomes: Sequence[str | None]) -> float:
    """How many nights ago the outcome of a case last changed; infinite for never."""
    judged = [(ago, one) for ago, one in enumerate(reversed(outcomes)) if one is not None]
    for (ago, later), (_, earlier) in itertools.pairwise(judged):
        if later != earlier:
            return ago
    return math.inf


def by_need(jobs: Sequence[Job], outcomes: Outcomes) -> list[Job]:
    """Return the jobs longest unseen first, then recently changed; otherwise in their order."""

    def key(job: Job) -> tuple[float, float]:
        known = outcomes.get(job.case.name, ())
        return (-unseen_nights(known), min(changed_nights(known), _RECENT_NIGHTS))

    return sorted(jobs, key=key)


def is_worth_repeating(case: Case) -> bool:
    """Whether a night repeats it with new seeds."""
    return case.kind in RANDOM_KINDS
