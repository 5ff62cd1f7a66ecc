"""Runs the cases of a run: which, in which order, so many at once, journalled one by one."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gauntlet_harness.cases import RED, KernelLine, Result, result_for
from gauntlet_harness.expectations import Expectations
from gauntlet_harness.guardian import Guardian
from gauntlet_harness.homes import Homes
from gauntlet_harness.journal import Journal, Start
from gauntlet_harness.kernel_log import KernelLog, add_to, to_expect
from gauntlet_harness.machine import MachineState, machine_state, trouble_since
from gauntlet_harness.progress import Watcher
from gauntlet_harness.run_folder import RunFolder
from gauntlet_harness.runner import CaseRun, Job, wait_for
from gauntlet_harness.seeds import order_key
from gauntlet_harness.server import Servers
from gauntlet_harness.signals import Stop, signals_noted
from gauntlet_harness.sweep import SCOPE_LENGTH

_REDRAW_S = 0.2
_ALPHABET = string.ascii_lowercase + string.digits


def ordered(jobs: Sequence[Job], known_ms: dict[str, float]) -> list[Job]:
    """Return the jobs longest first where an earlier run knows, the rest shuffled by the seed.

    Longest first keeps the workers busy to the end; a case nobody has timed counts as middling.
    """
    times = sorted(known_ms.get(job.case.name, 0.0) for job in jobs)
    middling = times[len(times) // 2] if times else 0.0

    def key(job: Job) -> tuple[float, bytes]:
        # In octaves: the jitter of one run must not decide the order of the next.
        length_ms = known_ms.get(job.case.name, middling)
        octave = int(length_ms).bit_length() if length_ms > 100 else 0
        return (-octave, order_key(job.master_seed, job.case.name, job.repetition))

    return sorted(jobs, key=key)


def new_scope_maker() -> Callable[[], str]:
    """Return a source of scopes, distinct within this run and, very likely, from all others."""
    digits = 5
    random = SCOPE_LENGTH - digits - 1
    prefix = "g" + "".join(secrets.choice(_ALPHABET) for _ in range(random))
    numbers = iter(range(36**digits))

    def make() -> str:
        number, word = next(numbers), ""
        for _ in range(digits):
            number, digit = divmod(number, 36)
            word = _ALPHABET[digit] + word
        return prefix + word

    return make


@dataclass(frozen=True)
class Stage:
    """Jobs that run so many at once; the next stage begins when all of them have ended."""

    jobs: list[Job]
    workers: int


@dataclass
class Plan:
    """What is to be run."""

    alone: list[Job] = field(default_factory=list)  # First, one at a time.
    together: list[Job] = field(default_factory=list)
    workers: int = 1
    budget_s: float | None = None
    again: Callable[[int], list[Job]] | None = None  # Repetition n, while the budget lasts.
    expected: Expectations = field(default_factory=lambda: Expectations([]))
    stop: Stop = field(default_factory=Stop)
    # Asked when every case has its verdict: the attempts at those that failed.
    reruns: Callable[[], Iterable[Stage]] = tuple
    # Seconds of the budget that a soak's repetitions leave to those attempts.
    reserve_s: float = 0.0


@dataclass
class _Seen:
    """How the machine was when a case began, and what came to pass while it ran."""

    before: MachineState
    kernel: list[KernelLine] = field(default_factory=list)
    beside: set[str] = field(default_factory=set)  # The scopes that ran at a moment of it.


class Campaign:
    """One stretch of a run, from its start or resumption to its end. Single-threaded.

    ``clock`` tells the seconds that the budget is held against, from whatever beginning.
    """

    def __init__(
        self,
        folder: RunFolder,
        journal: Journal,
        plan: Plan,
        watcher: Watcher,
        kernel_log: KernelLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._journal = journal
        self._plan = plan
        self._watcher = watcher
        self._kernel_log = kernel_log
        self._running: list[CaseRun] = []
        self._seen: dict[str, _Seen] = {}
        self._make_scope = new_scope_maker()
        self._servers = Servers()
        self._homes = Homes(folder.work)
        self._clock = clock
        self._began = 0.0
        self._reserve_s = 0.0
        self.results: list[Result] = []

    @property
    def interrupted_by(self) -> str | None:
        """The signal that asked to stop."""
        return self._plan.stop.by

    def run(self) -> None:
        """Run the plan to its end, to the end of its budget or until a signal asks to stop."""
        plan = self._plan
        self._began = self._clock()
        self._watcher.began(len(plan.alone) + len(plan.together), plan.workers)
        with signals_noted(plan.stop), Guardian() as guardian, self._servers:
            try:
                self._drain(iter(plan.alone), 1, guardian)
                self._drain(iter(plan.together), plan.workers, guardian)
                self._reserve_s = plan.reserve_s
                repetition = 1
                while plan.again and not self._over():
                    jobs = plan.again(repetition)
                    self._watcher.grew(len(jobs))
                    self._drain(iter(jobs), plan.workers, guardian, extra=True)
                    repetition += 1
                self._reserve_s = 0.0
                self._run_again(guardian)
            finally:
                for run in self._running:
                    run.abandon()
                self._running = []
                self._watcher.closed()
                self._homes.close()

    def _run_again(self, guardian: Guardian) -> None:
        if self._over():
            return
        for stage in self._plan.reruns():
            if stage.jobs and not self._over():
                self._watcher.again(len(stage.jobs), stage.workers)
                self._drain(iter(stage.jobs), stage.workers, guardian, extra=True)

    def _over(self) -> bool:
        return self.interrupted_by is not None or self._budget_used()

    def _budget_used(self) -> bool:
        budget = self._plan.budget_s
        if budget is None:
            return False
        return self._clock() - self._began >= budget - self._reserve_s

    def _drain(
        self, jobs: Iterator[Job], workers: int, guardian: Guardian, *, extra: bool = False
    ) -> None:
        """Run the jobs, ``workers`` at once. Beyond the budget only extra ones go unmentioned."""
        waiting = next(jobs, None)
        while (waiting or self._running) and self.interrupted_by is None:
            begun: list[CaseRun] = []
            while waiting and len(self._running) < workers:
                if self._budget_used():
                    if not extra:
                        self._skip(waiting)
                else:
                    begun.append(self._begin(waiting, guardian))
                waiting = next(jobs, None)
            # Ends and starts go to the disk together: its answer takes as long as a short case.
            self._journal.sync()
            for run in begun:
                run.open_gate()
            wait_for(self._running, _REDRAW_S)
            self._step()
        self._journal.sync()

    def _begin(self, job: Job, guardian: Guardian) -> CaseRun:
        """Let a runner come up to its gate and write that it is there."""
        scope = self._make_scope()
        run = CaseRun(job, scope, self._homes, guardian, self._servers)
        self._read_kernel_log()  # What was said before belongs to those that ran before.
        others = [other.scope for other in self._running]
        self._running.append(run)
        self._seen[scope] = _Seen(machine_state(), beside=set(others))
        for other in others:
            self._seen[other].beside.add(scope)
        self._journal.start(
            Start(
                case=job.case.name,
                seed=job.seed,
                repetition=job.repetition,
                scope=scope,
                pid=run.pid,
                attempt=job.attempt,
            )
        )
        return run

    def _step(self) -> None:
        for run in list(self._running):
            result = run.step()
            if result is not None:
                self._read_kernel_log()
                self._running.remove(run)
                seen = self._seen.pop(run.scope)
                if result.verdict in RED or result.verdict == "error":
                    result.trouble = trouble_since(seen.before, self._folder.path)
                add_to(result, seen.kernel, len(seen.beside))
                self._settle(run.job, result)
        clock = time.monotonic()
        self._watcher.tick([(run.job, clock - run.started) for run in self._running])

    def _read_kernel_log(self) -> None:
        """Lay what the kernel has said to all that run: nobody knows which of them it meant."""
        for line in self._kernel_log.news() if self._kernel_log else ():
            for run in self._running:
                self._seen[run.scope].kernel.append(line)

    def _skip(self, job: Job) -> None:
        result = result_for(job.case, seed=job.seed, repetition=job.repetition, profile=job.profile)
        result.verdict = "not_run"
        result.reason = "the budget of the run was used up before its turn came"
        result.remedy = "a larger --budget, or none"
        self._settle(job, result)

    def _settle(self, job: Job, result: Result) -> None:
        judged = to_expect(result)
        self._plan.expected.judge(judged)
        result.expected = judged.expected
        result.expectation, result.expired_on = judged.expectation, judged.expired_on
        result.attempt = job.attempt
        self._journal.end(result)
        if result.verdict in RED or result.verdict == "error":
            write_artifact(self._folder.artifacts, job, result)
        if job.attempt:
            # The first verdict stays: an attempt tells what kind of failure it was, no more.
            self._watcher.attempted(result, job)
            return
        self.results.append(result)
        self._watcher.ended(result, job)


def write_artifact(folder: Path, job: Job, result: Result) -> None:
    """Keep a failure's texts as a file of their own, for tools that do not read JSON."""
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in job.case.name)
    command = shlex.join(job.command())
    parts = [
        f"{result.verdict} {job.case.name} (repetition {job.repetition}, seed {result.seed})",
        f"command: {command}",
        f"reason: {result.reason}",
        *(f"{f.file}:{f.line}: {f.message}" for f in result.failures),
        result.lanes,
        result.processes,
        result.output,
    ]
    # What cannot be kept here is still in the journal.
    with contextlib.suppress(OSError):
        attempt = f"-attempt-{job.attempt}" if job.attempt else ""
        path = folder / f"{safe[:180]}-{job.repetition}{attempt}.txt"
        path.write_text("\n".join(part for part in parts if part) + "\n", errors="replace")
