"""Tests of the page of points of death."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gauntlet_reports.death_points import MARK, main

TABLE = """mutex, kill of owner: 12 points, 12 instructions
         7  fine
         5  stuck: other in futex
             pthread_mutex_lock+0x4
"""


def results(path: Path, table: str, name: str = "mutex") -> str:
    """Write one result line with a sweep."""
    line = {"case": "SemaphoresCrashes.Killed_Stuck", "observed": {f"sweep: {name}": table}}
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return str(path)


def test_what_stands_above_the_mark_stays_and_the_rest_is_made(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Mine\n{MARK}\n\nold\n", encoding="utf-8")
    main([str(page), results(tmp_path / "a", TABLE), results(tmp_path / "b", TABLE)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Mine\n{MARK}\n")
    assert "| mutex | kill | owner | 12 | 7 fine; 5 stuck: other in futex |" in text
    assert "pthread_mutex_lock+0x4" in text
    assert "old" not in text


def test_tables_that_differ_are_refused_and_the_page_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARK, encoding="utf-8")
    other = results(tmp_path / "b", TABLE.replace("7  fine", "6  fine"))
    with pytest.raises(SystemExit, match="not the same again: mutex"):
        main([str(page), results(tmp_path / "a", TABLE), other])
    assert page.read_text(encoding="utf-8") == MARK


def test_a_walk_that_draws_a_name_is_not_compared(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(MARK, encoding="utf-8")
    other = results(tmp_path / "b", TABLE.replace("7", "8"), "sem_open")
    main([str(page), results(tmp_path / "a", TABLE, "sem_open"), other])


def test_results_without_a_sweep_and_a_page_without_a_mark_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(SystemExit, match="usage"):
        main(["page.md", str(empty)])
    page = tmp_path / "page.md"
    page.write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no line"):
        main([str(page), results(tmp_path / "a", TABLE)])
