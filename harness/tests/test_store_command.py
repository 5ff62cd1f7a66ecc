"""``store`` through the command line, and the runs that ``validate`` adds by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gauntlet_reports.sample_run import write_sample
from gauntlet_reports.store import Store
from gauntlet_reports.synthetic_nights import write_nights

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def runs(root: Path) -> Path:
    """Four nights and the link to the last, and no store yet."""
    folder = root / "runs"
    last = write_nights(folder, 4, 12)[-1]
    (folder / "latest").symlink_to(last.name)
    return folder


@pytest.fixture
def nights(runs: Path) -> list[str]:
    return sorted(path.name for path in runs.iterdir() if not path.is_symlink())


# What the runs of this page consist of: what they find is of no matter here.
PLAIN = {"FAKE_CASES": "2", "FAKE_ONLY": "Plain"}


def refused(done: subprocess.CompletedProcess[str], status: int = 2) -> str:
    assert (done.returncode, done.stdout) == (status, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def stored(path: Path) -> list[str]:
    with Store.open(path, write=False) as store:
        return [run.run_id for run in reversed(store.runs())]


def test_rebuild_and_status_tell_what_there_is_and_what_is_missing(
    quick_gauntlet: Command, runs: Path, nights: list[str]
) -> None:
    done = quick_gauntlet("store", "rebuild")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"4 runs in {runs / 'store.sqlite'}\n"
    whole = quick_gauntlet("store", "status").stdout.splitlines()
    assert whole[0].startswith(f"{runs / 'store.sqlite'}: 4 runs, 48 results, ")
    assert whole[1:] == [
        f"newest  {nights[3]}  2026-01-04 02:00 UTC, smoke, 12 results, finished",
        f"oldest  {nights[0]}  2026-01-01 02:00 UTC, smoke, 12 results, finished",
    ]
    write_sample(runs / "new")
    with (runs / nights[0] / "journal.jsonl").open("a") as journal:
        journal.write("\n")
    (runs / nights[1]).rename(runs.parent / "away")
    assert quick_gauntlet("store", "status").stdout.splitlines()[3:] == [
        "not in the store: 1 (new)",
        f"changed since: 1 ({nights[0]})",
        f"without a folder: 1 ({nights[1]})",
    ]
    again = quick_gauntlet("store", "rebuild").stdout.splitlines()
    assert f"their folders are gone: 1 ({nights[1]})" in again[0]
    assert len(quick_gauntlet("store", "status").stdout.splitlines()) == 3


def test_a_rebuild_that_leaves_a_run_out_says_so_and_exits_with_2(
    quick_gauntlet: Command, runs: Path, nights: list[str]
) -> None:
    journal = runs / nights[0] / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"schema":1', '"schema":2', 1))
    done = quick_gauntlet("store", "rebuild")
    assert done.returncode == 2
    assert "journal.jsonl line 1 is of schema 2; this store knows 1" in done.stderr
    assert done.stdout == f"3 runs in {runs / 'store.sqlite'}\n"


def test_a_store_of_the_usual_name_is_that_of_the_runs_beside_it(
    quick_gauntlet: Command, runs: Path, nights: list[str], tmp_path: Path
) -> None:
    elsewhere = [folder.name for folder in write_nights(tmp_path / "elsewhere", 2, 3)]
    beside, other = tmp_path / "elsewhere" / "store.sqlite", tmp_path / "elsewhere" / "my.sqlite"
    for path, expected in ((beside, elsewhere), (other, nights)):
        assert quick_gauntlet("store", "rebuild", "--store", path).returncode == 0
        assert stored(path) == expected
        assert len(quick_gauntlet("store", "status", "--store", path).stdout.splitlines()) == 3


def test_add_takes_names_folders_and_latest(
    quick_gauntlet: Command, runs: Path, nights: list[str], tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite"
    done = quick_gauntlet("store", "add", nights[0], runs / nights[1], "latest", "--store", other)
    assert done.stdout == "".join(f"added {name}\n" for name in (nights[0], nights[1], nights[3]))
    assert stored(other) == [nights[0], nights[1], nights[3]]
    assert not (runs / "store.sqlite").exists()


def test_prune_keeps_what_it_is_told_to_keep(
    quick_gauntlet: Command, runs: Path, nights: list[str]
) -> None:
    quick_gauntlet("store", "rebuild")
    store = runs / "store.sqlite"
    done = quick_gauntlet("store", "prune", "--keep", "3")
    assert done.stdout == "removed 1 run, 0 folders\n"
    assert stored(store) == nights[1:]
    assert (runs / nights[0]).is_dir()
    words = ("--older-than", "2d", "--keep-run", nights[1], "--keep-run", "latest", "--folders")
    done = quick_gauntlet("store", "prune", *words)
    assert done.stdout == "removed 1 run, 1 folder\n"
    assert stored(store) == [nights[1], nights[3]]
    assert [(runs / name).is_dir() for name in nights] == [True, True, False, True]


def test_prune_leaves_folders_outside_runs_alone(
    quick_gauntlet: Command, runs: Path, nights: list[str], tmp_path: Path
) -> None:
    (elsewhere,) = write_nights(tmp_path / "elsewhere", 1, 3)
    elsewhere = elsewhere.rename(tmp_path / "elsewhere" / "kept")
    quick_gauntlet("store", "add", elsewhere, "latest")
    done = quick_gauntlet("store", "prune", "--keep", "1", "--folders")
    assert done.stdout == "removed 1 run, 0 folders\n"
    assert elsewhere.is_dir()


def newer(runs: Path) -> None:
    with Store.open(runs / "store.sqlite", write=True) as store:
        store._connection.execute("PRAGMA user_version = 9")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status"], "there is no store at"),
        (["prune", "--keep", "3"], "there is no store at"),
        (["prune"], "say which runs: --keep N, --older-than 90d or both"),
        (["prune", "--older-than", "90"], "a time such as 90d or 12w, not '90'"),
        (["add", "nowhere"], "no run is called nowhere"),
        (["stats"], "did you mean status?"),
        (["status", "--store", "/dev/null/x"], "there is no store at"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_status_2(
    quick_gauntlet: Command, runs: Path, words: list[str], said: str
) -> None:
    assert said in refused(quick_gauntlet("store", *words))


def test_a_baseline_that_is_misspelt_costs_nothing(
    quick_gauntlet: Command, runs: Path, nights: list[str]
) -> None:
    quick_gauntlet("store", "rebuild")
    said = refused(quick_gauntlet("store", "prune", "--keep", "1", "--keep-run", nights[0][:-1]))
    assert f"did you mean {nights[0]}" in said
    assert stored(runs / "store.sqlite") == nights


def test_a_newer_store_is_refused_by_every_command(quick_gauntlet: Command, runs: Path) -> None:
    newer(runs)
    for words in (["rebuild"], ["add", "latest"], ["status"], ["prune", "--keep", "1"]):
        assert "is of schema 9; this program knows" in refused(quick_gauntlet("store", *words))


def test_validate_adds_its_run_and_a_resumed_one_once(
    gauntlet: Command, root: Path, fake_suite: Path
) -> None:
    first = gauntlet("validate", "--suite", fake_suite, "--seed", "1", **PLAIN)
    run = Path(first.stdout.splitlines()[-1])
    assert stored(root / "runs" / "store.sqlite") == [run.name]
    assert "store" not in first.stderr
    gauntlet("validate", "--resume", run.name, **PLAIN)
    assert stored(root / "runs" / "store.sqlite") == [run.name]


def test_validate_elsewhere_adds_its_run_only_to_a_store_that_is_named(
    gauntlet: Command, root: Path, fake_suite: Path, tmp_path: Path
) -> None:
    words = ("validate", "--suite", fake_suite)
    gauntlet(*words, "--out", tmp_path / "a", **PLAIN)
    assert not list(root.glob("runs/store*"))
    gauntlet(*words, "--out", tmp_path / "b", "--store", tmp_path / "my.sqlite", **PLAIN)
    assert stored(tmp_path / "my.sqlite") == ["b"]


def test_a_store_that_fails_costs_a_warning_and_not_the_run(
    gauntlet: Command, root: Path, fake_suite: Path
) -> None:
    words = ("validate", "--suite", fake_suite, "--seed", "1")
    good = gauntlet(*words, **PLAIN)
    (root / "runs" / "store.sqlite").write_text("a shopping list")
    bad = gauntlet(*words, **PLAIN)
    assert bad.returncode == good.returncode
    run = Path(bad.stdout.splitlines()[-1])
    assert (run / "index.html").is_file()
    (warning,) = bad.stderr.splitlines()  # The page misses the store too; once is enough.
    assert "the run is not in the store" in warning
    assert "is no store: not a SQLite file" in warning
    assert warning.endswith(f"add it later: harness/gauntlet store add {run}")


def test_a_damaged_store_is_one_line_with_the_command_that_mends_it(
    gauntlet: Command, root: Path, fake_suite: Path
) -> None:
    words = ("validate", "--suite", fake_suite, "--seed", "1")
    gauntlet(*words, **PLAIN)
    store = root / "runs" / "store.sqlite"
    data = bytearray(store.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    store.write_bytes(data)
    run = Path(gauntlet(*words, **PLAIN).stdout.splitlines()[-1])
    bad = gauntlet(*words, **PLAIN)
    command = f"harness/gauntlet store rebuild --store {store}"
    assert bad.stderr == (
        f"gauntlet: the run is not in the store: {store} is damaged; make it again: {command}\n"
    )
    done = gauntlet(*command.split()[1:])
    assert (done.returncode, done.stdout) == (0, f"3 runs in {store}\n")
    assert done.stderr == f"gauntlet: the old store was damaged and is now {store}.damaged\n"
    assert run.name in stored(store)
