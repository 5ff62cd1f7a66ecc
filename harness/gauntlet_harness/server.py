"""Suite processes that are kept: each forks a fresh runner for one case after the other.

Most of a runner's start is dynamic linking and the registration of some thousand cases; a server
has that behind it. docs/protocol.md, "A suite that serves", says what the two tell each other.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from gauntlet_harness import sweep
from gauntlet_harness.errors import HarnessError
from gauntlet_harness.suite import Suite, clean_environment

# A fork and some calls; a loaded machine may have to load a big binary first.
_PATIENCE_S = 120.0
_LARGEST_ANSWER = 4096
# As long as every scope: a runner writes its own over it, where /proc/PID/environ shows it.
_NO_SCOPE = "-" * sweep.SCOPE_LENGTH


class Server:
    """One suite process and, at most, one runner of it. Not thread-safe."""

    def __init__(self, suite: Suite) -> None:
        """Start it; it ends with this process."""
        self.suite = suite
        self.alive = True
        self.alone = False  # Whether nothing of the last runner is left but what ``ended`` told.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [str(suite.path), f"--gauntlet_serve={theirs.fileno()}"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    env={**clean_environment(), sweep.SCOPE_VARIABLE: _NO_SCOPE},
                )
        except OSError as error:
            ours.close()
            raise HarnessError(f"{suite.path}: cannot be run: {error.strerror}") from None
        self._socket = ours

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a runner has ended."""
        return self._socket.fileno()

    def begin(self, case: str, folder: Path, options: Sequence[str], output: int) -> int:
        """Fork a runner that waits in ``folder`` to be let go, and return its pid."""
        request = "\0".join(["run", case, str(folder), *options]).encode()
        self._socket.settimeout(_PATIENCE_S)
        self.alive = self.alone = False  # Of no use to anybody if this is broken off.
        try:
            socket.send_fds(self._socket, [request], [output])
            answer = self._socket.recv(_LARGEST_ANSWER).decode()
        except OSError as error:
            raise HarnessError(f"{self.suite.path} serves no case: {error}") from None
        word, _, rest = answer.partition(" ")
        if word != "started":
            raise HarnessError(f"{self.suite.path} serves no case: {rest or self._last_words()}")
        self.alive = True
        return int(rest)

    def let_go(self) -> None:
        """Let the runner begin."""
        # A server that has died meanwhile is seen by ``ended``.
        with contextlib.suppress(OSError):
            self._socket.send(b"go")

    def ended(self, patience_s: float = 0.0) -> int | None:
        """Return the runner's status as subprocess has it, or None while it runs.

        A server that died took its runner with it: its own status then stands for the runner's.
        """
        self._socket.settimeout(patience_s)
        try:
            answer = self._socket.recv(_LARGEST_ANSWER).decode()
        except (BlockingIOError, TimeoutError):
            return None
        except OSError:
            answer = ""
        word, _, rest = answer.partition(" ")
        if word == "ended":
            status, _, left = rest.partition(" ")
            self.alone = left == "alone"
            return int(status)
        self.alive = False
        return self._process.wait()

    def reap(self) -> None:
        """Give the ended runner's pid back to the system; the next one can begin."""
        with contextlib.suppress(OSError):
            self._socket.send(b"reap")

    def close(self) -> None:
        """End the suite process; a runner that is left dies with it."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _last_words(self) -> str:
        self._process.kill()
        status = self._process.wait()
        assert self._process.stderr is not None
        said = os.read(self._process.stderr.fileno(), _LARGEST_ANSWER).decode("utf-8", "replace")
        return said.strip() or f"it ended with status {status}"


class Servers:
    """The servers that wait for a case. A context manager; closed, nothing of them is left."""

    def __init__(self) -> None:
        self._idle: list[Server] = []
        self._all: list[Server] = []

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._all:
            server.close()

    def take(self, suite: Suite) -> Server:
        """Return a server of the suite that nobody else uses."""
        for server in self._idle:
            if server.suite == suite:
                self._idle.remove(server)
                return server
        server = Server(suite)
        self._all.append(server)
        return server

    def give_back(self, server: Server) -> None:
        """Keep it for the next case, unless it died."""
        if server.alive:
            self._idle.append(server)
        else:
            server.close()
            self._all.remove(server)
