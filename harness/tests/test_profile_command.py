"""``profile`` through the command line: names of runs, kept profiles, forms and bad input."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_reports.sample_run import write_sample
from gauntlet_reports.write import write_reports

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def runs(root: Path) -> Path:
    """Two runs that are the same but for one limit, the first with its reports."""
    folder = root / "runs"
    write_reports(write_sample(folder / "good"))
    info = write_sample(folder / "moved") / "run.json"
    info.write_text(info.read_text().replace('"fs.mqueue.msg_max": 10', '"fs.mqueue.msg_max": 20'))
    return folder


@pytest.mark.usefixtures("runs")
def test_two_runs_stand_side_by_side(quick_gauntlet: Command) -> None:
    done = quick_gauntlet("profile", "good", "moved", "--differing")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ipc fs.mqueue.msg_max: 10 | 20  (≠ differs)" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 of ")


def test_a_kept_profile_stands_for_its_run(quick_gauntlet: Command, runs: Path) -> None:
    kept = quick_gauntlet("profile", runs / "good" / "profile.json", "moved", "--format", "json")
    live = quick_gauntlet("profile", "good", "moved", "--format", "json")
    assert kept.returncode == 0
    assert json.loads(kept.stdout) == json.loads(live.stdout)


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("form", "begins"), [("html", "<!doctype html>"), ("markdown", "# Gauntlet: "), ("json", "{")]
)
def test_every_form_goes_to_stdout(quick_gauntlet: Command, form: str, begins: str) -> None:
    for names in (("good",), ("good", "moved")):
        done = quick_gauntlet("profile", *names, "--format", form)
        assert done.returncode == 0
        assert done.stdout.startswith(begins)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "no run is called nowhere"),
        (("good", "moved", "--band", "1"), "a factor above 1"),
        (("good", "--differing"), "--differing needs two runs"),
        (("good", "moved", "--differing", "--format", "json"), "JSON always holds every row"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_wrong_usage_is_one_line(
    quick_gauntlet: Command, words: tuple[str, ...], said: str
) -> None:
    done = quick_gauntlet("profile", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_newer_profile_is_refused(quick_gauntlet: Command, runs: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.json"
    newer.write_text(
        (runs / "good" / "profile.json").read_text().replace('"schema": 1', '"schema": 2')
    )
    done = quick_gauntlet("profile", newer)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is of schema 2" in done.stderr
