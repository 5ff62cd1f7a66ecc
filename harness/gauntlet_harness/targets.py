"""The systems that a night validates: one interface for this machine and for those to come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gauntlet_harness.fingerprint import Facts, fingerprint
from gauntlet_harness.kernel_log import KernelLog
from gauntlet_harness.resume import resume_run
from gauntlet_harness.run_folder import RunFolder, nights_in, sweep_dead_runs
from gauntlet_harness.target_kinds import TargetKind
from gauntlet_harness.validate import Request, start_run


class Target(Protocol):
    """A system under test, as a night drives it: reset, push, run, collect."""

    name: str
    kind: TargetKind

    def fingerprint(self) -> Facts:
        """Return the facts about the system."""

    def reset(self) -> list[str]:
        """Bring it into a known state; return in words what had to be removed for that."""

    def push(self) -> None:
        """Bring there what is to run. Raises GauntletError where that fails."""

    def run(self, request: Request, broken: RunFolder | None) -> int:
        """Run a night to its end, or the rest of a broken one; return its exit status."""

    def console(self) -> list[str]:
        """Return what its kernel has reported since the last question."""

    def collect(self) -> RunFolder | None:
        """Return the folder, on this machine, of the night that ran last; None if none did."""


class LocalTarget:
    """The machine that the harness runs on. Not thread-safe; ``close`` it at the end."""

    def __init__(
        self, name: str, root: Path, runs: Path, preset: str, prepare: Callable[[str], None]
    ) -> None:
        self.name = name
        self.kind: TargetKind = "local"
        self._root = root
        self._runs = runs
        self._preset = preset
        self._prepare = prepare
        self._log = KernelLog()

    def fingerprint(self) -> Facts:
        """Return the facts about this machine."""
        return fingerprint()

    def reset(self) -> list[str]:
        """Remove what the runners of killed runs have left."""
        return sweep_dead_runs(self._runs)

    def push(self) -> None:
        """Build the suites, unless that is done."""
        self._prepare(self._preset)

    def run(self, request: Request, broken: RunFolder | None) -> int:
        """Run here."""

        def nothing_to_prepare(_preset: str) -> None:
            """Do nothing: ``push`` has done it."""

        if broken is None:
            return start_run(self._root, request, nothing_to_prepare)
        rest = Request(jobs=request.jobs, command=request.command, stop=request.stop)
        return resume_run(self._root, str(broken.path), rest, nothing_to_prepare)

    def console(self) -> list[str]:
        """Return the lines of the kernel's log that stand for trouble."""
        return [f"{line.kind}: {line.text}" for line in self._log.news()]

    def collect(self) -> RunFolder | None:
        """Return the newest folder of a night of this target."""
        folders = [night.folder for night in nights_in(self._runs, self.name)]
        return folders[0] if folders else None

    def close(self) -> None:
        """Let go of the kernel's log."""
        self._log.__exit__()
