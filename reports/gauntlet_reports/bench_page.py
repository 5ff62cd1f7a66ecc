"""The page of a bench: a dot plot and a table for each measurement, no network, no script."""

from __future__ import annotations

from markupsafe import Markup

from gauntlet_reports import bench_plot
from gauntlet_reports.bench import Bench, span
from gauntlet_reports.bench_plot import plot_of
from gauntlet_reports.bench_words import (
    headline,
    load_words,
    measured_words,
    options_words,
    outcome_words,
)
from gauntlet_reports.page_parts import icon, page_environment, page_file, source_hash
from gauntlet_reports.system_facts import system_groups, system_line
from gauntlet_reports.text import count, duration

_GOOD, _TROUBLE = "#009e73", "#e69f00"


def render_bench_html(bench: Bench) -> str:
    """The page as text; everything that was measured or named is escaped and made visible."""
    style = page_file("page.css") + page_file("comparison.css") + page_file("bench.css")
    environment = page_environment()
    environment.globals |= {
        "count": count,
        "geometry": bench_plot,
        "measured_words": measured_words,
        "outcome_words": outcome_words,
        "plot_of": plot_of,
        "span": span,
    }
    whole = bool(bench.aims) and all(aim.reached for aim in bench.aims)
    return environment.get_template("bench.html.j2").render(
        bench=bench,
        style=Markup(style),
        style_hash=source_hash(style),
        icon=icon(_GOOD if whole else _TROUBLE, good=whole),
        tone="good" if whole else "trouble",
        headline=headline(bench),
        load=load_words(bench),
        options=options_words(bench.options),
        took=duration(bench.elapsed_s * 1000),
        system_line=system_line(bench.fingerprint),
        system=system_groups(bench.fingerprint, bench.versions),
    )
