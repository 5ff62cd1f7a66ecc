"""A run among the nights before it: each case's outcomes, when a failure was seen, trends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from gauntlet_reports.outcomes import LOOKS, RED, SEVERITY, Outcome, outcomes_in, totals
from gauntlet_reports.past import NIGHTS, Past, StoredNight
from gauntlet_reports.run_data import RunData
from gauntlet_reports.text import count
from gauntlet_reports.trends import Trend, trends_of

LETTERS: dict[Outcome, str] = {
    "error": "e",
    "unfinished": "i",
    "crash": "c",
    "hang": "h",
    "fail": "f",
    "unexpected_pass": "u",
    "expected": "x",
    "not_run": "n",
    "unsupported": "s",
    "not_reached": "r",
    "pass": "p",
}
"""One character an outcome: a strip of 30 nights is 30 of them."""
ABSENT = "."
"""The character of a night that did not have the case."""

OUTCOMES = {letter: outcome for outcome, letter in LETTERS.items()}
"""And back."""
_RED_LETTERS = frozenset(LETTERS[outcome] for outcome in RED)


class Night(msgspec.Struct, frozen=True):
    """One column of every strip."""

    run_id: str
    started: str
    totals: dict[str, int]


class Seen(msgspec.Struct, frozen=True):
    """Where a failure signature was seen, over all stored runs; times are ISO 8601."""

    first_run: str
    first_started: str
    last_run: str
    last_started: str
    runs: int


class History(msgspec.Struct, frozen=True):
    """The last nights, the reported one last."""

    nights: list[Night]
    strips: dict[str, str]
    """A letter a night for each case of the run."""
    seen: dict[str, Seen] = {}
    trends: list[Trend] = []
    measured_values: int = 0
    """How many values were looked at for the trends."""


def history_of(run: RunData, past: Past, first: Iterable[tuple[str, str]] = ()) -> History:
    """The nights before the run, with the run itself as the last one, stored or not.

    `first` are the measured values (case and name) whose trends matter most.
    """
    stored_runs = past.runs()
    before = _nights_before(run, stored_runs)[: NIGHTS - 1]
    stored = past.history(before[0].run_id, len(before)) if before else {}
    own = outcomes_in(run)
    nights = [_night(night.run_id, night.started.isoformat(), night.totals) for night in before]
    nights.reverse()
    nights.append(_night(run.folder, run.started, totals(run)))
    trends, looked_at = trends_of(run, past, [night.run_id for night in nights], first)
    return History(
        nights=nights,
        strips={case: _strip(stored.get(case, ()), own[case], len(before)) for case in own},
        seen=_seen(past, stored_runs),
        trends=trends,
        measured_values=looked_at,
    )


def history_words(strip: str) -> str:
    """A strip for who cannot see it: ``30 nights: 28 pass, 2 fail, last failed 3 nights ago``."""
    counts = {word: strip.count(letter) for letter, word in _words().items()}
    told = [f"{number} {word}" for word, number in counts.items() if number]
    ago = next((ago for ago, letter in enumerate(reversed(strip)) if letter in _RED_LETTERS), None)
    if ago is not None:
        told.append("last failed " + (f"{count(ago, 'night')} ago" if ago else "in this run"))
    return f"{count(len(strip), 'night')}: {', '.join(told)}"


def _words() -> dict[str, str]:
    """Letters and their words; passes first, then worst first."""
    ordered = sorted(OUTCOMES.items(), key=lambda item: (item[1] != "pass", SEVERITY[item[1]]))
    return {letter: LOOKS[outcome].word for letter, outcome in ordered} | {ABSENT: "without it"}


def _nights_before(run: RunData, stored: Iterable[StoredNight]) -> list[StoredNight]:
    """The stored runs that began before this one, newest first; none when it has no time."""
    try:
        began = datetime.fromisoformat(run.started)
    except ValueError:
        return []
    began = began if began.tzinfo else began.replace(tzinfo=UTC)
    return [night for night in stored if night.run_id != run.folder and night.started < began]


def _night(run_id: str, started: str, counts: Mapping[str, int] | Mapping[Outcome, int]) -> Night:
    return Night(run_id, started, {str(name): number for name, number in counts.items() if number})


def _seen(past: Past, stored: Iterable[StoredNight]) -> dict[str, Seen]:
    began = {night.run_id: night.started.isoformat() for night in stored}
    return {
        signature: Seen(
            first_run=span.first_run,
            first_started=began.get(span.first_run, ""),
            last_run=span.last_run,
            last_started=began.get(span.last_run, ""),
            runs=span.runs,
        )
        for signature, span in past.signature_spans().items()
    }


def _strip(earlier: Iterable[str | None], own: Outcome, before: int) -> str:
    letters = "".join(LETTERS.get(outcome, ABSENT) for outcome in earlier)  # type: ignore[call-overload]  # An outcome of a newer store is as good as none.
    return letters.rjust(before, ABSENT) + LETTERS[own]
