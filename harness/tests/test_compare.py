"""``compare`` through the command line: names of runs, files, bad input and exit statuses."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_reports.sample_run import ended, planned_cases, run_info, write_run, write_sample

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def runs(root: Path) -> Path:
    """Three runs and the link to the last: `good`, `same`, and `worse` with one failure more."""
    folder = root / "runs"
    write_sample(folder / "good")
    write_sample(folder / "same")
    worse = write_sample(folder / "worse")
    journal = worse / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").split("\n")
    place = next(n for n, line in enumerate(lines) if '"verdict": "pass"' in line)
    lines[place] = lines[place].replace('"verdict": "pass"', '"verdict": "fail"')
    journal.write_text("\n".join(lines), encoding="utf-8")
    (folder / "latest").symlink_to("worse")
    return folder


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_equal_runs_and_a_run_beside_itself_exit_with_0(
    quick_gauntlet: Command, runs: Path
) -> None:
    for second in ("same", "good"):
        done = quick_gauntlet("compare", "good", second)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == "Equal: every case is as it was."


def test_a_planted_failure_exits_with_1_and_is_named(quick_gauntlet: Command, runs: Path) -> None:
    done = quick_gauntlet("compare", runs / "good", "latest")
    assert done.returncode == 1
    assert "1 regression" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 case regressed."
    assert "\x1b" not in done.stdout
    back = quick_gauntlet("compare", "latest", "good")
    assert back.returncode == 0
    assert back.stdout.splitlines()[-1] == "Nothing regressed."


def test_every_form_is_written_whole(quick_gauntlet: Command, runs: Path, tmp_path: Path) -> None:
    files = {form: tmp_path / f"difference.{form}" for form in ("json", "markdown", "html")}
    words = [word for form, path in files.items() for word in (f"--{form}", path)]
    assert quick_gauntlet("compare", "good", "worse", *words).returncode == 1
    assert json.loads(files["json"].read_text())["counts"]["regression"] == 1
    assert files["markdown"].read_text().startswith("# Gauntlet: 1 regression")
    assert files["html"].read_text().startswith("<!doctype html>")
    assert not list(tmp_path.glob(".difference*"))


def test_a_dash_is_stdout_and_nothing_else_goes_there(quick_gauntlet: Command, runs: Path) -> None:
    done = quick_gauntlet("compare", "good", "worse", "--json", "-")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == 1
    said = refused(quick_gauntlet("compare", "good", "worse", "--json", "-", "--html", "-"))
    assert "--json and --html cannot both go to stdout" in said


def test_a_device_is_written_to_and_not_replaced(
    quick_gauntlet: Command, runs: Path, tmp_path: Path
) -> None:
    device = tmp_path / "device"
    device.symlink_to("/dev/null")
    assert quick_gauntlet("compare", "good", "worse", "--json", device).returncode == 1
    assert device.is_symlink()
    assert list(tmp_path.glob(".device*")) == []


def test_the_band_is_the_users(quick_gauntlet: Command, root: Path) -> None:
    cases = planned_cases()[:2]
    for name, value in (("a", 100.5), ("b", 160.5)):
        chance = random.Random(1)
        lines = [ended(case, "pass", chance, measured={"x_ns": value}) for case in cases]
        write_run(root / "runs" / name, run_info(cases), lines)
    assert "shifted" not in quick_gauntlet("compare", "a", "b").stdout
    narrow = quick_gauntlet("compare", "a", "b", "--band", "1.5")
    assert (narrow.returncode, "2 shifted values" in narrow.stdout) == (0, True)


def newer(runs: Path) -> list[str]:
    journal = runs / "worse" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"schema": 1', '"schema": 2', 1))
    return ["good", "worse"]


def circle(runs: Path) -> list[str]:
    (runs / "round").symlink_to("about")
    (runs / "about").symlink_to("round")
    return [str(runs / "round"), "good"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (lambda _: ["good", "nowhere"], "no run is called nowhere"),
        (lambda _: ["god", "worse"], "did you mean good?"),
        (lambda runs: [str(runs), "good"], "journal.jsonl: No such file or directory"),
        (newer, "line 1 is of schema 2; this comparison knows 1"),
        (circle, "its links lead in a circle"),
        (lambda _: ["good"], "Missing argument"),
        (lambda _: ["good", "same", "--band", "1"], "a factor above 1 is needed"),
        (lambda _: ["good", "same", "--band", "nan"], "a factor above 1 is needed"),
        (lambda _: ["good", "same", "--html", "/nowhere/x"], "cannot be written"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_one_line_and_status_2(
    quick_gauntlet: Command, runs: Path, words: Callable[[Path], list[str]], said: str
) -> None:
    assert said in refused(quick_gauntlet("compare", *words(runs)))
