"""The subjects that suites register: shown to people, and kept in step with a document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from gauntlet_harness.cases import Case, Subject
from gauntlet_harness.errors import UsageError
from gauntlet_harness.suite import Suite

METHODS = (
    "shared_memory",
    "message_passing",
    "pipes",
    "sockets",
    "semaphores",
    "message_queues",
    "mapped_files",
    "signals",
    "futures",
    "middleware",
)
BEGIN = "<!-- made by `harness/gauntlet subjects --update`: begin -->"
END = "<!-- made by `harness/gauntlet subjects --update`: end -->"


def list_subjects(suites: Sequence[Suite]) -> list[Subject]:
    """Return the subjects of all suites, in the order of the design and then by name."""
    subjects = [subject for suite in suites for subject in suite.subjects()]
    places = {method: place for place, method in enumerate(METHODS)}
    return sorted(subjects, key=lambda s: (places.get(s.method, len(places)), s.method, s.name))


def markdown(subjects: Sequence[Subject], cases: Sequence[Case]) -> str:
    """Return a table a method: its subjects, and how many clauses and cases it has."""
    named: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        named[subject.method].append(f"`{subject.name}`")
    clauses = Counter(case.method for case in cases if case.subject is None)
    total = Counter(case.method for case in cases)
    methods = [m for m in METHODS if total[m]] + sorted(set(total) - set(METHODS))
    lines = ["| method | subjects | clauses | cases |", "| --- | --- | ---: | ---: |"]
    lines += [
        f"| {method} | {', '.join(named[method]) or '-'} | {clauses[method]} | {total[method]} |"
        for method in methods
    ]
    sums = f"{len(subjects)} subjects", str(clauses.total()), str(total.total())
    lines.append(f"| all | {' | '.join(sums)} |")
    return "\n".join(lines) + "\n"


def updated(document: str, table: str) -> str:
    """Return the document with this table between its two marks; other text stays as it is."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"there are no lines {BEGIN} and {END} to put the table between")
    return f"{before}{begin}\n{table}{end}{after}"
