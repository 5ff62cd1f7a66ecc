"""The store: what is added is found again, as history, spans and trends."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gauntlet_reports.history import history_of
from gauntlet_reports.run_data import load_run
from gauntlet_reports.sample_run import (
    Line,
    ended,
    planned_cases,
    run_info,
    sample_lines,
    write_run,
    write_sample,
)
from gauntlet_reports.signatures import signature_of
from gauntlet_reports.store import Span, Store, StoreError
from gauntlet_reports.synthetic_nights import write_nights
from gauntlet_reports.target_past import TargetPast

CASES = planned_cases()
FIRST, SECOND, THIRD = (case["name"] for case in CASES[:3])


def night(folder: Path, day: int, verdicts: list[str], **given: Any) -> Path:
    """A finished run of that day of November: the first cases of the plan with these verdicts."""
    chance = random.Random(day)
    cases = CASES[: len(verdicts)]
    info = run_info(cases, started=f"2026-11-{day:02}T02:00:00Z", **given)
    ends = [
        ended(case, verdict, chance)
        for case, verdict in zip(cases, verdicts, strict=True)
        if verdict
    ]
    return write_run(folder / f"day{day:02}", info, [*ends, turn("finished")])


def turn(state: str) -> Line:
    return {"schema": 1, "event": "run", "state": state, "at": "2026-11-23T04:00:00+00:00"}


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "store.sqlite", write=True) as opened:
        yield opened


def test_a_run_is_found_with_what_it_says_of_itself(store: Store, tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "sample")
    assert store.add_run(folder) == "sample"
    (run,) = store.runs()
    assert (run.run_id, run.profile, run.seed, run.target) == ("sample", "smoke", 7, "local")
    assert run.started == datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
    assert run.folder == folder
    assert run.totals["fail"] == 3
    assert sum(run.totals.values()) == len(CASES)
    assert run.results == len(load_run(folder).results)


def test_runs_are_ordered_by_their_start_not_by_when_they_were_added(
    store: Store, tmp_path: Path
) -> None:
    for day in (3, 1, 2):
        store.add_run(night(tmp_path, day, ["pass"]))
    assert [run.run_id for run in store.runs()] == ["day03", "day02", "day01"]
    assert [run.run_id for run in store.runs(limit=2)] == ["day03", "day02"]


def test_history_has_one_place_a_night_and_the_worst_outcome(store: Store, tmp_path: Path) -> None:
    store.add_run(night(tmp_path, 1, ["pass"]))
    store.add_run(night(tmp_path, 2, ["fail", "pass"]))
    folder = night(tmp_path, 3, ["pass", "", "pass"])
    with (folder / "journal.jsonl").open("r+") as journal:
        again = (journal.readline()).replace('"repetition": 0', '"repetition": 1')
        journal.seek(0, 2)
        journal.write(again.replace('"verdict": "pass"', '"verdict": "hang"'))
    store.add_run(folder)
    assert store.history("day03") == {
        FIRST: ["pass", "fail", "hang"],
        SECOND: [None, "pass", "not_reached"],
        THIRD: [None, None, "pass"],
    }
    assert store.history("day02") == {FIRST: ["pass", "fail"], SECOND: [None, "pass"]}
    assert store.history("day03", nights=2)[FIRST] == ["fail", "hang"]


def test_every_outcome_of_a_run_is_in_its_history(store: Store, tmp_path: Path) -> None:
    store.add_run(write_sample(tmp_path / "sample"))
    outcomes = [line for (line,) in store.history("sample").values()]
    counted = {word: outcomes.count(word) for word in set(outcomes)}
    assert counted == {word: n for word, n in store.runs()[0].totals.items() if n}


def test_history_spans_and_trends_go_by_target(store: Store, tmp_path: Path) -> None:
    days = [("here", "pass"), ("there", "fail"), ("here", "hang"), ("there", "fail")]
    for day, (target, verdict) in enumerate(days, start=1):
        store.add_run(night(tmp_path, day, [verdict], target=target))
    assert store.history("day03")[FIRST] == ["pass", "hang"]
    assert store.history("day04")[FIRST] == ["fail", "fail"]
    here, there = (store.signature_spans(target=name) for name in ("here", "there"))
    assert [(span.first_run, span.last_run, span.runs) for span in there.values()] == [
        ("day02", "day04", 2)
    ]
    assert [(span.first_run, span.runs) for span in here.values()] == [("day03", 1)]
    assert len(store.signature_spans()) == len({*here, *there})
    assert [run.run_id for run in store.runs(1, target="here")] == ["day03"]

    def runs_of_trend(until: str | None = None, target: str | None = None) -> list[str]:
        found = store.trend(FIRST, "round_trip_ns", 2, until, target=target)
        return [point.run_id for point in found]

    assert runs_of_trend() == ["day03", "day04"]
    assert runs_of_trend(target="here") == ["day01", "day03"]
    assert runs_of_trend(until="day04") == ["day02", "day04"]


def test_the_page_of_a_run_looks_back_on_its_own_target(store: Store, tmp_path: Path) -> None:
    for day, target in enumerate(("here", "there", "there"), start=1):
        store.add_run(night(tmp_path, day, ["fail"], target=target))
    run = load_run(night(tmp_path, 4, ["fail"], target="here"))
    history = history_of(run, TargetPast(store, run))
    assert [one.run_id for one in history.nights] == ["day01", "day04"]
    assert history.strips[FIRST] == "ff"
    assert [seen.first_run for seen in history.seen.values()] == ["day01"]
    without = load_run(night(tmp_path, 5, ["fail"], target=None))
    assert len(history_of(without, TargetPast(store, without)).nights) == 1


def test_a_run_that_is_not_there_has_no_history(store: Store) -> None:
    with pytest.raises(StoreError, match="the store has no run nowhere"):
        store.history("nowhere")


def test_spans_tell_when_a_signature_was_seen_and_where(store: Store, tmp_path: Path) -> None:
    for day, verdicts in enumerate(
        (["pass", "pass"], ["fail", "pass"], ["pass", "pass"], ["fail", "fail"], ["pass", "pass"]),
        start=1,
    ):
        store.add_run(night(tmp_path, day, verdicts))
    run = load_run(tmp_path / "day04")
    first, second = (signature_of(result) for result in run.results)
    assert first is not None
    spans = store.signature_spans()
    if first == second:
        assert spans == {first: Span("day02", "day04", 2, 2)}
    else:
        assert spans == {
            first: Span("day02", "day04", 2, 1),
            second: Span("day04", "day04", 1, 1),
        }


def test_a_trend_has_the_median_and_the_ends_of_repetitions(store: Store, tmp_path: Path) -> None:
    chance = random.Random(1)
    for day, values in ((1, [5.5]), (2, [30, 10, 11])):
        lines = [
            ended(CASES[0], "pass", chance, repetition=number, measured={"wait_ns": value})
            for number, value in enumerate(values)
        ]
        info = run_info(CASES[:1], started=f"2026-11-0{day}T02:00:00Z")
        store.add_run(write_run(tmp_path / f"day{day}", info, lines))
    store.add_run(night(tmp_path, 3, ["pass"]))
    points = store.trend(FIRST, "wait_ns", 30)
    assert [(p.run_id, p.low, p.median, p.high) for p in points] == [
        ("day1", 5.5, 5.5, 5.5),
        ("day2", 10, 11, 30),
    ]
    assert points[0].started == datetime(2026, 11, 1, 2, 0, tzinfo=UTC)
    assert [p.run_id for p in store.trend(FIRST, "wait_ns", 2)] == ["day2"]
    assert [p.run_id for p in store.trend(FIRST, "wait_ns", 30, until="day1")] == ["day1"]
    assert store.trend(FIRST, "other_ns", 30) == []
    assert store.trend("Nobody.Knows", "wait_ns", 30) == []


def test_the_last_run_of_a_case_is_one_that_tried_it(store: Store, tmp_path: Path) -> None:
    store.add_run(night(tmp_path, 1, ["pass", "pass"]))
    store.add_run(night(tmp_path, 2, ["unsupported", "not_run", ""]))
    assert store.last_run_of(FIRST) == "day02"
    assert store.last_run_of(SECOND) == "day01"
    assert store.last_run_of(THIRD) is None
    assert store.last_run_of("Nobody.Knows") is None
    assert store.last_runs() == {FIRST: "day02", SECOND: "day01"}


def test_adding_again_replaces_and_does_not_double(store: Store, tmp_path: Path) -> None:
    lines = sample_lines(CASES)
    folder = write_run(tmp_path / "night", run_info(CASES), lines[:21])
    store.add_run(folder)
    cut = store.runs()[0]
    assert cut.results == 10
    assert cut.totals["not_reached"] == len(CASES) - 10
    write_run(folder, run_info(CASES), [*lines, turn("finished")])
    for _ in range(2):
        store.add_run(folder)
        (whole,) = store.runs()
        assert whole.results == len(load_run(folder).results)
        assert whole.totals["not_reached"] < cut.totals["not_reached"]
        assert len(store.trend(FIRST, "round_trip_ns", 30)) == 1
        assert all(span.runs == 1 for span in store.signature_spans().values())


def test_removed_runs_leave_nothing_and_give_their_room_back(store: Store, tmp_path: Path) -> None:
    folders = write_nights(tmp_path, 6, 600)
    for folder in folders:
        store.add_run(folder)
    full = store.size
    gone = [folder.name for folder in folders[:5]]
    assert store.remove_runs([*gone, "never"]) == gone
    assert [run.run_id for run in store.runs()] == [folders[5].name]
    assert all(len(outcomes) == 1 for outcomes in store.history(folders[5].name).values())
    assert store.size < full / 2


def test_a_moved_folder_of_runs_still_knows_its_runs(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write_sample(old / "night")
    with Store.open(old / "store.sqlite", write=True) as store:
        store.add_run(old / "night")
    old.rename(new)
    with Store.open(new / "store.sqlite", write=True) as store:
        assert store.runs()[0].folder == new / "night"
        store.add_run(new / "night")
        assert len(store.runs()) == 1


def test_another_run_of_the_same_name_is_refused(store: Store, tmp_path: Path) -> None:
    store.add_run(write_sample(tmp_path / "a" / "night"))
    with pytest.raises(StoreError, match="a run of this name already"):
        store.add_run(write_sample(tmp_path / "b" / "night"))


def test_a_folder_without_a_run_and_a_newer_journal_are_refused(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="is no run"):
        store.add_run(tmp_path)
    folder = write_sample(tmp_path / "night")
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"schema": 1', '"schema": 2', 1))
    with pytest.raises(StoreError, match=r"line 1 is of schema 2; this store knows 1"):
        store.add_run(folder)
    assert store.runs() == []


def test_the_hash_of_a_system_does_not_change_with_its_load(store: Store, tmp_path: Path) -> None:
    for day, system in enumerate(
        ({"kernel": "a", "load": 1}, {"load": 9, "kernel": "a"}, {"kernel": "b", "load": 1}), 1
    ):
        store.add_run(night(tmp_path, day, ["pass"], fingerprint=system))
    first, second, third = (run.fingerprint_hash for run in reversed(store.runs()))
    assert first == second != third
