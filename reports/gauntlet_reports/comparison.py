"""Two runs against each other: their systems, what became of each case, behaviours and numbers."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePath
from typing import Any

import msgspec

from gauntlet_reports.changes import (
    KINDS,
    SAME,
    Change,
    Kind,
    Side,
    classify,
    is_regressed,
    side_of,
)
from gauntlet_reports.measurements import DEFAULT_BAND, Shift, shifts
from gauntlet_reports.observations import Behaviour, RecordChange, behaviours, record_changes
from gauntlet_reports.outcomes import (
    STATUS_FAILED,
    STATUS_OK,
    Entry,
    entries,
    headline,
    repro_of,
    state_words,
)
from gauntlet_reports.run_data import RunData
from gauntlet_reports.text import count

_ASKED = ("seed", "profile", "selection", "target", "preset", "jobs", "budget_s")
# What differs from moment to moment on the same system.
_PASSING = frozenset({"load", "started", "state"})


class RunSide(msgspec.Struct, frozen=True):
    """One of the two runs."""

    name: str
    headline: str
    state: str
    notes: list[str]


class Fact(msgspec.Struct, frozen=True):
    """One fact about both runs; ``""`` where a run does not tell it."""

    group: str
    name: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        """Whether the runs differ in it and that could explain something."""
        return self.before != self.after and self.name not in _PASSING


class Comparison(msgspec.Struct, frozen=True):
    """Everything that differs between two runs; ``changes`` leaves out what is unchanged."""

    before: RunSide
    after: RunSide
    facts: list[Fact]
    changes: list[Change]
    unchanged: int
    behaviours: list[Behaviour]
    records: list[RecordChange]
    shifts: list[Shift]
    uncertain: int
    """How many measured values say too little to be compared."""
    band: float
    notes: list[str]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many cases are of each class, worst first, zeros included."""
        found: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        for change in self.changes:
            found[change.kind] += 1
        found["unchanged"] = self.unchanged
        return found

    @property
    def regressed(self) -> list[Change]:
        """The changes that make the second run the worse one."""
        return [change for change in self.changes if change.regressed]

    @property
    def equal(self) -> bool:
        """Whether every case is as it was; behaviours, records and numbers are told apart."""
        return all(change.kind in SAME for change in self.changes)

    @property
    def status(self) -> int:
        """The exit status: 1 when something regressed."""
        return STATUS_FAILED if self.regressed else STATUS_OK

    @property
    def headline(self) -> str:
        """The classes in words, worst first."""
        words = [
            f"{number:,} {KINDS[kind].word if number == 1 else KINDS[kind].many}"
            for kind, number in self.counts.items()
            if number
        ]
        return ", ".join(words)

    @property
    def verdict(self) -> str:
        """One sentence on what it comes to."""
        if self.regressed:
            return f"{count(len(self.regressed), 'case')} regressed."
        if not self.equal:
            return "Nothing regressed."
        if self.counts["known"]:
            return "Equal but for deviations that are known."
        return "Equal: every case is as it was."

    @property
    def differing(self) -> list[Fact]:
        """The facts in which the systems or the requests differ."""
        return [fact for fact in self.facts if fact.differs]


def compare(before: RunData, after: RunData, band: float = DEFAULT_BAND) -> Comparison:
    """Hold the second run against the first."""
    earlier, later = _by_case(before), _by_case(after)
    gone = _why_gone(before, after)
    changes = []
    for case in earlier.keys() | later.keys():
        changes.append(_change(case, _side(earlier, case, before), _side(later, case, after), gone))
    moved = shifts(before, after, band)
    order = {kind: place for place, kind in enumerate(KINDS)}
    changed = [change for change in changes if change.kind != "unchanged"]
    return Comparison(
        before=_run_side(before),
        after=_run_side(after),
        facts=_facts(before, after),
        changes=sorted(changed, key=lambda c: (not c.regressed, order[c.kind], c.case)),
        unchanged=len(changes) - len(changed),
        behaviours=behaviours(before.results, after.results, band),
        records=record_changes(before.results, after.results),
        shifts=moved.found,
        uncertain=moved.uncertain,
        band=band,
        notes=_notes(before, after),
    )


def _by_case(run: RunData) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries(run):
        found[entry.case.name].append(entry)
    return found


def _side(listed: dict[str, list[Entry]], case: str, run: RunData) -> Side:
    found = listed.get(case, [])
    # Only what is bad shows its command, and the command costs more than all else.
    bad = bool(found) and found[0].outcome != "pass"
    return side_of(found, repro_of(found[0], run) if bad else "", run.state == "finished")


def _change(case: str, before: Side, after: Side, gone: str) -> Change:
    kind = classify(before.state, after.state)
    why = gone if kind == "disappeared" else after.message or before.message
    return Change(
        case=case,
        kind=kind,
        before=before,
        after=after,
        why=why,
        regressed=is_regressed(kind, before.state, why),
    )


def _why_gone(before: RunData, after: RunData) -> str:
    """Why a case of the first run may rightly be missing in the second; ``""`` for no reason."""
    if not after.info:
        return "the second run has no run.json, so what it planned is not known"
    selection = after.text("selection")
    if selection and selection != before.text("selection"):
        return f"the second run selected {selection}"
    missing = sorted(_suites(before) - _suites(after))
    if missing and _suites(after):
        return f"the second run was without {', '.join(missing)}"
    return ""


def _suites(run: RunData) -> set[str]:
    given = run.info.get("suites")
    return {PurePath(str(path)).name for path in given} if isinstance(given, list) else set()


def _run_side(run: RunData) -> RunSide:
    return RunSide(run.folder, headline(run), state_words(run), run.notes)


def _facts(before: RunData, after: RunData) -> list[Fact]:
    """The fingerprints, the versions and what was asked for, side by side."""
    first, second = _told(before), _told(after)
    keys = [*first, *(key for key in second if key not in first)]
    return [Fact(*key, first.get(key, ""), second.get(key, "")) for key in keys]


def _told(run: RunData) -> dict[tuple[str, str], str]:
    found = {("request", name): run.text(name) for name in _ASKED if name in run.info}
    found["request", "suites"] = ", ".join(sorted(_suites(run)))
    found["request", "started"] = run.started
    found["request", "state"] = run.state
    for section in ("versions", "fingerprint"):
        _flatten(run.info.get(section), section, "", found)
    return found


def _flatten(value: Any, group: str, path: str, into: dict[tuple[str, str], str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, group, f"{path}.{key}" if path else str(key), into)
    elif value is not None:
        into[group, path] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _notes(before: RunData, after: RunData) -> list[str]:
    """What a reader must know before believing a difference."""
    notes = []
    if before.text("profile") != after.text("profile"):
        notes.append(
            "the profiles differ: how much was tried differs with them, and so does each count"
        )
    if before.text("seed") != after.text("seed"):
        notes.append("the seeds differ: what was drawn at random differs with them")
    for which, run in (("first", before), ("second", after)):
        if run.state != "finished":
            notes.append(f"the {which} run: {state_words(run)}")
        notes += [f"the {which} run: {note}" for note in run.notes]
    return notes
