"""A store that is made again from run folders is the one that grew night by night."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gauntlet_reports.sample_run import write_sample
from gauntlet_reports.store import Store
from gauntlet_reports.store_rebuild import rebuild, run_folders
from gauntlet_reports.synthetic_nights import write_nights


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder of three nights, a sample run, the link to it and something that is no run."""
    folder = tmp_path / "runs"
    write_nights(folder, 3, 40)
    write_sample(folder / "sample")
    (folder / "latest").symlink_to("sample")
    (folder / "notes").mkdir()
    return folder


def told(path: Path) -> dict[str, object]:
    """Everything that a store answers."""
    with Store.open(path, write=False) as store:
        ids = [run.run_id for run in store.runs()]
        histories = {run_id: store.history(run_id) for run_id in ids}
        cases = {case for history in histories.values() for case in history}
        return {
            "runs": store.runs(),
            "histories": histories,
            "spans": store.signature_spans(),
            "trends": {case: store.trend(case, "round_trip_ns", 99) for case in sorted(cases)},
            "last": store.last_runs(),
        }


def test_rebuilding_gives_the_same_as_adding_one_by_one(runs: Path) -> None:
    grown, made = runs / "grown.sqlite", runs / "made.sqlite"
    with Store.open(grown, write=True) as store:
        for folder in reversed(run_folders(runs)):
            store.add_run(folder)
    steps: list[tuple[int, int]] = []
    result = rebuild(made, runs, lambda done, total: steps.append((done, total)))
    assert (result.added, result.refused, result.lost) == (4, [], [])
    assert steps == [(done, 4) for done in range(5)]
    assert told(made) == told(grown)
    rebuild(grown, runs)
    assert told(made) == told(grown)


def test_a_run_that_cannot_be_read_is_left_out_and_told(runs: Path) -> None:
    journal = runs / "sample" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"schema": 1', '"schema": 2', 1))
    made = rebuild(runs / "store.sqlite", runs)
    assert made.added == 3
    assert ["is of schema 2" in line for line in made.refused] == [True]


def test_runs_elsewhere_stay_and_those_without_a_folder_go(runs: Path, tmp_path: Path) -> None:
    path = runs / "store.sqlite"
    elsewhere, gone = tmp_path / "elsewhere", runs / "gone"
    with Store.open(path, write=True) as store:
        for folder in (elsewhere, gone):
            store.add_run(write_sample(folder))
    gone.rename(tmp_path / "away")
    made = rebuild(path, runs)
    assert (made.added, made.lost) == (5, ["gone"])
    with Store.open(path, write=False) as store:
        assert elsewhere in [run.folder for run in store.runs()]


def test_a_run_that_is_added_meanwhile_is_not_lost(runs: Path, tmp_path: Path) -> None:
    path = runs / "store.sqlite"
    rebuild(path, runs)

    def another_ends(done: int, total: int) -> None:
        if done == total:
            with Store.open(path, write=True) as store:
                store.add_run(write_sample(tmp_path / "another"))
            write_sample(runs / "one_more")

    assert rebuild(path, runs, another_ends).added == 6


def test_a_kill_leaves_the_old_store_and_the_next_one_sweeps_up(runs: Path) -> None:
    path = runs / "store.sqlite"
    rebuild(path, runs)
    before = told(path)
    write_sample(runs / "new")
    child = os.fork()
    if child == 0:
        rebuild(path, runs, lambda done, total: os.kill(os.getpid(), signal.SIGKILL * (done == 3)))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert told(path) == before
    assert len(list(runs.glob(".store-rebuild-*"))) == 1
    assert rebuild(path, runs).added == 5
    assert list(runs.glob(".store-rebuild-*")) == []
