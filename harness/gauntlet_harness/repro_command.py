"""The command ``harness/gauntlet repro``, alone and as the test of ``git bisect run``."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import click

from gauntlet_harness import repro as repro_module
from gauntlet_harness.cases import Profile
from gauntlet_harness.color import make_console
from gauntlet_harness.command_options import PROFILES, suite_options
from gauntlet_harness.errors import STATUS_FAILED, STATUS_OK, UsageError
from gauntlet_harness.list_command import built_cases
from gauntlet_harness.repetitions import Repetitions, repetitions_from, repetitions_of_rate
from gauntlet_harness.repro import STATUS_CANNOT_TELL
from gauntlet_harness.runner import Job
from gauntlet_harness.seeds import parse_seed
from gauntlet_harness.suite import find_case

# From 128 on `git bisect run` stops instead of taking the status for a verdict.
STATUS_STOP = 130


def for_bisect(command: Callable[[], int]) -> int:
    """Run a command; return 0 for good, 1 for bad, 125 where it cannot tell, 130 for Ctrl-C.

    Left as they are, refusals and failures of the harness would blame a revision.
    """
    try:
        status = command()
    except Exception:
        traceback.print_exc()
        return STATUS_CANNOT_TELL
    known = (STATUS_OK, STATUS_FAILED, STATUS_STOP)
    return status if status in known else STATUS_CANNOT_TELL


def repro_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout whose runs/ the names are looked up in."""

    @click.command()
    @click.argument("case")
    @click.option("--seed", metavar="N", help="The case's seed, as a failure printed it.")
    @click.option("--profile", type=PROFILES, help="As in the run; default smoke.")
    @click.option("--repeat", type=click.IntRange(1, 1_000_000), metavar="K", help="So many times.")
    @click.option(
        "--rate",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="P",
        help="As often as a failure of this rate (0 to 1) needs to be seen.",
    )
    @click.option(
        "--from", "run", metavar="RUN", help="The same with seed and rate of this run's attempts."
    )
    @click.option(
        "--bisect", is_flag=True, help="Exit as `git bisect run` wants; see docs/bisect.md."
    )
    @suite_options
    def repro(
        case: str,
        seed: str | None,
        profile: Profile | None,
        repeat: int | None,
        rate: float | None,
        run: str | None,
        bisect: bool,
        suites: tuple[Path, ...],
        preset: str | None,
        no_setup: bool,
    ) -> int:
        """Run one case again, exactly, and show all it has to say.

        Exit status 0 when it passed every time, 1 when it failed, 125 when this
        machine cannot tell. With --bisect it stops at the first failure, and 125 is
        also a build that fails, a case that is not there, and any other trouble.

        \b
        Examples:
          harness/gauntlet repro ChannelRaces.AcceptedMessagesComeOut/pipe --seed 11 --repeat 20
          git bisect run harness/gauntlet repro CASE --seed 11 --rate 0.2 --bisect
        """
        if sum(given is not None for given in (repeat, rate, run)) > 1:
            raise UsageError("give one of --repeat, --rate and --from: each says how many times")
        if run is not None:
            asked = repetitions_from(root(), run, case)
        elif rate is not None:
            asked = repetitions_of_rate(rate)
        else:
            asked = Repetitions(times=repeat or 1)
        own_seed = asked.seed if seed is None else parse_seed(seed)
        if own_seed is None:
            raise UsageError("repro needs the seed of the failure: --seed N, or --from RUN")
        chosen: Profile = profile or asked.profile or "smoke"
        listed = built_cases(root(), suites, preset, chosen, no_setup=no_setup)
        entry = find_case(listed, case)
        console = make_console()
        if asked.why:
            console.print(asked.why, markup=False, soft_wrap=True)
        job = Job(entry.suite, entry.case, chosen, 0, own_seed=own_seed)
        return repro_module.repeat(job, asked.times, console, until_failure=bisect)

    return repro
