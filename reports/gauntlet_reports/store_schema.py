"""The file of the store: its tables, how it is opened, and what it says when it cannot be.

A run has one row in `runs`, one *strip* with the outcome of each case, a row in `failures` for each
case that failed and one in `numbers` for each value that was measured. A strip is compressed; its
byte N is the outcome of case N + 1, 0 where the run has no such case. Nearly all bytes of nearly
all nights are the same, so that 100,000 cases take a few kilobytes and thirty nights of them are
read in one go.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

SCHEMA_VERSION = 1
# "GTLT": tells a store from any other SQLite file, which is never written to.
APPLICATION_ID = 0x47544C54
# How long one run waits for another to finish writing.
WAIT_S = 30.0
# Below this a failed write is the fault of a full disk, whatever SQLite calls it.
_FULL_BYTES = 1 << 20

_TABLES = """
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  started_us INTEGER NOT NULL,  -- since 1970, UTC
  profile TEXT NOT NULL,
  seed INTEGER NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  selection TEXT NOT NULL,
  fingerprint_hash TEXT NOT NULL,
  totals TEXT NOT NULL,         -- JSON: outcome -> count
  results INTEGER NOT NULL,
  folder TEXT NOT NULL,         -- relative to the store's own where it lies below that
  stamp TEXT NOT NULL           -- of the files it was read from
);
CREATE INDEX runs_by_time ON runs (started_us, run_id);
CREATE TABLE outcomes (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE cases (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE signatures (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  case_id INTEGER NOT NULL REFERENCES cases,
  name TEXT NOT NULL,
  UNIQUE (case_id, name)
);
CREATE TABLE strips (
  run INTEGER PRIMARY KEY REFERENCES runs,
  outcomes BLOB NOT NULL
);
CREATE TABLE failures (
  run INTEGER NOT NULL REFERENCES runs,
  signature INTEGER NOT NULL REFERENCES signatures,
  case_id INTEGER NOT NULL REFERENCES cases,
  PRIMARY KEY (run, signature, case_id)
) WITHOUT ROWID;
CREATE INDEX failures_by_signature ON failures (signature, run, case_id);
CREATE TABLE numbers (
  run INTEGER NOT NULL REFERENCES runs,
  series INTEGER NOT NULL REFERENCES series,
  median REAL NOT NULL,
  low REAL,   -- these two only where repetitions differ
  high REAL,
  PRIMARY KEY (run, series)
) WITHOUT ROWID;
"""
TABLES = ("runs", "outcomes", "cases", "signatures", "series", "strips", "failures", "numbers")


class StoreError(Exception):
    """The store cannot do what is asked; the message is one line that names the file."""


class StoreMachineError(StoreError):
    """The machine is in the way: the store is locked, or its disk is full or broken."""


class OlderStoreError(StoreError):
    """The store is of an older schema: it has to be made again from the journals."""


class DamagedStoreError(StoreError):
    """The file of the store is damaged: it has to be made again from the journals."""


def connect(
    path: Path, *, write: bool, wait_s: float, older_too: bool = False
) -> sqlite3.Connection:
    """Open the store, and make it where it is to be written and is not there yet.

    A file that is no store is a StoreError and stays as it is; one of an older schema is an
    OlderStoreError unless its tables are going to be replaced.
    """
    path = path.absolute()
    if not write and not path.exists():
        raise StoreError(f"there is no store at {path}; make it: {rebuild_command(path)}")
    if not path.parent.is_dir():
        raise StoreError(f"{path.parent} is no folder: no store can be there")
    mode = "rwc" if write else "ro"
    with errors_told(path):
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}", uri=True, timeout=wait_s, isolation_level=None
        )
        try:
            if write:
                with one_at_a_time(path.parent):
                    _make_if_empty(connection)
                # A night must survive a power cut, its last commit need not: it is added again.
                connection.execute("PRAGMA synchronous = NORMAL")
            _check(connection, path, older_too)
        except BaseException:
            connection.close()
            raise
    return connection


def rebuild_command(path: Path) -> str:
    """The command that makes this store again."""
    return f"harness/gauntlet store rebuild --store {shlex.quote(str(path))}"


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty database; part of a transaction that the caller has begun."""
    # One by one: executescript() would end the transaction.
    for statement in _TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def drop_tables(connection: sqlite3.Connection) -> None:
    """Remove every table, of whatever schema; part of a transaction that the caller has begun."""
    found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (name,) in found:
        if not name.startswith("sqlite_"):
            connection.execute(f'DROP TABLE "{name}"')


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; the only writer from its first line on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself; then there is nothing left to do here.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def errors_told(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into a StoreError of one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise _in_words(path, error) from None


def _make_if_empty(connection: sqlite3.Connection) -> None:
    if _is_empty(connection):
        # Readers never wait for a writer, nor a writer for readers. Room that a removed run leaves
        # can be given back. Both have to be said before there is a table.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        with transaction(connection):
            make_tables(connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return not tables and not _pragma(connection, "application_id")


def _check(connection: sqlite3.Connection, path: Path, older_too: bool) -> None:
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is no store: some other program's SQLite file")
    version = _pragma(connection, "user_version")
    if version > SCHEMA_VERSION:
        raise StoreError(f"{path} is of schema {version}; this program knows {SCHEMA_VERSION}")
    if version < SCHEMA_VERSION and not older_too:
        raise OlderStoreError(
            f"{path} is of the older schema {version}; make it again: {rebuild_command(path)}"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time make a store in this folder; SQLite's own locks come too late.

    The lock is on the folder: one on the file would, when it is closed, take SQLite's with it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        # A file system without locks has no second process here either.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _in_words(path: Path, error: sqlite3.Error) -> StoreError:
    # The extended codes carry the plain one in their lowest byte.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreMachineError(f"{path} is locked by another process; nothing was written")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path.parent)):
        return StoreMachineError(f"{path}: the disk is full; nothing was written")
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(
            f"{path} is no store: not a SQLite file; move it away, then: {rebuild_command(path)}"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return DamagedStoreError(f"{path} is damaged; make it again: {rebuild_command(path)}")
    return StoreMachineError(f"{path}: {error}")


def _is_full(folder: Path) -> bool:
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _FULL_BYTES
