"""The digest: one answer, what changed and how to see it, and nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from gauntlet_reports.comparison import compare
from gauntlet_reports.digest import Digest, Expiry, digest_of
from gauntlet_reports.digest_forms import render_digest_markdown, render_digest_text
from gauntlet_reports.run_data import FlakeClass, PlannedCase, Result, RunData, RunEvent, Verdict

Verdicts = dict[str, Verdict | list[Verdict]]


def run(name: str, verdicts: Verdicts, state: str = "finished", **info: Any) -> RunData:
    """A run whose results all say the same reason; a name that begins with known is expected."""
    results = []
    for case, told in verdicts.items():
        for repetition, verdict in enumerate(told if isinstance(told, list) else [told]):
            results.append(
                Result(
                    case=case, verdict=verdict, seed=7, repetition=repetition,
                    reason="" if verdict == "pass" else f"it was a {verdict}",
                    expected=case.startswith("known"),
                )
            )  # fmt: skip
    planned = [PlannedCase(name=case) for case in verdicts]
    facts = {"seed": 5, "profile": "smoke", "elapsed_s": 61.0, **info}
    return RunData(
        folder=name, info=facts, planned=planned, results=results, events=[RunEvent(state=state)]
    )


def digest(before: Verdicts | None, after: Verdicts, **more: Any) -> Digest:
    expiries = more.pop("expiries", ())
    later = run("later", after, **more)
    earlier = compare(run("earlier", before), later) if before is not None else None
    return digest_of(later, earlier, expiries=expiries)


def titles(made: Digest) -> list[str]:
    return [section.title for section in made.sections]


def test_nothing_changed_is_all_there_is_to_say() -> None:
    same: Verdicts = {"A": "pass", "B": "fail", "known": "fail", "C": "not_run"}
    made = digest(same, same)
    assert (made.answer, made.sections) == ("Nothing changed.", [])
    assert made.status == 1  # B is as red as it was.
    assert made.numbers == [
        "4 cases: 1 passed, 1 failed, 1 failed as expected, 1 not run, took 1 min 1 s, seed 5",
        "run later on local, compared with earlier",
    ]


def test_each_class_has_its_section_and_whatever_is_no_change_has_none() -> None:
    before: Verdicts = {
        "regressed": "pass", "broken": "not_run", "lost": "pass", "known": "fail",
        "fixed": "fail", "flaky": "pass", "still": "fail", "quiet": "pass", "asked": "pass",
    }  # fmt: skip
    after: Verdicts = {
        "regressed": "crash", "broken": "fail", "known": "pass", "fixed": "pass",
        "flaky": ["pass", "fail", "pass"], "still": "fail", "quiet": "pass", "asked": "not_run",
        "appeared": "pass",
    }  # fmt: skip
    made = digest(before, after)
    assert made.answer == (
        "6 changed: 1 regression, 1 new failure, 1 disappeared, 1 unexpected pass, 1 fixed,"
        " 1 newly flaky."
    )
    assert [(s.title, s.items[0].what, s.items[0].cases) for s in made.sections] == [
        ("Regressions", "crash: no promise: crash: it was a crash", ("regressed",)),
        ("New failures", "fail: no promise: it was a fail", ("broken",)),
        ("Disappeared", "the run has no such case", ("lost",)),
        ("Unexpected passes", "passed, although it was expected to fail", ("known",)),
        ("Fixed", "passes now", ("fixed",)),
        ("Newly flaky", "fail in 1 of 3 repetitions: no promise: it was a fail", ("flaky",)),
    ]
    assert made.sections[0].items[0].repro == "harness/gauntlet repro regressed --seed 7"
    assert made.sections[4].items[0].repro == ""


def test_repetitions_are_counted_apart_from_cases() -> None:
    made = digest({"A": "pass"}, {"A": ["pass", "pass"], "B": "pass"})
    assert made.numbers[0].startswith("2 cases, 3 with their repetitions: 3 passed, took")


def test_one_thing_that_went_wrong_is_one_item_however_many_cases() -> None:
    names = [f"case {number}" for number in range(8)]
    made = digest(dict.fromkeys(names, "pass"), dict.fromkeys(names, "fail"))
    (section,) = made.sections
    (item,) = section.items
    assert (len(item.cases), item.more) == (5, 3)


def rerun_night(before: Verdicts | None, after: Verdicts) -> Digest:
    """Digest of a night that ran A again six times, and whatever else failed not at all."""
    later = run("later", after, rerun=True)
    later.classes = {"A": FlakeClass(case="A", name="load-dependent", attempts=6, failed=2)}
    return digest_of(later, compare(run("earlier", before), later) if before else None)


def test_new_failure_is_told_with_its_class_and_what_its_attempts_said() -> None:
    after: Verdicts = {"A": "fail", "B": "fail", "C": ["fail", "pass"], "known": "pass"}
    made = rerun_night({"A": "pass", "B": "not_run", "C": "pass", "known": "fail"}, after)
    assert {s.title: dict(s.items[0].again) for s in made.sections} == {
        "Regressions": {"A": "load-dependent: failed again in 2 of 6 attempts"},
        "New failures": {"B": "did not run again"},
        "Newly flaky": {"C": "did not run again"},
        "Unexpected passes": {},
    }
    line = "A (load-dependent: failed again in 2 of 6 attempts)\n"
    assert f"\n    {line}" in render_digest_text(made)
    assert f"\n  - {line}" in render_digest_markdown(made)
    first = rerun_night(None, {"A": "fail"})
    assert list(first.sections[0].items[0].again) == ["A"]


def test_night_that_was_not_to_run_anything_again_says_nothing_of_it() -> None:
    made = digest({"A": "pass"}, {"A": "fail"})
    assert made.sections[0].items[0].again == {}


def test_without_a_baseline_what_fails_is_told() -> None:
    made = digest(None, {"A": "fail", "B": "pass", "known": "fail"})
    assert made.answer == "Nothing to compare with; 1 failing case."
    assert titles(made) == ["Failures"]
    assert digest(None, {"B": "pass"}).answer == "Nothing to compare with; nothing failed."


def test_blamed_case_is_trouble_and_no_regression() -> None:
    trouble = [{"kind": "killed", "words": "the run was killed while A ran", "blamed": "A"}]
    made = digest({"A": "pass", "B": "pass"}, {"A": "crash", "B": "pass"}, trouble=trouble)
    assert made.answer == "Machine trouble. Nothing changed."
    assert titles(made) == ["Machine trouble"]
    assert made.sections[0].items[0].repro.endswith("repro A --seed 7")
    # What else went wrong with it is told all the same.
    twice = digest({"A": "pass"}, {"A": ["crash", "fail"]}, trouble=trouble)
    assert titles(twice) == ["Regressions", "Machine trouble"]


def test_night_that_did_not_finish_says_so_first() -> None:
    trouble = [{"kind": "journal", "words": "the disk is full: /runs/x", "blamed": None}]
    full = digest({"A": "pass"}, {"A": "pass"}, state="interrupted", trouble=trouble)
    assert full.answer == "The night did not finish: 1 of 1 cases ran. Nothing changed."
    assert [item.what for item in full.sections[0].items] == ["the disk is full: /runs/x"]
    assert full.status == 3
    stopped = digest({"A": "pass"}, {"A": "pass"}, state="interrupted")
    assert [item.what for item in stopped.sections[0].items] == [
        "the night was not finished: interrupted"
    ]


def test_error_is_machine_trouble_even_if_it_was_there_before() -> None:
    made = digest({"A": "error", "B": "pass"}, {"A": "error", "B": "pass"})
    assert made.answer == "Machine trouble. Nothing changed."
    assert made.sections[0].items[0].what == "error: it was a error"
    assert made.status == 3


def expiry(*cases: str, expired: bool) -> Expiry:
    return Expiry(id="old", owner="team", expires=date(2026, 11, 27), expired=expired, cases=cases)


def test_expired_expectation_speaks_for_its_cases_and_no_others() -> None:
    made = digest(
        {"A": "pass", "B": "pass"}, {"A": "fail", "B": "fail"}, expiries=[expiry("A", expired=True)]
    )
    assert made.answer == "2 changed: 1 regression, 1 case of an expired expectation."
    assert [(s.title, s.items[0].cases) for s in made.sections] == [
        ("Regressions", ("B",)),
        ("Expired expectations", ("A",)),
    ]
    gone = digest({"A": "pass"}, {"A": "pass"}, expiries=[expiry("A", expired=True)])
    assert gone.answer == "Nothing changed."
    assert gone.sections[0].items[0].what == (
        "old (owner team) expired on 2026-11-27: none of its cases failed"
    )


def test_expectation_that_will_expire_is_told_and_changes_nothing() -> None:
    made = digest({"known": "fail"}, {"known": "fail"}, expiries=[expiry("known", expired=False)])
    assert made.answer == "Nothing changed."
    assert titles(made) == ["Expectations that expire within 14 days"]
    assert made.status == 0


def test_damaged_trouble_is_told_and_not_raised() -> None:
    made = digest({"A": "pass"}, {"A": "pass"}, trouble="none")
    assert titles(made) == ["Machine trouble"]


@pytest.mark.parametrize("nasty", ["<b>@all</b>", "`; rm -rf /`", "a\nb\x1b[31m"])
def test_forms_say_the_same_and_no_text_leaves_its_line(nasty: str) -> None:
    made = digest({nasty: "pass"}, {nasty: "fail"})
    text, markdown = render_digest_text(made), render_digest_markdown(made)
    told = "- fail: no promise: it was a fail\n"
    assert text.startswith(f"1 changed: 1 regression.\n\nRegressions:\n  {told}")
    assert markdown.startswith(f"# 1 changed: 1 regression.\n\n## Regressions\n\n{told}")
    for form in (text, markdown):
        assert form.endswith("\n")
        assert "\x1b" not in form
    assert "<b>" not in markdown.replace("`", "").replace("repro '<b>", "")
    assert len(text.splitlines()) == 9
