"""What ``harness/gauntlet store`` does, and how ``validate`` adds its run."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gauntlet_harness.errors import (
    STATUS_OK,
    STATUS_USAGE,
    HarnessError,
    UsageError,
)
from gauntlet_harness.journal import is_being_written
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.run_folder import RunFolder, find_readable_run, find_run
from gauntlet_reports.store import STORE_NAME, Store, StoredRun, StoreError, StoreMachineError
from gauntlet_reports.store_rebuild import add_or_rebuild, rebuild, run_folders
from gauntlet_reports.store_writing import stamp_of

# So many names are told in a line, of more only how many they are.
_NAMED = 3


def store_of(root: Path, run: Path, given: Path | None) -> Path | None:
    """Return the store that a run belongs to; None for a run that lies elsewhere by choice.

    A night belongs to the store beside it, wherever its configuration has the runs. Any other run
    outside runs/ was told by ``--out`` where to lie: a test, an experiment. It goes to a store only
    when one is named.
    """
    if given is not None:
        return given
    own = run.resolve().parent == (root / "runs").resolve()
    return run.parent / STORE_NAME if own or RunFolder(run).read_info().night else None


def runs_of(root: Path, store: Path) -> Path:
    """Return the folder whose runs a store is made of: where it lies, if it has the usual name."""
    return store.absolute().parent if store.name == STORE_NAME else root / "runs"


def add_own_run(root: Path, run: Path, store: Path) -> None:
    """Add a run that has ended to its store. Raises StoreError."""
    add_or_rebuild(store, run, runs_of(root, store))


def rebuild_store(root: Path, path: Path) -> int:
    """Make the store again; return the exit status."""
    runs = runs_of(root, path)
    if path.absolute().parent == runs:
        runs.mkdir(exist_ok=True)
    progress = _Progress()
    with _refusals():
        made = rebuild(path, runs, progress)
    for line in made.refused:
        print(f"gauntlet: left out: {line}", file=sys.stderr)
    if made.set_aside:
        print(f"gauntlet: the old store was damaged and is now {made.set_aside}", file=sys.stderr)
    if made.lost:
        print(f"gauntlet: no longer there, for their folders are gone: {_names(made.lost)}")
    print(f"{_count(made.added, 'run')} in {path}")
    return STATUS_USAGE if made.refused else STATUS_OK


def add_runs(root: Path, path: Path, names: Sequence[str]) -> int:
    """Add runs by their names; return the exit status."""
    folders = [find_readable_run(root, name).path for name in names]
    with _refusals():
        for folder in folders:
            add_or_rebuild(path, folder, runs_of(root, path))
            print(f"added {folder.name}")
    return STATUS_OK


def show_status(root: Path, path: Path) -> int:
    """Say what the store holds and what it lacks; return the exit status."""
    runs = runs_of(root, path)
    with _refusals(), Store.open(path, write=False) as store:
        stored = store.runs()
        size = store.size
    results = sum(run.results for run in stored)
    print(f"{path}: {_count(len(stored), 'run')}, {_count(results, 'result')}, {size / 1e6:.1f} MB")
    if stored:
        print(f"newest  {_in_words(stored[0])}")
        print(f"oldest  {_in_words(stored[-1])}")
    stamps = {run.run_id: run.stamp for run in stored}
    folders = run_folders(runs)
    for what, found in (
        ("not in the store", [f.name for f in folders if f.name not in stamps]),
        (
            "changed since",
            [f.name for f in folders if stamps.get(f.name, stamp_of(f)) != stamp_of(f)],
        ),
        ("without a folder", [run.run_id for run in stored if not stamp_of(run.folder)]),
    ):
        if found:
            print(f"{what}: {_names(found)}")
    return STATUS_OK


@dataclass(frozen=True)
class Retention:
    """Which runs stay: the newest ``keep``, those of the last ``older_than``, and named ones."""

    keep: int | None
    older_than: timedelta | None
    kept: Sequence[str] = ()

    def beyond(self, stored: Sequence[StoredRun], now: datetime) -> list[StoredRun]:
        """The runs that may go, of all runs newest first."""
        return [
            run
            for place, run in enumerate(stored)
            if (self.keep is None or place >= self.keep)
            and (self.older_than is None or run.started < now - self.older_than)
            and run.run_id not in self.kept
        ]


def parse_days(text: str) -> timedelta:
    """Return the time of ``90d`` or ``12w``."""
    match = re.fullmatch(r"(\d{1,5})([dw])", text.strip())
    if match is None or not int(match[1]):
        raise UsageError(f"--older-than must be a time such as 90d or 12w, not '{text}'")
    return timedelta(days=int(match[1]) * (7 if match[2] == "w" else 1))


def prune_store(root: Path, path: Path, retention: Retention, *, folders: bool) -> int:
    """Remove what is beyond the retention; return the exit status."""
    if not path.exists():
        raise UsageError(f"there is no store at {path}")
    with _refusals(), Store.open(path, write=True) as store:
        stored, runs = store.runs(), runs_of(root, path)
        names = {run.run_id for run in stored}
        kept = [_run_id(root, name, names) for name in retention.kept]
        gone = Retention(retention.keep, retention.older_than, kept).beyond(
            stored, datetime.now(UTC)
        )
        # The folder first: a run whose rows went first would be forgotten with its folder there.
        going_on = {run.run_id for run in gone if is_being_written(run.folder / "journal.jsonl")}
        gone = [run for run in gone if run.run_id not in going_on]
        removed = [run for run in gone if folders and _remove_folder(run.folder, runs)]
        store.remove_runs(run.run_id for run in gone)
    print(f"removed {_count(len(gone), 'run')}, {_count(len(removed), 'folder')}")
    if going_on:
        print(f"still going on, so kept: {_names(sorted(going_on))}")
    return STATUS_OK


def _run_id(root: Path, name: str, known: set[str]) -> str:
    """The id of a run that is to be kept; a misspelt one must not cost the run that was meant."""
    if name in known:
        return name
    try:
        return find_run(root, name).path.name
    except UsageError:
        raise UsageError(
            f"--keep-run {name}: neither the store nor runs/ has it{did_you_mean(name, known)}"
        ) from None


def _remove_folder(folder: Path, runs: Path) -> bool:
    """Remove a run's folder where it is one and lies under runs/; return whether it is gone."""
    if folder.resolve().parent != runs.resolve() or not stamp_of(folder):
        return False
    try:
        shutil.rmtree(folder.resolve())
    except OSError as error:
        raise HarnessError(f"{folder} cannot be removed: {error.strerror}") from None
    latest = runs / "latest"
    if latest.is_symlink() and not latest.exists():
        latest.unlink()
    return True


@contextmanager
def _refusals() -> Iterator[None]:
    """Refuse what the store refuses, with the exit status of its class."""
    try:
        yield
    except StoreMachineError as error:
        raise HarnessError(str(error)) from None
    except StoreError as error:
        raise UsageError(str(error)) from None


class _Progress:
    """Says how far a long rebuild has come: on a terminal in place, elsewhere each tenth."""

    def __init__(self) -> None:
        self._tenth = 0

    def __call__(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{done} of {_count(total, 'run')} read", end=end, file=sys.stderr, flush=True)
            return
        tenth = 10 * done // total if total else 0
        if tenth > self._tenth and total >= 10:
            self._tenth = tenth
            print(f"{done} of {_count(total, 'run')} read", file=sys.stderr, flush=True)


def _in_words(run: StoredRun) -> str:
    results = _count(run.results, "result")
    return f"{run.run_id}  {run.started:%Y-%m-%d %H:%M} UTC, {run.profile}, {results}, {run.state}"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    more = len(names) - _NAMED
    return f"{len(names)} ({shown}{f' and {more} more' if more > 0 else ''})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
