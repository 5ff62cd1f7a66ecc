"""A run that this version cannot read whole is refused in one line by every command, untouched."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_reports.sample_run import write_sample

Command = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = [
    ("report", "RUN"),
    ("report", "RUN", "--format", "junit"),
    ("digest", "RUN"),
    ("compare", "RUN", "RUN"),
    ("profile", "RUN"),
    ("expect", "suggest", "--from", "RUN"),
    ("store", "add", "RUN"),
    ("validate", "--resume", "RUN"),
    ("repro", "A.B", "--from", "RUN"),
]


@pytest.fixture
def run(root: Path) -> Path:
    return write_sample(root / "runs" / "night")


def refused(quick_gauntlet: Command, run: Path, words: tuple[str, ...]) -> str:
    """The one line that a command says of the run."""
    done = quick_gauntlet(*(str(run) if word == "RUN" else word for word in words))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_journal_of_a_newer_schema(
    quick_gauntlet: Command, run: Path, words: tuple[str, ...]
) -> None:
    journal = run / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace('"schema": 1', '"schema": 9')
    journal.write_text("".join(lines))
    line = refused(quick_gauntlet, run, words)
    assert f"{journal} line 3 is of schema 9; this " in line
    assert journal.read_text() == "".join(lines)
    assert not (run / "index.html").exists()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_directory_in_place_of_the_journal(
    quick_gauntlet: Command, run: Path, words: tuple[str, ...]
) -> None:
    (run / "journal.jsonl").unlink()
    (run / "journal.jsonl").mkdir()
    assert f"{run}/journal.jsonl: Is a directory" in refused(quick_gauntlet, run, words)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("text", ["", "[]"])
def test_run_json_that_no_harness_wrote(
    quick_gauntlet: Command, run: Path, words: tuple[str, ...], text: str
) -> None:
    (run / "run.json").write_text(text)
    line = refused(quick_gauntlet, run, words)
    assert f"{run}/run.json is not understood: " in line
    assert not (run / "index.html").exists()
