"""The command ``harness/gauntlet bench`` as the command line offers it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from gauntlet_harness.build import ensure_built
from gauntlet_harness.command_options import minimal
from gauntlet_harness.command_options import no_setup as no_setup_option


def bench_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout with the build and the runs/ folder."""

    @click.command()
    @click.option("--rows", metavar="1,2", help="Only these rows; default: all, 1 to 10.")
    @click.option(
        "--repetitions",
        type=click.IntRange(1, 1000),
        default=7,
        show_default=True,
        metavar="N",
        help="How often each row runs all its implementations in turn.",
    )
    @click.option("--quick", is_flag=True, help="Short: to see that everything runs, not how fast.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON document with every value.")
    @click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Where bench.json and index.html go; default: a new folder under runs/.",
    )
    @click.option("--preset", metavar="NAME", default="release", help="The build to measure.")
    @no_setup_option
    @minimal
    def bench(
        rows: str | None,
        repetitions: int,
        quick: bool,
        as_json: bool,
        out: Path | None,
        preset: str,
        no_setup: bool,
    ) -> int:
        """Measure the reference beside its peers, in turns.

        Takes minutes; leave the machine alone meanwhile. The last line printed is
        the folder; open its index.html. docs/bench.md tells how to read it.

        \b
        Exit status: 0 it was measured, and a missed aim does not change that;
        2 wrong usage; 3 it could not be measured.

        \b
        Examples:
          harness/gauntlet bench
          harness/gauntlet bench --rows 1,2 --repetitions 21
          harness/gauntlet bench --quick --json | jq '.tables[].aims[]'
        """
        # Only now: templates are no part of what every other command starts with.
        from gauntlet_harness.bench import BenchRequest, parse_rows, run_bench
        from gauntlet_reports.bench import Options

        options = Options(
            rows=parse_rows(rows), repetitions=repetitions, quick=quick, preset=preset
        )
        ensure_built(root(), preset, no_setup=no_setup)
        command = ["harness/gauntlet", *sys.argv[1:]]
        return run_bench(root(), BenchRequest(options, as_json, out, command))

    return bench
