"""The folders in which runners work: empty when a case begins, used by one after the other."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


class Homes:
    """Folders below one that this process alone uses. Not thread-safe.

    They are kept and used again: a folder that is made and removed for each case waits for the
    disk twice, which is longer than many a case takes.
    """

    def __init__(self, folder: Path) -> None:
        """``folder`` is made when it is needed and removed by ``close``."""
        self._folder = folder
        self._empty: list[Path] = []
        self._made = 0

    def take(self) -> Path:
        """Return an empty folder that nobody else has."""
        if self._empty:
            return self._empty.pop()
        self._made += 1
        home = self._folder / str(self._made)
        shutil.rmtree(home, ignore_errors=True)  # A run that is resumed finds what was left.
        home.mkdir(parents=True)
        return home

    def give_back(self, home: Path) -> None:
        """Empty it for the next one; a folder that cannot be emptied is used no more."""
        try:
            with os.scandir(home) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        Path(entry.path).unlink()
        except OSError:
            return
        self._empty.append(home)

    def close(self) -> None:
        """Remove the folders that are empty, and what they lay in."""
        for home in self._empty:
            with contextlib.suppress(OSError):
                home.rmdir()
        self._empty = []
        with contextlib.suppress(OSError):
            self._folder.rmdir()
