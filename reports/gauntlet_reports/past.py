"""What a report asks of the runs before its own: the part of the store that pages read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

NIGHTS = 30
"""How many runs, the reported one included, a page looks back on."""


class StoredNight(Protocol):
    """One run of the past."""

    @property
    def run_id(self) -> str:
        """The name of its folder."""

    @property
    def started(self) -> datetime:
        """When it began, with its time zone."""

    @property
    def totals(self) -> Mapping[str, int]:
        """How many cases had each outcome."""


class SignatureSpan(Protocol):
    """Where a failure signature has been seen."""

    @property
    def first_run(self) -> str:
        """The oldest run that has it."""

    @property
    def last_run(self) -> str:
        """The newest run that has it."""

    @property
    def runs(self) -> int:
        """How many runs have it."""


class StoredPoint(Protocol):
    """What one run measured of one value."""

    @property
    def run_id(self) -> str:
        """The run that measured it."""

    @property
    def started(self) -> datetime:
        """When that run began, with its time zone."""

    @property
    def low(self) -> float:
        """The least value."""

    @property
    def median(self) -> float:
        """The value in the middle."""

    @property
    def high(self) -> float:
        """The largest value."""


class Past(Protocol):
    """The store of many runs, or whatever stands in for it."""

    def runs(self, limit: int | None = None) -> Sequence[StoredNight]:
        """Every stored run, newest first."""

    def history(self, run_id: str, nights: int = NIGHTS) -> Mapping[str, Sequence[str | None]]:
        """Each case's outcomes in the runs up to and with `run_id`, oldest first."""

    def signature_spans(self) -> Mapping[str, SignatureSpan]:
        """Where each failure signature has been seen."""

    def trend(self, case: str, name: str, nights: int) -> Sequence[StoredPoint]:
        """What the newest runs measured of one value."""
