"""How the parts of a comparison are put into words, the same in every form of it."""

from __future__ import annotations

from collections.abc import Sequence

from gauntlet_reports.changes import KINDS, Change, Kind
from gauntlet_reports.comparison import Comparison
from gauntlet_reports.measurements import ENOUGH_VALUES, Interval, Shift
from gauntlet_reports.text import count

NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def by_kind(comparison: Comparison) -> list[tuple[Kind, list[Change]]]:
    """The changes in sections, worst first; classes without any are left out."""
    sections = [(kind, [c for c in comparison.changes if c.kind == kind]) for kind in KINDS]
    return [(kind, listed) for kind, listed in sections if listed]


def number(value: float) -> str:
    """A measured number with as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value.is_integer() else f"{value:.3g}"


def interval_words(interval: Interval) -> str:
    """``8,570 [6,060 to 12,100]``, and from how many values where there are several."""
    words = f"{number(interval.value)} [{number(interval.low)} to {number(interval.high)}]"
    return words if interval.count == 1 else f"{words} of {interval.count} values"


def ratio_words(shift: Shift) -> str:
    """How many times as much as before, or a dash where one of the values is not above zero."""
    return NOTHING if shift.ratio is None else f"{TIMES} {shift.ratio:.3g}"


def texts_words(texts: Sequence[str]) -> str:
    """What was observed on one side."""
    return " or ".join(text or "nothing" for text in texts) if texts else "not observed"


def systems_words(comparison: Comparison) -> str:
    """One sentence about the two systems and what was asked of them."""
    names = [fact.name for fact in comparison.differing]
    if not names:
        return "Same system, same versions, same request."
    return f"The runs differ in {', '.join(names[:12])}{' and more' if len(names) > 12 else ''}."


def uncertain_words(comparison: Comparison) -> str:
    """What was not compared, and why; ``""`` where everything was."""
    if not comparison.uncertain:
        return ""
    return (
        f"{count(comparison.uncertain, 'time, rate or share', 'times, rates and shares')} not "
        f"compared: measured fewer than {ENOUGH_VALUES} times beside other cases, which decide them"
    )


def band_words(comparison: Comparison) -> str:
    """How a shift was told from noise."""
    band = f"{comparison.band:g}"
    left_out = uncertain_words(comparison)
    return (
        f"A shift is two intervals that do not meet. From {ENOUGH_VALUES} values on the interval "
        f"is their range; fewer are widened, so that two single values must differ by more than "
        f"the factor {band}. Shifts never make a run worse: load alone can be their cause."
        + (f" {left_out}." if left_out else "")
    )
