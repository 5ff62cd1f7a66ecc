"""Suites that serve: a fresh runner for each case, and what happens when one of the two dies."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gauntlet_harness.errors import HarnessError
from gauntlet_harness.guardian import Guardian
from gauntlet_harness.homes import Homes
from gauntlet_harness.runner import CaseRun, Job, run_one, wait_for
from gauntlet_harness.server import Server, Servers
from gauntlet_harness.suite import Suite
from gauntlet_harness.sweep import SCOPE_LENGTH, processes_of, read_process

Eventually = Callable[[Callable[[], object], str], None]
OWN_SUITE = Path(__file__).resolve().parents[2] / "build" / "release" / "suites" / "gauntlet_suites"
SCOPE = "servertest00000"
assert len(SCOPE) == SCOPE_LENGTH
needs_own_suite = pytest.mark.skipif(not OWN_SUITE.exists(), reason="no build/release")


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as pool:
        yield pool


@pytest.fixture
def output() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def begin(server: Server, case: str, folder: Path, output: int) -> int:
    return server.begin(case, folder, ["--gtest_color=no", f"--gauntlet_scope={SCOPE}"], output)


def is_gone(pid: int) -> bool:
    process = read_process(pid)
    return process is None or process.state == "Z"


def job(suite: Path, name: str) -> Job:
    (case,) = [case for case in Suite(suite).cases("smoke") if case.name == name]
    return Job(Suite(suite), case, "smoke", 1)


def test_one_suite_process_serves_one_case_after_the_other(
    fake_suite: Path, servers: Servers, tmp_path: Path
) -> None:
    todo = job(fake_suite, "PipesConformance.Write_PassesWithEpipe/pipe")
    with Guardian() as guardian:
        first = servers.take(todo.suite)
        servers.give_back(first)
        homes = Homes(tmp_path / "homes")
        for _ in range(3):
            result = run_one(todo, SCOPE, homes, guardian, servers)
            assert result.verdict == "pass"
        assert servers.take(todo.suite) is first


def test_program_that_is_no_suite_is_told_with_its_last_words(
    servers: Servers, tmp_path: Path, output: tuple[int, int]
) -> None:
    program = tmp_path / "no_suite"
    program.write_text("#!/bin/sh\necho 'cannot open shared object' >&2\nexit 127\n")
    program.chmod(0o755)
    server = servers.take(Suite(program))
    with pytest.raises(HarnessError, match="serves no case"):
        begin(server, "A.B", tmp_path, output[1])
    servers.give_back(server)
    assert servers.take(Suite(program)) is not server


def test_server_that_dies_with_its_runner_is_a_crash_and_is_replaced(
    fake_suite: Path,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Eventually,
) -> None:
    monkeypatch.setenv("FAKE_SIGNAL_FOLDER", str(tmp_path))
    todo = job(fake_suite, "WaitsRaces.Runner_WaitsToBeLetGo/a")
    run = CaseRun(todo, SCOPE, Homes(tmp_path / "home"), None, servers)
    run.open_gate()
    eventually((tmp_path / "running-a").exists, "the case runs")
    runner = read_process(run.pid)
    assert runner is not None
    parent = int(Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    while (result := run.step()) is None:
        wait_for([run], 1.0)
    assert result.verdict == "crash"
    assert processes_of(SCOPE, None) == []
    again = job(fake_suite, "PipesConformance.Write_PassesWithEpipe/pipe")
    with Guardian() as guardian:
        assert run_one(again, SCOPE, Homes(tmp_path / "again"), guardian, servers).verdict == "pass"


@needs_own_suite
def test_runner_at_its_gate_has_its_own_session_and_carries_its_scope(
    servers: Servers, tmp_path: Path, output: tuple[int, int]
) -> None:
    server = servers.take(Suite(OWN_SUITE))
    pid = begin(server, "PipesConformance.NoSuchCase", tmp_path, output[1])
    process = read_process(pid)
    assert process is not None
    assert process.session == pid
    assert f"GAUNTLET_RUN_SCOPE={SCOPE}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    assert Path(f"/proc/{pid}/cwd").readlink() == tmp_path
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    assert server.ended() is None


@needs_own_suite
def test_case_that_the_suite_does_not_hold_ends_with_status_2_and_the_suite_goes_on(
    servers: Servers, tmp_path: Path, output: tuple[int, int]
) -> None:
    server = servers.take(Suite(OWN_SUITE))
    for _ in range(2):
        begin(server, "PipesConformance.NoSuchCase", tmp_path, output[1])
        server.let_go()
        assert server.ended(60) == 2
        server.reap()
    assert b"no case 'PipesConformance.NoSuchCase'" in os.read(output[0], 4096)


@needs_own_suite
def test_runner_that_was_not_let_go_dies_with_the_suite(
    tmp_path: Path, output: tuple[int, int], eventually: Eventually
) -> None:
    with Servers() as servers:
        pid = begin(servers.take(Suite(OWN_SUITE)), "A.B", tmp_path, output[1])
    eventually(lambda: is_gone(pid), "the runner is gone")


def test_suite_ends_when_the_harness_closes_the_socket(fake_suite: Path) -> None:
    for suite in [fake_suite, *([OWN_SUITE] if OWN_SUITE.exists() else [])]:
        # An end that nobody holds the other side of.
        script = (
            "import os, socket, sys\n"
            "ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
            "ours.close()\n"
            "os.set_inheritable(theirs.fileno(), True)\n"
            "os.execv(sys.argv[1], [sys.argv[1], f'--gauntlet_serve={theirs.fileno()}'])\n"
        )
        done = subprocess.run(
            ["python3", "-c", script, str(suite)], timeout=60, check=False, capture_output=True
        )
        assert done.returncode == 0, done.stderr
