"""Measured values and observed texts of two runs: what is a change, and what is chance."""

from __future__ import annotations

import pytest

from gauntlet_reports.measurements import DEFAULT_BAND, Shift, interval, shifts
from gauntlet_reports.observations import Behaviour, RecordChange, behaviours, record_changes
from gauntlet_reports.run_data import Result, RunData

CASE = "PipesConformance.CapacityReached_SendWaits/pipe"


def measuring(*values: float, name: str = "round_trip_ns", jobs: int = 1) -> RunData:
    results = [
        Result(case=CASE, verdict="pass", repetition=place, measured={name: value})
        for place, value in enumerate(values)
    ]
    return RunData(folder="run", info={"jobs": jobs}, results=results)


def shifted(before: list[float], after: list[float], band: float = DEFAULT_BAND) -> list[Shift]:
    return shifts(measuring(*before), measuring(*after), band).found


@pytest.mark.parametrize(
    ("before", "after", "shift"),
    [
        ([100.5], [100.5], False),
        ([100.5], [200.9], False),
        ([100.5], [201.5], True),
        ([100.5], [50.3], False),
        ([100.5], [50.1], True),
        ([0.0], [1.0], False),
        ([0.0], [100.0], True),
        ([0.25], [0.75], True),
        ([-1.5], [-2.9], False),
        ([-1.5], [-4.5], True),
        ([1.5, 1.6], [2.5, 2.6], False),
        ([1.5, 1.6, 1.7, 1.8, 1.9], [1.91, 1.92, 1.93, 1.94, 2.0], True),
        ([1.5, 1.6, 1.7, 1.8, 1.9], [1.89, 1.92, 1.93, 1.94, 2.0], False),
        ([1.5, 1.6, 1.7, 1.8, 1.9], [2.5], False),
        ([1.5, 1.6, 1.7, 1.8, 1.9], [2.8], True),
    ],
)
def test_a_shift_is_two_intervals_that_do_not_meet(
    before: list[float], after: list[float], shift: bool
) -> None:
    assert bool(shifted(before, after)) is shift
    assert bool(shifted(after, before)) is shift


def test_the_band_says_how_far_single_values_may_lie_apart() -> None:
    assert not shifted([100.5], [150.5])
    assert shifted([100.5], [150.5], band=1.2)


def test_a_shift_tells_both_intervals_and_the_ratio() -> None:
    (shift,) = shifted([1.5, 1.6, 1.7, 1.8, 1.9], [16.0, 17.5, 18.0, 17.0, 19.0])
    assert (shift.case, shift.name) == (CASE, "round_trip_ns")
    assert (shift.before.value, shift.before.low, shift.before.high) == (1.7, 1.5, 1.9)
    assert (shift.after.count, shift.after.low, shift.after.high) == (5, 16.0, 19.0)
    assert shift.ratio == pytest.approx(17.5 / 1.7)
    assert shifted([0.0], [100.5])[0].ratio is None


def test_what_only_one_run_measured_is_no_shift() -> None:
    assert shifts(measuring(1.5), measuring(9.5, name="other_ns"), DEFAULT_BAND).found == []


@pytest.mark.parametrize("name", ["round_trip_ns", "messages_per_s", "fairness_min_share_percent"])
def test_what_others_decide_is_compared_from_five_values_on_or_alone(name: str) -> None:
    def counts(few: int, jobs: int) -> tuple[int, int]:
        before = measuring(*[1.5] * few, name=name, jobs=jobs)
        made = shifts(before, measuring(*[15.5] * 5, name=name, jobs=6), DEFAULT_BAND)
        return len(made.found), made.uncertain

    assert (counts(4, 6), counts(5, 6), counts(1, 1)) == ((0, 1), (1, 0), (1, 0))
    capacity = [measuring(value, name="capacity_bytes", jobs=6) for value in (100.0, 900.0)]
    assert len(shifts(capacity[0], capacity[1], DEFAULT_BAND).found) == 1


@pytest.mark.parametrize("name", ["attached", "accesses_made"])
def test_how_often_a_race_was_met_is_no_shift(name: str) -> None:
    made = shifts(measuring(0, name=name), measuring(600, name=name), DEFAULT_BAND)
    assert (made.found, made.uncertain) == ([], 0)


def test_a_count_never_reaches_below_zero() -> None:
    assert interval([1.0], DEFAULT_BAND).low == 0.0


def observing(*texts: str, name: str = "capacity", case: str = CASE) -> list[Result]:
    return [
        Result(case=case, verdict="pass", repetition=place, observed={name: text})
        for place, text in enumerate(texts)
    ]


