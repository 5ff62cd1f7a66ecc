"""The minimal programs of reports/finds: they build, and show what their expectation says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gauntlet_harness.expectation_files import Expectation, read_expectations
from gauntlet_harness.expectations import describes
from gauntlet_harness.fingerprint import fingerprint

REPORTS = Path(__file__).parents[2] / "reports"
ENTRIES = {entry.id: entry for entry in read_expectations(REPORTS / "expectations")}
PROGRAMS = sorted((REPORTS / "finds").glob("*.c"))
# Where the kernel is wrong, a run of it loses four sockets until the restart: its case is enough.
COSTLY = "kernel-unix-cycles-that-share-a-socket-are-never-collected"
DEVIATES, NOT_SEEN_HERE = 1, 77


def build(source: Path, folder: Path) -> Path:
    program = folder / source.stem
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = ["cc", "-std=gnu11", "-O1", "-pthread", *warnings, "-o", str(program), str(source)]
    subprocess.run(command, check=True, cwd=folder)
    return program


def names(source: Path) -> str:
    return source.stem


@pytest.mark.parametrize("source", PROGRAMS, ids=names)
def test_a_program_shows_its_find_on_the_systems_that_have_it(source: Path, tmp_path: Path) -> None:
    program = build(source, tmp_path)
    if source.stem == COSTLY:
        return
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=60, check=False)
    if describes(ENTRIES[source.stem], fingerprint()):
        assert done.returncode in (DEVIATES, NOT_SEEN_HERE), done.stdout
    else:
        assert done.returncode in (0, DEVIATES, NOT_SEEN_HERE), done.stdout
    assert done.stdout.count("\n") == 1


def has_no_program(entry: Expectation) -> bool:
    """A race, a chosen schedule, or a library and its peer: the case is the smallest form."""
    needs_a_peer = entry.id.startswith(("nng-", "dbus-"))
    needs_a_schedule = any("AtEachInstruction" in case or "HeldUp" in case for case in entry.cases)
    return entry.kind == "flaky" or needs_a_peer or needs_a_schedule


def test_each_find_has_a_program_and_each_program_a_find() -> None:
    programs = {source.stem for source in PROGRAMS}
    assert programs <= ENTRIES.keys()
    missing = {entry.id for entry in ENTRIES.values() if not has_no_program(entry)} - programs
    assert missing == {"glibc-stalled-pi-mutex-aborts-waiter-at-each-point"}
