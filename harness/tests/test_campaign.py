"""The order of things within a run: written down first, run second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gauntlet_harness.campaign import Campaign, Plan
from gauntlet_harness.journal import Journal, Start
from gauntlet_harness.progress import PlainWatcher
from gauntlet_harness.run_folder import RunFolder
from gauntlet_harness.runner import Job
from gauntlet_harness.suite import Suite
from gauntlet_harness.sweep import read_process


class RefusedError(Exception):
    """Stands for a disk that is full."""


class LookingJournal(Journal):
    """Looks at the runner when its start is written, and then fails."""

    seen: str | None = None
    pid = 0

    def start(self, start: Start) -> None:
        self.pid = start.pid
        end = time.monotonic() + 60
        # Until it sleeps: at its gate if it still is there, or in the case if somebody let it in.
        while time.monotonic() < end:
            process = read_process(start.pid)
            assert process is not None
            if process.state == "S":
                self.seen = Path(f"/proc/{start.pid}/cmdline").read_text()
                break
        raise RefusedError


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    return RunFolder.create(tmp_path, tmp_path / "out")


def test_case_waits_at_its_gate_until_its_start_is_written(
    folder: RunFolder, fake_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ONLY", "WaitsToBeLetGo/a")
    monkeypatch.setenv("FAKE_SIGNAL_FOLDER", str(tmp_path))
    suite = Suite(fake_suite)
    (case,) = suite.cases("smoke")
    plan = Plan(together=[Job(suite, case, "smoke", 1)])
    with LookingJournal(folder.journal_path) as journal:
        with pytest.raises(RefusedError):
            Campaign(folder, journal, plan, PlainWatcher(tmp_path)).run()
        assert journal.seen is not None
        # Still a fork of the server, not yet a runner of the case.
        assert "--gauntlet_serve" in journal.seen
        # A run that breaks off takes its runner along, and the case never began.
        left = read_process(journal.pid)
        assert left is None or left.state == "Z"
    assert not (tmp_path / "running-a").exists()
    assert not folder.work.exists() or not list(folder.work.iterdir())
