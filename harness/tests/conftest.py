"""Fixtures: the fake suite, an empty checkout, and the command line run in it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gauntlet_harness import cli

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
# Generous: these only end a test that would otherwise hang.
PATIENCE_S = 180.0

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--digests",
        type=lambda name: Path(name).absolute(),
        metavar="FILE",
        help="Add the digests of the five nights that go wrong to this file.",
    )


def pytest_configure() -> None:
    # A shell has what it runs in the background ignore SIGINT, and programs inherit that: those
    # which the tests interrupt would never hear of it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def fake_suite() -> Path:
    return HERE / "helpers" / "fake_suite.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty checkout: runs go to its runs/."""
    path = tmp_path / "checkout"
    path.mkdir()
    return path


@pytest.fixture
def environment(root: Path) -> dict[str, str]:
    paths = [str(CHECKOUT / "harness"), str(CHECKOUT / "reports")]
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        "GAUNTLET_ROOT": str(root),
        "GAUNTLET_NO_SETUP": "1",
        "PYTHONPATH": os.pathsep.join(paths),
    }


@pytest.fixture
def gauntlet(environment: dict[str, str], tmp_path: Path) -> Command:
    """Run the command line to its end: ``gauntlet("list", "--json", FAKE_CASES="3")``."""

    def run(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gauntlet_harness", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=PATIENCE_S,
            env={**environment, **variables},
            check=False,
        )

    return run


@pytest.fixture
def quick_gauntlet(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """The same as ``gauntlet`` within this process, for what ends before anything is run."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["harness/gauntlet", *map(str, words)]
        monkeypatch.setattr(sys, "argv", command)
        monkeypatch.setattr(cli, "ROOT", root)
        monkeypatch.setenv("GAUNTLET_NO_SETUP", "1")
        monkeypatch.chdir(tmp_path)
        status = cli.main()
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(command, status, out, err)

    return run


@pytest.fixture
def start_gauntlet(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command line and leave it running; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str | Path, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "gauntlet_harness", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**environment, **variables},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def on_a_terminal(environment: dict[str, str], tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run the command line on a terminal; return its status and all that it wrote there.

    Colours are neither forbidden nor forced unless a variable says so.
    """

    def run(*words: str | Path, **variables: str) -> tuple[int, str]:
        known = {key: value for key, value in environment.items() if not key.endswith("_COLOR")}
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "gauntlet_harness", *map(str, words)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=tmp_path,
            env={**known, "TERM": "xterm", "COLUMNS": "100", **variables},
        )
        os.close(theirs)
        written = b""
        end = time.monotonic() + PATIENCE_S
        while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                written += os.read(ours, 65536)
            except OSError:  # EIO: nobody holds the terminal any more.
                break
        else:
            process.kill()
        os.close(ours)
        return process.wait(), written.decode()

    return run


@pytest.fixture
def eventually() -> Callable[[Callable[[], object], str], None]:
    """Look until something holds; a look every few milliseconds, for a generous while."""

    def wait(holds: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end:
                pytest.fail(f"never came to pass: {what}")
            time.sleep(0.005)

    return wait
