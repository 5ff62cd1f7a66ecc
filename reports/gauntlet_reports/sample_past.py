"""Thirty nights that never happened before the sample run, to test and look at its page."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from gauntlet_reports.history import OUTCOMES
from gauntlet_reports.outcomes import entries, outcome_of
from gauntlet_reports.past import NIGHTS
from gauntlet_reports.run_data import RunData
from gauntlet_reports.signatures import signature_of

_STEADY = "p" * (NIGHTS - 1)
_SOMETIMES = ("ppphppppppfpppp", "." * 9 + "p" * 20, "p" * 26 + "fpp", "x" * 20 + "p" * 9)


class SampleNight(msgspec.Struct, frozen=True):
    """One stored run."""

    run_id: str
    started: datetime
    totals: dict[str, int]


class SampleSpan(msgspec.Struct, frozen=True):
    """Where a signature was seen."""

    first_run: str
    last_run: str
    runs: int


class SamplePoint(msgspec.Struct, frozen=True):
    """What one night measured."""

    run_id: str
    started: datetime
    low: float
    median: float
    high: float


class SamplePast:
    """The nights before a run, each a day earlier; most cases passed in all of them."""

    def __init__(self, run: RunData, nights: int = NIGHTS - 1) -> None:
        self._run = run
        began = datetime.fromisoformat(run.started)
        days = [began - timedelta(days=nights - number) for number in range(nights)]
        self._nights = [
            SampleNight(f"{day:%Y%m%dT%H%M%SZ}-{number:04x}", day, {"pass": 100, "fail": 2})
            for number, day in enumerate(days)
        ]

    def runs(self, limit: int | None = None) -> Sequence[SampleNight]:
        """The nights, newest first."""
        return self._nights[::-1][:limit]

    def history(self, run_id: str, nights: int = NIGHTS) -> Mapping[str, Sequence[str | None]]:
        """Mostly passes; one case in seven has a past worth looking at."""
        last = next(n for n, night in enumerate(self._nights) if night.run_id == run_id) + 1
        told: dict[str, Sequence[str | None]] = {}
        for place, entry in enumerate(entries(self._run)):
            strip = _SOMETIMES[place // 7 % len(_SOMETIMES)] if place % 7 == 0 else _STEADY
            whole = strip.rjust(NIGHTS - 1, "p")[: len(self._nights)]
            told[entry.case.name] = [OUTCOMES.get(one) for one in whole[:last][-nights:]]
        return told

    def signature_spans(self) -> Mapping[str, SampleSpan]:
        """All but the first signature of the run were seen before; one was, and is not any more."""
        wrong = {
            signature_of(result)
            for result in self._run.results
            if outcome_of(result) in ("fail", "hang", "crash", "error")
        }
        known = sorted(signature for signature in wrong if signature)[1:]
        ids = [night.run_id for night in self._nights]
        if not ids:
            return {}
        spans = {signature: SampleSpan(ids[3], ids[-1], 12) for signature in known}
        return spans | {"channel claims: a message came out twice": SampleSpan(ids[0], ids[-4], 3)}

    def trend(self, case: str, name: str, nights: int) -> Sequence[SamplePoint]:
        """A value that wanders by a tenth around that of the run."""
        own = next(r.measured[name] for r in self._run.results if r.case == case)
        chance = random.Random(case + name)
        level = own * chance.choice((1, 1, 1, 0.6, 1.5))
        middles = [level * chance.uniform(0.9, 1.1) for _ in self._nights]
        return [
            SamplePoint(night.run_id, night.started, middle * 0.93, middle, middle * 1.08)
            for night, middle in zip(self._nights, middles, strict=True)
        ][-nights:]
