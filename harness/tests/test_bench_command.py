"""``bench`` through the command line: with stand-ins for the program that measures, and with it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gauntlet_harness.bench import FIRST_ROW, LAST_ROW, program, run_program
from gauntlet_harness.signals import stopped_as_by_ctrl_c

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]
Eventually = Callable[[Callable[[], object], str], None]

REAL = program(Path(__file__).resolve().parents[2], "release")
# Writes TABLES, or exactly what STAND_IN_WRITES says, notes its arguments and ends as told.
STAND_IN = """#!/bin/sh
echo "row 1: repetition 1 of 1" >&2
echo "a table for people"
echo "$*" >"$(dirname "$0")/arguments"
[ "${STAND_IN_WRITES:-yes}" = nothing ] || cat "${STAND_IN_TABLES}" >"$2"
exit "${STAND_IN_STATUS:-0}"
"""


def series(name: str, *values: float, why: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "values": values,
        "bare_lines_ns": [],
        "smallest_shares": [],
        "not_measured": why,
    }


def table(row: int = 1, **given: Any) -> dict[str, Any]:
    return {
        "row": row,
        "title": "round trip, 8 B",
        "unit": "ns",
        "better": "less",
        "bare_line_ns": 98.5,
        "series": [series("reference", 300, 100, 200), series("bare mailbox", 50, 40, 60)],
        "aims": [
            {"what": "reference / bare mailbox", "side": "at most", "limit": 1.3}
            | {"measured": 3.3333, "repetitions": 3, "reached": False},
            {"what": "ms of each", "side": "at most", "limit": 500}
            | {"measured": 200, "repetitions": None, "reached": True},
        ],
        "notes": [],
    } | given


@pytest.fixture
def stand_in(root: Path) -> Path:
    """The program that measures, in the build of the empty checkout."""
    path = program(root, "release")
    path.parent.mkdir(parents=True)
    path.write_text(STAND_IN)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def bench(gauntlet: Command, stand_in: Path, tmp_path: Path) -> Command:
    """Run ``bench`` on what the stand-in is to have measured: tables, or any bytes."""

    def run(
        measured: object, *words: str | Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        tables = tmp_path / "tables.json"
        tables.write_bytes(
            measured if isinstance(measured, bytes) else json.dumps(measured).encode()
        )
        assert stand_in.is_file()
        return gauntlet("bench", *words, STAND_IN_TABLES=str(tables), **variables)

    return run


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The last line on stderr; the lines before it are the program's own and about the load."""
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    *others, last = done.stderr.splitlines()
    assert last.startswith("gauntlet: ")
    assert [line for line in others if "Traceback" in line] == []
    return last


def test_aims_in_words_then_the_folder(bench: Command, root: Path) -> None:
    done = bench([table()])
    assert done.returncode == 0, done.stderr  # Though an aim is missed.
    *aims, total, last = done.stdout.splitlines()
    assert aims == [
        "row 1  round trip, 8 B: reference / bare mailbox 3.33 in 3 repetitions"
        " (at most 1.3): missed",
        "row 1  round trip, 8 B: ms of each 200 (at most 500): reached",
    ]
    assert total == "1 of 2 aims reached, 1 missed"
    folder = Path(last)
    assert folder.parent == root / "runs"
    assert re.fullmatch(r"bench-\d{8}T\d{6}Z-[0-9a-f]{4}", folder.name)
    assert sorted(path.name for path in folder.iterdir()) == ["bench.json", "index.html"]
    assert "row 1: repetition 1 of 1" in done.stderr
    assert "a table for people" in done.stderr


def test_json_is_one_document_with_the_machine(bench: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = bench([table()], "--json", "--out", out, "--rows", "2,1", "--repetitions", "3")
    document = json.loads(done.stdout)
    assert document == json.loads((out / "bench.json").read_text())
    assert document["options"] == {
        "rows": [1, 2],
        "repetitions": 3,
        "quick": False,
        "preset": "release",
    }
    assert document["fingerprint"]["kernel"]["release"] == os.uname().release
    assert document["tables"][0]["series"][0]["values"] == [300, 100, 200]
    assert len(document["load"]) == 3
    assert document["started"].startswith("20")
    assert document["command"][:2] == ["harness/gauntlet", "bench"]


def test_options_reach_the_program(bench: Command, stand_in: Path) -> None:
    assert bench([table()], "--rows", "3,1,3", "--repetitions", "5", "--quick").returncode == 0
    words = (stand_in.parent / "arguments").read_text().split()
    assert words[2:] == ["--repetitions", "5", "--quick", "--rows", "1,3"]
    assert bench([table()]).returncode == 0
    assert (stand_in.parent / "arguments").read_text().split()[2:] == ["--repetitions", "7"]


def test_program_that_fails_is_one_line_and_leaves_no_folder(bench: Command, root: Path) -> None:
    done = bench([table()], STAND_IN_STATUS="2")
    assert refusal(done).endswith("reference_bench ended with status 2")
    assert list((root / "runs").iterdir()) == []


def test_program_that_writes_nothing_is_told(bench: Command) -> None:
    done = bench([table()], STAND_IN_WRITES="nothing")
    assert refusal(done).endswith("ended with status 0 and wrote no values")


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"[{",
        b'"\xff"',
        json.dumps([table(series=[series("reference", -1)])]).encode(),
        json.dumps([table(bare_line_ns="98")]).encode(),
        json.dumps([table(aims=[{"what": "x", "side": "near", "limit": 1}])]).encode(),
        b"[{}]",
    ],
)
def test_garbage_is_one_line(bench: Command, root: Path, garbage: bytes) -> None:
    assert "its values are not understood: " in refusal(bench(garbage))
    assert list((root / "runs").iterdir()) == []


