"""Folders for runners: whatever one left there, the next one finds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gauntlet_harness.homes import Homes


def test_folder_is_used_again_and_empty(tmp_path: Path) -> None:
    homes = Homes(tmp_path / "work")
    first, second = homes.take(), homes.take()
    assert first != second
    (first / "result.jsonl").write_text("{}")
    (first / "folder").mkdir()
    (first / "folder" / "socket").write_text("")
    (first / "link").symlink_to(tmp_path)
    homes.give_back(first)
    assert homes.take() == first
    assert list(first.iterdir()) == []
    assert (tmp_path / "work").is_dir()  # What the link led to is untouched.


def test_what_a_killed_run_left_is_not_found(tmp_path: Path) -> None:
    left = Homes(tmp_path / "work").take()
    (left / "result.jsonl").write_text("{}")
    assert list(Homes(tmp_path / "work").take().iterdir()) == []


def test_folder_that_cannot_be_emptied_is_used_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = Homes(tmp_path / "work")
    home = homes.take()
    (home / "folder").mkdir()

    def refuses(_path: str) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr("gauntlet_harness.homes.shutil.rmtree", refuses)
        homes.give_back(home)
    assert homes.take() != home


def test_nothing_is_left_when_all_have_come_back(tmp_path: Path) -> None:
    homes = Homes(tmp_path / "work")
    for home in (homes.take(), homes.take()):
        homes.give_back(home)
    homes.close()
    assert not (tmp_path / "work").exists()
