"""The store of many runs: one SQLite file that is made from journals and can be again at any time.

Several processes may read and write it at once. A run is added in one transaction, so that whoever
reads sees all of it or nothing, and a process that is killed leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from gauntlet_reports import store_queries, store_writing
from gauntlet_reports.store_queries import Point, Span, StoredRun
from gauntlet_reports.store_schema import (
    WAIT_S,
    DamagedStoreError,
    OlderStoreError,
    StoreError,
    StoreMachineError,
    connect,
    errors_told,
    transaction,
)

__all__ = [
    "STORE_NAME",
    "DamagedStoreError",
    "OlderStoreError",
    "Point",
    "Span",
    "Store",
    "StoreError",
    "StoreMachineError",
    "StoredRun",
]

STORE_NAME = "store.sqlite"
"""What the store is called in the folder of the runs."""


class Store:
    """An open store; a context manager, for one thread. Every call may raise a StoreError."""

    def __init__(self, path: Path, *, write: bool, wait_s: float = WAIT_S) -> None:
        """Use ``open``."""
        self.path = path.absolute()
        self._home = self.path.parent.resolve()
        self._connection = connect(path, write=write, wait_s=wait_s)

    @classmethod
    def open(cls, path: Path, *, write: bool, wait_s: float = WAIT_S) -> Store:
        """Open a store; one to be written is made where there is none.

        A writer waits ``wait_s`` seconds for another one.
        """
        return cls(path, write=write, wait_s=wait_s)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with errors_told(self.path):
            self._connection.close()

    @property
    def size(self) -> int:
        """How many bytes it takes on the disk, with what is not yet merged into its file."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def add_run(self, folder: Path) -> str:
        """Store a run, as far as it has come, in place of what was known of it; return its id."""
        with errors_told(self.path):
            return store_writing.add_run(self._connection, self._home, folder)

    def remove_runs(self, run_ids: Iterable[str]) -> list[str]:
        """Remove runs and give their room back; return those that there were."""
        with errors_told(self.path):
            with transaction(self._connection):
                removed = [
                    run_id
                    for run_id in run_ids
                    if store_writing.remove_run(self._connection, run_id)
                ]
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return removed

    def runs(self, limit: int | None = None, *, target: str | None = None) -> list[StoredRun]:
        """All runs (of a target) or the last ``limit`` ones, newest first."""
        with errors_told(self.path):
            return store_queries.runs(self._connection, self._home, limit, target)

    def history(self, run_id: str, nights: int = 30) -> dict[str, list[str | None]]:
        """The worst outcome of each case in the last runs up to and with this one, oldest first.

        Runs of other targets than this one's are no part of it. None stands for a run that has no
        such case. All lists are equally long: one entry a run, as many as there are runs, at most
        ``nights``.
        """
        with errors_told(self.path):
            return store_queries.history(self._connection, run_id, nights)

    def signature_spans(self, *, target: str | None = None) -> dict[str, Span]:
        """For each failure signature its first and last run, in how many runs and cases it was."""
        with errors_told(self.path):
            return store_queries.signature_spans(self._connection, target)

    def trend(
        self,
        case: str,
        name: str,
        nights: int,
        until: str | None = None,
        *,
        target: str | None = None,
    ) -> list[Point]:
        """What a case measured in the last ``nights`` runs (of a target).

        With ``until`` in those up to and with that one, of its target. Oldest first; runs in which
        it did not measure this are left out.
        """
        with errors_told(self.path):
            return store_queries.trend(
                self._connection, case, name, nights, until=until, target=target
            )

    def last_run_of(self, case: str) -> str | None:
        """The last run that really tried this case, None for none."""
        with errors_told(self.path):
            return store_queries.last_run_of(self._connection, case)

    def last_runs(self) -> dict[str, str]:
        """The same for all cases at once."""
        with errors_told(self.path):
            return store_queries.last_runs(self._connection)
