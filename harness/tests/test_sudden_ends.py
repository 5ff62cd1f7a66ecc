"""Runs that are cut short, by a signal or by SIGKILL: nothing is left, and --resume goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Starter = Callable[..., "subprocess.Popen[str]"]
Eventually = Callable[[Callable[[], object], str], None]
A = "WaitsRaces.Runner_WaitsToBeLetGo/a"
B = "WaitsRaces.Runner_WaitsToBeLetGo/b"


class Scene:
    """A run of two waiting cases and some plain ones, and what its cases tell of themselves."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder = folder
        self.out = out
        self.variables = {
            "FAKE_SIGNAL_FOLDER": str(folder),
            "FAKE_ONLY": "WaitsToBeLetGo,Plain",
            "FAKE_CASES": "6",
        }

    def told(self, subject: str) -> dict[str, Any] | None:
        path = self.folder / f"running-{subject}"
        return json.loads(path.read_text()) if path.exists() else None

    def let_go(self) -> None:
        for subject in ("a", "b"):
            (self.folder / f"go-{subject}").touch()

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(t) for t in (self.out / "journal.jsonl").read_text().splitlines()]

    def verdicts(self) -> dict[str, str]:
        return {line["case"]: line["verdict"] for line in self.journal() if line["event"] == "end"}

    def starts_of(self, name: str) -> int:
        lines = self.journal()
        return sum(line["event"] == "start" and line["case"] == name for line in lines)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    folder = tmp_path / "signals"
    folder.mkdir()
    return Scene(folder, tmp_path / "out")


