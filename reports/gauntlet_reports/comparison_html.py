"""A comparison as one page that needs neither a network nor a script."""

from __future__ import annotations

from markupsafe import Markup

from gauntlet_reports.changes import KINDS
from gauntlet_reports.comparison import Comparison
from gauntlet_reports.comparison_words import (
    band_words,
    by_kind,
    interval_words,
    ratio_words,
    systems_words,
    texts_words,
)
from gauntlet_reports.outcomes import LOOKS
from gauntlet_reports.page_parts import icon, page_environment, page_file, source_hash
from gauntlet_reports.text import count

# More of one table is no reading matter; the JSON holds them all.
_SHOWN_CHANGES = 1000
_SHOWN_VALUES = 300
_SHOWN_DIFF_LINES = 60
_GOOD, _BAD = "#009e73", "#d55e00"


def render_comparison_html(comparison: Comparison) -> str:
    """The page as text; everything that came from a test is escaped and made visible."""
    style = page_file("page.css") + page_file("comparison.css")
    environment = page_environment()
    environment.globals |= {
        "count": count,
        "kinds": KINDS,
        "looks": LOOKS,
        "interval_words": interval_words,
        "ratio_words": ratio_words,
        "texts_words": texts_words,
    }
    good = not comparison.regressed
    return environment.get_template("comparison.html.j2").render(
        comparison=comparison,
        style=Markup(style),
        style_hash=source_hash(style),
        icon=icon(_GOOD if good else _BAD, good),
        glyph=LOOKS["pass" if good else "fail"].glyph,
        sections=by_kind(comparison),
        systems_words=systems_words(comparison),
        band_words=band_words(comparison),
        shown_changes=_SHOWN_CHANGES,
        shown_values=_SHOWN_VALUES,
        shown_lines=_SHOWN_DIFF_LINES,
    )
