"""The command line: what ``harness/gauntlet`` does once the launcher has set everything up."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

import gauntlet_harness
from gauntlet_harness import doctor as doctor_module
from gauntlet_harness import selftest as selftest_module
from gauntlet_harness.bench_command import bench_command
from gauntlet_harness.build import BuildFailedError, ensure_built
from gauntlet_harness.color import make_console
from gauntlet_harness.command_options import minimal
from gauntlet_harness.command_options import no_setup as no_setup_option
from gauntlet_harness.compare_command import compare_command
from gauntlet_harness.errors import STATUS_MACHINE, STATUS_OK, GauntletError, UsageError
from gauntlet_harness.expect_command import expect_command
from gauntlet_harness.list_command import list_command
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.nightly_command import digest_command, nightly_command
from gauntlet_harness.profile_command import profile_command
from gauntlet_harness.report_command import report_command
from gauntlet_harness.repro_command import STATUS_STOP, for_bisect, repro_command
from gauntlet_harness.store_command import store_command
from gauntlet_harness.subjects_command import subjects_command
from gauntlet_harness.validate import default_jobs
from gauntlet_harness.validate_command import validate_command

ROOT = Path(os.environ.get("GAUNTLET_ROOT") or Path(__file__).resolve().parents[2])


class _Commands(click.Group):
    """A group that proposes near names for a command that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            near = did_you_mean(args[0], self.list_commands(ctx))
            raise UsageError(f"there is no command '{args[0]}'{near or '; try --help'}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # Not by name, as click would.


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(gauntlet_harness.__version__, prog_name="gauntlet")
def app() -> None:
    """Tell whether inter-process communication does what it promises.

    \b
    Start with:
      harness/gauntlet validate              run every case, briefly
      harness/gauntlet doctor                see what this machine lacks

    \b
    Exit status: 0 all passed or was expected, 1 something failed,
    2 wrong usage, 3 the harness or the machine failed.
    """


@click.command()
@click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="Tests at once.")
@click.option("--preset", metavar="NAME", default="release", help="The build to test.")
@no_setup_option
@minimal
def selftest(jobs: int | None, preset: str, no_setup: bool) -> int:
    """Run the project's own tests: ctest, pytest, mypy and ruff."""
    ensure_built(ROOT, preset, no_setup=no_setup)
    todo = selftest_module.steps(ROOT, preset, jobs or default_jobs())
    return selftest_module.run_steps(ROOT, todo, lambda line: print(line, flush=True))


@click.command()
@click.option("--preset", metavar="NAME", default="release", help="The build to look at.")
@no_setup_option
def doctor(preset: str, no_setup: bool) -> int:
    """Show what this machine has, what it lacks, and how to get that."""
    findings = doctor_module.examine(ROOT, preset)
    doctor_module.show(findings, make_console())
    lacking = any(finding.status == "lacks" for finding in findings)
    return STATUS_MACHINE if lacking else STATUS_OK


def _root() -> Path:
    return ROOT


# What one needs first comes first: --help shows them in this order.
for _command in (
    validate_command(_root),
    selftest,
    list_command(_root),
    subjects_command(_root),
    repro_command(_root),
    report_command(_root),
    doctor,
    compare_command(_root),
    expect_command(_root),
    profile_command(_root),
    store_command(_root),
    nightly_command(_root, lambda preset, bare: ensure_built(ROOT, preset, no_setup=bare)),
    digest_command(_root),
    bench_command(_root),
):
    app.add_command(_command)


def main() -> int:
    """Run the command line; every refusal is one line on stderr and its exit status."""
    return for_bisect(_main) if _bisecting() else _main()


def _bisecting() -> bool:
    return "--bisect" in sys.argv[1:]


def _main() -> int:
    try:
        status = app.main(prog_name="harness/gauntlet", standalone_mode=False)
        sys.stdout.flush()  # Here a reader who has gone away is still ours to handle.
        return status if isinstance(status, int) else STATUS_OK
    except BuildFailedError as error:
        return error.status
    except GauntletError as error:
        return _refuse(str(error), error.status)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return UsageError.status
    except click.ClickException as error:
        return _refuse(error.format_message(), UsageError.status)
    except (click.Abort, KeyboardInterrupt):
        return _refuse("interrupted", STATUS_STOP if _bisecting() else STATUS_MACHINE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return STATUS_OK
    except OSError as error:
        where = f" ({shlex.quote(str(error.filename))})" if error.filename else ""
        return _refuse(f"{error.strerror or error}{where}", STATUS_MACHINE)


def run() -> None:
    """Be the installed ``gauntlet`` script."""
    sys.exit(main())


def _refuse(message: str, status: int) -> int:
    print(f"gauntlet: {' '.join(message.split())}", file=sys.stderr)
    return status
