"""A behaviour profile, or two side by side, as one page that needs no network and no script."""

from __future__ import annotations

from markupsafe import Markup

from gauntlet_reports.page_parts import icon, page_environment, page_file, source_hash
from gauntlet_reports.profile import SideBySide
from gauntlet_reports.profile_words import (
    headline,
    mark_words,
    rule_words,
    sections,
    sides,
    system_words,
)

_COLOUR = "#0072b2"


def render_profile_html(view: SideBySide, differing: bool = False) -> str:
    """The page as text; everything that came from a test is escaped and made visible."""
    style = page_file("page.css") + page_file("comparison.css")
    environment = page_environment()
    environment.globals |= {
        "mark_words": mark_words,
        "sides": lambda row: sides(row, view),
        "system_words": system_words,
    }
    return environment.get_template("profile.html.j2").render(
        view=view,
        style=Markup(style),
        style_hash=source_hash(style),
        icon=icon(_COLOUR, good=True),
        headline=headline(view),
        rule=rule_words(view),
        sections=sections(view, differing),
    )
