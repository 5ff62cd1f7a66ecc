"""``validate``: a whole run, from the list of cases to the reports."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gauntlet_harness.after_run import store_and_report
from gauntlet_harness.campaign import Campaign, Plan
from gauntlet_harness.cases import RED, SKIPPED, Profile
from gauntlet_harness.errors import STATUS_FAILED, STATUS_MACHINE, STATUS_OK, HarnessError
from gauntlet_harness.expectations import load_expectations, noted, outcome_of
from gauntlet_harness.fingerprint import fingerprint, versions
from gauntlet_harness.flakes import classes_of
from gauntlet_harness.journal import Journal, JournalError, now, read_journal
from gauntlet_harness.kernel_log import KernelLog
from gauntlet_harness.machine import boot_id
from gauntlet_harness.night_order import outcomes_of_nights
from gauntlet_harness.planning import known_durations, make_plan, plan_reruns
from gauntlet_harness.progress import make_watcher
from gauntlet_harness.run_folder import Night, RunFolder, RunInfo, Trouble, sweep_dead_runs
from gauntlet_harness.seeds import draw_seed
from gauntlet_harness.selection import select
from gauntlet_harness.signals import Stop
from gauntlet_harness.suite import find_suites, list_all

EXPECTATIONS = Path("reports") / "expectations"

# Builds the suites of a preset, unless that is done or not wanted.
Prepare = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What the user asked for; None where nothing was said."""

    profile: Profile | None = None
    selection: str | None = None
    seed: int | None = None
    jobs: int | None = None
    budget_s: float | None = None
    out: Path | None = None
    suites: Sequence[Path] = ()
    preset: str | None = None
    command: Sequence[str] = ()
    rerun: bool | None = None  # Run failed cases again; None: unless the profile is smoke.
    store: Path | None = None
    runs: Path | None = None  # Where run folders go; the checkout's runs/ unless told.
    expectations: Path | None = None
    night: Night | None = None
    stop: Stop = field(default_factory=Stop)


def start_run(root: Path, request: Request, prepare: Prepare) -> int:
    """Run what is asked for in a new folder; return the exit status."""
    profile = request.profile or "smoke"
    preset = request.preset or "release"
    if not request.suites:
        prepare(preset)
    suites = find_suites(root, preset, request.suites)
    listed = list_all(suites, profile)
    chosen = select(request.selection, [entry.case for entry in listed])
    runs = request.runs or root / "runs"
    known_ms = known_durations(runs, profile)
    past = outcomes_of_nights(runs, request.night.target) if request.night else {}
    for left in sweep_dead_runs(runs):
        print(f"removed what a killed run had left: {left}", file=sys.stderr)
    system = fingerprint()
    # Only of the built suites all cases are known: an entry may be for another suite's.
    names = None if request.suites else [entry.case.name for entry in listed]
    kind = request.night.target_kind if request.night else "local"
    expected = load_expectations(
        request.expectations or root / EXPECTATIONS, system, names=names, target_kind=kind
    )
    folder = RunFolder.create(runs, request.out)
    info = RunInfo(
        fingerprint=system,
        versions=versions(root),
        command=list(request.command),
        suites=[str(suite.path) for suite in suites],
        preset=preset,
        seed=draw_seed() if request.seed is None else request.seed,
        profile=profile,
        selection=request.selection,
        jobs=request.jobs or default_jobs(),
        budget_s=request.budget_s,
        rerun=profile != "smoke" if request.rerun is None else request.rerun,
        started=now(),
        boot=boot_id(),
        expectations=str(request.expectations) if request.expectations else None,
        night=request.night,
        target=request.night.target if request.night else "local",
        target_kind=kind,
        cases=chosen,
        expiring=noted(expected.expiring()),
    )
    folder.write_info(info)
    if request.night:
        folder.owe_digest()
    announce(info)
    plan = make_plan(info, listed, known_ms, past=past)
    plan.expected, plan.stop = expected, request.stop
    plan_reruns(plan, folder, info, listed)
    with Journal(folder.journal_path) as journal:
        journal.run("started")
        return conduct(root, folder, info, journal, plan, {}, request.store)


def default_jobs() -> int:
    """Return how many cases run at once unless told: three a usable CPU, for cases often sleep."""
    return 3 * max(1, len(os.sched_getaffinity(0)))


def announce(info: RunInfo) -> None:
    """Print what repeats this run, before anything else."""
    selected = f", selection '{info.selection}'" if info.selection else ""
    print(f"seed {info.seed}, profile {info.profile}{selected}", flush=True)


def conduct(
    root: Path,
    folder: RunFolder,
    info: RunInfo,
    journal: Journal,
    plan: Plan,
    earlier: dict[tuple[str, int], str],
    store: Path | None,
) -> int:
    """Run the plan, store and report how it ended, and say so; return the exit status."""
    with KernelLog() as kernel_log:
        campaign = Campaign(folder, journal, plan, make_watcher(root), kernel_log)
        try:
            campaign.run()
        except JournalError as error:
            _stop_without_journal(folder, info, journal, error)
            raise
    if info.rerun and not campaign.interrupted_by:
        for classed in classes_of(read_journal(folder.journal_path)):
            journal.flake_class(
                classed.case, classed.name, attempts=classed.attempts, failed=classed.failed
            )
    verdicts = earlier | {(r.case, r.repetition): outcome_of(r) for r in campaign.results}
    counts = Counter(verdicts.values())
    state = "interrupted" if campaign.interrupted_by else "finished"
    status = _status(counts, interrupted=campaign.interrupted_by is not None)
    journal.run("interrupted" if campaign.interrupted_by else "finished")
    info.elapsed_s = round(journal.spent_s, 3)
    folder.finish_info(info, state, status)
    if campaign.interrupted_by:
        print(
            f"stopped by {campaign.interrupted_by}; go on with:"
            f" harness/gauntlet validate --resume {folder.path.name}",
            flush=True,
        )
    if not store_and_report(root, folder.path, store):
        status = status or STATUS_MACHINE
    red = sum(counts[verdict] for verdict in (*RED, "unexpected_pass", "error"))
    skipped = sum(counts[verdict] for verdict in SKIPPED)
    # Runners' summary lines know no expected failures: what went as expected counts as passed.
    print(f"{counts['pass'] + counts['expected']} passed, {red} failed, {skipped} skipped")
    print(folder.path, flush=True)
    return status


def _stop_without_journal(
    folder: RunFolder, info: RunInfo, journal: Journal, error: JournalError
) -> None:
    """Say, where there is still room for that, that the harness ended the run itself."""
    journal.stop()
    info.trouble = [*info.trouble, Trouble(kind="journal", words=str(error))]
    info.elapsed_s = round(journal.spent_s, 3)
    with contextlib.suppress(HarnessError):
        folder.finish_info(info, "interrupted", STATUS_MACHINE)
    # As far as there is room: each is written whole or not at all, and can be made again.
    with contextlib.suppress(OSError):
        import gauntlet_reports

        gauntlet_reports.write_reports(folder.path)


def _status(counts: Counter[str], *, interrupted: bool) -> int:
    """Return the exit status: a finding outranks trouble with the machine."""
    if any(counts[verdict] for verdict in (*RED, "unexpected_pass")):
        return STATUS_FAILED
    if counts["error"] or interrupted:
        return STATUS_MACHINE
    return STATUS_OK
