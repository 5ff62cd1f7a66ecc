"""Expectations: what they cover, what never satisfies one, and files that make no sense."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import msgspec
import pytest

from gauntlet_harness.cases import Case, Failure, Result, result_for
from gauntlet_harness.errors import UsageError
from gauntlet_harness.expectation_files import read_expectations
from gauntlet_harness.expectations import Expectations, load_expectations, noted, outcome_of
from gauntlet_harness.progress import first_reason
from gauntlet_reports.run_data import Result as ReportedResult
from gauntlet_reports.signatures import signature_of

SYSTEM = {"libc": "glibc 2.36", "kernel": {"name": "Linux", "release": "6.18.44"}}
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
when = { libc = "glibc >=2.30", kernel = "6" }
"""


def load(folder: Path, text: str = ENTRY, today: date = TODAY) -> Expectations:
    (folder / "some.toml").write_text(text)
    return load_expectations(folder, SYSTEM, today)


def covers(expected: Expectations, one: Result) -> bool:
    expected.judge(one)
    return one.expected


def result(verdict: str, said: str = "seen: EINVAL", name: str = "PipesRaces.AB/pipe") -> Result:
    case = Case(name=name, method="pipes", kind="races")
    made = result_for(case, seed=1, repetition=0, profile="smoke")
    made.verdict = verdict  # type: ignore[assignment]
    made.failures = [Failure("a.cpp", 1, said)]
    return made


def test_the_failure_that_an_entry_describes_is_expected(tmp_path: Path) -> None:
    expected = load(tmp_path)
    made = result("fail")
    expected.judge(made)
    assert outcome_of(made) == "expected"


def test_a_pass_is_unexpected(tmp_path: Path) -> None:
    made = result("pass")
    load(tmp_path).judge(made)
    assert outcome_of(made) == "unexpected_pass"


def test_of_a_race_a_pass_is_a_pass_and_its_failure_is_expected(tmp_path: Path) -> None:
    expected = load(tmp_path, ENTRY.replace("known bug", "flaky"))
    assert not covers(expected, result("pass"))
    assert covers(expected, result("fail"))


def test_the_stacks_of_a_hang_may_say_it(tmp_path: Path) -> None:
    entry = ENTRY.replace('["fail"]', '["hang"]').replace("EINVAL", "nng_close")
    made = result("hang", said="still running")
    made.processes = "#5 0x00007f nng_close"
    assert covers(load(tmp_path, entry), made)


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
    assert not covers(load(tmp_path), other)
    assert outcome_of(other) == other.verdict


def test_an_expired_entry_does_not_hold(tmp_path: Path) -> None:
    assert covers(load(tmp_path, today=date(2027, 1, 1)), result("fail"))
    assert not covers(load(tmp_path, today=date(2027, 1, 2)), result("fail"))


def test_a_failure_under_an_expired_entry_says_so_and_nothing_else_does(tmp_path: Path) -> None:
    expired = load(tmp_path, today=date(2027, 1, 2))
    failed, passed = result("fail"), result("pass")
    others = [result("fail", said="seen: EBUSY"), result("fail", name="PipesRaces.B/pipe"), passed]
    for one in (failed, *others):
        expired.judge(one)
        assert not one.expected
    assert (failed.expectation, failed.expired_on) == ("one", "2027-01-01")
    assert first_reason(failed) == "seen: EINVAL; the expectation one expired on 2027-01-01"
    assert {(one.expectation, one.expired_on) for one in others} == {("", "")}


def test_a_covered_case_names_its_entry(tmp_path: Path) -> None:
    made = result("pass")
    made.failures = []
    load(tmp_path).judge(made)
    assert (outcome_of(made), made.expectation, made.expired_on) == ("unexpected_pass", "one", "")
    assert first_reason(made).startswith("the expectation one says that it fails here")


def test_an_entry_is_told_of_two_weeks_before_its_end(tmp_path: Path) -> None:
    expected = load(tmp_path)
    assert expected.expiring(date(2026, 12, 17)) == []
    assert [entry.id for entry in expected.expiring(date(2026, 12, 18))] == ["one"]
    assert noted(expected.expiring(date(2027, 1, 1))) == [
        {"id": "one", "owner": "somebody", "expires": "2027-01-01"}
    ]


def test_a_signature_has_to_be_the_whole_one(tmp_path: Path) -> None:
    made = result("fail", said="Expected: 0\n  Actual: 22")
    signature = signature_of(msgspec.convert(msgspec.to_builtins(made), ReportedResult))
    text = ENTRY.replace('says = "EINVAL"', f"signature = {json.dumps(signature)}")
    assert covers(load(tmp_path, text), made)
    assert not covers(load(tmp_path, text), result("fail", said="something else"))
    part = ENTRY.replace('says = "EINVAL"', 'signature = "pipes"')
    assert not covers(load(tmp_path, part), made)


