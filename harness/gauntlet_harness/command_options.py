"""Options that several commands have, in the same words."""

from __future__ import annotations

from pathlib import Path

import click

PROFILES = click.Choice(["smoke", "full", "soak"])
SELECT_HELP = (
    "Only the cases that match: words with and, or, not and parentheses. A word is a method,"
    " kind, subject or contract, or a part of a name or clause; method:pipes asks one field."
)

# The launcher has acted on it before Python started; here it is only known, and explained.
minimal = click.option(
    "--minimal",
    is_flag=True,
    expose_value=False,
    help="Install no component: brokers and libraries that subjects are adapters of.",
)
no_setup = click.option("--no-setup", is_flag=True, help="Neither install nor build anything.")


def suite_options(command: click.decorators.FC) -> click.decorators.FC:
    """Add what a command needs to be told of suites: ``suites``, ``preset`` and ``no_setup``."""
    for option in (
        no_setup,
        minimal,
        click.option(
            "--preset", metavar="NAME", default=None, help="The build to use; default release."
        ),
        click.option(
            "--suite",
            "suites",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="BINARY",
            help="A suite outside this tree instead of the built ones; may be given again.",
        ),
    ):
        command = option(command)
    return command
