"""The commands ``nightly`` and ``digest`` as the command line offers them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click


def nightly_command(root: Callable[[], Path], build: Callable[[str, bool], None]) -> click.Command:
    """Return ``nightly``; ``build`` makes the suites of a preset, unless told not to."""

    @click.command()
    @click.argument("config", type=click.Path(dir_okay=False, path_type=Path))
    @click.option(
        "--resume", is_flag=True, help="Only finish a night that was cut short, if there is one."
    )
    @click.option("--no-setup", is_flag=True, help="Neither install nor build anything.")
    def nightly(config: Path, resume: bool, no_setup: bool) -> int:
        """Run a night: every case once, then again where chance can find more.

        CONFIG names the targets, the budget, the expectations, the baseline and
        where the digest goes; docs/nightly.md has a whole one. A night that was
        killed is finished first. SIGTERM ends it with the reports of what it has.

        \b
        Exit status: as validate.

        \b
        Example:
          harness/gauntlet nightly /etc/gauntlet/night.toml
        """
        # Only now: mail and comparisons are no part of what every other command starts with.
        from gauntlet_harness.nightly import run_nights

        command = ["harness/gauntlet", *sys.argv[1:]]
        return run_nights(
            root(), config, command, lambda preset: build(preset, no_setup), only_resume=resume
        )

    return nightly


def digest_command(root: Callable[[], Path]) -> click.Command:
    """Return ``digest``; ``root`` tells the checkout whose runs/ the names are looked up in."""

    @click.command()
    @click.argument("run")
    @click.option(
        "--baseline",
        default="previous",
        metavar="RUN",
        help="What to compare with: a run or a results.json; default the night before.",
    )
    @click.option(
        "--format", "form", type=click.Choice(["text", "markdown"]), default="text",
        help="Default text.",
    )  # fmt: skip
    def digest(run: str, baseline: str, form: str) -> int:
        """Say in one answer what a run changed, with what bears it out.

        RUN is a folder, a name under runs/ or `latest`.

        \b
        Exit status: 0 nothing is wrong, 1 something failed or regressed,
        2 a run cannot be read, 3 trouble of the machine or the harness.

        \b
        Example:
          harness/gauntlet digest latest --baseline 20261125T094518Z-01df
        """
        from gauntlet_harness.digest_send import render_digest
        from gauntlet_harness.digests import find_baseline, make_digest
        from gauntlet_harness.run_folder import find_readable_run

        folder = find_readable_run(root(), run)
        runs = folder.path.parent
        before = find_baseline(root(), runs, baseline, folder, Path())
        made = make_digest(root(), folder, before)
        sys.stdout.write(render_digest(made, "markdown" if form == "markdown" else "text"))
        return made.status

    return digest
