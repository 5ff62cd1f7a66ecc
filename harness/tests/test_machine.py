"""What the machine lacked while a case ran: memory that the kernel had to take, room on a disk."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gauntlet_harness import machine
from gauntlet_harness.machine import MachineState, machine_state, trouble_since


def test_a_quiet_machine_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_WRITTEN", ())
    assert trouble_since(machine_state(), tmp_path) == ""


def test_kills_since_then_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "machine_state", lambda: MachineState(oom_kills=5))
    told = trouble_since(MachineState(oom_kills=3), tmp_path)
    assert told == "the kernel killed 2 processes for want of memory"


@pytest.mark.parametrize(("blocks", "full"), [(0, True), (255, True), (256, False)])
def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, full: bool
) -> None:
    room = SimpleNamespace(f_blocks=1000, f_bavail=blocks, f_frsize=4096)
    monkeypatch.setattr(machine, "_WRITTEN", ())
    monkeypatch.setattr(os, "statvfs", lambda _place: room)
    assert trouble_since(machine_state(), tmp_path) == (
        f"there is no room left in {tmp_path}" if full else ""
    )
