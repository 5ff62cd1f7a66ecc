"""What a run will do: which cases, in which order, how often, and which again when they failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gauntlet_harness.campaign import Plan, ordered
from gauntlet_harness.cases import Profile
from gauntlet_harness.flakes import RESERVED_SHARE, rerun_stages
from gauntlet_harness.journal import read_journal
from gauntlet_harness.night_order import Outcomes, by_need, is_worth_repeating
from gauntlet_harness.run_folder import RunFolder, RunInfo
from gauntlet_harness.runner import Job
from gauntlet_harness.suite import Listed


def make_plan(
    info: RunInfo,
    listed: Sequence[Listed],
    known_ms: dict[str, float],
    *,
    done: set[tuple[str, int]] | None = None,
    alone: set[tuple[str, int]] | None = None,
    past: Outcomes | None = None,
) -> Plan:
    """Return what is left of a run: not what is ``done``, and first, one by one, what is ``alone``.

    Whatever is longest unseen or recently changed according to the ``past`` comes first.
    """
    chosen = {case.name for case in info.cases}
    entries = [entry for entry in listed if entry.case.name in chosen]
    # A night repeats what chance can change, a soak whatever there is.
    repeated = [entry for entry in entries if not info.night or is_worth_repeating(entry.case)]
    taken, alone = set(done or ()), alone or set()

    def jobs_of(number: int, of: Sequence[Listed]) -> list[Job]:
        jobs = [Job(e.suite, e.case, info.profile, info.seed, number) for e in of]
        left = ordered([job for job in jobs if job.key not in taken], known_ms)
        return by_need(left, past) if past else left

    suspected = {number for _, number in alone}
    suspects = [job for number in sorted(suspected) for job in jobs_of(number, entries)]
    suspects = [job for job in suspects if job.key in alone]
    endless = info.budget_s is not None and (info.profile == "soak" or info.night is not None)
    taken |= alone
    return Plan(
        alone=suspects,
        together=jobs_of(0, entries),
        workers=info.jobs,
        budget_s=info.budget_s,
        again=(lambda number: jobs_of(number, repeated)) if endless and repeated else None,
    )


def plan_reruns(plan: Plan, folder: RunFolder, info: RunInfo, listed: Sequence[Listed]) -> None:
    """Have the failed cases of a run that wants that run again, within its budget."""
    if not info.rerun:
        return
    plan.reserve_s = RESERVED_SHARE * (info.budget_s or 0.0)
    plan.reruns = lambda: rerun_stages(
        read_journal(folder.journal_path),
        listed,
        profile=info.profile,
        seed=info.seed,
        workers=info.jobs,
    )


def known_durations(runs: Path, profile: Profile) -> dict[str, float]:
    """Return how long each case took in the last run of this profile, in milliseconds."""
    latest = runs / "latest"
    try:
        if msgspec.json.decode((latest / "run.json").read_bytes())["profile"] != profile:
            return {}
        lines = (latest / "journal.jsonl").read_bytes().splitlines()
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return {}
    known: dict[str, float] = {}
    for line in lines:
        try:
            entry = msgspec.json.decode(line, type=_Timed)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # A damaged old line must not stop a new run.
        if entry.event == "end" and entry.case and not entry.attempt:
            known[entry.case] = entry.duration_ms
    return known


class _Timed(msgspec.Struct):
    event: str
    case: str = ""
    duration_ms: float = 0.0
    attempt: int = 0
