"""The geometry of a dot plot: a line an implementation, a mark a value, a linear axis from 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gauntlet_reports.bench import Series, Table
from gauntlet_reports.comparison_words import number
from gauntlet_reports.text import one_line

WIDTH = 960
AXIS_LEFT, AXIS_RIGHT = 276, 840
NAMES_RIGHT = AXIS_LEFT - 14
MEDIANS_RIGHT = WIDTH - 8
_LINE_HEIGHT = 28
_TOP = 6
_AXIS_ROOM = 44
_MOST_TICKS = 6
_LONGEST_NAME = 32
# Marks nearer than this cannot be told apart; a thousand values need not be a thousand marks.
_SAME_PLACE = 0.5


@dataclass(frozen=True)
class Tick:
    """A labelled place on the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Line:
    """One implementation: where its marks are, and its median in figures."""

    name: str
    y: float
    is_reference: bool
    marks: list[float]
    median: float
    label: str


@dataclass(frozen=True)
class Plot:
    """All that is drawn, in units of a drawing ``WIDTH`` wide."""

    height: float
    axis_y: float
    ticks: list[Tick]
    lines: list[Line]


def plot_of(table: Table) -> Plot | None:
    """The plot of a table, best median first; None where nothing was measured."""
    ranked = table.ranked()
    if not ranked:
        return None
    largest = max(max(series.values) for series in ranked)
    step = _step(largest)
    steps = max(1, math.ceil(largest / step - 1e-9))
    scale = (AXIS_RIGHT - AXIS_LEFT) / (step * steps)
    axis_y = _TOP + _LINE_HEIGHT * len(ranked)
    return Plot(
        height=axis_y + _AXIS_ROOM,
        axis_y=axis_y,
        ticks=[
            Tick(round(AXIS_LEFT + index * step * scale, 1), number(index * step))
            for index in range(steps + 1)
        ],
        lines=[
            _line(series, _TOP + _LINE_HEIGHT * (place + 0.5), scale)
            for place, series in enumerate(ranked)
        ],
    )


def _line(series: Series, y: float, scale: float) -> Line:
    places = {round(value * scale / _SAME_PLACE) for value in series.values}
    name = one_line(series.name)
    if len(name) > _LONGEST_NAME:
        name = name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return Line(
        name=name,
        y=y,
        is_reference=series.is_reference,
        marks=[AXIS_LEFT + place * _SAME_PLACE for place in sorted(places)],
        median=round(AXIS_LEFT + series.median * scale, 1),
        label=number(series.median),
    )


def _step(largest: float) -> float:
    """The distance of two ticks: 1, 2 or 5 times a power of ten, for at most so many ticks."""
    if largest <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(largest / _MOST_TICKS))
    return next(f * power for f in (1, 2, 5, 10) if largest / (f * power) <= _MOST_TICKS)
