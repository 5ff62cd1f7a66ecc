"""The suites of this checkout: no empty cell in the matrix, and a README that tells the truth."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from gauntlet_harness.cases import KINDS, Case, Subject
from gauntlet_harness.subjects import METHODS, list_subjects, markdown, updated
from gauntlet_harness.suite import find_suites, list_all

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    if not (CHECKOUT / "build" / "release" / "suites.json").exists():
        pytest.skip("the suites are not built (harness/gauntlet list builds them)")
    return [entry.case for entry in list_all(find_suites(CHECKOUT, "release", []), "smoke")]


@pytest.fixture(scope="module")
def subjects(cases: list[Case]) -> list[Subject]:
    return list_subjects(find_suites(CHECKOUT, "release", []))


def test_matrix_of_methods_and_kinds_has_no_empty_cell(cases: list[Case]) -> None:
    there = {(case.method, case.kind) for case in cases}
    assert there == {(method, kind) for method in METHODS for kind in KINDS}


def test_every_subject_goes_through_all_five_kinds(
    cases: list[Case], subjects: list[Subject]
) -> None:
    kinds = defaultdict(set)
    for case in cases:
        kinds[case.subject].add(case.kind)
    lacking = {s.name: sorted(set(KINDS) - kinds[s.name]) for s in subjects}
    assert {name: missing for name, missing in lacking.items() if missing} == {}


def test_there_are_as_many_subjects_cases_and_clauses_as_promised(
    cases: list[Case], subjects: list[Subject]
) -> None:
    clauses = [case for case in cases if case.subject is None]
    assert len(subjects) >= 60
    assert len(cases) >= 1500
    assert len(clauses) >= 350
    assert {case.method for case in clauses} == set(METHODS)


def test_every_case_names_the_source_of_its_promise(cases: list[Case]) -> None:
    assert [case.name for case in cases if not case.clause] == []


def test_readme_lists_the_subjects_that_are_registered(
    cases: list[Case], subjects: list[Subject]
) -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert readme == updated(readme, markdown(subjects, cases)), (
        "run: harness/gauntlet subjects --update README.md"
    )
