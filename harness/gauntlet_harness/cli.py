"""The command line: what ``harness/gauntlet`` does once the launcher has set everything up."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

import gauntlet_harness
from gauntlet_harness import doctor as doctor_module
from gauntlet_harness import selftest as selftest_module
from gauntlet_harness.build import BuildFailedError, ensure_built
from gauntlet_harness.cases import KINDS, Case, Profile
from gauntlet_harness.compare_command import compare_command
from gauntlet_harness.durations import parse_budget
from gauntlet_harness.errors import STATUS_MACHINE, STATUS_OK, GauntletError, UsageError
from gauntlet_harness.expect_command import expect_command
from gauntlet_harness.near import did_you_mean
from gauntlet_harness.nightly_command import digest_command, nightly_command
from gauntlet_harness.profile_command import profile_command
from gauntlet_harness.repro_command import STATUS_STOP, for_bisect, repro_command
from gauntlet_harness.run_folder import find_run
from gauntlet_harness.seeds import parse_seed
from gauntlet_harness.selection import select
from gauntlet_harness.store_command import store_command
from gauntlet_harness.subjects import list_subjects, updated
from gauntlet_harness.subjects import markdown as subjects_markdown
from gauntlet_harness.suite import Listed, find_suites, list_all
from gauntlet_harness.validate import Request, default_jobs, resume_run, start_run

ROOT = Path(os.environ.get("GAUNTLET_ROOT") or Path(__file__).resolve().parents[2])
_PROFILES = click.Choice(["smoke", "full", "soak"])
_FORMATS = click.Choice(["html", "json", "junit", "ktap", "ctrf", "markdown"])
_SELECT_HELP = (
    "Only the cases that match: words with and, or, not and parentheses. A word is a method,"
    " kind, subject or contract, or a part of a name or clause; method:pipes asks one field."
)


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
        return list(self.commands)  # In the order of this file: what one needs first comes first.


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


# The launcher has acted on it before Python started; here it is only known, and explained.
_minimal = click.option(
    "--minimal",
    is_flag=True,
    expose_value=False,
    help="Install no component: brokers and libraries that subjects are adapters of.",
)


def _suite_options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--no-setup", is_flag=True, help="Neither install nor build anything."),
        _minimal,
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


@app.command()
@click.option("--profile", type=_PROFILES, help="How much each case does; default smoke.")
@click.option("--select", "selection", metavar="EXPR", help=_SELECT_HELP)
@click.option("--target", default="local", metavar="NAME", help="The system to validate: local.")
@click.option("--seed", metavar="N", help="The master seed; drawn and printed unless given.")
@click.option(
    "--jobs", type=click.IntRange(1, 4096), metavar="N", help="Cases at once; default: three a CPU."
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
@_suite_options
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
        ensure_built(ROOT, preset, no_setup=no_setup)

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
        return resume_run(ROOT, resume, request, prepare)
    return start_run(ROOT, request, prepare)


@app.command()
@click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="Tests at once.")
@click.option("--preset", metavar="NAME", default="release", help="The build to test.")
@click.option("--no-setup", is_flag=True, help="Neither install nor build anything.")
@_minimal
def selftest(jobs: int | None, preset: str, no_setup: bool) -> int:
    """Run the project's own tests: ctest, pytest, mypy and ruff."""
    ensure_built(ROOT, preset, no_setup=no_setup)
    todo = selftest_module.steps(ROOT, preset, jobs or default_jobs())
    return selftest_module.run_steps(ROOT, todo, lambda line: print(line, flush=True))


@app.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
@click.option("--select", "selection", metavar="EXPR", help=_SELECT_HELP)
@click.option("--profile", type=_PROFILES, default="smoke", hidden=True)
@_suite_options
def list_cases(
    as_json: bool,
    selection: str | None,
    profile: Profile,
    suites: tuple[Path, ...],
    preset: str | None,
    no_setup: bool,
) -> int:
    """Show the cases, what each holds against whom, and what it needs.

    \b
    Examples:
      harness/gauntlet list --select "semaphores and races"
      harness/gauntlet list --json | jq -r '.[].name'
    """
    listed = _listed(suites, preset, profile, no_setup)
    cases = select(selection, [entry.case for entry in listed])
    if as_json:
        keys = ("name", "method", "kind", "subject", "contract", "clause", "needs")
        rows = [{key: msgspec.to_builtins(case)[key] for key in keys} for case in cases]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif sys.stdout.isatty():
        Console().print(_table(cases))
    else:
        for case in cases:
            cells = (case.name, case.method, case.kind, case.subject or "-", case.clause or "-")
            print("\t".join(" ".join(cell.split()) for cell in cells))
    return STATUS_OK