def test_another_choice_of_the_system_is_a_changed_behaviour() -> None:
    before, after = observing("16 messages"), observing("8 messages")
    assert behaviours(before, after) == [
        Behaviour(CASE, "capacity", ["16 messages"], ["8 messages"])
    ]
    assert behaviours(before, before) == []
    assert record_changes(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [("145", "177", False), ("145", "400", True), ("145", "none", True)],
)
def test_what_is_kept_of_a_flood_is_changed_beyond_the_band(
    before: str, after: str, changed: bool
) -> None:
    first, second = (observing(text, name="kept_of_a_flood") for text in (before, after))
    assert bool(behaviours(first, second)) is changed
    assert behaviours(observing("145"), observing("177"))  # Any other number is as it is.
    assert not behaviours(first, second, band=100.0) or after == "none"


def test_a_behaviour_that_varies_within_a_run_is_changed_only_when_nothing_is_common() -> None:
    assert behaviours(observing("in order", "in another"), observing("in another")) == []
    assert behaviours(observing("in order", "in another"), observing("none"))


def test_a_behaviour_that_one_run_did_not_see_is_told_where_the_case_was_seen() -> None:
    before = observing("16 messages")
    after = observing("yes", name="wakes_in_order")
    assert [(one.name, one.before, one.after) for one in behaviours(before, after)] == [
        ("capacity", ["16 messages"], []),
        ("wakes_in_order", [], ["yes"]),
    ]
    assert behaviours(before, observing("x", case="Another.Case")) == []


CALLS = """2 of 94 failures tried, 2 reported
openat #1 fails with EACCES -> {0}
mmap #1 fails with ENODEV, and all later ones -> reported
"""
SWEEP = """unix_stream, kill of sender: {0} points of 384, 383 instructions
      {0}  fine
      {1}
        std::_Function_handler+0x{0}
"""
SCHEDULE = "pct, seed {0}, C11: 500 executions (0 redundant), {0} steps, {1} deaths, 11,{0}/s"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CALLS.format("reported"), CALLS.format("reported").replace("mmap #1", "mmap #2")),
        (CALLS.format("reported"), "0 of 94 failures tried\n"),
        (CALLS.format("reported"), CALLS.format("not reached")),
        ("0 of 94 failures tried\n", "1 of 94 failures tried\nread #1 -> not reached\n"),
        (SWEEP.format(2, "1 stuck: sender in futex"), SWEEP.format(5, "9 stuck: sender in futex")),
        (SWEEP.format(2, "3 not reached"), SWEEP.format(2, "1 points were not met again")),
        (SCHEDULE.format(123, 0), SCHEDULE.format(777, 0)),
    ],
    ids=[
        "other calls tried",
        "nothing tried",
        "a call was not made",
        "no call was made",
        "other counts",
        "not met",
        "other seed and rate",
    ],
)
def test_seed_load_and_chance_change_neither_a_behaviour_nor_a_record(
    before: str, after: str
) -> None:
    first, second = observing(before), observing(after)
    assert behaviours(first, second) == []
    assert record_changes(first, second) == []
    assert record_changes(second, first) == []


def test_a_call_with_another_answer_is_a_changed_record() -> None:
    before, after = observing(CALLS.format("reported")), observing(CALLS.format("lost"))
    assert record_changes(before, after) == [
        RecordChange(
            CASE,
            "capacity",
            [
                "@@ -1 +1 @@",
                "-openat #1 fails with EACCES -> reported",
                "+openat #1 fails with EACCES -> lost",
            ],
        )
    ]
    assert behaviours(before, after) == []


def test_an_answer_that_varies_within_a_run_is_no_change() -> None:
    both = observing(CALLS.format("reported"), CALLS.format("lost"))
    assert record_changes(observing(CALLS.format("lost")), both) == []


def test_a_new_kind_of_ending_is_a_changed_record() -> None:
    before = observing(SWEEP.format(2, "1 stuck: sender in futex"))
    after = observing(SWEEP.format(2, "1 torn message"))
    (change,) = record_changes(before, after)
    assert change.diff[-2:] == ["-n stuck: sender in futex", "+n torn message"]


def test_several_lines_that_are_neither_a_table_nor_endings_are_compared_as_they_are() -> None:
    before, after = observing("first in\nfirst out"), observing("first in\nlast out 7")
    (change,) = record_changes(before, after)
    assert change.diff[-2:] == ["-first out", "+last out n"]
    assert record_changes(after, observing("first in\nlast out 8")) == []
