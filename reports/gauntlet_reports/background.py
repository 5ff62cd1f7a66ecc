"""What a page tells beside its run: the run it is held against, and the nights before it."""

from __future__ import annotations

import msgspec

from gauntlet_reports.comparison import Comparison
from gauntlet_reports.history import History


class Background(msgspec.Struct, frozen=True):
    """Both may be missing: a page is made from its run alone as well."""

    baseline: Comparison | None = None
    history: History | None = None
