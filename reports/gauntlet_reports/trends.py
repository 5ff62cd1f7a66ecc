"""Measured values over the nights: which of them moved, and their plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import log
from statistics import median

import msgspec

from gauntlet_reports.measurements import Key, measured
from gauntlet_reports.past import NIGHTS, Past
from gauntlet_reports.run_data import RunData

# A query each: with more, the page of a run of 100,000 cases would take minutes.
_LOOKED_AT = 1000
# More plots are no reading matter; every value stands in the drawer of its case.
_SHOWN = 40
# Two nights make no trend.
_FEWEST_POINTS = 3
# What a subject is judged by comes before counts of what a search tried.
_QUANTITIES = ("_ns", "_us", "_ms", "_s", "_percent", "_bytes")

PLOT_WIDTH = 240
PLOT_HEIGHT = 44
_EDGE = 3


class TrendPoint(msgspec.Struct, frozen=True):
    """What one night measured."""

    run_id: str
    started: str
    low: float
    median: float
    high: float


class Trend(msgspec.Struct, frozen=True):
    """One value of one case, oldest night first."""

    case: str
    name: str
    points: list[TrendPoint]
    places: list[int]
    """Which of the page's nights each point belongs to, from 0."""
    nights: int

    @property
    def earlier(self) -> list[TrendPoint]:
        """All nights but the reported one."""
        return self.points[:-1]

    @property
    def usual(self) -> float:
        """The median of the earlier nights' medians."""
        return median(point.median for point in self.earlier)

    @property
    def moved(self) -> bool:
        """Whether the reported night lies wholly outside of whatever was measured before."""
        now = self.points[-1]
        return now.low > max(p.high for p in self.earlier) or now.high < min(
            p.low for p in self.earlier
        )

    @property
    def distance(self) -> float:
        """How far the reported night is from the usual value; equal ways up and down."""
        now, usual = self.points[-1].median, self.usual
        if now == usual:
            return 0.0
        return abs(log(now / usual)) if now > 0 and usual > 0 else float("inf")

    @property
    def band_path(self) -> str:
        """The intervals as one closed shape of an SVG."""
        upper = [self._at(n, p.high) for n, p in zip(self.places, self.points, strict=True)]
        lower = [self._at(n, p.low) for n, p in zip(self.places, self.points, strict=True)]
        return "M" + "L".join([*upper, *reversed(lower)]) + "z"

    @property
    def median_path(self) -> str:
        """The medians as one line of an SVG."""
        return "M" + "L".join(
            self._at(n, p.median) for n, p in zip(self.places, self.points, strict=True)
        )

    @property
    def last_point(self) -> tuple[str, str]:
        """Where the reported night stands in the SVG."""
        x, y = self._at(self.places[-1], self.points[-1].median).split(" ")
        return x, y

    def _at(self, place: int, value: float) -> str:
        lowest = min(point.low for point in self.points)
        highest = max(point.high for point in self.points)
        across = place / max(1, self.nights - 1)
        up = (value - lowest) / (highest - lowest) if highest > lowest else 0.5
        x = _EDGE + across * (PLOT_WIDTH - 2 * _EDGE)
        y = PLOT_HEIGHT - _EDGE - up * (PLOT_HEIGHT - 2 * _EDGE)
        return f"{x:.1f} {y:.1f}"


def trends_of(
    run: RunData, past: Past, nights: Sequence[str], first: Iterable[Key] = ()
) -> tuple[list[Trend], int]:
    """The trends that moved most, farthest first, and how many values were looked at.

    `nights` are the ids of the page's runs, the reported one last; `first` are looked at first.
    """
    if len(nights) < _FEWEST_POINTS:
        return [], 0
    places = {run_id: place for place, run_id in enumerate(nights)}
    own = measured(run.results)
    keys = _in_order(own, first)[:_LOOKED_AT]
    found = []
    for key in keys:
        points = [
            TrendPoint(p.run_id, _iso(p.started), p.low, p.median, p.high)
            for p in sorted(past.trend(*key, NIGHTS), key=lambda p: p.started)
            if p.run_id in places and p.run_id != run.folder
        ]
        points.append(_own_point(run, own[key]))
        if len(points) >= _FEWEST_POINTS:
            found.append(Trend(*key, points, [places[p.run_id] for p in points], len(nights)))
    found.sort(key=lambda trend: (not trend.moved, -trend.distance, trend.case, trend.name))
    return found[:_SHOWN], len(keys)


def _in_order(own: Iterable[Key], first: Iterable[Key]) -> list[Key]:
    known = sorted(own, key=lambda key: (not key[1].endswith(_QUANTITIES), key))
    wanted = set(first)
    return [key for key in known if key in wanted] + [key for key in known if key not in wanted]


def _own_point(run: RunData, values: list[float]) -> TrendPoint:
    return TrendPoint(run.folder, run.started, min(values), median(values), max(values))


def _iso(moment: datetime) -> str:
    return moment.isoformat()
