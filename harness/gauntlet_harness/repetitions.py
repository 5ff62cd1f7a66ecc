"""How often a case has to run so that a failure of a known rate is not missed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gauntlet_harness.cases import RED, Profile
from gauntlet_harness.errors import UsageError
from gauntlet_harness.flakes import SAME_SEED_ATTEMPTS
from gauntlet_harness.journal import read_journal
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.run_folder import find_readable_run

# The chance that a revision which has the failure passes all the same.
MISSED = 0.01
# Beyond this nobody waits for the answer.
_MOST = 1_000_000


@dataclass(frozen=True)
class Repetitions:
    """How many times, the reason in words, and what a run knows of the case beside it."""

    times: int
    why: str = ""
    seed: int | None = None
    profile: Profile | None = None


def times_for(rate: float) -> int:
    """Return the least K with (1 - rate) ** K at most ``MISSED``; ``rate`` above 0, at most 1."""
    if rate >= 1:
        return 1
    # Less a hair: rounding must not make an exact quotient one repetition more.
    times = math.ceil(math.log(MISSED) / math.log1p(-rate) - 1e-9)
    return min(_MOST, max(1, times))


def repetitions_of_rate(rate: float) -> Repetitions:
    """Return the repetitions for a failure that is seen in this part of the repetitions."""
    return Repetitions(times=times_for(rate), why=f"a failure rate of {rate:g}: {_words(rate)}")


def repetitions_from(root: Path, run: str, case: str) -> Repetitions:
    """Return the repetitions that the attempts of a run at a failed case ask for."""
    folder = find_readable_run(root, run)
    history = read_journal(folder.journal_path)
    failure = next((e for e in history.failed.values() if e.case == case), None)
    if failure is None:
        near = did_you_mean(case, {ending.case for ending in history.failed.values()})
        raise UsageError(f"{case} did not fail in {folder.path.name}{near}")
    verdicts = [
        ending.verdict
        for ending in history.attempts.get(case, [])
        if ending.attempt <= SAME_SEED_ATTEMPTS and (ending.verdict in {*RED, "pass"})
    ]
    failed = sum(verdict in RED for verdict in verdicts)
    if not failed:
        found = f"failed in none of its {len(verdicts)} attempts" if verdicts else "was not rerun"
        raise UsageError(
            f"{case} {found} with its seed in {folder.path.name}: its rate is not known;"
            " give --rate or --repeat"
        )
    rate = failed / len(verdicts)
    return Repetitions(
        times=times_for(rate),
        why=f"failed in {failed} of {len(verdicts)} attempts of {folder.path.name}: {_words(rate)}",
        seed=failure.seed,
        profile=folder.read_info().profile,
    )


def _words(rate: float) -> str:
    times = times_for(rate)
    if times == 1:
        return "1 repetition shows it"
    return f"{times} repetitions, to miss it at most once in {round(1 / MISSED)} times"
