"""The command ``harness/gauntlet list``, and the cases that it and others start from."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from gauntlet_harness.build import ensure_built
from gauntlet_harness.cases import KINDS, Case, Profile
from gauntlet_harness.color import make_console
from gauntlet_harness.command_options import PROFILES, SELECT_HELP, suite_options
from gauntlet_harness.errors import STATUS_OK
from gauntlet_harness.selection import select
from gauntlet_harness.suite import Listed, find_suites, list_all


def list_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout whose build is asked."""

    @click.command(name="list")
    @click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
    @click.option("--select", "selection", metavar="EXPR", help=SELECT_HELP)
    @click.option("--profile", type=PROFILES, default="smoke", hidden=True)
    @suite_options
    def list_cases(
        as_json: bool,
        selection: str | None,
        profile: Profile,
        suites: tuple[Path, ...],
        preset: str | None,
        no_setup: bool,
    ) -> int:
        """Show the cases, what each holds against whom, and what it needs.

        \b
        Examples:
          harness/gauntlet list --select "semaphores and races"
          harness/gauntlet list --json | jq -r '.[].name'
        """
        listed = built_cases(root(), suites, preset, profile, no_setup=no_setup)
        cases = select(selection, [entry.case for entry in listed])
        if as_json:
            keys = ("name", "method", "kind", "subject", "contract", "clause", "needs")
            rows = [{key: msgspec.to_builtins(case)[key] for key in keys} for case in cases]
            print(json.dumps(rows, indent=1, ensure_ascii=False))
        elif sys.stdout.isatty():
            make_console().print(_table(cases))
        else:
            for case in cases:
                cells = (case.name, case.method, case.kind, case.subject or "-", case.clause or "-")
                print("\t".join(" ".join(cell.split()) for cell in cells))
        return STATUS_OK

    return list_cases


def built_cases(
    root: Path, suites: tuple[Path, ...], preset: str | None, profile: Profile, *, no_setup: bool
) -> list[Listed]:
    """Return the cases of the given suites, or of the built ones after building them."""
    if not suites:
        ensure_built(root, preset or "release", no_setup=no_setup)
    return list_all(find_suites(root, preset or "release", suites), profile)


def _table(cases: list[Case]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), caption=f"{len(cases)} cases")
    for heading in ("method", "kind", "subject", "case", "promise"):
        table.add_column(heading, overflow="fold")
    places = {kind: place for place, kind in enumerate(KINDS)}
    for case in sorted(cases, key=lambda c: (c.method, places.get(c.kind, 9), c.name)):
        test = case.name.partition(".")[2].partition("/")[0]
        cells = (case.method, case.kind, case.subject or "", test, case.clause or "")
        table.add_row(*(Text(cell) for cell in cells))
    return table
