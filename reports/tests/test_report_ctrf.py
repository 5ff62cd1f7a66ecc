"""CTRF: it fits its schema, counts what the run counts, and a retry turns nothing green."""

from __future__ import annotations

import importlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import RunData, load_run, render, totals
from gauntlet_reports.sample_run import ended, planned_cases, run_info, write_run, write_sample

jsonschema: Any = importlib.import_module("jsonschema")
SCHEMA = Path(__file__).resolve().parent.parent / "schema" / "ctrf.schema.json"


def errors(document: object) -> list[str]:
    schema = json.loads(SCHEMA.read_text())
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    return [error.message for error in validator.iter_errors(document)]


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> RunData:
    return load_run(write_sample(tmp_path))


@pytest.fixture(name="document")
def fixture_document(run: RunData) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(run, "ctrf"))
    return document


def test_it_fits_the_schema(document: dict[str, Any], tmp_path: Path) -> None:
    assert errors(document) == []
    assert errors(json.loads(render(load_run(tmp_path / "nowhere"), "ctrf"))) == []


@pytest.mark.parametrize(
    "place",
    [
        ("reportFormat", "JUnit"),
        ("specVersion", "1"),
        ("reportId", "run 7"),
        ("colour", "blue"),
        ("results.summary.passed", "many"),
        ("results.summary.start", None),
        ("results.tool", {}),
        ("results.tests.0.status", "hang"),
        ("results.tests.0.duration", 1.5),
        ("results.tests.0.colour", "blue"),
        ("results.tests.0.suite", []),
        ("results.tests.0.retryAttempts", [{"attempt": 0, "status": "failed"}]),
        ("results.environment.colour", "blue"),
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_specification_refuses(
    document: dict[str, Any], place: tuple[str, Any]
) -> None:
    path, wrong = place
    *way, last = path.split(".")
    inner: Any = document
    for step in way:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    inner[last] = wrong
    assert errors(document)


def test_counts_agree_with_the_totals(run: RunData, document: dict[str, Any]) -> None:
    counts = totals(run)
    summary = document["results"]["summary"]
    red = ("fail", "hang", "crash", "unexpected_pass", "error", "unfinished")
    assert summary["tests"] == sum(counts.values()) == len(document["results"]["tests"])
    assert summary["failed"] == sum(counts[outcome] for outcome in red)
    assert summary["passed"] == counts["pass"]
    assert summary["other"] == counts["expected"]
    assert summary["skipped"] == counts["not_run"] + counts["unsupported"]
    assert summary["pending"] == counts["not_reached"]
    raw = Counter(test["rawStatus"] for test in document["results"]["tests"])
    assert raw == {outcome: number for outcome, number in counts.items() if number}
    assert summary["stop"] >= summary["start"] > 0


def test_what_did_not_pass_says_why_and_how_to_repeat_it(document: dict[str, Any]) -> None:
    for test in document["results"]["tests"]:
        if test["status"] == "failed":
            assert test["message"]
            assert test["extra"]["repro"].startswith("harness/gauntlet repro ")
    failed = next(t for t in document["results"]["tests"] if t["rawStatus"] == "fail")
    assert "Expected: 2 messages" in failed["trace"]
    assert failed["labels"]["signature"]
    assert failed["suite"] == [failed["suite"][0], failed["type"]]


def test_the_same_run_is_the_same_text(run: RunData) -> None:
    assert render(run, "ctrf") == render(run, "ctrf")


def flaky_run(folder: Path, verdicts: list[str], name: str) -> RunData:
    case = planned_cases()[0]
    chance = random.Random(1)
    lines = [
        ended(case, verdict, chance, attempt=number) for number, verdict in enumerate(verdicts)
    ]
    failed = sum(verdict == "fail" for verdict in verdicts[1:])
    counts = {"attempts": len(verdicts) - 1, "failed": failed}
    classed = {"schema": 1, "event": "class", "case": case["name"], "class": name, **counts}
    return load_run(write_run(folder, run_info([case]), [*lines, classed]))


def test_attempts_are_retries_and_leave_the_first_verdict(tmp_path: Path) -> None:
    run = flaky_run(tmp_path, ["fail", "pass", "fail", "pass"], "load-dependent")
    document = json.loads(render(run, "ctrf"))
    assert errors(document) == []
    (test,) = document["results"]["tests"]
    assert (test["status"], test["flaky"], test["retries"]) == ("failed", True, 3)
    told = [(a["attempt"], a["status"]) for a in test["retryAttempts"]]
    assert told == [(1, "failed"), (2, "passed"), (3, "failed"), (4, "passed")]
    assert test["labels"]["class"] == "load-dependent"
    assert document["results"]["summary"]["flaky"] == 1
    assert document["results"]["summary"]["failed"] == 1


def test_a_failure_that_always_comes_back_is_not_flaky(tmp_path: Path) -> None:
    run = flaky_run(tmp_path, ["fail", "fail"], "deterministic")
    document = json.loads(render(run, "ctrf"))
    assert document["results"]["tests"][0]["flaky"] is False
    assert document["results"]["summary"]["flaky"] == 0
