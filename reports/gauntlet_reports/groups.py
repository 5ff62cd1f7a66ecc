"""The cases of a run put together: the matrix, reasons for what was not asked, shared rooms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from gauntlet_reports.outcomes import MACHINE, RED, SEVERITY, SKIPPED, Entry, Outcome, counted
from gauntlet_reports.run_data import Result

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
KINDS = ("conformance", "properties", "races", "crashes", "overload")
NO_SUBJECT = "-"
"""How the address and the matrix name cases that test the API itself and no subject."""


class Cell(msgspec.Struct, frozen=True):
    """All cases of one method, kind and subject; none means that nothing was planned there."""

    counts: dict[Outcome, int] = {}

    @property
    def total(self) -> int:
        """How many cases there are."""
        return sum(self.counts.values())

    @property
    def outcome(self) -> Outcome | None:
        """The outcome that speaks for the cell: the worst, but not-asked never hides a pass."""
        if not self.counts:
            return None
        if self.counts.get("pass") and all(o in SKIPPED or o == "pass" for o in self.counts):
            return "pass"
        return min(self.counts, key=SEVERITY.__getitem__)

    @property
    def words(self) -> str:
        """The cell in words, complete, for instance ``1 failed, 11 passed``."""
        ordered = sorted(self.counts, key=SEVERITY.__getitem__)
        return ", ".join(counted(o, self.counts[o]) for o in ordered)

    @property
    def lead(self) -> str:
        """The words for the outcome that speaks."""
        return counted(self.outcome, self.counts[self.outcome]) if self.outcome else ""

    @property
    def rest(self) -> str:
        """The words for everything but the outcome that speaks."""
        others = {o: n for o, n in self.counts.items() if o != self.outcome}
        return Cell(counts=others).words


class Row(msgspec.Struct, frozen=True):
    """One subject of a method, or the API of the method itself."""

    subject: str
    cells: list[Cell]
    fired: int = 0
    """Faults that happened on purpose in its cases: kills, failed calls."""


class MethodRows(msgspec.Struct, frozen=True):
    """All rows of one method."""

    method: str
    rows: list[Row]


class OverviewRow(msgspec.Struct, frozen=True):
    """One method as a whole: every kind, all its subjects and its API together."""

    method: str
    subjects: int
    clauses: int
    cells: list[Cell]
    fired: int


class Matrix(msgspec.Struct, frozen=True):
    """Method, kind and subject crossed; kinds beyond the five get a column rather than vanish."""

    kinds: list[str]
    methods: list[MethodRows]
    overview: list[OverviewRow]
    """The ten methods in the order of the design, also those of which nothing was planned."""


def _in_order(names: Iterable[str], known: tuple[str, ...]) -> list[str]:
    unique = set(names)
    return [name for name in known if name in unique] + sorted(unique - set(known))


def matrix(listed: list[Entry]) -> Matrix:
    """The matrix over every case of a run, in the order of the design."""
    counts: dict[tuple[str, str, str], Counter[Outcome]] = defaultdict(Counter)
    subjects: dict[str, set[str]] = defaultdict(set)
    fired: Counter[tuple[str, str]] = Counter()
    for entry in listed:
        case = entry.case
        subject = case.subject or NO_SUBJECT
        counts[case.method, subject, case.kind][entry.outcome] += 1
        subjects[case.method].add(subject)
        fired[case.method, subject] += entry.result.faults.fired if entry.result else 0
    kinds = _in_order([*KINDS, *(entry.case.kind for entry in listed)], KINDS)

    def rows(method: str) -> list[Row]:
        return [
            Row(
                subject=subject,
                cells=[Cell(counts=dict(counts[method, subject, k])) for k in kinds],
                fired=fired[method, subject],
            )
            for subject in sorted(subjects[method])
        ]

    known = [MethodRows(method=m, rows=rows(m)) for m in _in_order(subjects, METHODS)]
    by_name = {group.method: group for group in known}
    names = _in_order([*METHODS, *by_name], METHODS)
    return Matrix(
        kinds=kinds,
        methods=known,
        overview=[_overview_row(by_name.get(m) or MethodRows(m, []), len(kinds)) for m in names],
    )


def _overview_row(group: MethodRows, kinds: int) -> OverviewRow:
    sums: list[Counter[Outcome]] = [Counter() for _ in range(kinds)]
    for row in group.rows:
        for total, cell in zip(sums, row.cells, strict=True):
            total.update(cell.counts)
    api = next((row for row in group.rows if row.subject == NO_SUBJECT), None)
    return OverviewRow(
        method=group.method,
        subjects=sum(row.subject != NO_SUBJECT for row in group.rows),
        clauses=sum(cell.total for cell in api.cells) if api else 0,
        cells=[Cell(counts=dict(total)) for total in sums],
        fired=sum(row.fired for row in group.rows),
    )


class Reason(msgspec.Struct, frozen=True):
    """Why some cases were not asked, and what would help."""

    outcome: Outcome
    reason: str
    remedy: str
    cases: list[str]


def reasons(listed: list[Entry]) -> list[Reason]:
    """Reasons for unsupported and not_run, those that hold up most cases first."""
    found: dict[tuple[Outcome, str, str], list[str]] = defaultdict(list)
    for entry in listed:
        if entry.result and entry.outcome in ("unsupported", "not_run"):
            why = entry.result.reason or "no reason was given"
            found[entry.outcome, why, entry.result.remedy].append(entry.case.name)
    grouped = [Reason(o, why, remedy, cases) for (o, why, remedy), cases in found.items()]
    return sorted(grouped, key=lambda r: (-len(r.cases), r.outcome, r.reason))


class SharedRoom(msgspec.Struct, frozen=True):
    """Something that cases of this run had to share with the machine."""

    what: str
    why: str
    cases: int


def shared_rooms(listed: list[Entry]) -> list[SharedRoom]:
    """What could not be private in this run, most affected first."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in listed:
        if entry.result:
            found.update({(s.what, s.why) for s in entry.result.isolation.shared})
    rooms = [SharedRoom(what, why, cases) for (what, why), cases in found.items()]
    return sorted(rooms, key=lambda r: (-r.cases, r.what, r.why))


