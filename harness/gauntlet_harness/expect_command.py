"""The commands ``harness/gauntlet expect …`` as the command line offers them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from gauntlet_harness.build import ensure_built


def _build_options(command: click.decorators.FC) -> click.decorators.FC:
    preset = click.option(
        "--preset", metavar="NAME", default="release", help="The build whose cases count."
    )
    no_setup = click.option("--no-setup", is_flag=True, help="Neither install nor build anything.")
    return no_setup(preset(command))


def expect_command(root: Callable[[], Path]) -> click.Group:
    """Return the group; ``root`` tells the checkout whose reports/expectations are meant."""

    @click.group()
    def expect() -> None:
        """Look after the known deviations in reports/expectations.

        \b
        Examples:
          harness/gauntlet expect suggest --from latest > reports/expectations/new.toml
          harness/gauntlet expect check
          harness/gauntlet expect list
        """

    @expect.command()
    @click.option(
        "--from", "run", required=True, metavar="RUN", help="A folder, a name under runs/, latest."
    )
    @click.option(
        "--no-setup", is_flag=True, expose_value=False, help="Neither install nor build anything."
    )
    def suggest(run: str) -> int:
        """Print an entry to review for each way in which RUN failed unexpectedly.

        An entry holds for 90 days. Its owner and its reason are left empty, and
        until somebody fills them in `expect check` and every run refuse the file.
        """
        from gauntlet_harness.expect import suggest_from

        return suggest_from(root(), run, lambda line: print(f"gauntlet: {line}", file=sys.stderr))

    @expect.command()
    @_build_options
    def check(preset: str, no_setup: bool) -> int:
        """Say whether every entry makes sense, matches a case, and is not about to expire.

        \b
        Exit status: 0 all is well, 1 an entry has expired,
        2 an entry makes no sense or matches no case.
        """
        from gauntlet_harness.expect import check as check_entries

        ensure_built(root(), preset, no_setup=no_setup)
        return check_entries(root(), preset)

    @expect.command(name="list")
    @_build_options
    def list_entries(preset: str, no_setup: bool) -> int:
        """Show every entry: its kind, how many cases it has, whether it holds here, its end."""
        from gauntlet_harness.expect import show

        ensure_built(root(), preset, no_setup=no_setup)
        return show(root(), preset)

    return expect
