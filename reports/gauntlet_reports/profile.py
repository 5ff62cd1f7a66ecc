"""The behaviour profile of a system: what the standard leaves to it, as one run has measured it.

Limits and capacities, who is woken, what a flood leaves, what a dead peer looks like, interrupted
calls, latency and throughput: every value with its method, subject and case. Two profiles stand
side by side in ``side_by_side``. What a search of the suite did (points of a sweep, failing calls)
tells of the suite and its seed, so it is no part of a profile; how kill sweeps ended is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import msgspec

from gauntlet_reports.groups import METHODS
from gauntlet_reports.measurements import (
    DEFAULT_BAND,
    OF_CHANCE,
    Interval,
    apart,
    interval,
    measured,
    says_too_little,
)
from gauntlet_reports.observations import answers, is_another_choice, is_record, observed
from gauntlet_reports.run_data import Result, RunData

SCHEMA_VERSION = 1

Topic = Literal[
    "limits and capacities",
    "waking and order",
    "what a flood leaves",
    "death of a peer",
    "interrupted calls",
    "latency and throughput",
    "other choices",
]
Difference = Literal["same", "differs", "not judged", "only before", "only after"]
"""``not judged`` are numbers that lie apart and say too little: who ran beside decides them."""

SYSTEM = "system"
"""The method of what the fingerprint tells: limits of the machine, which no case measures."""

# The first that fits the name of a value decides its topic.
_TOPICS: dict[Topic, re.Pattern[str]] = {
    "interrupted calls": re.compile(r"^eintr "),
    "latency and throughput": re.compile(r"_(per_s|ns|us|ms|s)$"),
    "death of a peer": re.compile(r"dead|died|kill|broken|abort|attach_to_nothing"),
    "waking and order": re.compile(r"woken|wake|order|fair|first|waiter"),
    "what a flood leaves": re.compile(r"kept|coalesc|flood|without_an_answer"),
    "limits and capacities": re.compile(
        r"capacity|limit|_max|fit|regions|mappings|descriptor|largest"
    ),
}
TOPICS: tuple[Topic, ...] = get_args(Topic)
_KILL_SWEEP = re.compile(r"^sweep: .*\bkill of ")
# How much of a case was tried, and how often chance had it that a kill met a call.
_OF_A_SEARCH = OF_CHANCE | frozenset(
    {
        "executions",
        "kill_points",
        "points",
        "programs",
        "strayed_points",
        "stuck_points",
        "undecided_histories",
    }
)
# A record even where it is one line: nothing there could fail.
_FAILING_CALLS = "failing calls: "
_ENDING = re.compile(r"^n\s+")


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a profile: numbers that were measured, or texts that were observed."""

    method: str
    topic: Topic
    subject: str | None = None
    case: str = ""
    """The case that measured it; ``""`` for what the fingerprint tells."""
    name: str
    numbers: list[float] = []
    texts: list[str] = []

    def interval(self, band: float = DEFAULT_BAND) -> Interval | None:
        """Where the measured number may lie; None for texts."""
        return interval(self.numbers, band) if self.numbers else None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What one run tells of its system."""

    schema: int = SCHEMA_VERSION
    run: str
    started: str
    seed: str
    effort: str
    """The run's profile, smoke, full or soak: how much each case tried."""
    jobs: int | None = None
    """How many cases ran at once; None where the run does not tell."""
    fingerprint: dict[str, Any]
    values: list[Value]


class Row(msgspec.Struct, frozen=True):
    """One value on both systems; a side is None where its run has not got it."""

    before: Value | None
    after: Value | None
    difference: Difference

    @property
    def value(self) -> Value:
        """The side that is there: it tells what the row is about."""
        found = self.before or self.after
        assert found is not None
        return found


class SideBySide(msgspec.Struct, frozen=True):
    """Two profiles, or one alone, row by row in the order of the methods."""

    before: Profile
    after: Profile | None
    band: float
    rows: list[Row]

    def count(self, difference: Difference) -> int:
        """How many rows are of this kind."""
        return sum(row.difference == difference for row in self.rows)


