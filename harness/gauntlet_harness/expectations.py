"""Known deviations of known systems: which failures of a run are expected, and which are not."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from gauntlet_harness.cases import Result, outcome
from gauntlet_harness.errors import UsageError
from gauntlet_harness.near import did_you_mean


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry: its cases fail on the systems of ``when``, in this way, until it expires.

    Of kind ``flaky`` it is a race of the system under test: some runs meet it, some do not.
    ``cases`` and the values of ``when`` are shell patterns; a key of ``when`` names a part of the
    fingerprint, nested ones with dots (``kernel.release``).
    """

    id: str
    cases: list[str]
    verdicts: list[Literal["fail", "hang", "crash"]]
    says: str
    kind: Literal["known bug", "waiver", "flaky"]
    reason: str
    link: str
    owner: str
    expires: date
    when: dict[str, str] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expectation: list[Expectation] = []


class Expectations:
    """The entries that hold for one system on one day."""

    def __init__(self, entries: Sequence[Expectation]) -> None:
        self._entries = entries

    def covers(self, result: Result) -> bool:
        """Return whether this result was expected to fail, in the way that it did if it failed.

        True for a pass too: that one is unexpected, unless the entry says that the deviation is
        not seen each time. An error of the harness or the machine, or a case that did not run,
        never satisfies an entry.
        """
        for entry in self._entries:
            if not any(fnmatchcase(result.case, pattern) for pattern in entry.cases):
                continue
            if result.verdict == "pass" and entry.kind != "flaky":
                return True
            if result.verdict in entry.verdicts and entry.says in _told(result):
                return True
        return False


def load_expectations(
    folder: Path, fingerprint: Mapping[str, Any], today: date | None = None
) -> Expectations:
    """Read every file of the folder; an entry that makes no sense is a UsageError.

    What has expired does not hold any more, and its cases fail again.
    """
    day = today or datetime.now(UTC).date()
    entries = read_expectations(folder)
    return Expectations(
        [entry for entry in entries if entry.expires >= day and describes(entry, fingerprint)]
    )


def read_expectations(folder: Path) -> list[Expectation]:
    """Return every entry of every file of the folder, whatever system it is for."""
    return [entry for path in sorted(folder.glob("*.toml")) for entry in _read(path)]


def _read(path: Path) -> list[Expectation]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(raw, _File).expectation
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name}: {error}") from None
    except msgspec.ValidationError as error:
        raise UsageError(f"{path.name}: {error}{_hint(str(error))}") from None


def _hint(complaint: str) -> str:
    """Near names for a key that is unknown."""
    if "unknown field" not in complaint:
        return ""
    word = complaint.split("`")[1] if "`" in complaint else ""
    return did_you_mean(word, [field.name for field in msgspec.structs.fields(Expectation)])


def describes(entry: Expectation, fingerprint: Mapping[str, Any]) -> bool:
    """Return whether the entry is for the system with this fingerprint."""
    for key, pattern in entry.when.items():
        value: Any = fingerprint
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if not isinstance(value, str | int | float) or not fnmatchcase(str(value), pattern):
            return False
    return True


def outcome_of(result: Result) -> str:
    """Return the verdict, or ``expected`` / ``unexpected_pass`` where an expectation covers it."""
    return outcome(result.verdict, result.expected)


def _told(result: Result) -> str:
    messages = (failure.message for failure in result.failures)
    return "\n".join([result.reason, *messages, result.processes])
