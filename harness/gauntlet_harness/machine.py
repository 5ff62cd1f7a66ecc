"""What the machine tells: its start, and whether it lacked memory or room while a case ran."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

# Where cases and the harness write: without room here nothing that is written can be believed.
_WRITTEN = (Path("/dev/shm"), Path("/tmp"))
_LEAST_BYTES = 1 << 20
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class MachineState:
    """What the machine counts of its own distress."""

    oom_kills: int


def machine_state() -> MachineState:
    """Return the counters as they are now; what the kernel does not tell counts as 0."""
    with contextlib.suppress(OSError, ValueError):
        # Before each case: looked for as it stands, not taken apart line by line.
        _, found, rest = Path("/proc/vmstat").read_bytes().partition(b"\noom_kill ")
        if found:
            return MachineState(oom_kills=int(rest.partition(b"\n")[0]))
    return MachineState(oom_kills=0)


def trouble_since(before: MachineState, folder: Path) -> str:
    """Return what the machine lacked since ``before``, in words, or ``""``.

    ``folder`` is where the run is written to.
    """
    killed = machine_state().oom_kills - before.oom_kills
    troubles = [f"the kernel killed {killed} processes for want of memory"] if killed > 0 else []
    for place in (folder, *_WRITTEN):
        with contextlib.suppress(OSError):
            room = os.statvfs(place)
            if room.f_blocks and room.f_bavail * room.f_frsize < _LEAST_BYTES:
                troubles.append(f"there is no room left in {place}")
    return "; ".join(troubles)


def boot_id() -> str:
    """Return the kernel's name for the time since it was started, or ``""``."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