def profile_of(run: RunData) -> Profile:
    """The profile of a run; the same run always gives the same profile."""
    cases = {result.case: result for result in run.results}
    values = [*_measured(run.results, cases), *_observed(run.results, cases)]
    fingerprint = run.info.get("fingerprint")
    known = fingerprint if isinstance(fingerprint, dict) else {}
    return Profile(
        run=run.folder,
        started=run.started,
        seed=run.text("seed"),
        effort=run.text("profile"),
        jobs=jobs if isinstance(jobs := run.info.get("jobs"), int) else None,
        fingerprint=known,
        values=sorted([*_of_the_system(known), *values], key=_place),
    )


def side_by_side(
    before: Profile, after: Profile | None = None, band: float = DEFAULT_BAND
) -> SideBySide:
    """Lay a second profile beside the first.

    Numbers differ where their intervals do not meet, texts where the two have none in common: one
    that varies among the repetitions of a run is no other one while both have it. A time, rate or
    share that was measured a few times beside other cases is not judged.
    """
    first = {(value.case, value.name): value for value in before.values}
    second = {(value.case, value.name): value for value in after.values} if after else {}
    rows = []
    for key in first.keys() | second.keys():
        one, other = first.get(key), second.get(key)
        difference = _difference(one, other, band) if after else "same"
        if after and difference == "differs" and (_too_few(one, before) or _too_few(other, after)):
            difference = "not judged"
        rows.append(Row(one, other, difference))
    rows.sort(key=lambda row: _place(row.value))
    return SideBySide(before, after, band, rows)


def _difference(before: Value | None, after: Value | None, band: float) -> Difference:
    if after is None:
        return "only before"
    if before is None:
        return "only after"
    first, second = before.interval(band), after.interval(band)
    if first and second:
        return "differs" if apart(first, second) else "same"
    other = is_another_choice(before.name, set(before.texts), set(after.texts), band)
    return "differs" if other else "same"


def _too_few(value: Value | None, profile: Profile) -> bool:
    """Whether a value has numbers, but fewer than tell its system from the load of its run."""
    if value is None or not value.numbers:
        return False
    return says_too_little(value.name, len(value.numbers), profile.jobs)


def _measured(results: Iterable[Result], cases: Mapping[str, Result]) -> list[Value]:
    return [
        _value(cases[case], name, numbers=numbers)
        for (case, name), numbers in measured(results).items()
        if name not in _OF_A_SEARCH and not _searches(cases[case])
    ]


def _searches(result: Result) -> bool:
    """Whether the numbers of a case count what its search has met."""
    return any(is_record(text) for text in result.observed.values())


def _observed(results: Iterable[Result], cases: Mapping[str, Result]) -> list[Value]:
    values = []
    for (case, name), found in observed(results).items():
        texts = found
        if _KILL_SWEEP.match(name):
            texts = _endings(found)
        elif name.startswith(_FAILING_CALLS) or any(map(is_record, found)):
            continue
        if texts:
            values.append(_value(cases[case], name, texts=sorted(texts)))
    return values


def _endings(records: Iterable[str]) -> set[str]:
    """The kinds of ending of a kill sweep, without how often each was met."""
    return {_ENDING.sub("", line) for line in answers(records) if _ENDING.match(line)}


def _value(
    result: Result,
    name: str,
    numbers: list[float] | None = None,
    texts: list[str] | None = None,
) -> Value:
    return Value(
        method=result.method or "unknown",
        topic=_topic(name),
        subject=result.subject,
        case=result.case,
        name=name,
        numbers=numbers or [],
        texts=texts or [],
    )


def _topic(name: str) -> Topic:
    fitting = (topic for topic, pattern in _TOPICS.items() if pattern.search(name))
    return next(fitting, "other choices")


def _of_the_system(fingerprint: Mapping[str, Any]) -> list[Value]:
    """The limits of the machine, as its fingerprint has them."""
    values = []
    for group in ("ipc", "limits"):
        facts = fingerprint.get(group)
        for name, fact in facts.items() if isinstance(facts, dict) else ():
            value = Value(
                method=SYSTEM,
                topic="limits and capacities",
                name=f"{group} {name}",
                texts=[str(fact)],
            )
            values.append(value)
    return values


def _place(value: Value) -> tuple[int, str, int, str, str, str]:
    """Where a value stands: the system first, then the methods in the order of the design."""
    order = (SYSTEM, *METHODS)
    method = order.index(value.method) if value.method in order else len(order)
    topic = TOPICS.index(value.topic)
    return (method, value.method, topic, value.subject or "", value.name, value.case)
