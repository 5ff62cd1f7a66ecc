"""Two runs against each other: the class of each case, why, and what regressed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports import RunData, load_run
from gauntlet_reports.changes import Change, Kind
from gauntlet_reports.comparison import Comparison, compare
from gauntlet_reports.sample_run import (
    Line,
    ended,
    planned_cases,
    run_info,
    write_run,
    write_sample,
)

CASES = planned_cases()[:4]
CASE = CASES[0]
FINISHED: Line = {"schema": 1, "event": "run", "state": "finished", "at": "2026-11-23T04:00:00Z"}


def lines(*verdicts: str | Line, case: Line = CASE) -> list[Line]:
    """One case that ended so in its repetitions; all others of the plan passed."""
    chance = random.Random(1)
    told = []
    for number, verdict in enumerate(verdicts):
        given = {"verdict": verdict} if isinstance(verdict, str) else dict(verdict)
        told.append(ended(case, given.pop("verdict"), chance, repetition=number, **given))
    others = [ended(other, "pass", chance) for other in CASES if other is not case]
    return [*told, *others, FINISHED]


def held(
    folder: Path, before: Iterable[Line], after: Iterable[Line], **given: dict[str, Any]
) -> Comparison:
    """Compare two journals; ``first=`` and ``second=`` change their run.json."""

    def run(name: str, journal: Iterable[Line]) -> RunData:
        info = run_info(CASES, state="finished") | given.get(name, {})
        return load_run(write_run(folder / name, info, journal))

    return compare(run("first", before), run("second", after))


def only(comparison: Comparison) -> Change:
    assert len(comparison.changes) == 1
    return comparison.changes[0]


EXPECTED: Line = {"verdict": "fail", "expected": True}
UNEXPECTED: Line = {"verdict": "pass", "expected": True}


@pytest.mark.parametrize(
    ("before", "after", "kind", "regressed"),
    [
        (["pass"], ["fail"], "regression", True),
        (["pass"], ["hang"], "regression", True),
        ([EXPECTED], ["crash"], "regression", True),
        ([UNEXPECTED], ["fail"], "regression", True),
        (["not_run"], ["fail"], "new_failure", True),
        (["error"], ["fail"], "new_failure", True),
        (["pass"], [UNEXPECTED], "unexpected_pass", True),
        ([EXPECTED], [UNEXPECTED], "unexpected_pass", True),
        ([UNEXPECTED], [UNEXPECTED], "still_failing", False),
        (["pass", "pass"], ["pass", "fail"], "newly_flaky", True),
        (["fail", "fail"], ["pass", "fail"], "newly_flaky", False),
        (["fail", "pass"], ["pass", "fail"], "still_flaky", False),
        (["fail", "pass"], ["fail", "fail"], "still_failing", False),
        (["fail", "pass"], ["pass", "pass"], "fixed", False),
        (["pass"], ["error"], "no_verdict", True),
        (["not_run"], ["error"], "no_verdict", True),
        (["pass"], ["not_run"], "not_asked", False),
        (["fail"], ["unsupported"], "not_asked", False),
        (["fail"], ["fail"], "still_failing", False),
        (["crash"], ["hang"], "still_failing", False),
        (["fail"], ["pass"], "fixed", False),
        ([UNEXPECTED], ["pass"], "fixed", False),
        (["not_run"], ["pass"], "new_pass", False),
        (["error"], ["pass"], "new_pass", False),
        (["pass"], [EXPECTED], "known", False),
        ([EXPECTED], ["pass"], "known", False),
        (["fail"], [EXPECTED], "known", False),
        (["pass", EXPECTED], ["pass", "pass"], "known", False),
    ],
)
def test_each_pair_of_outcomes_has_its_class(
    tmp_path: Path, before: list[str | Line], after: list[str | Line], kind: Kind, regressed: bool
) -> None:
    comparison = held(tmp_path, lines(*before), lines(*after))
    change = only(comparison)
    assert (change.case, change.kind, change.regressed) == (CASE["name"], kind, regressed)
    assert comparison.status == int(regressed)
    assert comparison.unchanged == len(CASES) - 1
    assert comparison.counts[kind] == 1


@pytest.mark.parametrize("verdict", ["pass", "not_run", "unsupported", "error", EXPECTED])
def test_what_is_the_same_in_both_is_unchanged(tmp_path: Path, verdict: str | Line) -> None:
    comparison = held(tmp_path, lines(verdict), lines(verdict))
    assert comparison.changes == []
    assert comparison.equal
    assert comparison.verdict == "Equal: every case is as it was."


def test_a_run_is_equal_to_itself_whatever_it_holds(tmp_path: Path) -> None:
    run = load_run(write_sample(tmp_path))
    comparison = compare(run, run)
    assert comparison.equal
    assert comparison.status == 0
    assert {change.kind for change in comparison.changes} == {"still_failing"}
    assert [comparison.behaviours, comparison.records, comparison.shifts] == [[], [], []]
    assert comparison.differing == []


def test_a_skip_beside_a_pass_does_not_hide_a_failure(tmp_path: Path) -> None:
    comparison = held(tmp_path, lines("not_run", "pass"), lines("not_run", "fail"))
    assert only(comparison).kind == "regression"


def test_repetitions_are_told_by_number(tmp_path: Path) -> None:
    change = only(held(tmp_path, lines("pass", "pass"), lines("pass", "fail")))
    assert change.before.words == "2 passed"
    assert change.after.words == "1 failed, 1 passed"
    assert "repro" in change.after.repro


def test_why_is_what_the_second_run_says_and_else_the_first(tmp_path: Path) -> None:
    lost = only(held(tmp_path / "a", lines("pass"), lines("not_run")))
    assert lost.why == "ptrace of a child is not permitted here"
    fixed = only(held(tmp_path / "b", lines("fail"), lines("pass")))
    assert fixed.why == "message 2 was accepted and never came out"


def without(name: str) -> list[Line]:
    return [line for line in lines("pass") if line.get("case") != name]


def test_a_case_that_is_gone_regressed_unless_there_is_a_reason(tmp_path: Path) -> None:
    gone = {"cases": CASES[1:]}
    bare = held(tmp_path / "a", lines("pass"), without(CASE["name"]), second=gone)
    assert (only(bare).kind, only(bare).why, bare.status) == ("disappeared", "", 1)
    chosen = gone | {"selection": "sockets"}
    selected = held(tmp_path / "b", lines("pass"), without(CASE["name"]), second=chosen)
    assert only(selected).why == "the second run selected sockets"
    assert selected.status == 0
    suites = {"suites": ["/a/build/one"]}
    fewer = held(
        tmp_path / "c",
        lines("pass"),
        without(CASE["name"]),
        first={"suites": ["/b/one", "/b/two"]},
        second=gone | suites,
    )
    assert only(fewer).why == "the second run was without two"
    same = held(
        tmp_path / "d",
        lines("pass"),
        without(CASE["name"]),
        first={"suites": ["/b/one"]},
        second=gone | suites,
    )
    assert same.status == 1
    unnamed = held(
        tmp_path / "e",
        lines("pass"),
        without(CASE["name"]),
        first={"suites": ["/b/one"], "selection": "sockets"},
        second=chosen,
    )
    assert (only(unnamed).why, unnamed.status) == ("", 1)
    untold = held(
        tmp_path / "f",
        lines("pass"),
        without(CASE["name"]),
        first={"suites": ["/b/one"]},
        second=gone,
    )
    assert untold.status == 1


def test_a_case_that_is_new_appears_and_fails_as_a_new_failure(tmp_path: Path) -> None:
    gone = {"cases": CASES[1:]}
    good = held(tmp_path / "a", without(CASE["name"]), lines("pass"), first=gone)
    assert (only(good).kind, good.status) == ("appeared", 0)
    bad = held(tmp_path / "b", without(CASE["name"]), lines("fail"), first=gone)
    assert (only(bad).kind, bad.status) == ("new_failure", 1)
    assert only(bad).before.words == "no such case"


def test_a_case_that_was_not_reached_is_not_asked(tmp_path: Path) -> None:
    stop = FINISHED | {"state": "interrupted"}
    comparison = held(tmp_path, lines("pass"), [*without(CASE["name"])[:-1], stop])
    assert only(comparison).kind == "not_asked"
    assert only(comparison).why == "the run ended before this case was reached"
    assert "the second run: interrupted" in comparison.notes


def test_a_case_that_a_finished_run_has_lost_has_no_verdict(tmp_path: Path) -> None:
    comparison = held(tmp_path, lines("pass"), without(CASE["name"]))
    assert (only(comparison).kind, comparison.status) == ("no_verdict", 1)
    assert only(comparison).why == "the run finished without a verdict on this case"


def test_a_case_in_which_the_machine_died_has_no_verdict(tmp_path: Path) -> None:
    start = {
        "schema": 1,
        "event": "start",
        "case": CASE["name"],
        "seed": 1,
        "repetition": 0,
        "at": FINISHED["at"],
        "scope": "r7",
        "pid": 1,
    }
    comparison = held(tmp_path, lines("pass"), [start, *without(CASE["name"])[:-1]])
    assert (only(comparison).kind, comparison.status) == ("no_verdict", 1)


def test_what_regressed_stands_first(tmp_path: Path) -> None:
    chance = random.Random(1)
    before = [ended(case, verdict, chance) for case, verdict in zip(CASES, OLD, strict=True)]
    after = [ended(case, verdict, chance) for case, verdict in zip(CASES, NEW, strict=True)]
    kinds = [change.kind for change in held(tmp_path, before, after).changes]
    assert kinds == ["regression", "not_asked", "still_failing", "fixed"]


OLD = ("fail", "fail", "pass", "pass")
NEW = ("pass", "fail", "not_run", "fail")


def test_systems_stand_side_by_side_and_load_is_no_difference(tmp_path: Path) -> None:
    old = {"fingerprint": {"kernel": {"release": "6.1"}, "load": "0.1", "libc": "glibc 2.36"}}
    new = {"fingerprint": {"kernel": {"release": "6.18"}, "load": "58", "libc": "glibc 2.36"}}
    comparison = held(tmp_path, lines("pass"), lines("pass"), first=old, second=new)
    assert [(f.name, f.before, f.after) for f in comparison.differing] == [
        ("kernel.release", "6.1", "6.18")
    ]
    told = {fact.name: (fact.before, fact.after) for fact in comparison.facts}
    assert told["load"] == ("0.1", "58")
    assert told["libc"] == ("glibc 2.36", "glibc 2.36")
    assert comparison.equal


def test_other_seeds_and_profiles_are_noted(tmp_path: Path) -> None:
    other = {"seed": 8, "profile": "full"}
    notes = held(tmp_path, lines("pass"), lines("pass"), second=other).notes
    assert any("profiles differ" in note for note in notes)
    assert any("seeds differ" in note for note in notes)
