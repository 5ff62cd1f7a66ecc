"""What is made of a run when its last case has ended: its place in the store, and its reports."""

from __future__ import annotations

import sys
from pathlib import Path

from gauntlet_harness.color import use_color


def store_and_report(root: Path, run: Path, store: Path | None) -> bool:
    """Add a run to its store, write its reports and print its sums; return whether there are any.

    It may be done again at any time. Whatever goes wrong is one line of warning: the run is in its
    journal.
    """
    return _report(run, told=_add_to_store(root, run, store))


def _add_to_store(root: Path, run: Path, given: Path | None) -> str:
    """Return what went wrong with the store, which has been told then, or ``""``."""
    from gauntlet_harness.store_keeping import add_own_run, store_of
    from gauntlet_reports.store import STORE_NAME, DamagedStoreError

    store = store_of(root, run, given)
    if store is None:
        return ""
    try:
        add_own_run(root, run, store)
    except Exception as error:  # It can be added at any time.
        problem = " ".join(str(error).split())
        words = f"the run is not in the store: {problem}"
        if given or not isinstance(error, DamagedStoreError):
            # What makes a damaged store again adds the runs beside it.
            words += f"; add it later: harness/gauntlet store add {run}"
            words += "" if store == root / "runs" / STORE_NAME else f" --store {store}"
        print(f"gauntlet: {words}", file=sys.stderr)
        return problem
    return ""


def _report(run: Path, told: str) -> bool:
    """Write the reports and print the summary; return whether that worked."""
    try:
        import gauntlet_reports
        from gauntlet_harness.report import write_reports

        write_reports(run, told=told)
        for line in gauntlet_reports.summary_lines(gauntlet_reports.load_run(run), use_color()):
            print(line)
    except Exception as error:  # A report can be made again.
        print(
            f"gauntlet: the reports could not be written: {type(error).__name__}: {error};"
            f" try again: harness/gauntlet report {run}",
            file=sys.stderr,
        )
        return False
    return True
