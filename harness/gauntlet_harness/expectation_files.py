"""The files of expectations: reading them strictly, and the entries that match no case."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from gauntlet_harness.conditions import Condition, ConditionError, System
from gauntlet_harness.errors import UsageError
from gauntlet_harness.near import did_you_mean

Kind = Literal["known bug", "waiver", "unsupported", "flaky"]
ExpectedVerdict = Literal["fail", "hang", "crash", "unsupported"]


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: its cases fail on the systems of ``when``, in this way, until it expires.

    Of kind ``flaky`` it is a race of the system under test: some runs meet it, some do not.
    ``cases`` are shell patterns; ``says`` is a part of what the failure tells, ``signature`` its
    whole signature. ``file`` is the name of the file that holds the entry, and no key of it.
    """

    id: str
    cases: list[str]
    verdicts: list[ExpectedVerdict]
    kind: Kind
    reason: str
    link: str
    owner: str
    expires: date
    says: str = ""
    signature: str = ""
    when: dict[str, Any] = {}
    file: str = ""

    def holds_on(self, system: System) -> bool:
        """Return whether the entry is for this system."""
        return Condition(self.when).holds(system)

    def is_for(self, case: str) -> bool:
        """Return whether a case is one of the entry's."""
        return any(fnmatchcase(case, pattern) for pattern in self.cases)

    def expired(self, day: date) -> bool:
        """Return whether it is over; on its last day it still holds."""
        return self.expires < day


_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "verdicts": get_args(ExpectedVerdict),
}
_KEYS = [field.name for field in msgspec.structs.fields(Expectation) if field.name != "file"]
# What only a person can say: an entry that nobody has looked at hides nothing.
_BY_HAND = ("reason", "owner", "link")


def read_expectations(folder: Path) -> list[Expectation]:
    """Return every entry of every file of the folder, whatever system it is for.

    An entry that makes no sense is a UsageError that names the file and the entry.
    """
    entries = [entry for path in sorted(folder.glob("*.toml")) for entry in _read(path)]
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.id in seen:
            raise _wrong(entry.file, entry.id, f"{seen[entry.id]} has an entry of this id too")
        seen[entry.id] = entry.file
    return entries


def unmatched(entry: Expectation, names: Iterable[str]) -> list[str]:
    """Return the patterns of the entry that fit no case of the whole list."""
    known = list(names)
    return [
        pattern for pattern in entry.cases if not any(fnmatchcase(name, pattern) for name in known)
    ]


def refuse_unmatched(entries: Iterable[Expectation], names: Sequence[str]) -> None:
    """Raise UsageError for an entry with a pattern that fits no case of the whole list."""
    for entry in entries:
        for pattern in unmatched(entry, names):
            near = did_you_mean(pattern.replace("*", ""), names)
            raise _wrong(entry.file, entry.id, f"no case is called {pattern}{near}")


def _read(path: Path) -> list[Expectation]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path.name}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name}: {error}") from None
    _refuse_unknown(raw, ["expectation"], path.name)
    listed = raw.get("expectation", [])
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise UsageError(f"{path.name}: an entry has to begin with [[expectation]]")
    return [_entry(one, path.name, number) for number, one in enumerate(listed, start=1)]


def _entry(raw: dict[str, Any], file: str, number: int) -> Expectation:
    told = raw.get("id")
    name = told if isinstance(told, str) and told else f"number {number}"
    _refuse_unknown(raw, _KEYS, f"{file}: entry {name}")
    _refuse_unknown_choices(raw, f"{file}: entry {name}")
    try:
        entry = msgspec.convert({**raw, "file": file}, Expectation)
        Condition(entry.when)
    except (msgspec.ValidationError, ConditionError) as error:
        raise _wrong(file, name, str(error)) from None
    if complaint := _complaint(entry):
        raise _wrong(file, name, complaint)
    return entry


def _complaint(entry: Expectation) -> str:
    """What is wrong with an entry beyond its types, or ``""``."""
    for key in _BY_HAND:
        if not getattr(entry, key).strip():
            return f"{key} is empty; look at the entry and fill it in"
    for key in ("id", "cases", "verdicts"):
        if not getattr(entry, key):
            return f"{key} is empty"
    if not entry.says and not entry.signature:
        return "says or signature is needed, or any failure of the case would be expected"
    if "unsupported" in entry.verdicts and entry.kind != "unsupported":
        return "the verdict unsupported belongs to kind unsupported alone"
    return ""


def _refuse_unknown(raw: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in raw:
        if key not in known:
            near = did_you_mean(key, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"{where}: no key is called {key}{near}")


def _refuse_unknown_choices(raw: Mapping[str, Any], where: str) -> None:
    """Raise UsageError for a word that its key does not know; other types are msgspec's to see."""
    for key, known in _CHOICES.items():
        given = raw.get(key, [])
        for word in given if isinstance(given, list) else [given]:
            if isinstance(word, str) and word not in known:
                near = did_you_mean(word, known) or f"; there are {', '.join(known)}"
                raise UsageError(f"{where}: {key} cannot be '{word}'{near}")


def _wrong(file: str, name: str, complaint: str) -> UsageError:
    return UsageError(f"{file}: entry {name}: {complaint}")
