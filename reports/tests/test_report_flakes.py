"""Attempts at failed cases in the reports: told beside the verdict, never instead of it."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import RunData, load_run, render, summary_lines, totals
from gauntlet_reports.flakes import attempts_at, class_of, not_rerun
from gauntlet_reports.sample_run import Line, ended, planned_cases, run_info, write_run

jsonschema: Any = importlib.import_module("jsonschema")
referencing: Any = importlib.import_module("referencing")

SCHEMAS = Path(__file__).resolve().parent.parent / "schema"
CASES = planned_cases()[:3]
CLASS: Line = {
    "schema": 1,
    "event": "class",
    "case": CASES[0]["name"],
    "class": "load-dependent",
    "attempts": 2,
    "failed": 1,
    "at": "2026-11-23T03:20:00Z",
}


def line(place: int, verdict: str, attempt: int, **given: Any) -> Line:
    return ended(CASES[place], verdict, random.Random(attempt), attempt=attempt, **given)


def start(place: int, attempt: int) -> Line:
    return {
        "schema": 1,
        "event": "start",
        "case": CASES[place]["name"],
        "seed": 1,
        "repetition": 0,
        "at": "2026-11-23T03:10:00Z",
        "scope": "r7",
        "pid": 4000,
        "attempt": attempt,
    }


@pytest.fixture(name="lines")
def fixture_lines() -> list[Line]:
    return [
        line(0, "fail", 0),
        line(1, "fail", 0),
        line(2, "pass", 0),
        start(0, 1),
        line(0, "pass", 1),
        line(0, "fail", 2),
        CLASS,
        start(1, 1),
    ]


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path, lines: list[Line]) -> RunData:
    return load_run(write_run(tmp_path, run_info(CASES, rerun=True, state="finished"), lines))


def test_the_first_verdict_stays(run: RunData) -> None:
    assert totals(run)["fail"] == 2
    assert totals(run)["pass"] == 1
    assert totals(run)["unfinished"] == 0
    assert run.notes == []


def test_attempts_belong_to_their_repetition(tmp_path: Path, lines: list[Line]) -> None:
    lines.append(line(0, "fail", 0, repetition=1))
    run = load_run(write_run(tmp_path, run_info(CASES), lines))
    first, other = sorted(
        (r for r in run.results if r.case == CASES[0]["name"]), key=lambda r: r.repetition
    )
    assert [a.verdict for a in attempts_at(first, run)] == ["pass", "fail"]
    assert class_of(first, run) is not None
    assert attempts_at(other, run) == []
    assert class_of(other, run) is None


def test_summary_and_markdown_tell_class_group_and_what_was_left_out(run: RunData) -> None:
    told = "\n".join(summary_lines(run, False))
    assert "load-dependent: failed again in 1 of 2 attempts" in told
    assert "2 cases went wrong alike: channel claims: Expected: N messages" in told
    assert not_rerun(run) == 1
    assert "not run again: 1 failed case" in told
    markdown = render(run, "markdown")
    assert "- run again: load-dependent: failed again in 1 of 2 attempts" in markdown
    assert "## What went wrong alike\n\n- 2 cases: channel claims" in markdown


def test_a_run_that_makes_no_attempts_says_nothing_of_them(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path, run_info(CASES), [line(0, "fail", 0)]))
    assert "again" not in "\n".join(summary_lines(run, False))
    assert "again" not in render(run, "markdown")


def errors(name: str, instance: object) -> list[str]:
    documents = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")]
    registry = referencing.Registry().with_resources(
        (document["$id"], referencing.Resource.from_contents(document)) for document in documents
    )
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    return [error.message for error in validator.iter_errors(instance)]


def test_results_json_has_attempts_class_and_groups(run: RunData) -> None:
    document = json.loads(render(run, "json"))
    assert errors("results", document) == []
    by_case = {result["case"]: result for result in document["results"]}
    failed = by_case[CASES[0]["name"]]
    assert failed["flake"]["class"] == "load-dependent"
    assert [attempt["verdict"] for attempt in failed["attempts"]] == ["pass", "fail"]
    assert failed["signature"].startswith("channel claims: ")
    assert by_case[CASES[2]["name"]]["signature"] is None
    assert "attempts" not in by_case[CASES[1]["name"]]
    (group,) = document["signatures"]
    assert group["signature"] == failed["signature"]
    assert len(group["cases"]) == 2


def test_the_page_has_the_class(run: RunData) -> None:
    told = '"flake":"load-dependent: failed again in 1 of 2 attempts"'
    assert told in render(run, "html")


def test_lines_fit_their_schema(lines: list[Line]) -> None:
    for each in lines:
        assert errors("journal", each) == []
    for wrong in (
        {**CLASS, "class": "moody"},
        {**CLASS, "attempts": 0},
        {key: value for key, value in CLASS.items() if key != "failed"},
        {**start(0, 1), "attempt": -1},
        {**line(0, "fail", 1), "trouble": 1},
    ):
        assert errors("journal", wrong)
