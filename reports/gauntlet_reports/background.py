"""What a page tells beside its run: the run it is held against, and the nights before it."""

from __future__ import annotations

import msgspec

from gauntlet_reports.comparison import Comparison, compare
from gauntlet_reports.history import History, history_of
from gauntlet_reports.past import Past
from gauntlet_reports.run_data import RunData


class Background(msgspec.Struct, frozen=True):
    """Both may be missing: a page is made from its run alone as well."""

    baseline: Comparison | None = None
    history: History | None = None


def background_of(
    run: RunData, baseline: RunData | None = None, past: Past | None = None
) -> Background:
    """What lies behind a run; raises whatever the past raises when it cannot be read."""
    found = compare(baseline, run) if baseline is not None else None
    shifted = [(shift.case, shift.name) for shift in found.shifts] if found else []
    return Background(
        baseline=found, history=history_of(run, past, shifted) if past is not None else None
    )
