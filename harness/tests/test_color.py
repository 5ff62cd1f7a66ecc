"""Colours: on a terminal unless NO_COLOR has a value, nowhere else, by every command alike."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_reports.sample_run import write_sample

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Terminal = Callable[..., tuple[int, str]]
COLOR = re.compile(r"\x1b\[(?:\d+;)*(?:[349]\d|10\d)(?:;\d+)*m")
COMMANDS = ["compare", "profile", "doctor", "repro", "validate"]


@pytest.fixture
def words(root: Path, fake_suite: Path) -> dict[str, tuple[str, ...]]:
    """A call of each command that has something to colour."""
    for name, limit in (("before", 10), ("after", 20)):
        info = write_sample(root / "runs" / name) / "run.json"
        told = info.read_text().replace('"fs.mqueue.msg_max": 10', f'"fs.mqueue.msg_max": {limit}')
        info.write_text(told)
    suite = ("--suite", str(fake_suite))
    return {
        "compare": ("compare", "before", "after"),
        "profile": ("profile", "before", "after"),
        "doctor": ("doctor",),
        "repro": ("repro", "PipesConformance.Write_FailsWithEpipe/fifo", "--seed", "1", *suite),
        "validate": ("validate", "--select", "FailsWithEpipe", *suite),
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_is_coloured_unless_no_color_has_a_value(
    on_a_terminal: Terminal, words: dict[str, tuple[str, ...]], command: str
) -> None:
    plain_status, plain = on_a_terminal(*words[command], NO_COLOR="1")
    assert COLOR.search(plain) is None
    for variables in ({}, {"NO_COLOR": ""}):
        status, coloured = on_a_terminal(*words[command], **variables)
        assert COLOR.search(coloured)
        assert status == plain_status
    assert COLOR.search(on_a_terminal(*words[command], NO_COLOR="1", FORCE_COLOR="1")[1]) is None


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_terminal_has_no_escape_though_colours_are_forced(
    gauntlet: Command, words: dict[str, tuple[str, ...]], command: str
) -> None:
    done = gauntlet(*words[command], FORCE_COLOR="1", NO_COLOR="")
    assert done.stdout
    assert "\x1b" not in done.stdout + done.stderr
