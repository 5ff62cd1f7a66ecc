"""What a bench measured: its document, bench.json, and what is worked out from the values."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_high
from typing import Annotated, Any, Literal

import msgspec

BENCH_SCHEMA = 2
# Bare lines that differ by more were measured between other CPUs: as kSameLine of the program.
SAME_LINE = 1.6
# Above this load a CPU, what else runs is part of every figure.
QUIET_LOAD_PER_CPU = 0.5

Amount = Annotated[float, msgspec.Meta(ge=0)]


class Series(msgspec.Struct, frozen=True):
    """One implementation in one table: a value a repetition, or why there is none."""

    name: str
    values: list[Amount]
    # A bare cache line to and fro right before and after each value, in ns; none with one CPU.
    bare_lines_ns: list[tuple[Amount, Amount]]
    smallest_shares: list[Amount]  # Of a sender beside an equal share of all; often none.
    not_measured: str  # The reason; empty where it was measured.

    @property
    def is_reference(self) -> bool:
        """Whether it is the reference and not one of its peers."""
        return self.name.startswith("reference")

    @property
    def was_measured(self) -> bool:
        """Whether there is a value to show."""
        return bool(self.values) and not self.not_measured

    @property
    def median(self) -> float:
        """The middle value, the higher of the two middle ones: as the program itself takes it."""
        return median_high(self.values)


class Aim(msgspec.Struct, frozen=True):
    """What the reference should reach; both None where it was not measured."""

    what: str
    side: Literal["at most", "at least"]
    limit: float
    measured: float | None
    repetitions: int | None  # That the ratio is the median of; None where it is none.
    reached: bool | None


class Table(msgspec.Struct, frozen=True):
    """One measurement of a row: all its implementations, in turn, a repetition after the other."""

    row: int
    title: str
    unit: str
    better: Literal["more", "less"]
    bare_line_ns: Amount | None  # A bare cache line to and fro, right before.
    series: list[Series]
    aims: list[Aim]
    notes: list[str]

    @property
    def baseline(self) -> Series | None:
        """What the ratios are of: the first of the reference's that was measured."""
        return next((one for one in self.series if one.is_reference and one.was_measured), None)

    def ranked(self) -> list[Series]:
        """Those that were measured, by their medians, best first."""
        measured = [one for one in self.series if one.was_measured]
        return sorted(measured, key=lambda one: one.median, reverse=self.better == "more")

    def ratio(self, peer: Series) -> float | None:
        """The reference over the peer: the median of the ratios of each repetition, as in an aim.

        Only of those where the bare line was the same before and after both values. None where
        there are none, values do not belong together or one of them is 0.
        """
        reference = self.baseline
        if reference is None or len(reference.values) != len(peer.values) or not all(peer.values):
            return None
        ratios = [
            own / other
            for place, (own, other) in enumerate(zip(reference.values, peer.values, strict=True))
            if _were_alike(reference, peer, place)
        ]
        return median_high(ratios) if ratios else None


def _were_alike(one: Series, other: Series, place: int) -> bool:
    if min(len(one.bare_lines_ns), len(other.bare_lines_ns)) <= place:
        return True
    lines = [*one.bare_lines_ns[place], *other.bare_lines_ns[place]]
    return max(lines) <= min(lines) * SAME_LINE


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of the bench."""

    rows: list[int] = []  # None named: all of them.
    repetitions: int
    quick: bool
    preset: str


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """bench.json: the reference beside its peers in one run, and the machine they ran on."""

    schema: int = BENCH_SCHEMA
    started: str  # ISO 8601, UTC.
    elapsed_s: float
    command: list[str]
    options: Options
    load: list[float]  # Of the last 1, 5 and 15 minutes, before anything was measured.
    cpus: int  # Those that this run could use.
    fingerprint: dict[str, Any]
    versions: dict[str, str]
    tables: list[Table]

    @property
    def busy(self) -> bool:
        """Whether the machine had other work when the bench began."""
        return is_busy(self.load[0], self.cpus)

    @property
    def aims(self) -> list[Aim]:
        """The aims of all tables."""
        return [aim for table in self.tables for aim in table.aims]


def is_busy(load: float, cpus: int) -> bool:
    """Whether a load average is too high for figures to mean much."""
    return load > QUIET_LOAD_PER_CPU * cpus


def missing_references(tables: Sequence[Table]) -> list[tuple[Table, Series]]:
    """Where the reference itself was not measured: then the bench is not whole."""
    return [
        (table, series)
        for table in tables
        for series in table.series
        if series.is_reference and not series.was_measured
    ]


def read_tables(text: bytes) -> list[Table]:
    """Read what the program wrote; raises msgspec.DecodeError or UnicodeDecodeError."""
    return msgspec.json.decode(text, type=list[Table])


def render_bench_json(bench: Bench) -> str:
    """The document as text."""
    return msgspec.json.format(msgspec.json.encode(bench), indent=1).decode() + "\n"


def span(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and the largest of the values."""
    return min(values), max(values)
