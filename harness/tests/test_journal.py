"""The journal: what survives a cut, who is blamed after a sudden end, who writes."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gauntlet_harness import journal as journal_module
from gauntlet_harness.cases import Case, Result, Verdict, result_for
from gauntlet_harness.errors import STATUS_MACHINE, UsageError
from gauntlet_harness.journal import (
    RESERVE_BYTES,
    ROOM_BYTES,
    Journal,
    JournalError,
    Start,
    is_being_written,
    read_journal,
)


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
        "schema", "event", "case", "seed", "repetition", "at", "scope", "pid", "attempt", "spent_s"
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


def test_attempts_are_apart_from_the_verdict(path: Path) -> None:
    case = Case(name="A", method="m", kind="races")

    def ended(verdict: Verdict, attempt: int, *, expected: bool = False) -> Result:
        result = result_for(case, seed=5 + attempt, repetition=0, profile="smoke")
        result.verdict, result.attempt, result.expected = verdict, attempt, expected
        return result

    with Journal(path) as journal:
        journal.start(start("A"))
        journal.end(ended("fail", 0))
        journal.start(replace(start("A"), attempt=1, scope="again1"))
        journal.end(ended("pass", 1))
        journal.start(replace(start("A"), attempt=2, scope="again2"))
        broken = read_journal(path)
        journal.run("interrupted")
        journal.flake_class("A", "load-dependent", attempts=1, failed=0)
    assert broken.ended == {("A", 0): "fail"}
    assert broken.failed["A", 0].seed == 5
    assert [(e.attempt, e.verdict, e.seed) for e in broken.attempts["A"]] == [(1, "pass", 6)]
    assert broken.running == {}
    assert broken.open_attempts.keys() == {("A", 2)}
    assert broken.scopes == ["again2"]
    after = read_journal(path)
    assert after.open_attempts == {}
    assert after.classed == {"A"}
    assert after.notes == []


def test_expected_failures_are_not_among_the_failed(path: Path) -> None:
    result = result_for(
        Case(name="A", method="m", kind="races"), seed=5, repetition=0, profile="smoke"
    )
    result.verdict, result.expected = "fail", True
    with Journal(path) as journal:
        journal.end(result)
    assert read_journal(path).failed == {}


class FullDisk:
    """Lets so many bytes through and then has room for no more, until something is removed."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, descriptor: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(self.room, len(data), 7)
        self.room -= taken
        return REAL_WRITE(descriptor, bytes(data[:taken]))


REAL_WRITE = os.write


def test_line_that_finds_the_disk_full_is_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.run("started")
        journal.start(start("A"))
        whole = path.read_bytes()
        disk = FullDisk(room=50)
        monkeypatch.setattr(journal_module.os, "write", disk.write)
        with pytest.raises(JournalError, match=r"the disk is full: .*journal\.jsonl") as caught:
            end(journal, "A")
        assert caught.value.status == STATUS_MACHINE
        assert path.read_bytes() == whole
        # What was kept for this makes room for the last word.
        reserve = path.with_name("reserve")
        assert reserve.stat().st_size == RESERVE_BYTES
        disk.room = RESERVE_BYTES
        journal.stop()
        assert not reserve.exists()
    history = read_journal(path)
    assert (history.state, history.running, history.notes) == ("interrupted", {}, [])


def test_one_wait_for_the_disk_is_enough_for_all_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.fdatasync, []

    def fdatasync(descriptor: int) -> None:
        synced.append(path.read_bytes())
        real(descriptor)

    monkeypatch.setattr(journal_module.os, "fdatasync", fdatasync)
    with Journal(path) as journal:
        journal.start(start("A"))
        end(journal, "A")
        journal.start(start("B"))
        assert synced == []
        journal.sync()
        journal.sync()
        assert [text.count(b"\n") for text in synced] == [3]
        end(journal, "B")
    assert [text.count(b"\n") for text in synced] == [3, 4]


def test_lines_that_a_failing_disk_may_have_lost_are_dropped(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Journal(path) as journal:
        journal.run("started")
        whole = path.read_bytes()
        journal.start(start("A"))
        end(journal, "B")
        with monkeypatch.context() as patch:
            patch.setattr(journal_module.os, "fdatasync", fails)
            with pytest.raises(JournalError, match="cannot be written any more: Input/output"):
                journal.sync()
        assert path.read_bytes() == whole
        journal.start(start("C"))
    assert read_journal(path).running.keys() == {("C", 0)}


def test_disk_that_stays_full_costs_the_last_word_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path) as journal:
        journal.start(start("A"))
        whole = path.read_bytes()
        monkeypatch.setattr(journal_module.os, "write", FullDisk(room=0).write)
        journal.stop()
    assert path.read_bytes() == whole


def test_no_case_starts_where_its_end_would_find_no_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstatvfs

    class Room:
        f_frsize = 4096
        f_bavail = ROOM_BYTES // 4096 - 1

    with Journal(path) as journal:
        monkeypatch.setattr(journal_module.os, "fstatvfs", lambda _descriptor: Room)
        with pytest.raises(JournalError, match="the disk is full: less than 8 MiB are left"):
            journal.start(start("A"))
        assert path.read_bytes() == b""
        end(journal, "B")  # What already runs may still end.
        monkeypatch.setattr(journal_module.os, "fstatvfs", real)
        journal.start(start("A"))
    assert set(read_journal(path).ended) == {("B", 0)}


def test_time_spent_is_the_monotonic_clocks_over_all_stretches(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    days = iter(
        ["2026-11-28T03:00:00.000Z", "1970-01-01T00:00:00.000Z", "2038-01-19T00:00:00.000Z"]
    )
    monkeypatch.setattr(journal_module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(journal_module, "now", lambda: next(days))
    with Journal(path) as journal:
        journal.run("started")
        clock[0] += 5
        journal.start(start("A"))
    assert read_journal(path).spent_s == 5
    clock[0] = 3.0  # The machine was started anew.
    with Journal(path) as journal:
        journal.count_from(5)
        clock[0] += 2
        journal.run("resumed")
    assert read_journal(path).spent_s == 7
