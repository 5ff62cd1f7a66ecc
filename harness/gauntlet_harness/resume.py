"""``validate --resume``: the rest of a run that was cut short, and who is to blame for that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gauntlet_harness.cases import Case, Result, result_for
from gauntlet_harness.errors import UsageError
from gauntlet_harness.expectations import load_expectations, noted
from gauntlet_harness.flakes import broken_off
from gauntlet_harness.journal import BLAMED, History, Journal, Start, read_journal
from gauntlet_harness.machine import boot_id
from gauntlet_harness.planning import make_plan, plan_reruns
from gauntlet_harness.run_folder import RunInfo, Trouble, find_readable_run, sweep_scopes
from gauntlet_harness.suite import find_suites, list_all
from gauntlet_harness.validate import EXPECTATIONS, Prepare, Request, announce, conduct


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
    folder = find_readable_run(root, name)
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
        info.state, info.ended, info.status, info.boot = "running", None, None, boot_id()
        suites = find_suites(root, info.preset, [Path(path) for path in info.suites])
        listed = list_all(suites, info.profile)
        announce(info)
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
        plan_reruns(plan, folder, info, listed)
        return conduct(root, folder, info, journal, plan, verdicts, request.store)


def _trouble(history: History, info: RunInfo) -> Trouble:
    """What ended a run that has no end, and whom that hits."""
    restarted = bool(info.boot) and info.boot != boot_id()
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
