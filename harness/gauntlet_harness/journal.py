"""The journal of a run: a line is on the disk before its case starts, and another once it ended."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec

from gauntlet_harness.cases import RED, SCHEMA, Result, Verdict
from gauntlet_harness.errors import HarnessError, UsageError
from gauntlet_reports.outcomes import judged

State = Literal["started", "resumed", "finished", "interrupted"]
Key = tuple[str, int]
# The reason of the case that a run died in: nobody may run that one again unasked.
BLAMED = "the run ended while this case was running"
# Given up when the disk is full: room for the last lines, which say that the run was stopped.
RESERVE_BYTES = 64 * 1024
# With less than this left no case starts: what it says would be lost, and the reports with it.
ROOM_BYTES = 8 * 1024 * 1024


class JournalError(HarnessError):
    """A line could not be written; what was written before is whole and stays readable."""


def now() -> str:
    """Return the time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Start:
    """A case that was written down before it ran."""

    case: str
    seed: int
    repetition: int
    scope: str
    pid: int
    attempt: int = 0

    @property
    def key(self) -> Key:
        """What identifies it within a run."""
        return (self.case, self.repetition)


@dataclass(frozen=True)
class Ending:
    """How one attempt at a case ended: what is needed to run it again, and to class it."""

    case: str
    repetition: int
    attempt: int
    seed: int
    verdict: str
    reason: str
    trouble: str


@dataclass
class History:
    """What a journal tells about the run so far."""

    ended: dict[Key, str] = field(default_factory=dict)  # The verdict of each.
    # Started and not ended when the harness last stopped without a word.
    running: dict[Key, Start] = field(default_factory=dict)
    # The same from an earlier stop, still waiting to be run again, alone.
    suspects: dict[Key, Start] = field(default_factory=dict)
    # Cases that failed unexpectedly, their attempts, and the class of each that has one.
    failed: dict[Key, Ending] = field(default_factory=dict)
    attempts: dict[str, list[Ending]] = field(default_factory=dict)
    classed: set[str] = field(default_factory=set)
    open_attempts: dict[tuple[str, int], Start] = field(default_factory=dict)
    scopes: list[str] = field(default_factory=list)  # Of every case that has not ended.
    state: str = ""
    spent_s: float = 0.0  # How long all stretches together have lasted.
    cut_at: int | None = None  # Where a last line begins that was never finished.
    notes: list[str] = field(default_factory=list)


