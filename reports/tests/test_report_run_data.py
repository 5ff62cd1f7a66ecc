"""Reading a run folder: what is there counts, damage is told, nothing turns into a pass."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import headline, load_run, overall_status, totals
from gauntlet_reports.outcomes import LOOKS, status_words
from gauntlet_reports.sample_run import (
    Line,
    ended,
    planned_cases,
    run_info,
    sample_lines,
    write_run,
    write_sample,
)

CASES = planned_cases()
FINISHED = {"schema": 1, "event": "run", "state": "finished", "at": "2026-11-23T04:00:00+00:00"}


def lines_of(*verdicts: str, **given: Any) -> list[Line]:
    chance = random.Random(1)
    return [
        ended(case, verdict, chance, **given)
        for case, verdict in zip(CASES, verdicts, strict=False)
    ]


def start_of(case: Line) -> Line:
    return {"schema": 1, "event": "start", "case": case["name"], "seed": 5, "repetition": 0}


def test_totals_count_every_case_of_the_plan_once(tmp_path: Path) -> None:
    run = load_run(write_sample(tmp_path))
    counts = totals(run)
    assert sum(counts.values()) == len(CASES)
    assert {o: n for o, n in counts.items() if o not in ("pass", "not_run", "unsupported")} == {
        "error": 1,
        "unfinished": 1,
        "crash": 1,
        "hang": 1,
        "fail": 3,
        "unexpected_pass": 1,
        "expected": 1,
        "not_reached": 2,
    }
    assert counts["unsupported"] == 3
    assert counts["not_run"] > 0
    assert run.notes == []


def test_headline_says_the_totals_in_words(tmp_path: Path) -> None:
    lines = lines_of(*["pass"] * 12, "fail", "fail", *["not_run"] * 3)
    cases = CASES[: len(lines)]
    run = load_run(write_run(tmp_path, run_info(cases), [*lines, FINISHED]))
    assert headline(run) == "12 passed, 2 failed, 3 not run"


@pytest.mark.parametrize(
    ("verdicts", "expected", "status"),
    [
        (["pass", "pass"], False, 0),
        (["pass", "not_run", "unsupported"], False, 0),
        (["pass", "fail"], False, 1),
        (["pass", "hang"], False, 1),
        (["pass", "crash"], False, 1),
        (["pass", "error"], False, 3),
        (["fail", "error"], False, 1),
        (["fail", "hang", "crash"], True, 0),
        (["pass"], True, 1),
        (["error"], True, 3),
        ([], False, 3),
    ],
)
def test_overall_status_names_the_class_of_failure(
    tmp_path: Path, verdicts: list[str], expected: bool, status: int
) -> None:
    lines = lines_of(*verdicts, expected=expected)
    run = load_run(write_run(tmp_path, run_info(CASES[: len(lines)]), [*lines, FINISHED]))
    assert overall_status(run) == status
    assert status_words(run)


@pytest.mark.parametrize(("state", "status"), [("finished", 0), ("interrupted", 3)])
def test_a_plan_cut_short_is_trouble_unless_the_run_says_it_finished(
    tmp_path: Path, state: str, status: int
) -> None:
    last = {**FINISHED, "state": state}
    run = load_run(write_run(tmp_path, run_info(CASES), [*lines_of("pass", "pass"), last]))
    assert len(run.not_reached) == len(CASES) - 2
    assert overall_status(run) == status


def test_a_killed_run_blames_the_case_that_ran(tmp_path: Path) -> None:
    lines = [*lines_of("pass"), start_of(CASES[1])]
    run = load_run(write_run(tmp_path, run_info(CASES[:2]), lines))
    assert [case.case.name for case in run.unfinished] == [CASES[1]["name"]]
    assert run.unfinished[0].case.kind == CASES[1]["kind"]
    assert overall_status(run) == 3


def test_an_interrupted_run_blames_nobody(tmp_path: Path) -> None:
    lines = [*lines_of("pass"), start_of(CASES[1]), {**FINISHED, "state": "interrupted"}]
    run = load_run(write_run(tmp_path, run_info(CASES[:2]), lines))
    assert run.unfinished == []
    assert [case.name for case in run.not_reached] == [CASES[1]["name"]]


def test_a_cut_last_line_is_told_and_its_case_is_unfinished(tmp_path: Path) -> None:
    folder = write_run(tmp_path, run_info(CASES[:2]), [*lines_of("pass"), start_of(CASES[1])])
    journal = folder / "journal.jsonl"
    cut = json.dumps(lines_of("pass", "pass")[1])[:120]
    journal.write_text(journal.read_text() + cut)
    run = load_run(folder)
    assert run.notes == ["journal.jsonl ends in the middle of line 3"]
    assert totals(run)["pass"] == 1
    assert totals(run)["unfinished"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        "}{",
        "[]",
        '{"no": "event"}',
        '{"event": "end", "case": "x", "verdict": "splendid"}',
        '{"event": "end", "verdict": "pass"}',
        '{"event": "end", "case": 7, "verdict": "pass"}',
        "\x00\x00\x00",
    ],
)
def test_a_damaged_line_costs_only_itself(tmp_path: Path, damage: str) -> None:
    first, second = lines_of("pass", "pass")
    folder = write_run(tmp_path, run_info(CASES[:2]), [])
    text = f"{json.dumps(first)}\n{damage}\n{json.dumps(second)}\n"
    (folder / "journal.jsonl").write_text(text)
    run = load_run(folder)
    assert totals(run)["pass"] == 2
    assert len(run.notes) == 1
    assert "line 2" in run.notes[0]


def test_bytes_that_are_no_utf8_are_replaced_not_fatal(tmp_path: Path) -> None:
    line = json.dumps(lines_of("fail", output="HERE")[0]).encode().replace(b"HERE", b"a\xff\xfeb")
    folder = write_run(tmp_path, run_info(CASES[:1]), [])
    (folder / "journal.jsonl").write_bytes(line + b"\n")
    run = load_run(folder)
    assert run.results[0].output == "a\ufffd\ufffdb"


def test_unknown_fields_and_events_are_left_alone(tmp_path: Path) -> None:
    lines = [
        {"event": "weather", "sun": True},
        *lines_of("pass", future={"a": 1}),
        FINISHED,
    ]
    run = load_run(write_run(tmp_path, run_info(CASES[:1], future=[1]), lines))
    assert run.notes == []
    assert overall_status(run) == 0


@pytest.mark.parametrize("text", [None, "", "{", "[]", "null", '{"cases": 7}', "{}"])
def test_whatever_run_json_is_the_results_are_still_read(tmp_path: Path, text: str | None) -> None:
    folder = write_run(tmp_path, {}, [*lines_of("pass", "fail"), FINISHED])
    if text is None:
        (folder / "run.json").unlink()
    else:
        (folder / "run.json").write_text(text)
    run = load_run(folder)
    assert headline(run) == "1 passed, 1 failed"
    assert bool(run.notes) == (text not in ('{"cases": 7}', "{}"))


def test_an_empty_folder_is_a_run_that_judged_nothing(tmp_path: Path) -> None:
    run = load_run(tmp_path)
    assert headline(run) == "No case was run"
    assert overall_status(run) == 3
    assert len(run.notes) == 2


def test_the_last_end_of_a_case_counts_and_repetitions_are_kept_apart(tmp_path: Path) -> None:
    first, again = lines_of("fail")[0], lines_of("pass")[0]
    third = {**lines_of("fail")[0], "repetition": 1}
    run = load_run(write_run(tmp_path, run_info(CASES[:1]), [first, again, third, FINISHED]))
    assert headline(run) == "1 passed, 1 failed"
    assert run.notes == ["1 cases ended more than once; the last end counts"]


def test_a_resumed_run_ends_like_any_other(tmp_path: Path) -> None:
    lines = [
        start_of(CASES[0]),
        {**FINISHED, "state": "resumed"},
        *lines_of("crash", "pass"),
        FINISHED,
    ]
    run = load_run(write_run(tmp_path, run_info(CASES[:2]), lines))
    assert run.unfinished == []
    assert headline(run) == "1 passed, 1 crashed"


def test_what_a_dead_runner_could_not_say_comes_from_the_plan_or_the_name(tmp_path: Path) -> None:
    case = next(c for c in CASES if c["method"] == "message_queues" and c["subject"])
    bare = {"event": "end", "case": case["name"], "verdict": "crash", "reason": "signal 11"}
    known = load_run(write_run(tmp_path / "a", run_info([case]), [bare])).results[0]
    guessed = load_run(write_run(tmp_path / "b", run_info([]), [bare])).results[0]
    for result in (known, guessed):
        assert (result.method, result.kind) == ("message_queues", case["kind"])
        assert result.subject == case["subject"]
    assert known.clause == case["clause"]


def test_elapsed_time_needs_two_readable_times(tmp_path: Path) -> None:
    def took(started: str) -> float | None:
        info = run_info([], started=started, ended="2026-11-23T03:01:30Z")
        return load_run(write_run(tmp_path, info, [])).elapsed_s

    assert took("2026-11-23T03:00:00Z") == 90
    assert took("yesterday") is None
    assert took("2026-11-23T03:00:00") is None


def test_every_outcome_has_its_own_glyph_and_word() -> None:
    assert len({look.glyph for look in LOOKS.values()}) == len(LOOKS)
    assert len({look.word for look in LOOKS.values()}) == len(LOOKS)


def test_the_sample_names_every_outcome(tmp_path: Path) -> None:
    folder = write_run(tmp_path, run_info(CASES), sample_lines(CASES))
    assert all(totals(load_run(folder)).values())


def test_a_command_is_shown_as_it_can_be_typed(tmp_path: Path) -> None:
    info = run_info([], command=["harness/gauntlet", "validate", "--select", "pipes and races"])
    run = load_run(write_run(tmp_path, info, []))
    assert run.text("command") == "harness/gauntlet validate --select 'pipes and races'"
    assert run.text("selection") == ""
    assert run.text("nothing", "seed") == "7"
