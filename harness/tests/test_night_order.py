"""What a night runs first: by hand-written pasts, and by journals."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from gauntlet_harness.cases import Case
from gauntlet_harness.night_order import (
    by_need,
    changed_nights,
    is_worth_repeating,
    outcomes_of_nights,
    unseen_nights,
)
from gauntlet_harness.planning import make_plan
from gauntlet_harness.run_folder import Night, RunInfo
from gauntlet_harness.runner import Job
from gauntlet_harness.suite import Listed, Suite


def job(name: str) -> Job:
    return Job(Suite(Path("/suite")), Case(name=name, method="m", kind="races"), "smoke", 1)


@pytest.mark.parametrize(
    ("outcomes", "unseen", "changed"),
    [
        ([], math.inf, math.inf),
        (["pass"], 0, math.inf),
        (["pass", "pass", None], 1, math.inf),
        (["pass", "not_run", "not_run"], 2, 1),
        ([None, "not_run"], math.inf, math.inf),
        (["pass", "fail"], 0, 0),
        (["fail", "pass", "pass", "pass"], 0, 2),
        (["fail", None, "pass"], 0, 0),
    ],
)
def test_nights_are_counted_from_the_last(
    outcomes: Sequence[str | None], unseen: float, changed: float
) -> None:
    assert unseen_nights(outcomes) == unseen
    assert changed_nights(outcomes) == changed


def test_longest_unseen_come_first_then_recently_changed_then_the_old_order() -> None:
    past = {
        "steady": ["pass"] * 6,
        "changed": ["pass"] * 5 + ["fail"],
        "changed-before": ["pass"] * 4 + ["fail"] * 2,
        "changed-long-ago": ["pass"] + ["fail"] * 5,
        "unseen": ["pass"] * 4 + ["not_run"] * 2,
    }
    given = ["steady", "changed-long-ago", "changed-before", "changed", "unseen", "new"]
    ordered = [one.case.name for one in by_need([job(name) for name in given], past)]
    assert ordered == ["new", "unseen", "changed", "changed-before", "steady", "changed-long-ago"]


def test_past_is_read_from_the_journals_of_the_last_nights(tmp_path: Path) -> None:
    def night(name: str, *ends: tuple[str, str]) -> None:
        (tmp_path / name).mkdir()
        lines = [{"event": "end", "case": case, "verdict": verdict} for case, verdict in ends]
        lines.append({"event": "end", "case": "B", "verdict": "crash", "attempt": 1})
        text = "\n".join(["damaged", *map(json.dumps, lines), '{"event": "en'])
        (tmp_path / name / "journal.jsonl").write_text(text)

    night("20260101", ("A", "crash"))
    night("20260102", ("A", "pass"), ("A", "fail"), ("A", "hang"), ("A", "pass"), ("B", "pass"))
    night("20260103", ("B", "pass"))
    (tmp_path / "latest").symlink_to("20260103")
    assert outcomes_of_nights(tmp_path, "local", nights=2) == {
        "A": ["hang", None],
        "B": ["pass", "pass"],
    }


def test_what_another_target_ran_is_unseen_on_this_one(tmp_path: Path) -> None:
    for name, target, case in (("1", "here", "A"), ("2", "there", "B"), ("3", "there", "C")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"target": target}))
        end = {"event": "end", "case": case, "verdict": "pass"}
        (tmp_path / name / "journal.jsonl").write_text(json.dumps(end))
    assert outcomes_of_nights(tmp_path, "here", nights=1) == {"A": ["pass"]}
    assert outcomes_of_nights(tmp_path, "there") == {"B": ["pass", None], "C": [None, "pass"]}
    assert outcomes_of_nights(tmp_path, "local") == {}


def test_only_what_chance_decides_is_repeated() -> None:
    kinds = ("conformance", "properties", "races", "crashes", "overload")
    repeated = [k for k in kinds if is_worth_repeating(Case(name="A", method="m", kind=k))]
    assert repeated == ["properties", "races", "crashes", "overload"]


KINDS = ("conformance", "races", "overload")


def keys(jobs: Sequence[Job]) -> set[tuple[str, int]]:
    return {one.key for one in jobs}


def run_of_each_kind(**given: object) -> tuple[RunInfo, list[Listed]]:
    cases = [Case(name=kind, method="m", kind=kind) for kind in KINDS]
    info = RunInfo(cases=cases, seed=1, budget_s=60.0)
    for key, value in given.items():
        setattr(info, key, value)
    return info, [Listed(Suite(Path("/suite")), case) for case in cases]


def test_night_repeats_what_chance_decides_and_a_soak_everything() -> None:
    night = make_plan(*run_of_each_kind(night=Night(config="c", target="t")), {})
    assert keys(night.together) == {(kind, 0) for kind in KINDS}
    assert night.again is not None
    assert keys(night.again(3)) == {("races", 3), ("overload", 3)}
    assert len({one.seed for one in [*night.again(1), *night.again(2)]}) == 4
    soak = make_plan(*run_of_each_kind(profile="soak"), {})
    assert soak.again is not None
    assert keys(soak.again(1)) == {(kind, 1) for kind in KINDS}


def test_run_that_has_nothing_to_repeat_or_no_budget_ends() -> None:
    info, listed = run_of_each_kind(night=Night(config="c", target="t"))
    assert make_plan(info, listed[:1], {}).again is None
    info.budget_s = None
    assert make_plan(info, listed, {}).again is None


def test_rest_of_a_night_has_the_suspects_of_every_repetition_alone_and_nothing_twice() -> None:
    done = {(kind, 0) for kind in KINDS}
    suspects = {("races", 1), ("overload", 1)}
    info, listed = run_of_each_kind(night=Night(config="c", target="t"))
    plan = make_plan(info, listed, {}, done=done, alone=suspects)
    assert keys(plan.alone) == suspects
    assert plan.together == []
    assert plan.again is not None
    assert plan.again(1) == []
    assert keys(plan.again(2)) == {("races", 2), ("overload", 2)}
