"""How the parts of a behaviour profile are put into words, the same in every form of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from gauntlet_reports.comparison_words import NOTHING, interval_words
from gauntlet_reports.measurements import ENOUGH_VALUES
from gauntlet_reports.profile import Difference, Profile, Row, SideBySide, Topic, Value
from gauntlet_reports.text import count

MARKS: dict[Difference, str] = {
    "same": "",
    "differs": "\N{NOT EQUAL TO}",
    "not judged": "\N{QUESTIONED EQUAL TO}",
    "only before": "\N{LEFTWARDS ARROW}",
    "only after": "\N{RIGHTWARDS ARROW}",
}
"""A glyph beside the word, so that neither colour nor place alone tells of a difference."""

WORDS: dict[Difference, str] = {
    "same": "",
    "differs": "differs",
    "not judged": "differs, not judged",
    "only before": "not seen in the second",
    "only after": "not seen in the first",
}


_DIFFERING: tuple[Difference, ...] = ("differs", "not judged")


def sections(view: SideBySide, differing: bool) -> list[tuple[str, list[tuple[Topic, list[Row]]]]]:
    """The rows by method and topic; with ``differing`` those alone that differ, judged or not."""
    rows = [row for row in view.rows if not differing or row.difference in _DIFFERING]
    return [
        (
            method,
            [
                (topic, list(of_topic))
                for topic, of_topic in groupby(listed, lambda r: r.value.topic)
            ],
        )
        for method, listed in groupby(rows, lambda row: row.value.method)
    ]


def cell_words(value: Value | None, band: float) -> str:
    """One side of a row: a number with its interval, or what was observed."""
    if value is None:
        return NOTHING
    measured = value.interval(band)
    return interval_words(measured) if measured else "; ".join(value.texts)


def sides(row: Row, view: SideBySide) -> list[str]:
    """The cells of a row: one of a profile alone, two of two."""
    cells = [cell_words(row.before, view.band)]
    return cells if view.after is None else [*cells, cell_words(row.after, view.band)]


def mark_words(difference: Difference) -> str:
    """The glyph and the word of a difference; ``""`` for none."""
    return f"{MARKS[difference]} {WORDS[difference]}".strip()


def system_words(profile: Profile) -> str:
    """The system and the run in one line."""
    known = profile.fingerprint
    kernel, cpu = _mapping(known.get("kernel")), _mapping(known.get("cpu"))
    facts = [
        " ".join(str(kernel[name]) for name in ("name", "release", "machine") if name in kernel),
        str(known.get("libc", "")),
        str(known.get("distro", "")),
        f"{cpu.get('model', 'CPU')} ({cpu['cpus']} CPUs)" if "cpus" in cpu else "",
        f"profile {profile.effort}" if profile.effort else "",
        f"{count(profile.jobs, 'case')} at once" if profile.jobs else "",
        f"seed {profile.seed}" if profile.seed else "",
    ]
    return ", ".join(fact for fact in facts if fact) or "a system that is not known"


def headline(view: SideBySide) -> str:
    """What it comes to: how many values, and how many of them differ."""
    if view.after is None:
        return f"{count(len(view.rows), 'value')} of {view.before.run}."
    unjudged = view.count("not judged")
    both = view.count("same") + view.count("differs") + unjudged
    return (
        f"{view.count('differs'):,} of {count(both, 'value')} that both have differ"
        + (f", {unjudged:,} more {'is' if unjudged == 1 else 'are'} not judged" if unjudged else "")
        + f"; {view.count('only before'):,} of the first and {view.count('only after'):,} of the"
        " second alone."
    )


def rule_words(view: SideBySide) -> str:
    """How a difference was told from noise, and what a number in brackets is."""
    words = f"In brackets where a number may lie, by the band {view.band:g} of compare."
    if view.after is None:
        return words
    words += " Numbers differ where these do not meet, texts where the two have none in common."
    if not view.count("not judged"):
        return words
    return (
        f"{words} Not judged are times, rates and shares that were measured fewer than"
        f" {ENOUGH_VALUES} times beside other cases, which decide them."
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
