"""What is shown while a run goes on: live on a terminal, without colour when that is asked for."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest


def run_on_a_terminal(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Return the exit status and all that a command wrote to its terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    written = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 1.0)
        if not ready:
            continue
        try:
            data = os.read(ours, 65536)
        except OSError:  # EIO: nobody holds the terminal any more.
            break
        written += data
    os.close(ours)
    return process.wait(), written.decode()


@pytest.mark.parametrize("no_color", [False, True])
def test_terminal_shows_a_live_display_and_failures(
    environment: dict[str, str], fake_suite: Path, no_color: bool
) -> None:
    environment |= {"TERM": "xterm", "COLUMNS": "100", "FAKE_CASES": "30"}
    environment |= {"FAKE_ONLY": "Plain,FailsWithEpipe"}
    environment.pop("NO_COLOR", None)
    if no_color:
        environment["NO_COLOR"] = "1"
    command = [sys.executable, "-m", "gauntlet_harness", "validate", "--suite", str(fake_suite)]
    status, text = run_on_a_terminal(command, environment)
    assert status == 1
    assert " of 31" in text
    assert "FAIL" in text
    assert "reproduce: harness/gauntlet repro PipesConformance.Write_FailsWithEpipe/fifo" in text
    assert text.splitlines()[-1].startswith(environment["GAUNTLET_ROOT"])
    coloured = any(f"\x1b[{code}m" in text for code in ("31", "32", "1;31"))
    assert coloured != no_color


def test_list_on_a_terminal_is_a_table(environment: dict[str, str], fake_suite: Path) -> None:
    environment |= {"TERM": "xterm", "COLUMNS": "150"}
    command = [sys.executable, "-m", "gauntlet_harness", "list", "--suite", str(fake_suite)]
    status, text = run_on_a_terminal(command, environment)
    assert status == 0
    assert "18 cases" in text
    assert "method" in text
