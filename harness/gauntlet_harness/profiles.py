"""``profile``: one or two behaviour profiles by the names of their runs, printed in one form."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from gauntlet_harness.color import use_color
from gauntlet_harness.compare import checked_band, load_side
from gauntlet_harness.errors import STATUS_OK, UsageError
from gauntlet_reports.comparison_input import ComparisonInputError
from gauntlet_reports.profile import Profile, SideBySide, profile_of, side_by_side
from gauntlet_reports.profile_html import render_profile_html
from gauntlet_reports.profile_json import (
    is_profile,
    read_profile,
    render_profile_json,
    render_profiles_json,
)
from gauntlet_reports.profile_markdown import render_profile_markdown
from gauntlet_reports.profile_terminal import profile_lines


def print_profile(
    root: Path, names: tuple[str, str | None], form: str, band: float | None, *, differing: bool
) -> int:
    """Print the profile of a run, or two side by side; return the exit status."""
    first, second = names
    if differing and second is None:
        raise UsageError("--differing needs two runs")
    if differing and form == "json":
        raise UsageError("--differing: the JSON always holds every row, with its difference")
    before = _load(root, first)
    after = None if second is None else _load(root, second)
    view = side_by_side(before, after, checked_band(band))
    sys.stdout.write(_RENDERERS[form](view, differing))
    return STATUS_OK


def _load(root: Path, name: str) -> Profile:
    path = Path(name)
    if path.is_file() and is_profile(path):
        try:
            return read_profile(path)
        except ComparisonInputError as error:
            raise UsageError(str(error)) from None
    return profile_of(load_side(root, name))


def _text(view: SideBySide, differing: bool) -> str:
    return "\n".join(profile_lines(view, use_color(), differing)) + "\n"


def _json(view: SideBySide, _differing: bool) -> str:
    return render_profile_json(view.before) if view.after is None else render_profiles_json(view)


_RENDERERS: dict[str, Callable[[SideBySide, bool], str]] = {
    "text": _text,
    "json": _json,
    "markdown": render_profile_markdown,
    "html": render_profile_html,
}
