"""The command ``harness/gauntlet validate`` as the command line offers it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from gauntlet_harness.build import ensure_built
from gauntlet_harness.cases import Profile
from gauntlet_harness.command_options import PROFILES, SELECT_HELP, suite_options
from gauntlet_harness.durations import parse_budget
from gauntlet_harness.errors import UsageError
from gauntlet_harness.resume import resume_run
from gauntlet_harness.seeds import parse_seed
from gauntlet_harness.validate import Request, start_run


def validate_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout with the build and the runs/ folder."""

    @click.command()
    @click.option("--profile", type=PROFILES, help="How much each case does; default smoke.")
    @click.option("--select", "selection", metavar="EXPR", help=SELECT_HELP)
    @click.option("--target", default="local", metavar="NAME", help="The system: local.")
    @click.option("--seed", metavar="N", help="The master seed; drawn and printed unless given.")
    @click.option(
        "--jobs",
        type=click.IntRange(1, 4096),
        metavar="N",
        help="Cases at once; default: three a CPU.",
    )
    @click.option("--budget", metavar="TIME", help="Start no case after this time, such as 10m.")
    @click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The run's folder.")
    @click.option("--resume", metavar="RUN", help="Go on with a run that was cut short.")
    @click.option(
        "--rerun/--no-rerun",
        default=None,
        help="Run failed cases again and tell what kind of failure it is; default: not in smoke.",
    )
    @click.option(
        "--store",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The store to add the run to; default runs/store.sqlite, with --out none.",
    )
    @suite_options
    def validate(
        profile: Profile | None,
        selection: str | None,
        target: str,
        seed: str | None,
        jobs: int | None,
        budget: str | None,
        out: Path | None,
        resume: str | None,
        rerun: bool | None,
        store: Path | None,
        suites: tuple[Path, ...],
        preset: str | None,
        no_setup: bool,
    ) -> int:
        """Run the cases on this system and write a report.

        The last line printed is the run's folder; open its index.html.

        \b
        Examples:
          harness/gauntlet validate
          harness/gauntlet validate --select "pipes and crashes and not fifo"
          harness/gauntlet validate --profile soak --budget 2h --seed 7
          harness/gauntlet validate --resume latest
        """
        if target != "local":
            raise UsageError(f"--target {target}: there is only 'local' so far")

        def prepare(preset: str) -> None:
            ensure_built(root(), preset, no_setup=no_setup)

        request = Request(
            profile=profile,
            selection=selection,
            seed=None if seed is None else parse_seed(seed),
            jobs=jobs,
            budget_s=None if budget is None else parse_budget(budget),
            out=out,
            suites=suites,
            preset=preset,
            command=["harness/gauntlet", *sys.argv[1:]],
            rerun=rerun,
            store=store,
        )
        if resume:
            return resume_run(root(), resume, request, prepare)
        return start_run(root(), request, prepare)

    return validate
