"""``report``: the page looks back on a store and a baseline, and no store can stop it."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from gauntlet_harness import cli
from gauntlet_harness.errors import UsageError
from gauntlet_harness.report import write_reports
from gauntlet_reports import load_run
from gauntlet_reports.page_reader import Page
from gauntlet_reports.sample_run import ended, planned_cases, run_info, write_run
from gauntlet_reports.store import STORE_NAME, Store

VERDICTS = ("pass", "pass", "fail")


@pytest.fixture(name="runs")
def fixture_runs(tmp_path: Path) -> list[Path]:
    """Three nights of one case that fails in the last of them."""
    case = planned_cases()[0]
    runs = []
    for day, verdict in enumerate(VERDICTS, start=1):
        info = run_info([case], state="finished", started=f"2026-11-0{day}T03:00:00+00:00")
        line = ended(case, verdict, random.Random(day))
        runs.append(write_run(tmp_path / f"night-{day}", info, [line]))
    return runs


def store_of(runs: list[Path], path: Path) -> Path:
    with Store.open(path, write=True) as store:
        for run in runs:
            store.add_run(run)
    return path


def page_of(run: Path) -> Page:
    return Page((run / "index.html").read_text(encoding="utf-8"))


def test_the_store_beside_a_run_gives_its_page_history(runs: list[Path]) -> None:
    store_of(runs, runs[0].parent / STORE_NAME)
    write_reports(runs[2])
    page = page_of(runs[2])
    assert page.data()["strips"] == ["ppf"]
    assert "3 nights: 2 pass, 1 fail, last failed in this run" in page.text()
    assert "1 kind of failure, 1 never seen before." in page.text()
    write_reports(runs[1])
    assert page_of(runs[1]).data()["strips"] == ["pp"], "a later night is no part of it"


def test_a_run_that_is_not_stored_yet_looks_back_all_the_same(runs: list[Path]) -> None:
    store = store_of(runs[:2], runs[0].parent / "kept.sqlite")
    write_reports(runs[2], store=store)
    assert page_of(runs[2]).data()["strips"] == ["ppf"]


def test_a_baseline_gives_changes(runs: list[Path]) -> None:
    write_reports(runs[2], load_run(runs[0]))
    page = page_of(runs[2])
    assert "Since night-1: 1 regression." in page.text()
    assert page.data()["rows"][0][7]["change"] == "regression"
    assert "nights" not in page.data()


def test_a_damaged_store_beside_the_run_is_one_line_and_no_obstacle(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[0].parent / STORE_NAME).write_bytes(b"no store at all" * 100)
    write_reports(runs[2])
    told = capsys.readouterr().err
    assert told.startswith("gauntlet: the page is without history: ")
    assert told.count("\n") == 1
    assert "nights" not in page_of(runs[2]).data()


def test_a_store_that_was_named_must_be_there(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.sqlite"):
        write_reports(runs[2], store=tmp_path / "nowhere.sqlite")


def test_baseline_and_store_are_for_the_page_alone(
    runs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["report", str(runs[2]), "--format", "json", "--baseline", str(runs[0])]
    monkeypatch.setattr(sys, "argv", ["gauntlet", *given])
    assert cli.main() == 2
    assert "--baseline is for the page: leave out --format json" in capsys.readouterr().err
