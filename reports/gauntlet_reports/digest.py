"""The morning's digest of a night: one answer, what changed, what expires, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from gauntlet_reports.changes import KINDS, Change, Kind
from gauntlet_reports.comparison import Comparison
from gauntlet_reports.flakes import class_words
from gauntlet_reports.outcomes import (
    LOOKS,
    MACHINE,
    RED,
    STATUS_FAILED,
    STATUS_MACHINE,
    STATUS_OK,
    Entry,
    entries,
    headline,
    message_of,
    overall_status,
    repro_of,
    state_words,
)
from gauntlet_reports.run_data import RunData
from gauntlet_reports.signatures import signature_of
from gauntlet_reports.text import clipped, count, duration, one_line

WARNED_DAYS = 14
"""How long before its day an expectation is told of."""

_SHOWN_CASES = 5
_TEXT_LIMIT = 300
# The classes of a comparison that a digest tells; the rest is for who asks `compare`.
_TOLD: tuple[Kind, ...] = (
    "regression",
    "new_failure",
    "disappeared",
    "unexpected_pass",
    "fixed",
    "newly_flaky",
)


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """An expectation that has expired or soon will, and the cases of the run that it names."""

    id: str
    owner: str
    expires: date
    expired: bool
    cases: tuple[str, ...]


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What the harness or the machine did to a run, as run.json has it under ``trouble``."""

    kind: str
    words: str
    blamed: str | None = None


class Item(msgspec.Struct, frozen=True):
    """One thing to look at: what, which cases, how to see it oneself."""

    what: str
    cases: tuple[str, ...] = ()
    more: int = 0  # Cases beyond those named.
    repro: str = ""
    again: Mapping[str, str] = {}  # Of the cases named: what came of running them again.


class Section(msgspec.Struct, frozen=True):
    """Things of one sort."""

    title: str
    items: list[Item]


class Digest(msgspec.Struct, frozen=True):
    """A night in one answer and the little that bears it out."""

    answer: str
    sections: list[Section]
    numbers: list[str]
    status: int


def digest_of(
    run: RunData,
    baseline: Comparison | None,
    *,
    expiries: Sequence[Expiry] = (),
) -> Digest:
    """Say what a night brought; ``baseline`` is the comparison of an earlier run with it."""
    maker = _Maker(run, baseline, expiries)
    told = maker.changes()
    sections = [*maker.change_sections(told), *maker.expiry_sections(), *maker.trouble_section()]
    return Digest(
        answer=maker.answer(told),
        sections=[section for section in sections if section.items],
        numbers=maker.numbers(),
        status=maker.status(),
    )


