"""Finds and removes what a killed runner left: processes and names that carry its scope.

Standard library only: the guardian imports this and must start fast.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# Every process of a case inherits this in its environment, whatever session it moves to.
SCOPE_VARIABLE = "GAUNTLET_RUN_SCOPE"
SCOPE_LENGTH = 15
# Where a case outside private namespaces can leave a name (shm_overview(7), mq_overview(7)).
_FOLDERS = ("/dev/shm", "/dev/mqueue", "/tmp", os.environ.get("TMPDIR") or "/tmp")
NAME_FOLDERS = tuple(map(Path, dict.fromkeys(_FOLDERS)))
_KILL_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Process:
    """A process as /proc/PID/stat shows it."""

    pid: int
    name: str
    state: str
    session: int
    start_ticks: int

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name}, state {self.state})"


def read_process(pid: int) -> Process | None:
    """Return the process, or None when it is gone."""
    data = _read(f"/proc/{pid}/stat")
    if not data:
        return None
    # proc_pid_stat(5): the name is in parentheses and may itself hold spaces and parentheses.
    end = data.rindex(b")")
    name = data[data.index(b"(") + 1 : end].decode("utf-8", "replace")
    fields = data[end + 2 :].split(None, 20)
    return Process(pid, name, chr(fields[0][0]), int(fields[3]), int(fields[19]))


def processes_of(scope: str, session: int | None, since_ticks: int = 0) -> list[Process]:
    """Return the live processes of a scope: of its session, or with its mark in their environment.

    ``session`` may be given only while it cannot have been reused, that is while the runner was
    seen alive a moment ago. Processes that were there before ``since_ticks`` are not looked at.
    """
    mark = f"{SCOPE_VARIABLE}={scope}".encode()
    found = []
    # After every case over all processes of the machine: bare descriptors, no file objects.
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        process = read_process(int(entry.name))
        if process is None or process.start_ticks < since_ticks or process.state in "ZXx":
            continue
        if (session is not None and process.session == session) or _carries(process.pid, mark):
            found.append(process)
    return found


def _carries(pid: int, mark: bytes) -> bool:
    return mark in _read(f"/proc/{pid}/environ").split(b"\0")


def _read(path: str) -> bytes:
    """Return what a file of /proc holds; nothing when it is gone or not ours."""
    parts = []
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        while part := os.read(file, 1 << 16):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(file)
    return b"".join(parts)


def kill_processes(scope: str, session: int | None) -> list[Process]:
    """SIGKILL the processes of a scope until none is left, and return those that resisted."""
    return _until_gone(lambda: processes_of(scope, session))


def _until_gone(look: Callable[[], list[Process]]) -> list[Process]:
    give_up_at = time.monotonic() + _KILL_PATIENCE_S
    while left := look():
        for process in left:
            _kill(process)
        if time.monotonic() > give_up_at:
            break
        time.sleep(0.005)  # Between two looks; what ends the loop is what it sees.
    return left


def _kill(process: Process) -> None:
    # A pid may have been handed to someone else since the look: the start time tells.
    now = read_process(process.pid)
    if now is None or now.start_ticks != process.start_ticks:
        return
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        pass  # Someone else's by now; it is reported as resisting.


def names_of(scope: str) -> list[Path]:
    """Return the file system names that hold the scope."""
    found = []
    for folder in NAME_FOLDERS:
        try:
            found += [Path(entry.path) for entry in os.scandir(folder) if scope in entry.name]
        except OSError:
            continue
    return sorted(found)


def remove_names(paths: list[Path]) -> list[Path]:
    """Remove these names, and return those that could not be removed."""
    resisting = []
    for path in paths:
        try:
            if stat.S_ISDIR(path.lstat().st_mode):
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError:
            resisting.append(path)
    return resisting


def sweep_scope(scope: str, session: int | None = None) -> list[str]:
    """Kill and remove whatever carries the scope, and return it in words."""
    processes = processes_of(scope, session)
    gone = [str(process) for process in processes]
    if processes:
        kill_processes(scope, session)
    names = names_of(scope)
    remove_names(names)
    return gone + [str(name) for name in names]
