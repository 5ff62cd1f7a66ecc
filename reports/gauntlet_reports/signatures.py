"""What went wrong, without what varies: failures of one kind share a signature, whoever met them.

A signature is ``<promise>: <what happened>``. Seeds, process ids, times, addresses, numbers and
the name of the subject stay out of it, so that one bug is one group over cases and over nights.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from gauntlet_reports.assertions import essence
from gauntlet_reports.run_data import Result
from gauntlet_reports.stacks import crashed_in, signal_of, waited_for
from gauntlet_reports.varying import without_what_varies

_PROMISE_LIMIT = 100
_WHAT_LIMIT = 200
_WITHOUT = ("pass", "unsupported", "not_run")
# What the harness and the suite say of every crash or hang: it tells nothing of this one.
_SAID_OF_ALL = (
    "still running after",
    "the runner was still alive after",
    "the runner died by",
    "the body of the case was",
    "the runner was ended by",
)


def signature_of(result: Result) -> str | None:
    """The signature of a result, one line; None when nothing went wrong or nothing was asked."""
    if result.verdict in _WITHOUT:
        return None
    promise = _clipped(_promise(result), _PROMISE_LIMIT)
    return f"{promise}: {_clipped(_what_happened(result), _WHAT_LIMIT)}"


@dataclass(frozen=True)
class Group:
    """Results with one signature; the cases are distinct and sorted, the example is the first."""

    signature: str
    cases: tuple[str, ...]
    example: Result


def groups_of(results: Iterable[Result]) -> list[Group]:
    """The groups of whatever has a signature, those with the most cases first."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if (signature := signature_of(result)) is not None:
            found[signature].append(result)
    groups = [
        Group(
            signature=signature,
            cases=tuple(sorted({member.case for member in members})),
            example=min(members, key=lambda r: (r.case, r.repetition)),
        )
        for signature, members in found.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.cases), group.signature))


def _promise(result: Result) -> str:
    """The clause, or for a case of a contract the contract: its clause names the subject."""
    if result.contract:
        return f"{result.contract} claims"
    return " ".join((result.clause or result.method or "no promise").split())


def _what_happened(result: Result) -> str:
    if result.verdict == "crash":
        return _crash(result)
    if result.verdict == "hang":
        return _hang(result)
    what = _message(result)
    return f"error: {what}" if result.verdict == "error" else what


def _crash(result: Result) -> str:
    signal = signal_of(result.reason) or signal_of(result.output)
    frame = crashed_in(result.processes) or crashed_in(result.output)
    if not signal:
        return f"crash: {_message(result)}"
    return f"crash by {signal}" + (f" in {frame}" if frame else "")


def _hang(result: Result) -> str:
    waits = waited_for(result.processes)
    said = "" if result.reason.startswith(_SAID_OF_ALL) else _normal(result, result.reason)
    return "hang" + (f": {said}" if said else "") + (f", waits in {waits}" if waits else "")


def _message(result: Result) -> str:
    """What the first failed assertion says, or the reason when none failed."""
    for failure in result.failures:
        if told := _normal(result, failure.message):
            return told
    return _normal(result, result.reason) or "no reason was given"


def _normal(result: Result, message: str) -> str:
    told = essence(message)
    if result.subject:
        told = re.sub(rf"\b{re.escape(result.subject)}\b", "the subject", told)
    return without_what_varies(told)


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
