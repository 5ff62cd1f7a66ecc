"""A comparison in a terminal: what regressed first, then the rest in short."""

from __future__ import annotations

from gauntlet_reports.changes import KINDS, Change
from gauntlet_reports.comparison import Comparison, Fact
from gauntlet_reports.comparison_words import (
    NOTHING,
    by_kind,
    interval_words,
    ratio_words,
    texts_words,
    uncertain_words,
)
from gauntlet_reports.outcomes import LOOKS
from gauntlet_reports.text import clipped, count, one_line

_SHOWN_CHANGES = 10
_SHOWN_FACTS = 12
_SHOWN_VALUES = 5
_GREEN, _RED, _YELLOW, _DIM, _RESET = "\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def comparison_lines(comparison: Comparison, color: bool) -> list[str]:
    """Lines without line ends; the last two are the classes and the verdict."""

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if color else text

    lines = [
        one_line(f"before  {comparison.before.name}: {comparison.before.headline}"),
        one_line(f"after   {comparison.after.name}: {comparison.after.headline}"),
    ]
    lines += [paint(_YELLOW, f"note: {one_line(note)}") for note in comparison.notes]
    lines += _fact_lines(comparison)
    for kind, listed in by_kind(comparison):
        look = KINDS[kind]
        bad = any(change.regressed for change in listed)
        title = f"{LOOKS[look.outcome].glyph} {len(listed):,} "
        title += f"{look.word if len(listed) == 1 else look.many}: {look.meaning}"
        lines.append(paint(_RED if bad else _YELLOW if kind == "not_asked" else "", title))
        for change in listed[:_SHOWN_CHANGES]:
            first, *others = _change_lines(change)
            lines += [first, *(paint(_DIM, other) for other in others)]
        if len(listed) > _SHOWN_CHANGES:
            lines.append(f"  and {len(listed) - _SHOWN_CHANGES:,} more")
    lines += _value_lines(comparison)
    lines.append(comparison.headline)
    tone = _RED if comparison.regressed else _GREEN
    return [*lines, paint(tone, comparison.verdict)]


def _fact_lines(comparison: Comparison) -> list[str]:
    differing = comparison.differing
    lines = [_fact_line(fact) for fact in differing[:_SHOWN_FACTS]]
    if len(differing) > _SHOWN_FACTS:
        lines.append(f"and {len(differing) - _SHOWN_FACTS:,} more that differ")
    return [f"  {line}" for line in lines]


def _fact_line(fact: Fact) -> str:
    words = f"{fact.name}: {fact.before or NOTHING} before, {fact.after or NOTHING} after"
    return one_line(clipped(words, 200))


def _change_lines(change: Change) -> list[str]:
    lines = [f"  {one_line(change.case)}"]
    lines.append(f"    {change.before.words} before, {change.after.words} after")
    if change.why:
        lines.append(f"    {one_line(clipped(change.why, 300))}")
    if change.regressed and change.after.repro:
        lines.append(f"    repeat it: {one_line(change.after.repro)}")
    return lines


def _value_lines(comparison: Comparison) -> list[str]:
    lines = []
    if comparison.behaviours:
        lines.append(f"{count(len(comparison.behaviours), 'changed behaviour')}:")
        lines += [
            f"  {one_line(one.case)}  {one_line(one.name)}: "
            f"{one_line(clipped(texts_words(one.before), 80))} before, "
            f"{one_line(clipped(texts_words(one.after), 80))} after"
            for one in comparison.behaviours[:_SHOWN_VALUES]
        ]
        lines += _more(len(comparison.behaviours))
    if comparison.records:
        lines.append(f"{count(len(comparison.records), 'search', 'searches')} met something else")
    if comparison.shifts:
        lines.append(f"{count(len(comparison.shifts), 'shifted value')}, largest first:")
        lines += [
            f"  {one_line(one.case)}  {one_line(one.name)}: {interval_words(one.before)} before, "
            f"{interval_words(one.after)} after, {ratio_words(one)}"
            for one in comparison.shifts[:_SHOWN_VALUES]
        ]
        lines += _more(len(comparison.shifts))
    if comparison.uncertain:
        lines.append(uncertain_words(comparison))
    return lines


def _more(total: int) -> list[str]:
    return [f"  and {total - _SHOWN_VALUES:,} more"] if total > _SHOWN_VALUES else []
