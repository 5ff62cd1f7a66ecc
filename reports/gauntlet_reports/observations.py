"""Texts that two runs observed: changed behaviours, and apart from them changed search records.

A *behaviour* is what the system chose (a capacity, who is woken first): one line, compared as it
is. A *record* is what a search of the suite met (a table of failing calls, executions of a
schedule): several lines, or a line with its seed or its rate. Seed, load and chance decide what a
record holds, so only what both runs tried is compared: ``openat #1 fails with EIO -> reported``
where the same call had another answer before, or a kind of ending that the other run has not seen.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set

import msgspec

from gauntlet_reports.measurements import DEFAULT_BAND, apart, interval
from gauntlet_reports.run_data import Result

Key = tuple[str, str]
"""A case and the name of what it observed."""

_ARROW = " -> "
_OF_A_SEARCH = re.compile(r"\n|\bseed \d|\d/s\b|\d executions\b")
_NUMBER = re.compile(r"\d[\d,.]*")
# Of a call that was not made this time there is no answer.
_NOT_REACHED = "not reached"
# Of a point that was not met there is no ending: the seed and chance decide which those are.
_NOT_MET = re.compile(r"\d[\d,.]* (points\b|not reached$)")


# How much a broker or a thread of a library takes in before the rest is dropped: its pace under the
# load of the run decides that too, so of these numbers a few more or less are no other choice.
_OF_PACE = frozenset({"kept_of_a_flood"})


class Behaviour(msgspec.Struct, frozen=True):
    """A choice of the system that is another one now; no texts where it was not observed."""

    case: str
    name: str
    before: list[str]
    after: list[str]


class RecordChange(msgspec.Struct, frozen=True):
    """What a search met otherwise than before, as lines of a unified diff."""

    case: str
    name: str
    diff: list[str]


def behaviours(
    before: Iterable[Result], after: Iterable[Result], band: float = DEFAULT_BAND
) -> list[Behaviour]:
    """The behaviours that changed."""
    earlier, later = observed(before), observed(after)
    cases = {case for case, _ in earlier} & {case for case, _ in later}
    found = []
    for key in sorted(earlier.keys() | later.keys()):
        first, second = earlier.get(key, set()), later.get(key, set())
        if key[0] not in cases or any(map(is_record, first | second)):
            continue
        if is_another_choice(key[1], first, second, band):
            found.append(Behaviour(key[0], key[1], sorted(first), sorted(second)))
    return found


def is_another_choice(name: str, before: Set[str], after: Set[str], band: float) -> bool:
    """Whether the system has chosen otherwise: the two sides have no text in common.

    What varies among the repetitions of one run is no other choice while both have it, and a number
    that pace decides none within the band.
    """
    if before & after:
        return False
    if name in _OF_PACE and before and after and all(map(str.isdecimal, before | after)):
        return apart(*(interval([float(text) for text in side], band) for side in (before, after)))
    return True


def record_changes(before: Iterable[Result], after: Iterable[Result]) -> list[RecordChange]:
    """The records of both runs that differ in what both of them tried."""
    earlier, later = observed(before), observed(after)
    found = []
    for key in sorted(earlier.keys() & later.keys()):
        if earlier[key] != later[key] and any(map(is_record, earlier[key] | later[key])):
            diff = _diff(answers(earlier[key]), answers(later[key]))
            if diff:
                found.append(RecordChange(key[0], key[1], diff))
    return found


def observed(results: Iterable[Result]) -> dict[Key, set[str]]:
    """Every text that a run observed, over the repetitions of its case."""
    found: dict[Key, set[str]] = defaultdict(set)
    for result in results:
        for name, text in result.observed.items():
            found[result.case, name].add(text.strip())
    return found


def is_record(text: str) -> bool:
    """Whether a text tells what a search met, and not what the system chose."""
    return _OF_A_SEARCH.search(text) is not None


def answers(texts: Iterable[str]) -> Mapping[str, set[str]]:
    """What was tried and what came of it, or without such a table the kinds of ending.

    A kind of ending is a line that begins with how often it was seen; the places in the code that
    stand below it, and the line of sums above, are other ones for each seed. A text that has
    neither is compared by all its lines.
    """
    lines = [" ".join(line.split()) for text in texts for line in text.splitlines()]
    tried: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        asked, arrow, answer = line.partition(_ARROW)
        if arrow:
            tried[asked].add(answer)
    if not tried:
        endings = [line for line in lines if _NUMBER.match(line)] or lines
        met = [line for line in endings if not _NOT_MET.match(line)]
        tried.update((_NUMBER.sub("n", line), set()) for line in met)
    return tried


def _diff(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> list[str]:
    """Lines of a unified diff without its head; [] where the two agree."""
    asked = before.keys() | after.keys()
    if any(before.values()) or any(after.values()):
        # A table: what both tried. An answer that varies within a run is no other one while both
        # have it.
        both = before.keys() & after.keys()
        asked = {one for one in both if _is_another_answer(before[one], after[one])}
    return list(
        difflib.unified_diff(_written(before, asked), _written(after, asked), lineterm="", n=1)
    )[2:]


def _is_another_answer(before: Set[str], after: Set[str]) -> bool:
    first, second = before - {_NOT_REACHED}, after - {_NOT_REACHED}
    return bool(first and second) and not first & second


def _written(answers: Mapping[str, set[str]], asked: Iterable[str]) -> list[str]:
    lines = []
    for one in sorted(asked):
        if one in answers:
            ending = _ARROW + " or ".join(sorted(answers[one])) if answers[one] else ""
            lines.append(one + ending)
    return lines
