"""A short digest of a run in GitHub's Markdown: headline, table, failures, how to repeat them."""

from __future__ import annotations

import re

from gauntlet_reports.flakes import flake_words
from gauntlet_reports.groups import Cell, Matrix, failures, matrix, reasons, unexpected
from gauntlet_reports.outcomes import (
    LOOKS,
    MACHINE,
    Entry,
    Outcome,
    entries,
    headline,
    message_of,
    repro_of,
    state_words,
    status_words,
)
from gauntlet_reports.run_data import RunData
from gauntlet_reports.signatures import groups_of
from gauntlet_reports.text import clipped, count, duration, one_line, visible

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&@])")
_SHOWN_FAILURES = 50
_LANES_LIMIT = 4000


def render_markdown(run: RunData) -> str:
    """The digest as text, ending in a line end."""
    listed = entries(run)
    blocks = [f"# Gauntlet: {headline(run)}", f"{status_words(run)} {_facts(run)}".strip()]
    blocks += [f"> {escaped(note)}" for note in run.notes]
    blocks += [f"> {escaped(words)}" for words in run.reminders]
    trouble = [entry for entry in listed if entry.outcome in MACHINE]
    red = failures(listed)
    blocks += _failing("Trouble of the harness or the machine", trouble, run)
    blocks += _failing("What failed", red, run)
    blocks += _alike(listed)
    if listed:
        blocks += ["## Method and kind", _table(matrix(listed))]
    missing = reasons(listed)
    if missing:
        blocks += ["## What was not asked", "\n".join(_reason_lines(listed))]
    return "\n\n".join(blocks) + "\n"


def _facts(run: RunData) -> str:
    facts = [f"seed {run.text('seed')}"] if run.text("seed") else []
    facts += [f"profile {run.text('profile')}"] if run.text("profile") else []
    if run.elapsed_s is not None:
        facts.append(f"took {duration(run.elapsed_s * 1000)}")
    if run.state != "finished":
        facts.append(f"the run: {state_words(run)}")
    return escaped("(" + ", ".join(facts) + ")") if facts else ""


def escaped(text: str) -> str:
    """The text on one line, none of it Markdown."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def code(text: str) -> str:
    """Inline code that no run of backticks in the text can leave."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{one_line(text)}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """A block of code that no run of backticks in the text can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def _failing(title: str, listed: list[Entry], run: RunData) -> list[str]:
    if not listed:
        return []
    blocks = [f"## {title}"]
    for entry in listed[:_SHOWN_FAILURES]:
        look = LOOKS[entry.outcome]
        blocks.append(f"### {look.glyph} {look.word}: {escaped(entry.case.name)}")
        lines = [f"- {escaped(clipped(message_of(entry), 600))}"]
        if entry.case.clause:
            lines.append(f"- promise: {escaped(entry.case.clause)}")
        if entry.result:
            lines += [
                f"- {code(f'{f.file}:{f.line}')} {escaped(clipped(f.message, 600))}"
                for f in entry.result.failures[:3]
            ]
            lines += [
                f"- the kernel said ({line.kind}): {escaped(clipped(line.text, 600))}"
                for line in entry.result.kernel[:3]
            ]
        if words := flake_words(entry, run):
            lines.append(f"- run again: {escaped(words)}")
        if repro := repro_of(entry, run):
            lines.append(f"- repeat it: {code(repro)}")
        blocks.append("\n".join(lines))
        if entry.result and entry.result.lanes:
            blocks.append(fenced(clipped(entry.result.lanes, _LANES_LIMIT)))
    if len(listed) > _SHOWN_FAILURES:
        blocks.append(f"… and {len(listed) - _SHOWN_FAILURES:,} more.")
    return blocks


def _alike(listed: list[Entry]) -> list[str]:
    """What went wrong in the same way in several cases, most cases first."""
    groups = [group for group in groups_of(unexpected(listed)) if len(group.cases) > 1]
    if not groups:
        return []
    lines = [
        f"- {count(len(group.cases), 'case')}: {escaped(group.signature)}"
        f" (for instance {escaped(group.example.case)})"
        for group in groups[:_SHOWN_FAILURES]
    ]
    if len(groups) > _SHOWN_FAILURES:
        lines.append(f"- … and {len(groups) - _SHOWN_FAILURES:,} more.")
    return ["## What went wrong alike", "\n".join(lines)]


def _table(crossed: Matrix) -> str:
    lines = [
        "| method | " + " | ".join(kind or "unknown" for kind in crossed.kinds) + " |",
        "| --- |" + " --- |" * len(crossed.kinds),
    ]
    for group in crossed.methods:
        cells = []
        for column in range(len(crossed.kinds)):
            sums: dict[Outcome, int] = {}
            for row in group.rows:
                for outcome, number in row.cells[column].counts.items():
                    sums[outcome] = sums.get(outcome, 0) + number
            cell = Cell(counts=sums)
            cells.append(f"{LOOKS[cell.outcome].glyph} {cell.words}" if cell.outcome else "")
        lines.append(f"| {escaped(group.method or 'unknown')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _reason_lines(listed: list[Entry]) -> list[str]:
    lines = []
    for reason in reasons(listed):
        text = f"- {LOOKS[reason.outcome].word}, {count(len(reason.cases), 'case')}: "
        text += escaped(clipped(reason.reason, 600))
        if reason.remedy:
            text += f" Remedy: {escaped(clipped(reason.remedy, 600))}"
        lines.append(text)
    return lines
