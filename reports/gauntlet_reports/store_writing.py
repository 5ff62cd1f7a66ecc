"""Runs into the store: a run's results as rows, put in place of what was stored of it before."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from gauntlet_reports.measurements import measured
from gauntlet_reports.outcomes import Outcome, outcomes_in, totals
from gauntlet_reports.run_data import SCHEMA_VERSION, Result, RunData, load_run
from gauntlet_reports.signatures import signature_of
from gauntlet_reports.store_schema import StoreError, transaction

# Facts of a fingerprint that differ from moment to moment on the same system.
_PASSING = frozenset({"load"})


def stamp_of(folder: Path) -> str:
    """Tell one state of a run's files from another; ``""`` where there is no run."""
    parts = []
    for name in ("journal.jsonl", "run.json"):
        try:
            found = (folder / name).stat()
        except OSError:
            continue
        parts.append(f"{name} {found.st_size} {found.st_mtime_ns}")
    return ", ".join(parts)


def add_run(connection: sqlite3.Connection, home: Path, folder: Path) -> str:
    """Store a run's folder in one transaction; return the run's id. ``home`` holds the store."""
    folder = folder.resolve()
    run, stamp = _read(folder), stamp_of(folder)
    with transaction(connection):
        # Whoever wrote while this one waited may have seen more of a run that is still going on.
        if stamp_of(folder) != stamp:
            run, stamp = _read(folder), stamp_of(folder)
        _refuse_namesake(connection, home, folder)
        remove_run(connection, run.folder)
        insert_run(connection, run, _shown(home, folder), stamp)
    return run.folder


def remove_run(connection: sqlite3.Connection, run_id: str) -> bool:
    """Remove a run within the caller's transaction; return whether there was one."""
    found = connection.execute("SELECT id FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if found is None:
        return False
    for table in ("strips", "failures", "numbers"):
        connection.execute(f"DELETE FROM {table} WHERE run = ?", found)
    connection.execute("DELETE FROM runs WHERE id = ?", found)
    return True


def fingerprint_hash(fingerprint: object) -> str:
    """16 digits that are the same for the same system, whatever its load."""
    facts = fingerprint if isinstance(fingerprint, dict) else {}
    lasting = {name: value for name, value in facts.items() if name not in _PASSING}
    text = json.dumps(lasting, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(folder: Path) -> RunData:
    if not stamp_of(folder):
        raise StoreError(f"{folder} is no run: it has neither run.json nor journal.jsonl")
    run = load_run(folder)
    if run.newer_schema:
        raise StoreError(f"{folder}/{run.newer_schema}; this store knows {SCHEMA_VERSION}")
    return run


def _refuse_namesake(connection: sqlite3.Connection, home: Path, folder: Path) -> None:
    """A run of the same name elsewhere would vanish; one that has moved may be put in its place."""
    found = connection.execute(
        "SELECT folder FROM runs WHERE run_id = ?", (folder.name,)
    ).fetchone()
    if found is not None:
        other = (home / found[0]).resolve()
        if other != folder and stamp_of(other):
            raise StoreError(f"{folder}: the store has a run of this name already, from {other}")


def _shown(home: Path, folder: Path) -> str:
    """The folder as it is stored: where it lies below the store's own, both may move together."""
    return str(folder.relative_to(home) if folder.is_relative_to(home) else folder)


def insert_run(connection: sqlite3.Connection, run: RunData, folder: str, stamp: str) -> None:
    """Insert a run that the store does not have, within the caller's transaction."""
    row = connection.execute(
        "INSERT INTO runs (run_id, started_us, profile, seed, target, state, selection,"
        " fingerprint_hash, totals, results, folder, stamp)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.folder,
            _started_us(run),
            run.text("profile"),
            _seed(run),
            run.target,
            run.state,
            run.text("selection"),
            fingerprint_hash(run.info.get("fingerprint")),
            json.dumps(totals(run)),
            len(run.results),
            folder,
            stamp,
        ),
    ).lastrowid
    assert row is not None
    worst = outcomes_in(run)
    cases = _intern(connection, "cases", "name", worst)
    _insert_strip(connection, row, worst, cases)
    _insert_failures(connection, row, run.results, cases)
    _insert_numbers(connection, row, run.results, cases)


def _insert_strip(
    connection: sqlite3.Connection, row: int, worst: dict[str, Outcome], cases: dict[str, int]
) -> None:
    codes = _intern(connection, "outcomes", "word", set(worst.values()))
    strip = bytearray(max((cases[case] for case in worst), default=0))
    for case, outcome in worst.items():
        strip[cases[case] - 1] = codes[outcome]
    connection.execute(
        "INSERT INTO strips (run, outcomes) VALUES (?, ?)", (row, zlib.compress(strip))
    )


def _insert_failures(
    connection: sqlite3.Connection,
    row: int,
    results: Iterable[Result],
    cases: dict[str, int],
) -> None:
    told = {(text, result.case) for result in results if (text := signature_of(result)) is not None}
    signatures = _intern(connection, "signatures", "text", {text for text, _ in told})
    connection.executemany(
        "INSERT INTO failures (run, signature, case_id) VALUES (?, ?, ?)",
        sorted((row, signatures[text], cases[case]) for text, case in told),
    )


def _insert_numbers(
    connection: sqlite3.Connection, row: int, results: Iterable[Result], cases: dict[str, int]
) -> None:
    values = {(cases[case], name): found for (case, name), found in measured(results).items()}
    series = _intern_series(connection, values)
    connection.executemany(
        "INSERT INTO numbers (run, series, median, low, high) VALUES (?, ?, ?, ?, ?)",
        sorted((row, series[key], *_interval(found)) for key, found in values.items()),
    )


def _interval(values: list[float]) -> tuple[float, float | None, float | None]:
    low, high = min(values), max(values)
    return (low, None, None) if low == high else (median(values), low, high)


def _intern(
    connection: sqlite3.Connection, table: str, column: str, words: Iterable[str]
) -> dict[str, int]:
    """The number of each word, old or new."""
    new = [(word,) for word in sorted(words)]
    connection.executemany(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", new)
    known = dict(connection.execute(f"SELECT {column}, id FROM {table}"))
    return {word: known[word] for (word,) in new}


def _intern_series(
    connection: sqlite3.Connection, keys: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    connection.executemany(
        "INSERT OR IGNORE INTO series (case_id, name) VALUES (?, ?)", sorted(keys)
    )
    found = connection.execute("SELECT case_id, name, id FROM series")
    return {(case, name): number for case, name, number in found}


def _started_us(run: RunData) -> int:
    """When the run began, in microseconds since 1970; 0 where nobody knows."""
    try:
        began = datetime.fromisoformat(run.started)
    except ValueError:
        return 0
    if began.tzinfo is None:
        began = began.replace(tzinfo=UTC)
    return round(began.timestamp() * 1_000_000)


def _seed(run: RunData) -> int:
    seed = run.info.get("seed")
    return seed if isinstance(seed, int) and 0 <= seed < 2**63 else 0
