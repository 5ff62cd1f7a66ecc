"""``selftest``: every runner runs, its own closing line comes last, and a failure is status 1."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gauntlet_harness.errors import HarnessError
from gauntlet_harness.selftest import Step, run_steps, steps


def says(text: str, status: int = 0) -> list[str]:
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"]


def test_closing_lines_come_last(tmp_path: Path) -> None:
    said: list[str] = []
    status = run_steps(
        tmp_path,
        [
            Step("ctest", says("100% tests passed, 0 tests failed out of 3\n\nTotal"), "% tests"),
            Step("pytest", says("== 5 passed in 1.2s =="), "passed"),
        ],
        said.append,
    )
    assert status == 0
    assert said[-2:] == [
        "ctest: 100% tests passed, 0 tests failed out of 3",
        "pytest: 5 passed in 1.2s",
    ]


@pytest.mark.parametrize("place", [0, 1])
def test_one_failure_is_status_1_and_the_others_still_run(tmp_path: Path, place: int) -> None:
    said: list[str] = []
    todo = [Step("a", says("a ended", place == 0), "ended"), Step("b", says("b", place == 1), "x")]
    assert run_steps(tmp_path, todo, said.append) == 1
    assert said[-2] == "a: a ended"
    assert said[-1] == f"b: b ended with status {int(place == 1)} and no summary"


def test_missing_runner_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no-such-runner is not installed"):
        run_steps(tmp_path, [Step("x", ["no-such-runner"], "x")], lambda _: None)


def test_an_empty_ctest_is_no_success() -> None:
    ctest = next(s for s in steps(Path("/nowhere"), "release", 2) if s.name == "ctest")
    assert "--no-tests=error" in ctest.command
