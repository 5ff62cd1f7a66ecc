"""What a night runs first, and what it runs again: nights are short and cases are many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from gauntlet_harness.cases import Case
from gauntlet_harness.runner import Job
from gauntlet_reports.outcomes import Outcome, judged, worst_outcomes
from gauntlet_reports.run_data import Verdict

RANDOM_KINDS: frozenset[str] = frozenset({"races", "crashes", "properties", "overload"})
"""Kinds in which another seed can find what this one did not."""

_NIGHTS = 7
# A change that is older than this is no reason any more to run a case first.
_RECENT_NIGHTS = 3
_WITHOUT_VERDICT = frozenset({None, "not_run"})

Outcomes = Mapping[str, Sequence[str | None]]


def outcomes_of_nights(runs: Path, target: str, nights: int = _NIGHTS) -> Outcomes:
    """Return, for each case, its outcome in each of the last runs of a target, oldest first.

    None is a run that did not have it. The journals tell it and not the store, which is made from
    them and need not be there; a damaged line costs only itself.
    """
    journals = (p for p in runs.glob("*/journal.jsonl") if not p.parent.is_symlink())
    newest_first = (p for p in sorted(journals, reverse=True) if _target_of(p.parent) == target)
    last = [*itertools.islice(newest_first, nights)]
    found = [worst_outcomes(_ends_in(path)) for path in reversed(last)]
    names = set().union(*found) if found else set()
    return {name: [night.get(name) for night in found] for name in names}


class _Origin(msgspec.Struct):
    """What counts here of run.json."""

    target: str = "local"


def _target_of(run: Path) -> str:
    """The target of a run; of one that does not tell, this machine."""
    try:
        return msgspec.json.decode((run / "run.json").read_bytes(), type=_Origin).target
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return _Origin().target


class _End(msgspec.Struct):
    """What counts here of a line that ends a case: a run of 100,000 is read in a second."""

    event: str
    case: str = ""
    verdict: Verdict = "error"
    expected: bool = False
    attempt: int = 0


def _ends_in(journal: Path) -> Iterator[tuple[str, Outcome]]:
    try:
        lines = journal.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            end = msgspec.json.decode(line, type=_End)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        # An attempt is no verdict.
        if end.event == "end" and not end.attempt:
            yield end.case, judged(end.verdict, end.expected)


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
