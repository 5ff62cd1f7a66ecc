"""The grammar of --select and how it refuses."""

from __future__ import annotations

import pytest

from gauntlet_harness.cases import Case
from gauntlet_harness.errors import UsageError
from gauntlet_harness.selection import select

CASES = [
    Case(
        name="PipesCrashes.WriterKilled_ReaderSeesOnlyWholeMessages/fifo",
        method="pipes",
        kind="crashes",
        subject="fifo",
        contract="channel",
        clause="POSIX.1-2024 write(): atomic up to PIPE_BUF",
        needs=["ptrace"],
    ),
    Case(
        name="PipesCrashes.WriterKilled_ReaderSeesOnlyWholeMessages/pipe",
        method="pipes",
        kind="crashes",
        subject="pipe",
        contract="channel",
    ),
    Case(
        name="PipesConformance.WriteWithoutReader_FailsWithEpipe",
        method="pipes",
        kind="conformance",
        clause="POSIX.1-2024 write(): [EPIPE]",
    ),
    Case(
        name="SemaphoresRaces.Units_AreNeverInvented/posix_sem_named",
        method="semaphores",
        kind="races",
        subject="posix_sem_named",
        contract="semaphore",
    ),
]
FIFO, PIPE, EPIPE, SEMAPHORE = range(4)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("pipes", [FIFO, PIPE, EPIPE]),
        ("pipes and crashes", [FIFO, PIPE]),
        ("pipes and crashes and not fifo", [PIPE]),
        ("fifo or races", [FIFO, SEMAPHORE]),
        ("not pipes", [SEMAPHORE]),
        ("not not pipes and pipe", [PIPE]),
        ("not (fifo or pipe)", [EPIPE, SEMAPHORE]),
        ("pipe or fifo and conformance", [PIPE]),
        ("(pipe or fifo) and crashes", [FIFO, PIPE]),
        ("FailsWithEpipe", [EPIPE]),
        ("failswithepipe", [EPIPE]),
        ("PIPE_BUF", [FIFO]),
        ('"atomic up to"', [FIFO]),
        ("clause:'atomic up to'", [FIFO]),
        ("method:pipes and kind:conformance", [EPIPE]),
        ("contract:semaphore", [SEMAPHORE]),
        ("needs:ptrace", [FIFO]),
        ("name:Killed", [FIFO, PIPE]),
        (CASES[FIFO].name, [FIFO]),
    ],
)
def test_expression_selects_exactly(expression: str, expected: list[int]) -> None:
    assert select(expression, CASES) == [CASES[place] for place in expected]


def test_none_selects_all() -> None:
    assert select(None, CASES) == CASES


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("pips", "did you mean pipes"),
        ("semaphors", "did you mean semaphores"),
        ("FailWithEpipe", "did you mean FailsWithEpipe"),
        ("subject:fifi", "no case has subject 'fifi'; did you mean fifo?"),
        ("color:red", "no field is called 'color'"),
        ("clause:nowhere", "no clause contains 'nowhere'"),
        ("fifo and races", "no case matches"),
        ("", "empty"),
        ("   ", "empty"),
        ("pipes crashes", "at column 7: expected 'and' or 'or' before 'crashes'"),
        ("pipes and", "at column 10: expected a word"),
        ("and pipes", "at column 1: expected a word before 'and'"),
        ("(pipes", "at column 7: expected a closing parenthesis"),
        ("pipes)", "at column 6: expected an opening parenthesis"),
        ("()", "at column 2: expected a word before ')'"),
        ("not", "at column 4: expected a word"),
        ('pipes and "fifo', 'at column 11: expected the end of the text that " opens'),
    ],
)
def test_wrong_expression_is_refused_in_one_line(expression: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        select(expression, CASES)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_deep_nesting_is_no_crash() -> None:
    depth = 100
    assert select("(" * depth + "fifo" + ")" * depth, CASES) == [CASES[FIFO]]
