"""Failed cases run again after the campaign, and what that says of each failure (docs/flakes.md).

Everything is read from the journal, so that a run that was killed in the middle of it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gauntlet_harness.campaign import Stage
from gauntlet_harness.cases import RED, Case, Profile, Result, result_for
from gauntlet_harness.journal import BLAMED, Ending, History
from gauntlet_harness.runner import Job
from gauntlet_harness.seeds import case_seed
from gauntlet_harness.suite import Listed

FlakeClass = Literal["deterministic", "seed-dependent", "load-dependent", "machine trouble"]

MOST_CASES = 20
# Attempts 1 to 3 have the seed of the failure, 4 to 6 have seeds of their own.
SAME_SEED_ATTEMPTS = 3
NEW_SEED_ATTEMPTS = 3
# Far from the repetitions of a soak, whose seeds come from the same hash.
_FIRST_NEW_REPETITION = 1 << 30
# The part of a soak's budget that its repetitions leave to the attempts.
RESERVED_SHARE = 0.1


@dataclass(frozen=True)
class Classed:
    """What the attempts at one case say: its class, and how many of them failed."""

    case: str
    name: FlakeClass
    attempts: int
    failed: int


def failures_to_rerun(history: History, most: int = MOST_CASES) -> list[Ending]:
    """Return one failure of each case that is to run again, at most ``most`` cases a run.

    A case that ended a whole run is not among them: it may end this one too.
    """
    first: dict[str, Ending] = {}
    for ending in history.failed.values():
        first.setdefault(ending.case, ending)
    waiting = [
        ending
        for ending in first.values()
        if ending.case not in history.classed and not ending.reason.startswith(BLAMED)
    ]
    # Those whose attempts were broken off come first: theirs are half paid for.
    waiting.sort(key=lambda ending: ending.case not in history.attempts)
    return waiting[: max(0, most - len(history.classed))]


def rerun_stages(
    history: History, listed: Sequence[Listed], *, profile: Profile, seed: int, workers: int
) -> list[Stage]:
    """Return the attempts that are still to be made.

    First those with the seed of the failure, alone on this harness; then those with new seeds
    drawn from the master ``seed``, as many at once as in the run.
    """
    known = {entry.case.name: entry for entry in listed}
    alone: list[Job] = []
    together: list[tuple[int, Job]] = []
    for failure in failures_to_rerun(history):
        entry = known.get(failure.case)
        made = history.attempts.get(failure.case, [])
        if entry is None or any(ending.reason.startswith(BLAMED) for ending in made):
            continue
        for attempt in range(1, SAME_SEED_ATTEMPTS + NEW_SEED_ATTEMPTS + 1):
            if any(ending.attempt == attempt for ending in made):
                continue
            new = attempt > SAME_SEED_ATTEMPTS
            repetition = _FIRST_NEW_REPETITION + attempt
            own = case_seed(seed, failure.case, repetition) if new else failure.seed
            job = Job(
                entry.suite, entry.case, profile, seed, failure.repetition, own, attempt=attempt
            )
            if new:
                together.append((attempt, job))
            else:
                alone.append(job)
    # Attempt by attempt, so that different cases run beside each other.
    together.sort(key=lambda pair: pair[0])
    return [Stage(alone, 1), Stage([job for _, job in together], workers)]


def broken_off(history: History, cases: Sequence[Case], profile: Profile) -> list[Result]:
    """Return results for the attempts that a killed run left open; they are not made again.

    The only one that was running is to blame; of several nobody knows which.
    """
    known = {case.name: case for case in cases}
    results = []
    for start in history.open_attempts.values():
        case = known.get(start.case) or Case(name=start.case, method="", kind="")
        result = result_for(case, seed=start.seed, repetition=start.repetition, profile=profile)
        result.attempt = start.attempt
        if len(history.open_attempts) == 1:
            result.verdict, result.reason = "crash", BLAMED
        else:
            result.reason = "the run ended while this attempt and others were running"
        results.append(result)
    return results


def classes_of(history: History) -> list[Classed]:
    """Return the class of each case that has attempts and no class yet."""
    return [
        Classed(
            case=failure.case,
            name=flake_class(failure, made),
            attempts=len(made),
            failed=sum(ending.verdict in RED for ending in made),
        )
        for failure in failures_to_rerun(history)
        if (made := history.attempts.get(failure.case, []))
    ]


def flake_class(failure: Ending, attempts: Sequence[Ending]) -> FlakeClass:
    """Return what kind of failure it is.

    An attempt without a verdict, or one that the machine disturbed, is no evidence.
    """
    evidence = [
        ending
        for ending in attempts
        if (ending.verdict == "pass" or ending.verdict in RED) and not ending.trouble
    ]
    same = [ending.verdict in RED for ending in evidence if ending.attempt <= SAME_SEED_ATTEMPTS]
    new = [ending.verdict in RED for ending in evidence if ending.attempt > SAME_SEED_ATTEMPTS]
    if not same or (failure.trouble and not any(same)):
        return "machine trouble"
    if all(same):
        return "deterministic" if all(new) else "seed-dependent"
    # The seed alone does not bring it back: what runs beside it, and when, decides.
    return "load-dependent"
