"""Has the launcher's build script build the suites before a command that needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gauntlet_harness.errors import HarnessError


class BuildFailedError(HarnessError):
    """The build script has said on stderr what went wrong; nothing is left to add."""


def ensure_built(root: Path, preset: str, *, no_setup: bool) -> None:
    """Build ``preset`` unless everything is done, or set-up is not wanted."""
    if no_setup or os.environ.get("GAUNTLET_NO_SETUP") == "1":
        return
    script = root / "harness" / "setup" / "build.sh"
    environment = {**os.environ, "GAUNTLET_ROOT": str(root)}
    # Its words go to stderr, so that stdout holds nothing but what was asked for.
    done = subprocess.run(
        ["sh", str(script), preset], stdout=sys.stderr, env=environment, check=False
    )
    if done.returncode != 0:
        raise BuildFailedError(f"the build of preset {preset} failed")
