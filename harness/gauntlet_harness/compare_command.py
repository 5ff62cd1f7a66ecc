"""The command ``harness/gauntlet compare`` as the command line offers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)


def compare_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout whose runs/ the names are looked up in."""

    @click.command()
    @click.argument("before")
    @click.argument("after")
    @click.option("--json", "as_json", type=_FILE, metavar="FILE", help="Everything, for programs.")
    @click.option("--markdown", type=_FILE, metavar="FILE", help="A short digest.")
    @click.option("--html", type=_FILE, metavar="FILE", help="One offline page.")
    @click.option(
        "--band",
        type=float,
        metavar="FACTOR",
        help="By how much a value measured once may differ; default 2.",
    )
    def compare(
        before: str,
        after: str,
        as_json: Path | None,
        markdown: Path | None,
        html: Path | None,
        band: float | None,
    ) -> int:
        """Show what differs between two runs, and whether something regressed.

        BEFORE and AFTER are a run's folder, a name under runs/, `latest`, or a
        results.json. FILE may be - for stdout, which then holds nothing else.

        \b
        Exit status: 0 nothing regressed, 1 something did, 2 a run cannot be read.

        \b
        Examples:
          harness/gauntlet compare 20261125T094518Z-01df latest
          harness/gauntlet compare runs/a runs/b --html difference.html
        """
        # Only now: templates are no part of what every other command starts with.
        from gauntlet_harness.compare import write_comparison

        outputs = {"json": as_json, "markdown": markdown, "html": html}
        return write_comparison(root(), (before, after), outputs, band)

    return compare
