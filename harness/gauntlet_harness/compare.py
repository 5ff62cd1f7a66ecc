"""Two runs by their names, held against each other and written in every form that is asked for."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

from gauntlet_harness.color import use_color
from gauntlet_harness.errors import UsageError
from gauntlet_harness.run_folder import find_run
from gauntlet_reports.comparison import Comparison, compare
from gauntlet_reports.comparison_html import render_comparison_html
from gauntlet_reports.comparison_input import ComparisonInputError, load_for_comparison
from gauntlet_reports.comparison_json import render_comparison_json
from gauntlet_reports.comparison_markdown import render_comparison_markdown
from gauntlet_reports.comparison_terminal import comparison_lines
from gauntlet_reports.measurements import DEFAULT_BAND
from gauntlet_reports.run_data import RunData
from gauntlet_reports.write import write_whole

_STDOUT = Path("-")
_RENDERERS: dict[str, Callable[[Comparison], str]] = {
    "json": render_comparison_json,
    "markdown": render_comparison_markdown,
    "html": render_comparison_html,
}


def write_comparison(
    root: Path, names: tuple[str, str], outputs: dict[str, Path | None], band: float | None
) -> int:
    """Compare, write each output that has a file, and return the exit status."""
    factor = checked_band(band)
    dashes = [form for form, path in outputs.items() if path == _STDOUT]
    if len(dashes) > 1:
        raise UsageError(f"--{dashes[0]} and --{dashes[1]} cannot both go to stdout")
    before, after = (load_side(root, name) for name in names)
    found = compare(before, after, factor)
    for form, path in outputs.items():
        if path is not None:
            _deliver(path, _RENDERERS[form](found))
    if not dashes:
        print("\n".join(comparison_lines(found, color=use_color())))
    return found.status


def checked_band(band: float | None) -> float:
    """Return the factor by which values may differ; what is no factor above 1 is a UsageError."""
    if band is None:
        return DEFAULT_BAND
    if not (math.isfinite(band) and band > 1):
        raise UsageError(f"--band {band:g}: a factor above 1 is needed")
    return band


def load_side(root: Path, name: str) -> RunData:
    """Return a run by its folder, its name or its results.json; else a UsageError."""
    path = Path(name)
    if not (path.is_file() or path.is_dir() or path.is_symlink()):
        path = find_run(root, name).path
    try:
        return load_for_comparison(path)
    except ComparisonInputError as error:
        raise UsageError(str(error)) from None


def _deliver(path: Path, text: str) -> None:
    if path == _STDOUT:
        sys.stdout.write(text)
        return
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # A pipe or a terminal is not to be replaced.
        else:
            write_whole(path, text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
