"""The schemas: what a run writes and what the reports write fits them, and wrong things do not."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import load_run, render
from gauntlet_reports.sample_run import (
    Line,
    ended,
    planned_cases,
    run_info,
    sample_lines,
    write_sample,
)

# Imported by name because they come without types of their own.
jsonschema: Any = importlib.import_module("jsonschema")
referencing: Any = importlib.import_module("referencing")

SCHEMAS = Path(__file__).resolve().parent.parent / "schema"
CASES = planned_cases()


def errors(name: str, instance: object) -> list[str]:
    documents = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")]
    registry = referencing.Registry().with_resources(
        (document["$id"], referencing.Resource.from_contents(document)) for document in documents
    )
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema, registry=registry)
    return [error.message for error in validator.iter_errors(instance)]


def end_line(verdict: str = "fail", **given: Any) -> Line:
    return ended(CASES[0], verdict, random.Random(1), **given)


def result_line(**given: Any) -> Line:
    line = end_line() | {"event": "result"} | given
    del line["at"], line["expected"]
    return line


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.name)
def test_each_schema_is_a_schema(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_a_run_fits_its_schemas() -> None:
    assert errors("run", run_info(CASES)) == []
    for line in sample_lines(CASES):
        assert errors("journal", line) == [], line
    assert errors("result", result_line()) == []


def test_results_json_fits_its_schema(tmp_path: Path) -> None:
    document = json.loads(render(load_run(write_sample(tmp_path)), "json"))
    assert errors("results", document) == []
    assert document["totals"]["fail"] == 3
    for result in document["results"]:
        line = {**result, "schema": 1, "event": "end"}
        assert errors("journal", line) == []
    empty = json.loads(render(load_run(tmp_path / "nowhere"), "json"))
    assert errors("results", empty) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "splendid"},
        {"event": "start"},
        {"schema": 2},
        {"seed": -1},
        {"seed": 2**32},
        {"repetition": -1},
        {"profile": "quick"},
        {"case": ""},
        {"reason": ""},
        {"failures": [{"message": "where?"}]},
        {"faults": {"planned": 1}},
        {"measured": {"round_trip_ns": "fast"}},
        {"observed": {"order": 1}},
        {"isolation": {"private": ["kitchen"], "shared": []}},
        {"isolation": {"private": [], "shared": [{"what": "network"}]}},
        {"leftovers": "none"},
        {"subject": 7},
    ],
    ids=str,
)
def test_a_wrong_result_line_is_refused(wrong: Line) -> None:
    assert errors("result", result_line(**wrong))


@pytest.mark.parametrize("field", sorted(result_line()))
def test_a_result_line_without_one_of_its_fields_is_refused(field: str) -> None:
    line = result_line()
    del line[field]
    assert errors("result", line)


def test_a_pass_needs_no_reason_and_every_other_verdict_does() -> None:
    assert errors("journal", end_line("pass", reason="")) == []
    assert errors("journal", end_line("not_run", reason=""))


@pytest.mark.parametrize(
    "line",
    [
        {"schema": 1, "event": "run", "state": "asleep", "at": "2026-11-23T04:00:00Z"},
        {"schema": 1, "event": "run", "state": "started"},
        {"schema": 1, "event": "start", "case": "a.b", "seed": 1, "repetition": 0, "pid": 1},
        {"schema": 1, "event": "lunch"},
        {key: value for key, value in end_line().items() if key != "expected"},
        {key: value for key, value in end_line().items() if key != "verdict"},
        [],
    ],
    ids=str,
)
def test_a_wrong_journal_line_is_refused(line: object) -> None:
    assert errors("journal", line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": "7"},
        {"cases": None},
        {"cases": [{"name": "a.b"}]},
        {"fingerprint": "Linux"},
        {"state": "asleep"},
        {"command": "validate"},
    ],
    ids=str,
)
def test_a_wrong_run_json_is_refused(wrong: Line) -> None:
    assert errors("run", run_info(CASES) | wrong)
