"""The journal: what survives a cut, who is blamed after a sudden end, who writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gauntlet_harness.cases import Case, result_for
from gauntlet_harness.errors import UsageError
from gauntlet_harness.journal import Journal, Start, is_being_written, read_journal


def start(name: str, repetition: int = 0) -> Start:
    return Start(case=name, seed=5, repetition=repetition, scope=f"scope{name}", pid=1)


def end(journal: Journal, name: str) -> None:
    case = Case(name=name, method="m", kind="races")
    result = result_for(case, seed=5, repetition=0, profile="smoke")
    result.verdict = "pass"
    journal.end(result)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_lines_are_as_agreed(path: Path) -> None:
    with Journal(path) as journal:
        journal.run("started")
        journal.start(start("A"))
        end(journal, "A")
    first, second, third = (json.loads(text) for text in path.read_text().splitlines())
    assert (first["schema"], first["event"], first["state"]) == (1, "run", "started")
    assert set(second) == {
        "schema", "event", "case", "seed", "repetition", "at", "scope", "pid", "spent_s"
    }  # fmt: skip
    assert (third["event"], third["verdict"], third["expected"]) == ("end", "pass", False)
    assert third["at"].endswith("Z")


def test_start_is_in_the_file_before_it_returns(path: Path) -> None:
    with Journal(path) as journal:
        journal.start(start("A"))
        assert read_journal(path).running.keys() == {("A", 0)}


@pytest.mark.parametrize("kept", range(1, 40, 3))
def test_cut_last_line_costs_only_itself(path: Path, kept: int) -> None:
    with Journal(path) as journal:
        journal.run("started")
        journal.start(start("A"))
        end(journal, "A")
        whole = path.stat().st_size
        journal.start(start("B"))
    data = path.read_bytes()
    path.write_bytes(data[: whole + kept])
    history = read_journal(path)
    assert history.ended == {("A", 0): "pass"}
    assert history.running == {}
    assert history.cut_at == whole
    assert history.notes == ["the journal ends in the middle of line 4: it is dropped"]
    with Journal(path) as journal:
        journal.drop_from(whole)
        journal.run("resumed")
    assert all(json.loads(text) for text in path.read_text().splitlines())


def test_garbage_in_the_middle_is_told_and_left_out(path: Path) -> None:
    with Journal(path) as journal:
        journal.start(start("A"))
    with path.open("ab") as file:
        file.write(b'\x00\xff garbage\n{"event": "end"}\n[1]\n')
    with Journal(path) as journal:
        end(journal, "A")
    history = read_journal(path)
    assert history.ended == {("A", 0): "pass"}
    assert len(history.notes) == 3
    assert history.cut_at is None


def test_sudden_end_leaves_the_running_ones(path: Path) -> None:
    with Journal(path) as journal:
        journal.run("started")
        journal.start(start("A"))
        end(journal, "A")
        journal.start(start("B"))
        journal.start(start("C"))
    history = read_journal(path)
    assert set(history.running) == {("B", 0), ("C", 0)}
    assert history.scopes == ["scopeB", "scopeC"]


def test_interrupted_run_blames_nobody(path: Path) -> None:
    with Journal(path) as journal:
        journal.run("started")
        journal.start(start("A"))
        journal.run("interrupted")
    history = read_journal(path)
    assert history.running == {}
    assert history.state == "interrupted"


def test_suspects_stay_until_they_have_ended(path: Path) -> None:
    with Journal(path) as journal:
        journal.run("started")
        journal.start(start("A"))
        journal.start(start("B"))
        journal.run("resumed")
        journal.start(start("A"))
    history = read_journal(path)
    assert set(history.running) == {("A", 0)}
    assert set(history.suspects) == {("A", 0), ("B", 0)}
    with Journal(path) as journal:
        end(journal, "A")
    assert set(read_journal(path).suspects) == {("B", 0)}


def test_repetitions_are_apart(path: Path) -> None:
    with Journal(path) as journal:
        journal.start(start("A", 0))
        journal.start(start("A", 1))
        end(journal, "A")
    assert set(read_journal(path).running) == {("A", 1)}


def test_one_writer_at_a_time(path: Path) -> None:
    with Journal(path):
        assert is_being_written(path)
        with pytest.raises(UsageError, match="still going on"):
            Journal(path)
    assert not is_being_written(path)
    Journal(path).__exit__(None, None, None)


def test_missing_journal_is_no_end_of_the_world(path: Path) -> None:
    assert read_journal(path).notes == ["the journal is missing: every case is run"]
