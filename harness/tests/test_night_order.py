"""What a night runs first: by hand-written pasts, and by journals."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from gauntlet_harness.cases import Case
from gauntlet_harness.night_order import (
    JournalPast,
    by_need,
    changed_nights,
    is_worth_repeating,
    unseen_nights,
)
from gauntlet_harness.runner import Job
from gauntlet_harness.suite import Suite


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
        text = "\n".join(["damaged", *map(json.dumps, lines), '{"event": "en'])
        (tmp_path / name / "journal.jsonl").write_text(text)

    night("20260101", ("A", "crash"))
    night("20260102", ("A", "pass"), ("A", "fail"), ("A", "pass"), ("B", "pass"))
    night("20260103", ("B", "pass"))
    (tmp_path / "latest").symlink_to("20260103")
    assert JournalPast(tmp_path, nights=2).outcomes() == {
        "A": ["fail", None],
        "B": ["pass", "pass"],
    }


def test_only_what_chance_decides_is_repeated() -> None:
    kinds = ("conformance", "properties", "races", "crashes", "overload")
    repeated = [k for k in kinds if is_worth_repeating(Case(name="A", method="m", kind=k))]
    assert repeated == ["properties", "races", "crashes", "overload"]
