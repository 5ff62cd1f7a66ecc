"""``selftest``: the project's own tests, each runner's own closing line said again at the end."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gauntlet_harness.errors import STATUS_FAILED, STATUS_OK, HarnessError

# The folders of this tree that hold a Python package and its tests.
_PYTHON_PARTS = ("harness", "reports", "fixtures/reference/mutations")


@dataclass(frozen=True)
class Step:
    """One runner of tests and how to recognise its closing line."""

    name: str
    command: Sequence[str]
    closing: str  # A pattern; the last line that it matches is the runner's own summary.


def steps(root: Path, preset: str, jobs: int) -> list[Step]:
    """Return what the project's tests are, in the order in which they run."""
    python_parts = [str(root / part) for part in _PYTHON_PARTS]
    tests = [str(path) for part in python_parts if (path := Path(part) / "tests").is_dir()]
    ctest = ["ctest", "--test-dir", str(root / "build" / preset), "-L", "selftest"]
    return [
        Step(
            "ctest",
            [*ctest, "--output-on-failure", "--no-tests=error", "-j", str(jobs)],
            r"\d+% tests passed|No tests were found",
        ),
        Step(
            "pytest",
            # The longest tests stand side by side in their files: who has nothing left takes some.
            [sys.executable, "-m", "pytest", "-n", str(jobs), "--dist", "worksteal", *tests],
            r"\b(passed|failed|error)",
        ),
        Step(
            "mypy",
            [sys.executable, "-m", "mypy", "--strict", *_packages(root)],
            r"^(Success|Found)",
        ),
        Step(
            "ruff",
            [sys.executable, "-m", "ruff", "check", *python_parts],
            r"^(All checks passed|Found)",
        ),
    ]


def _packages(root: Path) -> list[str]:
    found = (path for part in _PYTHON_PARTS for path in sorted((root / part).glob("gauntlet_*")))
    return [str(path) for path in found if path.is_dir()]


def run_steps(root: Path, todo: Sequence[Step], say: Callable[[str], None] = print) -> int:
    """Run the steps one after the other, all of them; return the exit status."""
    closings, worst = [], STATUS_OK
    for step in todo:
        if shutil.which(step.command[0]) is None:
            raise HarnessError(f"selftest: {step.command[0]} is not installed")
        say(f"== {step.name}")
        status, closing = _run(step, root, say)
        words = closing or f"{step.name} ended with status {status} and no summary"
        # pytest frames its line; the frame has done its duty above.
        closings.append(f"{step.name}: {words.strip('= ')}")
        if status != 0:
            worst = STATUS_FAILED
    say("")
    for line in closings:
        say(line)
    return worst


def _run(step: Step, root: Path, say: Callable[[str], None]) -> tuple[int, str]:
    """Pass a runner's output on as it comes; return its status and its closing line."""
    closing = ""
    with subprocess.Popen(
        step.command,
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip("\n"))
            if re.search(step.closing, line):
                closing = line.strip()
    return process.returncode, closing
