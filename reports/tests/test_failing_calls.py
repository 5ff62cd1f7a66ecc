"""Tests of the page of failing calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gauntlet_reports.failing_calls import MARK, main

TABLE = """3 of 3 failures tried, 2 reported, 1 hidden
write #1 fails with EIO -> reported
write #1 fails with EIO, and all later ones -> hidden
close #2 fails with EINTR -> made up for
"""


def results(path: Path, table: str) -> str:
    """Write one result line with a walk."""
    line = {
        "case": "PipesOverload.EachSystemCallFails_IsReportedOrMadeUpFor/pipe",
        "subject": "pipe",
        "observed": {"failing calls: send": table, "capacity": "65536"},
    }
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return str(path)


def test_sums_and_what_is_not_fine_are_made_below_the_mark(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n{MARK}\n\nold\n", encoding="utf-8")
    main([str(page), results(tmp_path / "a", TABLE)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Mine\n{MARK}\n")
    assert "| `pipe` | 3 | 1 | 1 |  |  | 1 |" in text
    assert "| all | 3 |" in text
    assert "| `write` | hidden | EIO | pipe: send |" in text
    assert "close" not in text
    assert "old" not in text


def test_results_without_a_walk_and_a_page_without_a_mark_are_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Mine\n", encoding="utf-8")
    empty = tmp_path / "empty"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match="usage"):
        main([str(page), str(empty)])
    with pytest.raises(SystemExit, match="has no line"):
        main([str(page), results(tmp_path / "a", TABLE)])
    assert page.read_text(encoding="utf-8") == "# Mine\n"
