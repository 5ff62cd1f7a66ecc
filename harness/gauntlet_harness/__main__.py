"""Lets ``python -m gauntlet_harness`` be the command line."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from gauntlet_harness.cli import main
    except ModuleNotFoundError as error:
        # Only without set-up: the launcher's own environment has what pyproject.toml names.
        print(
            f"gauntlet: {sys.executable} has no module {error.name}; let harness/gauntlet set up"
            " its own environment, or use a python3 that has what pyproject.toml names",
            file=sys.stderr,
        )
        # 125 is what git bisect run takes for "cannot tell"; 3 would blame a revision.
        sys.exit(125 if "--bisect" in sys.argv[1:] else 3)
    sys.exit(main())
