"""Measures the store: ``python reports/tests/measure_store.py FILE NIGHTS CASES``.

Makes a store of so many synthetic nights and prints its size and how long each question takes, in
seconds of the wall and of this process's CPU; on a loaded machine only the second means something.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gauntlet_reports.sample_run import planned_cases
from gauntlet_reports.store import Store
from gauntlet_reports.store_schema import connect, transaction
from gauntlet_reports.store_writing import insert_run
from gauntlet_reports.synthetic_nights import Night, templates_of

# So many nights are made case by case, all others are written as rows like theirs.
OWN_NIGHTS = 30


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, cpu = time.monotonic(), time.process_time()
    yield
    print(
        f"{what:44} {time.monotonic() - wall:8.3f} s wall {time.process_time() - cpu:8.3f} s CPU",
        flush=True,
    )


def fill(path: Path, nights: int, cases: int) -> None:
    planned = planned_cases(cases)[:cases]
    templates = templates_of(planned)
    own = min(nights, OWN_NIGHTS)
    with closing(connect(path, write=True, wait_s=1)) as connection:
        writing_s = 0.0
        for number in range(own):
            run = Night(number, planned).run(templates)
            began = time.process_time()
            with transaction(connection):
                insert_run(connection, run, run.folder, "")
            writing_s += time.process_time() - began
        copy_nights(connection, own, nights)
    print(f"{nights} nights of {cases} results: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    print(f"writing one night's rows: {writing_s / own:.3f} s CPU", flush=True)


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


if __name__ == "__main__":
    target, how_many, how_large = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    fill(target, how_many, how_large)
    ask(target, how_many)
