"""Entries to review for the unexpected failures of a run: one for each signature, as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Any

from gauntlet_harness.conditions import Named, system_of
from gauntlet_reports.outcomes import outcome_of, repro_command
from gauntlet_reports.run_data import Result, RunData
from gauntlet_reports.signatures import Group, groups_of, signature_of
from gauntlet_reports.text import one_line

# How long a suggested entry holds unless the one who reviews it says otherwise.
VALID_DAYS = 90
_LONGEST_ID = 60
_RED = ("fail", "hang", "crash")


@dataclass(frozen=True)
class Suggestion:
    """One entry that nobody has reviewed: who and why are for a person to fill in."""

    id: str
    cases: list[str]
    when: dict[str, str]
    verdicts: list[str]
    signature: str
    kind: str
    link: str
    expires: date
    comment: list[str]

    def toml(self) -> str:
        """Return the entry as a file of expectations has it, ending in a line end."""
        when = ", ".join(f"{word} = {_quoted(text)}" for word, text in self.when.items())
        return "\n".join(
            [
                *(f"# {one_line(line)}" for line in self.comment),
                "[[expectation]]",
                f"id = {_quoted(self.id)}",
                f"cases = {_listed(self.cases)}",
                *([f"when = {{ {when} }}"] if when else []),
                f"verdicts = {_listed(self.verdicts)}",
                f"signature = {_quoted(self.signature)}",
                f"kind = {_quoted(self.kind)}",
                'reason = ""',
                f"link = {_quoted(self.link)}",
                'owner = ""',
                f"expires = {self.expires.isoformat()}",
                "",
            ]
        )


def suggest(
    run: RunData, names: Sequence[str] | None, taken: Iterable[str], day: date
) -> list[Suggestion]:
    """Return an entry for each signature among the run's failures that no expectation covers.

    ``names`` is the whole list of cases, against which a pattern is shown to be exact; without
    it cases stay as they are. ``taken`` are the ids that entries have already.
    """
    red = [result for result in run.results if outcome_of(result) in _RED]
    passed = {result.case for result in run.results if result.verdict == "pass"}
    used = set(taken)
    found = []
    for group in groups_of(red):
        name = _id_for(group, used)
        used.add(name)
        members = [result for result in red if signature_of(result) == group.signature]
        found.append(_suggestion(name, group, members, run, names, passed, day))
    return found


def fold(cases: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """Return patterns that fit exactly these cases of the whole list, as few as are found.

    All cases become one pattern, or else the subjects of one test do; where that would fit a case
    more, the names stay.
    """
    if names is None:
        return list(cases)
    if (pattern := _exact(cases, names)) is not None:
        return [pattern]
    tests: dict[str, list[str]] = {}
    for case in cases:
        tests.setdefault(case.partition("/")[0], []).append(case)
    folded = []
    for subjects in tests.values():
        pattern = _exact(subjects, names)
        folded += subjects if pattern is None else [pattern]
    return folded


def _exact(cases: Sequence[str], names: Sequence[str]) -> str | None:
    if len(cases) == 1:
        return cases[0]
    before = _common_start(cases)
    after = _common_start([case[len(before) :][::-1] for case in cases])[::-1]
    pattern = f"{before}*{after}"
    fitting = {name for name in names if fnmatchcase(name, pattern)}
    return pattern if fitting == set(cases) else None


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)  # What these two share, all do.
    length = 0
    while length < len(first) and first[length] == last[length]:
        length += 1
    return first[:length]


def _suggestion(
    name: str,
    group: Group,
    members: Sequence[Result],
    run: RunData,
    names: Sequence[str] | None,
    passed: set[str],
    day: date,
) -> Suggestion:
    example = group.example
    repro = repro_command(example.case, example.seed, example.profile or run.text("profile"))
    flaky = any(case in passed for case in group.cases)
    comment = [f"seen in {run.folder}; repeat it: {repro}"]
    comment += [one_line(message) for message in _messages(example)]
    comment += [f"the expectation {old} expired" for old in _expired(members)]
    if flaky:
        comment.append("flaky, because a repetition passed: a pass of it is never unexpected")
    return Suggestion(
        id=name,
        cases=fold(group.cases, names),
        when=_when(run.info.get("fingerprint")),
        verdicts=sorted({result.verdict for result in members}),
        signature=group.signature,
        kind="flaky" if flaky else "known bug",
        link=f"seen in {run.folder}: {repro}",
        expires=day + timedelta(days=VALID_DAYS),
        comment=comment,
    )


def _messages(example: Result) -> list[str]:
    told = example.reason or (example.failures[0].message if example.failures else "")
    return [told[:200]] if told else []


def _expired(members: Iterable[Result]) -> list[str]:
    return sorted({result.expectation for result in members if result.expired_on})


def _when(fingerprint: object) -> dict[str, str]:
    """The kernel and the C library of the run, each with the first two numbers of its version."""
    known: dict[str, Any] = fingerprint if isinstance(fingerprint, dict) else {}
    parts = system_of(known).parts
    return {word: _named(parts[word][0]) for word in ("kernel", "libc") if word in parts}


def _named(part: Named) -> str:
    return f"{part.name} {'.'.join(map(str, part.version[:2]))}".strip()


def _id_for(group: Group, used: set[str]) -> str:
    """A name that nobody has taken: of the test where all cases are of one, else of what failed."""
    tests = {case.partition(".")[2].partition("/")[0] for case in group.cases}
    told = tests.pop() if len(tests) == 1 else group.signature.partition(": ")[2]
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", told)
    words = re.sub(r"[^a-z0-9]+", "-", apart.casefold()).strip("-")
    name = words[:_LONGEST_ID].rstrip("-") or "failure"
    number = 2
    chosen = name
    while chosen in used:
        chosen, number = f"{name}-{number}", number + 1
    return chosen


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's escapes are among its own, but for the one of DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"[{_quoted(texts[0])}]"
    return "[\n" + "".join(f"  {_quoted(text)},\n" for text in texts) + "]"
