"""The past of one target: what the store knows of other systems is no part of its history."""

from __future__ import annotations

from gauntlet_reports.past import NIGHTS
from gauntlet_reports.run_data import RunData
from gauntlet_reports.store import Point, Span, Store, StoredRun


class TargetPast:
    """The runs of the target of one run, in an open store. Every call may raise a StoreError."""

    def __init__(self, store: Store, run: RunData) -> None:
        self._store = store
        self._target = run.target

    def runs(self, limit: int | None = None) -> list[StoredRun]:
        """Every stored run of the target, newest first."""
        return self._store.runs(limit, target=self._target)

    def history(self, run_id: str, nights: int = NIGHTS) -> dict[str, list[str | None]]:
        """Each case's outcomes in the runs up to and with ``run_id``, oldest first."""
        return self._store.history(run_id, nights)

    def signature_spans(self) -> dict[str, Span]:
        """Where each failure signature has been seen."""
        return self._store.signature_spans(target=self._target)

    def trend(self, case: str, name: str, nights: int) -> list[Point]:
        """What the newest runs measured of one value."""
        return self._store.trend(case, name, nights, target=self._target)
