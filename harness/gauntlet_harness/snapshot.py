"""What the processes of a stuck case are doing: state, wait channel, system call, stacks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gauntlet_harness.sweep import processes_of

_STACK_PATIENCE_S = 10.0
_LARGEST = 64 * 1024


def snapshot(scope: str, session: int) -> str:
    """Return the states and stacks of every process of a scope, as text of at most 64 KiB."""
    parts = []
    eu_stack = shutil.which("eu-stack")
    for process in processes_of(scope, session):
        lines = [f"{process}:"]
        for name in ("cmdline", "wchan", "syscall", "stack"):
            lines += [f"  {name}: {line}" for line in _read(process.pid, name)]
        if eu_stack:
            lines += [f"  {line}" for line in _user_stack(eu_stack, process.pid)]
        parts.append("\n".join(lines))
    return "\n".join(parts)[:_LARGEST]


def _read(pid: int, name: str) -> list[str]:
    try:
        data = Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError as error:
        return [f"({error.strerror})"]
    text = data.replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return text.splitlines()


def _user_stack(eu_stack: str, pid: int) -> list[str]:
    try:
        done = subprocess.run(
            [eu_stack, "-p", str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_STACK_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"user stack: {error}"]
    return done.stdout.decode("utf-8", "replace").splitlines()
