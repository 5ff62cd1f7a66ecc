"""What became of one case from one run to another: its two states and the class of the change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from gauntlet_reports.outcomes import LOOKS, SEVERITY, Entry, Outcome, counted, message_of

State = Literal[
    "unknown", "pass", "expected", "fail", "flaky", "unexpected_pass", "trouble", "skipped"
]
"""All repetitions of a case in one run taken together; `unknown` when the run has no such case."""

Kind = Literal[
    "regression",
    "new_failure",
    "unexpected_pass",
    "newly_flaky",
    "no_verdict",
    "disappeared",
    "not_asked",
    "still_failing",
    "still_flaky",
    "fixed",
    "new_pass",
    "appeared",
    "known",
    "unchanged",
]


class KindLook(msgspec.Struct, frozen=True):
    """How a class is written: words for one, words for many, and the look of which outcome."""

    word: str
    many: str
    outcome: Outcome
    meaning: str


KINDS: dict[Kind, KindLook] = {
    "regression": KindLook(
        "regression", "regressions", "fail", "did what it should before, and fails now"
    ),
    "new_failure": KindLook(
        "new failure", "new failures", "fail", "fails, and had no verdict before"
    ),
    "unexpected_pass": KindLook(
        "unexpected pass",
        "unexpected passes",
        "unexpected_pass",
        "passes, although an expectation says that it fails",
    ),
    "newly_flaky": KindLook(
        "newly flaky", "newly flaky", "hang", "passes in some repetitions and fails in others"
    ),
    "no_verdict": KindLook(
        "without a verdict",
        "without a verdict",
        "error",
        "ended in an error of the harness or the machine, or never",
    ),
    "disappeared": KindLook(
        "disappeared", "disappeared", "unfinished", "the second run has no such case"
    ),
    "not_asked": KindLook(
        "not asked any more", "not asked any more", "not_run", "was judged before, and not now"
    ),
    "still_failing": KindLook("still failing", "still failing", "crash", "was red, and is red"),
    "still_flaky": KindLook("still flaky", "still flaky", "crash", "was flaky, and is flaky"),
    "fixed": KindLook("fixed", "fixed", "pass", "was red, and passes now"),
    "new_pass": KindLook("new pass", "new passes", "pass", "passes, and was not judged before"),
    "appeared": KindLook(
        "appeared", "appeared", "not_reached", "the first run has no such case; nothing is wrong"
    ),
    "known": KindLook(
        "known deviation",
        "known deviations",
        "expected",
        "an expectation covers the difference: the deviation is seen in one of the runs only",
    ),
    "unchanged": KindLook("unchanged", "unchanged", "pass", "the same in both runs"),
}
"""Worst first: the order of every list of changes."""

SAME: frozenset[Kind] = frozenset({"unchanged", "still_failing", "still_flaky", "known"})
"""Classes that two runs of the same system may differ in and still be equal."""

_JUDGED_WELL: frozenset[State] = frozenset({"pass", "expected"})


class Side(msgspec.Struct, frozen=True):
    """A case as one run has it."""

    state: State
    counts: dict[Outcome, int] = {}
    message: str = ""
    repro: str = ""

    @property
    def words(self) -> str:
        """The state in words: ``pass``, or ``1 failed, 4 passed`` over repetitions."""
        if not self.counts:
            return "no such case"
        if sum(self.counts.values()) == 1:
            return LOOKS[next(iter(self.counts))].word
        return ", ".join(counted(outcome, number) for outcome, number in self.counts.items())


def side_of(listed: Sequence[Entry], repro: str, finished: bool) -> Side:
    """All repetitions of one case, the worst of them first; none make an unknown case.

    A run that was stopped may rightly not have reached a case, a finished one has lost it.
    """
    counts = Counter(entry.outcome for entry in listed)
    ordered = {outcome: counts[outcome] for outcome in sorted(counts, key=SEVERITY.__getitem__)}
    if finished and counts.keys() == {"not_reached"}:
        return Side("trouble", ordered, "the run finished without a verdict on this case")
    bad = listed and listed[0].outcome != "pass"
    return Side(_state(counts), ordered, message_of(listed[0]) if bad else "", repro if bad else "")


def _state(counts: Counter[Outcome]) -> State:
    red = counts["fail"] + counts["hang"] + counts["crash"]
    if not counts:
        return "unknown"
    if red:
        return "flaky" if counts["pass"] + counts["unexpected_pass"] else "fail"
    if counts["unexpected_pass"]:
        return "unexpected_pass"
    if counts["error"] + counts["unfinished"]:
        return "trouble"
    if counts["expected"]:
        return "expected"
    return "pass" if counts["pass"] else "skipped"


def classify(before: State, after: State) -> Kind:
    """The class of a change between two states."""
    if after == "unknown":
        return "disappeared"
    if after in ("fail", "flaky", "unexpected_pass"):
        return _classify_red(before, after)
    if after == "trouble":
        return "unchanged" if before == "trouble" else "no_verdict"
    if before == "unknown":
        return "appeared"
    if after == "skipped":
        return "unchanged" if before == "skipped" else "not_asked"
    if before == after:
        return "unchanged"
    if after == "pass":
        if before == "expected":
            return "known"
        return "new_pass" if before in ("skipped", "trouble") else "fixed"
    return "known"


def _classify_red(before: State, after: State) -> Kind:
    if after == "flaky":
        return "still_flaky" if before == "flaky" else "newly_flaky"
    if after == "unexpected_pass":
        return "still_failing" if before == "unexpected_pass" else "unexpected_pass"
    if before in _JUDGED_WELL or before == "unexpected_pass":
        return "regression"
    return "still_failing" if before in ("fail", "flaky") else "new_failure"


class Change(msgspec.Struct, frozen=True):
    """One case in both runs."""

    case: str
    kind: Kind
    before: Side
    after: Side
    why: str = ""
    regressed: bool = False


def is_regressed(kind: Kind, before: State, why: str) -> bool:
    """Whether a change makes the second run the worse one.

    A case that has disappeared does unless there is a reason for it; one that always failed and
    now fails sometimes does not.
    """
    if kind == "disappeared":
        return not why
    if kind == "newly_flaky":
        return before != "fail"
    return kind in ("regression", "new_failure", "unexpected_pass", "no_verdict")
