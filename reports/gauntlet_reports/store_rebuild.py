"""The store made anew from the folders of runs, while others go on reading and writing it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gauntlet_reports.store import Store
from gauntlet_reports.store_schema import (
    TABLES,
    WAIT_S,
    DamagedStoreError,
    OlderStoreError,
    StoreError,
    StoreMachineError,
    connect,
    drop_tables,
    errors_told,
    make_tables,
    one_at_a_time,
    transaction,
)
from gauntlet_reports.store_writing import add_run, stamp_of

_WORKSHOP = ".store-rebuild-"

Tell = Callable[[int, int], None]
"""Is told how many runs are done, of how many."""


@dataclass
class Rebuilt:
    """What became of it."""

    added: int = 0
    refused: list[str] = field(default_factory=list)  # One line for each run that cannot be read.
    lost: list[str] = field(default_factory=list)  # Runs of the old store that have no folder.
    set_aside: Path | None = None  # Where the old store is now, if it was damaged.


def run_folders(runs: Path) -> list[Path]:
    """The run folders in this folder, by name; links such as ``latest`` are left out."""
    found = sorted(runs.iterdir()) if runs.is_dir() else []
    return [path.resolve() for path in found if not path.is_symlink() and stamp_of(path)]


def rebuild(
    path: Path,
    runs: Path,
    tell: Tell = lambda done, total: None,
    *,
    wait_s: float = WAIT_S,
) -> Rebuilt:
    """Make the store from the runs under ``runs`` and those elsewhere that it knows already.

    Readers see the old store until the new one is complete; a process that is killed leaves the
    old one. One that is damaged is set aside first, and what it knew is lost. Raises StoreError
    when there is something else in its place, or no room.
    """
    try:
        return _rebuild(path, runs, tell, wait_s)
    except DamagedStoreError:
        aside = _set_aside(path)
        made = _rebuild(path, runs, tell, wait_s)
        made.set_aside = aside
        return made


def _set_aside(path: Path) -> Path:
    """Move a damaged store out of the way, with what is not merged into its file; return where."""
    aside = path.with_name(f"{path.name}.damaged")
    try:
        for ending in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + ending).replace(f"{aside}{ending}")
    except OSError as error:
        raise StoreMachineError(f"{path} cannot be moved away: {error.strerror}") from None
    return aside


def _rebuild(path: Path, runs: Path, tell: Tell, wait_s: float) -> Rebuilt:
    home = path.absolute().parent.resolve()
    made = Rebuilt()
    with closing(connect(path, write=True, wait_s=wait_s, older_too=True)) as store:
        folders = {*run_folders(runs), *_known_folders(store, home, path).values()}
        with _workshop(home) as workshop, errors_told(path):
            fresh = workshop / path.name
            refused = _fill(fresh, home, sorted(f for f in folders if stamp_of(f)), tell)
            known = _replace(store, fresh, home, path)
        made.refused = list(refused.values())
        # What others have added meanwhile, and runs that went on.
        with errors_told(path):
            stamps = dict(store.execute("SELECT run_id, stamp FROM runs"))
            for folder in {*run_folders(runs), *known.values()} - refused.keys():
                if stamp_of(folder) and stamp_of(folder) != stamps.get(folder.name):
                    add_run(store, home, folder)
            there = {run_id for (run_id,) in store.execute("SELECT run_id FROM runs")}
    made.added = len(there)
    made.lost = sorted(run_id for run_id, folder in known.items() if not stamp_of(folder))
    return made


def add_or_rebuild(path: Path, folder: Path, runs: Path) -> None:
    """Add a run; a store of an older schema is made again first."""
    try:
        with Store.open(path, write=True) as store:
            store.add_run(folder)
    except OlderStoreError:
        rebuild(path, runs)
        with Store.open(path, write=True) as store:
            store.add_run(folder)


def _known_folders(store: sqlite3.Connection, home: Path, path: Path) -> dict[str, Path]:
    """The folder of each run that the store knows; none where its schema is an older one."""
    with errors_told(path):
        try:
            rows = store.execute("SELECT run_id, folder FROM runs").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # No such table or column.
                return {}
            raise
    return {run_id: (home / folder).resolve() for run_id, folder in rows}


def _fill(fresh: Path, home: Path, folders: list[Path], tell: Tell) -> dict[Path, str]:
    """Make a store of these runs that nobody else knows of; return why some were refused."""
    refused: dict[Path, str] = {}
    with closing(connect(fresh, write=True, wait_s=0)) as connection:
        # It is thrown away with this process, so nothing has to reach the disk.
        connection.execute("PRAGMA synchronous = OFF")
        for done, folder in enumerate(folders):
            tell(done, len(folders))
            try:
                add_run(connection, home, folder)
            except StoreMachineError:
                raise
            except StoreError as error:
                refused[folder] = str(error)
        tell(len(folders), len(folders))
    return refused


def _replace(store: sqlite3.Connection, fresh: Path, home: Path, path: Path) -> dict[str, Path]:
    """Put the fresh tables in place of the old ones; return what those had known at last."""
    store.execute("ATTACH ? AS fresh", (str(fresh),))
    with transaction(store):
        known = _known_folders(store, home, path)
        drop_tables(store)
        make_tables(store)
        for table in TABLES:
            store.execute(f"INSERT INTO main.{table} SELECT * FROM fresh.{table}")
    store.execute("DETACH fresh")
    store.execute("PRAGMA incremental_vacuum").fetchall()
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return known


@contextlib.contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """A folder beside the store that goes away; those of processes that were killed go, too."""
    with one_at_a_time(home):
        _sweep(home.glob(f"{_WORKSHOP}*"))
        folder = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=home))
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    # The mark that this process lives is on the outer folder: who makes a store locks the inner.
    inner = folder / "made"
    try:
        inner.mkdir()
        yield inner
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _sweep(folders: Iterable[Path]) -> None:
    for folder in folders:
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # Its process lives.
        finally:
            os.close(handle)
