"""Seeds, budgets, near names and the order of cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from gauntlet_harness.campaign import new_scope_maker, ordered
from gauntlet_harness.cases import Case
from gauntlet_harness.durations import for_people, parse_budget
from gauntlet_harness.errors import UsageError
from gauntlet_harness.near import did_you_mean, near_names
from gauntlet_harness.runner import Job, exact_filter
from gauntlet_harness.seeds import case_seed, parse_seed
from gauntlet_harness.suite import Suite


@pytest.mark.parametrize("text", ["0", "1", "4294967295"])
def test_seed_within_bounds_is_taken(text: str) -> None:
    assert parse_seed(text) == int(text)


@pytest.mark.parametrize("text", ["-1", "4294967296", "1e3", "0x10", "", " 7", "seven", "٣", "1_0"])
def test_other_seed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--seed must be a whole number from 0 to 4294967295"):
        parse_seed(text)


# Printed by fixtures/base/seed.cpp: both halves must agree on these for ever.
SEEDS_OF_THE_SUITE: list[tuple[int, str, int, int]] = [
    (0, "PipesCrashes.SenderKilledAtASystemCall_NoMessageIsTornOrLost/fifo", 0, 722597505),
    (0, "PipesCrashes.SenderKilledAtASystemCall_NoMessageIsTornOrLost/fifo", 7, 1200511573),
    (1, "PipesCrashes.SenderKilledAtASystemCall_NoMessageIsTornOrLost/fifo", 0, 4066049487),
    (1, "PipesCrashes.SenderKilledAtASystemCall_NoMessageIsTornOrLost/fifo", 7, 410900350),
    (4294967295, "PipesCrashes.SenderKilledAtASystemCall_NoMessageIsTornOrLost/fifo", 0, 863997624),
    (4294967295, "PipesCrashes.SenderKilledAtASystemCall_NoMessageIsTornOrLost/fifo", 7, 893269536),
    (0, "A.B", 0, 1677858519),
    (0, "A.B", 7, 2706417690),
    (1, "A.B", 0, 1954942184),
    (1, "A.B", 7, 1764314085),
    (4294967295, "A.B", 0, 2735032617),
    (4294967295, "A.B", 7, 2359066370),
    (0, "", 0, 570059173),
    (0, "", 7, 674645838),
    (1, "", 0, 1866474934),
    (1, "", 7, 526439228),
    (4294967295, "", 0, 2931656470),
    (4294967295, "", 7, 541330551),
]


@pytest.mark.parametrize(("master", "name", "repetition", "expected"), SEEDS_OF_THE_SUITE)
def test_case_seed_is_the_suites_own(
    master: int, name: str, repetition: int, expected: int
) -> None:
    assert case_seed(master, name, repetition) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400)]
)
def test_budget_is_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5", "ten", "5d", "1m1h"])
def test_other_budget_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget"):
        parse_budget(text)


def test_durations_are_readable() -> None:
    assert [for_people(s) for s in (4.21, 80, 7500)] == ["4.2 s", "1 m 20 s", "2 h 05 m"]


def test_near_names_come_best_first() -> None:
    known = ["pipes", "sockets", "semaphores", "PipesConformance"]
    assert near_names("pipe", known)[0] == "pipes"
    assert near_names("zzz", known) == []
    assert did_you_mean("sokets", known) == "; did you mean sockets?"
    assert did_you_mean("zzz", known) == ""


def job(name: str, seed: int = 1) -> Job:
    case = Case(name=name, method="m", kind="races")
    return Job(Suite(Path("/none")), case, "smoke", seed)


def test_order_is_of_the_seed_and_not_of_the_list() -> None:
    names = [f"S.Case{n}" for n in range(50)]
    one = [j.case.name for j in ordered([job(name) for name in names], {})]
    reversed_list = [j.case.name for j in ordered([job(name) for name in reversed(names)], {})]
    other_seed = [j.case.name for j in ordered([job(name, 2) for name in names], {})]
    assert one == reversed_list
    assert one != other_seed
    assert sorted(one) == sorted(names)


def test_order_is_longest_first_where_known() -> None:
    known = {"S.Slow": 9000.0, "S.Quick": 1.0, "S.Middle": 2000.0}
    got = [j.case.name for j in ordered([job(name) for name in sorted(known)], known)]
    assert got == ["S.Slow", "S.Middle", "S.Quick"]


def test_a_case_keeps_its_seed_whatever_runs_beside_it() -> None:
    alone = ordered([job("S.A")], {})[0].seed
    among = {j.case.name: j.seed for j in ordered([job("S.B"), job("S.A"), job("S.C")], {})}
    assert among["S.A"] == alone


def test_scopes_keep_the_protocol_and_differ() -> None:
    make = new_scope_maker()
    scopes = [make() for _ in range(100)]
    assert len(set(scopes)) == 100
    assert all(1 <= len(s) <= 24 and s.isascii() and s.isalnum() and s.islower() for s in scopes)


def test_filter_gives_no_character_of_a_name_a_meaning() -> None:
    assert exact_filter("A.B/c-d:e*f") == "A.B/c?d?e?f"
