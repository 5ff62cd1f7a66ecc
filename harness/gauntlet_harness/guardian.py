"""Outlives the harness: when the harness is killed, ends its runners and removes what they left.

Runs as a process of its own and is told on stdin which runners there are, one line each:
``+ SCOPE PID`` before a runner starts, ``- SCOPE`` when nothing of it is left. The end of that
stream without a ``bye`` is the death of the harness.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from gauntlet_harness.sweep import sweep_scope


def _main() -> int:
    # Whoever ends the harness by a signal to the terminal's group must not end its guardian too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    runners: dict[str, int] = {}
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "+":
            runners[rest[0]] = int(rest[1])
        elif word == "-":
            runners.pop(rest[0], None)
        elif word == "bye":
            return 0
    for scope, pid in runners.items():
        sweep_scope(scope, pid)
    return 0


class Guardian:
    """The harness's end of the guardian. One per harness process; use as a context manager."""

    def __enter__(self) -> Guardian:
        package_home = str(Path(__file__).resolve().parent.parent)
        known = os.environ.get("PYTHONPATH")
        path = f"{package_home}{os.pathsep}{known}" if known else package_home
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gauntlet_harness.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path},
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tell("bye")
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        return self._process.pid

    def watch(self, scope: str, pid: int) -> None:
        """Take a runner into care, before it runs."""
        self._tell(f"+ {scope} {pid}")

    def release(self, scope: str) -> None:
        """Let go of a runner of which nothing is left."""
        self._tell(f"- {scope}")

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            # Someone killed the guardian. The runners' own PDEATHSIG still stands.
            pass


if __name__ == "__main__":
    sys.exit(_main())
