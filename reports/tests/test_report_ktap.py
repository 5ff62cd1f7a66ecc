"""KTAP: what is printed is read back by a parser of the kernel's grammar, and says the same."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gauntlet_reports import RunData, load_run, render, totals
from gauntlet_reports.sample_run import write_sample

RESULT = re.compile(r"(ok|not ok) (\d+) ([^#]*?)(?: # (?:([A-Z]+)(?: |$))?(.*))?")
DIRECTIVES = {"SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR"}


class GrammarError(Exception):
    pass


@dataclass
class KtapTest:
    good: bool
    name: str
    directive: str | None
    said: str
    diagnostics: list[str]
    subtests: list[KtapTest] = field(default_factory=list)


def parse(text: str) -> list[KtapTest]:
    lines = text.split("\n")
    if lines.pop() != "":
        raise GrammarError("no line end at the end")
    tests, rest = _block(lines, "")
    if rest:
        raise GrammarError(f"left over: {rest[0]}")
    return tests


def _block(lines: list[str], indent: str) -> tuple[list[KtapTest], list[str]]:
    if lines[0] != indent + "KTAP version 1":
        raise GrammarError(f"no version line: {lines[0]}")
    plan = re.fullmatch(indent + r"1\.\.(\d+)", lines[1])
    if not plan:
        raise GrammarError(f"no plan: {lines[1]}")
    lines = lines[2:]
    tests: list[KtapTest] = []
    for number in range(1, int(plan[1]) + 1):
        test, lines = _test(lines, indent, number)
        tests.append(test)
    return tests, lines


def _test(lines: list[str], indent: str, number: int) -> tuple[KtapTest, list[str]]:
    subtests: list[KtapTest] = []
    diagnostics: list[str] = []
    if lines and lines[0] == indent + "  KTAP version 1":
        subtests, lines = _block(lines, indent + "  ")
    while lines and lines[0].startswith(indent + "#"):
        diagnostics.append(lines.pop(0).removeprefix(indent + "#").strip())
    match = RESULT.fullmatch(lines[0].removeprefix(indent)) if lines else None
    if not match or not lines[0].startswith(indent) or int(match[2]) != number or not match[3]:
        raise GrammarError(f"no result {number}: {lines[:1]}")
    if match[4] and match[4] not in DIRECTIVES:
        raise GrammarError(f"unknown directive: {match[4]}")
    test = KtapTest(match[1] == "ok", match[3], match[4], match[5] or "", diagnostics, subtests)
    if test.good and any(not subtest.good for subtest in subtests):
        raise GrammarError(f"{test.name} is ok and one of its subtests is not")
    return test, lines[1:]


@pytest.fixture(name="run")
def fixture_run(tmp_path: Path) -> RunData:
    return load_run(write_sample(tmp_path))


@pytest.fixture(name="cases")
def fixture_cases(run: RunData) -> list[KtapTest]:
    return [case for suite in parse(render(run, "ktap")) for case in suite.subtests]


@pytest.mark.parametrize(
    "text",
    [
        "1..1\nok 1 a\n",
        "KTAP version 1\nok 1 a\n",
        "KTAP version 1\n1..2\nok 1 a\n",
        "KTAP version 1\n1..1\nok 2 a\n",
        "KTAP version 1\n1..1\nok 1 a\nok 2 b\n",
        "KTAP version 1\n1..1\nok 1 a # LUNCH at noon\n",
        "KTAP version 1\n1..1\nstray\nok 1 a\n",
        "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 b\nok 1 a\n",
        "KTAP version 1\n1..1\nok 1 a",
    ],
)
def test_the_parser_refuses_what_is_no_ktap(text: str) -> None:
    with pytest.raises(GrammarError):
        parse(text)


def test_every_outcome_is_said_in_the_words_of_ktap(run: RunData, cases: list[KtapTest]) -> None:
    counts = totals(run)
    seen = Counter((case.good, case.directive) for case in cases)
    assert seen == {
        (True, None): counts["pass"],
        (False, None): counts["fail"] + counts["crash"] + counts["unexpected_pass"],
        (False, "TIMEOUT"): counts["hang"],
        (False, "ERROR"): counts["error"] + counts["unfinished"],
        (True, "XFAIL"): counts["expected"],
        (True, "SKIP"): counts["not_run"] + counts["unsupported"] + counts["not_reached"],
    }


def test_a_suite_with_a_bad_case_is_not_ok(run: RunData) -> None:
    for suite in parse(render(run, "ktap")):
        assert suite.good == all(case.good for case in suite.subtests)


def test_failures_bring_their_evidence_as_diagnostics(cases: list[KtapTest]) -> None:
    bad = [case for case in cases if not case.good]
    for case in bad:
        assert any(line.startswith("repro: harness/gauntlet repro ") for line in case.diagnostics)
        assert case.said
    assert any("p1  |send 2---" in line for case in bad for line in case.diagnostics)


def test_nasty_text_never_becomes_a_line_of_its_own(run: RunData) -> None:
    for line in render(run, "ktap").splitlines():
        assert re.match(r" *(#|ok |not ok |KTAP version 1$|1\.\.\d+$)", line), line


def test_a_hash_sign_in_a_name_does_not_end_it(run: RunData) -> None:
    run.results[0].case = "PipesRaces.A # SKIP b"
    names = [case.name for suite in parse(render(run, "ktap")) for case in suite.subtests]
    assert "A _ SKIP b" in names


def test_a_run_without_cases_plans_none(tmp_path: Path) -> None:
    assert parse(render(load_run(tmp_path), "ktap")) == []