def test_killed_program_is_named_by_its_signal(bench: Command, stand_in: Path) -> None:
    stand_in.write_text("#!/bin/sh\nkill -SEGV $$\n")
    assert refusal(bench([])).endswith("was killed by SIGSEGV")


def test_missing_reference_keeps_what_was_measured(bench: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = [series("reference", why="no room left"), series("bare mailbox", 5)]
    done = bench([table(series=told)], "--out", out, STAND_IN_STATUS="1")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == (
        "gauntlet: row 1: the reference was not measured: no room left"
    )
    assert "not measured: no room left" in (out / "index.html").read_text()


def test_status_1_with_the_reference_measured_is_a_failure(bench: Command) -> None:
    assert refusal(bench([table()], STAND_IN_STATUS="1")).endswith("ended with status 1")


def test_nothing_measured_is_no_success(bench: Command) -> None:
    assert refusal(bench([])).endswith("measured nothing")


def test_no_built_program_is_one_line(gauntlet: Command, root: Path) -> None:
    done = gauntlet("bench")
    assert "there is no built bench" in refusal(done)
    assert not (root / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rows", "0"], "0 is no row; the rows are 1 to 11"),
        (["--rows", "1,"], "nothing is no row"),
        (["--rows", "two"], "two is no row"),
        (["--repetitions", "0"], "--repetitions"),
        (["--out", "/dev/null"], "--out /dev/null: cannot be written"),
        (["--row", "1"], "--rows"),
    ],
)
@pytest.mark.usefixtures("stand_in")
def test_wrong_usage_is_one_line(quick_gauntlet: Command, words: list[str], said: str) -> None:
    done = quick_gauntlet("bench", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_and_says_one_line(
    number: signal.Signals,
    start_gauntlet: Start,
    stand_in: Path,
    root: Path,
    eventually: Eventually,
) -> None:
    told = root / "pid"
    stand_in.write_text(
        f"#!/bin/sh\necho $$ >'{told}.new'; mv '{told}.new' '{told}'\nexec sleep 600\n"
    )
    process = start_gauntlet("bench")
    eventually(told.exists, "the program runs")
    process.send_signal(number)
    out, err = process.communicate(timeout=180)
    assert (process.returncode, out) == (3, "")
    assert err.splitlines()[-1] == "gauntlet: interrupted"
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
    assert list((root / "runs").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_right_after_the_fork_leaves_no_program(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    fork = subprocess.Popen

    def fork_and_be_told_to_stop(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(fork(*words, **options))
        signal.raise_signal(number)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", fork_and_be_told_to_stop)
    try:
        with pytest.raises(KeyboardInterrupt), stopped_as_by_ctrl_c():
            run_program(["sleep", "600"])
        (program_run,) = started
        assert program_run.returncode == -signal.SIGKILL, "nobody has ended and reaped it"
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_folder_of_a_bench_is_no_run(bench: Command, gauntlet: Command) -> None:
    folder = Path(bench([table()]).stdout.splitlines()[-1])
    done = gauntlet("report", folder.name)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("; there is none under runs/ yet")


needs_real = pytest.mark.skipif(
    not os.access(REAL, os.X_OK),
    reason="reference_bench is not built (ninja -C build/release reference_bench)",
)


@needs_real
def test_rows_are_those_of_the_program() -> None:
    for row, status in ((FIRST_ROW - 1, 2), (LAST_ROW + 1, 2), (FIRST_ROW, 0), (LAST_ROW, 0)):
        done = subprocess.run(
            [REAL, "--rows", str(row), "--help"], capture_output=True, timeout=180, check=False
        )
        assert done.returncode == status


@needs_real
def test_the_program_itself(gauntlet: Command, root: Path) -> None:
    path = program(root, "release")
    path.parent.mkdir(parents=True)
    path.symlink_to(REAL)
    done = gauntlet("bench", "--quick", "--rows", "7", "--repetitions", "1", "--json")
    assert done.returncode == 0, done.stderr
    (idle,) = json.loads(done.stdout)["tables"]
    assert (idle["row"], idle["unit"]) == (7, "% of a CPU")
    assert [len(one["values"]) for one in idle["series"] if one["name"] == "reference"] == [1]
    assert len(idle["aims"]) == 1