def test_what_is_known_to_be_unsupported_stays_so_and_a_pass_of_it_is_red(tmp_path: Path) -> None:
    text = ENTRY.replace("known bug", "unsupported").replace('["fail"]', '["unsupported"]')
    expected = load(tmp_path, text)
    made = result("unsupported")
    expected.judge(made)
    assert (made.expected, outcome_of(made)) == (True, "unsupported")
    assert covers(expected, result("pass"))
    assert not covers(expected, result("fail"))


@pytest.mark.parametrize("when", ['libc = "musl"', 'kernel = "5"', 'component.redis = "*"'])
def test_an_entry_for_another_system_does_not_hold(tmp_path: Path, when: str) -> None:
    text = ENTRY.split("when =")[0] + f"when = {{ {when} }}\n"
    assert not covers(load(tmp_path, text), result("fail"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("expires", "expirse", r"entry one: no key is called expirse; did you mean expires\?"),
        ("[[expectation]]", "[[expectations]]", r"expectations; did you mean expectation\?"),
        ("kernel =", "kernell =", r"entry one: when has no word 'kernell'; did you mean kernel"),
        ('cases = ["PipesRaces.A*"]', "cases = []", r"entry one: cases is empty"),
        ('owner = "somebody"', 'owner = ""', r"entry one: owner is empty; .* fill it in"),
        ('reason = "because"', 'reason = " "', r"entry one: reason is empty"),
        ('owner = "somebody"\n', "", r"entry one: .*missing required field `owner`"),
        ('says = "EINVAL"', "", r"entry one: says or signature is needed"),
        ('["fail"]', '["unsupported"]', r"entry one: .*belongs to kind unsupported"),
        ('["fail"]', '["pass"]', r"entry one: verdicts cannot be 'pass'; there are fail, hang, "),
        ('["fail"]', '["error"]', r"entry one: verdicts cannot be 'error'; "),
        ('["fail"]', '["fails"]', r"entry one: verdicts cannot be 'fails'; did you mean fail\?"),
        ('["fail"]', '["fail", 3]', r"entry one: .*verdicts"),
        ('"known bug"', '"bug"', r"entry one: kind cannot be 'bug'; did you mean known bug\?"),
        ('id = "one"', "id = 1", r"entry number 1: "),
        ("[[expectation]]", "[[expectation]", r"Expected"),
        ("[[expectation]]", "[expectation]", r"has to begin with \[\[expectation\]\]"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_in_one_line(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in ENTRY
    with pytest.raises(UsageError, match=rf"^some\.toml: .*{said}") as refusal:
        load(tmp_path, ENTRY.replace(before, after))
    assert "\n" not in str(refusal.value)


def test_an_id_is_there_once(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(ENTRY)
    with pytest.raises(UsageError, match=r"some.toml: entry one: other.toml has an entry of this"):
        load(tmp_path)


NAMES = ["PipesRaces.B/pipe", "PipesRaces.Alpha/pipe"]


def test_an_entry_that_matches_no_case_of_the_whole_list_is_refused(tmp_path: Path) -> None:
    text = ENTRY.replace('["PipesRaces.A*"]', '["PipesRaces.A*", "PipesRaces.Alphe/pipe"]')
    (tmp_path / "some.toml").write_text(text)
    with pytest.raises(
        UsageError, match=r"some.toml: entry one: no case is called .*Alphe/pipe; did"
    ):
        load_expectations(tmp_path, SYSTEM, TODAY, names=NAMES)
    elsewhere = {"libc": "musl 1.2.5"}
    assert load_expectations(tmp_path, elsewhere, TODAY, names=NAMES).expiring() == []
    assert load_expectations(tmp_path, SYSTEM, date(2027, 1, 2), names=NAMES) is not None
    assert load_expectations(tmp_path, SYSTEM, TODAY) is not None


def test_an_entry_whose_patterns_all_match_is_taken(tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text(ENTRY)
    assert covers(load_expectations(tmp_path, SYSTEM, TODAY, names=NAMES), result("fail"))


def test_the_entry_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "expectations.md"
    text = page.read_text().partition("```toml\n")[2].partition("```")[0]
    assert not covers(load(tmp_path, text), result("fail"))
    assert [entry.kind for entry in read_expectations(tmp_path)] == ["known bug"]


def test_the_entries_of_this_tree_are_read() -> None:
    folder = Path(__file__).parents[2] / "reports" / "expectations"
    sample = result(
        "fail", name="SemaphoresConformance.SemOpen_NameOverNameMax_FailsWithEnametoolong"
    )
    assert covers(load_expectations(folder, SYSTEM, TODAY), sample)
