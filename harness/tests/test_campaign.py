"""The order of things within a run: written down first, run second."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gauntlet_harness import journal as journal_module
from gauntlet_harness.campaign import Campaign, Plan
from gauntlet_harness.cases import KernelLine
from gauntlet_harness.journal import Journal, Start, read_journal
from gauntlet_harness.kernel_log import KernelLog
from gauntlet_harness.planning import make_plan
from gauntlet_harness.progress import PlainWatcher
from gauntlet_harness.run_folder import RunFolder, RunInfo
from gauntlet_harness.runner import Job
from gauntlet_harness.suite import Suite, list_all
from gauntlet_harness.sweep import read_process


class RefusedError(Exception):
    """Stands for a disk that is full."""


class LookingJournal(Journal):
    """Looks at the runner when its start has to reach the disk, and then fails."""

    seen: str | None = None
    pid = 0

    def start(self, start: Start) -> None:
        self.pid = start.pid
        super().start(start)

    def sync(self) -> None:
        if not self.pid or self.seen is not None:
            return
        end = time.monotonic() + 60
        # Until it sleeps: at its gate if it still is there, or in the case if somebody let it in.
        while time.monotonic() < end:
            process = read_process(self.pid)
            assert process is not None
            if process.state == "S":
                self.seen = Path(f"/proc/{self.pid}/cmdline").read_text()
                break
        raise RefusedError


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    return RunFolder.create(tmp_path, tmp_path / "out")


def test_case_waits_at_its_gate_until_its_start_is_on_the_disk(
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


class SayingLog(KernelLog):
    """A kernel that has something to say at the first look after each start."""

    def __init__(self, lines: Iterator[list[KernelLine]]) -> None:
        super().__init__(Path("/nowhere"))
        self._lines = lines

    def news(self) -> list[KernelLine]:
        return next(self._lines, [])


def test_kernels_word_goes_to_all_that_ran_then_and_to_nobody_before(
    folder: RunFolder, fake_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ONLY", "Plain")
    monkeypatch.setenv("FAKE_CASES", "2")
    suite = Suite(fake_suite)
    jobs = [Job(suite, case, "smoke", 1) for case in suite.cases("smoke")]
    oops = KernelLine("oops", "BUG: unable to handle page fault")
    # Looks: at the start of the first (nobody runs), at that of the second (the first runs).
    said = iter([[oops], [oops]])
    with Journal(folder.journal_path) as journal:
        plan = Plan(together=jobs, workers=2)
        campaign = Campaign(folder, journal, plan, PlainWatcher(tmp_path), SayingLog(said))
        campaign.run()
    results = {result.case: result for result in campaign.results}
    first, second = (results[job.case.name] for job in jobs)
    assert (first.verdict, first.kernel) == ("fail", [oops])
    assert "the kernel wrote an oops while this case and 1 other ran" in first.reason
    assert (second.verdict, second.kernel) == ("pass", [])


def test_soak_repeats_with_new_seeds_until_the_budget_ends(
    folder: RunFolder, fake_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ONLY", "Plain")
    monkeypatch.setenv("FAKE_CASES", "2")
    listed = list_all([Suite(fake_suite)], "soak")
    info = RunInfo(
        cases=[entry.case for entry in listed], profile="soak", seed=11, jobs=1, budget_s=5
    )
    plan = make_plan(info, listed, {})
    with Journal(folder.journal_path) as journal:
        # A clock by which every case takes a second: the third repetition is cut short.
        campaign = Campaign(
            folder,
            journal,
            plan,
            PlainWatcher(tmp_path),
            clock=lambda: 100.0 + len(campaign.results),
        )
        campaign.run()
    told = [(one.repetition, one.case) for one in campaign.results]
    assert [repetition for repetition, _ in told] == [0, 0, 1, 1, 2]
    every = {(repetition, entry.case.name) for repetition in (0, 1) for entry in listed}
    assert set(told[:4]) == every
    assert all(one.verdict == "pass" for one in campaign.results)
    lines = [json.loads(text) for text in folder.journal_path.read_text().splitlines()]
    seeds = [line["seed"] for line in lines if line["event"] == "start"]
    assert len(set(seeds)) == len(seeds) == len(told)


def test_clock_that_is_set_moves_neither_the_budget_nor_what_a_run_took(
    folder: RunFolder, fake_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ONLY", "Plain")
    monkeypatch.setenv("FAKE_CASES", "2")
    days = itertools.cycle(["2026-11-28T03:00:00.000Z", "1970-01-01T00:00:00.000Z"])
    monkeypatch.setattr(journal_module, "now", lambda: next(days))
    suite = Suite(fake_suite)
    jobs = [Job(suite, case, "smoke", 1) for case in suite.cases("smoke")]
    with Journal(folder.journal_path) as journal:
        plan = Plan(together=jobs, workers=1, budget_s=3600)
        campaign = Campaign(folder, journal, plan, PlainWatcher(tmp_path))
        campaign.run()
    assert [result.verdict for result in campaign.results] == ["pass", "pass"]
    assert 0 < read_journal(folder.journal_path).spent_s < 3600
