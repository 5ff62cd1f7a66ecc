"""The morning's answer in a few sentences, each with the part of the page that has the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from gauntlet_reports.background import Background
from gauntlet_reports.failure_groups import FailureGroup
from gauntlet_reports.outcomes import MACHINE, Entry, state_words
from gauntlet_reports.run_data import RunData
from gauntlet_reports.text import count

Tone = Literal["good", "bad", "trouble", "plain"]
# More reminders than these are counted here and spelt out in their section.
_SPELT_OUT = 3


class Sentence(msgspec.Struct, frozen=True):
    """One sentence of the overview, and the id of the section that it speaks of."""

    tone: Tone
    words: str
    section: str


def overview(
    run: RunData, listed: Sequence[Entry], groups: Sequence[FailureGroup], background: Background
) -> list[Sentence]:
    """Machine trouble first: whoever reads on should know whether the night can be believed."""
    return [
        *_trouble(run, listed),
        *_changes(background),
        *_groups(groups, background),
        *_endings(run, listed),
    ]


def trouble_words(run: RunData, listed: Sequence[Entry]) -> list[str]:
    """What the harness or the machine did to the run, in sentences; empty when nothing."""
    lost = sum(entry.outcome in MACHINE for entry in listed)
    words = []
    if run.state != "finished":
        reached = f"{count(len(run.not_reached), 'planned case')} not reached"
        words.append(f"The run has not finished ({state_words(run)}), {reached}.")
    if lost:
        words.append(f"{count(lost, 'case')} without a verdict: the harness or the machine failed.")
    told = {line for entry in listed if entry.result for line in entry.result.kernel}
    if told:
        kinds = ", ".join(sorted({line.kind for line in told}))
        words.append(f"The kernel logged {count(len(told), 'line')} during cases: {kinds}.")
    resumed = sum(event.state == "resumed" for event in run.events)
    if resumed:
        words.append(f"The run was cut short and resumed {count(resumed, 'time')}.")
    return words


def _trouble(run: RunData, listed: Sequence[Entry]) -> Iterator[Sentence]:
    for words in trouble_words(run, listed):
        yield Sentence("trouble", words, "trouble")
    if run.notes:
        yield Sentence("trouble", f"{count(len(run.notes), 'note')} on the run's files.", "trouble")


def _changes(background: Background) -> Iterator[Sentence]:
    found = background.baseline
    if found is not None:
        tone: Tone = "bad" if found.regressed else "good" if found.equal else "plain"
        words = f"Since {found.before.name}: {found.headline}."
        yield Sentence(tone, words, "changes")


def _groups(groups: Sequence[FailureGroup], background: Background) -> Iterator[Sentence]:
    if not groups:
        return
    words = f"{count(len(groups), 'kind')} of failure"
    new = sum(group.new for group in groups)
    if background.history is not None:
        words += f", {new} never seen before" if new else ", each seen before"
    yield Sentence("bad", words + ".", "signatures")


def _endings(run: RunData, listed: Sequence[Entry]) -> Iterator[Sentence]:
    expired = len({e.result.expectation for e in listed if e.result and e.result.expired_on})
    if expired:
        words = count(expired, "expectation has", "expectations have")
        yield Sentence("bad", f"{words} expired; its cases fail again.", "endings")
    if len(run.reminders) > _SPELT_OUT:
        words = f"{len(run.reminders)} expectations expire soon."
        yield Sentence("plain", words, "endings")
    else:
        for reminder in run.reminders:
            yield Sentence("plain", f"{reminder[:1].upper()}{reminder[1:]}.", "endings")
