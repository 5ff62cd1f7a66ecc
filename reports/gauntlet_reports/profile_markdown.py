"""A behaviour profile, or two side by side, in GitHub's Markdown: a table a method."""

from __future__ import annotations

from gauntlet_reports.markdown_report import escaped
from gauntlet_reports.profile import Row, SideBySide
from gauntlet_reports.profile_words import (
    headline,
    mark_words,
    rule_words,
    sections,
    sides,
    system_words,
)
from gauntlet_reports.text import clipped

_CELL_LIMIT = 300


def render_profile_markdown(view: SideBySide, differing: bool = False) -> str:
    """The profile as text, ending in a line end."""
    both = [("first", view.before)] + ([("second", view.after)] if view.after else [])
    systems = [
        f"- {which}: {escaped(one.run)}, {escaped(system_words(one))}" for which, one in both
    ]
    head = ["topic", "subject", "value", *([which for which, _ in both] if view.after else ["is"])]
    head += ["difference", "case"] if view.after else ["case"]
    blocks = [f"# Gauntlet: {escaped(headline(view))}", "\n".join(systems), rule_words(view)]
    for method, topics in sections(view, differing):
        lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        for topic, rows in topics:
            lines += [_line([topic, *_cells(row, view)]) for row in rows]
        blocks += [f"## {escaped(method)}", "\n".join(lines)]
    return "\n\n".join(blocks) + "\n"


def _cells(row: Row, view: SideBySide) -> list[str]:
    value = row.value
    cells = [value.subject or "", value.name, *sides(row, view)]
    return [*cells, mark_words(row.difference), value.case] if view.after else [*cells, value.case]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(escaped(clipped(cell, _CELL_LIMIT)) for cell in cells) + " |"
