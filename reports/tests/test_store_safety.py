"""The store among others that write, die, fill the disk or put something else in its place."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_reports import store_schema
from gauntlet_reports.sample_run import planned_cases, run_info, sample_lines, write_run
from gauntlet_reports.store import (
    DamagedStoreError,
    OlderStoreError,
    Store,
    StoreError,
    StoreMachineError,
)
from gauntlet_reports.store_rebuild import add_or_rebuild, rebuild
from gauntlet_reports.synthetic_nights import write_nights

FORK = multiprocessing.get_context("fork")
CASES = planned_cases()[:8]
PATIENCE_S = 120.0


def refused(call: Callable[[], object], kind: type[StoreError] = StoreError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def open_for_writing(path: Path, wait_s: float = 0.0) -> Store:
    return Store.open(path, write=True, wait_s=wait_s)


def cut_and_whole(folder: Path) -> tuple[Path, Callable[[], None]]:
    """A run that was cut short, and how it goes on to its end."""
    lines = sample_lines(CASES)
    path = write_run(folder / "night", run_info(CASES), lines[:5])
    return path, lambda: write_run(path, run_info(CASES), lines) and None


def add_all(path: Path, folders: list[Path], gate: object) -> None:
    gate.wait()  # type: ignore[attr-defined]
    with Store.open(path, write=True, wait_s=PATIENCE_S) as store:
        for folder in folders:
            store.add_run(folder)


def test_processes_that_make_and_fill_a_store_at_once_lose_nothing(tmp_path: Path) -> None:
    folders = write_nights(tmp_path, 8, 20)
    path = tmp_path / "store.sqlite"
    gate = FORK.Barrier(4)
    # Two have the same runs, so that each run is also added by two at once.
    shares = [folders[:4], folders[4:], folders, folders[::-1]]
    workers = [FORK.Process(target=add_all, args=(path, share, gate)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE_S)
        assert worker.exitcode == 0
    with Store.open(path, write=False) as store:
        assert [run.run_id for run in store.runs()] == [f.name for f in reversed(folders)]
        history = store.history(folders[-1].name)
        assert all(len(line) == 8 and None not in line for line in history.values())


def die_at(path: Path, folder: Path, statement: int) -> bool:
    """Add a run in a process that is killed before its n-th statement; return whether it was."""
    child = os.fork()
    if child == 0:
        store = open_for_writing(path)
        left = statement

        def count(_sql: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        store._connection.set_trace_callback(count)
        store.add_run(folder)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def test_a_kill_at_any_statement_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    folder, go_on = cut_and_whole(tmp_path)
    path = tmp_path / "store.sqlite"
    with open_for_writing(path) as store:
        store.add_run(folder)
        before = (store.runs(), store.history("night"), store.signature_spans())
    go_on()
    statement = 0
    while die_at(path, folder, statement):
        with Store.open(path, write=False) as store:
            assert (store.runs(), store.history("night"), store.signature_spans()) == before
        statement += 1
    assert statement > len(CASES)  # It was really killed among the rows.
    with Store.open(path, write=False) as store:
        assert store.runs()[0].results > before[0][0].results


def test_a_store_locked_by_another_is_one_line_and_readers_go_on(tmp_path: Path) -> None:
    first, second = write_nights(tmp_path, 2, 5)
    path = tmp_path / "store.sqlite"
    with open_for_writing(path) as holder, open_for_writing(path) as waiter:
        holder.add_run(first)
        holder._connection.execute("BEGIN IMMEDIATE")
        said = refused(lambda: waiter.add_run(second), StoreMachineError)
        assert said == f"{path} is locked by another process; nothing was written"
        with Store.open(path, write=False) as reader:
            assert [run.run_id for run in reader.runs()] == [first.name]
        holder._connection.execute("ROLLBACK")
        waiter.add_run(second)
        assert len(waiter.runs()) == 2


def test_a_full_disk_is_one_line_and_the_store_stays_whole(tmp_path: Path) -> None:
    small, large = tmp_path / "a", tmp_path / "b"
    (first,) = write_nights(small, 1, 5)
    (second,) = write_nights(large, 1, 3000)
    second = second.rename(large / "second")
    path = tmp_path / "store.sqlite"
    with open_for_writing(path) as store:
        store.add_run(first)
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        said = refused(lambda: store.add_run(second), StoreMachineError)
        assert said == f"{path}: the disk is full; nothing was written"
        assert [run.run_id for run in store.runs()] == [first.name]
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.add_run(second)
        assert len(store.runs()) == 2


ON_A_SMALL_DISK = """
import sys
from pathlib import Path
from gauntlet_reports.store import Store, StoreMachineError
disk, first, second = map(Path, sys.argv[1:])
with Store.open(disk / "store.sqlite", write=True) as store:
    store.add_run(first)
    try:
        store.add_run(second)
    except StoreMachineError as error:
        print(error)
