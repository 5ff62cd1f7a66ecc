"""Expectations that end: told before in every report, and after it by the cases they covered."""

from __future__ import annotations

from pathlib import Path

import pytest

from gauntlet_reports import load_run, render, summary_lines
from gauntlet_reports.expiry import expiry_notes
from gauntlet_reports.sample_run import Line, planned_cases, run_info, sample_lines, write_run

SOON: Line = {"id": "kernel-bug", "owner": "somebody", "expires": "2026-12-01"}
CASES = planned_cases()


def test_days_are_counted_from_the_start_of_the_run() -> None:
    info = {"started": "2026-11-23T03:10:00+00:00", "expiring": [SOON]}
    (note,) = expiry_notes(info)
    assert "kernel-bug expires in 8 days, on 2026-12-01 (owner: somebody)" in note
    (note,) = expiry_notes(info | {"started": "2026-11-30T23:59:00+00:00"})
    assert "in 1 day, on" in note
    (note,) = expiry_notes(info | {"started": "2026-12-01T00:00:00+00:00"})
    assert "expires today, 2026-12-01" in note


@pytest.mark.parametrize("damaged", [{}, {"expiring": 7}, {"expiring": [SOON], "started": "once"}])
def test_a_run_that_does_not_tell_has_no_notes(damaged: Line) -> None:
    assert expiry_notes({"started": "2026-11-23T03:10:00+00:00"} | damaged) == []


def test_every_report_tells_of_an_expectation_that_is_about_to_expire(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path, run_info(CASES, expiring=[SOON]), sample_lines(CASES)))
    said = "kernel-bug expires in 8 days"
    assert any(said in line for line in summary_lines(run, color=False))
    assert said in render(run, "markdown").replace("\\", "")
    page = render(run, "html")
    assert said in page
    assert page.index(said) < page.index('id="trouble"')
    assert "To do soon" not in render(load_run(write_run(tmp_path, run_info(CASES), [])), "html")


def test_a_failure_says_that_its_expectation_has_expired(tmp_path: Path) -> None:
    lines = list(sample_lines(CASES))
    failed = next(line for line in lines if line.get("verdict") == "fail" and not line["expected"])
    failed |= {"expectation": "kernel-bug", "expired_on": "2026-11-20"}
    run = load_run(write_run(tmp_path, run_info(CASES), lines))
    said = "the expectation kernel-bug expired on 2026-11-20"
    assert sum(said in line for line in summary_lines(run, color=False)) == 1
    for form in ("markdown", "html", "junit", "ktap"):
        assert said in render(run, form).replace("\\", ""), form  # type: ignore[arg-type]
