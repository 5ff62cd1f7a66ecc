"""Failed cases run again: what the attempts say, and that they never change a verdict."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gauntlet_harness.campaign import Campaign, Plan, Stage
from gauntlet_harness.cases import Case, result_for
from gauntlet_harness.flakes import (
    MOST_CASES,
    broken_off,
    classes_of,
    failures_to_rerun,
    flake_class,
    rerun_stages,
)
from gauntlet_harness.journal import BLAMED, Ending, History, Journal, Start
from gauntlet_harness.progress import LiveWatcher, PlainWatcher
from gauntlet_harness.run_folder import RunFolder
from gauntlet_harness.runner import Job
from gauntlet_harness.suite import Listed, Suite

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def ending(verdict: str, attempt: int = 0, **given: Any) -> Ending:
    fields: dict[str, Any] = {
        "case": "PipesRaces.A/pipe",
        "repetition": 0,
        "seed": 7,
        "reason": "",
        "trouble": "",
        **given,
    }
    return Ending(attempt=attempt, verdict=verdict, **fields)


def made(words: str) -> list[Ending]:
    """Attempts from a word each: ``fail pass pass | pass``; the bar is where new seeds begin."""
    same, _, new = words.partition("|")
    attempts = [ending(verdict, n) for n, verdict in enumerate(same.split(), start=1)]
    return attempts + [ending(verdict, n) for n, verdict in enumerate(new.split(), start=4)]


@pytest.mark.parametrize(
    ("attempts", "told"),
    [
        ("fail fail fail | fail fail fail", "deterministic"),
        ("crash hang fail | fail fail crash", "deterministic"),
        ("fail fail fail |", "deterministic"),
        ("fail fail fail | pass pass pass", "seed-dependent"),
        ("fail fail fail | fail pass fail", "seed-dependent"),
        ("pass pass pass | pass pass pass", "load-dependent"),
        ("pass pass pass | fail fail pass", "load-dependent"),
        ("pass fail pass | pass pass pass", "load-dependent"),
        ("error error error | error error error", "machine trouble"),
        ("error error not_run | fail fail fail", "machine trouble"),
        ("fail error fail | error error error", "deterministic"),
    ],
)
def test_attempts_tell_the_class(attempts: str, told: str) -> None:
    assert flake_class(ending("fail"), made(attempts)) == told


def test_machine_in_trouble_is_the_class_unless_it_fails_without_it_too() -> None:
    troubled = ending("crash", trouble="the kernel killed 1 processes for want of memory")
    assert flake_class(troubled, made("pass pass pass | pass pass pass")) == "machine trouble"
    assert flake_class(troubled, made("fail fail fail | fail fail fail")) == "deterministic"
    disturbed = [ending("fail", n, trouble="there is no room left in /tmp") for n in range(1, 7)]
    assert flake_class(ending("fail"), disturbed) == "machine trouble"


def history_of(*failures: Ending) -> History:
    return History(failed={(f.case, f.repetition): f for f in failures})


def listed(*names: str) -> list[Listed]:
    cases = [Case(name=name, method="pipes", kind="races") for name in names]
    return [Listed(Suite(Path("suite")), case) for case in cases]


def test_same_seed_runs_alone_and_new_seeds_together() -> None:
    history = history_of(ending("fail", repetition=3, seed=99), ending("fail", case="B", seed=5))
    alone, together = rerun_stages(
        history, listed("PipesRaces.A/pipe", "B"), profile="full", seed=1, workers=8
    )
    assert alone.workers == 1
    assert [(j.case.name, j.attempt, j.seed, j.repetition) for j in alone.jobs] == [
        *(("PipesRaces.A/pipe", n, 99, 3) for n in (1, 2, 3)),
        *(("B", n, 5, 0) for n in (1, 2, 3)),
    ]
    assert together.workers == 8
    assert [job.attempt for job in together.jobs] == [4, 4, 5, 5, 6, 6]
    assert len({job.seed for job in together.jobs} - {99, 5}) == 6


def test_what_was_attempted_is_not_attempted_again() -> None:
    history = history_of(ending("fail"))
    history.attempts["PipesRaces.A/pipe"] = made("fail pass | pass")
    stages = rerun_stages(history, listed("PipesRaces.A/pipe"), profile="smoke", seed=1, workers=2)
    assert [[job.attempt for job in stage.jobs] for stage in stages] == [[3], [5, 6]]


def test_only_so_many_cases_and_one_failure_of_each() -> None:
    failures = [ending("fail", case=f"case {n}", repetition=r) for n in range(30) for r in (0, 1)]
    history = history_of(*failures)
    chosen = failures_to_rerun(history)
    assert len(chosen) == MOST_CASES
    assert {failure.repetition for failure in chosen} == {0}
    history.classed = {f"case {n}" for n in range(MOST_CASES - 1)}
    history.attempts["case 29"] = [ending("pass", 1, case="case 29")]
    assert [failure.case for failure in failures_to_rerun(history)] == ["case 29"]


def test_a_case_that_ended_a_run_does_not_run_again() -> None:
    assert failures_to_rerun(history_of(ending("crash", reason=BLAMED))) == []
    history = history_of(ending("fail"))
    start = Start(case="PipesRaces.A/pipe", seed=7, repetition=0, scope="s", pid=1, attempt=2)
    history.open_attempts["PipesRaces.A/pipe", 2] = start
    (result,) = broken_off(history, [], "smoke")
    assert (result.verdict, result.attempt, result.reason) == ("crash", 2, BLAMED)
    history.attempts["PipesRaces.A/pipe"] = [
        ending("fail", 1),
        ending(result.verdict, 2, reason=result.reason),
    ]
    stages = rerun_stages(history, listed("PipesRaces.A/pipe"), profile="smoke", seed=1, workers=2)
    assert not any(stage.jobs for stage in stages)
    (classed,) = classes_of(history)
    assert (classed.name, classed.attempts, classed.failed) == ("deterministic", 2, 2)


def test_of_several_open_attempts_none_is_blamed() -> None:
    history = history_of(ending("fail"))
    for n in (4, 5):
        start = Start(case="A", seed=n, repetition=0, scope="s", pid=1, attempt=n)
        history.open_attempts["A", n] = start
    assert [r.verdict for r in broken_off(history, [], "smoke")] == ["error", "error"]


def test_each_display_tells_of_attempts_and_counts_none() -> None:
    result = result_for(listed("A[b]")[0].case, seed=9, repetition=0, profile="smoke")
    result.verdict = "pass"
    job = Job(Suite(Path("suite")), listed("A[b]")[0].case, "smoke", 1, attempt=2)
    plain, live = io.StringIO(), io.StringIO()
    for watcher in (PlainWatcher(Path(), plain), LiveWatcher(Path(), Console(file=live))):
        watcher.again(6, 1)
        watcher.attempted(result, job)
    for told in (plain.getvalue(), live.getvalue()):
        assert told.splitlines() == [
            "running failed cases again: 6 attempts, 1 at once",
            "  again passed: A[b] (attempt 2, seed 9)",
        ]


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def variables(tmp_path: Path, only: str) -> dict[str, str]:
    return {"FAKE_FLAKES": "1", "FAKE_ONLY": only, "FAKE_SIGNAL_FOLDER": str(tmp_path)}


def test_a_run_classes_its_failures_and_stays_red(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    only = "always,seed,once,broken,Write_PassesWithEpipe"
    done = gauntlet(
        *("validate", "--suite", fake_suite, "--out", out, "--seed", "1", "--rerun"),
        **variables(tmp_path, only),
    )
    assert done.returncode == 1, done.stderr
    assert "1 passed, 4 failed, 0 skipped" in done.stdout
    lines = lines_of(out)
    classes = {
        line["case"].rpartition("/")[2]: (line["class"], line["attempts"], line["failed"])
        for line in lines
        if line["event"] == "class"
    }
    assert classes == {
        "always": ("deterministic", 6, 6),
        "seed": ("seed-dependent", 6, 3),
        "once": ("load-dependent", 6, 0),
        "broken": ("machine trouble", 6, 0),
    }
    ends = [line for line in lines if line["event"] == "end" and "/once" in line["case"]]
    attempts = [line["attempt"] for line in ends]
    # Those with the same seed one after the other, those with new seeds at once.
    assert (attempts[:4], sorted(attempts[4:])) == ([0, 1, 2, 3], [4, 5, 6])
    assert ends[0]["verdict"] == "fail"
    assert [line["seed"] for line in ends[:4]] == [ends[0]["seed"]] * 4
    assert len({line["seed"] for line in ends}) == 4
    report = json.loads((out / "results.json").read_text())
    assert report["totals"]["fail"] == 4
    once = next(r for r in report["results"] if r["case"].endswith("/once"))
    assert once["verdict"] == "fail"
    assert once["flake"]["class"] == "load-dependent"
    assert len(once["attempts"]) == 6
    assert "load-dependent: failed again in 0 of 6 attempts" in done.stdout
    assert "3 cases went wrong alike" not in done.stdout
    assert "4 cases went wrong alike: races: item N was lost" in done.stdout.replace(
        "flakes", "races"
    )
    markdown = gauntlet("report", out, "--format", "markdown").stdout
    assert "run again: seed\\-dependent" in markdown or "run again: seed-dependent" in markdown
    assert "## What went wrong alike" in markdown


def test_smoke_runs_nothing_again_unless_asked(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    for profile, option, times in (
        ("smoke", None, 1),
        ("full", "--no-rerun", 1),
        ("full", None, 7),
    ):
        folder = tmp_path / f"{profile}{option}"
        folder.mkdir()
        words = ["--profile", profile, *([option] if option else [])]
        gauntlet(
            *("validate", "--suite", fake_suite, "--out", folder / "out", *words),
            **variables(folder, "/always"),
        )
        assert len((folder / "times-always").read_text().splitlines()) == times


def test_attempts_have_what_the_budget_leaves(tmp_path: Path) -> None:
    asked: list[float | None] = []

    def no_more(_repetition: int) -> list[Job]:
        pytest.fail("a repetition began in the time that is reserved for attempts")

    def reruns(budget_s: float | None) -> Callable[[], list[Stage]]:
        return lambda: asked.append(budget_s) or []

    for budget_s in (0.0, 1000.0, None):
        folder = RunFolder.create(tmp_path, tmp_path / f"out-{budget_s}")
        # All of it reserved: a soak goes on to its attempts at once.
        plan = Plan(budget_s=budget_s, reserve_s=1000.0, reruns=reruns(budget_s))
        plan.again = None if budget_s is None else no_more
        with Journal(folder.journal_path) as journal:
            Campaign(folder, journal, plan, PlainWatcher(tmp_path)).run()
    assert asked == [1000.0, None]


def test_killed_among_attempts_a_run_goes_on_and_blames_that_attempt(
    gauntlet: Command,
    start_gauntlet: Callable[..., subprocess.Popen[str]],
    fake_suite: Path,
    tmp_path: Path,
    eventually: Callable[[Callable[[], object], str], None],
) -> None:
    out = tmp_path / "out"
    given = variables(tmp_path, "/waits,/once")
    harness = start_gauntlet(
        *("validate", "--suite", fake_suite, "--out", out, "--seed", "1", "--rerun"),
        *("--jobs", "1"),
        **given,
    )
    eventually((tmp_path / "running-waits").exists, "the third time of the case")
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    done = gauntlet("validate", "--resume", out, **given)
    assert done.returncode == 1, done.stderr
    lines = lines_of(out)
    waits = [x for x in lines if x["event"] == "end" and x["case"].endswith("/waits")]
    assert [(x["attempt"], x["verdict"]) for x in waits] == [(0, "fail"), (1, "fail"), (2, "crash")]
    assert waits[2]["reason"] == BLAMED
    once = [x["attempt"] for x in lines if x["event"] == "end" and x["case"].endswith("/once")]
    assert once == [0, 1, 2, 3, 4, 5, 6]
    classes = {x["case"].rpartition("/")[2]: x["class"] for x in lines if x["event"] == "class"}
    assert classes == {"waits": "deterministic", "once": "load-dependent"}
    assert json.loads((out / "results.json").read_text())["totals"]["fail"] == 2
