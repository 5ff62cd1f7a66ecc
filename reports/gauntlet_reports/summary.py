"""The end of a run in a terminal: what failed, how to repeat it, what was not asked and why."""

from __future__ import annotations

from gauntlet_reports.flakes import flake_words, not_rerun
from gauntlet_reports.groups import failures, reasons, shared_rooms, unexpected
from gauntlet_reports.outcomes import (
    LOOKS,
    MACHINE,
    STATUS_FAILED,
    STATUS_OK,
    Entry,
    entries,
    headline,
    message_of,
    overall_status,
    repro_of,
    state_words,
)
from gauntlet_reports.run_data import RunData
from gauntlet_reports.signatures import groups_of
from gauntlet_reports.text import clipped, count, duration, one_line

_SHOWN = 20
_GREEN, _RED, _YELLOW, _DIM, _RESET = "\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def summary_lines(run: RunData, color: bool) -> list[str]:
    """Lines without line ends; the last one is the headline. Every state has its word as well."""

    def paint(code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if color else text

    listed = entries(run)
    lines = [paint(_YELLOW, f"note: {one_line(note)}") for note in run.notes]
    lines += [paint(_YELLOW, f"note: {one_line(words)}") for words in run.reminders]
    for trouble in ([e for e in listed if e.outcome in MACHINE], failures(listed)):
        for entry in trouble[:_SHOWN]:
            first, *others = _entry_lines(entry, run)
            lines.append(paint(_RED, first))
            lines += [paint(_DIM, other) for other in others]
        if len(trouble) > _SHOWN:
            lines.append(f"  and {len(trouble) - _SHOWN:,} more, see the report")
    for group in groups_of(unexpected(listed)):
        if len(group.cases) > 1:
            words = f"{count(len(group.cases), 'case')} went wrong alike: {group.signature}"
            lines.append(paint(_RED, one_line(words)))
    if missed := not_rerun(run):
        words = f"not run again: {count(missed, 'failed case')}, for want of turns or of time"
        lines.append(paint(_YELLOW, words))
    for reason in reasons(listed):
        words = f"{LOOKS[reason.outcome].word}: {count(len(reason.cases), 'case')}: "
        words += one_line(clipped(reason.reason, 300))
        lines.append(paint(_YELLOW, words))
        if reason.remedy:
            lines.append(paint(_DIM, f"  remedy: {one_line(clipped(reason.remedy, 300))}"))
    for room in shared_rooms(listed):
        words = f"not private in {count(room.cases, 'case')}: {room.what} ({room.why})"
        lines.append(paint(_YELLOW, one_line(words)))
    if run.state != "finished":
        lines.append(paint(_YELLOW, f"the run: {one_line(state_words(run))}"))
    status = overall_status(run)
    code = {STATUS_OK: _GREEN, STATUS_FAILED: _RED}.get(status, _YELLOW)
    took = f" in {duration(run.elapsed_s * 1000)}" if run.elapsed_s is not None else ""
    return [*lines, paint(code, headline(run) + took)]


def _entry_lines(entry: Entry, run: RunData) -> list[str]:
    look = LOOKS[entry.outcome]
    lines = [f"{look.glyph} {look.word}: {one_line(entry.case.name)}"]
    lines.append(f"  {one_line(clipped(message_of(entry), 300))}")
    if words := flake_words(entry, run):
        lines.append(f"  {words}")
    if repro := repro_of(entry, run):
        lines.append(f"  repeat it: {one_line(repro)}")
    return lines
