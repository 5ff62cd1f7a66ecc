"""What other programs say when they are asked: of their version, of a checkout, of the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

_PATIENCE_S = 30


def said(command: Sequence[str], *, errors_too: bool = False) -> str:
    """Return what a program writes, without the space around it; ``""`` where it cannot be asked.

    ``errors_too``: also what it writes to stderr, where some tell their version.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors_too else subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()
