"""Numbers that two runs measured: each side is an interval, and a shift is two that do not meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import sqrt
from statistics import median

import msgspec

from gauntlet_reports.run_data import Result, RunData

# A value may differ by this factor, upwards or downwards, before it counts as shifted.
DEFAULT_BAND = 2.0
# From so many values on their own range is the interval: for two samples of five from the same
# source, ranges that do not meet are a matter of 1 in 126.
ENOUGH_VALUES = 5
# A count is widened by this on both sides: whether one kill fell inside a call or none is chance.
COUNT_SLACK = 1.5

OF_CHANCE = frozenset(
    {"accesses_made", "accesses_refused", "attached", "kills_inside_a_call", "readers_met"}
)
"""How often a race or a kill met what it is for: that tells of the run and not of the system."""

# Times, rates and shares: who else has the processors meanwhile decides them.
_OF_SCHEDULING = ("_ns", "_us", "_ms", "_s", "_percent")

Key = tuple[str, str]
"""A case and the name of what it measured."""


class Interval(msgspec.Struct, frozen=True):
    """What one run measured: the median, how many values, and where the value may really lie."""

    value: float
    count: int
    low: float
    high: float


class Shift(msgspec.Struct, frozen=True):
    """A measured value whose two intervals do not meet."""

    case: str
    name: str
    before: Interval
    after: Interval

    @property
    def ratio(self) -> float | None:
        """After over before; None where that says nothing, because one of them is not above 0."""
        if self.before.value <= 0 or self.after.value <= 0:
            return None
        return self.after.value / self.before.value


def interval(values: list[float], band: float) -> Interval:
    """The interval of at least one value.

    Few values are widened by the square root of the band on both sides, so that two single values
    are apart when their ratio leaves the band; whole numbers by the slack of a count as well.
    """
    low, high = min(values), max(values)
    if len(values) < ENOUGH_VALUES:
        margin = sqrt(band)
        slack = COUNT_SLACK if all(value.is_integer() for value in values) else 0.0
        low = max(low / margin - slack, 0.0) if low >= 0 else low * margin - slack
        high = (high * margin if high >= 0 else high / margin) + slack
    return Interval(value=median(values), count=len(values), low=low, high=high)


def apart(first: Interval, second: Interval) -> bool:
    """Whether two intervals do not meet: what was measured differs by more than noise."""
    return first.high < second.low or second.high < first.low


def measured(results: Iterable[Result]) -> dict[Key, list[float]]:
    """Every measured value of a run, over the repetitions of its case."""
    found: dict[Key, list[float]] = defaultdict(list)
    for result in results:
        for name, value in result.measured.items():
            found[result.case, name].append(float(value))
    return found


class Shifts(msgspec.Struct, frozen=True):
    """What lies apart, the largest ratio first, and how many values say too little for that."""

    found: list[Shift]
    uncertain: int


def shifts(before: RunData, after: RunData, band: float) -> Shifts:
    """Hold what both runs measured against each other.

    What chance counted is left out. Where several cases ran at once, so are times, rates and shares
    that were measured only a few times: two runs of one system differ in them tenfold.
    """
    earlier, later = measured(before.results), measured(after.results)
    found, uncertain = [], 0
    for key in earlier.keys() & later.keys():
        if key[1] in OF_CHANCE:
            continue
        if says_too_little(key[1], len(earlier[key]), before.info.get("jobs")) or says_too_little(
            key[1], len(later[key]), after.info.get("jobs")
        ):
            uncertain += 1
            continue
        first, second = interval(earlier[key], band), interval(later[key], band)
        if apart(first, second):
            found.append(Shift(case=key[0], name=key[1], before=first, after=second))
    found.sort(key=lambda shift: (-_distance(shift), shift.case, shift.name))
    return Shifts(found, uncertain)


def says_too_little(name: str, count: int, jobs: object) -> bool:
    """Whether who ran beside decides a value: a time, rate or share of few values among others.

    ``jobs`` is how many cases its run had at once, None where that is not known: then it counts as
    alone.
    """
    return jobs not in (None, 1) and count < ENOUGH_VALUES and name.endswith(_OF_SCHEDULING)


def _distance(shift: Shift) -> float:
    ratio = shift.ratio
    return float("inf") if ratio is None else max(ratio, 1 / ratio)