def is_gone(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text[text.rfind(")") + 2] in "ZX"


def is_swept(told: dict[str, Any]) -> bool:
    name = Path(f"/dev/shm/fake-{told['scope']}")
    return is_gone(told["pid"]) and is_gone(told["child"]) and not name.exists()


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def guardian_of(pid: int) -> int:
    children = {p: Path(f"/proc/{p}/cmdline").read_bytes() for p in children_of(pid)}
    (guardian,) = [p for p, command in children.items() if b"gauntlet_harness.guardian" in command]
    return guardian


def run_into(
    scene: Scene, start: Starter, suite: Path, eventually: Eventually, jobs: int
) -> tuple[subprocess.Popen[str], list[dict[str, Any]]]:
    """Start a run and return it when one or both waiting cases are in the middle of theirs."""
    only = "" if jobs == 2 else "WaitsToBeLetGo/a"
    variables = {**scene.variables, **({"FAKE_ONLY": f"{only},Plain"} if only else {})}
    harness = start(
        "validate", "--suite", suite, "--out", scene.out, "--jobs", str(jobs), "--seed", "3",
        **variables,
    )  # fmt: skip
    subjects = ("a", "b") if jobs == 2 else ("a",)
    eventually(lambda: all(scene.told(s) for s in subjects), "the waiting cases run")
    return harness, [told for s in subjects if (told := scene.told(s))]


def test_killed_harness_leaves_no_process_and_no_name(
    scene: Scene, start_gauntlet: Starter, fake_suite: Path, eventually: Eventually
) -> None:
    harness, told = run_into(scene, start_gauntlet, fake_suite, eventually, jobs=2)
    family = children_of(harness.pid)
    assert len(family) == 3  # Two servers and the guardian.
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    eventually(lambda: all(is_swept(one) for one in told), "the runners' families are swept")
    eventually(lambda: all(is_gone(pid) for pid in family), "the guardian ends too")


def test_runner_dies_with_the_harness_even_when_the_guardian_was_killed_first(
    scene: Scene, start_gauntlet: Starter, fake_suite: Path, eventually: Eventually
) -> None:
    harness, (told,) = run_into(scene, start_gauntlet, fake_suite, eventually, jobs=1)
    os.kill(guardian_of(harness.pid), signal.SIGKILL)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    try:
        eventually(lambda: is_gone(told["pid"]), "the runner dies by its parent's death")
    finally:
        # With both guards dead only the next run can find the rest; here nobody starts one.
        os.kill(told["child"], signal.SIGKILL)
        Path(f"/dev/shm/fake-{told['scope']}").unlink()


def test_next_run_removes_what_the_guardian_could_not(
    scene: Scene,
    start_gauntlet: Starter,
    gauntlet: Command,
    fake_suite: Path,
    eventually: Eventually,
) -> None:
    variables = {**scene.variables, "FAKE_ONLY": "WaitsToBeLetGo/a"}
    harness = start_gauntlet("validate", "--suite", fake_suite, "--seed", "3", **variables)
    eventually(lambda: scene.told("a"), "the case runs")
    told = scene.told("a")
    assert told is not None
    os.kill(guardian_of(harness.pid), signal.SIGKILL)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    assert not is_swept(told)
    done = gauntlet("validate", "--suite", fake_suite, FAKE_CASES="1", FAKE_ONLY="Plain")
    assert done.returncode == 0
    assert f"fake-{told['scope']}" in done.stderr
    eventually(lambda: is_swept(told), "the old runner's family is swept")


def test_single_running_case_is_blamed_and_not_run_again(
    scene: Scene,
    start_gauntlet: Starter,
    gauntlet: Command,
    fake_suite: Path,
    eventually: Eventually,
) -> None:
    harness, (told,) = run_into(scene, start_gauntlet, fake_suite, eventually, jobs=1)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    eventually(lambda: is_swept(told), "the runner's family is swept")
    before = scene.verdicts()
    variables = {**scene.variables, "FAKE_ONLY": "WaitsToBeLetGo/a,Plain"}
    done = gauntlet("validate", "--resume", scene.out, **variables)
    assert done.returncode == 1
    assert f"CRASH {A}: the run ended while this case was running" in done.stdout
    assert done.stdout.startswith("seed 3, profile smoke")
    assert scene.starts_of(A) == 1
    verdicts = scene.verdicts()
    assert verdicts.pop(A) == "crash"
    assert set(verdicts.values()) == {"pass"}
    assert len(verdicts) == 6
    for name in before:
        assert scene.starts_of(name) == 1
    assert json.loads((scene.out / "run.json").read_text())["state"] == "finished"
    states = [line["state"] for line in scene.journal() if line["event"] == "run"]
    assert states == ["started", "resumed", "finished"]


def test_several_running_cases_run_again_alone_and_the_innocent_pass(
    scene: Scene,
    start_gauntlet: Starter,
    gauntlet: Command,
    fake_suite: Path,
    eventually: Eventually,
) -> None:
    harness, told = run_into(scene, start_gauntlet, fake_suite, eventually, jobs=2)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    eventually(lambda: all(is_swept(one) for one in told), "the families are swept")
    scene.let_go()
    done = gauntlet("validate", "--resume", scene.out, **scene.variables)
    assert done.returncode == 0
    assert set(scene.verdicts().values()) == {"pass"}
    lines = scene.journal()
    resumed = next(i for i, line in enumerate(lines) if line.get("state") == "resumed")
    order = [(line["event"], line["case"]) for line in lines[resumed + 1 : resumed + 5]]
    first, second = order[0][1], order[2][1]
    assert {first, second} == {A, B}
    assert order == [("start", first), ("end", first), ("start", second), ("end", second)]


def test_suspect_that_ends_the_run_again_is_the_one_to_blame(
    scene: Scene,
    start_gauntlet: Starter,
    gauntlet: Command,
    fake_suite: Path,
    eventually: Eventually,
) -> None:
    harness, told = run_into(scene, start_gauntlet, fake_suite, eventually, jobs=2)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    eventually(lambda: all(is_swept(one) for one in told), "the families are swept")
    for subject in ("a", "b"):
        (scene.folder / f"running-{subject}").unlink()
    again = start_gauntlet("validate", "--resume", scene.out, **scene.variables)
    eventually(lambda: scene.told("a") or scene.told("b"), "one suspect runs alone")
    guilty = A if scene.told("a") else B
    again.send_signal(signal.SIGKILL)
    again.wait()
    scene.let_go()
    done = gauntlet("validate", "--resume", scene.out, **scene.variables)
    assert done.returncode == 1
    verdicts = scene.verdicts()
    assert verdicts.pop(guilty) == "crash"
    assert set(verdicts.values()) == {"pass"}
    assert len(verdicts) == 7


def test_cut_journal_is_told_in_one_line_and_the_rest_kept(
    scene: Scene, gauntlet: Command, fake_suite: Path
) -> None:
    variables = {"FAKE_CASES": "5", "FAKE_ONLY": "Plain"}
    gauntlet("validate", "--suite", fake_suite, "--out", scene.out, **variables)
    journal = scene.out / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    ended = [i for i, text in enumerate(lines) if b'"event":"end"' in text]
    journal.write_bytes(b"".join(lines[: ended[2]]) + lines[ended[2]][:50])
    done = gauntlet("validate", "--resume", scene.out, "--jobs", "1", **variables)
    assert len(done.stderr.splitlines()) == 1
    assert "the journal ends in the middle of line" in done.stderr
    assert len(scene.verdicts()) == 5
    blamed = [name for name, verdict in scene.verdicts().items() if verdict == "crash"]
    assert len(blamed) <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_request_to_stop_ends_cleanly_and_blames_nobody(
    scene: Scene,
    start_gauntlet: Starter,
    gauntlet: Command,
    fake_suite: Path,
    eventually: Eventually,
    number: signal.Signals,
) -> None:
    harness, told = run_into(scene, start_gauntlet, fake_suite, eventually, jobs=2)
    harness.send_signal(number)
    out, err = harness.communicate()
    assert harness.returncode == 3
    assert err == ""
    assert all(is_swept(one) for one in told)
    assert out.splitlines()[-1] == str(scene.out)
    assert f"stopped by {number.name}" in out
    assert (scene.out / "index.html").exists()
    assert json.loads((scene.out / "run.json").read_text())["state"] == "interrupted"
    scene.let_go()
    done = gauntlet("validate", "--resume", scene.out, **scene.variables)
    assert done.returncode == 0
    assert set(scene.verdicts().values()) == {"pass"}
    assert len(scene.verdicts()) == 8


def test_run_that_is_still_going_on_is_not_resumed(
    scene: Scene,
    start_gauntlet: Starter,
    gauntlet: Command,
    fake_suite: Path,
    eventually: Eventually,
) -> None:
    run_into(scene, start_gauntlet, fake_suite, eventually, jobs=2)
    done = gauntlet("validate", "--resume", scene.out, **scene.variables)
    assert done.returncode == 2
    assert "this run is still going on" in done.stderr


def test_repro_that_is_stopped_takes_its_runner_along(
    scene: Scene, start_gauntlet: Starter, fake_suite: Path, eventually: Eventually
) -> None:
    harness = start_gauntlet("repro", A, "--seed", "1", "--suite", fake_suite, **scene.variables)
    eventually(lambda: scene.told("a"), "the case runs")
    told = scene.told("a")
    assert told is not None
    harness.send_signal(signal.SIGTERM)
    harness.communicate()
    assert harness.returncode == 3
    assert is_swept(told)
