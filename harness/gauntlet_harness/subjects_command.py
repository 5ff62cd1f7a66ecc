"""The command ``harness/gauntlet subjects`` as the command line offers it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from gauntlet_harness.command_options import suite_options
from gauntlet_harness.errors import STATUS_OK
from gauntlet_harness.list_command import built_cases
from gauntlet_harness.subjects import list_subjects, markdown, updated
from gauntlet_harness.suite import find_suites


def subjects_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout whose build is asked."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True, help="One JSON array, with claims.")
    @click.option("--markdown", "as_markdown", is_flag=True, help="Methods and their subjects.")
    @click.option(
        "--update",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Put that table between its marks in FILE, such as README.md.",
    )
    @suite_options
    def subjects(
        as_json: bool,
        as_markdown: bool,
        update: Path | None,
        suites: tuple[Path, ...],
        preset: str | None,
        no_setup: bool,
    ) -> int:
        """Show the implementations under test and what they claim.

        \b
        Examples:
          harness/gauntlet subjects
          harness/gauntlet subjects --json | jq '.[] | select(.method == "pipes") | .claims'
        """
        listed = built_cases(root(), suites, preset, "smoke", no_setup=no_setup)
        known = list_subjects(find_suites(root(), preset or "release", suites))
        if as_json:
            print(json.dumps(msgspec.to_builtins(known), indent=1, ensure_ascii=False))
        elif as_markdown or update:
            table = markdown(known, [entry.case for entry in listed])
            if update is None:
                print(table, end="")
            else:
                update.write_text(
                    updated(update.read_text(encoding="utf-8"), table), encoding="utf-8"
                )
        else:
            for subject in known:
                cells = (subject.name, subject.method, subject.contract, subject.description)
                print("\t".join(" ".join(cell.split()) for cell in cells))
        return STATUS_OK

    return subjects
