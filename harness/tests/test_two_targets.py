"""Two targets that share a folder of runs: each has a past of its own."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_harness.nightly import Place, retain
from gauntlet_harness.nightly_config import read_night_config
from gauntlet_harness.run_folder import RunFolder, nights_in
from gauntlet_reports.run_data import load_run
from gauntlet_reports.store import STORE_NAME, Store
from gauntlet_reports.target_past import TargetPast

Command = Callable[..., "subprocess.CompletedProcess[str]"]
ONLY = {"FAKE_ONLY": "Plain", "FAKE_CASES": "2"}


def config(folder: Path, suite: Path, second_baseline: str = "") -> Path:
    path = folder / "night.toml"
    own = f', baseline = "{second_baseline}"' if second_baseline else ""
    path.write_text(
        textwrap.dedent(f"""\
        profile = "smoke"
        runs = "runs"
        retention = 1
        suites = ["{suite}"]
        targets = [{{ name = "here" }}, {{ name = "there"{own} }}]
        """)
    )
    return path


def compared(output: str) -> list[tuple[str, str]]:
    """Each digest's target, and what it was compared with."""
    return re.findall(r"^run \S+ on (\w+)(?:, compared with (\S+))?$", output, re.M)


def last(runs: Path, target: str) -> Path:
    return nights_in(runs, target)[0].folder.path


@pytest.fixture
def runs(gauntlet: Command, fake_suite: Path, tmp_path: Path) -> Path:
    """The folder after the first night of both; ``there`` had a failure that ``here`` had not."""
    done = gauntlet("nightly", config(tmp_path, fake_suite), **ONLY)
    assert compared(done.stdout) == [("here", ""), ("there", "")]
    folder = tmp_path / "runs"
    journal = last(folder, "there") / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"verdict":"pass"', '"verdict":"fail"'))
    with Store.open(folder / STORE_NAME, write=True) as store:
        store.add_run(journal.parent)
    return folder


def test_each_is_compared_with_its_own_night_before_and_looks_back_on_it(
    gauntlet: Command, fake_suite: Path, tmp_path: Path, runs: Path
) -> None:
    before = [last(runs, name).name for name in ("here", "there")]
    done = gauntlet("nightly", config(tmp_path, fake_suite), **ONLY)
    assert compared(done.stdout) == [("here", before[0]), ("there", before[1])]
    assert done.stdout.count("Nothing changed.\n") == 1
    assert done.stdout.count("2 changed: 2 fixed.\n") == 1
    with Store.open(runs / STORE_NAME, write=False) as store:
        for name, earlier in (("here", "pass"), ("there", "fail")):
            run = load_run(last(runs, name))
            past = TargetPast(store, run).history(run.folder)
            assert set(map(tuple, past.values())) == {(earlier, "pass")}


def test_one_of_them_may_have_a_baseline_of_its_own_which_is_kept(
    gauntlet: Command, fake_suite: Path, tmp_path: Path, runs: Path
) -> None:
    before = [last(runs, name).name for name in ("here", "there")]
    path = config(tmp_path, fake_suite, second_baseline=before[0])
    done = gauntlet("nightly", path, **ONLY)
    assert compared(done.stdout) == [("here", before[0]), ("there", before[0])]
    # Retention keeps one night of each, and what any of them is compared with.
    place = Place(tmp_path, path, read_night_config(path))
    retain(place, "here", RunFolder(last(runs, "here")))
    assert (runs / before[0]).exists()
    assert not (runs / before[1]).exists()
    told = json.loads((last(runs, "there") / "run.json").read_text())
    assert told["target"] == "there"


def test_a_baseline_of_one_target_that_is_missing_is_told_before_anything_runs(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    done = gauntlet("nightly", config(tmp_path, fake_suite, second_baseline="nowhere"), **ONLY)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "no run is called nowhere" in line
    assert not nights_in(tmp_path / "runs", "here")
