"""Measures the store: ``python reports/tests/measure_store.py FILE NIGHTS CASES``.

Makes a store of so many synthetic nights and prints its size and how long each question takes, in
seconds of the wall and of this process's CPU; on a loaded machine only the second means something.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gauntlet_reports.run_data import Result
from gauntlet_reports.sample_run import planned_cases
from gauntlet_reports.store import Store
from gauntlet_reports.store_schema import connect, transaction
from gauntlet_reports.store_writing import insert_run
from gauntlet_reports.synthetic_nights import Night, templates_of


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall, cpu = time.monotonic(), time.process_time()
    yield
    print(
        f"{what:44} {time.monotonic() - wall:8.3f} s wall {time.process_time() - cpu:8.3f} s CPU",
        flush=True,
    )


def reason_of(result: Result) -> str | None:
    return result.reason if result.verdict == "fail" else None


def fill(path: Path, nights: int, cases: int) -> None:
    planned = planned_cases(cases)[:cases]
    templates = templates_of(planned)
    connection = connect(path, write=True, wait_s=1)
    writing_s = 0.0
    for number in range(nights):
        run = Night(number, planned).run(templates)
        began = time.process_time()
        with transaction(connection):
            insert_run(connection, run, run.folder, "", reason_of)
        writing_s += time.process_time() - began
    connection.close()
    print(f"{nights} nights of {cases} results: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    print(f"writing one night's rows: {writing_s / nights:.3f} s CPU", flush=True)


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
