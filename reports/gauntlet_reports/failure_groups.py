"""What went wrong in a run, by kind of failure and not by case, and since when each is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from gauntlet_reports.history import History, Seen
from gauntlet_reports.outcomes import MACHINE, RED, SEVERITY, Entry, Outcome
from gauntlet_reports.signatures import signature_of


class FailureGroup(msgspec.Struct, frozen=True):
    """The failures of a run that share a signature, the worst one first."""

    signature: str
    members: list[Entry]
    new: bool
    """Whether no stored run before this one has it; False where nothing is known of the past."""
    seen: Seen | None = None

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many of each outcome, worst first."""
        found = Counter(member.outcome for member in self.members)
        return {outcome: found[outcome] for outcome in SEVERITY if found[outcome]}

    @property
    def cases(self) -> int:
        """How many cases it is, repetitions not counted."""
        return len({member.case.name for member in self.members})


class PastGroup(msgspec.Struct, frozen=True):
    """A signature of the nights before that this run does not have."""

    signature: str
    seen: Seen


def signatures_of(listed: Sequence[Entry]) -> list[str | None]:
    """The signature of each entry that counts as wrong, None for the others."""
    wrong = RED | MACHINE
    return [
        signature_of(entry.result) if entry.result and entry.outcome in wrong else None
        for entry in listed
    ]


def failure_groups(
    listed: Sequence[Entry], signatures: Sequence[str | None], run_id: str, history: History | None
) -> list[FailureGroup]:
    """The groups of a run: what is new first, then those of most cases."""
    members: dict[str, list[Entry]] = {}
    for entry, signature in zip(listed, signatures, strict=True):
        if signature is not None:
            members.setdefault(signature, []).append(entry)
    groups = []
    for signature, entries in members.items():
        seen = history.seen.get(signature) if history else None
        new = history is not None and (seen is None or seen.first_run == run_id)
        groups.append(FailureGroup(signature, entries, new, seen))
    return sorted(groups, key=lambda group: (not group.new, -group.cases, group.signature))


def groups_not_met(groups: Sequence[FailureGroup], history: History | None) -> list[PastGroup]:
    """What the last nights had and this run has not, last seen first."""
    if history is None:
        return []
    met = {group.signature for group in groups}
    nights = {night.run_id for night in history.nights}
    gone = [
        PastGroup(signature, seen)
        for signature, seen in history.seen.items()
        if signature not in met and seen.last_run in nights
    ]
    gone.sort(key=lambda one: one.signature)
    return sorted(gone, key=lambda one: one.seen.last_started, reverse=True)
