"""A behaviour profile, or two side by side, in a terminal."""

from __future__ import annotations

from gauntlet_reports.profile import Row, SideBySide
from gauntlet_reports.profile_words import (
    headline,
    mark_words,
    rule_words,
    sections,
    sides,
    system_words,
)
from gauntlet_reports.text import clipped, one_line

_BOLD, _YELLOW, _DIM, _RESET = "\x1b[1m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_CELL_LIMIT = 160


def profile_lines(view: SideBySide, color: bool, differing: bool = False) -> list[str]:
    """Lines without line ends; the last one says how many values differ."""

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if color else text

    lines = [f"first   {one_line(view.before.run)}: {one_line(system_words(view.before))}"]
    if view.after is not None:
        lines.append(f"second  {one_line(view.after.run)}: {one_line(system_words(view.after))}")
    for method, topics in sections(view, differing):
        lines += ["", paint(_BOLD, one_line(method))]
        for topic, rows in topics:
            lines.append(f"  {topic}")
            for row in rows:
                code = _YELLOW if row.difference == "differs" else ""
                words = f"    {_row(row, view)}"
                lines.append(paint(code, words) if code else words)
                if row.value.case:
                    lines.append(paint(_DIM, f"      {one_line(row.value.case)}"))
    return [*lines, "", paint(_DIM, rule_words(view)), headline(view)]


def _row(row: Row, view: SideBySide) -> str:
    value = row.value
    name = f"{value.subject} {value.name}" if value.subject else value.name
    cells = " | ".join(one_line(clipped(cell, _CELL_LIMIT)) for cell in sides(row, view))
    mark = mark_words(row.difference)
    return f"{one_line(name)}: {cells}" + (f"  ({mark})" if mark else "")