def read_journal(path: Path) -> History:
    """Read what is there; a damaged line costs only itself and is told of in ``notes``."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return History(notes=["the journal is missing: every case is run"])
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror}") from None
    history = History()
    place = 0
    for number, raw in enumerate(data.splitlines(keepends=True), start=1):
        line: Any = None
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            line = msgspec.json.decode(raw)
        if isinstance(line, dict) and raw.endswith(b"\n") and _take(history, line):
            pass
        elif not raw.endswith(b"\n"):
            history.cut_at = place
            history.notes.append(f"the journal ends in the middle of line {number}: it is dropped")
        elif raw.strip():
            history.notes.append(f"line {number} of the journal is not understood: it is left out")
        place += len(raw)
    open_starts = [
        *history.running.values(),
        *history.suspects.values(),
        *history.open_attempts.values(),
    ]
    history.scopes = [start.scope for start in open_starts]
    return history


def _take(history: History, line: dict[str, Any]) -> bool:
    """Add one line; return whether it makes sense."""
    try:
        event = line["event"]
        history.spent_s = max(history.spent_s, float(line.get("spent_s", 0.0)))
        if event == "run":
            _turn(history, str(line["state"]))
        elif event == "start":
            start = msgspec.convert(line, Start, strict=False)
            if start.attempt:
                history.open_attempts[start.case, start.attempt] = start
            else:
                history.running[start.key] = start
        elif event == "end":
            _end(history, line)
        elif event == "class":
            history.classed.add(str(line["case"]))
    except (KeyError, ValueError, TypeError, msgspec.ValidationError):
        return False
    return True


def _end(history: History, line: dict[str, Any]) -> None:
    key = (str(line["case"]), int(line["repetition"]))
    verdict: Verdict = msgspec.convert(line["verdict"], Verdict)
    told = judged(verdict, bool(line.get("expected", False)))
    attempt = int(line.get("attempt", 0))
    ending = Ending(
        case=key[0],
        repetition=key[1],
        attempt=attempt,
        seed=int(line.get("seed", 0)),
        verdict=verdict,
        reason=str(line.get("reason", "")),
        trouble=str(line.get("trouble", "")),
    )
    if attempt:
        history.open_attempts.pop((ending.case, attempt), None)
        history.attempts.setdefault(ending.case, []).append(ending)
        return
    history.ended[key] = told
    if told in RED:
        history.failed[key] = ending
    history.running.pop(key, None)
    history.suspects.pop(key, None)


def _turn(history: History, state: str) -> None:
    """A new stretch of the run begins or the old one ended in good order."""
    if state == "resumed":
        history.suspects |= history.running
        history.running = {}
    elif state in ("interrupted", "finished"):
        # The harness itself ended these: nobody is to blame, they run again with all the others.
        history.running = {}
        history.open_attempts = {}
    history.state = state


class Journal:
    """Appends to a journal that this process alone writes. Not thread-safe; a context manager.

    Each line carries ``spent_s``: how long the run has lasted so far, by the monotonic clock. The
    times of day beside it are for people; a clock that is set meanwhile moves nothing else.
    """

    def __init__(self, path: Path) -> None:
        """Open and lock; a journal that another harness is writing is a UsageError."""
        self._began = time.monotonic()
        self._path = path
        self._unsynced_from: int | None = None  # The first line that may not be on the disk yet.
        # Unbuffered: of a line that failed nothing may come out later, when the file is closed.
        self._file = path.open("ab", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UsageError(f"{path.parent}: this run is still going on") from None
        self._reserve = path.with_name("reserve")
        # A disk that has no room for it will be met again, with its error, by the first line.
        with contextlib.suppress(OSError):
            self._reserve.write_bytes(os.urandom(RESERVE_BYTES))
        sync_folder(path.parent)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_up_reserve()
        try:
            self.sync()
        except JournalError:
            if error is None:  # What went wrong first is what is told.
                raise
        finally:
            self._file.close()

    @property
    def spent_s(self) -> float:
        """How long the run has lasted, all its stretches together."""
        return time.monotonic() - self._began

    def count_from(self, spent_s: float) -> None:
        """Go on counting where earlier stretches stopped."""
        self._began = time.monotonic() - spent_s

    def drop_from(self, place: int) -> None:
        """Cut off what was never finished, so that the next line starts on its own."""
        os.ftruncate(self._file.fileno(), place)

    def run(self, state: State) -> None:
        """Write what becomes of the run as a whole; all is on the disk when this returns."""
        self._write({"event": "run", "state": state, "at": now()})
        self.sync()

    def start(self, start: Start) -> None:
        """Write that a case is about to run: it may, after the next ``sync``."""
        self._check_room()
        self._write({"event": "start", **msgspec.to_builtins(start), "at": now()})

    def end(self, result: Result) -> None:
        """Write how a case ended; the next ``sync`` brings it to the disk."""
        self._write({"event": "end", **msgspec.to_builtins(result), "at": now()})

    def sync(self) -> None:
        """Return when every line so far is on the disk: one wait for all of them.

        Where that fails, lines that may be lost are dropped: what is left is whole.
        """
        if self._unsynced_from is None:
            return
        place, self._unsynced_from = self._unsynced_from, None
        try:
            os.fdatasync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self.drop_from(place)
            raise JournalError(_why_not_written(self._path, error)) from None

    def flake_class(self, case: str, name: str, *, attempts: int, failed: int) -> None:
        """Write what the attempts at a failed case say of its failure (docs/flakes.md)."""
        counts = {"attempts": attempts, "failed": failed}
        self._write({"event": "class", "case": case, "class": name, **counts, "at": now()})

    def stop(self) -> None:
        """Write, if it can be done at all, that the harness stopped because a line failed."""
        self._give_up_reserve()
        with contextlib.suppress(JournalError):
            self.run("interrupted")

    def _write(self, line: Mapping[str, Any]) -> None:
        spent = {"spent_s": round(self.spent_s, 3)}
        data = msgspec.json.encode({"schema": SCHEMA, **line, **spent}) + b"\n"
        place = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file.fileno(), rest) :]
        except OSError as error:
            # A reader drops half a line; without it the next line can still be written.
            with contextlib.suppress(OSError):
                self.drop_from(place)
            raise JournalError(_why_not_written(self._path, error)) from None
        if self._unsynced_from is None:
            self._unsynced_from = place

    def _check_room(self) -> None:
        """Stop while there still is room to say so, and before a case is blamed for a full disk."""
        room = os.fstatvfs(self._file.fileno())
        if room.f_bavail * room.f_frsize < ROOM_BYTES:
            left = f"less than {ROOM_BYTES >> 20} MiB are left for {self._path.parent}"
            raise JournalError(f"the disk is full: {left}")

    def _give_up_reserve(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve.unlink()


def _why_not_written(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {path} cannot be written any more"
    return f"{path} cannot be written any more: {error.strerror}"


def sync_folder(path: Path) -> None:
    """Let the names in a folder survive a power failure, where its file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_being_written(path: Path) -> bool:
    """Return whether a living harness holds this journal."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
