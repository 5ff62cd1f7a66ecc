"""Measures the store: ``python reports/tests/measure_store.py FOLDER NIGHTS CASES``.

Makes a store of so many synthetic nights and the run folders of the last two in a new folder, and
prints the size of the store and of the last night's page, and how long each question and the
commands ``report`` and ``compare`` take: seconds of the wall and of CPU. On a loaded machine only
the second mean something. What has a limit says so, and the exit status is 1 when one is missed.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gauntlet_reports.sample_run import planned_cases
from gauntlet_reports.store import STORE_NAME, Store
from gauntlet_reports.store_schema import connect, transaction
from gauntlet_reports.store_writing import insert_run
from gauntlet_reports.synthetic_nights import Night, templates_of, write_night

# So many nights are made case by case, all others are written as rows like theirs.
OWN_NIGHTS = 30
# So many, the last ones, have a folder with a journal, and what a comparison reads.
WITH_FOLDER = 2
# What is promised of a year of 5,000 results a night.
MOST_REPORT_S = 5.0
MOST_PAGE_MB = 3.0
MOST_COMPARE_S = 2.0
LAUNCHER = Path(__file__).resolve().parents[2] / "harness" / "gauntlet"


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, cpu = time.monotonic(), time.process_time()
    yield
    print(
        f"{what:44} {time.monotonic() - wall:8.3f} s wall {time.process_time() - cpu:8.3f} s CPU",
        flush=True,
    )


def fill(path: Path, nights: int, cases: int) -> list[Path]:
    """Make the store beside the folders of the last nights; return those, oldest first."""
    planned = planned_cases(cases)[:cases]
    templates = templates_of(planned)
    rows = nights - WITH_FOLDER
    own = min(rows, OWN_NIGHTS)
    with closing(connect(path, write=True, wait_s=1)) as connection:
        writing_s = 0.0
        for number in range(own):
            run = Night(number, planned).run(templates)
            began = time.process_time()
            with transaction(connection):
                insert_run(connection, run, run.folder, "")
            writing_s += time.process_time() - began
        copy_nights(connection, own, rows)
    print(f"writing one night's rows: {writing_s / own:.3f} s CPU", flush=True)
    folders = [
        write_night(path.parent, Night(number, planned), templates)
        for number in range(rows, nights)
    ]
    with Store.open(path, write=True) as store:
        for folder in folders:
            store.add_run(folder)
    size = path.stat().st_size / 1e6
    print(f"{nights} nights of {cases} results: {size:.1f} MB", flush=True)
    return folders


def copy_nights(connection: sqlite3.Connection, have: int, want: int) -> None:
    """Write further nights as rows, each like one of the first but for its numbers."""
    for number in range(have, want):
        source, row, days = number % have + 1, number + 1, number - number % have
        with transaction(connection):
            connection.execute(
                "INSERT INTO runs SELECT ?, printf('night%04d', ?), started_us + ? * 86400000000,"
                " profile, seed, target, state, selection, fingerprint_hash, totals, results,"
                " folder, stamp FROM runs WHERE id = ?",
                (row, number, days, source),
            )
            for table, columns in (
                ("strips", "outcomes"),
                ("failures", "signature, case_id"),
                ("numbers", f"series, round(median * {1 + number / 1000}), low, high"),
            ):
                connection.execute(
                    f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE run = ?",
                    (row, source),
                )


def ask(path: Path, nights: int) -> None:
    with Store.open(path, write=False) as store:
        with timed("runs()"):
            runs = store.runs()
        last = runs[0].run_id
        for span in (30, nights):
            with timed(f"history() of {span} nights"):
                history = store.history(last, span)
        with timed("signature_spans()"):
            spans = store.signature_spans()
        print(f"  {len(runs)} runs, {len(history)} cases, {len(spans)} signatures", flush=True)
        case = next(reversed(history))
        questions: dict[str, Callable[[], object]] = {
            f"trend() of one value, {nights} nights": lambda: store.trend(
                case, "round_trip_ns", nights
            ),
            "trend() of 100 values, 30 nights": lambda: [
                store.trend(one, "round_trip_ns", 30) for one in list(history)[:100]
            ],
            "last_run_of() one case": lambda: store.last_run_of(case),
            "last_runs() of all cases": store.last_runs,
        }
        for what, question in questions.items():
            with timed(what):
                question()


def command(*words: str | Path) -> float:
    """Run the command line as its users do; return the seconds of the wall that it took."""
    wall, cpu = time.monotonic(), _cpu_of_children()
    done = subprocess.run(
        [LAUNCHER, *words],
        stdout=subprocess.PIPE,
        check=False,
        env={**os.environ, "GAUNTLET_NO_SETUP": "1"},
    )
    wall, cpu = time.monotonic() - wall, _cpu_of_children() - cpu
    if done.returncode not in (0, 1):
        raise SystemExit(f"{words[0]} ended with status {done.returncode}")
    print(f"harness/gauntlet {words[0]:27} {wall:8.3f} s wall {cpu:8.3f} s CPU", flush=True)
    return wall


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kept(what: str, value: float, most: float, unit: str) -> bool:
    """Print a promise and whether it is kept."""
    good = value <= most
    verdict = "kept" if good else "MISSED"
    print(f"{what}: {value:.2f} {unit}, at most {most:g} {unit}: {verdict}", flush=True)
    return good


def main(folder: Path, nights: int, cases: int) -> int:
    if nights <= WITH_FOLDER:
        raise SystemExit(f"more than {WITH_FOLDER} nights are needed")
    folder.mkdir(parents=True)
    path = folder / STORE_NAME
    before, last = fill(path, nights, cases)
    ask(path, nights)
    report_s = command("report", last)
    compare_s = command("compare", before, last)
    page_mb = (last / "index.html").stat().st_size / 1e6
    promises = [
        kept("report of the last night", report_s, MOST_REPORT_S, "s"),
        kept("its page", page_mb, MOST_PAGE_MB, "MB"),
        kept("compare of the last two nights", compare_s, MOST_COMPARE_S, "s"),
    ]
    return 0 if all(promises) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
