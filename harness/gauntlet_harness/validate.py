"""``validate``: a whole run, from the list of cases to the reports, or the rest of a broken one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gauntlet_harness.after_run import store_and_report
from gauntlet_harness.campaign import Campaign, Plan, Stop, ordered
from gauntlet_harness.cases import RED, SKIPPED, Case, Profile, Result, result_for
from gauntlet_harness.errors import (
    STATUS_FAILED,
    STATUS_MACHINE,
    STATUS_OK,
    HarnessError,
    UsageError,
)
from gauntlet_harness.expectations import load_expectations, noted, outcome_of
from gauntlet_harness.fingerprint import fingerprint, versions
from gauntlet_harness.flakes import RESERVED_SHARE, broken_off, classes_of, rerun_stages
from gauntlet_harness.journal import (
    BLAMED,
    History,
    Journal,
    JournalError,
    Start,
    now,
    read_journal,
)
from gauntlet_harness.kernel_log import KernelLog
from gauntlet_harness.night_order import Outcomes, by_need, is_worth_repeating, outcomes_of_nights
from gauntlet_harness.progress import make_watcher
from gauntlet_harness.run_folder import (
    Night,
    RunFolder,
    RunInfo,
    Trouble,
    find_run,
    sweep_dead_runs,
    sweep_scopes,
)
from gauntlet_harness.runner import Job
from gauntlet_harness.seeds import draw_seed
from gauntlet_harness.selection import select
from gauntlet_harness.suite import Listed, find_suites, list_all

EXPECTATIONS = Path("reports") / "expectations"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


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
    known_ms = _known_durations(runs, profile)
    past = outcomes_of_nights(runs) if request.night else {}
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
        boot=_boot(),
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
    _say_first(info)
    plan = make_plan(info, listed, known_ms, past=past)
    plan.expected, plan.stop = expected, request.stop
    _plan_reruns(plan, folder, info, listed)
    with Journal(folder.journal_path) as journal:
        journal.run("started")
        return _conduct(root, folder, info, journal, plan, {}, request.store)


def resume_run(root: Path, name: str, request: Request, prepare: Prepare) -> int:
    """Go on with a run that was cut short; return the exit status of the whole."""
    for option, value in (
        ("--seed", request.seed),
        ("--select", request.selection),
        ("--profile", request.profile),
        ("--out", request.out),
        ("--suite", request.suites or None),
        ("--preset", request.preset),
    ):
        if value is not None:
            raise UsageError(f"--resume goes on with the run's own {option}; leave {option} out")
    folder = find_run(root, name)
    info = folder.read_info()
    known_failures = Path(info.expectations) if info.expectations else root / EXPECTATIONS
    expected = load_expectations(known_failures, info.fingerprint, target_kind=info.target_kind)
    info.expiring = noted(expected.expiring())
    if any(Path(path).is_relative_to(root / "build") for path in info.suites):
        prepare(info.preset)
    with Journal(folder.journal_path) as journal:
        history = read_journal(folder.journal_path)
        for note in history.notes:
            print(f"gauntlet: {folder.path.name}: {note}", file=sys.stderr)
        if history.cut_at is not None:
            journal.drop_from(history.cut_at)
        for left in sweep_scopes(history.scopes):
            print(f"removed what the killed run had left: {left}", file=sys.stderr)
        journal.count_from(history.spent_s)
        if info.state == "interrupted":
            # The harness stopped them itself, though its last line may not have been written.
            history.running = {}
        elif info.state == "running":
            info.trouble = [*info.trouble, _trouble(history, info)]
        info.jobs = request.jobs or info.jobs
        info.budget_s = request.budget_s or info.budget_s
        info.rerun = info.rerun if request.rerun is None else request.rerun
        info.state, info.ended, info.status, info.boot = "running", None, None, _boot()
        suites = find_suites(root, info.preset, [Path(path) for path in info.suites])
        listed = list_all(suites, info.profile)
        _say_first(info)
        folder.write_info(info)
        verdicts = dict(history.ended)
        for result in broken_off(history, [entry.case for entry in listed], info.profile):
            journal.end(result)
        for result in _blame(history, info, [entry.case for entry in listed]):
            journal.end(result)
            verdicts[(result.case, result.repetition)] = result.verdict
            print(f"{result.verdict.upper()} {result.case}: {result.reason}", flush=True)
        journal.run("resumed")
        plan = make_plan(info, listed, {}, done=set(verdicts), alone=_to_run_alone(history))
        plan.expected, plan.stop = expected, request.stop
        if info.night and info.budget_s is not None and request.budget_s is None:
            plan.budget_s = max(0.0, info.budget_s - history.spent_s)  # The morning does not wait.
        _plan_reruns(plan, folder, info, listed)
        return _conduct(root, folder, info, journal, plan, verdicts, request.store)


def default_jobs() -> int:
    """Return how many cases run at once unless told: three a usable CPU, for cases often sleep."""
    return 3 * max(1, len(os.sched_getaffinity(0)))


def _boot() -> str:
    """The kernel's name for the time since it was started, or ``""``."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _trouble(history: History, info: RunInfo) -> Trouble:
    """What ended a run that has no end, and whom that hits."""
    restarted = bool(info.boot) and info.boot != _boot()
    what = "the machine went down" if restarted else "the run was killed"
    names = sorted(start.case for start in history.running.values())
    if not names:
        words = f"{what} between two cases; it was resumed"
    elif len(names) == 1:
        words = f"{what} while {names[0]} ran; it was resumed, and that case was not run again"
    else:
        words = f"{what} while {len(names)} cases ran; it was resumed, and they ran again alone"
    return Trouble(
        kind="restarted" if restarted else "killed",
        words=words,
        blamed=names[0] if len(names) == 1 else None,
    )


def _say_first(info: RunInfo) -> None:
    selected = f", selection '{info.selection}'" if info.selection else ""
    print(f"seed {info.seed}, profile {info.profile}{selected}", flush=True)


def _blame(history: History, info: RunInfo, listed: Sequence[Case]) -> list[Result]:
    """Return the results of what cannot run any more: the case that ended the run, vanished ones.

    With several cases running when the run ended, one of them is guilty and nobody knows which:
    they run again alone, and the one that ends the run again is then the only suspect.
    """
    cases = {case.name: case for case in [*info.cases, *listed]}
    results = []
    if len(history.running) == 1:
        (start,) = history.running.values()
        case = cases.get(start.case) or Case(name=start.case, method="", kind="")
        results.append(_blamed(case, start, info))
    there = {case.name for case in listed}
    for case in info.cases:
        if case.name not in there and (case.name, 0) not in history.ended:
            start = Start(case=case.name, seed=0, repetition=0, scope="", pid=0)
            result = _blamed(case, start, info)
            result.verdict, result.reason = "error", "the suite does not list this case any more"
            results.append(result)
    return results


def _blamed(case: Case, start: Start, info: RunInfo) -> Result:
    result = result_for(case, seed=start.seed, repetition=start.repetition, profile=info.profile)
    result.verdict, result.reason = "crash", BLAMED
    return result


def _to_run_alone(history: History) -> set[tuple[str, int]]:
    suspects = set(history.suspects)
    return suspects | set(history.running) if len(history.running) > 1 else suspects


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


def _plan_reruns(plan: Plan, folder: RunFolder, info: RunInfo, listed: Sequence[Listed]) -> None:
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


def _known_durations(runs: Path, profile: Profile) -> dict[str, float]:
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


def _conduct(
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