with Store.open(disk / "store.sqlite", write=False) as store:
    print(*(run.run_id for run in store.runs()))
"""


def test_a_disk_that_is_really_full_leaves_store_and_journal_whole(tmp_path: Path) -> None:
    (first,) = write_nights(tmp_path / "a", 1, 5)
    (second,) = write_nights(tmp_path / "b", 1, 3000)
    second = second.rename(tmp_path / "b" / "second")
    journal = (second / "journal.jsonl").read_bytes()
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=256k none "$1" || exit 77; exec "$0" -c "$2" "$1" "$3" "$4"'
    words = [sys.executable, disk, ON_A_SMALL_DISK, first, second]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(Path(store_schema.__file__).parents[1])},
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no disk of one's own here: {done.stderr.strip()}")
    assert done.stdout.splitlines() == [
        f"{disk}/store.sqlite: the disk is full; nothing was written",
        first.name,
    ], done.stderr
    assert (second / "journal.jsonl").read_bytes() == journal


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_for_writing(path) as store:
        store._connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for call in (
        lambda: open_for_writing(path),
        lambda: Store.open(path, write=False),
        lambda: rebuild(path, tmp_path),
    ):
        assert "is of schema 99; this program knows" in refused(call)
    assert path.read_bytes() == before


def test_an_older_store_is_made_again_before_a_run_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = write_nights(tmp_path, 3, 5)
    path = tmp_path / "store.sqlite"
    with open_for_writing(path) as store:
        store.add_run(first)
        # What an older schema may have looked like: other tables, other columns.
        store._connection.execute("DROP TABLE numbers")
        store._connection.execute("ALTER TABLE runs RENAME COLUMN folder TO path")
    monkeypatch.setattr(store_schema, "SCHEMA_VERSION", store_schema.SCHEMA_VERSION + 1)
    assert "older schema" in refused(lambda: Store.open(path, write=False), OlderStoreError)
    add_or_rebuild(path, third, tmp_path)
    with Store.open(path, write=False) as store:
        assert [run.run_id for run in store.runs()] == [f.name for f in (third, second, first)]
        assert len(store.trend(next(iter(store.history(third.name))), "round_trip_ns", 9)) == 3


def another_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE sheep (name TEXT)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (another_database, "is no store: some other program's SQLite file"),
        (lambda path: path.write_text("a shopping list, " * 100), "is no store: not a SQLite file"),
    ],
    ids=["another database", "a text"],
)
def test_a_foreign_file_is_refused_and_not_touched(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "store.sqlite"
    make(path)
    before = path.read_bytes()
    for write in (True, False):
        assert said in refused(lambda write=write: Store.open(path, write=write))  # type: ignore[misc]
    assert said in refused(lambda: rebuild(path, tmp_path))
    assert path.read_bytes() == before


def damage(path: Path) -> None:
    """Overwrite all of a store but its head."""
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def test_a_damaged_store_says_how_to_get_it_back_and_that_works(tmp_path: Path) -> None:
    (folder,) = write_nights(tmp_path, 1, 500)
    path = tmp_path / "store.sqlite"
    with open_for_writing(path) as store:
        store.add_run(folder)
    damage(path)
    damaged = path.read_bytes()
    said = refused(lambda: Store.open(path, write=False).runs(), DamagedStoreError)
    assert said == (
        f"{path} is damaged; make it again: harness/gauntlet store rebuild --store {path}"
    )
    made = rebuild(path, tmp_path)
    assert (made.added, made.set_aside) == (1, tmp_path / "store.sqlite.damaged")
    assert (tmp_path / "store.sqlite.damaged").read_bytes() == damaged
    with Store.open(path, write=False) as store:
        assert len(store.history(folder.name)) == 500


def test_no_store_and_no_folder_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    assert "there is no store at" in refused(lambda: Store.open(path, write=False))
    assert not path.exists()
    nowhere = tmp_path / "nowhere" / "store.sqlite"
    assert "is no folder" in refused(lambda: open_for_writing(nowhere))