class _Maker:
    """Everything that the parts of one digest have in common."""

    def __init__(
        self,
        run: RunData,
        baseline: Comparison | None,
        expiries: Sequence[Expiry],
    ) -> None:
        self._run = run
        self._baseline = baseline
        self._expiries = expiries
        self._entries = entries(run)
        self._worst: dict[str, Entry] = {}
        for entry in self._entries:
            self._worst.setdefault(entry.case.name, entry)
        self._troubles = _troubles(run)
        self._blamed = {one.blamed for one in self._troubles if one.blamed and self._only(one)}
        self._expired = {case for one in expiries if one.expired for case in one.cases}

    def _only(self, trouble: Trouble) -> bool:
        """Whether nothing else is wrong with the case that a trouble blames."""
        red = [e for e in self._entries if e.case.name == trouble.blamed and e.outcome in RED]
        return len(red) == 1

    def changes(self) -> list[Change]:
        """What is to be told as a change; what expired or the machine did is told as that."""
        if self._baseline is None:
            return []
        return [
            change
            for change in self._baseline.changes
            if change.kind in _TOLD
            and change.case not in self._blamed
            and not self._is_expired(change)
            and (change.kind != "disappeared" or change.regressed)
        ]

    def _is_expired(self, change: Change) -> bool:
        return change.kind in ("regression", "new_failure") and change.case in self._expired

    def _newly_red_by_expiry(self) -> list[str]:
        changes = self._baseline.changes if self._baseline else []
        return [change.case for change in changes if self._is_expired(change)]

    def change_sections(self, told: Sequence[Change]) -> list[Section]:
        """One section a class, or all that is red where there is nothing to compare with."""
        if self._baseline is None:
            red = [e.case.name for e in self._worst.values() if e.outcome in RED]
            cases = [case for case in red if case not in self._blamed | self._expired]
            return [Section("Failures", self._grouped(cases))]
        sections = []
        for kind in _TOLD:
            cases = [change.case for change in told if change.kind == kind]
            sections.append(Section(KINDS[kind].many.capitalize(), self._grouped(cases)))
        return sections

    def _grouped(self, cases: Iterable[str]) -> list[Item]:
        groups: dict[str, list[str]] = {}
        for case in cases:
            groups.setdefault(self._signature(case), []).append(case)
        largest_first = sorted(groups.items(), key=lambda group: -len(group[1]))
        return [self._item(words, names) for words, names in largest_first]

    def _signature(self, case: str) -> str:
        entry = self._worst.get(case)
        if entry is None:
            return "the run has no such case"
        if entry.outcome == "pass":
            return "passes now"
        if entry.result is None or entry.outcome not in ("fail", "hang", "crash"):
            return one_line(clipped(message_of(entry), _TEXT_LIMIT))
        words = signature_of(entry.result) or message_of(entry)
        word = LOOKS[entry.outcome].word
        passed = sum(e.case.name == case and e.outcome == "pass" for e in self._entries)
        reds = self._reds(case)
        often = f" in {reds} of {passed + reds} repetitions" if passed else ""
        return f"{word}{often}: {one_line(clipped(words, _TEXT_LIMIT))}"

    def _reds(self, case: str) -> int:
        return sum(e.case.name == case and e.outcome in RED for e in self._entries)

    def _item(self, words: str, cases: Sequence[str]) -> Item:
        entry = self._worst.get(cases[0])
        repro = repro_of(entry, self._run) if entry and entry.outcome != "pass" else ""
        shown = tuple(cases[:_SHOWN_CASES])
        again = {case: said for case in shown if (said := self._again(case))}
        return Item(words, shown, len(cases) - len(shown), repro, again)

    def _again(self, case: str) -> str:
        """The class of a failure, or that nothing is known of it although the night would ask."""
        if case in self._run.classes:
            return class_words(self._run.classes[case])
        entry = self._worst.get(case)
        failed = entry is not None and entry.outcome in ("fail", "hang", "crash")
        return "did not run again" if failed and self._run.info.get("rerun") else ""

    def expiry_sections(self) -> list[Section]:
        """Expectations that have expired, with what fails again, and those that soon will."""
        expired, soon = [], []
        for one in self._expiries:
            what = "expired" if one.expired else "expires"
            words = f"{one.id} (owner {one.owner}) {what} on {one.expires.isoformat()}"
            if not one.expired:
                soon.append(Item(words))
                continue
            red = [case for case in one.cases if case in self._worst and self._reds(case)]
            words += ": its cases fail again" if red else ": none of its cases failed"
            expired.append(self._item(words, red) if red else Item(words))
        return [
            Section("Expired expectations", expired),
            Section(f"Expectations that expire within {WARNED_DAYS} days", soon),
        ]

    def trouble_section(self) -> list[Section]:
        """What the machine or the harness did to the night, and the cases that it cost."""
        items = []
        for trouble in self._troubles:
            entry = self._worst.get(trouble.blamed or "")
            items.append(Item(trouble.words, repro=repro_of(entry, self._run) if entry else ""))
        if self._run.state != "finished" and not self._stopped_by_trouble():
            items.append(Item(f"the night was not finished: {state_words(self._run)}"))
        groups: dict[str, list[str]] = {}
        for entry in self._worst.values():
            if entry.outcome in MACHINE:
                words = f"{LOOKS[entry.outcome].word}: {message_of(entry)}"
                words = one_line(clipped(words, _TEXT_LIMIT))
                groups.setdefault(words, []).append(entry.case.name)
        items += [self._item(words, cases) for words, cases in groups.items()]
        return [Section("Machine trouble", items)]

    def _stopped_by_trouble(self) -> bool:
        return any(trouble.kind == "journal" for trouble in self._troubles)

    def answer(self, told: Sequence[Change]) -> str:
        """The one sentence that a reader in a hurry needs."""
        changed = self._changed_words(told)
        if self._run.state != "finished":
            judged = len({e.case.name for e in self._entries if e.result})
            return (
                f"The night did not finish: {judged:,} of {len(self._worst):,} cases ran. {changed}"
            )
        if self._troubles or any(e.outcome in MACHINE for e in self._worst.values()):
            return f"Machine trouble. {changed}"
        return changed

    def _changed_words(self, told: Sequence[Change]) -> str:
        again = len(self._newly_red_by_expiry())
        words = []
        for kind in _TOLD:
            if number := sum(change.kind == kind for change in told):
                words.append(f"{number:,} {KINDS[kind].word if number == 1 else KINDS[kind].many}")
        if again:
            words.append(f"{count(again, 'case')} of an expired expectation")
        if words:
            return f"{len(told) + again:,} changed: {', '.join(words)}."
        if self._baseline is not None:
            return "Nothing changed."
        red = sum(e.outcome in RED for e in self._worst.values()) - len(self._blamed)
        return (
            f"Nothing to compare with; {count(red, 'failing case') if red else 'nothing failed'}."
        )

    def numbers(self) -> list[str]:
        """The totals and where they come from."""
        run = self._run
        cases, asked = len(self._worst), len(self._entries)
        often = f", {asked:,} with their repetitions" if asked > cases else ""
        facts = [f"{count(cases, 'case')}{often}: {headline(run)}"]
        if run.elapsed_s is not None:
            facts.append(f"took {duration(run.elapsed_s * 1000)}")
        facts += [f"seed {run.text('seed')}"] if run.text("seed") else []
        origin = [f"run {run.folder} on {run.target}"]
        if self._baseline is not None:
            origin.append(f"compared with {self._baseline.before.name}")
        return [", ".join(facts), ", ".join(origin)]

    def status(self) -> int:
        """As an exit status: 1 something failed or regressed, 3 machine trouble, 0 neither."""
        regressed = self._baseline is not None and self._baseline.status == STATUS_FAILED
        own = overall_status(self._run)
        if own == STATUS_FAILED or (regressed and own == STATUS_OK):
            return STATUS_FAILED
        if own == STATUS_MACHINE or self._run.state != "finished":
            return STATUS_MACHINE
        return STATUS_OK


def _troubles(run: RunData) -> list[Trouble]:
    listed = run.info.get("trouble")
    try:
        return msgspec.convert(listed or [], list[Trouble])
    except msgspec.ValidationError:
        return [Trouble(kind="unknown", words="run.json tells of trouble that is not understood")]
