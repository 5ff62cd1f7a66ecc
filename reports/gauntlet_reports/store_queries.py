"""Questions to the store: runs, the history of cases, spans of signatures, trends of numbers."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path

from gauntlet_reports.store_schema import StoreError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Outcomes of a case that did not run, for whatever reason.
_NOT_TRIED = ("not_reached", "not_run")
# Without a target all runs.
_OF_TARGET = "(:target IS NULL OR target = :target)"
_NEWEST_FIRST = "ORDER BY started_us DESC, run_id DESC"


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it."""

    run_id: str
    started: datetime  # UTC; 1970 where the run does not tell.
    profile: str
    seed: int
    target: str
    state: str
    selection: str
    fingerprint_hash: str
    totals: dict[str, int]  # Outcome -> how many, zeros included.
    results: int
    folder: Path
    stamp: str  # Of the files it was read from, to see whether they have changed since.


@dataclass(frozen=True)
class Span:
    """When a failure signature was seen."""

    first_run: str
    last_run: str
    runs: int
    cases: int


@dataclass(frozen=True)
class Point:
    """What one run measured: the median over its repetitions, the least and the most."""

    run_id: str
    started: datetime
    low: float
    median: float
    high: float


def runs(
    connection: sqlite3.Connection, home: Path, limit: int | None, target: str | None
) -> list[StoredRun]:
    """All runs or the last ``limit`` ones, newest first. ``home`` is the store's own folder."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    most = -1 if limit is None else limit
    rows = cursor.execute(
        f"SELECT * FROM runs WHERE {_OF_TARGET} {_NEWEST_FIRST} LIMIT :most",
        {"target": target, "most": most},
    )
    return [
        StoredRun(
            run_id=row["run_id"],
            started=_moment(row["started_us"]),
            profile=row["profile"],
            seed=row["seed"],
            target=row["target"],
            state=row["state"],
            selection=row["selection"],
            fingerprint_hash=row["fingerprint_hash"],
            totals=json.loads(row["totals"]),
            results=row["results"],
            folder=home / row["folder"],
            stamp=row["stamp"],
        )
        for row in rows
    ]


def history(
    connection: sqlite3.Connection, run_id: str, nights: int
) -> dict[str, list[str | None]]:
    """The outcome of each case in its target's last runs up to and with this one, oldest first."""
    started_us, target = _place_of(connection, run_id)
    rows = connection.execute(
        "SELECT outcomes FROM strips JOIN runs ON runs.id = strips.run"
        f" WHERE target = ? AND (started_us, run_id) <= (?, ?) {_NEWEST_FIRST} LIMIT ?",
        (target, started_us, run_id, nights),
    )
    strips = [zlib.decompress(strip) for (strip,) in rows][::-1]
    words: list[str | None] = [None] * 256
    for code, word in connection.execute("SELECT id, word FROM outcomes"):
        words[code] = word
    names = dict(connection.execute("SELECT id, name FROM cases"))
    columns = zip_longest(*strips, fillvalue=0)
    return {
        names[number]: [words[code] for code in column]
        for number, column in enumerate(columns, start=1)
        if any(column)
    }


def signature_spans(connection: sqlite3.Connection, target: str | None) -> dict[str, Span]:
    """For each failure signature its first and last run, in how many runs and cases it was seen."""
    order = [
        run_id
        for (run_id,) in connection.execute(
            f"SELECT run_id FROM runs WHERE {_OF_TARGET} ORDER BY started_us, run_id",
            {"target": target},
        )
    ]
    # The place of a run in time stands in for its moment, so that one number tells both.
    rows = connection.execute(
        "WITH places AS (SELECT id, row_number() OVER (ORDER BY started_us, run_id) - 1 AS place"
        f" FROM runs WHERE {_OF_TARGET})"
        " SELECT text, min(place), max(place), count(DISTINCT run), count(DISTINCT case_id)"
        " FROM failures JOIN places ON places.id = failures.run"
        " JOIN signatures ON signatures.id = failures.signature GROUP BY signature ORDER BY text",
        {"target": target},
    )
    return {
        text: Span(order[first], order[last], seen, cases)
        for text, first, last, seen, cases in rows
    }


def trend(
    connection: sqlite3.Connection,
    case: str,
    name: str,
    nights: int,
    *,
    until: str | None,
    target: str | None,
) -> list[Point]:
    """What the last runs measured under this name, oldest first; ``until`` decides the target."""
    bound = ""
    started_us = 0
    if until is not None:
        started_us, target = _place_of(connection, until)
        bound = "AND (started_us, run_id) <= (:started_us, :until)"
    rows = connection.execute(
        f"WITH last AS (SELECT id, run_id, started_us FROM runs WHERE {_OF_TARGET} {bound}"
        f" {_NEWEST_FIRST} LIMIT :nights),"
        " one AS (SELECT series.id FROM series JOIN cases ON cases.id = series.case_id"
        "  WHERE cases.name = :case AND series.name = :name)"
        " SELECT run_id, started_us, coalesce(low, median), median, coalesce(high, median)"
        " FROM last CROSS JOIN one JOIN numbers ON numbers.run = last.id"
        " AND numbers.series = one.id ORDER BY started_us, run_id",
        {
            "target": target,
            "started_us": started_us,
            "until": until,
            "nights": nights,
            "case": case,
            "name": name,
        },
    )
    return [Point(run_id, _moment(started), *numbers) for run_id, started, *numbers in rows]


def last_runs(connection: sqlite3.Connection) -> dict[str, str]:
    """For each case the last run that tried it; cases that no run tried are left out."""
    passed_over = {
        code
        for (code,) in connection.execute(
            "SELECT id FROM outcomes WHERE word IN (?, ?)", _NOT_TRIED
        )
    } | {0}
    missing = dict(connection.execute("SELECT id, name FROM cases"))
    found: dict[str, str] = {}
    for run_id, strip in _strips_newest_first(connection):
        seen = [
            number
            for number in missing
            if number <= len(strip) and strip[number - 1] not in passed_over
        ]
        found.update((missing.pop(number), run_id) for number in seen)
        if not missing:
            break
    return found


def last_run_of(connection: sqlite3.Connection, case: str) -> str | None:
    """The last run that tried this case: it was reached and did not lack what it needs."""
    row = connection.execute("SELECT id FROM cases WHERE name = ?", (case,)).fetchone()
    if row is None:
        return None
    tried = {
        code
        for (code,) in connection.execute(
            "SELECT id FROM outcomes WHERE word NOT IN (?, ?)", _NOT_TRIED
        )
    }
    place = row[0] - 1
    for run_id, strip in _strips_newest_first(connection):
        if place < len(strip) and strip[place] in tried:
            return run_id
    return None


def _strips_newest_first(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes]]:
    rows = connection.execute(
        f"SELECT run_id, outcomes FROM runs JOIN strips ON strips.run = runs.id {_NEWEST_FIRST}"
    )
    for run_id, strip in rows:
        yield run_id, zlib.decompress(strip)


def _place_of(connection: sqlite3.Connection, run_id: str) -> tuple[int, str]:
    """When a run began, and its target."""
    row = connection.execute(
        "SELECT started_us, target FROM runs WHERE run_id = ?", (run_id,)
    ).fetchone()
    if row is None:
        raise StoreError(
            f"the store has no run {run_id}; add it: harness/gauntlet store add {run_id}"
        )
    return (row[0], row[1])


def _moment(started_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=started_us)
