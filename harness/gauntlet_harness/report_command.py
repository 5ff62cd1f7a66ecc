"""The command ``harness/gauntlet report`` as the command line offers it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from gauntlet_harness.errors import STATUS_OK, UsageError
from gauntlet_harness.run_folder import find_readable_run

_FORMATS = click.Choice(["html", "json", "junit", "ktap", "ctrf", "markdown"])


def report_command(root: Callable[[], Path]) -> click.Command:
    """Return the command; ``root`` tells the checkout whose runs/ the names are looked up in."""

    @click.command()
    @click.argument("run")
    @click.option("--format", "form", type=_FORMATS, help="To stdout; without it index.html.")
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
        # Only now: templates are no part of what every other command starts with.
        import gauntlet_reports
        from gauntlet_harness.compare import load_side
        from gauntlet_harness.report import write_reports

        folder = find_readable_run(root(), run).path
        if form is None or form == "html":
            against = load_side(root(), baseline) if baseline is not None else None
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

    return report