def _listed(
    suites: tuple[Path, ...], preset: str | None, profile: Profile, no_setup: bool
) -> list[Listed]:
    """Return the cases of the given suites, or of the built ones after building them."""
    if not suites:
        ensure_built(ROOT, preset or "release", no_setup=no_setup)
    return list_all(find_suites(ROOT, preset or "release", suites), profile)


def _table(cases: list[Case]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), caption=f"{len(cases)} cases")
    for heading in ("method", "kind", "subject", "case", "promise"):
        table.add_column(heading, overflow="fold")
    places = {kind: place for place, kind in enumerate(KINDS)}
    for case in sorted(cases, key=lambda c: (c.method, places.get(c.kind, 9), c.name)):
        test = case.name.partition(".")[2].partition("/")[0]
        cells = (case.method, case.kind, case.subject or "", test, case.clause or "")
        table.add_row(*(Text(cell) for cell in cells))
    return table


@app.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array with claims, for programs.")
@click.option("--markdown", "as_markdown", is_flag=True, help="A table of methods and subjects.")
@click.option(
    "--update",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Put that table between its marks in FILE, such as README.md.",
)
@_suite_options
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
    listed = _listed(suites, preset, "smoke", no_setup)
    known = list_subjects(find_suites(ROOT, preset or "release", suites))
    if as_json:
        print(json.dumps(msgspec.to_builtins(known), indent=1, ensure_ascii=False))
    elif as_markdown or update:
        table = subjects_markdown(known, [entry.case for entry in listed])
        if update is None:
            print(table, end="")
        else:
            update.write_text(updated(update.read_text(encoding="utf-8"), table), encoding="utf-8")
    else:
        for subject in known:
            cells = (subject.name, subject.method, subject.contract, subject.description)
            print("\t".join(" ".join(cell.split()) for cell in cells))
    return STATUS_OK


app.add_command(repro_command(lambda: ROOT, _suite_options, _listed))


@app.command()
@click.argument("run")
@click.option("--format", "form", type=_FORMATS, help="To stdout; without it index.html is made.")
@click.option("--baseline", metavar="RUN", help="The page tells what changed since that run.")
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The page's history; default store.sqlite beside the run, where there is one.",
)
def report(run: str, form: str | None, baseline: str | None, store: Path | None) -> int:
    """Make the report of a run again, or print it in another form.

    RUN is a folder, a name under runs/ or `latest`.

    \b
    Examples:
      harness/gauntlet report latest
      harness/gauntlet report latest --baseline 20261125T094518Z-01df
      harness/gauntlet report latest --format markdown
    """
    folder = find_run(ROOT, run).path
    import gauntlet_reports
    from gauntlet_harness.compare import load_side
    from gauntlet_harness.report import write_reports

    if form is None or form == "html":
        against = load_side(ROOT, baseline) if baseline is not None else None
        try:
            write_reports(folder, against, store)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None
        print(folder / "index.html")
        return STATUS_OK
    for option, given in (("--baseline", baseline), ("--store", store)):
        if given is not None:
            raise UsageError(f"{option} is for the page: leave out --format {form}")
    data = gauntlet_reports.load_run(folder)
    text = gauntlet_reports.render(data, form)  # type: ignore[arg-type]  # click.Choice checked it
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return STATUS_OK


@app.command()
@click.option("--preset", metavar="NAME", default="release", help="The build to look at.")
@click.option("--no-setup", is_flag=True, help="Neither install nor build anything.")
def doctor(preset: str, no_setup: bool) -> int:
    """Show what this machine has, what it lacks, and how to get that."""
    findings = doctor_module.examine(ROOT, preset)
    doctor_module.show(findings, Console(highlight=False))
    lacking = any(finding.status == "lacks" for finding in findings)
    return STATUS_MACHINE if lacking else STATUS_OK


_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


def _not_built_yet(name: str, purpose: str) -> None:
    def refuse() -> int:
        raise UsageError(f"{name} is not built yet")

    help_text = f"{purpose} (Not built yet.)"
    app.command(name=name, help=help_text, context_settings=_ANYTHING)(refuse)


app.add_command(compare_command(lambda: ROOT))
app.add_command(expect_command(lambda: ROOT))
app.add_command(profile_command(lambda: ROOT))
app.add_command(store_command(lambda: ROOT))
app.add_command(
    nightly_command(lambda: ROOT, lambda preset, bare: ensure_built(ROOT, preset, no_setup=bare))
)
app.add_command(digest_command(lambda: ROOT))
_not_built_yet("bench", "Measure the reference beside its peers.")


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
