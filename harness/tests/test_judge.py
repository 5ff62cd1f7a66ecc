"""From what a runner left to a verdict: every way of dying, none of them a pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gauntlet_harness.cases import Case, Result
from gauntlet_harness.judge import RunnerEnd, judge

CASE = Case(name="PipesRaces.A_B/pipe", method="pipes", kind="races", subject="pipe", clause="c")


def line(**changes: Any) -> bytes:
    fields = {
        "schema": 1,
        "event": "result",
        "case": CASE.name,
        "method": "pipes",
        "kind": "races",
        "subject": "pipe",
        "contract": None,
        "clause": None,
        "verdict": "pass",
        "seed": 7,
        "repetition": 0,
        "profile": "smoke",
        "duration_ms": 2.5,
    }
    return json.dumps({**fields, **changes}).encode() + b"\n"


def verdict_of(lines: bytes, status: int = 0, **rest: Any) -> Result:
    end = RunnerEnd(status=status, lines=lines, **rest)
    return judge(CASE, seed=99, repetition=0, profile="smoke", end=end)


def test_pass_with_status_0_is_a_pass() -> None:
    result = verdict_of(line(faults={"planned": 2, "fired": 2}))
    assert (result.verdict, result.seed, result.reason) == ("pass", 7, "")


@pytest.mark.parametrize("verdict", ["fail", "hang", "crash", "error"])
def test_what_the_suite_found_is_kept(verdict: str) -> None:
    result = verdict_of(line(verdict=verdict, reason="its own"), 1)
    assert (result.verdict, result.reason) == (verdict, "its own")


@pytest.mark.parametrize("verdict", ["unsupported", "not_run"])
def test_skips_are_kept(verdict: str) -> None:
    assert verdict_of(line(verdict=verdict, reason="r"), 0).verdict == verdict


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"", "wrote no result line"),
        (b"\n\n", "wrote no result line"),
        (b"hello\n", "not understood"),
        (b"\xff\xfe\n", "not understood"),
        (b"[]\n", "not understood"),
        (b"null\n", "not understood"),
        (line(verdict="splendid"), "not understood"),
        (line(seed="7"), "not understood"),
        (line(schema=2), "of schema 2"),
        (line(case="Other.Case"), "the result of another case"),
        (line(repetition=3), "the result of repetition 3"),
        (line() + line(), "wrote 2 result lines"),
        (line()[:-1], "cut off"),
        (line()[:40], "cut off"),
        (line(output="x" * (1 << 20)), "more than 1 MiB"),
    ],
)
def test_no_usable_line_is_an_error_that_keeps_the_output(lines: bytes, said: str) -> None:
    result = verdict_of(lines, 0, output="what it printed", duration_ms=5.0)
    assert result.verdict == "error"
    assert said in result.reason
    assert result.output == "what it printed"
    assert (result.case, result.subject, result.seed) == (CASE.name, "pipe", 99)


def test_death_by_signal_is_a_crash_whatever_was_said() -> None:
    assert verdict_of(b"", -11).reason == "the runner died by SIGSEGV without a result line"
    assert verdict_of(b"", -11).verdict == "crash"
    assert verdict_of(line(), -6).verdict == "crash"
    after_fail = verdict_of(line(verdict="fail", reason="torn"), -6)
    assert after_fail.verdict == "crash"
    assert "torn" in after_fail.reason
    assert verdict_of(line()[:30], -9).verdict == "crash"


def test_hang_told_by_the_suite_outlives_its_own_end_by_signal() -> None:
    result = verdict_of(line(verdict="hang", reason="stuck"), -9)
    assert result.verdict == "hang"
    assert "SIGKILL" in result.reason


def test_time_out_is_a_hang_with_what_the_processes_did() -> None:
    result = verdict_of(b"", -9, timed_out_after_s=75.0, processes="process 1: futex")
    assert result.verdict == "hang"
    assert "75 s" in result.reason
    assert result.processes == "process 1: futex"
    assert verdict_of(line(), -9, timed_out_after_s=75.0).verdict == "hang"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (line(), 1),
        (line(faults={"planned": 3, "fired": 0}), 0),
        (line(failures=[{"file": "f", "line": 1, "message": "m"}]), 0),
        (line(leftovers=["/dev/shm/x"]), 0),
        (line(verdict="not_run", reason="r"), 1),
    ],
)
def test_contradicted_pass_or_skip_is_an_error(lines: bytes, status: int) -> None:
    assert verdict_of(lines, status).verdict == "error"


def test_fail_without_a_fired_fault_stays_a_fail() -> None:
    result = verdict_of(line(verdict="fail", faults={"planned": 3, "fired": 0}), 1)
    assert result.verdict == "fail"


def test_leftover_makes_a_pass_fail_and_is_listed() -> None:
    result = verdict_of(line(), 0, leftovers=["/dev/shm/x"])
    assert result.verdict == "fail"
    assert result.leftovers == ["/dev/shm/x"]
    assert [f.message for f in result.failures] == ["left behind: /dev/shm/x"]


def test_leftover_of_a_killed_runner_is_listed_but_no_finding_of_its_own() -> None:
    result = verdict_of(b"", -11, leftovers=["/dev/shm/x"])
    assert (result.verdict, result.failures, result.leftovers) == ("crash", [], ["/dev/shm/x"])
