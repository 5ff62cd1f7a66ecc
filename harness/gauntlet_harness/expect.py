"""``expect``: the entries of this tree looked over, listed, and suggested from a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from gauntlet_harness.color import make_console
from gauntlet_harness.conditions import system_of
from gauntlet_harness.errors import STATUS_FAILED, STATUS_OK, GauntletError, UsageError
from gauntlet_harness.expect_suggest import suggest
from gauntlet_harness.expectation_files import (
    Expectation,
    read_expectations,
    refuse_unmatched,
)
from gauntlet_harness.expectations import today
from gauntlet_harness.fingerprint import fingerprint
from gauntlet_harness.run_folder import find_run
from gauntlet_harness.suite import find_suites, list_all
from gauntlet_harness.validate import EXPECTATIONS
from gauntlet_reports.comparison_input import ComparisonInputError, load_for_comparison
from gauntlet_reports.digest import WARNED_DAYS
from gauntlet_reports.text import count

_STYLES = {"expired": "bold red", "soon": "yellow", "": ""}


class Row(msgspec.Struct, frozen=True):
    """An entry on this system and this day."""

    entry: Expectation
    cases: int
    holds: bool
    days: int

    @property
    def state(self) -> str:
        """``expired``, ``soon`` or nothing to say."""
        if self.days < 0:
            return "expired"
        return "soon" if self.days <= WARNED_DAYS else ""

    @property
    def expires(self) -> str:
        """The last day in words."""
        end = self.entry.expires.isoformat()
        if self.days < 0:
            return f"{end} (expired)"
        return f"{end} (in {count(self.days, 'day')})" if self.state else end


def rows(entries: Sequence[Expectation], names: Sequence[str], day: date) -> list[Row]:
    """Return every entry with what it comes to here, the first to expire first."""
    system = system_of(fingerprint())
    return sorted(
        (
            Row(
                entry=entry,
                cases=sum(entry.is_for(name) for name in names),
                holds=entry.holds_on(system),
                days=(entry.expires - day) // timedelta(days=1),
            )
            for entry in entries
        ),
        key=lambda row: (row.entry.expires, row.entry.id),
    )


def check(root: Path, preset: str) -> int:
    """Say whether the files are valid and what has to be done soon; return the exit status.

    An entry that makes no sense, or that holds here and matches no case, is a UsageError.
    """
    entries = read_expectations(root / EXPECTATIONS)
    names = _names(root, preset)
    found = rows(entries, names, today())
    refuse_unmatched([row.entry for row in found if row.holds], names)
    for row in found:
        if row.state:
            print(f"{row.entry.file}: {row.entry.id}: {row.expires}, owner {row.entry.owner}")
    here = sum(row.holds for row in found)
    files = len({entry.file for entry in entries})
    print(f"{count(len(found), 'entry', 'entries')} in {count(files, 'file')}, {here} hold here")
    return STATUS_FAILED if any(row.state == "expired" for row in found) else STATUS_OK


def show(root: Path, preset: str) -> int:
    """Print every entry: a table on a terminal, tabs elsewhere."""
    found = rows(read_expectations(root / EXPECTATIONS), _names(root, preset), today())
    heads = ("id", "kind", "cases", "holds here", "expires")
    cells = [
        (row.entry.id, row.entry.kind, str(row.cases), "yes" if row.holds else "no", row.expires)
        for row in found
    ]
    if not sys.stdout.isatty():
        print("\n".join("\t".join(line) for line in (heads, *cells)))
        return STATUS_OK
    table = Table(box=None, padding=(0, 2, 0, 0), caption=count(len(found), "entry", "entries"))
    for head in heads:
        table.add_column(head, overflow="fold", justify="right" if head == "cases" else "left")
    for row, line in zip(found, cells, strict=True):
        table.add_row(*(Text(cell) for cell in line), style=_STYLES[row.state])
    make_console().print(table)
    return STATUS_OK


def suggest_from(root: Path, name: str, tell: Callable[[str], None]) -> int:
    """Print entries for the unexpected failures of a run; ``tell`` gets what is not TOML."""
    path = Path(name) if Path(name).is_file() else find_run(root, name).path
    try:
        run = load_for_comparison(path)
    except ComparisonInputError as error:
        raise UsageError(str(error)) from None
    taken = [entry.id for entry in read_expectations(root / EXPECTATIONS)]
    names = _names_of(run.info.get("suites"))
    found = suggest(run, names, taken, today())
    if names is None:
        tell("the suites of that run cannot be listed here: cases are not folded into patterns")
    print("\n".join(entry.toml() for entry in found), end="")
    if found:
        tell(
            f"{count(len(found), 'entry', 'entries')} to review: fill in owner and reason, see"
            " that kind, when and expires are right, and put each into"
            f" {EXPECTATIONS}/; then harness/gauntlet expect check"
        )
    else:
        tell("nothing failed unexpectedly in that run")
    return STATUS_OK


def _names(root: Path, preset: str) -> list[str]:
    """The whole list of cases of the built suites."""
    return [entry.case.name for entry in list_all(find_suites(root, preset, ()), "smoke")]


def _names_of(suites: object) -> list[str] | None:
    """The whole list of cases of a run's suites, None where they are not there any more."""
    if not isinstance(suites, list) or not suites:
        return None
    try:
        found = find_suites(Path(), "", [Path(str(suite)) for suite in suites])
        return [entry.case.name for entry in list_all(found, "smoke")]
    except GauntletError:
        return None
