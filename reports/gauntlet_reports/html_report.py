"""index.html: one page that needs no network, readable without its script, quick with it."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from markupsafe import Markup

from gauntlet_reports.background import Background
from gauntlet_reports.changes import KINDS
from gauntlet_reports.comparison_words import by_kind
from gauntlet_reports.failure_groups import failure_groups, groups_not_met, signatures_of
from gauntlet_reports.groups import (
    NO_SUBJECT,
    expired_entries,
    failures,
    kernel_reports,
    matrix,
    reasons,
    shared_rooms,
    slowest,
)
from gauntlet_reports.history import history_words
from gauntlet_reports.interruptions import interrupted_calls
from gauntlet_reports.outcomes import (
    LOOKS,
    MACHINE,
    STATUS_FAILED,
    STATUS_OK,
    Entry,
    Outcome,
    counted,
    entries,
    headline,
    message_of,
    overall_status,
    repro_of,
    state_words,
    status_words,
    totals,
)
from gauntlet_reports.overview import overview, trouble_words
from gauntlet_reports.page_data import page_json, shown_whole
from gauntlet_reports.page_parts import icon, page_environment, page_file, source_hash
from gauntlet_reports.run_data import RunData
from gauntlet_reports.system_facts import system_groups, system_line
from gauntlet_reports.text import clipped, count, duration, moment, one_line
from gauntlet_reports.trends import PLOT_HEIGHT, PLOT_WIDTH

_SCRIPTS = ("model.js", "history.js", "drawer.js", "list.js")
# Failures beyond these are shortened in the part that needs no script; the list has them all.
_FULL_FAILURES = 40
_NAMED_FAILURES = 300
_SHOWN_GROUPS = 60
# Of each class of changes; the comparison has a page of its own.
_SHOWN_CHANGES = 30
_ICON_COLOURS = {STATUS_OK: "#009e73", STATUS_FAILED: "#d55e00"}


def render_html(run: RunData, background: Background | None = None) -> str:
    """The page as text; everything that came from a test is escaped and made visible."""
    background = background or Background()
    listed = entries(run)
    signatures = signatures_of(listed)
    groups = failure_groups(listed, signatures, run.folder, background.history)
    style = page_file("page.css") + page_file("past.css")
    script = "\n".join(page_file(name) for name in _SCRIPTS)
    environment = page_environment()
    environment.globals |= {
        "address": _address,
        "history_words": lambda entry: _history_words(background, entry),
        "kinds": KINDS,
        "count": count,
        "counted": counted,
        "looks": LOOKS,
        "message_of": message_of,
        "repro_of": lambda entry: repro_of(entry, run),
    }
    status = overall_status(run)
    return environment.get_template("page.html.j2").render(
        run=run,
        style=Markup(style),
        script=Markup(script),
        style_hash=source_hash(style),
        script_hash=source_hash(script),
        data=Markup(page_json(run, listed, signatures, background)),
        icon=icon(_ICON_COLOURS.get(status, "#e69f00"), status == STATUS_OK),
        status_class={STATUS_OK: "good", STATUS_FAILED: "bad"}.get(status, "trouble"),
        status_glyph={STATUS_OK: LOOKS["pass"].glyph, STATUS_FAILED: LOOKS["fail"].glyph}.get(
            status, LOOKS["error"].glyph
        ),
        status_words=status_words(run),
        headline=headline(run),
        totals=_totals(run),
        bar=_bar(_totals(run)),
        total=len(listed),
        overview=overview(run, listed, groups, background),
        facts=_facts(run),
        system_line=system_line(run.info.get("fingerprint")),
        system=system_groups(run.info.get("fingerprint"), run.info.get("versions")),
        trouble_words=trouble_words(run, listed),
        kernel=kernel_reports(listed),
        trouble=[entry for entry in listed if entry.outcome in MACHINE],
        red=failures(listed),
        full_failures=_FULL_FAILURES,
        named_failures=_NAMED_FAILURES,
        groups=groups,
        groups_not_met=groups_not_met(groups, background.history),
        shown_groups=_SHOWN_GROUPS,
        baseline=background.baseline,
        changes=by_kind(background.baseline) if background.baseline else [],
        shown_changes=_SHOWN_CHANGES,
        expired=expired_entries(listed),
        history=background.history,
        plot_width=PLOT_WIDTH,
        plot_height=PLOT_HEIGHT,
        matrix=matrix(listed),
        no_subject=NO_SUBJECT,
        interrupted=interrupted_calls(listed),
        reasons=reasons(listed),
        shared=shared_rooms(listed),
        slowest=slowest(listed),
    )


def _history_words(background: Background, entry: Entry) -> str:
    """The last nights of a case in words, ``""`` where nothing is known of them."""
    strips = background.history.strips if background.history else {}
    strip = strips.get(entry.case.name, "")
    return history_words(strip) if len(strip) > 1 else ""


def _address(**filters: object) -> str:
    """The fragment that filters the list, for instance ``#method=pipes&kind=races``."""
    kept = {k: shown_whole(str(v)) for k, v in filters.items() if v not in (None, "")}
    return "#" + urlencode(kept, quote_via=quote)


def _totals(run: RunData) -> list[tuple[Outcome, int]]:
    """Outcomes that occurred and how often, in the order of the headline: passes, then worst."""
    found = [(outcome, number) for outcome, number in totals(run).items() if number]
    return sorted(found, key=lambda item: item[0] != "pass")


def _bar(counts: list[tuple[Outcome, int]]) -> list[tuple[Outcome, float, float]]:
    """Outcome, offset and width in percent of each part; one case among thousands is still seen."""
    weights = [max(number, sum(n for _, n in counts) / 150) for _, number in counts]
    parts: list[tuple[Outcome, float, float]] = []
    offset = 0.0
    for (outcome, _), weight in zip(counts, weights, strict=True):
        width = 100 * weight / sum(weights)
        parts.append((outcome, round(offset, 3), round(width, 3)))
        offset += width
    return parts


def _facts(run: RunData) -> list[tuple[str, str]]:
    took = duration(run.elapsed_s * 1000) if run.elapsed_s is not None else ""
    facts = [
        ("Seed", run.text("seed")),
        ("Profile", run.text("profile")),
        ("Selection", run.text("selection") or "everything"),
        ("Started", moment(run.started)),
        ("Took", took),
        ("State", state_words(run)),
        ("Run", run.folder),
        ("Command", run.text("command")),
    ]
    return [(name, one_line(clipped(value, 500))) for name, value in facts if value]
