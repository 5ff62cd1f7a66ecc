"""The command `subjects`: its forms, and the table that it keeps in a document."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from gauntlet_harness.subjects import BEGIN, END

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_subjects_are_told_in_the_order_of_the_design(gauntlet: Command, fake_suite: Path) -> None:
    done = gauntlet("subjects", "--suite", fake_suite)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("\t")[:3] for line in done.stdout.splitlines()] == [
        ["pipe", "pipes", "channel"],
        ["posix_mq", "queues", "channel"],
    ]
    told = json.loads(gauntlet("subjects", "--suite", fake_suite, "--json").stdout)
    assert told[0]["claims"] == {"order": "fifo"}


def test_table_is_put_between_its_marks_and_nothing_else_changes(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert gauntlet("subjects", "--suite", fake_suite, "--update", page).returncode == 0
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| method |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "| pipes | `pipe` | 0 | 6 |" in text
    assert gauntlet("subjects", "--suite", fake_suite, "--update", page).returncode == 0
    assert page.read_text() == text


def test_document_without_marks_is_refused(
    gauntlet: Command, fake_suite: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    done = gauntlet("subjects", "--suite", fake_suite, "--update", page)
    assert done.returncode == 2
    assert "there are no lines" in done.stderr
    assert page.read_text() == "no marks\n"
