"""The page of a run with what lies behind it: a baseline, and the nights before from the store."""

from __future__ import annotations

import sys
from pathlib import Path

import gauntlet_reports
from gauntlet_harness.errors import UsageError
from gauntlet_reports.background import Background, background_of
from gauntlet_reports.run_data import RunData
from gauntlet_reports.store import STORE_NAME, Store, StoreError
from gauntlet_reports.target_past import TargetPast


def write_reports(
    folder: Path,
    baseline: RunData | None = None,
    store: Path | None = None,
    *,
    told: str = "",
) -> None:
    """Write the reports of a run; its page looks back on its target's nights.

    Without ``store`` it is the one beside the run, where there is one. That one cannot stop a
    report: if it cannot be read, one line says so, unless that problem was ``told`` before. A store
    that was asked for and cannot be read is a UsageError. Raises OSError when the folder cannot be
    written.
    """

    def look_back(run: RunData) -> Background:
        try:
            with Store.open(store or beside, write=False) as opened:
                return background_of(run, baseline, TargetPast(opened, run))
        except StoreError as error:
            if store is not None:
                raise UsageError(str(error)) from None
            if str(error) != told:
                print(f"gauntlet: the page is without history: {error}", file=sys.stderr)
            return background_of(run, baseline, None)

    beside = folder.resolve().parent / STORE_NAME
    if store is None and not beside.is_file():
        gauntlet_reports.write_reports(folder, lambda run: background_of(run, baseline, None))
    else:
        gauntlet_reports.write_reports(folder, look_back)
