"""The command ``harness/gauntlet profile`` as the command line offers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

_FORMS = click.Choice(["text", "markdown", "json", "html"])


def profile_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout whose runs/ the names are looked up in."""

    @click.command()
    @click.argument("run")
    @click.argument("other", required=False)
    @click.option("--format", "form", type=_FORMS, default="text", help="To stdout; default text.")
    @click.option("--differing", is_flag=True, help="Only what differs between the two runs.")
    @click.option(
        "--band",
        type=float,
        metavar="FACTOR",
        help="By how much a value measured once may differ; default 2.",
    )
    def profile(run: str, other: str | None, form: str, differing: bool, band: float | None) -> int:
        """Show what the standard leaves to the system, as a run measured it.

        Limits, capacities, wake-up order, what a flood leaves, what a dead peer
        looks like, latency and throughput, by method. With OTHER two systems
        stand side by side. Each is a run's folder, a name under runs/, `latest`,
        a results.json, or a profile.json that was kept from a run.

        \b
        Examples:
          harness/gauntlet profile latest
          harness/gauntlet profile old/profile.json latest --differing
          harness/gauntlet profile runs/a runs/b --format html > profiles.html
        """
        # Only now: templates are no part of what every other command starts with.
        from gauntlet_harness.profiles import print_profile

        return print_profile(root(), (run, other), form, band, differing=differing)

    return profile
