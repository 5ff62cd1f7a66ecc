"""What is shown while a run goes on: live on a terminal, without colour when that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Terminal = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("no_color", [False, True])
def test_terminal_shows_a_live_display_and_failures(
    on_a_terminal: Terminal, root: Path, fake_suite: Path, no_color: bool
) -> None:
    status, text = on_a_terminal(
        "validate",
        "--suite",
        fake_suite,
        NO_COLOR="1" if no_color else "",
        FAKE_CASES="30",
        FAKE_ONLY="Plain,FailsWithEpipe",
    )
    assert status == 1
    assert " of 31" in text
    assert "FAIL" in text
    assert "reproduce: harness/gauntlet repro PipesConformance.Write_FailsWithEpipe/fifo" in text
    assert text.splitlines()[-1].startswith(str(root))
    coloured = any(f"\x1b[{code}m" in text for code in ("31", "32", "1;31"))
    assert coloured != no_color


def test_list_on_a_terminal_is_a_table(on_a_terminal: Terminal, fake_suite: Path) -> None:
    status, text = on_a_terminal("list", "--suite", fake_suite, COLUMNS="150")
    assert status == 0
    assert "18 cases" in text
    assert "method" in text
