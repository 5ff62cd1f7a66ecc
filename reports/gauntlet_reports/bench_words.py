"""How the parts of a bench are put into words, the same on its page and in a terminal."""

from __future__ import annotations

from gauntlet_reports.bench import Aim, Bench, Options, Table
from gauntlet_reports.comparison_words import number
from gauntlet_reports.text import count, one_line

_GREEN, _RED, _YELLOW, _RESET = "\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[0m"
_COLOURS = {True: _GREEN, False: _RED, None: _YELLOW}


def outcome_words(aim: Aim) -> str:
    """``reached``, ``missed`` or ``not measured``."""
    return {True: "reached", False: "missed", None: "not measured"}[aim.reached]


def measured_words(aim: Aim) -> str:
    """What was measured, and in how many repetitions where it is a ratio; empty where nothing."""
    if aim.measured is None:
        return ""
    of = "" if aim.repetitions is None else f" in {count(aim.repetitions, 'repetition')}"
    return f"{number(aim.measured)}{of}"


def headline(bench: Bench) -> str:
    """How many aims were reached, and what became of the others."""
    outcomes = [aim.reached for aim in bench.aims]
    words = f"{outcomes.count(True)} of {count(len(outcomes), 'aim')} reached"
    if missed := outcomes.count(False):
        words += f", {missed} missed"
    if unknown := outcomes.count(None):
        words += f", {unknown} not measured"
    return words


def load_words(bench: Bench) -> str:
    """The load at the start, and what it means for the figures."""
    known = f"{bench.load[0]:.2f} on {count(bench.cpus, 'CPU')}"
    return f"{known}: the machine was busy, so the figures mean little" if bench.busy else known


def options_words(options: Options) -> str:
    """What was asked of the bench."""
    rows = ", ".join(map(str, options.rows))
    words = [
        f"{'row' if len(options.rows) == 1 else 'rows'} {rows}" if rows else "all rows",
        count(options.repetitions, "repetition"),
    ]
    if options.quick:
        words.append("quick: it shows that everything runs, not how fast")
    return ", ".join(words)


def aim_lines(bench: Bench, color: bool) -> list[str]:
    """A line for each aim, and the headline last."""
    lines = [_aim_line(table, aim, color) for table in bench.tables for aim in table.aims]
    lines += [
        f"row {table.row}  {one_line(table.title)}: {one_line('; '.join(table.notes))}"
        for table in bench.tables
        if table.notes and not table.aims
    ]
    return [*lines, headline(bench)]


def _aim_line(table: Table, aim: Aim, color: bool) -> str:
    outcome = outcome_words(aim)
    if color:
        outcome = f"{_COLOURS[aim.reached]}{outcome}{_RESET}"
    what = one_line(aim.what) + (f" {measured_words(aim)}" if aim.measured is not None else "")
    limit = f"{aim.side} {number(aim.limit)}"
    return f"row {table.row}  {one_line(table.title)}: {what} ({limit}): {outcome}"
