"""``bench``: has the reference measured beside its peers, keeps the values and makes their page."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gauntlet_harness.color import use_color
from gauntlet_harness.errors import STATUS_OK, HarnessError, UsageError
from gauntlet_harness.fingerprint import fingerprint, versions
from gauntlet_harness.journal import now
from gauntlet_harness.run_folder import make_folder
from gauntlet_harness.signals import Stop, signal_name, signals_noted, stopped_as_by_ctrl_c
from gauntlet_reports.bench import (
    Bench,
    Options,
    Table,
    is_busy,
    missing_references,
    read_tables,
    render_bench_json,
)
from gauntlet_reports.bench_page import render_bench_html
from gauntlet_reports.bench_words import aim_lines
from gauntlet_reports.write import write_whole

FIRST_ROW, LAST_ROW = 1, 11  # As fixtures/reference/bench/options.h has them.
# The program's own way to say that all was written, but the reference is missing somewhere.
_INCOMPLETE = 1


@dataclass(frozen=True)
class BenchRequest:
    """What the user asked for."""

    options: Options
    as_json: bool
    out: Path | None
    command: Sequence[str]


def parse_rows(text: str | None) -> list[int]:
    """Return the rows that ``1,2`` names, in order; raises UsageError for what is no row."""
    rows = set()
    for word in [] if text is None else text.split(","):
        number = int(word) if word.strip().isascii() and word.strip().isdigit() else 0
        if not FIRST_ROW <= number <= LAST_ROW:
            raise UsageError(
                f"--rows {text}: {word or 'nothing'} is no row; the rows are"
                f" {FIRST_ROW} to {LAST_ROW}, as in --rows 1,2"
            )
        rows.add(number)
    return sorted(rows)


def program(root: Path, preset: str) -> Path:
    """Return where the build of ``preset`` has the program that measures."""
    return root / "build" / preset / "fixtures" / "reference" / "bench" / "reference_bench"


def run_bench(root: Path, request: BenchRequest) -> int:
    """Measure, write bench.json and index.html, print what became of the aims.

    Returns the exit status. Raises UsageError for a folder that cannot be had, HarnessError where
    the program is not there, fails, or did not measure the reference.
    """
    binary = program(root, request.options.preset)
    if not os.access(binary, os.X_OK):
        raise HarnessError(
            f"there is no built bench ({binary} is missing); run harness/gauntlet bench without"
            " --no-setup"
        )
    load, cpus = os.getloadavg(), len(os.sched_getaffinity(0))
    if is_busy(load[0], cpus):
        print(
            f"gauntlet: the load is {load[0]:.2f}, more than half of the {cpus} CPUs: the figures"
            " will mean little",
            file=sys.stderr,
        )
    system, made_with, started = fingerprint(), versions(root), now()
    with stopped_as_by_ctrl_c(), _folder_kept_if_filled(root / "runs", request.out) as folder:
        began = time.monotonic()
        tables = _measure(binary, request.options)
        bench = Bench(
            started=started,
            elapsed_s=round(time.monotonic() - began, 3),
            command=list(request.command),
            options=request.options,
            load=list(load),
            cpus=cpus,
            fingerprint=system,
            versions=made_with,
            tables=tables,
        )
        write_whole(folder / "bench.json", render_bench_json(bench))
        write_whole(folder / "index.html", render_bench_html(bench))
    _tell(bench, folder, as_json=request.as_json)
    for table, series in missing_references(tables):
        why = series.not_measured or "it gave no value"
        raise HarnessError(f"row {table.row}: the {series.name} was not measured: {why}")
    return STATUS_OK


def _tell(bench: Bench, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print(render_bench_json(bench), end="")
        print(folder, file=sys.stderr)
        return
    for line in aim_lines(bench, use_color()):
        print(line)
    print(folder, flush=True)


@contextlib.contextmanager
def _folder_kept_if_filled(runs: Path, out: Path | None) -> Iterator[Path]:
    """Make the folder before the minutes of measuring, and take it away if they were in vain."""
    was_there = out is not None and out.exists()
    folder = make_folder(runs, out, prefix="bench-")
    try:
        yield folder
    finally:
        if not was_there:
            with contextlib.suppress(OSError):  # It is not empty: something was measured.
                folder.rmdir()


def _measure(binary: Path, options: Options) -> list[Table]:
    """Run the program to its end and read what it wrote."""
    with tempfile.TemporaryDirectory(prefix="gauntlet-bench-") as work:
        written = Path(work) / "tables.json"
        command = [str(binary), "--json", str(written), "--repetitions", str(options.repetitions)]
        command += ["--quick"] if options.quick else []
        command += ["--rows", ",".join(map(str, options.rows))] if options.rows else []
        status = run_program(command)
        if status not in (STATUS_OK, _INCOMPLETE) or not written.is_file():
            raise HarnessError(f"{binary} {_end_words(status)}")
        try:
            tables = read_tables(written.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HarnessError(f"{binary}: its values are not understood: {error}") from None
    if status == _INCOMPLETE and not missing_references(tables):
        raise HarnessError(f"{binary} {_end_words(status)}")
    if not tables:
        raise HarnessError(f"{binary} measured nothing")
    return tables


def run_program(command: Sequence[str]) -> int:
    """Run the program in the foreground; its tables and its progress go to stderr."""
    stop = Stop()
    process = None
    try:
        # One that came between the fork and the assignment would leave the program behind.
        with signals_noted(stop):
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if stop.by:
            raise KeyboardInterrupt(stop.by)
        return process.wait()
    except OSError as error:
        raise HarnessError(f"{command[0]}: cannot be run: {error.strerror}") from None
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr)  # What it was doing stands there.
        raise
    finally:
        if process:
            process.kill()  # Its own processes end with it. Nothing happens if it has ended.
            process.wait()


def _end_words(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}" + ("" if status else " and wrote no values")
    return f"was killed by {signal_name(-status)}"