def slowest(listed: list[Entry], limit: int = 10) -> list[Entry]:
    """The cases that took longest, longest first."""
    timed = [entry for entry in listed if entry.result]
    timed.sort(key=lambda e: -(e.result.duration_ms if e.result else 0.0))
    return timed[:limit]


def unexpected(listed: list[Entry]) -> list[Result]:
    """The results that went wrong and that no expectation covers, errors among them."""
    return [e.result for e in listed if e.result and e.outcome in RED | MACHINE]


def failures(listed: list[Entry]) -> list[Entry]:
    """The cases that make the run red, worst first."""
    return [entry for entry in listed if entry.outcome in RED]


class Expired(msgspec.Struct, frozen=True):
    """An expectation that no longer covers its cases, and those of them that failed."""

    id: str
    day: str
    cases: list[str]


def expired_entries(listed: list[Entry]) -> list[Expired]:
    """What a run met of expectations that had expired, those of most cases first."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in listed:
        if entry.result and entry.result.expired_on:
            found[entry.result.expectation, entry.result.expired_on].add(entry.case.name)
    ended = [Expired(name, day, sorted(cases)) for (name, day), cases in found.items()]
    return sorted(ended, key=lambda one: (-len(one.cases), one.id))


class KernelReport(msgspec.Struct, frozen=True):
    """A line of the kernel's log and the cases that ran meanwhile."""

    kind: str
    text: str
    cases: list[str]


def kernel_reports(listed: list[Entry]) -> list[KernelReport]:
    """What the kernel said during a run, in the order of its worst case; each line once."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in listed:
        for line in entry.result.kernel if entry.result else ():
            found[line.kind, line.text].append(entry.case.name)
    return [KernelReport(kind, text, cases) for (kind, text), cases in found.items()]
