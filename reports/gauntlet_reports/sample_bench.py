"""A made-up bench with everything in it that a page has to show. For tests."""

from __future__ import annotations

from gauntlet_reports.bench import Aim, Bench, Options, Series, Table


def sample_series(
    name: str,
    *values: float,
    lines: tuple[tuple[float, float], ...] = (),
    shares: tuple[float, ...] = (),
    why: str = "",
) -> Series:
    """One implementation; ``why`` says that and why it was not measured."""
    return Series(
        name=name,
        values=[float(value) for value in values],
        bare_lines_ns=list(lines),
        smallest_shares=list(shares),
        not_measured=why,
    )


def sample_tables() -> list[Table]:
    """More is better, less is better, and a row that could not be measured."""
    stream = Table(
        row=2,
        title="throughput, 1 to 1, 8 B",
        unit="M msg/s",
        better="more",
        bare_line_ns=98.4,
        series=[
            sample_series("pipe, 1 MiB", 2.5, 1.5, 2, shares=(0.9, 0.75, 0.8)),
            sample_series("reference", 10, 30, 20, shares=(0.99, 0.95, 0.97)),
            sample_series("mutex + cond", 5, 6, 40, shares=(1.0, 0.5, 0.6)),
            sample_series("POSIX mq", why="No space left on device"),
        ],
        aims=[
            Aim("reference / mutex + cond", "at least", 3.0, 2.0, 3, reached=False),
            Aim("smallest share of a sender", "at least", 0.5, 0.95, None, reached=True),
            Aim("reference / POSIX mq", "at least", 3.0, None, None, reached=None),
        ],
        notes=["of two CPUs"],
    )
    idle = Table(
        row=7,
        title="idle: CPU time of a receiver",
        unit="% of a CPU",
        better="less",
        bare_line_ns=None,
        series=[
            sample_series("reference", 0.128),
            sample_series("reference, told to spin on", 99.5),
        ],
        aims=[Aim("per cent of a CPU", "at most", 0.5, 0.128, None, reached=True)],
        notes=[],
    )
    absent = Table(
        row=9,
        title="one to one in place, 64 B",
        unit="",
        better="less",
        bare_line_ns=None,
        series=[],
        aims=[],
        notes=["not measured: it takes two CPUs"],
    )
    return [stream, idle, absent]


def sample_bench(tables: list[Table] | None = None, load: float = 0.3) -> Bench:
    """A whole bench on a machine of two CPUs."""
    return Bench(
        started="2026-11-28T09:00:00+00:00",
        elapsed_s=331.2,
        command=["harness/gauntlet", "bench"],
        options=Options(repetitions=3, quick=False, preset="release"),
        load=[load, 0.2, 0.1],
        cpus=2,
        fingerprint={
            "kernel": {"name": "Linux", "release": "6.18.44"},
            "libc": "glibc 2.36",
            "cpu": {"model": "AMD EPYC", "cpus": 2},
        },
        versions={"harness": "0.1.0"},
        tables=sample_tables() if tables is None else tables,
    )
