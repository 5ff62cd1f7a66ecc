"""Expectations: what they cover, what never satisfies one, and files that make no sense."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gauntlet_harness.cases import Case, Failure, Result, result_for
from gauntlet_harness.errors import UsageError
from gauntlet_harness.expectations import Expectations, load_expectations, outcome_of

SYSTEM = {"libc": "glibc 2.36", "kernel": {"release": "6.18.44"}}
TODAY = date(2026, 11, 23)
ENTRY = """
[[expectation]]
id = "one"
cases = ["PipesRaces.A*"]
verdicts = ["fail"]
says = "EINVAL"
kind = "known bug"
reason = "because"
link = "there"
owner = "somebody"
expires = 2027-01-01
when = { libc = "glibc 2.3*", "kernel.release" = "6.*" }
"""


def load(folder: Path, text: str = ENTRY, today: date = TODAY) -> Expectations:
    (folder / "some.toml").write_text(text)
    return load_expectations(folder, SYSTEM, today)


def result(verdict: str, said: str = "seen: EINVAL", name: str = "PipesRaces.AB/pipe") -> Result:
    case = Case(name=name, method="pipes", kind="races")
    made = result_for(case, seed=1, repetition=0, profile="smoke")
    made.verdict = verdict  # type: ignore[assignment]
    made.failures = [Failure("a.cpp", 1, said)]
    return made


def test_the_failure_that_an_entry_describes_is_expected(tmp_path: Path) -> None:
    expected = load(tmp_path)
    made = result("fail")
    made.expected = expected.covers(made)
    assert outcome_of(made) == "expected"


def test_a_pass_is_unexpected(tmp_path: Path) -> None:
    made = result("pass")
    made.expected = load(tmp_path).covers(made)
    assert outcome_of(made) == "unexpected_pass"


def test_of_a_race_a_pass_is_a_pass_and_its_failure_is_expected(tmp_path: Path) -> None:
    expected = load(tmp_path, ENTRY.replace("known bug", "flaky"))
    assert not expected.covers(result("pass"))
    assert expected.covers(result("fail"))


def test_the_stacks_of_a_hang_may_say_it(tmp_path: Path) -> None:
    entry = ENTRY.replace('["fail"]', '["hang"]').replace("EINVAL", "nng_close")
    made = result("hang", said="still running")
    made.processes = "#5 0x00007f nng_close"
    assert load(tmp_path, entry).covers(made)


@pytest.mark.parametrize(
    "other",
    [
        result("fail", said="seen: EBUSY"),
        result("hang"),
        result("error"),
        result("not_run"),
        result("fail", name="PipesRaces.B/pipe"),
    ],
    ids=["another failure", "another verdict", "harness error", "not run", "another case"],
)
def test_nothing_else_satisfies_an_entry(tmp_path: Path, other: Result) -> None:
    assert not load(tmp_path).covers(other)
    assert outcome_of(other) == other.verdict


def test_an_expired_entry_does_not_hold(tmp_path: Path) -> None:
    assert load(tmp_path, today=date(2027, 1, 1)).covers(result("fail"))
    assert not load(tmp_path, today=date(2027, 1, 2)).covers(result("fail"))


@pytest.mark.parametrize("when", ['libc = "musl*"', '"kernel.release" = "5.*"', 'nothing = "*"'])
def test_an_entry_for_another_system_does_not_hold(tmp_path: Path, when: str) -> None:
    text = ENTRY.split("when =")[0] + f"when = {{ {when} }}\n"
    assert not load(tmp_path, text).covers(result("fail"))


def test_an_unknown_key_is_refused_with_near_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"some.toml.*expirse.*did you mean expires"):
        load(tmp_path, ENTRY.replace("expires", "expirse"))


@pytest.mark.parametrize("text", ["[[expectation]", ENTRY.replace('["fail"]', '["pass"]')])
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"some\.toml"):
        load(tmp_path, text)


def test_the_entries_of_this_tree_are_read() -> None:
    folder = Path(__file__).parents[2] / "reports" / "expectations"
    sample = result(
        "fail", name="SemaphoresConformance.SemOpen_NameOverNameMax_FailsWithEnametoolong"
    )
    assert load_expectations(folder, SYSTEM, TODAY).covers(sample)
