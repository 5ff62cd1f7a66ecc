"""One case in one process: begun behind a gate, watched against its deadline, swept up after."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gauntlet_harness import sweep
from gauntlet_harness.cases import Case, Profile, Result
from gauntlet_harness.guardian import Guardian
from gauntlet_harness.homes import Homes
from gauntlet_harness.judge import LARGEST_LINE, RunnerEnd, judge
from gauntlet_harness.seeds import case_seed
from gauntlet_harness.server import Server, Servers
from gauntlet_harness.snapshot import snapshot
from gauntlet_harness.suite import Suite

# docs/protocol.md, "Deadlines": the suite ends a hung case itself; the harness comes after it.
GRACE_S = 15.0
# A namespace's processes die a moment after its first one; longer than this is a leftover.
_LINGER_S = 5.0
_OUTPUT_KEPT = 64 * 1024
_LOOK_EVERY_S = 0.01
_PIPE_BYTES = 1 << 20
# From SIGKILL to the word of the server that the runner has ended.
_KILL_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Job:
    """A case to run and everything that decides how it goes."""

    suite: Suite
    case: Case
    profile: Profile
    master_seed: int
    repetition: int = 0
    own_seed: int | None = None  # Overrides what the master seed would give.
    attempt: int = 0  # 1 and more: run again after the run gave its verdict.

    @property
    def seed(self) -> int:
        """The seed with which ``--gauntlet_seed`` repeats this."""
        if self.own_seed is not None:
            return self.own_seed
        return case_seed(self.master_seed, self.case.name, self.repetition)

    @property
    def key(self) -> tuple[str, int]:
        """What identifies this within a run."""
        return (self.case.name, self.repetition)

    def options(self, results: Path, scope: str) -> list[str]:
        """Return what the suite is told beside the name of the case."""
        if self.own_seed is None:
            seed = f"--gauntlet_master_seed={self.master_seed}"
        else:
            seed = f"--gauntlet_seed={self.own_seed}"
        return [
            "--gtest_color=no",
            f"--gauntlet_profile={self.profile}",
            seed,
            f"--gauntlet_repetition={self.repetition}",
            f"--gauntlet_results={results}",
            f"--gauntlet_scope={scope}",
        ]

    def command(self) -> list[str]:
        """Return a command line that runs the case by itself, for people."""
        only = f"--gtest_filter={exact_filter(self.case.name)}"
        return [str(self.suite.path), only, *self.options(Path("result.jsonl"), "repro")]


def exact_filter(name: str) -> str:
    """Return a GoogleTest filter for one name; what filters give a meaning becomes ``?``."""
    return re.sub(r"[*?:-]", "?", name)


class CaseRun:
    """A runner at work. Single-threaded: the caller selects on ``filenos`` and calls ``step``.

    The runner waits behind its gate until ``open_gate``, so that its start can be written down
    and its guardian can know it before it does anything.
    """

    def __init__(
        self, job: Job, scope: str, homes: Homes, guardian: Guardian | None, servers: Servers
    ) -> None:
        """Begin, in a folder that is this runner's alone as long as it is there."""
        self.job = job
        self.scope = scope
        self.started = time.monotonic()
        self.patience_s = job.case.deadline_s + GRACE_S
        self._guardian = guardian
        self._homes = homes
        self._home = homes.take()
        self._results = self._home / "result.jsonl"
        self._output = b""
        self._output_ended = False
        self._ended: float | None = None
        self._status: int | None = None
        self._processes = ""
        self._timed_out = False
        self._servers = servers
        self._begin()
        begun = sweep.read_process(self.pid)
        self._since_ticks = begun.start_ticks if begun else 0
        if guardian:
            guardian.watch(scope, self.pid)

    def _begin(self) -> None:
        self._read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(write_end, True)
        with contextlib.suppress(OSError):
            # A case that prints much should not have to wait for the harness.
            fcntl.fcntl(self._read_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._server: Server = self._servers.take(self.job.suite)
        options = self.job.options(self._results, self.scope)
        try:
            # The runner's process id, which is also its session.
            self.pid = self._server.begin(self.job.case.name, self._home, options, write_end)
        except BaseException:
            self._servers.give_back(self._server)
            os.close(self._read_end)
            raise
        finally:
            os.close(write_end)

    @property
    def filenos(self) -> list[int]:
        """The descriptors whose readability means that ``step`` has something to do."""
        if self._ended is not None:
            return []
        return [self._server.fileno(), *([] if self._output_ended else [self._read_end])]

    @property
    def needs_looking(self) -> bool:
        """Whether no descriptor tells of the next change: what it left behind lingers."""
        return self._ended is not None

    def open_gate(self) -> None:
        """Let the case begin; its deadline counts from here."""
        self.started = time.monotonic()
        self._server.let_go()

    def step(self) -> Result | None:
        """Look at the runner; return its result once nothing of it is left."""
        now = time.monotonic()
        self._read_output()
        if self._ended is None:
            self._status = self._server.ended()
            if self._status is not None:
                self._ended = now
            elif now - self.started > self.patience_s:
                self._end_hung()
                self._ended = time.monotonic()
            else:
                return None
        left = self._left()
        if left and now - self._ended < _LINGER_S:
            return None
        return self._conclude(left)

    def _left(self) -> list[sweep.Process]:
        # A look at every process of the machine costs more than most cases.
        if self._server.alone:
            return []
        return sweep.processes_of(self.scope, self.pid, self._since_ticks)

    def abandon(self) -> None:
        """Kill it without a verdict, as when the user interrupts the run."""
        self._kill_all()
        sweep.sweep_scope(self.scope, self.pid)
        self._server.alive = False
        self._close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _end_hung(self) -> None:
        self._processes = snapshot(self.scope, self.pid)
        self._timed_out = True
        self._kill_all()

    def _kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, 9)
        sweep.kill_processes(self.scope, self.pid)

    def _read_output(self) -> None:
        try:
            while not self._output_ended:
                data = os.read(self._read_end, 1 << 16)
                self._output = (self._output + data)[-_OUTPUT_KEPT:]
                self._output_ended = not data
        except BlockingIOError:
            pass

    def _conclude(self, left: list[sweep.Process]) -> Result:
        assert self._ended is not None
        if left:
            sweep.kill_processes(self.scope, self.pid)
        names = sweep.names_of(self.scope)
        sweep.remove_names(names)
        leftovers = [*map(str, left), *map(str, names)]
        if self._status is None:
            self._status = self._server.ended(_KILL_PATIENCE_S)
        self._server.reap()
        self._read_output()
        end = RunnerEnd(
            status=-9 if self._status is None else self._status,
            lines=self._read_results(),
            output=self._output.decode("utf-8", "replace"),
            duration_ms=(self._ended - self.started) * 1000,
            timed_out_after_s=self.patience_s if self._timed_out else None,
            processes=self._processes,
            leftovers=leftovers,
        )
        self._close()
        if left:  # Who was there may still write into it.
            shutil.rmtree(self._home, ignore_errors=True)
        else:
            self._homes.give_back(self._home)
        job = self.job
        return judge(
            job.case, seed=job.seed, repetition=job.repetition, profile=job.profile, end=end
        )

    def _read_results(self) -> bytes:
        try:
            with self._results.open("rb") as file:
                return file.read(4 * LARGEST_LINE)
        except OSError:
            return b""

    def _close(self) -> None:
        os.close(self._read_end)
        self._servers.give_back(self._server)
        if self._guardian:
            self._guardian.release(self.scope)


def wait_for(runs: Iterable[CaseRun], patience_s: float) -> None:
    """Return when one of the runs may have something to do, or after ``patience_s``."""
    poll = select.poll()
    for run in runs:
        for descriptor in run.filenos:
            poll.register(descriptor, select.POLLIN)
        if run.needs_looking:
            patience_s = min(patience_s, _LOOK_EVERY_S)
    poll.poll(patience_s * 1000)


def run_one(job: Job, scope: str, homes: Homes, guardian: Guardian, servers: Servers) -> Result:
    """Run one case to its end and return its result; an exception meanwhile kills it."""
    run = CaseRun(job, scope, homes, guardian, servers)
    try:
        run.open_gate()
        while (result := run.step()) is None:
            wait_for([run], 1.0)
    except BaseException:
        run.abandon()
        raise
    return result
