"""The reports of a run, as text or as files that are never seen half written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from gauntlet_reports.background import Background, background_of
from gauntlet_reports.ctrf_report import render_ctrf
from gauntlet_reports.html_report import render_html
from gauntlet_reports.json_report import render_json
from gauntlet_reports.junit_report import render_junit
from gauntlet_reports.ktap_report import render_ktap
from gauntlet_reports.markdown_report import render_markdown
from gauntlet_reports.profile import profile_of
from gauntlet_reports.profile_json import render_profile_json
from gauntlet_reports.run_data import RunData, load_run

Format = Literal["html", "json", "junit", "ktap", "ctrf", "markdown"]

_RENDERERS: dict[Format, Callable[[RunData], str]] = {
    "html": render_html,
    "json": render_json,
    "junit": render_junit,
    "ktap": render_ktap,
    "ctrf": render_ctrf,
    "markdown": render_markdown,
}


def render(run: RunData, fmt: Format) -> str:
    """One report as text; the same run always gives the same text."""
    return _RENDERERS[fmt](run)


def write_reports(folder: Path, look_back: Callable[[RunData], Background] = background_of) -> None:
    """Write the reports into a run folder, each whole or not at all.

    They are results.json, junit.xml, ctrf.json, index.html and profile.json. `look_back` tells the
    page what lies behind the run; without it the page tells of the run alone. Raises OSError when
    the folder cannot be written.
    """
    run = load_run(folder)
    reports: tuple[tuple[str, Format], ...] = (
        ("results.json", "json"),
        ("junit.xml", "junit"),
        ("ctrf.json", "ctrf"),
    )
    for name, fmt in reports:
        write_whole(folder / name, render(run, fmt))
    write_whole(folder / "index.html", render_html(run, look_back(run)))
    write_whole(folder / "profile.json", render_profile_json(profile_of(run)))


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step: a reader, or a crash, finds the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
