"""A comparison in GitHub's Markdown, short enough for a comment."""

from __future__ import annotations

from collections.abc import Sequence

from gauntlet_reports.changes import KINDS, Change
from gauntlet_reports.comparison import Comparison
from gauntlet_reports.comparison_words import (
    band_words,
    by_kind,
    interval_words,
    ratio_words,
    systems_words,
    texts_words,
)
from gauntlet_reports.markdown_report import code, escaped, fenced
from gauntlet_reports.outcomes import LOOKS
from gauntlet_reports.text import clipped

_SHOWN_CHANGES = 50
_SHOWN_VALUES = 20
_SHOWN_DIFF_LINES = 20


def render_comparison_markdown(comparison: Comparison) -> str:
    """The comparison as text, ending in a line end."""
    blocks = [f"# Gauntlet: {comparison.headline}", comparison.verdict]
    blocks += [f"> {escaped(note)}" for note in comparison.notes]
    blocks += ["## Systems", escaped(systems_words(comparison)), _systems(comparison)]
    for kind, listed in by_kind(comparison):
        look = KINDS[kind]
        title = f"{LOOKS[look.outcome].glyph} {len(listed):,} "
        blocks += [f"## {title}{look.word if len(listed) == 1 else look.many}"]
        blocks += [f"{look.meaning[0].upper()}{look.meaning[1:]}."]
        blocks.append("\n".join(_change(change) for change in listed[:_SHOWN_CHANGES]))
        blocks += _more(len(listed), _SHOWN_CHANGES)
    blocks += _behaviours(comparison) + _records(comparison) + _shifts(comparison)
    return "\n\n".join(blocks) + "\n"


def _systems(comparison: Comparison) -> str:
    rows = [("run", comparison.before.name, comparison.after.name)]
    rows.append(("result", comparison.before.headline, comparison.after.headline))
    rows += [(fact.name, fact.before, fact.after) for fact in comparison.differing]
    return _table(("", "before", "after"), rows)


def _change(change: Change) -> str:
    line = f"- {escaped(change.case)}: {change.before.words} before, {change.after.words} after"
    if change.why:
        line += f". {escaped(clipped(change.why, 300))}"
    if change.regressed and change.after.repro:
        line += f"\n  - repeat it: {code(change.after.repro)}"
    return line


def _behaviours(comparison: Comparison) -> list[str]:
    if not comparison.behaviours:
        return []
    rows = [
        (one.case, one.name, texts_words(one.before), texts_words(one.after))
        for one in comparison.behaviours[:_SHOWN_VALUES]
    ]
    table = _table(("case", "behaviour", "before", "after"), rows)
    return ["## Changed behaviours", table, *_more(len(comparison.behaviours), _SHOWN_VALUES)]


def _records(comparison: Comparison) -> list[str]:
    if not comparison.records:
        return []
    blocks = ["## Searches that met something else"]
    for one in comparison.records[:_SHOWN_VALUES]:
        kept = one.diff[:_SHOWN_DIFF_LINES]
        if len(one.diff) > len(kept):
            kept.append(f"… and {len(one.diff) - len(kept):,} more lines")
        blocks += [f"{escaped(one.case)}, {escaped(one.name)}", fenced("\n".join(kept), "diff")]
    return [*blocks, *_more(len(comparison.records), _SHOWN_VALUES)]


def _shifts(comparison: Comparison) -> list[str]:
    if not comparison.shifts:
        return []
    rows = [
        (s.case, s.name, interval_words(s.before), interval_words(s.after), ratio_words(s))
        for s in comparison.shifts[:_SHOWN_VALUES]
    ]
    table = _table(("case", "value", "before", "after", "ratio"), rows)
    more = _more(len(comparison.shifts), _SHOWN_VALUES)
    return ["## Shifted values", band_words(comparison), table, *more]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join(escaped(clipped(cell, 300)) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _more(total: int, shown: int) -> list[str]:
    return [f"… and {total - shown:,} more."] if total > shown else []
