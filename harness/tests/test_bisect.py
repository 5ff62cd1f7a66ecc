"""``repro`` as the test of ``git bisect run``: statuses, how many times, and a real bisection."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_harness.repetitions import times_for
from gauntlet_harness.repro_command import STATUS_STOP, for_bisect

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SOMETIMES = "FlakesRaces.Case_FailsEverySecondTime/sometimes"


@pytest.mark.parametrize(
    ("rate", "times"), [(1.0, 1), (0.99, 1), (0.5, 7), (0.2, 21), (0.01, 459), (1e-9, 1_000_000)]
)
def test_so_many_times_miss_it_in_at_most_one_of_a_hundred(rate: float, times: int) -> None:
    assert times_for(rate) == times
    if 1 < times < 1_000_000:
        assert (1 - rate) ** times <= 0.01 < (1 - rate) ** (times - 1)


@pytest.mark.parametrize(
    ("status", "told"), [(0, 0), (1, 1), (2, 125), (3, 125), (125, 125), (STATUS_STOP, STATUS_STOP)]
)
def test_what_is_no_verdict_cannot_tell(status: int, told: int) -> None:
    assert for_bisect(lambda: status) == told


def test_a_harness_that_breaks_blames_no_revision(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise RuntimeError("broken")

    assert for_bisect(broken) == 125
    assert "RuntimeError: broken" in capsys.readouterr().err


def test_statuses_of_bisect(gauntlet: Command, fake_suite: Path, tmp_path: Path) -> None:
    words = ("--suite", fake_suite, "--seed", "1", "--bisect")
    given = {"FAKE_FLAKES": "1", "FAKE_SIGNAL_FOLDER": str(tmp_path)}
    passed = gauntlet("repro", "PipesConformance.Write_PassesWithEpipe/pipe", *words)
    assert passed.returncode == 0
    failed = gauntlet("repro", SOMETIMES, *words, "--repeat", "9", **given)
    assert failed.returncode == 1
    assert "of 2 repetitions: 1 passed, 1 failed" in failed.stdout
    for case, said in (
        ("QueuesConformance.Root_IsMissing/posix_mq", "root is missing"),
        ("QueuesOverload.Runner_WritesGarbage/posix_mq", "not understood"),
        ("QueuesConformance.NotHere/posix_mq", "no case is called"),
    ):
        done = gauntlet("repro", case, *words)
        assert done.returncode == 125, done.stdout
        assert said in done.stdout + done.stderr


def test_wrong_usage_is_one_line(quick_gauntlet: Command) -> None:
    for words, said in (
        (("--seed", "1", "--repeat", "2", "--rate", "0.5"), "one of --repeat, --rate and --from"),
        (("--rate", "0"), "--rate"),
        ((), "--seed N, or --from RUN"),
        (("--from", "nowhere"), "no run is called nowhere"),
    ):
        done = quick_gauntlet("repro", "A.B", *words)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert said in done.stderr
        assert quick_gauntlet("repro", "A.B", *words, "--bisect").returncode == 125


def test_seed_and_rate_come_from_a_run(gauntlet: Command, fake_suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = {
        "FAKE_FLAKES": "1",
        "FAKE_ONLY": "/always,/once,Write_Passes",
        "FAKE_SIGNAL_FOLDER": str(tmp_path),
    }
    gauntlet("validate", "--suite", fake_suite, "--out", out, "--rerun", **given)
    words = ("--suite", fake_suite, "--from", out, "--bisect")
    always = gauntlet("repro", "FlakesRaces.Case_FailsAlways/always", *words, **given)
    assert always.returncode == 1
    assert "failed in 3 of 3 attempts of out: 1 repetition shows it" in always.stdout
    assert "seed        4242" in always.stdout
    once = gauntlet("repro", "FlakesRaces.Case_FailsTheFirstTime/once", *words, **given)
    assert "failed in none of its 3 attempts with its seed in out" in once.stderr
    passed = gauntlet("repro", "PipesConformance.Write_PassesWithEpipe/pipe", *words, **given)
    assert "did not fail in out" in passed.stderr
    rate = gauntlet(
        *("repro", "PipesConformance.Write_PassesWithEpipe/pipe", "--suite", fake_suite),
        *("--seed", "1", "--rate", "0.99"),
    )
    assert "a failure rate of 0.99: 1 repetition shows it" in rate.stdout


class Repository:
    """A repository whose revisions build a suite; git reads no configuration but its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = {
            **environment,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{f"GIT_{who}_NAME": "tester" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "tester@localhost" for who in ("AUTHOR", "COMMITTER")},
        }
        folder.mkdir()
        self.git("init", "-q")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self, message: str, build: str) -> str:
        (self._folder / "build.sh").write_text(f"# {message}\n{build}")
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD").strip()


def test_git_finds_the_revision_that_broke_it(
    environment: dict[str, str], fake_suite: Path, tmp_path: Path
) -> None:
    def builds(**variables: str) -> str:
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        start = shlex.join([sys.executable, str(fake_suite)])
        known = f"FAKE_FLAKES=1 FAKE_SIGNAL_FOLDER={shlex.quote(str(tmp_path))} {words}"
        suite = f'#!/bin/sh\nexport {known}\nexec {start} "$@"\n'
        return f"printf %s {shlex.quote(suite)} >suite\nchmod +x suite\n"

    repository = Repository(tmp_path / "repository", environment)
    first = repository.commit("good", builds(FAKE_FIXED="1"))
    repository.commit("does not build", "exit 2\n")
    repository.commit("good still", builds(FAKE_FIXED="1"))
    culprit = repository.commit("the change that broke it", builds())
    repository.commit("has no such case", builds(FAKE_ONLY="Write_Passes"))
    repository.commit("bad still", builds())

    repository.git("bisect", "start", "HEAD", first)
    repro = [sys.executable, "-m", "gauntlet_harness", "repro", SOMETIMES, "--seed", "1"]
    step = f"sh build.sh || exit 125; {shlex.join(repro)} --repeat 2 --bisect --suite ./suite"
    said = repository.git("bisect", "run", "sh", "-c", step)
    assert f"{culprit} is the first bad commit" in said
