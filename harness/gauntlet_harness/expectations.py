"""Known deviations of known systems: which failures of a run are expected, and which are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gauntlet_harness.cases import RED, Result
from gauntlet_harness.conditions import system_of
from gauntlet_harness.expectation_files import Expectation, read_expectations, refuse_unmatched
from gauntlet_reports.digest import WARNED_DAYS
from gauntlet_reports.outcomes import Outcome, judged
from gauntlet_reports.run_data import Result as ReportedResult
from gauntlet_reports.signatures import signature_of


class Expectations:
    """The entries for one system on one day: those that hold, and those that have expired."""

    def __init__(self, entries: Sequence[Expectation], expired: Sequence[Expectation] = ()) -> None:
        self._entries = entries
        self._expired = expired

    def judge(self, result: Result) -> None:
        """Write into the result whether it was expected, and which entry has a say in that.

        Expected is a failure, in the way that it failed; a pass too: that one is unexpected,
        unless the entry says that the deviation is not seen each time. An error of the harness or
        the machine, or a case that did not run, never satisfies an entry. A failure that an expired
        entry describes is no longer expected, and says so.
        """
        entry = self._covering(result)
        result.expected = entry is not None
        if entry is None and result.verdict in RED:
            entry = next((one for one in self._expired if _describes_end(one, result)), None)
            result.expired_on = entry.expires.isoformat() if entry else ""
        result.expectation = entry.id if entry else ""

    @property
    def expired(self) -> Sequence[Expectation]:
        """The entries for this system that no longer hold."""
        return self._expired

    def expiring(self, day: date | None = None) -> list[Expectation]:
        """Return the entries that hold and will expire within two weeks, the first to go first."""
        last = (day or today()) + timedelta(days=WARNED_DAYS)
        return sorted(
            (entry for entry in self._entries if entry.expires <= last),
            key=lambda entry: (entry.expires, entry.id),
        )

    def _covering(self, result: Result) -> Expectation | None:
        for entry in self._entries:
            passes = result.verdict == "pass" and entry.kind != "flaky"
            if (passes and entry.is_for(result.case)) or _describes_end(entry, result):
                return entry
        return None


def load_expectations(
    folder: Path,
    fingerprint: Mapping[str, Any],
    day: date | None = None,
    *,
    names: Sequence[str] | None = None,
    target_kind: str = "local",
) -> Expectations:
    """Read every file of the folder; an entry that makes no sense is a UsageError.

    ``names`` is the whole list of cases: an entry that holds here and matches none of them is an
    error too. Whoever knows a part of the list only gives None.
    """
    day = day or today()
    system = system_of(fingerprint, target_kind)
    here = [entry for entry in read_expectations(folder) if entry.holds_on(system)]
    entries = [entry for entry in here if not entry.expired(day)]
    if names is not None:
        refuse_unmatched(entries, names)
    return Expectations(entries, [entry for entry in here if entry.expired(day)])


def describes(entry: Expectation, fingerprint: Mapping[str, Any]) -> bool:
    """Return whether an entry is for the machine with this fingerprint, reached as ``local``."""
    return entry.holds_on(system_of(fingerprint))


def today() -> date:
    """Return the day that decides whether an entry has expired: UTC, as every time of a run."""
    return datetime.now(UTC).date()


def noted(entries: Iterable[Expectation]) -> list[dict[str, str]]:
    """Return what run.json keeps of entries that will expire soon."""
    return [
        {"id": entry.id, "owner": entry.owner, "expires": entry.expires.isoformat()}
        for entry in entries
    ]


def outcome_of(result: Result) -> Outcome:
    """Return the verdict, or ``expected`` / ``unexpected_pass`` where an expectation covers it."""
    return judged(result.verdict, result.expected)


def _describes_end(entry: Expectation, result: Result) -> bool:
    """Return whether the case ended as the entry says; a pass or an error never does."""
    return (
        result.verdict in entry.verdicts
        and entry.is_for(result.case)
        and entry.says in _told(result)
        and (not entry.signature or entry.signature == _signature(result))
    )


def _told(result: Result) -> str:
    messages = (failure.message for failure in result.failures)
    return "\n".join([result.reason, *messages, result.processes])


def _signature(result: Result) -> str | None:
    # Of an unsupported case there is none; its reason is what can be matched.
    return signature_of(msgspec.convert(msgspec.to_builtins(result), ReportedResult))
